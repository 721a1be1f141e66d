//! Deletes and releases: orphans, predecessors, duplicates, and everything with `destroy`.

use super::action::Action;
use super::draft::{Draft, Planner, draft};
use super::duplicate;
use super::policy::protected;
use super::reason::Reason;
use super::step::{Cause, Decision, Note, Plan, Step};
use crate::kinds::owner;
use crate::kinds::spec::{FieldChange, protect_path};
use crate::kinds::{
    Address, Arn, Desired, Duplicate, Kind, Observed, Owner, OwnershipTags, Pointer, Spec,
};
use serde_json::Value;
use std::collections::BTreeSet;

impl<'a> Planner<'a> {
    pub(super) fn delete(
        &mut self,
        address: &Address,
        observed: &'a Observed,
        cause: Cause,
        wanted: Option<&Desired>,
    ) {
        let mut step = Step {
            id: 0,
            address: address.clone(),
            action: Action::Delete,
            arn: Some(observed.arn.clone()),
            spec: None,
            before: observed.spec.clone(),
            ignored: Vec::new(),
            owner: observed.owner(),
            ownership: OwnershipTags::default(),
            because: vec![cause],
            fields: Vec::new(),
            after: Vec::new(),
            impact: None,
            decision: Decision::Do,
            origin: wanted.map(|it| it.origin),
        };
        if let Some(audience) = self.observed.audience.get(&observed.arn) {
            step.impact = Some(audience.clone());
            // What its manifest says of an audience holds for a predecessor too.
            let declared = wanted.or_else(|| self.manifests.get(address).copied());
            step.decision = self.consent(address, &observed.arn, declared, audience);
        }
        if self.holding.contains(&observed.arn) {
            step.decision = Decision::Blocked(Reason::HoldsProtectedKey);
        } else if let Some(blocked) = protected(observed, wanted) {
            step.decision =
                if wanted.is_some_and(|it| !it.lifecycle.protect) && !self.policy.destroy {
                    Decision::Deferred(Reason::ProtectionLifted { then: Action::Delete })
                } else {
                    Decision::Blocked(blocked)
                };
        }
        self.push(step);
    }

    /// The tag goes by a step of its own, before what it stood against.
    pub(super) fn lift_protection(&mut self, wanted: &Desired, observed: &Observed) {
        let Owner::Stack(owned) = observed.owner() else { return };
        if !owned.protect || wanted.lifecycle.protect {
            return;
        }
        let ownership = OwnershipTags { protect: false, ..owned };
        let mut step = draft(wanted, Action::Retag, Some(observed), ownership);
        step.spec.clone_from(&observed.spec);
        step.because = vec![Cause::Pending];
        step.fields =
            vec![FieldChange::known(protect_path(), Value::Bool(true), Value::Bool(false))];
        self.push(step);
    }

    /// What is there and not wanted: predecessors of replaced objects always, orphans with prune.
    pub(super) fn clear_up(&mut self, plan: &mut Plan, taken: &BTreeSet<Arn>) {
        let observed = self.observed;
        let about = |(address, _): &(&Address, &Observed)| self.policy.is_about(address);
        let superseded = observed.superseded.iter().map(|(address, old)| (address, old));
        for (address, old) in superseded.filter(about).collect::<Vec<_>>() {
            self.delete(address, old, Cause::Superseded, None);
            self.wait_for_a_usable_successor(address);
        }
        for it in observed.duplicates.iter().filter(|it| self.policy.is_about(&it.address)) {
            self.settle_duplicate(it, taken);
        }
        for (address, orphan) in observed.owned.iter().filter(about).collect::<Vec<_>>() {
            if taken.contains(&orphan.arn) {
                continue;
            }
            // What comes with something else goes with it too, and is never deleted by itself.
            if orphan.kind.facts().created_by.is_some() {
                continue;
            }
            if self.policy.destroy {
                let wanted = self.manifests.get(address).copied();
                self.delete(address, orphan, Cause::Destroy, wanted);
                self.block_last(duplicate::unclear(observed, orphan));
            } else if self.policy.selected.is_some() {
                // What is declared and not selected is no orphan, and what is an orphan is not selected.
            } else if self.policy.prune {
                self.delete(address, orphan, Cause::Orphan, None);
                self.block_last(duplicate::unclear(observed, orphan));
            } else {
                plan.orphans.push(address.clone());
            }
        }
        for (address, behind) in &observed.left_behind {
            if self.policy.is_about(address) {
                self.release(address, behind, plan);
            }
        }
        // Keys are read only where one is declared, or orphans are looked for.
        if !observed.listed.contains(&Kind::StreamKey) && self.policy.selected.is_none() {
            let remembering = observed.owned.iter().filter(|(address, it)| {
                owner::remembered_key(&it.tags).is_some() && self.manifests.contains_key(address)
            });
            let channels: Vec<Address> = remembering.map(|(address, _)| address.clone()).collect();
            plan.notes.extend((!channels.is_empty()).then_some(Note::UndeclaredKeys { channels }));
        }
    }

    /// What came with an object stays with it, and is released where its manifest is about another object by
    /// now, or where orphans are pruned. It is deleted with that object.
    pub(super) fn release(
        &mut self,
        address: &'a Address,
        observed: &'a Observed,
        plan: &mut Plan,
    ) {
        let parent = observed.kind.facts().created_by;
        let edges = observed.spec.iter().flat_map(Spec::refs);
        let parents: Vec<Arn> = edges
            .filter(|it| Some(it.kind) == parent)
            .filter_map(|it| it.to.arn(&self.observed.addresses))
            .collect();
        let goes = |it: &Draft| {
            it.step.action == Action::Delete
                && it.step.arn.as_ref().is_some_and(|arn| parents.contains(arn))
        };
        if self.policy.destroy || self.drafts.iter().any(goes) {
            return;
        }
        let wanted = self.manifests.get(address).copied();
        if wanted.is_none() && !self.policy.prune {
            plan.orphans.push(address.clone());
            return;
        }
        let blocked = match wanted {
            Some(it) if !it.lifecycle.protect => None,
            _ => protected(observed, wanted),
        };
        self.push(Step {
            id: 0,
            address: address.clone(),
            action: Action::Release,
            arn: Some(observed.arn.clone()),
            spec: None,
            before: observed.spec.clone(),
            ignored: Vec::new(),
            owner: observed.owner(),
            ownership: OwnershipTags::default(),
            because: vec![if wanted.is_some() { Cause::Moved } else { Cause::Orphan }],
            fields: Vec::new(),
            after: Vec::new(),
            impact: None,
            decision: blocked.map_or(Decision::Do, Decision::Blocked),
            origin: wanted.map(|it| it.origin),
        });
    }

    /// The predecessor of what AWS failed to make stays until there is one of use.
    pub(super) fn wait_for_a_usable_successor(&mut self, address: &Address) {
        let Some(successor) = self.observed.owned.get(address).filter(|it| it.has_failed()) else {
            return;
        };
        let made = self.replaced.get(address).copied();
        let Some(old) = self.drafts.last_mut() else { return };
        match made {
            Some(made) => {
                old.needs.insert(made);
            }
            None if old.step.decision.is_do() => {
                let (arn, state) = (successor.arn.clone(), successor.state.clone());
                let state = state.unwrap_or_default();
                old.step.decision = Decision::Deferred(Reason::SuccessorFailed { arn, state });
            }
            None => {}
        }
    }

    /// One that is not the first of its name goes once that is proven; where its name is not declared, it is
    /// an orphan as the first one is.
    pub(super) fn settle_duplicate(&mut self, it: &'a Duplicate, taken: &BTreeSet<Arn>) {
        let facts = it.observed.kind.facts();
        // What is listed for each of something else is there as often as that is.
        if facts.listed_under.is_some() {
            return;
        }
        let ending = facts.ending;
        if it.observed.state.as_deref().is_some_and(|state| ending.contains(&state)) {
            return;
        }
        if taken.contains(&it.winner) {
            let cause = Cause::Duplicate { of: it.winner.clone() };
            self.delete(&it.address, &it.observed, cause, None);
            let step = &mut self.drafts.last_mut().expect("just pushed").step;
            match duplicate::decide(self.observed, it) {
                Some(decision) => step.decision = decision,
                // What protects the address is the tag of the copy that counts.
                None if self.observed.is_own(&step.owner)
                    && !self.holding.contains(&it.observed.arn) =>
                {
                    step.decision = Decision::Do;
                }
                None => {}
            }
            return;
        }
        // All of a name that is not declared go alike: none of them is the one to stay.
        let cause = match (self.policy.destroy, self.policy.prune) {
            (true, _) => Cause::Destroy,
            (false, true) => Cause::Orphan,
            (false, false) => return,
        };
        self.delete(&it.address, &it.observed, cause, None);
        self.block_last(
            duplicate::unclear_which(self.observed, it).or_else(|| duplicate::not_as_made(it)),
        );
    }

    /// What a resource acts on may not be another stack's or tool's: a stream key does not come with a foreign
    /// channel, and neither a composition nor a publisher appears on a foreign channel or stage.
    pub(super) fn refuse_what_acts_on_others(&mut self) {
        let observed = self.observed;
        let mut refused: Vec<(usize, Reason)> = Vec::new();
        for (index, draft) in self.drafts.iter().enumerate() {
            let step = &draft.step;
            let acts = match step.action {
                Action::Release => false,
                // Tags of what comes with an object are tags on that owner's object.
                Action::Retag => step.address.kind.facts().created_by.is_some(),
                _ => true,
            };
            let edges = step.spec.iter().filter(|_| acts).flat_map(Spec::acts_on);
            let foreign = edges.filter_map(|edge| {
                let Pointer::Outside(arn) = &edge.to else { return None };
                let owner = observed.all().find(|it| it.arn == *arn)?.owner();
                let (field, arn) = (edge.field.clone(), arn.clone());
                let foreign = owner.is_other_than(&self.stack.name);
                foreign.then_some(Reason::ActsOnForeignObject { field, arn, owner })
            });
            refused.extend(foreign.take(1).map(|reason| (index, reason)));
        }
        for (index, reason) in refused {
            let arn = self.drafts[index].step.arn.clone();
            self.drafts[index].step.decision = Decision::Unmanaged(reason.clone());
            for other in self.drafts.iter_mut().map(|it| &mut it.step) {
                let makes_room = other.because == [Cause::MakesRoom];
                if makes_room && other.arn.is_some() && other.arn == arn {
                    other.decision = Decision::Unmanaged(reason.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
