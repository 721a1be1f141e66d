//! Names that move between objects: a name is given only after the object that has it has given it up.

use super::action::Action;
use super::draft::Drafts;
use super::inputs::Inputs;
use super::reason::{NameFreedBy, Reason};
use super::step::{Cause, Decision, Step};
use crate::kinds::owner::under_way;
use crate::kinds::{Arn, Owner, OwnershipTags};
use std::collections::{BTreeMap, BTreeSet};

/// Orders the steps that give a name after the step that frees it, so that two objects never have one name. In a circle
/// of renames one object gets a temporary name.
pub(super) fn free_names(inputs: &Inputs<'_>, drafts: &mut Drafts) {
    let mut after: BTreeMap<usize, usize> = BTreeMap::new();
    let mut taken = Vec::new();
    for (index, step) in drafts.steps.iter().enumerate() {
        let names = step.spec.is_some() && step.decision.is_do();
        let holder = inputs.observed.owned.get(&step.address).filter(|_| names).map(|it| &it.arn);
        let Some(holder) = holder.filter(|it| step.arn.as_ref() != Some(*it)) else { continue };
        let frees = drafts.steps.iter().position(|other| {
            let renames = other.action == Action::Rename && other.address != step.address;
            other.arn.as_ref() == Some(holder) && (renames || other.action == Action::Delete)
        });
        match frees {
            Some(frees) => drop(after.insert(index, frees)),
            None => taken.push((index, holder.clone())),
        }
    }
    for (index, holder) in taken {
        let freed_by = what_frees(inputs, &drafts.steps, &holder);
        let step = &mut drafts.steps[index];
        let address = step.address.clone();
        step.decision = Decision::Blocked(Reason::NameTaken { address, holder, freed_by });
    }
    for index in after.keys().copied().collect::<Vec<_>>() {
        if comes_before(drafts, index, after[&index], &after) {
            add_temporary_rename(drafts, index, &mut after);
        }
    }
    drafts.needs.extend(after);
}

/// What would free the name of an object that no step of this plan renames or deletes.
fn what_frees(inputs: &Inputs<'_>, steps: &[Step], holder: &Arn) -> NameFreedBy {
    match steps.iter().find(|it| it.arn.as_ref() == Some(holder)) {
        Some(step) => NameFreedBy::StepOf(step.address.clone()),
        None if inputs.policy.selected.is_some() => NameFreedBy::PruneWithoutSelection,
        None => NameFreedBy::Prune,
    }
}

/// Whether step `first` comes before step `then`, by what they need and by the names that are freed for them.
fn comes_before(
    drafts: &Drafts,
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
            open.extend(drafts.needed_by(at).chain(after.get(&at).copied()));
        }
    }
    false
}

/// Drafts a step that gives the object of a step a temporary name, which no manifest can have: another step of the same
/// circle waits for the name of this object.
fn add_temporary_rename(drafts: &mut Drafts, index: usize, after: &mut BTreeMap<usize, usize>) {
    let step = &drafts.steps[index];
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
        because: vec![Cause::TemporaryName { from: owned.name.clone() }],
        impact: None,
        decision: Decision::Do,
        ownership: ownership.clone(),
        ..step.clone()
    };
    let way = drafts.steps.len();
    for needed in after.values_mut() {
        if drafts.steps[*needed].arn.as_ref() == Some(&arn) {
            *needed = way;
        }
    }
    for (index, step) in drafts.steps.iter_mut().enumerate() {
        if step.arn.as_ref() == Some(&arn) {
            drafts.needs.insert((index, way));
            step.owner = Owner::Stack(ownership.clone());
        }
    }
    drafts.push(making_way);
}

#[cfg(test)]
mod tests {
    use crate::plan::tests::{ROW, Row, check};

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
                    "rename Channel/a (temporaryName)",
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
}
