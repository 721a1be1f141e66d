//! Orders the steps: what a step needs, and which steps wait for a step that is not carried out.

use super::action::Action;
use super::draft::Drafts;
use super::graph;
use super::inputs::Inputs;
use super::reason::{Reason, Referrer};
use super::step::{Cause, Decision, Step};
use crate::kinds::spec::named_targets;
use crate::kinds::{Address, Arn, Observed, ObservedState, Owner, Pointer, Spec};
use std::collections::{BTreeMap, BTreeSet};

/// The steps with their numbers, in an order in which they can be carried out. A step that needs one that is not carried
/// out waits with it.
pub(super) fn number(mut drafts: Drafts) -> Vec<Step> {
    let depths = graph::depths(0..drafts.steps.len(), drafts.needs.iter().copied())
        .expect("references between kinds have no circles, and deletes run against them");
    let mut order: Vec<usize> = (0..drafts.steps.len()).collect();
    order.sort_by_key(|&index| {
        let step = &drafts.steps[index];
        (depths[&index], step.address.clone(), step.action, step.arn.clone())
    });
    for (position, &index) in order.iter().enumerate() {
        drafts.steps[index].id = position + 1;
        wait_for_the_undone(&mut drafts, index);
        // The steps that it needs come before it, so they have their numbers.
        let mut after: Vec<_> = drafts.needed_by(index).map(|it| drafts.steps[it].id).collect();
        after.sort_unstable();
        drafts.steps[index].after = after;
    }
    drafts.steps.sort_by_key(|it| it.id);
    drafts.steps
}

/// Lets a step wait that needs a step which is not carried out in this run. A step that only follows an update of an
/// object that it refers to does not wait, since the object exists, nor does one that refers to an object which a later
/// run replaces.
fn wait_for_the_undone(drafts: &mut Drafts, index: usize) {
    let step = &drafts.steps[index];
    if !step.decision.is_do() {
        return;
    }
    let needed = drafts.needed_by(index).map(|it| &drafts.steps[it]);
    let blocking = needed.filter(|it| !it.decision.is_do() && step.stands_on(it)).find(|needed| {
        let failed = needed.because.iter().any(|it| matches!(it, Cause::Failed { .. }));
        let stays = needed.action == Action::Replace
            && !failed
            && matches!(needed.decision, Decision::Deferred(_))
            && !drafts.replaced.contains_key(&needed.address)
            && step.action != Action::Delete;
        !stays
    });
    let Some(blocking) = blocking else { return };
    // With two objects of one name, the step would seem to wait for itself.
    let address = Some(&blocking.address).filter(|it| **it != step.address).cloned();
    let waits = Reason::WaitsFor { address, action: blocking.action };
    let decision = match &blocking.decision {
        Decision::Dormant(_) => Decision::Dormant(waits),
        _ => Decision::Deferred(waits),
    };
    drafts.steps[index].decision = decision;
}

/// Orders creates and updates after the steps of the resources that they refer to, by the references of the manifests.
pub(super) fn follow_references(drafts: &mut Drafts) {
    let writes = |it: &Step| it.spec.is_some() && it.action != Action::Retag;
    let steps = || drafts.steps.iter().enumerate();
    let making: BTreeMap<&Address, usize> =
        steps().filter(|(_, it)| writes(it)).map(|(index, it)| (&it.address, index)).collect();
    let targets = steps().flat_map(|(index, step)| {
        let targets = step.spec.iter().flat_map(named_targets);
        targets.map(move |target| (index, target))
    });
    let needs = targets.filter_map(|(index, target)| Some((index, *making.get(&target)?)));
    // An object may name another one of its own resource, its predecessor.
    drafts.needs.extend(needs.filter(|(index, needed)| index != needed));
}

/// Orders a create after the delete of the object that has a value which only one object can have: a public key that
/// moves to another name, or two that are exchanged.
pub(super) fn follow_exclusive_values(drafts: &mut Drafts) {
    // An object that a later run replaces keeps its value till then.
    let keeps = |step: &Step| step.action == Action::Replace && !step.decision.is_do();
    let had_by = |step: &Step| {
        let has = step.action == Action::Delete || keeps(step);
        let spec = step.before.as_ref().filter(|_| has)?;
        Some((spec.kind(), spec.exclusive()?.value))
    };
    let made_by = |step: &Step| {
        let spec = step.spec.as_ref().filter(|_| step.action.makes())?;
        Some((spec.kind(), spec.exclusive()?.value))
    };
    let steps = || drafts.steps.iter().enumerate();
    let freed: BTreeMap<_, usize> =
        steps().filter_map(|(index, it)| Some((had_by(it)?, index))).collect();
    let needs = steps().filter_map(|(index, it)| Some((index, *freed.get(&made_by(it)?)?)));
    drafts.needs.extend(needs.filter(|(index, needed)| index != needed));
}

/// Orders a delete after the steps that remove the references to its object. Where a reference stays, the delete waits;
/// that of a duplicate is refused.
pub(super) fn delete_after_references(inputs: &Inputs<'_>, drafts: &mut Drafts) {
    let by_arn = StepsByArn::new(&drafts.steps);
    let mut remaining = looked_up_references(inputs, &by_arn);
    let mut needs = Vec::new();
    for (referrer, arn) in observed_references(inputs) {
        for delete in by_arn.deletes(&arn) {
            let ends = by_arn.of(&referrer.arn).filter(|it| {
                let step = &drafts.steps[*it];
                *it != delete && !still_refers(inputs.observed, &drafts.replaced, step, &arn)
            });
            // A replacement itself leaves the old object and its references as they are: its delete ends them.
            let writes =
                |it: &usize| !matches!(drafts.steps[*it].action, Action::Replace | Action::Retag);
            let (now, other): (Vec<usize>, Vec<usize>) = ends.partition(writes);
            if now.is_empty() {
                let waits =
                    |it: &usize| matches!(drafts.steps[*it].decision, Decision::Deferred(_));
                let ends_later = other.iter().any(waits);
                remaining.push(RemainingReference { delete, referrer, ends_later });
            }
            needs.extend(now.into_iter().map(|it| (delete, it)));
        }
    }
    drafts.needs.extend(needs);
    hold_deletes(inputs, &remaining, &mut drafts.steps);
}

/// The indexes of steps by the ARN of their object.
struct StepsByArn<'a> {
    steps: &'a [Step],
    by_arn: BTreeMap<&'a Arn, Vec<usize>>,
}

impl<'a> StepsByArn<'a> {
    fn new(steps: &'a [Step]) -> Self {
        let mut by_arn: BTreeMap<&Arn, Vec<usize>> = BTreeMap::new();
        for (index, step) in steps.iter().enumerate() {
            if let Some(arn) = &step.arn {
                by_arn.entry(arn).or_default().push(index);
            }
        }
        Self { steps, by_arn }
    }

    /// The steps about an object.
    fn of(&self, arn: &Arn) -> impl Iterator<Item = usize> {
        self.by_arn.get(arn).into_iter().flatten().copied()
    }

    /// The steps that delete an object.
    fn deletes(&self, arn: &Arn) -> impl Iterator<Item = usize> {
        self.of(arn).filter(move |it| self.steps[*it].action == Action::Delete)
    }
}

/// A reference to the object of a delete that no step of this run removes.
struct RemainingReference<'a> {
    /// The index of the delete.
    delete: usize,
    referrer: &'a Observed,
    /// Whether a step removes it that a later run carries out.
    ends_later: bool,
}

/// The references that were looked up for the objects that the plan deletes.
fn looked_up_references<'a>(
    inputs: &Inputs<'a>,
    by_arn: &StepsByArn<'_>,
) -> Vec<RemainingReference<'a>> {
    let mut remaining = Vec::new();
    for (arn, users) in &inputs.observed.users {
        // An object that comes with another one is deleted with it; where it is protected, the delete is blocked.
        let users = users.iter().filter(|it| it.kind.facts().created_by.is_none());
        remaining.extend(by_arn.deletes(arn).flat_map(|delete| {
            let users = users.clone();
            users.map(move |referrer| RemainingReference { delete, referrer, ends_later: false })
        }));
    }
    remaining
}

/// Each object that was read, with the objects that it refers to and whose delete it holds back.
fn observed_references<'a>(inputs: &Inputs<'a>) -> impl Iterator<Item = (&'a Observed, Arn)> {
    inputs.observed.all().flat_map(move |referrer| {
        // An object that comes with another one does not hold that back, unless it is to stay.
        let address = inputs.observed.addresses.address(&referrer.arn);
        let declared = address.is_some_and(|it| inputs.manifests.contains_key(it));
        let stays = declared && !inputs.policy.destroy;
        let created_by = referrer.kind.facts().created_by.filter(|_| !stays);
        let edges = referrer.spec.iter().flat_map(Spec::refs);
        let edges = edges.filter(move |edge| created_by != Some(edge.kind));
        edges.filter_map(move |it| inputs.arn(&it)).map(move |arn| (referrer, arn))
    })
}

/// Lets deletes wait for the references that remain, and refuses those of duplicates. All referrers are named at once,
/// so that a person does not meet them one by one.
fn hold_deletes(inputs: &Inputs<'_>, remaining: &[RemainingReference<'_>], steps: &mut [Step]) {
    let mut held: BTreeMap<usize, (Vec<Referrer>, bool)> = BTreeMap::new();
    for reference in remaining {
        let (by, all_later) = held.entry(reference.delete).or_insert_with(|| (Vec::new(), true));
        let referrer = named(inputs, reference.referrer);
        if !by.contains(&referrer) {
            by.push(referrer);
        }
        *all_later &= reference.ends_later;
    }
    for (delete, (by, later)) in held {
        let step = &mut steps[delete];
        let reason = Reason::StillReferredTo { by };
        if is_duplicate(step) && !later && !matches!(step.decision, Decision::Blocked(_)) {
            step.decision = Decision::Blocked(reason);
        } else if step.decision.is_do() {
            step.decision = Decision::Deferred(reason);
        }
    }
}

fn named(inputs: &Inputs<'_>, referrer: &Observed) -> Referrer {
    let arn = referrer.arn.clone();
    match (inputs.observed.addresses.address(&arn), referrer.owner()) {
        (Some(address), _) => Referrer::Managed(address.clone()),
        (None, Owner::Stack(ownership)) if ownership.stack == inputs.stack.name => {
            Referrer::Managed(Address::new(referrer.kind, ownership.name))
        }
        (None, owner @ (Owner::Stack(_) | Owner::CloudFormation(_))) => {
            Referrer::Foreign { arn, owner }
        }
        (None, _) => Referrer::Undeclared { arn },
    }
}

fn is_duplicate(step: &Step) -> bool {
    step.because.iter().any(|it| matches!(it, Cause::Duplicate { .. }))
}

/// Whether an object will refer to `arn` after a step.
fn still_refers(
    observed: &ObservedState,
    replaced: &BTreeMap<Address, usize>,
    step: &Step,
    arn: &Arn,
) -> bool {
    let spec = step.wanted(step.before.as_ref());
    spec.iter().flat_map(Spec::refs).any(|edge| match &edge.to {
        Pointer::Named(address) => {
            !replaced.contains_key(address) && observed.addresses.arn(address) == Some(arn)
        }
        Pointer::Outside(outside) => outside == arn,
    })
}

/// Refuses the delete of a duplicate that an object refers to which no step changes: it was read only for its reference.
pub(super) fn spare_used_duplicates(observed: &ObservedState, steps: &mut [Step]) {
    let read: BTreeSet<&Arn> =
        observed.all().filter(|it| it.spec.is_some()).map(|it| &it.arn).collect();
    for step in steps.iter_mut().filter(|it| is_duplicate(it)) {
        let mut users = observed.referrers.iter().filter(|(_, to)| step.arn.as_ref() == Some(to));
        if let Some((user, _)) = users.find(|(user, _)| !read.contains(user))
            && !matches!(step.decision, Decision::Blocked(_))
        {
            step.decision = Decision::Blocked(Reason::DuplicateReferredTo { by: user.clone() });
        }
    }
}

/// Orders the delete that comes before a replacement after the creates that the new object needs, so that a failed create
/// does not end a stream.
pub(super) fn make_room_late(drafts: &mut Drafts) {
    let mut needs = Vec::new();
    for (index, step) in drafts.steps.iter().enumerate() {
        let needed = || drafts.needed_by(index).map(|it| (it, &drafts.steps[it]));
        let mut deletes = needed().filter(|(_, it)| it.action == Action::Delete);
        if step.action == Action::Replace
            && let Some((room, _)) = deletes.find(|(_, it)| it.arn == step.arn)
        {
            let creates = needed().filter(|(_, it)| it.action.makes());
            needs.extend(creates.map(|(create, _)| (room, create)));
        }
    }
    drafts.needs.extend(needs);
}

/// Orders the delete of a successor after that of its predecessor: only the tags of the successor say that the other is
/// one.
pub(super) fn delete_predecessors_first(drafts: &mut Drafts) {
    let deletes = || {
        let steps = drafts.steps.iter().enumerate();
        steps.filter(|(_, it)| it.action == Action::Delete)
    };
    let by_id: BTreeMap<&str, usize> =
        deletes().filter_map(|(index, it)| Some((it.arn.as_ref()?.id(), index))).collect();
    // A failed object names its predecessor too, which waits for the next successor.
    let successors = deletes().filter(|(_, it)| !it.because.contains(&Cause::MakesRoom));
    let needs = successors.filter_map(|(index, it)| {
        let Owner::Stack(ownership) = &it.owner else { return None };
        Some((index, *by_id.get(ownership.replaces.as_deref()?)?))
    });
    drafts.needs.extend(needs.filter(|(index, needed)| index != needed));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{
        BUCKET, OTHER_BUCKET, RECORDED, ROW, Row, address, arn, check, pruning, told,
    };

    const PLAIN: &str = "Channel/main";
    const SIDE: &str = "Channel/side { recordingConfiguration: archive }";

    #[test]
    fn references_decide_the_order_of_steps() {
        check(&[
            Row {
                when: "both are created: first the resource that the other one refers to",
                manifests: &[RECORDED, BUCKET],
                steps: &[
                    "create RecordingConfiguration/archive (missing)",
                    "create Channel/main (missing)",
                ],
                ..ROW
            },
            Row {
                when: "both are deleted: first the object that refers to the other one",
                applied: &[BUCKET, RECORDED],
                policy: pruning,
                manifests: &["Stage/other"],
                steps: &[
                    "delete Channel/main (orphan)",
                    "create Stage/other (missing)",
                    "delete RecordingConfiguration/archive (orphan)",
                ],
                ..ROW
            },
            Row {
                when: "the reference is removed before its object is deleted",
                applied: &[BUCKET, RECORDED],
                manifests: &[PLAIN],
                policy: pruning,
                steps: &[
                    "update Channel/main (pending)",
                    "delete RecordingConfiguration/archive (orphan)",
                ],
                ..ROW
            },
            Row {
                when: "the old object of a replacement is deleted after the references to it are updated",
                applied: &[BUCKET, RECORDED],
                manifests: &[OTHER_BUCKET, RECORDED],
                steps: &[
                    "replace RecordingConfiguration/archive (pending immutable)",
                    "update Channel/main (upstream)",
                    "delete RecordingConfiguration/archive (superseded)",
                ],
                ..ROW
            },
        ]);
    }

    #[test]
    fn a_step_waits_for_a_step_that_is_not_carried_out() {
        check(&[
            Row {
                when: "the reference to a deleted object stays, since its channel is live",
                applied: &[BUCKET, RECORDED],
                manifests: &[PLAIN],
                account: |it| it.go_live("Channel/main"),
                policy: pruning,
                steps: &[
                    "update Channel/main (pending): deferred LiveAudience",
                    "delete RecordingConfiguration/archive (orphan): deferred WaitsFor",
                ],
            },
            Row {
                when: "the object that a new resource refers to is not created",
                applied: &[],
                manifests: &[
                    "RecordingConfiguration/archive { destinationConfiguration: { s3: { bucketName: a-bucket } } } | \
                     lifecycle: { adopt: \"arn:aws:ivs:us-west-2:000000000000:recording-configuration/gone\" }",
                    RECORDED,
                ],
                steps: &[
                    "create RecordingConfiguration/archive (missing): blocked AdoptedObjectMissing",
                    "create Channel/main (missing): deferred WaitsFor",
                ],
                ..ROW
            },
            Row {
                when: "an update follows the deferred update of the object that it refers to",
                applied: &[
                    "Stage/studio",
                    "IngestConfiguration/camera { ingestProtocol: RTMPS, stage: studio }",
                ],
                manifests: &[
                    "Stage/studio { autoParticipantRecordingConfiguration: { storageConfiguration: tape } }",
                    "StorageConfiguration/tape { s3: { bucketName: a-bucket } }",
                    "IngestConfiguration/camera { ingestProtocol: RTMPS, stage: studio, tags: { side: left } }",
                ],
                account: |it| it.go_live("Stage/studio"),
                steps: &[
                    "create StorageConfiguration/tape (missing)",
                    "update Stage/studio (pending): deferred LiveAudience",
                    "retag IngestConfiguration/camera (pending)",
                ],
                ..ROW
            },
        ]);
    }

    #[test]
    fn an_object_that_something_outside_the_stack_refers_to_is_not_deleted() {
        let row = Row {
            when: "a channel without ownership tags uses the orphan",
            applied: &[BUCKET, SIDE],
            manifests: &[PLAIN],
            account: |it| {
                let mut user = it.take("Channel/side");
                user.tags.clear();
                it.0.others.insert(user.arn.clone(), user);
            },
            policy: pruning,
            steps: &[
                "create Channel/main (missing)",
                "delete RecordingConfiguration/archive (orphan): deferred StillReferredTo",
            ],
        };
        let delete = row.plan().steps.pop().expect("a delete");
        check(&[row]);
        let user = arn(&address("Channel/side"));
        let by = vec![Referrer::Undeclared { arn: user }];
        assert_eq!(delete.decision, Decision::Deferred(Reason::StillReferredTo { by }));
    }

    #[test]
    fn steps_have_numbers_and_name_the_steps_before_them() {
        let plan = Row { manifests: &[SIDE, RECORDED, BUCKET], ..ROW }.plan();
        let numbers: Vec<_> = plan.steps.iter().map(|it| (it.id, it.after.clone())).collect();
        assert_eq!(numbers, [(1, vec![]), (2, vec![1]), (3, vec![1])]);
        let again = Row { manifests: &[BUCKET, RECORDED, SIDE], ..ROW }.plan();
        assert_eq!(told(&plan), told(&again), "the order of the manifests does not matter");
    }
}
