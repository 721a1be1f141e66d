//! Replaces an object that cannot be changed in place: two steps, in the order that its kind allows.

use super::action::Action;
use super::draft::{Planner, draft, not_made};
use super::policy::protected;
use super::reason::Reason;
use super::step::{Cause, Decision, Step};
use crate::kinds::spec::FieldChange;
use crate::kinds::{Desired, Existence, Observed, Owner, OwnershipTags, Replace, Spec};

impl<'a> Planner<'a> {
    /// Whether anything that was read refers to an object.
    pub(super) fn is_used(&self, observed: &Observed) -> bool {
        let refers = |it: &Observed| {
            let mut edges = it.spec.iter().flat_map(Spec::refs);
            edges.any(|edge| edge.to.arn(&self.observed.addresses).as_ref() == Some(&observed.arn))
        };
        self.observed.all().any(refers)
    }

    /// Tags cut nobody off: where the spec has to wait, they go ahead in a step of their own. Above all
    /// `protect` is wanted just then. The digest says what the object then is; where somebody has changed it, the
    /// digest stays that of what was applied, so that the change still shows.
    pub(super) fn tags_first(&mut self, step: &mut Step, observed: &Observed) {
        let (spec, tags): (Vec<_>, Vec<_>) =
            std::mem::take(&mut step.fields).into_iter().partition(FieldChange::writes_spec);
        step.fields = spec;
        let changes = matches!(step.action, Action::Update | Action::Replace);
        if changes && tags.is_empty() {
            return;
        }
        let before = observed.spec.as_ref().expect("what is compared was read");
        let digest = before.digest(&self.observed.addresses);
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
        let digest = changed.or_else(|| first.spec.as_ref()?.digest(&self.observed.addresses));
        first.ownership.digest = digest.unwrap_or_default();
        let of_spec = |it: &Cause| matches!(it, Cause::Immutable { .. } | Cause::Upstream { .. });
        first.because.retain(|it| !of_spec(it));
        // What is left to the later run is told against what this one makes of it.
        step.before.clone_from(&first.spec);
        self.push(first);
        if !changes {
            step.action = Action::Update;
        }
    }

    /// Two steps: the new one and the end of the old one, in the order the kind allows.
    pub(super) fn replace(
        &mut self,
        mut new: Step,
        observed: &'a Observed,
        wanted: &'a Desired,
        presence: Existence,
    ) {
        // Of what AWS failed to make, one at a time is enough.
        let first = if observed.has_failed() && !self.is_used(observed) {
            Replace::DeleteFirst
        } else {
            wanted.address.kind.facts().replace
        };
        let audience = self.observed.audience.get(&observed.arn);
        let protected = protected(observed, Some(wanted));
        if let Some(blocked) = protected {
            if wanted.lifecycle.protect {
                new.decision = Decision::Blocked(blocked);
            } else {
                // Lifting it is a step of its own, and so is seen and consented to before the change.
                let reason = Reason::ProtectionLifted { then: Action::Replace };
                new.decision = Decision::Deferred(reason);
                self.tags_first(&mut new, observed);
            }
            self.push(new);
            return;
        }
        // What is dormant ends by itself; its next start uses the new spec.
        if let Some(decision) = not_made(presence, wanted.address.kind, true) {
            new.decision = decision;
            self.push(new);
            return;
        }
        if self.observed.duplicates.iter().any(|it| it.winner == observed.arn) {
            // Of three objects with one name, the oldest would count once this one is superseded.
            new.decision = Decision::Deferred(Reason::HasDuplicate);
            self.push(new);
            return;
        }
        new.ownership.attempt_id = String::new();
        match first {
            Replace::CreateFirst => {
                new.ownership.replaces = Some(observed.arn.id().to_owned());
                let address = new.address.clone();
                let made = self.push(new);
                self.replaced.insert(address.clone(), made);
                let mut old =
                    draft(wanted, Action::Delete, Some(observed), OwnershipTags::default());
                old.because = vec![Cause::Superseded];
                old.spec = None;
                // The new one is made all the same; the old one goes once nobody is there.
                if let Some(audience) = audience {
                    old.decision =
                        self.consent(&wanted.address, &observed.arn, Some(wanted), audience);
                    old.impact = Some(audience.clone());
                }
                let old = self.push(old);
                self.drafts[old].needs.insert(made);
            }
            Replace::DeleteFirst => {
                // What it was to replace is still there, and waits for the next one.
                if !observed.has_failed() {
                    new.ownership.replaces = None;
                }
                let mut old =
                    draft(wanted, Action::Delete, Some(observed), OwnershipTags::default());
                old.because = vec![Cause::MakesRoom];
                old.spec = None;
                if let Some(audience) = audience {
                    old.decision =
                        self.consent(&wanted.address, &observed.arn, Some(wanted), audience);
                    old.impact = Some(audience.clone());
                    new.impact = Some(audience.clone());
                }
                let old = self.push(old);
                let made = self.push(new);
                self.drafts[made].needs.insert(old);
                self.replaced.insert(wanted.address.clone(), made);
            }
        }
    }
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
                when: "somebody watches the composition to be replaced",
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
