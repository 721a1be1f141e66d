//! Drafts the steps of the declared resources: an object is created, compared with its manifest, or deleted.

use super::action::Action;
use super::compare::compare;
use super::draft::{Drafts, draft_of, not_made};
use super::find::Found;
use super::inputs::Inputs;
use super::outside::was_deleted;
use super::prune::{delete, lift_protection};
use super::reason::Reason;
use super::step::{Cause, Decision, Note, Step};
use crate::kinds::{Address, Desired, Existence, Observed};
use std::collections::BTreeSet;

/// Drafts the steps of every declared resource, those that it refers to first. Returns notes about fields that are not
/// compared.
pub(super) fn settle(
    inputs: &Inputs<'_>,
    found: &[(&Desired, Found<'_>)],
    drafts: &mut Drafts,
) -> Vec<Note> {
    let mut notes = Vec::new();
    for (wanted, found) in found {
        match found {
            Found::Owned(it) | Found::Renamed(it, _) | Found::Adoptable(it) => {
                match ended(inputs, wanted, it) {
                    Some(steps) => drafts.steps.extend(steps),
                    None => notes.extend(compare(inputs, wanted, it, found, drafts)),
                }
            }
            Found::Foreign(it) => {
                let mut step = draft_of(inputs, wanted, Action::Adopt, Some(it), Cause::Adopt);
                let owner = it.owner();
                step.decision = Decision::Unmanaged(Reason::OwnedByAnother { owner });
                drafts.push(step);
            }
            Found::Held(cause, reason) => {
                let mut step = draft_of(inputs, wanted, Action::Create, None, cause.clone());
                step.decision = Decision::Blocked((**reason).clone());
                drafts.push(step);
            }
            Found::Missing => drafts.steps.extend(create(inputs, wanted)),
        }
    }
    notes
}

/// The declared resources for which no step was drafted.
pub(super) fn unchanged(found: &[(&Desired, Found<'_>)], drafts: &Drafts) -> Vec<Address> {
    let changed: BTreeSet<_> = drafts.steps.iter().map(|it| &it.address).collect();
    let addresses = found.iter().map(|(wanted, _)| &wanted.address);
    let unchanged: BTreeSet<_> = addresses.filter(|it| !changed.contains(it)).collect();
    unchanged.into_iter().cloned().collect()
}

/// The step that creates a missing object; `None` where it is not to exist now.
fn create(inputs: &Inputs<'_>, wanted: &Desired) -> Option<Step> {
    let kind = wanted.address.kind;
    let presence = wanted.spec.presence(inputs.observed);
    match presence {
        Existence::Wanted => {
            // An object that AWS creates together with another one is adopted as soon as it exists.
            let comes = kind.facts().created_by.is_some()
                && wanted.spec.refs().iter().any(|it| inputs.arn(it).is_none());
            let action = if comes { Action::Adopt } else { Action::Create };
            let deleted = was_deleted(inputs, wanted);
            let cause = if deleted { Cause::Gone } else { Cause::Missing };
            Some(draft_of(inputs, wanted, action, None, cause))
        }
        Existence::Unwanted => None,
        Existence::Dormant | Existence::Unmakeable => {
            let mut step = draft_of(inputs, wanted, Action::Create, None, Cause::Missing);
            step.decision = not_made(presence, kind, false)?;
            Some(step)
        }
    }
}

/// The steps of an object that ends or is to end; `None` where it is to be compared.
fn ended(inputs: &Inputs<'_>, wanted: &Desired, observed: &Observed) -> Option<Vec<Step>> {
    let presence = wanted.spec.presence(inputs.observed);
    let ending = observed.kind.facts().ending;
    if observed.state.as_deref().is_some_and(|state| ending.contains(&state)) {
        let again = (presence == Existence::Wanted).then(|| {
            let mut step = draft_of(inputs, wanted, Action::Create, None, Cause::Missing);
            step.decision = Decision::Deferred(Reason::PredecessorEnding);
            step
        });
        return Some(again.into_iter().collect());
    }
    (presence == Existence::Unwanted).then(|| {
        let delete = delete(inputs, &wanted.address, observed, Cause::Stopped, Some(wanted));
        lift_protection(wanted, observed).into_iter().chain([delete]).collect()
    })
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
                when: "run is WHILE_STAGE_ACTIVE, and no participant publishes",
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
                    it.0.publishers.insert(crate::kinds::Publisher::AnyParticipant { stage });
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
