//! What becomes of one declared resource: the object is found and compared, or made.

use super::action::Action;
use super::draft::{Planner, draft, not_made};
use super::find::Found;
use super::reason::Reason;
use super::step::{Cause, Decision, Plan};
use crate::kinds::{Arn, Desired, Existence};
use std::collections::BTreeSet;

impl<'a> Planner<'a> {
    /// Whose turn is `wanted`: what differs, and what follows from that.
    pub(super) fn settle(
        &mut self,
        wanted: &'a Desired,
        plan: &mut Plan,
        taken: &mut BTreeSet<Arn>,
    ) {
        let found = self.find(wanted);
        let presence = wanted.spec.presence(self.observed);
        let ownership = self.ownership(wanted);
        match found {
            Found::Foreign(observed, owner) => {
                let mut step = draft(wanted, Action::Adopt, Some(observed), ownership);
                step.because = vec![Cause::Adopt];
                step.decision = Decision::Unmanaged(Reason::OwnedByAnother { owner });
                self.push(step);
            }
            Found::Held(cause, reason) => {
                let own = std::iter::once(wanted.address.clone()).chain(wanted.former());
                let its = own.filter_map(|it| self.observed.owned.get(&it));
                taken.extend(its.map(|it| it.arn.clone()));
                let mut step = draft(wanted, Action::Create, None, ownership);
                step.because = vec![cause];
                step.decision = Decision::Blocked(reason);
                self.push(step);
            }
            Found::Missing => match presence {
                Existence::Wanted => {
                    // What AWS makes together with something else is taken over as soon as it is there.
                    let comes = wanted.address.kind.facts().created_by.is_some()
                        && wanted
                            .spec
                            .refs()
                            .iter()
                            .any(|it| it.to.arn(&self.observed.addresses).is_none());
                    let action = if comes { Action::Adopt } else { Action::Create };
                    let mut step = draft(wanted, action, None, ownership);
                    let gone = self.was_there(wanted, None) || self.was_referred_to(wanted);
                    step.because = vec![if gone { Cause::Gone } else { Cause::Missing }];
                    self.push(step);
                }
                Existence::Unwanted => plan.unchanged.push(wanted.address.clone()),
                Existence::Dormant | Existence::Unmakeable => {
                    let mut step = draft(wanted, Action::Create, None, ownership);
                    step.because = vec![Cause::Missing];
                    if let Some(decision) = not_made(presence, wanted.address.kind, false) {
                        step.decision = decision;
                    }
                    self.push(step);
                }
            },
            Found::Owned(observed) | Found::Renamed(observed, _) | Found::Adoptable(observed) => {
                taken.insert(observed.arn.clone());
                let ending = observed.kind.facts().ending;
                if observed.state.as_deref().is_some_and(|state| ending.contains(&state)) {
                    if presence == Existence::Wanted {
                        let mut step = draft(wanted, Action::Create, None, ownership);
                        step.because = vec![Cause::Missing];
                        step.decision = Decision::Deferred(Reason::PredecessorEnding);
                        self.push(step);
                    } else {
                        plan.unchanged.push(wanted.address.clone());
                    }
                    return;
                }
                if presence == Existence::Unwanted {
                    self.lift_protection(wanted, observed);
                    self.delete(&wanted.address, observed, Cause::Stopped, Some(wanted));
                    return;
                }
                self.compare(wanted, observed, &found, presence, ownership, plan);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::tests::{ROW, Row, address, check};

    const STAGE: &str = "Stage/studio";
    const ENCODER: &str = "EncoderConfiguration/hd { video: { width: 1280, height: 720 } }";
    const STORAGE: &str = "StorageConfiguration/tape { s3: { bucketName: a-bucket } }";
    const ALWAYS: &str = "Composition/show { stage: studio, run: ALWAYS, destinations: [{ name: one, s3: { \
         storageConfiguration: tape, encoderConfigurations: [hd] } }] }";
    const STOPPED: &str = "Composition/show { stage: studio, run: STOPPED, destinations: [{ name: one, s3: { \
         storageConfiguration: tape, encoderConfigurations: [hd] } }] }";
    const WHILE_ACTIVE: &str = "Composition/show { stage: studio, run: WHILE_STAGE_ACTIVE, destinations: [{ name: one, \
         s3: { storageConfiguration: tape, encoderConfigurations: [hd] } }] }";
    const PROTECTED: &str = "Composition/show { stage: studio, run: ALWAYS, destinations: [{ name: one, s3: { \
         storageConfiguration: tape, encoderConfigurations: [hd] } }] } | lifecycle: { protect: true }";

    #[test]
    fn whether_a_composition_is_to_run_decides_whether_it_is_created() {
        check(&[
            Row {
                when: "run is ALWAYS",
                applied: &[STAGE, ENCODER, STORAGE],
                manifests: &[STAGE, ENCODER, STORAGE, ALWAYS],
                steps: &["create Composition/show (missing)"],
                ..ROW
            },
            Row {
                when: "run is STOPPED",
                applied: &[STAGE, ENCODER, STORAGE],
                manifests: &[STAGE, ENCODER, STORAGE, STOPPED],
                steps: &[],
                ..ROW
            },
            Row {
                when: "run is WHILE_STAGE_ACTIVE, and nobody publishes",
                applied: &[STAGE, ENCODER, STORAGE],
                manifests: &[STAGE, ENCODER, STORAGE, WHILE_ACTIVE],
                steps: &["create Composition/show (missing): dormant NoPublisher"],
                ..ROW
            },
            Row {
                when: "run is WHILE_STAGE_ACTIVE, and a participant publishes",
                applied: &[STAGE, ENCODER, STORAGE],
                manifests: &[STAGE, ENCODER, STORAGE, WHILE_ACTIVE],
                account: |it| {
                    let stage = crate::plan::tests::arn(&address(STAGE));
                    it.0.publishers.insert(crate::kinds::Publisher::Anybody { stage });
                },
                steps: &["create Composition/show (missing)"],
                ..ROW
            },
        ]);
    }

    #[test]
    fn a_running_composition_ends_or_is_waited_for_as_its_manifest_says() {
        check(&[
            Row {
                when: "it runs, and run is STOPPED",
                applied: &[STAGE, ENCODER, STORAGE, ALWAYS],
                manifests: &[STAGE, ENCODER, STORAGE, STOPPED],
                steps: &["delete Composition/show (stopped)"],
                ..ROW
            },
            Row {
                when: "it is stopping, and run is ALWAYS",
                applied: &[STAGE, ENCODER, STORAGE, ALWAYS],
                manifests: &[STAGE, ENCODER, STORAGE, ALWAYS],
                account: |it| it.object("Composition/show").state = Some("STOPPING".to_owned()),
                steps: &["create Composition/show (missing): deferred PredecessorEnding"],
                ..ROW
            },
            Row {
                when: "it is stopping, and run is STOPPED",
                applied: &[STAGE, ENCODER, STORAGE, ALWAYS],
                manifests: &[STAGE, ENCODER, STORAGE, STOPPED],
                account: |it| it.object("Composition/show").state = Some("STOPPING".to_owned()),
                steps: &[],
                ..ROW
            },
            Row {
                when: "it is protected, and its manifest lifts that and stops it",
                applied: &[STAGE, ENCODER, STORAGE, PROTECTED],
                manifests: &[STAGE, ENCODER, STORAGE, STOPPED],
                steps: &[
                    "retag Composition/show (pending)",
                    "delete Composition/show (stopped): deferred ProtectionLifted",
                ],
                ..ROW
            },
        ]);
    }

    #[test]
    fn a_stream_key_is_adopted_as_soon_as_its_channel_is_created() {
        check(&[Row {
            when: "neither the channel nor its key exist",
            manifests: &["Channel/main", "StreamKey/main { channel: main }"],
            steps: &["create Channel/main (missing)", "adopt StreamKey/main (missing)"],
            ..ROW
        }]);
    }
}
