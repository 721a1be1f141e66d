//! Finds the object of a declared resource: by its name, a former name, or an ARN to adopt. Never guesses.

use super::duplicate;
use super::inputs::Inputs;
use super::reason::Reason;
use super::step::Cause;
use crate::kinds::owner;
use crate::kinds::{Address, Arn, Desired, Observed, Owner};
use std::collections::BTreeSet;

/// How a declared resource is found in the account.
pub(super) enum Found<'a> {
    Owned(&'a Observed),
    /// With the name that the object has now.
    Renamed(&'a Observed, String),
    Adoptable(&'a Observed),
    Foreign(&'a Observed),
    /// No object is certain to be that of the resource; with a reason not to create one.
    Held(Cause, Box<Reason>),
    Missing,
}

/// The declared resources, each with its object. With `destroy` none is looked for: every owned object is deleted.
pub(super) fn find_all<'a>(inputs: &Inputs<'a>) -> Vec<(&'a Desired, Found<'a>)> {
    let desired = inputs.desired.iter().filter(|_| !inputs.policy.destroy);
    desired.map(|wanted| (*wanted, find(inputs, wanted))).collect()
}

/// The objects that belong to declared resources, and those that may do so.
pub(super) fn taken<'a>(
    inputs: &Inputs<'a>,
    found: &[(&'a Desired, Found<'a>)],
) -> BTreeSet<&'a Arn> {
    let mut taken = BTreeSet::new();
    for (wanted, found) in found {
        match found {
            Found::Owned(it) | Found::Renamed(it, _) | Found::Adoptable(it) => {
                taken.insert(&it.arn);
            }
            Found::Held(..) => {
                let names = std::iter::once(wanted.address.clone()).chain(wanted.former());
                let objects = names.filter_map(|it| inputs.observed.owned.get(&it));
                taken.extend(objects.map(|it| &it.arn));
            }
            Found::Foreign(_) | Found::Missing => {}
        }
    }
    taken
}

fn find<'a>(inputs: &Inputs<'a>, wanted: &Desired) -> Found<'a> {
    let observed = inputs.observed;
    let renamed = inputs.renames.get(&wanted.address);
    if let Some(from) = renamed
        && let Some(second) = other_former(inputs, wanted, from)
    {
        let reason = Reason::AmbiguousFormerNames { first: from.clone(), second };
        return Found::Held(Cause::Unclear, reason.into());
    }
    if let Some((from, object)) = renamed.and_then(|it| observed.owned.get_key_value(it)) {
        return Found::Renamed(object, from.name.clone());
    }
    // An object that gets another name is not the one of this name.
    let leaves = inputs.renames.values().any(|it| *it == wanted.address);
    if let Some(object) = observed.owned.get(&wanted.address).filter(|_| !leaves) {
        return match duplicate::unclear(observed, object) {
            Some(reason) => Found::Held(Cause::Unclear, reason.into()),
            None => Found::Owned(object),
        };
    }
    if let Some(object) = observed.adoptable.get(&wanted.address) {
        return Found::Adoptable(object);
    }
    if let Some(object) = observed.foreign.get(&wanted.address) {
        // This stack adopted the object, and some of its tags were removed since.
        let stack = object.tags.get(owner::STACK);
        if object.owner() == Owner::Ambiguous && stack == Some(&inputs.stack.name) {
            let reason = Reason::IncompleteTags { arn: Some(object.arn.clone()) };
            return Found::Held(Cause::Unclear, reason.into());
        }
        return Found::Foreign(object);
    }
    // An object that ends by itself is created again; any other adopted object was deleted by mistake.
    let lasting = wanted.address.kind.facts().ended.is_empty();
    if let Some(arn) = wanted.lifecycle.adopt.as_deref().filter(|_| lasting) {
        let reason = match observed.addresses.address(&Arn::new(arn)) {
            Some(address) => {
                Reason::AlreadyManaged { arn: Arn::new(arn), address: address.clone() }
            }
            None => Reason::AdoptedObjectMissing { arn: arn.to_owned() },
        };
        return Found::Held(Cause::Missing, reason.into());
    }
    let Some(object) = possible_object(inputs, wanted) else { return Found::Missing };
    let arn = object.arn.clone();
    let reason = match object.owner() {
        owner @ Owner::CloudFormation(_) => Reason::ImportedByCloudFormation { arn, owner },
        _ => Reason::IncompleteTags { arn: Some(arn) },
    };
    Found::Held(Cause::Unclear, reason.into())
}

/// Another object than that of `from` with a former name of `wanted`, which no manifest declares.
fn other_former(inputs: &Inputs<'_>, wanted: &Desired, from: &Address) -> Option<Address> {
    wanted.former().find(|it| {
        let owned = inputs.observed.owned.contains_key(it);
        it != from && owned && !inputs.manifests.contains_key(it)
    })
}

/// An object that has lost some of its tags, or that `CloudFormation` imported, may be the one that seems to be missing.
/// To create another one would give the audience a second playback URL.
fn possible_object<'a>(inputs: &Inputs<'a>, wanted: &Desired) -> Option<&'a Observed> {
    inputs.ambiguous.iter().copied().find(|it| {
        let its = |it: &String| *it == wanted.address.name || wanted.previous_names.contains(it);
        let possible = match (it.tags.get(owner::STACK), it.tags.get(owner::NAME)) {
            (Some(stack), name) => *stack == inputs.stack.name && name.is_none_or(its),
            (None, name) => name.is_some_and(its),
        };
        it.kind == wanted.address.kind && possible
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{ROW, Row, address, check};

    const OLD: &str = "Channel/old";
    const MAIN: &str = "Channel/main";

    #[test]
    fn the_object_of_a_resource_is_found_by_its_tags_or_not_at_all() {
        check(&[
            Row {
                when: "the object has the name of the resource",
                applied: &[MAIN],
                manifests: &[MAIN],
                steps: &[],
                ..ROW
            },
            Row {
                when: "no object has the name of the resource",
                manifests: &[MAIN],
                steps: &["create Channel/main (missing)"],
                ..ROW
            },
            Row {
                when: "an object has a former name of the resource",
                applied: &[OLD],
                manifests: &["Channel/main | was: [old]"],
                steps: &["rename Channel/main (rename)"],
                ..ROW
            },
            Row {
                when: "two objects have former names of the resource",
                applied: &[OLD, "Channel/older"],
                manifests: &["Channel/main | was: [old, older]"],
                steps: &["create Channel/main (unclear): blocked AmbiguousFormerNames"],
                ..ROW
            },
            Row {
                when: "of two copies of one create attempt, one was changed",
                applied: &[MAIN],
                manifests: &[MAIN],
                account: |it| it.duplicate(MAIN, crate::plan::tests::ATTEMPT).untouched = false,
                steps: &[
                    "create Channel/main (unclear): blocked SameTags",
                    "delete Channel/main (duplicate): blocked SameTags",
                ],
                ..ROW
            },
            Row {
                when: "an object lost its record, and still has the name of the resource",
                applied: &[MAIN],
                manifests: &[MAIN],
                account: |it| {
                    let mut object = it.take(MAIN);
                    object.tags.remove(owner::RECORD);
                    it.0.others.insert(object.arn.clone(), object);
                },
                steps: &["create Channel/main (unclear): blocked IncompleteTags"],
                ..ROW
            },
            Row {
                when: "CloudFormation imported the object",
                applied: &[MAIN],
                manifests: &[MAIN],
                account: |it| {
                    let mut object = it.take(MAIN);
                    object.tags.insert(owner::CLOUDFORMATION.to_owned(), "web".to_owned());
                    it.0.others.insert(object.arn.clone(), object);
                },
                steps: &["create Channel/main (unclear): blocked ImportedByCloudFormation"],
                ..ROW
            },
        ]);
    }

    #[test]
    fn an_object_that_a_manifest_names_by_arn_is_adopted_only_if_nothing_else_owns_it() {
        const ADOPTS: &str = "Channel/main | lifecycle: { adopt: \"arn:aws:ivs:us-west-2:000000000000:channel/old\" }";
        check(&[
            Row {
                when: "the object has no ownership tags",
                applied: &[OLD],
                manifests: &[ADOPTS],
                account: |it| {
                    let mut object = it.take(OLD);
                    object.tags.clear();
                    it.0.adoptable.insert(address(MAIN), object);
                },
                steps: &["adopt Channel/main (adopt)"],
                ..ROW
            },
            Row {
                when: "another stack owns the object",
                applied: &[OLD],
                manifests: &[ADOPTS],
                account: |it| {
                    let mut object = it.take(OLD);
                    object.tags.insert(owner::STACK.to_owned(), "other".to_owned());
                    it.0.foreign.insert(address(MAIN), object);
                },
                steps: &["adopt Channel/main (adopt): unmanaged OwnedByAnother"],
                ..ROW
            },
            Row {
                when: "this stack adopted the object, and some of its tags were removed since",
                applied: &[OLD],
                manifests: &[ADOPTS],
                account: |it| {
                    let mut object = it.take(OLD);
                    object.tags.remove(owner::RECORD);
                    it.0.foreign.insert(address(MAIN), object);
                },
                steps: &["create Channel/main (unclear): blocked IncompleteTags"],
                ..ROW
            },
            Row {
                when: "there is no such object",
                manifests: &[ADOPTS],
                steps: &["create Channel/main (missing): blocked AdoptedObjectMissing"],
                ..ROW
            },
            Row {
                when: "the object belongs to another resource of this stack",
                applied: &[OLD],
                manifests: &[ADOPTS, OLD],
                steps: &["create Channel/main (missing): blocked AlreadyManaged"],
                ..ROW
            },
        ]);
    }
}
