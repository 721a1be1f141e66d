//! The stack of a run, from its document and the command line.

use super::envelope::{FreezeSpec, StackDocument};
use super::resource;
use super::target::{Target, TargetSpec};
use crate::aws::object::Location;
use crate::aws::{REGIONS, Tags};
use crate::diag::tree::{Shape, Tree};
use crate::diag::{
    Code, Diagnostic, FieldPath, Origin, Part, Place, Report, Segment, SourceMap, quote,
};
use crate::kinds::{Check, Desired, Freeze, Glob, Kind, Stack};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The one stack of a run.
pub(super) fn the_stack(
    documents: Vec<(Origin, StackDocument)>,
    name: Option<&str>,
    sources: &SourceMap,
    report: &mut Report,
) -> Stack {
    let mut documents = documents.into_iter();
    let Some((origin, document)) = documents.next() else {
        return Stack::named(name.unwrap_or("default"));
    };
    for (other, _) in documents {
        report.push(
            Diagnostic::new(
                Code::SeveralStacks,
                Place::value(other, "kind"),
                "a run has at most one Stack, and this is the second",
            )
            .also(Place::value(origin, "kind"), "the first one")
            .help("remove one of the two, or give `-f` the manifests of one stack only"),
        );
    }
    let spec = document.spec;
    check_stack_name(origin, &document.metadata.name, name, report);
    if let Some(region) = &spec.region {
        check_region(origin, region, report);
    }
    if let Some(account) = &spec.account {
        check_account(origin, account, sources, report);
    }
    Check::new(origin, report).tags("tags", &spec.tags, 0);
    let quotas = quotas(origin, spec.quotas, report);
    let ignore_tags = ignored_tags(origin, &spec.ignore_tags, report);
    let lock = spec.lock.and_then(|text| lock(origin, &text, report));
    let freezes = freezes(origin, &spec.freeze, report);
    Stack {
        name: document.metadata.name,
        region: spec.region,
        account: spec.account,
        tags: spec.tags,
        ignore_tags,
        prune: spec.prune,
        quotas,
        lock,
        freezes,
        on_freeze: spec.on_freeze,
    }
}

/// Puts a stack where a Target says that it is. What the Stack document (at `at`) says otherwise is reported, with the place
/// of the Target (`written`).
pub(super) fn at_target(
    stack: &mut Stack,
    at: Option<Origin>,
    target: &Target,
    written: Origin,
    report: &mut Report,
) {
    let mut differ = |code, field: &str, of_target: &str, was: &str, now: &str| {
        let Some(at) = at else { return };
        let message = format!("the Stack is {was}, and the Target `{}` is {now}", target.name);
        report.push(
            Diagnostic::new(code, Place::value(at, field), message)
                .also(Place::value(written, of_target), "the Target says so here")
                .help("give the Target the manifests of its own stack, or leave the field out of the Stack"),
        );
    };
    let TargetSpec { account, region, stack: name, .. } = &target.spec;
    if let Some(was) = stack.account.as_ref().filter(|it| *it != account) {
        let (was, now) = (format!("of account {was}"), format!("of account {account}"));
        differ(Code::WrongAccount, "spec.account", "spec.account", &was, &now);
    }
    if let Some(was) = stack.region.as_ref().filter(|it| *it != region) {
        let (was, now) = (format!("in region {was}"), format!("in region {region}"));
        differ(Code::WrongRegion, "spec.region", "spec.region", &was, &now);
    }
    if let Some(name) = name.as_ref().filter(|it| **it != stack.name) {
        let (was, now) = (format!("`{}`", stack.name), format!("of stack `{name}`"));
        differ(Code::SeveralStacks, "metadata.name", "spec.stack", &was, &now);
    }
    stack.account = Some(account.clone());
    stack.region = Some(region.clone());
}

/// Reports a stack name that no stack can have, or that is not the one that the command line asks for.
fn check_stack_name(origin: Origin, written: &str, asked: Option<&str>, report: &mut Report) {
    resource::logical_name(written, origin, "metadata.name", report);
    if let Some(asked) = asked.filter(|it| *it != written) {
        let message = format!(
            "the command line asks for stack `{asked}`, and the manifests are of `{written}`"
        );
        let place = Place::value(origin, "metadata.name");
        report.push(
            Diagnostic::new(Code::SeveralStacks, place, message).help(format!(
                "leave `--stack` out, or give `-f` the manifests of stack `{asked}`"
            )),
        );
    }
}

/// Reports a `spec.region` that does not have Amazon IVS.
pub(super) fn check_region(origin: Origin, region: &str, report: &mut Report) {
    if REGIONS.contains(&region) {
        return;
    }
    let message = format!("Amazon IVS does not exist in region {}", quote(region));
    report.push(
        Diagnostic::new(Code::WrongRegion, Place::value(origin, "spec.region"), message)
            .help(format!("use one of {}", REGIONS.join(", ")))
            .did_you_mean(region, REGIONS),
    );
}

/// Reports a `spec.account` that does not have twelve digits, or that is written as a number.
pub(super) fn check_account(
    origin: Origin,
    account: &str,
    sources: &SourceMap,
    report: &mut Report,
) {
    let place = Place::value(origin, "spec.account");
    if account.len() != 12 || !account.chars().all(|it| it.is_ascii_digit()) {
        let message = format!("{} is not an account: that is twelve digits", quote(account));
        report.push(
            Diagnostic::new(Code::WrongAccount, place, message)
                .help("write the twelve digits in quotes, such as `account: \"123456789012\"`"),
        );
    } else if is_unquoted(origin, &FieldPath::from("spec.account"), sources) {
        let message = "the account is a number, and other programs that read YAML drop a number's leading zeros";
        report.push(
            Diagnostic::new(Code::WrongAccount, place, message)
                .help(format!("quote it: `account: \"{account}\"`")),
        );
    }
}

/// Stack tags under the resource's own; what the stack ignores is not managed, so not wanted either. The answer is
/// how many tags the stack has added.
pub(super) fn add_tags(desired: &mut Desired, stack: &Stack, report: &mut Report) -> usize {
    let ignored = |key: &str| stack.ignore_tags.iter().any(|it| it.matches(key));
    let Some(own) = desired.spec.tags_mut() else { return 0 };
    for key in own.keys().filter(|key| ignored(key)) {
        let path = FieldPath::from("spec.tags").key(key.clone());
        let place = Place::Field { origin: desired.origin, path, part: Part::Key };
        let message = format!("tag `{key}` has no effect: `ignoreTags` of the stack matches it");
        report.push(Diagnostic::new(Code::IneffectiveSetting, place, message));
    }
    let mut tags: Tags = stack.tags.clone();
    let added = tags.keys().filter(|key| !own.contains_key(*key) && !ignored(key)).count();
    tags.append(own);
    tags.retain(|key, _| !ignored(key));
    *own = tags;
    added
}

/// The quotas of a stack by kind. Reports names that no kind has.
fn quotas(
    origin: Origin,
    written: BTreeMap<String, u32>,
    report: &mut Report,
) -> BTreeMap<Kind, u32> {
    let mut quotas = BTreeMap::new();
    for (name, quota) in written {
        if let Some(kind) = Kind::named(&name) {
            quotas.insert(kind, quota);
        } else {
            let path = FieldPath::from("spec.quotas").key(name.clone());
            let place = Place::Field { origin, path, part: Part::Key };
            let message = format!("unknown kind {}", quote(&name));
            report.push(
                Diagnostic::new(Code::UnknownKind, place, message)
                    .did_you_mean(&name, Kind::ALL.iter().map(|it| it.name())),
            );
        }
    }
    quotas
}

/// The patterns of tags that a stack ignores. Reports those that are malformed.
fn ignored_tags(origin: Origin, written: &[String], report: &mut Report) -> Vec<Glob> {
    let mut globs = Vec::new();
    for (index, text) in written.iter().enumerate() {
        match text.parse() {
            Ok(glob) => globs.push(glob),
            Err(why) => {
                let path = FieldPath::from("spec.ignoreTags").index(index);
                let message = format!("{} is not a glob: {why}", quote(text));
                report.push(
                    Diagnostic::new(Code::MalformedGlob, Place::value(origin, path), message)
                        .help("`*` stands for any run of characters, such as `cost:*`"),
                );
            }
        }
    }
    globs
}

/// The location of a stack's lock. Reports one that is malformed.
fn lock(origin: Origin, written: &str, report: &mut Report) -> Option<Location> {
    match written.parse() {
        Ok(location) => Some(location),
        Err(why) => {
            let message = format!("{} {why}", quote(written));
            let place = Place::value(origin, "spec.lock");
            report.push(
                Diagnostic::new(Code::MalformedLock, place, message)
                    .help("write it as `s3://bucket/key`"),
            );
            None
        }
    }
}

/// The freezes of a stack. Reports those without a moment, a duration or a reason.
fn freezes(origin: Origin, written: &[FreezeSpec], report: &mut Report) -> Vec<Freeze> {
    let mut freezes = Vec::new();
    for (index, it) in written.iter().enumerate() {
        let path = |field: &str| FieldPath::from("spec.freeze").index(index).key(field);
        let mut fault = |field: &str, message: String, help: &str| {
            let place = Place::value(origin, path(field));
            report.push(Diagnostic::new(Code::MalformedFreeze, place, message).help(help));
        };
        let reason = it.reason.trim();
        if reason.is_empty() {
            let help = "say why, for the people whose run it stops, such as `reason: cup final`";
            fault("reason", "a freeze needs a reason, and this one is empty".to_owned(), help);
        }
        let mut at = |field, text: &str| {
            let moment = moment(text);
            if moment.is_none() {
                let message = format!("{} is not a moment in RFC 3339 with an offset", quote(text));
                let help = "write it as `2026-06-01T18:00:00+02:00`, or as `2026-06-01T16:00:00Z`";
                fault(field, message, help);
            }
            moment
        };
        let (Some(from), Some(to)) = (at("from", &it.from), at("to", &it.to)) else { continue };
        if from >= to {
            let message = format!("the freeze ends at {} and begins at {}", it.to, it.from);
            fault("to", message, "`from` is its first moment, and `to` the first one after it");
        }
        freezes.push(Freeze { from, to, reason: reason.to_owned() });
    }
    freezes
}

/// A moment in the form of RFC 3339: with seconds and an offset.
fn moment(text: &str) -> Option<Timestamp> {
    let (day, time) = text.split_once(['T', 't'])?;
    let clock = time.get(..8)?;
    let rest = time[8..].trim_start_matches(|it: char| it == '.' || it.is_ascii_digit());
    let shape = |text: &str| -> String {
        text.chars().map(|it| if it.is_ascii_digit() { '0' } else { it }).collect()
    };
    let offset = ["Z", "z", "+00:00", "-00:00"].contains(&shape(rest).as_str());
    let written = shape(day) == "0000-00-00" && shape(clock) == "00:00:00" && offset;
    written.then(|| text.parse().ok()).flatten()
}

/// Whether a value is written without quotes.
fn is_unquoted(origin: Origin, path: &FieldPath, sources: &SourceMap) -> bool {
    let tree = sources.tree(origin);
    let Ok(tree) = &*tree else { return false };
    let value = path.segments().iter().try_fold(Tree::ROOT, |id, segment| {
        match (&tree.resolve(id)?.shape, segment) {
            (Shape::Map(entries), Segment::Key(key)) => {
                entries.iter().find(|it| it.key == *key).map(|it| it.value)
            }
            _ => None,
        }
    });
    let node = value.and_then(|it| tree.resolve(it));
    // A value that is put in has its own type.
    node.is_some_and(
        |it| matches!(&it.shape, Shape::Scalar { plain: true, text } if !text.contains("${")),
    )
}
