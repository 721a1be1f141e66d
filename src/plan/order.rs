//! Orders the steps: what a step needs, and which steps wait for a step that is not carried out.

use super::action::Action;
use super::draft::Planner;
use super::graph;
use super::reason::{Reason, Referrer};
use super::step::{Cause, Decision, Plan, Step, StepId};
use crate::kinds::spec::named_targets;
use crate::kinds::{Address, Arn, Observed, Owner, Pointer, Spec};
use std::collections::{BTreeMap, BTreeSet};

impl Planner<'_> {
    /// Edges, then what follows from them: numbers, and which steps wait for a step that is not done.
    pub(super) fn order(&mut self, plan: &mut Plan) {
        self.connect();
        self.excuse_channels_of_stopped_compositions();
        self.start_late();
        self.wait_for_publishers();
        let edges = self.drafts.iter().enumerate();
        let edges = edges.flat_map(|(index, it)| it.needs.iter().map(move |needs| (index, *needs)));
        let depths = graph::depths(0..self.drafts.len(), edges)
            .expect("references between kinds have no circles, and deletes run against them");
        let mut order: Vec<usize> = (0..self.drafts.len()).collect();
        order.sort_by_key(|&index| {
            let step = &self.drafts[index].step;
            (depths[&index], step.address.clone(), step.action, step.arn.clone())
        });
        for &index in &order {
            self.wait_for_the_undone(index);
        }
        let ids: BTreeMap<usize, StepId> =
            order.iter().enumerate().map(|(position, index)| (*index, position + 1)).collect();
        for &index in &order {
            let draft = &self.drafts[index];
            let mut step = draft.step.clone();
            step.id = ids[&index];
            step.after = draft.needs.iter().map(|needs| ids[needs]).collect();
            step.after.sort_unstable();
            plan.steps.push(step);
        }
        plan.unchanged.sort();
        plan.orphans.sort();
    }

    /// Creates and updates come after what they will refer to, deletes after everything that still
    /// refers to what is deleted: the edges of what is wanted, and the edges of what exists.
    pub(super) fn connect(&mut self) {
        let mut making: BTreeMap<&Address, usize> = BTreeMap::new();
        let mut touching: BTreeMap<&Arn, Vec<usize>> = BTreeMap::new();
        for (index, draft) in self.drafts.iter().enumerate() {
            let step = &draft.step;
            if step.spec.is_some() && step.action != Action::Retag {
                making.insert(&step.address, index);
            }
            if let Some(arn) = &step.arn {
                touching.entry(arn).or_default().push(index);
            }
        }
        let mut needs: Vec<(usize, usize)> = Vec::new();
        let mut holding: Vec<(usize, &Observed, bool)> = Vec::new();
        for (arn, users) in &self.observed.users {
            let deletes = touching.get(arn).into_iter().flatten();
            let deletes = deletes.filter(|it| self.drafts[**it].step.action == Action::Delete);
            // What comes with an object is deleted with it; where that is protected, the delete is blocked.
            let users = users.iter().filter(|it| it.kind.facts().created_by.is_none());
            holding
                .extend(deletes.flat_map(|it| users.clone().map(move |user| (*it, user, false))));
        }
        for (index, draft) in self.drafts.iter().enumerate() {
            for target in draft.step.spec.iter().flat_map(named_targets) {
                needs.extend(making.get(&target).map(|target| (index, *target)));
            }
        }
        needs.extend(self.after_whoever_has_it());
        for referrer in self.observed.all() {
            let moved = touching.get(&referrer.arn).map_or(&[][..], Vec::as_slice);
            // What comes with something goes with it, so it does not hold it back, unless it is to stay.
            let address = self.observed.addresses.address(&referrer.arn);
            let stays =
                !self.policy.destroy && address.is_some_and(|it| self.manifests.contains_key(it));
            let created_by = referrer.kind.facts().created_by.filter(|_| !stays);
            let edges = referrer.spec.iter().flat_map(Spec::refs);
            for edge in edges.filter(|edge| created_by != Some(edge.kind)) {
                let Some(arn) = edge.to.arn(&self.observed.addresses) else { continue };
                for &deleted in touching.get(&arn).into_iter().flatten() {
                    if self.drafts[deleted].step.action != Action::Delete {
                        continue;
                    }
                    // A delete-first pair is over with its delete; a create-first one with its create,
                    // which does not move the old object's references: only its delete does.
                    let lets_go = |it: &usize| {
                        let step = &self.drafts[*it].step;
                        let moves = !matches!(step.action, Action::Replace | Action::Retag);
                        *it != deleted && moves && !self.still_refers(step, &arn)
                    };
                    if moved.iter().any(lets_go) {
                        needs.extend(moved.iter().copied().filter(lets_go).map(|it| (deleted, it)));
                    } else {
                        // One that is to be replaced, and cannot be in this run, lets go in a later one.
                        let later = moved.iter().any(|it| {
                            let step = &self.drafts[*it].step;
                            let waits = matches!(step.decision, Decision::Deferred(_));
                            *it != deleted && waits && !self.still_refers(step, &arn)
                        });
                        holding.push((deleted, referrer, later));
                    }
                }
            }
        }
        for (index, needed) in needs {
            if index != needed {
                self.drafts[index].needs.insert(needed);
            }
        }
        // All of one kind of answer are named at once, so that nobody meets them one by one.
        let mut held: BTreeMap<usize, (Vec<Referrer>, bool)> = BTreeMap::new();
        for (deleted, referrer, later) in holding {
            let arn = referrer.arn.clone();
            let name = match (self.observed.addresses.address(&arn), referrer.owner()) {
                (Some(address), _) => Referrer::Managed(address.clone()),
                (None, Owner::Stack(ownership)) if ownership.stack == self.stack.name => {
                    Referrer::Managed(Address::new(referrer.kind, ownership.name))
                }
                (None, owner @ (Owner::Stack(_) | Owner::CloudFormation(_))) => {
                    Referrer::Foreign { arn, owner }
                }
                (None, _) => Referrer::Undeclared { arn },
            };
            let held = held.entry(deleted).or_insert_with(|| (Vec::new(), true));
            if !held.0.contains(&name) {
                held.0.push(name);
            }
            held.1 &= later;
        }
        for (deleted, (by, later)) in held {
            let step = &mut self.drafts[deleted].step;
            let reason = Reason::StillReferredTo { by };
            let duplicate = step.because.iter().any(|it| matches!(it, Cause::Duplicate { .. }));
            if duplicate && !later && !matches!(step.decision, Decision::Blocked(_)) {
                step.decision = Decision::Blocked(reason);
            } else if step.decision.is_do() {
                step.decision = Decision::Deferred(reason);
            }
        }
        self.spare_used_duplicates();
        self.make_room_late();
        self.delete_predecessors_first();
        self.free_names();
    }

    /// Of what was read only to know who refers to a duplicate, no step makes anything let go of it.
    pub(super) fn spare_used_duplicates(&mut self) {
        let planned: BTreeSet<&Arn> =
            self.observed.all().filter(|it| it.spec.is_some()).map(|it| &it.arn).collect();
        for draft in &mut self.drafts {
            let step = &mut draft.step;
            if !step.because.iter().any(|it| matches!(it, Cause::Duplicate { .. })) {
                continue;
            }
            let users =
                self.observed.referrers.iter().filter(|(_, to)| step.arn.as_ref() == Some(to));
            if let Some((user, _)) = users.into_iter().find(|(user, _)| !planned.contains(user))
                && !matches!(step.decision, Decision::Blocked(_))
            {
                step.decision = Decision::Blocked(Reason::DuplicateReferredTo { by: user.clone() });
            }
        }
    }

    /// Whether an object will refer to `arn` after a step.
    pub(super) fn still_refers(&self, step: &Step, arn: &Arn) -> bool {
        let spec = step.wanted(step.before.as_ref());
        spec.iter().flat_map(Spec::refs).any(|edge| match &edge.to {
            Pointer::Named(address) => {
                !self.replaced.contains_key(address)
                    && self.observed.addresses.arn(address) == Some(arn)
            }
            Pointer::Outside(outside) => outside == arn,
        })
    }

    /// The tags of a successor are all that says that its predecessor is one, so it stays until that is
    /// gone.
    pub(super) fn delete_predecessors_first(&mut self) {
        let deletes: BTreeMap<&str, usize> = self
            .drafts
            .iter()
            .enumerate()
            .filter(|(_, it)| it.step.action == Action::Delete)
            .filter_map(|(index, it)| Some((it.step.arn.as_ref()?.id(), index)))
            .collect();
        let mut needs = Vec::new();
        for (index, draft) in self.drafts.iter().enumerate() {
            let Owner::Stack(ownership) = &draft.step.owner else { continue };
            // The successor of one that failed says so as well.
            if draft.step.because.contains(&Cause::MakesRoom) {
                continue;
            }
            let predecessor = ownership.replaces.as_deref().and_then(|id| deletes.get(id));
            if let (Action::Delete, Some(&predecessor)) = (draft.step.action, predecessor) {
                needs.push((index, predecessor));
            }
        }
        for (index, predecessor) in needs {
            if index != predecessor {
                self.drafts[index].needs.insert(predecessor);
            }
        }
    }

    /// Where the old one has to go first, it goes only when all that its successor needs is there: nothing
    /// is off the air because something else failed.
    pub(super) fn make_room_late(&mut self) {
        for index in 0..self.drafts.len() {
            if self.drafts[index].step.action != Action::Replace {
                continue;
            }
            let arn = self.drafts[index].step.arn.clone();
            let room = self.drafts[index].needs.iter().copied().find(|&it| {
                self.drafts[it].step.action == Action::Delete && self.drafts[it].step.arn == arn
            });
            if let Some(room) = room {
                let needs = self.drafts[index].needs.iter().copied();
                let makes = |it: &usize| self.drafts[*it].step.action.makes();
                let ground: Vec<usize> = needs.filter(makes).collect();
                self.drafts[room].needs.extend(ground);
            }
        }
    }

    /// What only one object can have is free once the object that has it is deleted: a key that moves to
    /// another name, or two that swap theirs.
    pub(super) fn after_whoever_has_it(&self) -> Vec<(usize, usize)> {
        // One that is to be replaced in a later run has it till then.
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
        let drafts = || self.drafts.iter().enumerate();
        let freed: BTreeMap<_, usize> =
            drafts().filter_map(|(index, it)| Some((had_by(&it.step)?, index))).collect();
        drafts().filter_map(|(index, it)| Some((index, *freed.get(&made_by(&it.step)?)?))).collect()
    }

    /// A step whose ground is not laid in this run waits with it; one that only follows an update of what
    /// it refers to does not, since the object is there, nor one that refers to what a later run replaces.
    pub(super) fn wait_for_the_undone(&mut self, index: usize) {
        let draft = &self.drafts[index];
        if !draft.step.decision.is_do() {
            return;
        }
        let blocking = draft.needs.iter().find(|&&needed| {
            let needed = &self.drafts[needed].step;
            let failed = needed.because.iter().any(|it| matches!(it, Cause::Failed { .. }));
            let stays = needed.action == Action::Replace
                && !failed
                && matches!(needed.decision, Decision::Deferred(_))
                && !self.replaced.contains_key(&needed.address)
                && draft.step.action != Action::Delete;
            !needed.decision.is_do() && draft.step.stands_on(needed) && !stays
        });
        let Some(&blocking) = blocking else { return };
        let blocking = &self.drafts[blocking].step;
        // Two objects of one name would read as one that waits for itself.
        let other = blocking.address != self.drafts[index].step.address;
        let address = other.then(|| blocking.address.clone());
        let waits = Reason::WaitsFor { address, action: blocking.action };
        let decision = match &blocking.decision {
            Decision::Dormant(_) => Decision::Dormant(waits),
            _ => Decision::Deferred(waits),
        };
        self.drafts[index].step.decision = decision;
    }
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
