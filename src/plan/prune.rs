//! Deletes and releases: orphans, predecessors, duplicates, and everything with `destroy`.

use super::action::Action;
use super::draft::{Drafts, draft, draft_delete};
use super::duplicate;
use super::find::{Found, taken};
use super::inputs::Inputs;
use super::policy::protected;
use super::reason::Reason;
use super::step::{Cause, Decision, Note, Step};
use crate::kinds::spec::{FieldChange, protect_path};
use crate::kinds::{
    Address, Arn, Desired, Duplicate, Observed, Owner, OwnershipTags, Pointer, Spec,
    channels_with_unread_keys,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// Drafts the deletes of objects that no declared resource has: of predecessors and duplicates always, of orphans with
/// `prune`, of everything with `destroy`. Returns the orphans that stay.
pub(super) fn prune(
    inputs: &Inputs<'_>,
    found: &[(&Desired, Found<'_>)],
    drafts: &mut Drafts,
) -> Vec<Address> {
    let (observed, policy) = (inputs.observed, inputs.policy);
    let taken = taken(inputs, found);
    for (address, old) in observed.superseded.iter().filter(|(it, _)| policy.is_about(it)) {
        delete_predecessor(inputs, address, old, drafts);
    }
    let duplicates = observed.duplicates.iter().filter(|it| policy.is_about(&it.address));
    drafts.steps.extend(duplicates.filter_map(|it| delete_duplicate(inputs, it, &taken)));
    let mut orphans = Vec::new();
    for (address, object) in &observed.owned {
        // An object that comes with another one is deleted with that, and never by itself.
        let comes = object.kind.facts().created_by.is_some();
        if taken.contains(&object.arn) || comes || !policy.is_about(address) {
            continue;
        }
        let (cause, wanted) = if policy.destroy {
            (Cause::Destroy, inputs.manifests.get(address).copied())
        } else if policy.selected.is_some() {
            // A declared resource that is not selected is no orphan, and an orphan is not selected.
            continue;
        } else if policy.prune {
            (Cause::Orphan, None)
        } else {
            orphans.push(address.clone());
            continue;
        };
        let mut step = delete(inputs, address, object, cause, wanted);
        block(&mut step, duplicate::unclear(observed, object));
        drafts.push(step);
    }
    for (address, object) in observed.left_behind.iter().filter(|(it, _)| policy.is_about(it)) {
        if policy.destroy || is_deleted_with_its_parent(inputs, object, &drafts.steps) {
            continue;
        }
        let wanted = inputs.manifests.get(address).copied();
        if wanted.is_none() && !policy.prune {
            orphans.push(address.clone());
        } else {
            drafts.push(release(address, object, wanted));
        }
    }
    orphans.sort();
    orphans
}

/// The step that deletes an object, unless its protection forbids it.
pub(super) fn delete(
    inputs: &Inputs<'_>,
    address: &Address,
    observed: &Observed,
    cause: Cause,
    wanted: Option<&Desired>,
) -> Step {
    let mut step = draft_delete(inputs, address, observed, cause, wanted);
    if inputs.holding.contains(&observed.arn) {
        step.decision = Decision::Blocked(Reason::HoldsProtectedKey);
    } else if let Some(blocked) = protected(observed, wanted) {
        let lifted = wanted.is_some_and(|it| !it.lifecycle.protect) && !inputs.policy.destroy;
        step.decision = if lifted {
            Decision::Deferred(Reason::ProtectionLifted { then: Action::Delete })
        } else {
            Decision::Blocked(blocked)
        };
    }
    step
}

/// The step that removes the protection of an object, before the delete that the protection refuses.
pub(super) fn lift_protection(wanted: &Desired, observed: &Observed) -> Option<Step> {
    let Owner::Stack(owned) = observed.owner() else { return None };
    if !owned.protect || wanted.lifecycle.protect {
        return None;
    }
    let mut step = draft(&wanted.address, Action::Retag, Some(observed), Some(wanted));
    step.ownership = OwnershipTags { protect: false, ..owned };
    step.spec.clone_from(&observed.spec);
    step.because = vec![Cause::Pending];
    step.fields = vec![FieldChange::known(protect_path(), Value::Bool(true), Value::Bool(false))];
    Some(step)
}

fn block(step: &mut Step, reason: Option<Reason>) {
    if let Some(reason) = reason {
        step.decision = Decision::Blocked(reason);
    }
}

/// The predecessor of an object that AWS failed to create stays until there is a successor that can be used.
fn delete_predecessor(inputs: &Inputs<'_>, address: &Address, old: &Observed, drafts: &mut Drafts) {
    let mut step = delete(inputs, address, old, Cause::Superseded, None);
    let failed = inputs.observed.owned.get(address).filter(|it| it.has_failed());
    let made = drafts.replaced.get(address).copied().filter(|_| failed.is_some());
    if let (Some(successor), None, true) = (failed, made, step.decision.is_do()) {
        let (arn, state) = (successor.arn.clone(), successor.state.clone().unwrap_or_default());
        step.decision = Decision::Deferred(Reason::SuccessorFailed { arn, state });
    }
    let index = drafts.push(step);
    drafts.needs.extend(made.map(|made| (index, made)));
}

/// The delete of an object that is not the first of its name, once that is proven; where its name is not declared, it is
/// an orphan as the first one is.
fn delete_duplicate(inputs: &Inputs<'_>, it: &Duplicate, taken: &BTreeSet<&Arn>) -> Option<Step> {
    let (observed, policy) = (inputs.observed, inputs.policy);
    let facts = it.observed.kind.facts();
    let ending = it.observed.state.as_deref().is_some_and(|state| facts.ending.contains(&state));
    // Each parent may have an object of a kind that is listed for each parent.
    if facts.listed_under.is_some() || ending {
        return None;
    }
    if taken.contains(&it.winner) {
        let cause = Cause::Duplicate { of: it.winner.clone() };
        let mut step = delete(inputs, &it.address, &it.observed, cause, None);
        // The tag of the copy that counts protects the address.
        let own = observed.is_own(&step.owner) && !inputs.holding.contains(&it.observed.arn);
        let decision = duplicate::decide(observed, it).or_else(|| own.then_some(Decision::Do));
        step.decision = decision.unwrap_or(step.decision);
        return Some(step);
    }
    // All objects of a name that is not declared are deleted alike: none of them is the one to stay.
    let cause = match (policy.destroy, policy.prune) {
        (true, _) => Cause::Destroy,
        (false, true) => Cause::Orphan,
        (false, false) => return None,
    };
    let mut step = delete(inputs, &it.address, &it.observed, cause, None);
    let unclear = duplicate::unclear_which(observed, it);
    block(&mut step, unclear.or_else(|| duplicate::not_as_made(it)));
    Some(step)
}

/// Whether a step deletes the object that an object came with.
fn is_deleted_with_its_parent(inputs: &Inputs<'_>, observed: &Observed, steps: &[Step]) -> bool {
    let parent = observed.kind.facts().created_by;
    let edges = observed.spec.iter().flat_map(Spec::refs).filter(|it| Some(it.kind) == parent);
    let parents: Vec<Arn> = edges.filter_map(|it| inputs.arn(&it)).collect();
    let mut deletes = steps.iter().filter(|it| it.action == Action::Delete);
    deletes.any(|it| it.arn.as_ref().is_some_and(|arn| parents.contains(arn)))
}

/// The step that releases an object which came with another one and stays with that. Its manifest is about another
/// object by now, or orphans are pruned.
fn release(address: &Address, observed: &Observed, wanted: Option<&Desired>) -> Step {
    let mut step = draft(address, Action::Release, Some(observed), wanted);
    step.spec = None;
    step.because = vec![if wanted.is_some() { Cause::Moved } else { Cause::Orphan }];
    let lifted = wanted.is_some_and(|it| !it.lifecycle.protect);
    block(&mut step, protected(observed, wanted).filter(|_| !lifted));
    step
}

/// A note about stream keys that no manifest declares: keys are read only where one is declared, or orphans are looked
/// for.
pub(super) fn undeclared_keys(inputs: &Inputs<'_>) -> Option<Note> {
    let declared = |it: &&Address| inputs.manifests.contains_key(it);
    let channels = channels_with_unread_keys(inputs.observed).filter(declared);
    let channels: Vec<Address> = channels.cloned().collect();
    let everything = inputs.policy.selected.is_none();
    (everything && !channels.is_empty()).then_some(Note::UndeclaredKeys { channels })
}

/// Refuses steps that act on an object of another stack or tool: a stream key does not come with a foreign channel, and
/// neither a composition nor a publisher appears on a foreign channel or stage.
pub(super) fn refuse_to_act_on_foreign_objects(inputs: &Inputs<'_>, steps: &mut [Step]) {
    for index in 0..steps.len() {
        let Some(reason) = acts_on_a_foreign_object(inputs, &steps[index]) else { continue };
        let arn = steps[index].arn.clone();
        steps[index].decision = Decision::Unmanaged(reason.clone());
        let rooms = steps.iter_mut().filter(|it| it.because == [Cause::MakesRoom]);
        for other in rooms.filter(|it| it.arn.is_some() && it.arn == arn) {
            other.decision = Decision::Unmanaged(reason.clone());
        }
    }
}

fn acts_on_a_foreign_object(inputs: &Inputs<'_>, step: &Step) -> Option<Reason> {
    let acts = match step.action {
        Action::Release => false,
        // Tags of an object that comes with another one are tags on the object of that owner.
        Action::Retag => step.address.kind.facts().created_by.is_some(),
        _ => true,
    };
    step.spec.iter().filter(|_| acts).flat_map(Spec::acts_on).find_map(|edge| {
        let Pointer::Outside(arn) = edge.to else { return None };
        let owner = inputs.observed.all().find(|it| it.arn == arn)?.owner();
        let foreign = owner.is_other_than(&inputs.stack.name);
        foreign.then_some(Reason::ActsOnForeignObject { field: edge.field, arn, owner })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::owner;
    use crate::plan::Policy;
    use crate::plan::tests::{
        ATTEMPT, BUCKET, ROW, Row, address, allowing_main, check, destroying, pruning,
    };

    const MAIN: &str = "Channel/main";
    const SIDE: &str = "Channel/side";
    const PROTECTED: &str = "Channel/main | lifecycle: { protect: true }";
    const KEY: &str = "StreamKey/main { channel: main }";
    /// A create attempt of another run.
    const OTHER: &str = "01K00000000000000000000009";

    #[test]
    fn an_orphan_is_deleted_only_with_prune_and_only_if_nothing_forbids_it() {
        check(&[
            Row { when: "without prune", applied: &[MAIN], steps: &[], ..ROW },
            Row {
                when: "with prune",
                applied: &[MAIN, SIDE],
                manifests: &[SIDE],
                policy: pruning,
                steps: &["delete Channel/main (orphan)"],
                ..ROW
            },
            Row {
                when: "with prune, and its tags protect it",
                applied: &[PROTECTED],
                policy: pruning,
                steps: &["delete Channel/main (orphan): blocked Protected"],
                ..ROW
            },
            Row {
                when: "with prune, and it is live",
                applied: &[MAIN],
                account: |it| it.go_live(MAIN),
                policy: pruning,
                steps: &["delete Channel/main (orphan): deferred LiveAudience"],
                ..ROW
            },
            Row {
                when: "with prune, and it is live with consent",
                applied: &[MAIN],
                account: |it| it.go_live(MAIN),
                policy: || Policy { prune: true, ..allowing_main() },
                steps: &["delete Channel/main (orphan): interrupt"],
                ..ROW
            },
            Row {
                when: "with prune, and a protected stream key would be deleted with it",
                applied: &[MAIN, "StreamKey/main { channel: main } | lifecycle: { protect: true }"],
                manifests: &[],
                policy: pruning,
                steps: &["delete Channel/main (orphan): blocked HoldsProtectedKey"],
                ..ROW
            },
        ]);
        let plan = Row { applied: &[MAIN], ..ROW }.plan();
        assert_eq!(plan.orphans, [address(MAIN)]);
    }

    #[test]
    fn destroy_deletes_everything_that_the_stack_owns() {
        check(&[
            Row {
                when: "declared and undeclared resources",
                applied: &[MAIN, SIDE, KEY],
                manifests: &[MAIN],
                policy: destroying,
                steps: &["delete Channel/main (destroy)", "delete Channel/side (destroy)"],
                ..ROW
            },
            Row {
                when: "a protected resource",
                applied: &[PROTECTED],
                manifests: &[PROTECTED],
                policy: destroying,
                steps: &["delete Channel/main (destroy): blocked Protected"],
                ..ROW
            },
            Row {
                when: "a protected resource whose manifest lifts that",
                applied: &[PROTECTED],
                manifests: &[MAIN],
                policy: destroying,
                steps: &["delete Channel/main (destroy): blocked Protected"],
                ..ROW
            },
        ]);
    }

    #[test]
    fn a_replaced_object_is_deleted_by_every_run_once_its_successor_can_be_used() {
        const OF: &str = "RecordingConfiguration/archive";
        check(&[
            Row {
                when: "the successor is ready",
                applied: &[BUCKET],
                manifests: &[BUCKET],
                account: |it| {
                    let mut old = it.object(OF).clone();
                    old.arn = old.arn.sibling("before");
                    it.0.superseded.push((address(OF), old));
                },
                steps: &["delete RecordingConfiguration/archive (superseded)"],
                ..ROW
            },
            Row {
                when: "AWS failed to create the successor, and it is not replaced yet",
                applied: &[BUCKET],
                manifests: &[BUCKET],
                account: |it| {
                    let mut old = it.object(OF).clone();
                    old.arn = old.arn.sibling("before");
                    it.0.superseded.push((address(OF), old));
                    it.object(OF).state = Some("CREATE_FAILED".to_owned());
                    let Owner::Stack(ownership) = it.object(OF).owner() else { panic!("owned") };
                    it.0.as_of = ownership.made();
                },
                steps: &[
                    "replace RecordingConfiguration/archive (failed): deferred FailedRecently",
                    "delete RecordingConfiguration/archive (superseded): deferred SuccessorFailed",
                ],
                ..ROW
            },
        ]);
    }

    #[test]
    fn a_duplicate_is_deleted_only_if_it_is_proven_to_be_one() {
        check(&[
            Row {
                when: "another create attempt made it long ago, and it is as it was made",
                applied: &[MAIN],
                manifests: &[MAIN],
                account: |it| _ = it.duplicate(MAIN, OTHER),
                steps: &["delete Channel/main (duplicate)"],
                ..ROW
            },
            Row {
                when: "it was made a few minutes ago",
                applied: &[MAIN],
                manifests: &[MAIN],
                account: |it| {
                    let Owner::Stack(made) = it.duplicate(MAIN, OTHER).observed.owner() else {
                        panic!("owned")
                    };
                    it.0.as_of = made.made();
                },
                steps: &["delete Channel/main (duplicate): deferred DuplicateTooYoung"],
                ..ROW
            },
            Row {
                when: "it was changed since it was made",
                applied: &[MAIN],
                manifests: &[MAIN],
                account: |it| it.duplicate(MAIN, OTHER).untouched = false,
                steps: &["delete Channel/main (duplicate): blocked DuplicateChanged"],
                ..ROW
            },
            Row {
                when: "its name is not declared, without prune",
                applied: &[MAIN],
                account: |it| _ = it.duplicate(MAIN, OTHER),
                steps: &[],
                ..ROW
            },
            Row {
                when: "its name is not declared, with prune",
                applied: &[MAIN],
                account: |it| _ = it.duplicate(MAIN, OTHER),
                policy: pruning,
                steps: &["delete Channel/main (orphan)", "delete Channel/main (orphan)"],
                ..ROW
            },
            Row {
                when: "its name is not declared, and it cannot be told from the first one",
                applied: &[MAIN],
                account: |it| it.duplicate(MAIN, ATTEMPT).untouched = false,
                policy: pruning,
                steps: &[
                    "delete Channel/main (orphan): blocked SameTags",
                    "delete Channel/main (orphan): blocked SameTags",
                ],
                ..ROW
            },
        ]);
    }

    #[test]
    fn a_stream_key_that_no_manifest_declares_is_released_with_prune() {
        fn leave_behind(it: &mut crate::plan::tests::Account) {
            let key = it.take("StreamKey/main");
            it.0.left_behind.push((address("StreamKey/main"), key));
        }
        check(&[
            Row {
                when: "without prune",
                applied: &[MAIN, KEY],
                manifests: &[MAIN],
                account: leave_behind,
                steps: &[],
                ..ROW
            },
            Row {
                when: "with prune",
                applied: &[MAIN, KEY],
                manifests: &[MAIN],
                account: leave_behind,
                policy: pruning,
                steps: &["release StreamKey/main (orphan)"],
            },
            Row {
                when: "its channel is deleted in the same run",
                applied: &[MAIN, KEY],
                account: leave_behind,
                policy: pruning,
                steps: &["delete Channel/main (orphan)"],
                ..ROW
            },
        ]);
    }

    #[test]
    fn a_stream_key_of_a_channel_that_another_stack_owns_is_not_adopted() {
        check(&[Row {
            when: "the channel has the tags of another stack",
            applied: &[MAIN],
            manifests: &[
                "StreamKey/main { channel: \"arn:aws:ivs:us-west-2:000000000000:channel/main\" }",
            ],
            account: |it| {
                let mut object = it.take(MAIN);
                object.tags.insert(owner::STACK.to_owned(), "other".to_owned());
                it.0.others.insert(object.arn.clone(), object);
            },
            steps: &["create StreamKey/main (missing): unmanaged ActsOnForeignObject"],
            ..ROW
        }]);
    }
}
