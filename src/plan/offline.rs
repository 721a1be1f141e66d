//! What starts only where another object is offline, such as a composition on its channel, or is live, such as a
//! replication of a publisher.

use super::action::Action;
use super::draft::{Planner, not_made};
use super::reason::Reason;
use super::step::{Cause, Decision, Step};
use crate::kinds::{Arn, Edge, Existence, Spec};

impl Planner<'_> {
    /// A channel whose stream is that of a composition which this plan stops is not live by the time its
    /// own turn comes.
    pub(super) fn excuse_channels_of_stopped_compositions(&mut self) {
        let stopping = self.stopping();
        for draft in &mut self.drafts {
            let step = &mut draft.step;
            let feeding = step.impact.as_ref().and_then(|it| it.composition.clone());
            let other = feeding.filter(|arn| step.arn.as_ref() != Some(arn));
            let Some(&stop) = other.and_then(|arn| stopping.get(&arn)) else { continue };
            if step.action == Action::Delete && matches!(step.decision, Decision::Deferred(_)) {
                step.decision = Decision::Do;
                step.impact = None;
            }
            draft.needs.insert(stop);
        }
    }

    /// What starts only where another object is offline, and makes it live, as a composition does its channel:
    /// it comes after all that this plan does to that object and to what comes with it, since that could not be
    /// done later; and it waits while somebody else is live there.
    pub(super) fn start_late(&mut self) {
        let stopping = self.stopping();
        let mut needs = Vec::new();
        let mut waits = Vec::new();
        for (index, draft) in self.drafts.iter().enumerate() {
            let step = &draft.step;
            let starts = step.action.makes() && step.decision.is_do();
            for edge in step.spec.iter().filter(|_| starts).flat_map(Spec::must_be_offline) {
                let arn = edge.to.arn(&self.observed.addresses);
                needs.extend(self.changes_of_what_comes_with(&edge).map(|it| (index, it)));
                let Some(arn) = arn else { continue };
                let Some(audience) = self.observed.audience.get(&arn) else { continue };
                let feeding = audience.composition.as_ref();
                if feeding.is_some() && feeding == step.arn.as_ref() {
                    continue;
                }
                if let Some(&stop) = feeding.and_then(|it| stopping.get(it)) {
                    needs.push((index, stop));
                } else if !self.is_interrupted(&arn) {
                    let (target, audience) = (edge.to.clone(), audience.clone());
                    waits.push((index, Reason::TargetLive { target, audience }));
                }
            }
        }
        for (index, needed) in needs {
            self.drafts[index].needs.insert(needed);
        }
        for (index, reason) in waits {
            let arn = self.drafts[index].step.arn.clone();
            self.drafts[index].step.decision = Decision::Deferred(reason.clone());
            // What runs is not stopped for a successor that cannot start.
            for draft in &mut self.drafts {
                let step = &mut draft.step;
                let room = step.because.contains(&Cause::MakesRoom) && step.arn == arn;
                if room && step.decision.is_do() {
                    step.decision = Decision::Deferred(reason.clone());
                }
            }
        }
    }

    /// What needs the publisher of another object waits where this plan disconnects that publisher, or replaces the
    /// object that it is connected to.
    pub(super) fn wait_for_publishers(&mut self) {
        let disconnects = |step: &Step| match step.action {
            Action::Replace | Action::Delete => step.decision.is_do(),
            _ => step.decision == Decision::Interrupt,
        };
        let waits = self.drafts.iter().enumerate().filter(|(_, draft)| {
            let step = &draft.step;
            let starts = step.action.makes() && step.decision.is_do();
            let mut edges = step.spec.iter().filter(|_| starts).flat_map(Spec::needs_publisher);
            edges.any(|edge| {
                let arn = edge.to.arn(&self.observed.addresses);
                let mut others = self.drafts.iter().map(|it| &it.step);
                others.any(|it| arn.is_some() && it.arn == arn && disconnects(it))
            })
        });
        for index in waits.map(|(index, _)| index).collect::<Vec<_>>() {
            let step = &mut self.drafts[index].step;
            if let Some(decision) = not_made(Existence::Dormant, step.address.kind, false) {
                step.decision = decision;
            }
        }
    }

    /// Drafts that change what AWS makes together with the object at the end of `edge`, tags aside.
    pub(super) fn changes_of_what_comes_with(&self, edge: &Edge) -> impl Iterator<Item = usize> {
        let arn = edge.to.arn(&self.observed.addresses);
        self.drafts.iter().enumerate().filter_map(move |(index, it)| {
            let step = &it.step;
            let changes = matches!(step.action, Action::Delete | Action::Replace | Action::Update);
            let mut edges = step.before.iter().chain(&step.spec).flat_map(Spec::refs);
            let created_by = step.address.kind.facts().created_by == Some(edge.kind);
            let its = created_by
                && changes
                && step.decision.is_do()
                && edges.any(|it| {
                    it.to == edge.to || arn.is_some() && it.to.arn(&self.observed.addresses) == arn
                });
            its.then_some(index)
        })
    }

    /// Whether this plan disconnects those who are live on an object.
    pub(super) fn is_interrupted(&self, arn: &Arn) -> bool {
        let steps = self.drafts.iter().map(|it| &it.step);
        let mut its = steps.filter(|it| it.arn.as_ref() == Some(arn));
        its.any(|it| it.decision == Decision::Interrupt)
    }
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
