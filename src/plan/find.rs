//! Finds the object of a declared resource: by its name, a former name, or an ARN to adopt. Never guesses.

use super::draft::Planner;
use super::duplicate;
use super::reason::Reason;
use super::step::Cause;
use crate::kinds::owner;
use crate::kinds::{Address, Arn, Desired, Edge, Observed, Owner, Pointer};

/// How a declared resource is found in the account.
pub(super) enum Found<'a> {
    Owned(&'a Observed),
    Renamed(&'a Observed, String),
    Adoptable(&'a Observed),
    Foreign(&'a Observed, Owner),
    /// It is not there; with a reason not to make it.
    Held(Cause, Reason),
    Missing,
}

impl<'a> Planner<'a> {
    pub(super) fn find(&self, wanted: &Desired) -> Found<'a> {
        let renamed = self.renames.get(&wanted.address);
        if let Some(from) = renamed
            && let Some(other) = self.other_former(wanted, from)
        {
            let reason = Reason::AmbiguousFormerNames { first: from.clone(), second: other };
            return Found::Held(Cause::Unclear, reason);
        }
        if let Some((from, observed)) = renamed.and_then(|it| self.observed.owned.get_key_value(it))
        {
            return Found::Renamed(observed, from.name.clone());
        }
        // An object that gets another name is not the one of this name.
        let leaves = self.renames.values().any(|it| *it == wanted.address);
        if let Some(observed) = self.observed.owned.get(&wanted.address).filter(|_| !leaves) {
            return match duplicate::unclear(self.observed, observed) {
                Some(reason) => Found::Held(Cause::Unclear, reason),
                None => Found::Owned(observed),
            };
        }
        if let Some(observed) = self.observed.adoptable.get(&wanted.address) {
            return Found::Adoptable(observed);
        }
        if let Some(observed) = self.observed.foreign.get(&wanted.address) {
            // Adopted by this stack, and since then somebody has removed some of the tags.
            let stack = observed.tags.get(owner::STACK);
            if observed.owner() == Owner::Ambiguous && stack == Some(&self.stack.name) {
                let reason = Reason::IncompleteTags { arn: Some(observed.arn.clone()) };
                return Found::Held(Cause::Unclear, reason);
            }
            return Found::Foreign(observed, observed.owner());
        }
        // What ends by itself is simply made again; anything else that is gone was not meant to be.
        let lasting = wanted.address.kind.facts().ended.is_empty();
        if let Some(arn) = wanted.lifecycle.adopt.as_deref().filter(|_| lasting) {
            let reason = match self.observed.addresses.address(&Arn::new(arn)) {
                Some(address) => {
                    Reason::AlreadyManaged { arn: Arn::new(arn), address: address.clone() }
                }
                None => Reason::AdoptedObjectMissing { arn: arn.to_owned() },
            };
            return Found::Held(Cause::Missing, reason);
        }
        let Some(observed) = self.maybe_it(wanted) else { return Found::Missing };
        let arn = observed.arn.clone();
        let reason = match observed.owner() {
            owner @ Owner::CloudFormation(_) => Reason::ImportedByCloudFormation { arn, owner },
            _ => Reason::IncompleteTags { arn: Some(arn) },
        };
        Found::Held(Cause::Unclear, reason)
    }

    /// Another object than that of `from` with a former name of `wanted`, which no manifest declares.
    pub(super) fn other_former(&self, wanted: &Desired, from: &Address) -> Option<Address> {
        let mut former = wanted.former();
        former.find(|it| {
            it != from && self.observed.owned.contains_key(it) && !self.manifests.contains_key(it)
        })
    }

    /// An object whose tags were stripped in part may be the one that seems to be missing, and one that
    /// `CloudFormation` imported is; making another would give the audience a second playback URL.
    pub(super) fn maybe_it(&self, wanted: &Desired) -> Option<&'a Observed> {
        self.ambiguous.iter().copied().find(|it| {
            let tag = |key: &str| it.tags.get(key);
            let its =
                |it: &String| *it == wanted.address.name || wanted.previous_names.contains(it);
            let maybe = match (tag(owner::STACK), tag(owner::NAME)) {
                (Some(stack), name) => *stack == self.stack.name && name.is_none_or(its),
                (None, name) => name.is_some_and(its),
            };
            it.kind == wanted.address.kind && maybe
        })
    }

    /// Whether the object that it comes with remembers another one than is `there` now: somebody swapped or
    /// deleted it. Of anything else nobody can tell whether it was ever made.
    pub(super) fn was_there(&self, wanted: &Desired, there: Option<&Observed>) -> bool {
        let Some(parent) = wanted.address.kind.facts().created_by else { return false };
        let edges = wanted.spec.refs();
        let Some(edge) = edges.iter().find(|it| it.kind == parent) else { return false };
        let Some(arn) = edge.to.arn(&self.observed.addresses) else { return false };
        let parent =
            self.observed.addresses.address(&arn).and_then(|it| self.observed.owned.get(it));
        parent.and_then(|it| owner::remembered_key(&it.tags)).is_some_and(|id| {
            let ours = |it: &Observed| it.kind == wanted.address.kind && it.arn.id() == id;
            there.is_none_or(|it| it.arn.id() != id) && !self.observed.owned.values().any(ours)
        })
    }

    /// Whether an object of this stack still refers to the object that `wanted` was: its manifest names `wanted`
    /// in a field that holds the ARN of an object which is not there any more, or that AWS has emptied.
    pub(super) fn was_referred_to(&self, wanted: &Desired) -> bool {
        let complete = self.observed.listed.contains(&wanted.address.kind);
        let of_wanted = |it: &Edge| matches!(&it.to, Pointer::Named(to) if *to == wanted.address);
        // By the objects that were read, of which a first apply has none, and not by the manifests.
        complete
            && self.observed.owned.iter().any(|(address, observed)| {
                let Some(referrer) = self.manifests.get(address) else { return false };
                let Some(before) = &observed.spec else { return false };
                let edges = referrer.spec.refs();
                let Some(edge) = edges.iter().find(|it| of_wanted(it)) else { return false };
                match before.refs().into_iter().find(|it| it.field == edge.field).map(|it| it.to) {
                    Some(Pointer::Outside(arn)) => self.is_gone(&arn),
                    Some(Pointer::Named(_)) => false,
                    None => self.was_changed_outside(observed, before, &referrer.spec, &[]),
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{RECORDED, ROW, Row, address, arn, check};

    const OLD: &str = "Channel/old";
    const MAIN: &str = "Channel/main";
    const ARCHIVE: &str = "RecordingConfiguration/archive { destinationConfiguration: { s3: { bucketName: a-bucket } } }";

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

    #[test]
    fn a_missing_resource_counts_as_deleted_outside_if_an_object_still_refers_to_it() {
        check(&[
            Row {
                when: "a channel has the ARN of the deleted recording configuration",
                applied: &[ARCHIVE, RECORDED],
                manifests: &[ARCHIVE, RECORDED],
                account: |it| it.delete("RecordingConfiguration/archive"),
                steps: &[
                    "create RecordingConfiguration/archive (gone)",
                    "update Channel/main (drift)",
                ],
                ..ROW
            },
            Row {
                when: "recording configurations were not listed to the end",
                applied: &[ARCHIVE, RECORDED],
                manifests: &[ARCHIVE, RECORDED],
                account: |it| {
                    it.delete("RecordingConfiguration/archive");
                    it.0.listed.remove(&crate::kinds::Kind::RecordingConfiguration);
                },
                steps: &[
                    "create RecordingConfiguration/archive (missing)",
                    "update Channel/main (pending)",
                ],
                ..ROW
            },
            Row {
                when: "a channel remembers another stream key than it has",
                applied: &[MAIN],
                manifests: &[MAIN, "StreamKey/main { channel: main }"],
                account: |it| {
                    let tags = &mut it.object(MAIN).tags;
                    tags.insert(owner::STREAM_KEY.to_owned(), "before".to_owned());
                    let key = arn(&address("StreamKey/main")).to_string();
                    let key = Observed::listed(
                        crate::kinds::Kind::StreamKey,
                        key,
                        crate::aws::Tags::new(),
                    );
                    let spec =
                        crate::plan::tests::desired(&[MAIN, "StreamKey/main { channel: main }"])
                            .remove(1)
                            .spec;
                    it.0.adoptable.insert(address("StreamKey/main"), key.with(spec));
                },
                steps: &["adopt StreamKey/main (adopt drift)"],
                ..ROW
            },
        ]);
    }
}
