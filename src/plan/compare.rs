//! Compares an object with its manifest: which fields differ, why, and which action follows.
//!
//! [`compare`] is the overview; the other functions are in the order in which it calls them.

use super::action::Action;
use super::draft::{Drafts, consent, draft, ownership};
use super::duplicate;
use super::find::Found;
use super::inputs::Inputs;
use super::outside::{refers_to_a_deleted_object, was_another, was_changed};
use super::reason::Reason;
use super::replace::{replace, tags_first};
use super::step::{Cause, Decision, Note, Step};
use crate::diag::FieldPath;
use crate::kinds::owner::under_way;
use crate::kinds::spec::{FieldChange, FieldValue, difference, protect_path, spec_path};
use crate::kinds::{
    Address, Desired, Observed, ObservedState, Owner, OwnershipTags, Pointer, Spec,
};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// An object beside the manifest of its resource.
struct Comparison<'a> {
    wanted: &'a Desired,
    observed: &'a Observed,
    /// The observed spec.
    before: &'a Spec,
    /// The desired spec, with the display name that the object keeps (see [`with_name`]).
    manifest: Cow<'a, Spec>,
    /// Digest of the desired spec, ignored fields included; `None` while a referenced object has no ARN. The digest
    /// last applied is that of `owned`.
    digest: Option<String>,
    /// The fields that differ.
    fields: Vec<FieldChange>,
    /// Fields that are neither compared nor written: those of `ignoreChanges`, and those with enum values that the
    /// service model lacks.
    ignored: Vec<FieldPath>,
    /// References to objects that are replaced, each with the resource that the field names.
    upstream: Vec<(FieldPath, Address)>,
    /// The ownership tags of the object, where a stack owns it.
    owned: Option<OwnershipTags>,
    /// The ownership tags that the object is to have.
    ownership: OwnershipTags,
    /// Whether the former name in the record is to be deleted.
    forgets_former_name: bool,
}

impl Comparison<'_> {
    /// Whether the desired spec is the one last applied (equal digests).
    fn is_as_applied(&self) -> bool {
        self.owned.as_ref().is_some_and(|it| self.digest.as_deref() == Some(&it.digest))
    }

    /// Whether the record (`ivs-apply:record`) is out of date: its digest is not the desired one, or its former name
    /// has to go. Alone, that is a retag without a change of the spec.
    fn has_outdated_record(&self) -> bool {
        self.forgets_former_name || self.digest.is_some() && !self.is_as_applied()
    }

    /// The fields that differ and that no update call can change.
    fn immutable_fields(&self) -> Vec<FieldPath> {
        let kind = self.wanted.address.kind;
        let of_spec = self.fields.iter().filter(|it| it.writes_spec());
        of_spec.filter(|it| !kind.can_update(&it.path)).map(|it| it.path.clone()).collect()
    }
}

/// Plans for a declared resource whose object was found: nothing, a rename, an adoption, new tags, an update or a
/// replacement. Returns notes about fields that are not compared.
pub(super) fn compare(
    inputs: &Inputs<'_>,
    wanted: &Desired,
    observed: &Observed,
    found: &Found<'_>,
    drafts: &mut Drafts,
) -> Vec<Note> {
    let (compared, notes) = compared(inputs, wanted, observed, found, &drafts.replaced);
    let replacing = causes_of_replacement(&compared, &drafts.steps);
    if !replacing.is_empty() {
        let mut because = causes_of_difference(inputs, &compared);
        because.extend(replacing);
        replace_unless_refused(inputs, compared, because, drafts);
    } else if let Some(action) = action_in_place(inputs, &compared, found) {
        let because = causes_in_place(inputs, &compared, found);
        drafts.steps.extend(change_in_place(inputs, compared, action, because));
    }
    notes
}

/// Everything in which the object differs from its manifest, its tags included.
fn compared<'a>(
    inputs: &Inputs<'_>,
    wanted: &'a Desired,
    observed: &'a Observed,
    found: &Found<'_>,
    replaced: &BTreeMap<Address, usize>,
) -> (Comparison<'a>, Vec<Note>) {
    let before = observed.spec.as_ref().expect("what is declared and observed was read");
    let manifest = with_name(wanted, before);
    let mut ignored = wanted.lifecycle.ignore_changes.clone();
    // The desired spec with the observed value in every ignored field: only this is compared.
    let mut spec = manifest.with_ignored(before, &ignored);
    let unknown = unknown_enum_values(before, &spec);
    if !unknown.is_empty() {
        ignored.extend(unknown.iter().cloned());
        spec = manifest.with_ignored(before, &ignored);
    }
    let note = |path| Note::UnknownEnumValue { address: wanted.address.clone(), path };
    let notes = unknown.into_iter().map(note).collect();
    let mut fields = differing_fields(before, &spec);
    let upstream = replaced_references(inputs.observed, replaced, &spec, &mut fields);
    let owned = match observed.owner() {
        Owner::Stack(ownership) => Some(ownership),
        _ => None,
    };
    let ownership = ownership(inputs, wanted);
    fields.extend(owned.as_ref().and_then(|it| protection_change(it, &ownership)));
    let mut it = Comparison {
        wanted,
        observed,
        before,
        digest: manifest.digest(&inputs.observed.addresses),
        manifest,
        fields,
        ignored,
        upstream,
        owned,
        ownership,
        forgets_former_name: false,
    };
    keep_record(inputs, &mut it, found);
    (it, notes)
}

/// The reference fields whose target is replaced: the logical name stays, the ARN changes. Where this plan replaces
/// the target, the field is added to `fields` as known after apply; where an earlier run did and the observed
/// field still holds the old ARN, it differs already.
fn replaced_references(
    observed: &ObservedState,
    replaced: &BTreeMap<Address, usize>,
    spec: &Spec,
    fields: &mut Vec<FieldChange>,
) -> Vec<(FieldPath, Address)> {
    let mut upstream = Vec::new();
    if replaced.is_empty() && fields.is_empty() {
        return upstream;
    }
    for edge in spec.refs() {
        let Pointer::Named(address) = &edge.to else { continue };
        let path = edge.path();
        let mut differing = fields.iter().filter(|it| it.path == path);
        if !replaced.contains_key(address) {
            // An earlier run replaced the object, and could not update this reference yet.
            if differing.any(|it| is_predecessor(observed, address, &it.before)) {
                upstream.push((path, address.clone()));
            }
            continue;
        }
        if differing.next().is_none() {
            let old = observed.addresses.arn(address).map(|arn| arn.as_str().to_owned());
            fields.push(FieldChange {
                path: path.clone(),
                before: old.map_or(Value::Null, Value::String),
                after: FieldValue::KnownAfterApply(address.clone()),
            });
        }
        upstream.push((path, address.clone()));
    }
    upstream
}

/// Whether this is the ARN of an object that was replaced by that of `address` and still exists.
fn is_predecessor(observed: &ObservedState, address: &Address, arn: &Value) -> bool {
    let mut before = observed.superseded.iter().filter(|(it, _)| it == address);
    before.any(|(_, old)| *arn == old.arn.as_str())
}

/// Carries the attempt id, the replaced object and the former name from the observed record into the desired one.
fn keep_record(inputs: &Inputs<'_>, it: &mut Comparison<'_>, found: &Found<'_>) {
    // AWS copies the tags of a channel onto the stream key that it creates with it: those are not the key's own.
    let copied = inputs.observed.is_tagged_as_its_parent(it.observed);
    if let Some(owned) = it.owned.as_ref().filter(|_| !copied) {
        it.ownership.attempt_id.clone_from(&owned.attempt_id);
        it.ownership.replaces.clone_from(&owned.replaces);
        it.forgets_former_name = may_forget_former_name(inputs, it.wanted, owned);
        it.ownership.was = owned.was.clone().filter(|_| !it.forgets_former_name);
    }
    // The temporary name of a rename in progress does not count as a former name.
    if let Found::Renamed(_, from) = found
        && *from != under_way(&it.wanted.address.name)
    {
        it.ownership.was = Some(from.clone());
    }
}

/// Whether to drop the former name from the record: `previousNames` does not list it any more, and another resource
/// has it now. The record marks a rename as done, so it would keep the object from being renamed back.
fn may_forget_former_name(inputs: &Inputs<'_>, wanted: &Desired, owned: &OwnershipTags) -> bool {
    owned.was.as_ref().is_some_and(|was| {
        let other = Address::new(wanted.address.kind, was.clone());
        !wanted.previous_names.contains(was) && inputs.manifests.contains_key(&other)
    })
}

/// Why the object has to be replaced; empty where an update is enough.
fn causes_of_replacement(it: &Comparison<'_>, steps: &[Step]) -> Vec<Cause> {
    let mut causes = Vec::new();
    let immutable = it.immutable_fields();
    match it.observed.state.clone().filter(|_| it.observed.has_failed()) {
        Some(state) => causes.push(Cause::Failed { state }),
        None if immutable.is_empty() => {}
        None => causes.push(Cause::Immutable { fields: immutable }),
    }
    let degraded = it.observed.degraded.filter(|_| it.owned.is_some());
    causes.extend(degraded.map(Cause::Degraded));
    causes.extend(cut_off_by(it.observed, steps).map(|by| Cause::CutOff { by }));
    causes
}

/// The resource whose change in this plan ends the stream that a composition sends.
fn cut_off_by(observed: &Observed, steps: &[Step]) -> Option<Address> {
    let by = steps.iter().find(|it| {
        let impact = it.impact.as_ref().and_then(|it| it.composition.as_ref());
        it.decision == Decision::Interrupt
            && it.arn.as_ref() != Some(&observed.arn)
            && impact == Some(&observed.arn)
    });
    by.map(|it| it.address.clone())
}

/// Why the fields differ: drift, pending, or a replaced object that they refer to.
fn causes_of_difference(inputs: &Inputs<'_>, it: &Comparison<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let is_upstream = |field: &FieldChange| it.upstream.iter().any(|(path, _)| *path == field.path);
    if !it.fields.iter().all(is_upstream) {
        causes.extend(drift_or_pending(inputs, it));
    }
    for (_, address) in &it.upstream {
        let cause = Cause::Upstream { address: address.clone() };
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    causes
}

/// Drift where the manifest is as last applied; pending where it changed; both where it changed and the object was
/// changed outside as well.
fn drift_or_pending(inputs: &Inputs<'_>, it: &Comparison<'_>) -> Vec<Cause> {
    // The desired `protect` is not in the digest; the record keeps its value last applied.
    let protect_as_applied =
        it.owned.as_ref().is_some_and(|owned| owned.meant_protected == it.ownership.protect);
    // Whether the ownership record shows the value of a field as last applied.
    let is_recorded = |field: &FieldChange| {
        field.is_in_spec() || (field.path == protect_path() && protect_as_applied)
    };
    let as_applied = it.is_as_applied() && it.fields.iter().any(is_recorded);
    let changed_outside = it.fields.iter().any(FieldChange::is_in_spec)
        && (was_changed(inputs, it.observed, it.before, &it.manifest, &it.ignored)
            || (it.digest.is_none() && refers_to_a_deleted_object(inputs.observed, it.before)));
    // Without a digest it is unknown whether the manifest changed; a change outside explains the difference, so it
    // is not also pending.
    let pending = !(as_applied || (it.digest.is_none() && changed_outside));
    let drift = as_applied || changed_outside;
    let causes = [pending.then_some(Cause::Pending), drift.then_some(Cause::Drift)];
    causes.into_iter().flatten().collect()
}

/// Plans the replacement. Blocked where the object is unowned, since adoption never replaces; deferred where AWS
/// failed to create it less than 15 minutes ago and the manifest has not changed since.
fn replace_unless_refused(
    inputs: &Inputs<'_>,
    it: Comparison<'_>,
    because: Vec<Cause>,
    drafts: &mut Drafts,
) {
    let as_applied = it.is_as_applied();
    let address = &it.wanted.address;
    let mut step = draft(address, Action::Replace, Some(it.observed), Some(it.wanted));
    step.ownership = it.ownership;
    step.fields = it.fields;
    step.because = because;
    if it.owned.is_none() {
        step.action = Action::Adopt;
        step.decision = Decision::Blocked(Reason::AdoptionReplaces);
        drafts.push(step);
    } else if as_applied && let Some(reason) = failed_lately(inputs.observed, it.observed) {
        step.decision = Decision::Deferred(reason);
        drafts.push(step);
    } else {
        replace(inputs, step, it.wanted, it.observed, drafts);
    }
}

/// Defers the replacement of an object that AWS failed to create a short while ago. Without this every run would
/// create another one that fails for the same reason.
fn failed_lately(state: &ObservedState, observed: &Observed) -> Option<Reason> {
    let Owner::Stack(ownership) = observed.owner() else { return None };
    let after = ownership.made().filter(|_| observed.has_failed())? + duplicate::OLD;
    let likely = observed.kind.facts().fails_by.map(Cow::Borrowed);
    (state.as_of? <= after).then_some(Reason::FailedRecently { likely, after })
}

/// What is done to the object where it is not replaced; `None` where it agrees with its manifest.
fn action_in_place(inputs: &Inputs<'_>, it: &Comparison<'_>, found: &Found<'_>) -> Option<Action> {
    match found {
        Found::Renamed(..) => Some(Action::Rename),
        Found::Adoptable(_) => Some(Action::Adopt),
        _ if it.fields.iter().any(FieldChange::writes_spec) => Some(Action::Update),
        _ if !it.fields.is_empty() => Some(Action::Retag),
        _ if it.has_outdated_record() || came_with_a_released_key(inputs, it) => {
            Some(Action::Retag)
        }
        _ => None,
    }
}

/// Why that is done.
fn causes_in_place(inputs: &Inputs<'_>, it: &Comparison<'_>, found: &Found<'_>) -> Vec<Cause> {
    let mut causes = causes_of_difference(inputs, it);
    causes.extend(came_with_a_released_key(inputs, it).then_some(Cause::KeyReleased));
    match found {
        Found::Renamed(_, from) => {
            let from = it.ownership.was.as_ref().unwrap_or(from).clone();
            causes.insert(0, Cause::Rename { from });
        }
        Found::Adoptable(_) => {
            causes = vec![Cause::Adopt];
            let drift = was_another(inputs, it.wanted, Some(it.observed));
            causes.extend(drift.then_some(Cause::Drift));
        }
        _ if it.fields.is_empty() && it.has_outdated_record() => causes.push(Cause::Recorded),
        _ => {}
    }
    causes
}

fn came_with_a_released_key(inputs: &Inputs<'_>, it: &Comparison<'_>) -> bool {
    inputs.released.contains(&it.observed.arn)
}

/// The step that changes the object. Where it has to wait for the audience, the change of the tags comes before it.
fn change_in_place(
    inputs: &Inputs<'_>,
    it: Comparison<'_>,
    action: Action,
    because: Vec<Cause>,
) -> impl Iterator<Item = Step> {
    let (wanted, observed) = (it.wanted, it.observed);
    let mut step = draft(&wanted.address, action, Some(observed), Some(wanted));
    step.ownership = it.ownership;
    step.spec = Some(it.manifest.into_owned());
    step.fields = it.fields;
    step.because = because;
    step.ignored = it.ignored;
    if step.writes_spec() && step.disturbs() {
        consent(inputs, &mut step, Some(wanted));
    }
    let waits = matches!(step.decision, Decision::Deferred(_));
    let first = waits.then(|| tags_first(&mut step, observed, &inputs.observed.addresses));
    first.flatten().into_iter().chain([step])
}

/// The spec that a manifest means for an existing object. A display name that is only the default follows the
/// logical name, but a rename is no reason to update, let alone replace, the object: it keeps its display name, and
/// its digest is computed with that.
fn with_name<'a>(wanted: &'a Desired, before: &Spec) -> Cow<'a, Spec> {
    let mut spec = Cow::Borrowed(&wanted.spec);
    if wanted.name_is_default && wanted.spec != *before {
        let display = before.clone().name_mut().cloned().flatten();
        let create_only = !wanted.address.kind.can_update(&spec_path().key("name"));
        let former = |it: &String| wanted.previous_names.contains(it);
        if (create_only || display.as_ref().is_some_and(former))
            && let Some(name) = spec.to_mut().name_mut()
        {
            *name = display;
        }
    }
    spec
}

/// The fields in which two specs differ.
fn differing_fields(before: &Spec, after: &Spec) -> Vec<FieldChange> {
    // To compare two specs is cheap beside writing both as JSON, and most are equal.
    if before == after { Vec::new() } else { difference(before, after, &[]) }
}

/// Fields that differ because AWS answers a word that this program does not know: a newer service has more words,
/// so the field is neither drift nor written.
fn unknown_enum_values(before: &Spec, after: &Spec) -> Vec<FieldPath> {
    if before == after {
        return Vec::new();
    }
    let all = difference(before, after, &[]).len();
    let differs =
        |path: &FieldPath| difference(before, after, std::slice::from_ref(path)).len() < all;
    before.unknown_enum_values().into_iter().filter(differs).collect()
}

/// The change of the tag that says whether the object is protected, if there is one.
fn protection_change(owned: &OwnershipTags, ownership: &OwnershipTags) -> Option<FieldChange> {
    let (before, after) = (Value::Bool(owned.protect), Value::Bool(ownership.protect));
    (before != after).then(|| FieldChange::known(protect_path(), before, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{
        BUCKET, OTHER_BUCKET, RECORDED, ROW, Row, address, allowing_main, check,
    };

    const NORMAL: &str = "Channel/main { latencyMode: NORMAL }";
    const LOW: &str = "Channel/main { latencyMode: LOW }";
    const TAGGED: &str = "Channel/main { latencyMode: LOW, tags: { team: news } }";

    #[test]
    fn who_changed_a_field_decides_whether_it_is_drift_or_pending() {
        check(&[
            Row {
                when: "neither the manifest nor the object changed",
                applied: &[LOW],
                manifests: &[LOW],
                steps: &[],
                ..ROW
            },
            Row {
                when: "the manifest changed",
                applied: &[LOW],
                manifests: &[NORMAL],
                steps: &["update Channel/main (pending)"],
                ..ROW
            },
            Row {
                when: "the object was changed outside",
                applied: &[LOW],
                manifests: &[LOW],
                account: |it| it.change("Channel/main", "latencyMode", "NORMAL"),
                steps: &["update Channel/main (drift)"],
                ..ROW
            },
            Row {
                when: "the manifest changed, and the object in another field",
                applied: &[LOW],
                manifests: &[NORMAL],
                account: |it| it.change("Channel/main", "authorized", true),
                steps: &["update Channel/main (pending drift)"],
                ..ROW
            },
            Row {
                when: "the object was changed outside to what its manifest has become",
                applied: &[LOW],
                manifests: &[NORMAL],
                account: |it| it.change("Channel/main", "latencyMode", "NORMAL"),
                steps: &["retag Channel/main (recorded)"],
                ..ROW
            },
            Row {
                when: "a field of `ignoreChanges` was changed outside",
                applied: &[LOW],
                manifests: &[
                    "Channel/main { latencyMode: LOW } | lifecycle: { ignoreChanges: [spec.latencyMode] }",
                ],
                account: |it| it.change("Channel/main", "latencyMode", "NORMAL"),
                steps: &[],
                ..ROW
            },
            Row {
                when: "AWS answers a word that this program does not know",
                applied: &[LOW],
                manifests: &[LOW],
                account: |it| it.change("Channel/main", "latencyMode", "FROM_THE_FUTURE"),
                steps: &[],
                ..ROW
            },
            Row {
                when: "a word that this program does not know stands beside a change",
                applied: &[LOW],
                manifests: &["Channel/main { latencyMode: LOW, authorized: true }"],
                account: |it| it.change("Channel/main", "latencyMode", "FROM_THE_FUTURE"),
                steps: &["update Channel/main (pending)"],
                ..ROW
            },
        ]);
    }

    #[test]
    fn the_fields_that_differ_decide_the_action() {
        check(&[
            Row {
                when: "only a tag differs",
                applied: &[LOW],
                manifests: &[TAGGED],
                steps: &["retag Channel/main (pending)"],
                ..ROW
            },
            Row {
                when: "only `protect` differs",
                applied: &[LOW],
                manifests: &["Channel/main { latencyMode: LOW } | lifecycle: { protect: true }"],
                steps: &["retag Channel/main (pending)"],
                ..ROW
            },
            Row {
                when: "the tag that protects the object was removed outside",
                applied: &["Channel/main | lifecycle: { protect: true }"],
                manifests: &["Channel/main | lifecycle: { protect: true }"],
                account: |it| it.tag_protected("Channel/main", false),
                steps: &["retag Channel/main (drift)"],
                ..ROW
            },
            Row {
                when: "a field differs that no update can change",
                applied: &[BUCKET],
                manifests: &[OTHER_BUCKET],
                steps: &[
                    "replace RecordingConfiguration/archive (pending immutable)",
                    "delete RecordingConfiguration/archive (superseded)",
                ],
                ..ROW
            },
            Row {
                when: "a field refers to an object that is replaced",
                applied: &[BUCKET, RECORDED],
                manifests: &[OTHER_BUCKET, RECORDED],
                steps: &[
                    "replace RecordingConfiguration/archive (pending immutable)",
                    "update Channel/main (upstream)",
                    "delete RecordingConfiguration/archive (superseded)",
                ],
                ..ROW
            },
            Row {
                when: "the name differs as well",
                applied: &["Channel/old { latencyMode: LOW }"],
                manifests: &["Channel/main { latencyMode: NORMAL } | was: [old]"],
                steps: &["rename Channel/main (rename pending)"],
                ..ROW
            },
            Row {
                when: "an object to be adopted differs in a field that no update can change",
                applied: &[BUCKET],
                manifests: &[OTHER_BUCKET],
                account: |it| {
                    let mut object = it.take("RecordingConfiguration/archive");
                    object.tags.clear();
                    it.0.adoptable.insert(address("RecordingConfiguration/archive"), object);
                },
                steps: &[
                    "adopt RecordingConfiguration/archive (pending immutable): blocked AdoptionReplaces",
                ],
                ..ROW
            },
        ]);
    }

    #[test]
    fn an_object_that_aws_failed_to_create_is_replaced_after_a_while() {
        let failed = |it: &mut crate::plan::tests::Account| {
            it.object("RecordingConfiguration/archive").state = Some("CREATE_FAILED".to_owned());
        };
        let failed_just_now = |it: &mut crate::plan::tests::Account| {
            let object = it.object("RecordingConfiguration/archive");
            object.state = Some("CREATE_FAILED".to_owned());
            let Owner::Stack(ownership) = object.owner() else { panic!("owned") };
            it.0.as_of = ownership.made();
        };
        check(&[
            Row {
                when: "it was created long ago",
                applied: &[BUCKET],
                manifests: &[BUCKET],
                account: failed,
                steps: &[
                    "delete RecordingConfiguration/archive (makesRoom)",
                    "replace RecordingConfiguration/archive (failed)",
                ],
                ..ROW
            },
            Row {
                when: "it was created just now, and its manifest is the same",
                applied: &[BUCKET],
                manifests: &[BUCKET],
                account: failed_just_now,
                steps: &[
                    "replace RecordingConfiguration/archive (failed): deferred FailedRecently",
                ],
                ..ROW
            },
            Row {
                when: "it was created just now, and its manifest changed",
                applied: &[BUCKET],
                manifests: &[OTHER_BUCKET],
                account: failed_just_now,
                steps: &[
                    "delete RecordingConfiguration/archive (makesRoom)",
                    "replace RecordingConfiguration/archive (pending failed)",
                ],
                ..ROW
            },
        ]);
    }

    #[test]
    fn a_change_that_would_cut_off_an_audience_waits_for_consent() {
        const INTERRUPT: &str =
            "Channel/main { latencyMode: NORMAL } | lifecycle: { onLive: interrupt }";
        check(&[
            Row {
                when: "the channel is live",
                applied: &[LOW],
                manifests: &[NORMAL],
                account: |it| it.go_live("Channel/main"),
                steps: &["update Channel/main (pending): deferred LiveAudience"],
                ..ROW
            },
            Row {
                when: "the channel is live, and a tag differs as well",
                applied: &[TAGGED],
                manifests: &[NORMAL],
                account: |it| it.go_live("Channel/main"),
                steps: &[
                    "update Channel/main (pending): deferred LiveAudience",
                    "retag Channel/main (pending)",
                ],
                ..ROW
            },
            Row {
                when: "the channel is live, and only a tag differs",
                applied: &[LOW],
                manifests: &[TAGGED],
                account: |it| it.go_live("Channel/main"),
                steps: &["retag Channel/main (pending)"],
                ..ROW
            },
            Row {
                when: "the channel is live, and both the manifest and the command line consent",
                applied: &[LOW],
                manifests: &[INTERRUPT],
                account: |it| it.go_live("Channel/main"),
                policy: allowing_main,
                steps: &["update Channel/main (pending): interrupt"],
            },
        ]);
    }

    #[test]
    fn a_reference_to_a_replaced_object_is_known_after_apply() {
        let row = Row { applied: &[BUCKET, RECORDED], manifests: &[OTHER_BUCKET, RECORDED], ..ROW };
        let plan = row.plan();
        let update = plan.steps.iter().find(|it| it.action == Action::Update).expect("an update");
        let archive = address("RecordingConfiguration/archive");
        assert_eq!(update.fields[0].path.to_string(), "spec.recordingConfiguration");
        assert_eq!(update.fields[0].after, FieldValue::KnownAfterApply(archive));
        assert_eq!(crate::kinds::json(&update.fields[0].after), "archive (new)");
    }
}
