//! Remarks on an export: what was left out of it, and what its manifests do. Remarks of one sort are one line with a
//! count, or, where a reader asked for each, a line each.

use super::escape::escape;
use crate::kinds::{Address, Desired, Kind, Owner};
use crate::manifest::export::{LeftOut, WhyLeftOut};

/// The most objects that a folded remark names.
const NAMED: usize = 3;

/// What stays out of an export, and why: a line for each reason, or for each object.
pub fn left_out(objects: &[LeftOut<'_>], each: bool) -> String {
    let mut groups: Vec<(String, Vec<&LeftOut<'_>>)> = Vec::new();
    for it in objects {
        let sort = sort(&it.why);
        match groups.iter_mut().find(|(other, _)| *other == sort && !each) {
            Some((_, group)) => group.push(it),
            None => groups.push((sort, vec![it])),
        }
    }
    let line = |(sort, group): (String, Vec<&LeftOut<'_>>)| {
        if let [one] = group[..] {
            let arn = escape(one.observed.arn.as_str(), 200);
            return format!("left out: {arn}: {}\n", escape(&why(&one.why), 400));
        }
        let arns = group.iter().map(|it| it.observed.arn.as_str().to_owned());
        let (count, sort) = (group.len(), escape(&sort, 200));
        format!("left out: {count} objects that {sort}: {}\n", named(arns.collect()))
    };
    groups.into_iter().map(line).collect()
}

/// What reasons have in common that make one remark.
fn sort(why: &WhyLeftOut) -> String {
    match why {
        WhyLeftOut::Owned(owner) => format!("belong to {}", without_name(owner)),
        WhyLeftOut::Failed(state) => format!("AWS failed to create ({state})"),
        WhyLeftOut::ActsOnForeign { owner, .. } => {
            format!("act on objects of {}", without_name(owner))
        }
    }
}

/// Whose an object is, for several of one owner.
fn without_name(owner: &Owner) -> String {
    match owner {
        Owner::Stack(ownership) => format!("stack `{}`", ownership.stack),
        _ => owner.to_string(),
    }
}

/// Why one object is left out.
fn why(why: &WhyLeftOut) -> String {
    match why {
        WhyLeftOut::Owned(owner) => format!("it belongs to {owner}"),
        WhyLeftOut::Failed(state) => {
            format!("creation failed at AWS ({state}), so it cannot be used")
        }
        WhyLeftOut::ActsOnForeign { target, owner } => {
            format!("it acts on {target}, which belongs to {owner}")
        }
    }
}

/// That these resources end by themselves: one line for all, or a line each.
pub fn ends_by_itself(addresses: &[&Address], each: bool) -> String {
    let one = |it: &Address| {
        let address = escape(&it.to_string(), 200);
        format!("note: {address} ends by itself; `apply` with its manifest starts it again\n")
    };
    if each || addresses.len() < 2 {
        return addresses.iter().map(|it| one(it)).collect();
    }
    format!(
        "note: {} resources end by themselves, and `apply` with their manifests starts them again: {}\n",
        addresses.len(),
        named(addresses.iter().map(ToString::to_string).collect())
    )
}

/// That what AWS creates along with these objects has no manifests: one line for each kind of it.
pub fn comes_along(declared: &[Desired]) -> String {
    let mut text = String::new();
    for (kind, parent) in Kind::ALL.iter().filter_map(|it| Some((it, it.facts().created_by?))) {
        let has = |kind: Kind| declared.iter().filter(|it| it.address.kind == kind).count();
        let without = has(parent).saturating_sub(has(*kind));
        if without > 0 {
            text.push_str(&format!(
                "note: a {kind} comes with each {parent} and is not exported; a manifest of kind {kind} manages it \
                 (`ivs-apply explain {kind}`)\n"
            ));
        }
    }
    text
}

/// The first of these names, and how many there are more.
fn named(names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let shown: Vec<String> = names.into_iter().take(NAMED).map(|it| escape(&it, 200)).collect();
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more (`-v` names each)") }
}
