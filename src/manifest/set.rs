//! Rules that need more than one resource: duplicates, references, quotas. Those that AWS has for particular kinds are
//! in the kind files; here they are called.

use crate::diag::{Code, Diagnostic, Place, Report, suggest};
use crate::kinds::{Address, Arn, DeclaredSet, Desired, Kind, Pointer, Stack};
use std::collections::{BTreeMap, BTreeSet};

/// Everything about the set as a whole; `known` is all that is declared, also by documents that could not be
/// read.
pub(super) fn check(
    stack: &Stack,
    desired: &[Desired],
    known: &BTreeSet<Address>,
    report: &mut Report,
) {
    let mut by_address: BTreeMap<&Address, &Desired> = BTreeMap::new();
    for it in desired {
        if let Some(first) = by_address.insert(&it.address, it) {
            by_address.insert(&it.address, first);
            report.push(
                Diagnostic::new(
                    Code::DuplicateResource,
                    Place::value(it.origin, "metadata.name"),
                    format!("{} is declared twice", it.address),
                )
                .also(Place::value(first.origin, "metadata.name"), "first declared here")
                .help("remove one of the two, or give it another `metadata.name`"),
            );
        }
    }
    previous_names(desired, report);
    adopts(stack, desired, report);
    references(stack, desired, known, report);
    quotas(stack, desired, report);
    exclusive(desired, report);
    let set = DeclaredSet::new(desired);
    for kind in Kind::ALL {
        kind.check_set(&set, report);
    }
}

/// What only one object can have at a time.
fn exclusive(desired: &[Desired], report: &mut Report) {
    let mut taken: BTreeMap<(Kind, String), &Desired> = BTreeMap::new();
    for it in desired {
        let Some(exclusive) = it.spec.exclusive() else { continue };
        if let Some(first) = taken.insert((it.address.kind, exclusive.value), it) {
            let message = format!("{} has {} already", first.address, exclusive.what);
            let place = Place::value(it.origin, "metadata.name");
            report.push(
                Diagnostic::new(Code::DuplicateResource, place, message)
                    .also(Place::value(first.origin, "metadata.name"), "here"),
            );
        }
    }
}

/// Only one resource can have the object of a former name. A name that another resource has now may be a former
/// one: its object is renamed, and the other resource gets a new one.
fn previous_names(desired: &[Desired], report: &mut Report) {
    let mut claimed: BTreeMap<Address, &Desired> = BTreeMap::new();
    for it in desired {
        for (index, name) in it.previous_names.iter().enumerate() {
            let before = Address::new(it.address.kind, name.clone());
            let field = format!("metadata.previousNames[{index}]");
            let place = Place::value(it.origin, field.as_str());
            let other = claimed.insert(before.clone(), it);
            let Some(other) = other.filter(|other| other.address != it.address) else { continue };
            let message =
                format!("{before} is a former name of {} and of {}", other.address, it.address);
            let there = Place::value(other.origin, "metadata.previousNames");
            report.push(
                Diagnostic::new(Code::DuplicateResource, place, message)
                    .also(there, "it is listed here as well")
                    .help("remove the name from `previousNames` of the resource that does not get the object"),
            );
        }
    }
}

/// One object can be taken over by one resource, and only where the stack is.
fn adopts(stack: &Stack, desired: &[Desired], report: &mut Report) {
    let mut taken: BTreeMap<&str, &Desired> = BTreeMap::new();
    for it in desired {
        let Some(arn) = &it.lifecycle.adopt else { continue };
        let place = Place::value(it.origin, "lifecycle.adopt");
        report.extend(wrong_place(stack, &Arn::new(arn), &place));
        if let Some(first) = taken.insert(arn, it) {
            let message = format!("{} adopts the same object", first.address);
            report.push(
                Diagnostic::new(Code::DuplicateResource, place, message)
                    .also(Place::value(first.origin, "lifecycle.adopt"), "the first one"),
            );
        }
    }
}

/// References to undeclared resources, and to objects in another region or account.
pub(super) fn references(
    stack: &Stack,
    desired: &[Desired],
    known: &BTreeSet<Address>,
    report: &mut Report,
) {
    for it in desired {
        for edge in it.spec.refs() {
            let place = Place::value(it.origin, edge.path());
            match &edge.to {
                Pointer::Named(to) if !known.contains(to) => {
                    if let Some(name) = bare_name(edge.kind, &to.name) {
                        let message = format!(
                            "{} is an address: a reference is the name alone",
                            crate::diag::quote(&to.name)
                        );
                        report.push(
                            Diagnostic::new(Code::UnknownReference, place, message)
                                .help(format!("write {}", crate::diag::quote(name))),
                        );
                        continue;
                    }
                    let message =
                        format!("there is no {} named {}", edge.kind, crate::diag::quote(&to.name));
                    let same_kind = known.iter().filter(|it| it.kind == edge.kind);
                    let names = same_kind.map(|it| it.name.as_str());
                    let mut diagnostic = Diagnostic::new(Code::UnknownReference, place, message);
                    let renamed = desired.iter().find(|it| {
                        it.address.kind == edge.kind && it.previous_names.contains(&to.name)
                    });
                    if let Some(renamed) = renamed {
                        let help = format!(
                            "{} is a former name of {}: write {}",
                            crate::diag::quote(&to.name),
                            renamed.address,
                            crate::diag::quote(&renamed.address.name)
                        );
                        report.push(diagnostic.help(help));
                        continue;
                    }
                    let other = known.iter().find(|it| it.name == to.name);
                    diagnostic = match other {
                        Some(other) => diagnostic.help(format!(
                            "`{}` is the name of {}: this field needs {}",
                            to.name,
                            crate::kinds::check::a(other.kind),
                            crate::kinds::check::a(edge.kind)
                        )),
                        None => diagnostic.help("declare it, or give the ARN of one that exists"),
                    };
                    report.push(diagnostic.did_you_mean(&to.name, names));
                }
                Pointer::Named(_) => {}
                Pointer::Outside(arn) => {
                    if let Some(diagnostic) = wrong_place(stack, arn, &place) {
                        report.push(diagnostic);
                    }
                }
            }
        }
    }
}

/// The name in a text of the form `Kind/name`, where the kind is the one that a field refers to.
fn bare_name(kind: Kind, text: &str) -> Option<&str> {
    text.strip_prefix(kind.name())?.strip_prefix('/')
}

/// An ARN of another region or account can never be referred to (rule 11).
fn wrong_place(stack: &Stack, arn: &Arn, place: &Place) -> Option<Diagnostic> {
    let differs = |wanted: &Option<String>, is: Option<&str>| {
        wanted.as_deref().filter(|wanted| is != Some(wanted)).map(ToOwned::to_owned)
    };
    if let Some(region) = differs(&stack.region, arn.region()) {
        let message = format!("this ARN is not of region `{region}`, which the stack is in");
        return Some(Diagnostic::new(Code::WrongRegion, place.clone(), message));
    }
    if let Some(account) = differs(&stack.account, arn.account()) {
        let message = format!("this ARN is not of account `{account}`, which the stack is in");
        return Some(Diagnostic::new(Code::WrongAccount, place.clone(), message));
    }
    None
}

/// More of a kind than the account may have cannot be made, whatever is there already.
fn quotas(stack: &Stack, desired: &[Desired], report: &mut Report) {
    let mut counts: BTreeMap<Kind, Vec<&Desired>> = BTreeMap::new();
    for it in desired {
        counts.entry(it.address.kind).or_default().push(it);
    }
    for (kind, all) in counts {
        let quota = stack.quotas.get(&kind).copied().or(kind.facts().quota);
        if let Some(quota) = quota.filter(|quota| all.len() > *quota as usize) {
            let last = all[quota as usize];
            let message =
                format!("{} resources of kind {kind}: the quota is {quota} an account", all.len());
            report.push(
                Diagnostic::new(Code::QuotaExceeded, Place::value(last.origin, "kind"), message).help(
                    format!("if AWS raised it for the account, set `spec.quotas: {{ {kind}: … }}` in the Stack"),
                ),
            );
        }
    }
}

/// Reads references that are no declared names as their other meaning; a near miss stays a name, so that it is
/// reported.
pub(super) fn settle_names(desired: &mut Desired, known: &BTreeSet<Address>) {
    desired.spec.settle_names(&|address: &Address| {
        let names = known.iter().filter(|it| it.kind == address.kind).map(|it| it.name.as_str());
        known.contains(address) || suggest(&address.name, names).is_some()
    });
}
