//! Computes a plan from desired state, observed state and policy: which steps, in which order, and why.
//!
//! A pure function. `settle` drafts the steps of each declared resource (`find`, `compare`, `replace`), `prune` those of
//! what is not declared, `order` connects and numbers them (`names`, `offline`). Of the plan, `summary` counts the steps
//! and `drift` takes out the drift. Never knows a clock, the network, a terminal or the SDK.

mod action;
pub mod approval;
mod compare;
mod draft;
mod drift;
mod duplicate;
mod find;
pub mod graph;
mod names;
mod offline;
mod order;
pub mod permission;
pub mod policy;
mod prune;
pub mod reason;
mod replace;
pub mod selection;
mod settle;
pub mod step;
mod summary;
mod work;

pub use action::Action;
pub use approval::{Approval, Difference, Terms};
pub use drift::{Attention, NotDrift};
pub use policy::{Policy, Refusal};
pub use reason::{Consent, NameFreedBy, Reason, Referrer};
pub use selection::{Selected, Selection};
pub use step::{Cause, Decision, DuplicateCopy, Note, Plan, Step, StepId};
pub use summary::{Status, Summary};

use crate::kinds::rename::{claims, renames};
use crate::kinds::spec::named_targets;
use crate::kinds::{
    Address, Arn, Desired, Kind, Observed, ObservedState, Owner, Pointer, Stack, owner,
};
use draft::Planner;
use names::possible_renames;
use policy::quotas;
use std::collections::{BTreeMap, BTreeSet};

/// What makes `observed` equal to `desired`, as far as `policy` allows. The same input gives the same plan,
/// whatever the order of the manifests.
///
/// # Panics
/// Never: a kind refers only to kinds that do not refer to it, so nothing refers to itself in a circle.
pub fn plan(stack: &Stack, desired: &[Desired], observed: &ObservedState, policy: &Policy) -> Plan {
    // Whose name is free depends on all manifests.
    let mut moves = renames(observed, desired);
    moves.retain(|it, _| policy.is_about(it));
    let claims = claims(desired);
    let in_scope: Vec<Desired>;
    let desired = match &policy.selected {
        None => desired,
        Some(selected) => {
            in_scope = desired.iter().filter(|it| selected.has(&it.address)).cloned().collect();
            &in_scope
        }
    };
    // A reference by ARN to something of this stack is a reference to it, whatever it is written as.
    let by_name: Vec<Desired>;
    let desired = if desired.iter().any(|it| names_by_arn(it, observed)) {
        let named =
            |it: &Desired| Desired { spec: it.spec.renamed(&observed.addresses), ..it.clone() };
        by_name = desired.iter().map(named).collect();
        &by_name
    } else {
        desired
    };
    let unclear = |it: &&Observed| match it.owner() {
        Owner::Ambiguous => true,
        Owner::CloudFormation(_) => it.tags.get(owner::STACK) == Some(&stack.name),
        Owner::Unowned | Owner::Stack(_) => false,
    };
    let ambiguous: Vec<&Observed> = observed.others.values().filter(unclear).collect();
    plan_named(stack, desired, observed, policy, &ambiguous, moves, claims)
}

fn names_by_arn(wanted: &Desired, observed: &ObservedState) -> bool {
    wanted.spec.refs().iter().any(|edge| match &edge.to {
        Pointer::Outside(arn) => observed.addresses.address(arn).is_some(),
        Pointer::Named(_) => false,
    })
}

fn plan_named(
    stack: &Stack,
    desired: &[Desired],
    observed: &ObservedState,
    policy: &Policy,
    ambiguous: &[&Observed],
    renames: BTreeMap<Address, Address>,
    claims: BTreeMap<Address, String>,
) -> Plan {
    let mut planner = Planner {
        stack,
        manifests: desired.iter().map(|it| (&it.address, it)).collect(),
        ambiguous,
        observed,
        policy,
        holding: policy::hold_what_is_protected(observed),
        renames,
        claims,
        released: released_keys(stack, desired, observed),
        drafts: Vec::new(),
        replaced: BTreeMap::new(),
    };
    let mut plan = Plan::default();
    let mut taken = BTreeSet::new();
    if !policy.destroy {
        for wanted in in_dependency_order(desired) {
            planner.settle(wanted, &mut plan, &mut taken);
        }
    }
    planner.clear_up(&mut plan, &taken);
    planner.refuse_what_acts_on_others();
    planner.order(&mut plan);
    let renames = possible_renames(&plan, observed);
    plan.notes.extend(renames);
    let partial = ambiguous.iter().filter(|it| it.owner() == Owner::Ambiguous);
    plan.notes.extend(partial.map(|it| Note::Ambiguous { arn: it.arn.clone() }));
    plan.notes.extend(duplicate::notes(observed, policy));
    plan.notes.extend(policy.selected.clone().map(Note::Selected));
    let notes = quotas(&plan, observed, stack);
    plan.notes.extend(notes);
    plan.notes.extend(plan.refusal(None).map(|it| {
        let Refusal::UnconfirmedDeletes { deletes, of } = it;
        Note::ManyDeletes { deletes, of }
    }));
    plan
}

/// Objects of the stack whose tags name a stream key that the stack does not own and that no manifest names: a run
/// that released the key was stopped before it changed these tags.
fn released_keys(stack: &Stack, desired: &[Desired], observed: &ObservedState) -> BTreeSet<Arn> {
    if !observed.listed.contains(&Kind::StreamKey) {
        return BTreeSet::new();
    }
    let named = desired.iter().flat_map(|it| {
        let parent = it.address.kind.facts().created_by;
        let edges = it.spec.refs().into_iter().filter(move |edge| parent == Some(edge.kind));
        edges.filter_map(|edge| edge.to.arn(&observed.addresses))
    });
    let named: BTreeSet<Arn> = named.collect();
    let owned = observed.all().filter(|it| it.kind == Kind::StreamKey);
    let owned = owned.filter(|it| it.owner().in_stack(&stack.name).is_some());
    let owned: BTreeSet<&str> = owned.map(|it| it.arn.id()).collect();
    let remembering = observed.owned.values().filter(|it| {
        let key = owner::remembered_key(&it.tags).filter(|_| owner::is_key_released(&it.tags));
        key.is_some_and(|id| !owned.contains(id)) && !named.contains(&it.arn)
    });
    remembering.map(|it| it.arn.clone()).collect()
}

/// Resources with what they refer to first, by address among equals.
fn in_dependency_order(desired: &[Desired]) -> Vec<&Desired> {
    let by_address: BTreeMap<&Address, &Desired> =
        desired.iter().map(|it| (&it.address, it)).collect();
    let targets: Vec<(&Address, Vec<Address>)> =
        desired.iter().map(|it| (&it.address, named_targets(&it.spec))).collect();
    let edges = targets.iter().flat_map(|(from, to)| {
        to.iter().filter_map(|to| Some((*from, *by_address.get_key_value(to)?.0)))
    });
    let depths = graph::depths(by_address.keys().copied(), edges)
        .expect("no kind refers to itself, not even through others");
    let mut order: Vec<&Desired> = by_address.into_values().collect();
    // Compositions come last: the steps that interrupt their channels are drafted by then.
    order.sort_by_key(|it| (!it.spec.must_be_offline().is_empty(), depths[&it.address]));
    order
}

#[cfg(test)]
mod tests;
