//! The list of steps that a plan is made of, before they have numbers and an order.

use super::action::Action;
use super::policy::{Policy, on_audience};
use super::reason::Reason;
use super::step::{Decision, Step};
use crate::kinds::rename::called_before;
use crate::kinds::{
    Address, Arn, Audience, Desired, Existence, Kind, Observed, ObservedState, Owner,
    OwnershipTags, Pointer, Stack,
};
use std::collections::{BTreeMap, BTreeSet};

/// A step before it has a number; `needs` are indices of other drafts.
pub(super) struct Draft {
    pub(super) step: Step,
    pub(super) needs: BTreeSet<usize>,
}

pub(super) struct Planner<'a> {
    pub(super) stack: &'a Stack,
    /// What the manifests say, also of what is to be destroyed.
    pub(super) manifests: BTreeMap<&'a Address, &'a Desired>,
    pub(super) ambiguous: &'a [&'a Observed],
    pub(super) observed: &'a ObservedState,
    pub(super) policy: &'a Policy,
    /// Objects that are deleted together with a protected one.
    pub(super) holding: BTreeSet<Arn>,
    /// Resources whose object has another name, with that.
    pub(super) renames: BTreeMap<Address, Address>,
    /// Former names, each with the name of the resource that lists it.
    pub(super) claims: BTreeMap<Address, String>,
    /// Objects whose tags name what came with them, while no manifest names it and the stack does not own it.
    pub(super) released: BTreeSet<Arn>,
    pub(super) drafts: Vec<Draft>,
    /// Addresses whose object is replaced, with the draft that makes the new one.
    pub(super) replaced: BTreeMap<Address, usize>,
}

impl Planner<'_> {
    pub(super) fn ownership(&self, wanted: &Desired) -> OwnershipTags {
        OwnershipTags {
            stack: self.stack.name.clone(),
            name: wanted.address.name.clone(),
            protect: wanted.lifecycle.protect,
            rotation: wanted.spec.rotation().map(ToOwned::to_owned),
            was: called_before(wanted, &self.claims),
            ..OwnershipTags::default()
        }
    }

    /// What to do about an audience. One that watches a composition is that composition's as well.
    pub(super) fn consent(
        &self,
        address: &Address,
        arn: &Arn,
        wanted: Option<&Desired>,
        audience: &Audience,
    ) -> Decision {
        let on_live = wanted.map(|it| it.lifecycle.on_live);
        let decision = on_audience(address, on_live, audience, self.policy);
        let feeding = audience.composition.as_ref().filter(|it| *it != arn);
        let waits = matches!(decision, Decision::Interrupt)
            || matches!(decision, Decision::Deferred(_))
                && on_live != Some(crate::kinds::OnLive::Defer);
        match feeding {
            Some(feeding) if waits => {
                let composition = match self.observed.addresses.address(feeding) {
                    Some(address) if self.policy.allow_live.contains(address) => return decision,
                    Some(address) => Pointer::Named(address.clone()),
                    None => Pointer::Outside(feeding.clone()),
                };
                let audience = audience.clone();
                Decision::Deferred(Reason::LiveThroughComposition { audience, composition })
            }
            _ => decision,
        }
    }

    /// Whether no object that was read has this ARN.
    pub(super) fn is_gone(&self, arn: &Arn) -> bool {
        self.observed.all().all(|it| it.arn != *arn)
    }

    pub(super) fn block_last(&mut self, reason: Option<Reason>) {
        if let (Some(reason), Some(last)) = (reason, self.drafts.last_mut()) {
            last.step.decision = Decision::Blocked(reason);
        }
    }

    pub(super) fn push(&mut self, step: Step) -> usize {
        self.drafts.push(Draft { step, needs: BTreeSet::new() });
        self.drafts.len() - 1
    }

    /// What this plan deletes or stops, with the draft that does it.
    pub(super) fn stopping(&self) -> BTreeMap<Arn, usize> {
        let deletes = self.drafts.iter().enumerate();
        let deletes =
            deletes.filter(|(_, it)| it.step.action == Action::Delete && it.step.decision.is_do());
        deletes.filter_map(|(index, it)| Some((it.step.arn.clone()?, index))).collect()
    }
}

/// The decision about a resource that cannot be made at the moment; `None` where it can. `ends` says that the object
/// of before still runs, and ends by itself.
pub(super) fn not_made(existence: Existence, kind: Kind, ends: bool) -> Option<Decision> {
    match existence {
        Existence::Wanted | Existence::Unwanted => None,
        Existence::Dormant => Some(Decision::Dormant(Reason::NoPublisher { kind, ends })),
        Existence::Unmakeable => Some(Decision::Blocked(Reason::PublicKeyRequired)),
    }
}

pub(super) fn draft(
    wanted: &Desired,
    action: Action,
    observed: Option<&Observed>,
    ownership: OwnershipTags,
) -> Step {
    Step {
        id: 0,
        address: wanted.address.clone(),
        action,
        arn: observed.map(|it| it.arn.clone()),
        spec: Some(wanted.spec.clone()),
        before: observed.and_then(|it| it.spec.clone()),
        ignored: Vec::new(),
        owner: observed.map_or(Owner::Unowned, Observed::owner),
        ownership,
        because: Vec::new(),
        fields: Vec::new(),
        after: Vec::new(),
        impact: None,
        decision: Decision::Do,
        origin: Some(wanted.origin),
    }
}
