//! Compares an object with its manifest: which fields differ, whether that is drift or pending, and what
//! to do about it.

use super::action::Action;
use super::draft::{Planner, draft};
use super::duplicate;
use super::find::Found;
use super::reason::Reason;
use super::step::{Cause, Decision, Note, Plan};
use crate::kinds::owner;
use crate::kinds::owner::under_way;
use crate::kinds::spec::{FieldChange, difference};
use crate::kinds::{Address, Desired, Existence, Observed, Owner, OwnershipTags, Pointer, Spec};
use serde_json::Value;
use std::borrow::Cow;

impl<'a> Planner<'a> {
    /// One that is there: unchanged, retagged, updated or replaced.
    pub(super) fn compare(
        &mut self,
        wanted: &'a Desired,
        observed: &'a Observed,
        found: &Found<'a>,
        presence: Existence,
        mut ownership: OwnershipTags,
        plan: &mut Plan,
    ) {
        let before = observed.spec.as_ref().expect("what is declared and there was read");
        let mut ignored = wanted.lifecycle.ignore_changes.clone();
        let manifest = with_name(wanted, before);
        let mut spec = manifest.with_ignored(before, &ignored);
        let mut fields = Vec::new();
        // Comparing two specs is nothing beside writing both out as JSON, and most are equal.
        if spec != *before {
            fields = difference(before, &spec, &[]);
            // A word from after this program's time is neither drift nor understood.
            let differs = |path: &String| {
                difference(before, &spec, std::slice::from_ref(path)).len() < fields.len()
            };
            let unknown: Vec<String> = before.unknown_words().into_iter().filter(differs).collect();
            if !unknown.is_empty() {
                ignored.extend(unknown.iter().cloned());
                spec = manifest.with_ignored(before, &ignored);
                fields = difference(before, &spec, &[]);
                let address = &wanted.address;
                plan.notes.extend(
                    unknown
                        .into_iter()
                        .map(|path| Note::UnknownWord { address: address.clone(), path }),
                );
            }
        }
        let upstream = self.upstream(&spec, &mut fields);
        let owned = match observed.owner() {
            Owner::Stack(ownership) => Some(ownership),
            _ => None,
        };
        // What AWS copied from another object says nothing of this one.
        let copied = self.observed.is_tagged_as_its_parent(observed);
        let mut renamable = false;
        if let Some(owned) = &owned {
            if !copied {
                ownership.attempt_id.clone_from(&owned.attempt_id);
                ownership.replaces.clone_from(&owned.replaces);
                // A former name that its manifest gave up, and that another resource has, may be given to it again.
                renamable = owned.was.as_ref().is_some_and(|was| {
                    let other = Address::new(observed.kind, was.clone());
                    !wanted.previous_names.contains(was) && self.manifests.contains_key(&other)
                });
                ownership.was = owned.was.clone().filter(|_| !renamable);
            }
            if owned.protect != ownership.protect {
                fields.push(FieldChange {
                    path: "lifecycle.protect".to_owned(),
                    before: Value::Bool(owned.protect),
                    after: Value::Bool(ownership.protect),
                });
            }
        }
        // On the way to its name it keeps the one it had before.
        if let Found::Renamed(_, from) = found
            && *from != under_way(&wanted.address.name)
        {
            ownership.was = Some(from.clone());
        }
        let kind = wanted.address.kind;
        let spec = |it: &&FieldChange| !it.is_tag() && it.path.starts_with("spec");
        let immutable: Vec<String> = fields
            .iter()
            .filter(spec)
            .filter(|it| !kind.can_update(&it.path))
            .map(|it| it.path.clone())
            .collect();
        let failed = observed.state.clone().filter(|_| observed.has_failed());
        let mut because = Vec::new();
        let digest = manifest.digest(&self.observed.addresses);
        let as_applied = owned.as_ref().is_some_and(|it| digest.as_deref() == Some(&it.digest));
        let outside = |it: &FieldChange| upstream.iter().all(|(path, _)| *path != it.path);
        if fields.iter().any(outside) {
            // The digest is of the spec: of what stands beside it, it only says what was meant then.
            let meant = owned.as_ref().is_some_and(|it| it.meant_protected == ownership.protect);
            let outside = |it: &FieldChange| {
                it.path.starts_with("spec") || (it.path == "lifecycle.protect" && meant)
            };
            let as_applied = as_applied && fields.iter().any(outside);
            let of_spec = fields.iter().any(|it| it.path.starts_with("spec"));
            let changed = of_spec
                && (self.was_changed_outside(observed, before, &manifest, &ignored)
                    || digest.is_none() && self.refers_to_a_deleted_object(before));
            // A manifest with a reference to a missing object has no digest, so it cannot be compared with the one
            // last applied; a change outside explains the difference.
            let pending = !(as_applied || digest.is_none() && changed);
            because.extend(pending.then_some(Cause::Pending));
            because.extend((as_applied || changed).then_some(Cause::Drift));
        }
        for (_, address) in upstream {
            let cause = Cause::Upstream { address };
            if !because.contains(&cause) {
                because.push(cause);
            }
        }
        let degraded = observed.degraded.filter(|_| owned.is_some());
        let cut_off = self.cut_off_by(observed).map(|by| Cause::CutOff { by });
        if observed.has_failed() || degraded.is_some() || cut_off.is_some() || !immutable.is_empty()
        {
            match failed {
                Some(state) => because.push(Cause::Failed { state }),
                None if immutable.is_empty() => {}
                None => because.push(Cause::Immutable { fields: immutable }),
            }
            because.extend(degraded.map(Cause::Degraded));
            because.extend(cut_off);
            let mut step = draft(wanted, Action::Replace, Some(observed), ownership);
            step.fields = fields;
            step.because = because;
            if owned.is_none() {
                step.action = Action::Adopt;
                step.decision = Decision::Blocked(Reason::AdoptionReplaces);
                self.push(step);
                return;
            }
            if as_applied && let Some(reason) = self.failed_lately(observed) {
                step.decision = Decision::Deferred(reason);
                self.push(step);
                return;
            }
            self.replace(step, observed, wanted, presence);
            return;
        }
        let released = self.released.contains(&observed.arn);
        because.extend(released.then_some(Cause::KeyReleased));
        let action = match found {
            Found::Renamed(_, from) => {
                let from = ownership.was.clone().unwrap_or_else(|| from.clone());
                because.insert(0, Cause::Rename { from });
                Action::Rename
            }
            Found::Adoptable(_) => {
                because = vec![Cause::Adopt];
                because.extend(self.was_there(wanted, Some(observed)).then_some(Cause::Drift));
                Action::Adopt
            }
            _ if fields.iter().any(|it| spec(&it)) => Action::Update,
            _ if !fields.is_empty() => Action::Retag,
            _ if renamable || digest.is_some() && !as_applied => {
                because.push(Cause::Recorded);
                Action::Retag
            }
            _ if released => Action::Retag,
            _ => {
                plan.unchanged.push(wanted.address.clone());
                return;
            }
        };
        let writes_spec = fields.iter().any(|it| spec(&it));
        let mut step = draft(wanted, action, Some(observed), ownership);
        step.spec = Some(manifest.into_owned());
        step.fields = fields;
        step.because = because;
        step.ignored = ignored;
        if writes_spec
            && step.disturbs()
            && let Some(audience) = self.observed.audience.get(&observed.arn)
        {
            step.impact = Some(audience.clone());
            step.decision = self.consent(&wanted.address, &observed.arn, Some(wanted), audience);
        }
        if matches!(step.decision, Decision::Deferred(_)) {
            self.tags_first(&mut step, observed);
        }
        self.push(step);
    }

    /// The resource whose change in this plan ends the stream that a composition sends.
    pub(super) fn cut_off_by(&self, observed: &Observed) -> Option<Address> {
        let mut steps = self.drafts.iter().map(|it| &it.step);
        let by = steps.find(|it| {
            let impact = it.impact.as_ref().and_then(|it| it.composition.as_ref());
            it.decision == Decision::Interrupt
                && it.arn.as_ref() != Some(&observed.arn)
                && impact == Some(&observed.arn)
        });
        by.map(|it| it.address.clone())
    }

    /// Whether an object refers to a deleted object.
    pub(super) fn refers_to_a_deleted_object(&self, before: &Spec) -> bool {
        before.refs().iter().any(|edge| {
            let listed = self.observed.listed.contains(&edge.kind);
            listed && matches!(&edge.to, Pointer::Outside(arn) if self.is_gone(arn))
        })
    }

    /// Whether an object differs from what was last applied to it, whatever its manifest says by now: its digest
    /// is that of the spec as it was last written.
    pub(super) fn was_changed_outside(
        &self,
        observed: &Observed,
        before: &Spec,
        manifest: &Spec,
        ignored: &[String],
    ) -> bool {
        let owner = observed.owner();
        let Some(ownership) = owner.in_stack(&self.stack.name) else { return false };
        // AWS never shows all of a relation between two objects, so nothing can be told from what it shows.
        if observed.kind.facts().arn_type.is_none() {
            return false;
        }
        // The digest is of what the manifest said, also where the field is left to others or the tag is ignored.
        let mut candidates = vec![before.clone(), before.with_ignored(manifest, ignored)];
        candidates.extend(before.write_only_variants());
        for mut it in candidates.clone() {
            if let Some(tags) = it.tags_mut() {
                *tags = observed.tags.clone();
                tags.retain(|key, _| owner::is_managed_tag(key, &[]));
                candidates.push(it);
            }
        }
        let applied =
            |it: &Spec| it.digest(&self.observed.addresses).as_ref() == Some(&ownership.digest);
        !candidates.iter().any(applied)
    }

    /// Why an object that AWS failed to make a short while ago is not made again yet. Without this every run would
    /// make another one that fails for the same reason.
    pub(super) fn failed_lately(&self, observed: &Observed) -> Option<Reason> {
        let Owner::Stack(ownership) = observed.owner() else { return None };
        let after = ownership.made().filter(|_| observed.has_failed())? + duplicate::OLD;
        let likely = observed.kind.facts().fails_by;
        (self.observed.as_of? <= after).then_some(Reason::FailedRecently { likely, after })
    }

    /// References to something that is replaced: the name stays, the ARN behind it does not.
    pub(super) fn upstream(
        &self,
        spec: &Spec,
        fields: &mut Vec<FieldChange>,
    ) -> Vec<(String, Address)> {
        let mut upstream = Vec::new();
        for edge in spec.refs() {
            let Pointer::Named(address) = &edge.to else { continue };
            let path = format!("spec.{}", edge.field);
            if !self.replaced.contains_key(address) {
                // An earlier run replaced it, and could not move this one yet.
                let was = |it: &&FieldChange| it.path == path && self.was(address, &it.before);
                if fields.iter().any(|it| was(&it)) {
                    upstream.push((path, address.clone()));
                }
                continue;
            }
            if !fields.iter().any(|it| it.path == path) {
                let old = self.observed.addresses.arn(address).map(|arn| arn.as_str().to_owned());
                fields.push(FieldChange {
                    path: path.clone(),
                    before: old.map_or(Value::Null, Value::String),
                    after: Value::String(format!("{} (new)", address.name)),
                });
            }
            upstream.push((path, address.clone()));
        }
        upstream
    }

    /// Whether this is the ARN of a predecessor of `address` that is still there.
    pub(super) fn was(&self, address: &Address, arn: &Value) -> bool {
        let mut before = self.observed.superseded.iter().filter(|(it, _)| it == address);
        before.any(|(_, observed)| *arn == observed.arn.as_str())
    }
}

/// The spec as its manifest means it for the object that is there. A display name that is only the default
/// follows the logical name, but a rename is no reason to touch, let alone replace, the object: it keeps its
/// name, and its digest is of that one.
pub(super) fn with_name<'a>(wanted: &'a Desired, before: &Spec) -> Cow<'a, Spec> {
    let mut spec = Cow::Borrowed(&wanted.spec);
    if wanted.name_is_default && wanted.spec != *before {
        let display = before.clone().name_mut().cloned().flatten();
        let create_only = !wanted.address.kind.can_update("spec.name");
        let former = |it: &String| wanted.previous_names.contains(it);
        if (create_only || display.as_ref().is_some_and(former))
            && let Some(name) = spec.to_mut().name_mut()
        {
            *name = display;
        }
    }
    spec
}
