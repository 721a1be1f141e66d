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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{Account, ROW, Row, address, arn, check};

    const MAIN: &str = "Channel/main { latencyMode: LOW }";
    const DEFER: &str = "Channel/main { latencyMode: NORMAL }";
    const FAIL: &str = "Channel/main { latencyMode: NORMAL } | lifecycle: { onLive: fail }";
    const INTERRUPT: &str =
        "Channel/main { latencyMode: NORMAL } | lifecycle: { onLive: interrupt }";

    fn allowing(what: &str) -> Policy {
        Policy { allow_live: [address(what)].into(), ..Policy::default() }
    }

    fn allowing_main() -> Policy {
        allowing("Channel/main")
    }

    fn allowing_both() -> Policy {
        let both = ["Channel/main", "Composition/show"];
        Policy { allow_live: both.into_iter().map(address).collect(), ..Policy::default() }
    }

    /// The channel streams a composition.
    fn feed(it: &mut Account) {
        let show = address("Composition/show");
        it.0.addresses.note(show.clone(), arn(&show));
        let audience = Audience {
            composition: Some(arn(&show)),
            ..Audience::stream(5, Some("st-1".to_owned()))
        };
        it.0.audience.insert(arn(&address("Channel/main")), audience);
    }

    #[test]
    fn the_manifest_and_the_command_line_decide_what_happens_to_an_audience() {
        const LIVE: Row = Row { applied: &[MAIN], ..ROW };
        let account: fn(&mut Account) = |it| it.go_live("Channel/main");
        check(&[
            Row {
                when: "onLive is defer, and the command line says nothing",
                manifests: &[DEFER],
                account,
                steps: &["update Channel/main (pending): deferred LiveAudience"],
                ..LIVE
            },
            Row {
                when: "onLive is defer, and the command line allows it",
                manifests: &[DEFER],
                account,
                policy: allowing_main,
                steps: &["update Channel/main (pending): deferred LiveAudience"],
                ..LIVE
            },
            Row {
                when: "onLive is fail",
                manifests: &[FAIL],
                account,
                policy: allowing_main,
                steps: &["update Channel/main (pending): blocked LiveAudience"],
                ..LIVE
            },
            Row {
                when: "onLive is interrupt, and the command line says nothing",
                manifests: &[INTERRUPT],
                account,
                steps: &["update Channel/main (pending): deferred LiveAudience"],
                ..LIVE
            },
            Row {
                when: "onLive is interrupt, and the command line allows it",
                manifests: &[INTERRUPT],
                account,
                policy: allowing_main,
                steps: &["update Channel/main (pending): interrupt"],
                ..LIVE
            },
        ]);
    }

    #[test]
    fn the_audience_of_a_composition_needs_the_consent_of_that_as_well() {
        const FED: Row = Row { applied: &[MAIN], account: feed, ..ROW };
        check(&[
            Row {
                when: "only the change of the channel is allowed",
                manifests: &[INTERRUPT],
                policy: allowing_main,
                steps: &["update Channel/main (pending): deferred LiveThroughComposition"],
                ..FED
            },
            Row {
                when: "both are allowed",
                manifests: &[INTERRUPT],
                policy: allowing_both,
                steps: &["update Channel/main (pending): interrupt"],
                ..FED
            },
            Row {
                when: "onLive of the channel is defer, which no consent changes",
                manifests: &[DEFER],
                policy: allowing_both,
                steps: &["update Channel/main (pending): deferred LiveAudience"],
                ..FED
            },
            Row {
                when: "onLive of the channel is fail",
                manifests: &[FAIL],
                policy: allowing_both,
                steps: &["update Channel/main (pending): blocked LiveAudience"],
                ..FED
            },
        ]);
    }

    #[test]
    fn a_resource_that_cannot_be_created_has_a_reason() {
        let kind = Kind::Composition;
        let rows = [
            (Existence::Wanted, None),
            (Existence::Unwanted, None),
            (Existence::Dormant, Some(Decision::Dormant(Reason::NoPublisher { kind, ends: true }))),
            (Existence::Unmakeable, Some(Decision::Blocked(Reason::PublicKeyRequired))),
        ];
        for (existence, decision) in rows {
            assert_eq!(not_made(existence, kind, true), decision, "{existence:?}");
        }
    }

    #[test]
    fn the_ownership_tags_are_those_of_the_manifest() {
        let plan = Row {
            manifests: &[
                "Channel/main | lifecycle: { protect: true } | was: [old]",
                "StreamKey/main { channel: main, rotation: \"7\" }",
            ],
            ..ROW
        }
        .plan();
        let [channel, key] = plan.steps.as_slice() else { panic!("{plan:#?}") };
        let tags = &channel.ownership;
        assert_eq!((tags.stack.as_str(), tags.name.as_str()), ("tests", "main"));
        assert!(tags.protect && tags.attempt_id.is_empty() && tags.digest.is_empty());
        assert_eq!(tags.rotation, None);
        assert_eq!((key.ownership.protect, key.ownership.rotation.as_deref()), (false, Some("7")));
    }
}
