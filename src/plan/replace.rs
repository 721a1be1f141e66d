//! Replaces an object that cannot be changed in place: two steps, in the order that its kind allows.

use super::action::Action;
use super::draft::{Planner, draft, not_made};
use super::policy::protected;
use super::reason::Reason;
use super::step::{Cause, Decision, Step};
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
        let (spec, tags): (Vec<_>, Vec<_>) = std::mem::take(&mut step.fields)
            .into_iter()
            .partition(|it| it.path.starts_with("spec") && !it.is_tag());
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
