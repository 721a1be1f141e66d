//! The list of steps that a plan is made of, before they have numbers and an order.

use super::action::Action;
use super::inputs::Inputs;
use super::policy::on_audience;
use super::reason::Reason;
use super::step::{Cause, Decision, Step};
use crate::kinds::rename::called_before;
use crate::kinds::{
    Address, Desired, Existence, Kind, Observed, OnLive, Owner, OwnershipTags, Pointer,
};
use std::collections::{BTreeMap, BTreeSet};

/// Steps by index. The phases add steps, decide about them and say which needs which.
#[derive(Default)]
pub(super) struct Drafts {
    pub(super) steps: Vec<Step>,
    /// The index of a step, with that of another step that comes before it.
    pub(super) needs: BTreeSet<(usize, usize)>,
    /// Addresses whose object is replaced, with the step that creates the new one.
    pub(super) replaced: BTreeMap<Address, usize>,
}

impl Drafts {
    pub(super) fn push(&mut self, step: Step) -> usize {
        self.steps.push(step);
        self.steps.len() - 1
    }

    /// The steps that come before a step.
    pub(super) fn needed_by(&self, index: usize) -> impl Iterator<Item = usize> {
        self.needs.range((index, 0)..=(index, usize::MAX)).map(|(_, needed)| *needed)
    }
}

/// A step without causes and changes; for a declared resource with its spec.
pub(super) fn draft(
    address: &Address,
    action: Action,
    observed: Option<&Observed>,
    wanted: Option<&Desired>,
) -> Step {
    Step {
        id: 0,
        address: address.clone(),
        action,
        arn: observed.map(|it| it.arn.clone()),
        spec: wanted.map(|it| it.spec.clone()),
        before: observed.and_then(|it| it.spec.clone()),
        ignored: Vec::new(),
        owner: observed.map_or(Owner::Unowned, Observed::owner),
        ownership: OwnershipTags::default(),
        because: Vec::new(),
        fields: Vec::new(),
        after: Vec::new(),
        impact: None,
        decision: Decision::Do,
        origin: wanted.map(|it| it.origin),
    }
}

/// The step that creates the object of a declared resource, or makes an object that of the resource.
pub(super) fn draft_of(
    inputs: &Inputs<'_>,
    wanted: &Desired,
    action: Action,
    observed: Option<&Observed>,
    cause: Cause,
) -> Step {
    let mut step = draft(&wanted.address, action, observed, Some(wanted));
    step.ownership = ownership(inputs, wanted);
    step.because = vec![cause];
    step
}

/// The step that deletes an object, or waits for its audience.
pub(super) fn draft_delete(
    inputs: &Inputs<'_>,
    address: &Address,
    observed: &Observed,
    cause: Cause,
    wanted: Option<&Desired>,
) -> Step {
    let mut step = draft(address, Action::Delete, Some(observed), wanted);
    step.spec = None;
    step.because = vec![cause];
    // What the manifest says of an audience holds for a predecessor too.
    consent(inputs, &mut step, wanted.or_else(|| inputs.manifests.get(address).copied()));
    step
}

/// The ownership tags that the manifest of a resource asks for.
pub(super) fn ownership(inputs: &Inputs<'_>, wanted: &Desired) -> OwnershipTags {
    OwnershipTags {
        stack: inputs.stack.name.clone(),
        name: wanted.address.name.clone(),
        protect: wanted.lifecycle.protect,
        rotation: wanted.spec.rotation().map(ToOwned::to_owned),
        was: called_before(wanted, &inputs.claims),
        ..OwnershipTags::default()
    }
}

/// Decides about the audience of the object that a step disturbs, if it has one. An audience that watches a composition
/// needs the consent for that one as well.
pub(super) fn consent(inputs: &Inputs<'_>, step: &mut Step, wanted: Option<&Desired>) {
    let audience = step.arn.as_ref().and_then(|it| inputs.observed.audience.get(it));
    let Some(audience) = audience.cloned() else { return };
    let on_live = wanted.map(|it| it.lifecycle.on_live);
    step.decision = on_audience(&step.address, on_live, &audience, inputs.policy);
    step.impact = Some(audience.clone());
    let feeding = audience.composition.clone().filter(|it| step.arn.as_ref() != Some(it));
    let waits = match step.decision {
        Decision::Interrupt => true,
        Decision::Deferred(_) => on_live != Some(OnLive::Defer),
        _ => false,
    };
    let Some(feeding) = feeding.filter(|_| waits) else { return };
    let composition = match inputs.observed.addresses.address(&feeding) {
        Some(address) if inputs.policy.allow_live.contains(address) => return,
        Some(address) => Pointer::Named(address.clone()),
        None => Pointer::Outside(feeding),
    };
    step.decision = Decision::Deferred(Reason::LiveThroughComposition { audience, composition });
}

/// The decision about a resource that cannot be created at the moment; `None` where it can. `ends` says that its former
/// object still runs, and ends by itself.
pub(super) fn not_made(existence: Existence, kind: Kind, ends: bool) -> Option<Decision> {
    match existence {
        Existence::Wanted | Existence::Unwanted => None,
        Existence::Dormant => Some(Decision::Dormant(Reason::NoPublisher { kind, ends })),
        Existence::Unmakeable => Some(Decision::Blocked(Reason::PublicKeyRequired)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Audience;
    use crate::plan::Policy;
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
