//! The rules of a Target that its types do not have. Each fault is reported with its place.

use super::super::values::reference;
use super::super::{resource, stack};
use super::{MOST_VALUES, Role, TargetMetadata, TargetSpec};
use crate::diag::{Code, Diagnostic, FieldPath, Origin, Place, Report, SourceMap, quote};
use serde_json::Value;
use std::path::{Component, Path};

/// The most labels that a target may have.
const MOST_LABELS: usize = 64;

pub(super) fn metadata(origin: Origin, metadata: &TargetMetadata, report: &mut Report) {
    if !is_label(&metadata.name) {
        let message = format!("{} cannot be the name of a target", quote(&metadata.name));
        report.push(
            Diagnostic::new(Code::InvalidName, Place::value(origin, "metadata.name"), message)
                .help("use 1 to 63 of `a-z`, `0-9` and `-`, with a letter or digit first and last"),
        );
    }
    too_many(origin, "metadata.labels", metadata.labels.len(), MOST_LABELS, report);
}

pub(super) fn spec(origin: Origin, spec: &TargetSpec, sources: &SourceMap, report: &mut Report) {
    stack::check_account(origin, &spec.account, sources, report);
    stack::check_region(origin, &spec.region, report);
    if let Some(name) = &spec.stack {
        resource::logical_name(name, origin, "spec.stack", report);
    }
    if let Some(role) = &spec.role {
        self::role(origin, role, &spec.account, report);
    }
    manifests(origin, &spec.manifests.path, report);
    values(origin, spec, report);
    if let Some(interval) = spec.interval.as_deref().filter(|it| !is_interval(it)) {
        let message = format!("{} is not an interval", quote(interval));
        let place = Place::value(origin, "spec.interval");
        let help = "write it in hours, minutes and seconds, such as `24h` or `1h30m`";
        report.push(Diagnostic::new(Code::PatternMismatch, place, message).help(help));
    }
    let named = [
        ("spec.serviceAccountName", spec.service_account_name.as_deref()),
        (
            "spec.manifests.sourceRef.name",
            spec.manifests.source_ref.as_ref().map(|it| it.name.as_str()),
        ),
        ("spec.writeSecretsTo.name", spec.write_secrets_to.as_ref().map(|it| it.name.as_str())),
    ];
    for (field, name) in named {
        if let Some(name) = name.filter(|it| !is_subdomain(it)) {
            let message = format!("{} cannot be the name of an object in Kubernetes", quote(name));
            report.push(
                Diagnostic::new(Code::InvalidName, Place::value(origin, field), message)
                    .help("use `a-z`, `0-9`, `-` and `.`, with a letter or digit first and last"),
            );
        }
    }
}

fn role(origin: Origin, role: &Role, account: &str, report: &mut Report) {
    let place = Place::value(origin, "spec.role.arn");
    match account_of_role(&role.arn) {
        None => report.push(
            Diagnostic::new(
                Code::WrongArn,
                place,
                format!("{} is not the ARN of an IAM role", quote(&role.arn)),
            )
            .help("write it as `arn:aws:iam::123456789012:role/NAME`"),
        ),
        // The account of the Target has its own diagnostic where it is none.
        Some(other) if other != account && account.len() == 12 => report.push(
            Diagnostic::new(
                Code::WrongAccount,
                place,
                format!("the role is of account {other}, and the target is account {account}"),
            )
            .also(Place::value(origin, "spec.account"), "the account of the target")
            .help("name a role of the target's account: it is the identity that the stack is applied with"),
        ),
        Some(_) => {}
    }
    let mut text = |field: &str, value: Option<&String>, most: usize, others: &str| {
        let good = |it: char| it.is_ascii_alphanumeric() || others.contains(it);
        let Some(value) = value else { return };
        if (2..=most).contains(&value.len()) && value.chars().all(good) {
            return;
        }
        let shown: Vec<String> = others.chars().map(|it| format!("`{it}`")).collect();
        let place = Place::value(origin, format!("spec.role.{field}").as_str());
        let message = format!("{} is not one that AWS takes", quote(value));
        report.push(
            Diagnostic::new(Code::PatternMismatch, place, message)
                .help(format!("use 2 to {most} letters, digits and {}", shown.join(" "))),
        );
    };
    text("sessionName", role.session_name.as_ref(), 64, "_+=,.@-");
    text("externalId", role.external_id.as_ref(), 1224, "_+=,.@:/-");
}

/// The account of a role's ARN.
fn account_of_role(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let ("arn", partition, "iam", "", account, resource) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?)
    else {
        return None;
    };
    let named = resource.strip_prefix("role/").is_some_and(|it| {
        !it.is_empty() && !it.ends_with('/') && it.chars().all(|it| it.is_ascii_graphic())
    });
    let twelve = account.len() == 12 && account.bytes().all(|it| it.is_ascii_digit());
    (partition.starts_with("aws") && named && twelve).then_some(account)
}

fn manifests(origin: Origin, path: &str, report: &mut Report) {
    let inside = |it: Component<'_>| {
        matches!(it, Component::Normal(_) | Component::CurDir | Component::ParentDir)
    };
    if path.is_empty() || path == "-" || !Path::new(path).components().all(inside) {
        let message = format!("{} is not a path relative to the file of the Target", quote(path));
        let place = Place::value(origin, "spec.manifests.path");
        report.push(
            Diagnostic::new(Code::OutsideRoot, place, message)
                .help("write it from the folder of this file, such as `stacks/live` or `.`"),
        );
    }
}

fn values(origin: Origin, spec: &TargetSpec, report: &mut Report) {
    too_many(origin, "spec.values", spec.values.len(), MOST_VALUES, report);
    for (name, value) in &spec.values {
        let path = FieldPath::from("spec.values").key(name.clone());
        if !reference::is_name(name) {
            let message = format!("{} cannot be the name of a value", quote(name));
            let help = "use 1 to 63 letters, digits, `_` and `-`, with a letter or `_` first";
            let place = Place::key(origin, path.clone());
            report.push(Diagnostic::new(Code::InvalidName, place, message).help(help));
        }
        let is_item = |it: &Value| !matches!(it, Value::Array(_) | Value::Object(_));
        let fits = match value {
            Value::Array(items) => items.iter().all(is_item),
            other => is_item(other),
        };
        if !fits {
            let message = format!("the value `{name}` has parts of its own");
            let help = "a value is a string, a number, `true` or `false`, or a list of them";
            let place = Place::value(origin, path);
            report.push(Diagnostic::new(Code::WrongType, place, message).help(help));
        }
    }
}

fn too_many(origin: Origin, field: &str, count: usize, most: usize, report: &mut Report) {
    if count > most {
        let message = format!("{count} entries: a Target has at most {most} here");
        report.push(Diagnostic::new(Code::TooManyItems, Place::key(origin, field), message));
    }
}

/// Whether a text is a label of RFC 1123.
fn is_label(text: &str) -> bool {
    let good = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|it| good(*it) || *it == b'-')
        && bytes.first().copied().is_some_and(good)
        && bytes.last().copied().is_some_and(good)
}

/// Whether a text is a subdomain of RFC 1123: labels with dots between them.
fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// Whether a text is made of numbers with `h`, `m` or `s` behind each.
fn is_interval(text: &str) -> bool {
    let pairs: Vec<&str> = text.split_inclusive(['h', 'm', 's']).collect();
    let is_pair = |it: &&str| {
        let digits = it.strip_suffix(['h', 'm', 's']).unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit())
    };
    text.len() <= 32 && !pairs.is_empty() && pairs.iter().all(is_pair)
}
