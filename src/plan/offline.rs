//! Steps that need another object to be offline, such as the start of a composition on its channel, or to be live, such
//! as the start of a replication of a publisher.

use super::action::Action;
use super::draft::{Drafts, not_made};
use super::reason::Reason;
use super::step::{Cause, Decision, Step};
use crate::kinds::{Arn, Edge, Existence, ObservedState, Spec};
use std::collections::BTreeMap;

/// Lets a channel be deleted once this plan has stopped the composition that it streams: by then it is offline.
pub(super) fn excuse_channels_of_stopped_compositions(drafts: &mut Drafts) {
    let stopping = stopping(&drafts.steps);
    for (index, step) in drafts.steps.iter_mut().enumerate() {
        let feeding = step.impact.as_ref().and_then(|it| it.composition.clone());
        let other = feeding.filter(|arn| step.arn.as_ref() != Some(arn));
        let Some(&stop) = other.and_then(|arn| stopping.get(&arn)) else { continue };
        if step.action == Action::Delete && matches!(step.decision, Decision::Deferred(_)) {
            step.decision = Decision::Do;
            step.impact = None;
        }
        drafts.needs.insert((index, stop));
    }
}

/// Orders the start of what makes another object live, as a composition does its channel: after all other changes of
/// that object and of what comes with it, which would not be possible later. It waits while another stream is live there.
pub(super) fn start_late(observed: &ObservedState, drafts: &mut Drafts) {
    let stopping = stopping(&drafts.steps);
    let mut waits = Vec::new();
    for (index, step) in drafts.steps.iter().enumerate().filter(|(_, it)| starts(it)) {
        for edge in step.spec.iter().flat_map(Spec::must_be_offline) {
            let changes = changes_of_what_comes_with(observed, &drafts.steps, &edge);
            drafts.needs.extend(changes.map(|it| (index, it)));
            let Some(arn) = edge.to.arn(&observed.addresses) else { continue };
            let Some(audience) = observed.audience.get(&arn) else { continue };
            let feeding = audience.composition.as_ref();
            if feeding.is_some() && feeding == step.arn.as_ref() {
                continue;
            }
            if let Some(&stop) = feeding.and_then(|it| stopping.get(it)) {
                drafts.needs.insert((index, stop));
            } else if !is_interrupted(&drafts.steps, &arn) {
                let (target, audience) = (edge.to, audience.clone());
                waits.push((index, Reason::TargetLive { target, audience }));
            }
        }
    }
    for (index, reason) in waits {
        let arn = drafts.steps[index].arn.clone();
        drafts.steps[index].decision = Decision::Deferred(reason.clone());
        // A running object is not stopped for a successor that cannot start.
        for step in &mut drafts.steps {
            let room = step.because.contains(&Cause::MakesRoom) && step.arn == arn;
            if room && step.decision.is_do() {
                step.decision = Decision::Deferred(reason.clone());
            }
        }
    }
}

/// Lets a step that needs the publisher of another object wait where this plan disconnects that publisher, or replaces
/// the object that it is connected to.
pub(super) fn wait_for_publishers(observed: &ObservedState, steps: &mut [Step]) {
    let disconnects = |step: &Step| match step.action {
        Action::Replace | Action::Delete => step.decision.is_do(),
        _ => step.decision == Decision::Interrupt,
    };
    let waits = |step: &Step| {
        let mut edges = step.spec.iter().filter(|_| starts(step)).flat_map(Spec::needs_publisher);
        edges.any(|edge| {
            let arn = edge.to.arn(&observed.addresses);
            arn.is_some() && steps.iter().any(|it| it.arn == arn && disconnects(it))
        })
    };
    let waiting: Vec<bool> = steps.iter().map(waits).collect();
    for (step, _) in steps.iter_mut().zip(waiting).filter(|(_, waits)| *waits) {
        if let Some(decision) = not_made(Existence::Dormant, step.address.kind, false) {
            step.decision = decision;
        }
    }
}

fn starts(step: &Step) -> bool {
    step.action.makes() && step.decision.is_do()
}

/// The objects that this plan deletes or stops, each with the step that does it.
fn stopping(steps: &[Step]) -> BTreeMap<Arn, usize> {
    let stops = |it: &Step| it.action == Action::Delete && it.decision.is_do();
    let deletes = steps.iter().enumerate().filter(|(_, it)| stops(it));
    deletes.filter_map(|(index, it)| Some((it.arn.clone()?, index))).collect()
}

/// Steps that change an object which AWS creates together with the target of `edge`, tags aside.
fn changes_of_what_comes_with(
    observed: &ObservedState,
    steps: &[Step],
    edge: &Edge,
) -> impl Iterator<Item = usize> {
    let arn = edge.to.arn(&observed.addresses);
    let changes = move |step: &Step| {
        let mut edges = step.before.iter().chain(&step.spec).flat_map(Spec::refs);
        matches!(step.action, Action::Delete | Action::Replace | Action::Update)
            && step.address.kind.facts().created_by == Some(edge.kind)
            && step.decision.is_do()
            && edges.any(|it| {
                it.to == edge.to || arn.is_some() && it.to.arn(&observed.addresses) == arn
            })
    };
    steps.iter().enumerate().filter(move |(_, it)| changes(it)).map(|(index, _)| index)
}

/// Whether this plan disconnects those who are live on an object.
fn is_interrupted(steps: &[Step], arn: &Arn) -> bool {
    let mut its = steps.iter().filter(|it| it.arn.as_ref() == Some(arn));
    its.any(|it| it.decision == Decision::Interrupt)
}

#[cfg(test)]
mod tests {
    use crate::kinds::Audience;
    use crate::plan::Policy;
    use crate::plan::tests::{Account, ROW, Row, address, allowing_main, arn, check, pruning};

    const STAGE: &str = "Stage/studio";
    const ENCODER: &str = "EncoderConfiguration/hd { video: { width: 1280, height: 720 } }";
    const MAIN: &str = "Channel/main { latencyMode: LOW }";
    const KEY: &str = "StreamKey/main { channel: main }";
    const NEW_KEY: &str = "StreamKey/main { channel: main, rotation: \"2\" }";
    const SHOW: &str = "Composition/show { stage: studio, run: ALWAYS, destinations: [{ name: one, channel: { channel: \
         main, encoderConfiguration: hd } }] }";
    const STOPPED: &str = "Composition/show { stage: studio, run: STOPPED, destinations: [{ name: one, channel: { \
         channel: main, encoderConfiguration: hd } }] } | lifecycle: { onLive: interrupt }";

    /// The channel streams the composition.
    fn feed(it: &mut Account) {
        let feeding = Audience {
            composition: Some(arn(&address("Composition/show"))),
            ..Audience::stream(5, Some("st-1".to_owned()))
        };
        it.0.audience.insert(arn(&address("Channel/main")), feeding.clone());
        it.0.audience.insert(arn(&address("Composition/show")), feeding);
    }

    fn allowing_show() -> Policy {
        Policy { allow_live: [address("Composition/show")].into(), ..pruning() }
    }

    #[test]
    fn a_composition_starts_only_on_a_channel_that_is_offline() {
        check(&[
            Row {
                when: "the channel is offline",
                applied: &[STAGE, ENCODER, MAIN],
                manifests: &[STAGE, ENCODER, MAIN, SHOW],
                steps: &["create Composition/show (missing)"],
                ..ROW
            },
            Row {
                when: "an encoder streams to the channel",
                applied: &[STAGE, ENCODER, MAIN],
                manifests: &[STAGE, ENCODER, MAIN, SHOW],
                account: |it| it.go_live("Channel/main"),
                steps: &["create Composition/show (missing): deferred TargetLive"],
                ..ROW
            },
            Row {
                when: "this run interrupts the stream of the encoder",
                applied: &[STAGE, ENCODER, MAIN],
                manifests: &[
                    STAGE,
                    ENCODER,
                    "Channel/main { latencyMode: NORMAL } | lifecycle: { onLive: interrupt }",
                    SHOW,
                ],
                account: |it| it.go_live("Channel/main"),
                policy: allowing_main,
                steps: &[
                    "update Channel/main (pending): interrupt",
                    "create Composition/show (missing)",
                ],
            },
            Row {
                when: "the stream key of the channel is replaced in the same run",
                applied: &[STAGE, ENCODER, MAIN, KEY],
                manifests: &[STAGE, ENCODER, MAIN, NEW_KEY, SHOW],
                steps: &[
                    "delete StreamKey/main (makesRoom)",
                    "replace StreamKey/main (pending immutable)",
                    "create Composition/show (missing)",
                ],
                ..ROW
            },
        ]);
    }

    #[test]
    fn a_channel_is_offline_once_the_composition_that_it_streams_is_stopped() {
        check(&[
            Row {
                when: "the run stops the composition and deletes its channel",
                applied: &[STAGE, ENCODER, MAIN, SHOW],
                manifests: &[STAGE],
                account: feed,
                policy: allowing_show,
                steps: &[
                    "delete Composition/show (orphan): interrupt",
                    "delete Channel/main (orphan)",
                    "delete EncoderConfiguration/hd (orphan)",
                ],
            },
            Row {
                when: "the composition may not be stopped",
                applied: &[STAGE, ENCODER, MAIN, SHOW],
                manifests: &[STAGE],
                account: feed,
                policy: pruning,
                steps: &[
                    "delete Composition/show (orphan): deferred LiveAudience",
                    "delete Channel/main (orphan): deferred LiveThroughComposition",
                    "delete EncoderConfiguration/hd (orphan): deferred WaitsFor",
                ],
            },
            Row {
                when: "the manifest stops the composition with consent",
                applied: &[STAGE, ENCODER, MAIN, SHOW],
                manifests: &[STAGE, ENCODER, MAIN, STOPPED],
                account: feed,
                policy: allowing_show,
                steps: &["delete Composition/show (stopped): interrupt"],
            },
        ]);
    }
}
