//! Replaces an object that cannot be changed in place: two steps, in the order that its kind allows.

use super::action::Action;
use super::draft::{Drafts, draft_delete, not_made};
use super::inputs::Inputs;
use super::policy::protected;
use super::reason::Reason;
use super::step::{Cause, Decision, Step};
use crate::kinds::spec::FieldChange;
use crate::kinds::{AddressMap, Desired, Observed, Owner, Replace, Spec};

/// Drafts the step that creates the new object and the one that deletes the old one. Where the replacement is refused or
/// has to wait, only the first, with the reason.
pub(super) fn replace(
    inputs: &Inputs<'_>,
    mut new: Step,
    wanted: &Desired,
    observed: &Observed,
    drafts: &mut Drafts,
) {
    if let Some(decision) = refusal(inputs, wanted, observed) {
        let lifted = matches!(decision, Decision::Deferred(Reason::ProtectionLifted { .. }));
        new.decision = decision;
        if lifted {
            let first = tags_first(&mut new, observed, &inputs.observed.addresses);
            drafts.steps.extend(first);
        }
        drafts.push(new);
        return;
    }
    // One failed object at a time is enough.
    let first = if observed.has_failed() && !is_used(inputs, observed) {
        Replace::DeleteFirst
    } else {
        wanted.address.kind.facts().replace
    };
    new.ownership.attempt_id = String::new();
    let old = |cause| draft_delete(inputs, &wanted.address, observed, cause, Some(wanted));
    let (made, needs) = match first {
        Replace::CreateFirst => {
            new.ownership.replaces = Some(observed.arn.id().to_owned());
            let made = drafts.push(new);
            // The new object is created in any case; the old one is deleted once it has no audience.
            (made, (drafts.push(old(Cause::Superseded)), made))
        }
        Replace::DeleteFirst => {
            // The object that a failed one was to replace still exists, and waits for the next one.
            if !observed.has_failed() {
                new.ownership.replaces = None;
            }
            let old = old(Cause::MakesRoom);
            new.impact.clone_from(&old.impact);
            let old = drafts.push(old);
            let made = drafts.push(new);
            (made, (made, old))
        }
    };
    drafts.needs.insert(needs);
    drafts.replaced.insert(wanted.address.clone(), made);
}

/// Why the object is not replaced in this run.
fn refusal(inputs: &Inputs<'_>, wanted: &Desired, observed: &Observed) -> Option<Decision> {
    if let Some(protected) = protected(observed, Some(wanted)) {
        // A step of its own removes the protection, so that a person sees and allows that before the change.
        let lifted = Reason::ProtectionLifted { then: Action::Replace };
        let protects = wanted.lifecycle.protect;
        return Some(if protects {
            Decision::Blocked(protected)
        } else {
            Decision::Deferred(lifted)
        });
    }
    // The object of a dormant resource ends by itself; its next start uses the new spec.
    let presence = wanted.spec.presence(inputs.observed);
    not_made(presence, wanted.address.kind, true).or_else(|| {
        // Of three objects with one name, the oldest would count once this one is superseded.
        let duplicated = inputs.observed.duplicates.iter().any(|it| it.winner == observed.arn);
        duplicated.then_some(Decision::Deferred(Reason::HasDuplicate))
    })
}

/// Whether anything that was read refers to an object.
fn is_used(inputs: &Inputs<'_>, observed: &Observed) -> bool {
    let mut edges = inputs.observed.all().flat_map(|it| it.spec.iter().flat_map(Spec::refs));
    edges.any(|edge| inputs.arn(&edge).as_ref() == Some(&observed.arn))
}

/// Splits off the change of the tags from a step that has to wait: tags disturb no audience, and `protect` above all is
/// wanted at once. The digest in the new tags is that of the object as this step leaves it; where the object was changed
/// outside, it stays that of the spec last applied, so that the change still shows.
pub(super) fn tags_first(
    step: &mut Step,
    observed: &Observed,
    addresses: &AddressMap,
) -> Option<Step> {
    let (spec, tags): (Vec<_>, Vec<_>) =
        std::mem::take(&mut step.fields).into_iter().partition(FieldChange::writes_spec);
    step.fields = spec;
    let changes = matches!(step.action, Action::Update | Action::Replace);
    if changes && tags.is_empty() {
        return None;
    }
    let before = observed.spec.as_ref().expect("what is compared was read");
    let digest = before.digest(addresses);
    let changed = match observed.owner() {
        Owner::Stack(owned) if digest.as_ref() != Some(&owned.digest) => Some(owned.digest),
        _ => None,
    };
    let mut spec = before.clone();
    let wanted = step.spec.as_mut().and_then(Spec::tags_mut);
    if let (Some(tags), Some(wanted)) = (spec.tags_mut(), wanted) {
        tags.clone_from(wanted);
    }
    let mut first = Step {
        action: if changes { Action::Retag } else { step.action },
        spec: Some(spec),
        fields: tags,
        impact: None,
        decision: Decision::Do,
        ..step.clone()
    };
    let digest = changed.or_else(|| first.spec.as_ref()?.digest(addresses));
    first.ownership.digest = digest.unwrap_or_default();
    let of_spec = |it: &Cause| matches!(it, Cause::Immutable { .. } | Cause::Upstream { .. });
    first.because.retain(|it| !of_spec(it));
    // The fields of the later step are compared with the object as this step leaves it.
    step.before.clone_from(&first.spec);
    if !changes {
        step.action = Action::Update;
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{ATTEMPT, BUCKET, OTHER_BUCKET, ROW, Row, check};

    const PROTECTED: &str = "RecordingConfiguration/archive { destinationConfiguration: { s3: { bucketName: b-bucket } } } \
         | lifecycle: { protect: true }";
    const STAGE: &str = "Stage/studio";
    const ENCODER: &str = "EncoderConfiguration/hd { video: { width: 1280, height: 720 } }";
    const STORAGE: &str = "StorageConfiguration/tape { s3: { bucketName: a-bucket } }";
    const SHOW: &str = "Composition/show { stage: studio, run: ALWAYS, destinations: [{ name: one, s3: { \
         storageConfiguration: tape, encoderConfigurations: [hd] } }] }";
    const SHOW_WITH_GAPS: &str = "Composition/show { stage: studio, run: ALWAYS, layout: { grid: { gridGap: 9 } }, \
         destinations: [{ name: one, s3: { storageConfiguration: tape, encoderConfigurations: [hd] } }] }";
    const SHOW_WHILE_ACTIVE: &str = "Composition/show { stage: studio, run: WHILE_STAGE_ACTIVE, layout: { grid: { \
         gridGap: 9 } }, destinations: [{ name: one, s3: { storageConfiguration: tape, encoderConfigurations: [hd] } \
         }] }";

    #[test]
    fn the_kind_decides_which_of_the_two_steps_comes_first() {
        check(&[
            Row {
                when: "a recording configuration can exist beside its predecessor",
                applied: &[BUCKET],
                manifests: &[OTHER_BUCKET],
                steps: &[
                    "replace RecordingConfiguration/archive (pending immutable)",
                    "delete RecordingConfiguration/archive (superseded)",
                ],
                ..ROW
            },
            Row {
                when: "a composition can start only after its predecessor has stopped",
                applied: &[STAGE, ENCODER, STORAGE, SHOW],
                manifests: &[STAGE, ENCODER, STORAGE, SHOW_WITH_GAPS],
                steps: &[
                    "delete Composition/show (makesRoom)",
                    "replace Composition/show (pending immutable)",
                ],
                ..ROW
            },
            Row {
                when: "the object failed, and another object refers to it",
                applied: &[BUCKET, "Channel/main { recordingConfiguration: archive }"],
                manifests: &[BUCKET, "Channel/main { recordingConfiguration: archive }"],
                account: |it| {
                    let archive = it.object("RecordingConfiguration/archive");
                    archive.state = Some("CREATE_FAILED".to_owned());
                },
                steps: &[
                    "replace RecordingConfiguration/archive (failed)",
                    "update Channel/main (upstream)",
                    "delete RecordingConfiguration/archive (superseded)",
                ],
                ..ROW
            },
        ]);
    }

    #[test]
    fn a_replacement_is_refused_or_waits_where_it_would_do_harm() {
        check(&[
            Row {
                when: "the manifest protects the object",
                applied: &[BUCKET],
                manifests: &[PROTECTED],
                steps: &[
                    "replace RecordingConfiguration/archive (pending immutable): blocked Protected",
                ],
                ..ROW
            },
            Row {
                when: "the object is protected, and its manifest lifts that in the same change",
                applied: &[PROTECTED],
                manifests: &[BUCKET],
                steps: &[
                    "replace RecordingConfiguration/archive (pending immutable): deferred ProtectionLifted",
                    "retag RecordingConfiguration/archive (pending)",
                ],
                ..ROW
            },
            Row {
                when: "the stage of the composition has no publisher",
                applied: &[STAGE, ENCODER, STORAGE, SHOW],
                manifests: &[STAGE, ENCODER, STORAGE, SHOW_WHILE_ACTIVE],
                steps: &["replace Composition/show (pending immutable): dormant NoPublisher"],
                ..ROW
            },
            Row {
                when: "a second object has the name of the one to be replaced",
                applied: &[BUCKET],
                manifests: &[OTHER_BUCKET],
                account: |it| {
                    it.duplicate("RecordingConfiguration/archive", "01K00000000000000000000009");
                },
                steps: &[
                    "replace RecordingConfiguration/archive (pending immutable): deferred HasDuplicate",
                    "delete RecordingConfiguration/archive (duplicate)",
                ],
                ..ROW
            },
            Row {
                when: "the composition to be replaced has an audience",
                applied: &[STAGE, ENCODER, STORAGE, SHOW],
                manifests: &[STAGE, ENCODER, STORAGE, SHOW_WITH_GAPS],
                account: |it| it.go_live("Composition/show"),
                steps: &[
                    "delete Composition/show (makesRoom): deferred LiveAudience",
                    "replace Composition/show (pending immutable): deferred WaitsFor",
                ],
                ..ROW
            },
        ]);
    }

    #[test]
    fn the_record_of_the_new_object_names_the_old_one_until_that_is_deleted() {
        let created_first = Row { applied: &[BUCKET], manifests: &[OTHER_BUCKET], ..ROW }.plan();
        assert_eq!(created_first.steps[0].ownership.replaces.as_deref(), Some("archive"));
        let deleted_first = Row {
            applied: &[STAGE, ENCODER, STORAGE, SHOW],
            manifests: &[STAGE, ENCODER, STORAGE, SHOW_WITH_GAPS],
            ..ROW
        };
        assert_eq!(deleted_first.plan().steps[1].ownership.replaces, None);
        for plan in [created_first, deleted_first.plan()] {
            let new = plan.steps.iter().find(|it| it.action == Action::Replace).expect("planned");
            assert_ne!(
                new.ownership.attempt_id, ATTEMPT,
                "a new object has a create attempt of its own"
            );
        }
    }

    #[test]
    fn tags_that_go_ahead_of_a_deferred_change_leave_the_rest_of_the_spec_as_it_is() {
        let plan = Row {
            applied: &["Channel/main { latencyMode: LOW }"],
            manifests: &["Channel/main { latencyMode: NORMAL, tags: { team: news } }"],
            account: |it| it.go_live("Channel/main"),
            ..ROW
        }
        .plan();
        let tags = plan.steps.iter().find(|it| it.action == Action::Retag).expect("planned");
        let paths: Vec<String> = tags.fields.iter().map(|it| it.path.to_string()).collect();
        assert_eq!(paths, ["spec.tags.team"]);
        let spec = crate::kinds::json(tags.spec.as_ref().expect("written"));
        assert_eq!((&spec["latencyMode"], &spec["tags"]["team"]), (&"LOW".into(), &"news".into()));
        let later = plan.steps.iter().find(|it| it.action == Action::Update).expect("planned");
        let paths: Vec<String> = later.fields.iter().map(|it| it.path.to_string()).collect();
        assert_eq!(paths, ["spec.latencyMode"]);
    }
}
