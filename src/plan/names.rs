//! Names that move between objects: a name is given only after the object that has it has given it up.

use super::action::Action;
use super::draft::Planner;
use super::reason::{NameFreedBy, Reason};
use super::step::{Cause, Decision, Note, Plan, Step};
use crate::kinds::owner::under_way;
use crate::kinds::{Address, Arn, ObservedState, Owner, OwnershipTags, Spec};
use std::collections::{BTreeMap, BTreeSet};

impl Planner<'_> {
    /// A name is given to an object only when the object that has it has given it up, so that there are never
    /// two of one name. In a circle of renames one object gets a name of its own in between.
    pub(super) fn free_names(&mut self) {
        let mut after: BTreeMap<usize, usize> = BTreeMap::new();
        let mut taken: Vec<(usize, Arn)> = Vec::new();
        for (index, draft) in self.drafts.iter().enumerate() {
            let step = &draft.step;
            let names = step.spec.is_some() && step.decision.is_do();
            let Some(holder) = self.observed.owned.get(&step.address).filter(|_| names) else {
                continue;
            };
            if step.arn.as_ref() == Some(&holder.arn) {
                continue;
            }
            let frees = self.drafts.iter().position(|other| {
                let renames = other.step.action == Action::Rename;
                let gives_up = renames && other.step.address != step.address;
                other.step.arn.as_ref() == Some(&holder.arn)
                    && (gives_up || other.step.action == Action::Delete)
            });
            match frees {
                Some(frees) => drop(after.insert(index, frees)),
                None => taken.push((index, holder.arn.clone())),
            }
        }
        for (index, holder) in taken {
            let freed_by = self.what_frees(&holder);
            let step = &mut self.drafts[index].step;
            let address = step.address.clone();
            step.decision = Decision::Blocked(Reason::NameTaken { address, holder, freed_by });
        }
        for index in after.keys().copied().collect::<Vec<_>>() {
            if self.comes_before(index, after[&index], &after) {
                self.make_way(index, &mut after);
            }
        }
        for (index, needed) in after {
            self.drafts[index].needs.insert(needed);
        }
    }

    /// What would free the name of an object that no step of this plan renames or deletes.
    fn what_frees(&self, holder: &Arn) -> NameFreedBy {
        let mut steps = self.drafts.iter().map(|it| &it.step);
        match steps.find(|it| it.arn.as_ref() == Some(holder)) {
            Some(step) => NameFreedBy::StepOf(step.address.clone()),
            None if self.policy.selected.is_some() => NameFreedBy::PruneWithoutSelection,
            None => NameFreedBy::Prune,
        }
    }

    /// Whether draft `first` comes before draft `then`, by what they need and by the names that are freed for them.
    pub(super) fn comes_before(
        &self,
        first: usize,
        then: usize,
        after: &BTreeMap<usize, usize>,
    ) -> bool {
        let mut open = vec![then];
        let mut seen = BTreeSet::new();
        while let Some(at) = open.pop() {
            if at == first {
                return true;
            }
            if seen.insert(at) {
                open.extend(self.drafts[at].needs.iter().chain(after.get(&at)));
            }
        }
        false
    }

    /// The object of a draft, whose name another draft of the same circle waits for, gets a name in between that
    /// no manifest can have.
    pub(super) fn make_way(&mut self, index: usize, after: &mut BTreeMap<usize, usize>) {
        let step = &self.drafts[index].step;
        let (Owner::Stack(owned), Some(arn)) = (&step.owner, step.arn.clone()) else { return };
        let ownership = OwnershipTags {
            name: under_way(&step.address.name),
            was: step.ownership.was.clone(),
            meant_protected: owned.protect,
            separate: false,
            ..owned.clone()
        };
        let making_way = Step {
            action: Action::Rename,
            spec: step.before.clone(),
            fields: Vec::new(),
            because: vec![Cause::Rename { from: owned.name.clone() }],
            impact: None,
            decision: Decision::Do,
            ownership: ownership.clone(),
            ..step.clone()
        };
        let way = self.push(making_way);
        for needed in after.values_mut() {
            if self.drafts[*needed].step.arn.as_ref() == Some(&arn) {
                *needed = way;
            }
        }
        for draft in &mut self.drafts[..way] {
            if draft.step.arn.as_ref() == Some(&arn) {
                draft.needs.insert(way);
                draft.step.owner = Owner::Stack(ownership.clone());
            }
        }
    }
}

/// Resources that are deleted beside a single one that is created with the same spec, whatever its display
/// name: a manifest that was renamed without `previousNames` looks like that.
pub(super) fn possible_renames(plan: &Plan, observed: &ObservedState) -> Vec<Note> {
    let orphans =
        plan.orphans.iter().filter_map(|it| Some((it, observed.owned.get(it)?.spec.as_ref()?)));
    let deleted = plan.steps.iter().filter(|it| it.because == [Cause::Orphan]);
    let deleted = deleted.filter_map(|it| Some((&it.address, it.before.as_ref()?)));
    let going: Vec<(&Address, Spec)> =
        deleted.chain(orphans).map(|(address, spec)| (address, nameless(spec))).collect();
    let created = plan.steps.iter().filter(|it| it.action == Action::Create);
    let coming: Vec<(&Address, Spec)> =
        created.filter_map(|it| Some((&it.address, nameless(it.spec.as_ref()?)))).collect();
    let mut notes = Vec::new();
    for (from, spec) in &going {
        // Of several that are alike it is unclear which became which.
        let same = |(_, other): &&(&Address, Spec)| other == spec;
        let mut to = coming.iter().filter(same);
        if let (Some((to, _)), None, 1) = (to.next(), to.next(), going.iter().filter(same).count())
        {
            notes.push(Note::PossibleRename { from: (*from).clone(), to: (*to).clone() });
        }
    }
    notes
}

pub(super) fn nameless(spec: &Spec) -> Spec {
    let mut spec = spec.clone();
    if let Some(name) = spec.name_mut() {
        *name = None;
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Policy;
    use crate::plan::tests::{ROW, Row, address, check, pruning};

    const A: &str = "Channel/a";
    const B: &str = "Channel/b { latencyMode: NORMAL }";

    #[test]
    fn a_name_is_given_only_after_its_object_has_given_it_up() {
        check(&[
            Row {
                when: "the name is free",
                applied: &[A],
                manifests: &["Channel/b | was: [a]"],
                steps: &["rename Channel/b (rename)"],
                ..ROW
            },
            Row {
                when: "the object of that name gets another name in the same run",
                applied: &[A, B],
                manifests: &[
                    "Channel/b | was: [a]",
                    "Channel/c { latencyMode: NORMAL } | was: [b]",
                ],
                steps: &["rename Channel/c (rename)", "rename Channel/b (rename)"],
                ..ROW
            },
            Row {
                when: "two objects swap their names, one of them by way of a temporary name",
                applied: &[A, B],
                manifests: &[
                    "Channel/b | was: [a]",
                    "Channel/a { latencyMode: NORMAL } | was: [b]",
                ],
                steps: &[
                    "rename Channel/a (rename)",
                    "rename Channel/b (rename)",
                    "rename Channel/a (rename)",
                ],
                ..ROW
            },
        ]);
    }

    #[test]
    fn the_first_step_of_a_swap_gives_a_temporary_name_and_the_others_wait_for_it() {
        let plan = Row {
            applied: &[A, B],
            manifests: &["Channel/b | was: [a]", "Channel/a { latencyMode: NORMAL } | was: [b]"],
            ..ROW
        }
        .plan();
        let names: Vec<_> =
            plan.steps.iter().map(|it| (it.ownership.name.as_str(), it.after.as_slice())).collect();
        assert_eq!(names[0].0.strip_prefix('@'), Some(plan.steps[0].address.name.as_str()));
        assert_eq!(names[1].1, [1], "the name is free after the first step");
        assert_eq!(names[2].1, [1, 2], "the last step needs both");
    }

    #[test]
    fn a_delete_beside_a_create_of_the_same_spec_looks_like_a_rename() {
        type Case<'a> = (&'a str, &'a [&'static str], &'a [&'static str], fn() -> Policy);
        let note =
            |from: &str, to: &str| Note::PossibleRename { from: address(from), to: address(to) };
        let rows: [(Case<'_>, Vec<Note>); 4] = [
            (
                ("one goes, one comes, with prune", &[A], &["Channel/b"], pruning),
                vec![note(A, "Channel/b")],
            ),
            (
                ("one is orphaned, one comes", &[A], &["Channel/b"], Policy::default),
                vec![note(A, "Channel/b")],
            ),
            (("the two differ", &[A], &[B], Policy::default), vec![]),
            (
                ("two come that are alike", &[A], &["Channel/b", "Channel/c"], Policy::default),
                vec![],
            ),
        ];
        for ((when, applied, manifests, policy), notes) in rows {
            let mut plan = Row { applied, manifests, policy, ..ROW }.plan();
            plan.notes.retain(|it| matches!(it, Note::PossibleRename { .. }));
            assert_eq!(plan.notes, notes, "{when}");
        }
    }
}
