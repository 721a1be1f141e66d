//! Computes a plan from desired state, observed state and policy: which steps, in which order, and why.
//!
//! A pure function, and a list of phases. Each phase is a function of the `Inputs`, which none of them changes, and of
//! the list of `Drafts`: `find` looks for the object of each declared resource, `settle` drafts its steps (`compare`,
//! `replace`), `prune` those of other objects; `order`, `names` and `offline` say which step needs which, and number them.
//! Of the plan, `summary` counts the steps, `drift` takes out the drift, and `state` tells the state of each resource.
//! Never knows a clock, the network, a terminal or the SDK.

mod action;
pub mod approval;
mod compare;
mod draft;
mod drift;
mod duplicate;
mod find;
mod freeze;
pub mod graph;
mod inputs;
mod names;
mod offline;
mod order;
mod outside;
pub mod permission;
pub mod policy;
mod prune;
pub mod reason;
mod renamed;
mod replace;
pub mod selection;
mod settle;
mod state;
pub mod step;
mod summary;
mod work;

pub use action::Action;
pub use approval::{Approval, Difference, Terms};
pub use drift::{Attention, NotDrift};
pub use policy::{Policy, Refusal};
pub use reason::{Consent, NameFreedBy, Reason, Referrer};
pub use selection::{Selected, Selection};
pub use state::{ResourceState, ResourceStatus, recorded_states};
pub use step::{Cause, Decision, DuplicateCopy, FreezeEffect, Note, Plan, Step, StepId};
pub use summary::{Status, Summary};

use crate::kinds::{Desired, ObservedState, Owner, Stack};
use draft::Drafts;
use inputs::Inputs;

/// What makes `observed` equal to `desired`, as far as `policy` allows. The same input gives the same plan,
/// whatever the order of the manifests.
///
/// # Panics
/// Never: a kind refers only to kinds that do not refer to it, so nothing refers to itself in a circle.
pub fn plan(stack: &Stack, desired: &[Desired], observed: &ObservedState, policy: &Policy) -> Plan {
    let scope = inputs::scope(desired, observed, policy);
    let inputs = Inputs::new(stack, desired, &scope, observed, policy);

    // Which steps there are.
    let found = find::find_all(&inputs);
    let mut drafts = Drafts::default();
    let notes = settle::settle(&inputs, &found, &mut drafts);
    let unchanged = settle::unchanged(&found, &drafts);
    let orphans = prune::prune(&inputs, &found, &mut drafts);
    prune::refuse_to_act_on_foreign_objects(&inputs, &mut drafts.steps);

    // Which come before which.
    order::follow_references(&mut drafts);
    order::follow_exclusive_values(&mut drafts);
    order::delete_after_references(&inputs, &mut drafts);
    order::spare_used_duplicates(observed, &mut drafts.steps);
    order::make_room_late(&mut drafts);
    order::delete_predecessors_first(&mut drafts);
    names::free_names(&inputs, &mut drafts);
    offline::excuse_channels_of_stopped_compositions(&mut drafts);
    offline::start_late(observed, &mut drafts);
    offline::wait_for_publishers(observed, &mut drafts.steps);
    let freeze = freeze::note(&inputs);
    freeze::hold(freeze.as_ref(), &mut drafts.steps);
    let steps = order::number(drafts);

    let mut plan = Plan { steps, unchanged, orphans, notes };
    plan.notes.extend(freeze);
    plan.notes.extend(prune::undeclared_keys(&inputs));
    plan.notes.extend(renamed::possible_renames(&plan, observed));
    let partial = inputs.ambiguous.iter().filter(|it| it.owner() == Owner::Ambiguous);
    plan.notes.extend(partial.map(|it| Note::Ambiguous { arn: it.arn.clone() }));
    plan.notes.extend(duplicate::notes(observed, policy));
    plan.notes.extend(policy.selected.clone().map(Note::Selected));
    plan.notes.extend(policy::quotas(&plan, observed, stack));
    plan.notes.extend(plan.refusal(None).map(|it| {
        let Refusal::UnconfirmedDeletes { deletes, of } = it;
        Note::ManyDeletes { deletes, of }
    }));
    plan
}

#[cfg(test)]
mod tests;
