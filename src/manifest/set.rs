//! Rules that need more than one resource: duplicates, references, quotas, pairs that do not fit.

use crate::diag::{Code, Diagnostic, Place, Report, suggest};
use crate::kinds::{
    Address, Arn, Channel, Desired, Kind, MOST_USER_TAGS, Pip, Pointer, RecordingConfiguration,
    Ref, Spec, Stack,
};
use std::collections::{BTreeMap, BTreeSet};

/// Everything about the set as a whole; `known` is all that is declared, also by documents that could not be
/// read.
pub(super) fn check(
    stack: &Stack,
    desired: &[Desired],
    known: &BTreeSet<Address>,
    report: &mut Report,
) {
    let mut by_address: BTreeMap<&Address, &Desired> = BTreeMap::new();
    for it in desired {
        if let Some(first) = by_address.insert(&it.address, it) {
            by_address.insert(&it.address, first);
            report.push(
                Diagnostic::new(
                    Code::DuplicateResource,
                    Place::value(it.origin, "metadata.name"),
                    format!("{} is declared twice", it.address),
                )
                .also(Place::value(first.origin, "metadata.name"), "first declared here")
                .help("remove one of the two, or give it another `metadata.name`"),
            );
        }
    }
    previous_names(desired, report);
    adopts(stack, desired, report);
    references(stack, desired, known, report);
    quotas(stack, desired, report);
    exclusive(desired, report);
    pairs(desired, &by_address, report);
}

/// What only one object can have at a time.
fn exclusive(desired: &[Desired], report: &mut Report) {
    let mut taken: BTreeMap<(Kind, String), &Desired> = BTreeMap::new();
    for it in desired {
        let Some(exclusive) = it.spec.exclusive() else { continue };
        if let Some(first) = taken.insert((it.address.kind, exclusive.value), it) {
            let message = format!("{} has {} already", first.address, exclusive.what);
            let place = Place::value(it.origin, "metadata.name");
            report.push(
                Diagnostic::new(Code::DuplicateResource, place, message)
                    .also(Place::value(first.origin, "metadata.name"), "here"),
            );
        }
    }
}

/// Only one resource can have the object of a former name. A name that another resource has now may be a former
/// one: its object is renamed, and the other resource gets a new one.
fn previous_names(desired: &[Desired], report: &mut Report) {
    let mut claimed: BTreeMap<Address, &Desired> = BTreeMap::new();
    for it in desired {
        for (index, name) in it.previous_names.iter().enumerate() {
            let before = Address::new(it.address.kind, name.clone());
            let field = format!("metadata.previousNames[{index}]");
            let place = Place::value(it.origin, field.as_str());
            let other = claimed.insert(before.clone(), it);
            let Some(other) = other.filter(|other| other.address != it.address) else { continue };
            let message =
                format!("{before} is a former name of {} and of {}", other.address, it.address);
            let there = Place::value(other.origin, "metadata.previousNames");
            report.push(
                Diagnostic::new(Code::DuplicateResource, place, message)
                    .also(there, "it is listed here as well")
                    .help("remove the name from `previousNames` of the resource that does not get the object"),
            );
        }
    }
}

/// One object can be taken over by one resource, and only where the stack is.
fn adopts(stack: &Stack, desired: &[Desired], report: &mut Report) {
    let mut taken: BTreeMap<&str, &Desired> = BTreeMap::new();
    for it in desired {
        let Some(arn) = &it.lifecycle.adopt else { continue };
        let place = Place::value(it.origin, "lifecycle.adopt");
        report.extend(wrong_place(stack, &Arn::new(arn), &place));
        if let Some(first) = taken.insert(arn, it) {
            let message = format!("{} adopts the same object", first.address);
            report.push(
                Diagnostic::new(Code::DuplicateResource, place, message)
                    .also(Place::value(first.origin, "lifecycle.adopt"), "the first one"),
            );
        }
    }
}

/// References to what nobody declares, or to what is elsewhere.
pub(super) fn references(
    stack: &Stack,
    desired: &[Desired],
    known: &BTreeSet<Address>,
    report: &mut Report,
) {
    for it in desired {
        for edge in it.spec.refs() {
            let place = Place::value(it.origin, format!("spec.{}", edge.field).as_str());
            match &edge.to {
                Pointer::Named(to) if !known.contains(to) => {
                    if let Some(name) = bare_name(edge.kind, &to.name) {
                        let message = format!(
                            "{} is an address: a reference is the name alone",
                            crate::diag::quote(&to.name)
                        );
                        report.push(
                            Diagnostic::new(Code::UnknownReference, place, message)
                                .help(format!("write {}", crate::diag::quote(name))),
                        );
                        continue;
                    }
                    let message =
                        format!("there is no {} named {}", edge.kind, crate::diag::quote(&to.name));
                    let same_kind = known.iter().filter(|it| it.kind == edge.kind);
                    let names = same_kind.map(|it| it.name.as_str());
                    let mut diagnostic = Diagnostic::new(Code::UnknownReference, place, message);
                    let other = known.iter().find(|it| it.name == to.name);
                    diagnostic = match other {
                        Some(other) => diagnostic.help(format!(
                            "`{}` is the name of {}: this field needs {}",
                            to.name,
                            crate::kinds::check::a(other.kind),
                            crate::kinds::check::a(edge.kind)
                        )),
                        None => diagnostic.help("declare it, or give the ARN of one that exists"),
                    };
                    report.push(diagnostic.did_you_mean(&to.name, names));
                }
                Pointer::Named(_) => {}
                Pointer::Outside(arn) => {
                    if let Some(diagnostic) = wrong_place(stack, arn, &place) {
                        report.push(diagnostic);
                    }
                }
            }
        }
    }
}

/// The name in a text of the form `Kind/name`, where the kind is the one that a field refers to.
fn bare_name(kind: Kind, text: &str) -> Option<&str> {
    text.strip_prefix(kind.name())?.strip_prefix('/')
}

/// An ARN of another region or account can never be referred to (rule 11).
fn wrong_place(stack: &Stack, arn: &Arn, place: &Place) -> Option<Diagnostic> {
    let differs = |wanted: &Option<String>, is: Option<&str>| {
        wanted.as_deref().filter(|wanted| is != Some(wanted)).map(ToOwned::to_owned)
    };
    if let Some(region) = differs(&stack.region, arn.region()) {
        let message = format!("this ARN is not of region `{region}`, which the stack is in");
        return Some(Diagnostic::new(Code::WrongRegion, place.clone(), message));
    }
    if let Some(account) = differs(&stack.account, arn.account()) {
        let message = format!("this ARN is not of account `{account}`, which the stack is in");
        return Some(Diagnostic::new(Code::WrongAccount, place.clone(), message));
    }
    None
}

/// More of a kind than the account may have cannot be made, whatever is there already.
fn quotas(stack: &Stack, desired: &[Desired], report: &mut Report) {
    let mut counts: BTreeMap<Kind, Vec<&Desired>> = BTreeMap::new();
    for it in desired {
        counts.entry(it.address.kind).or_default().push(it);
    }
    for (kind, all) in counts {
        let quota = stack.quotas.get(&kind).copied().or(kind.facts().quota);
        if let Some(quota) = quota.filter(|quota| all.len() > *quota as usize) {
            let last = all[quota as usize];
            let message =
                format!("{} resources of kind {kind}: the quota is {quota} an account", all.len());
            report.push(
                Diagnostic::new(Code::QuotaExceeded, Place::value(last.origin, "kind"), message).help(
                    format!("if AWS raised it for you, say so: `spec.quotas: {{ {kind}: … }}` in the Stack"),
                ),
            );
        }
    }
}

/// Names that nobody has, read as what else they can mean; a near miss stays a name, to be told so.
pub(super) fn settle_names(desired: &mut Desired, known: &BTreeSet<Address>) {
    desired.spec.settle_names(&|address: &Address| {
        let names = known.iter().filter(|it| it.kind == address.kind).map(|it| it.name.as_str());
        known.contains(address) || suggest(&address.name, names).is_some()
    });
}

/// Rules between two resources (`docs/service-reference.md` §2: 12, 13, 38, 40, 45).
fn pairs(desired: &[Desired], by_address: &BTreeMap<&Address, &Desired>, report: &mut Report) {
    let mut keys: BTreeMap<Pointer, &Desired> = BTreeMap::new();
    let mut on_air: BTreeMap<Pointer, &Desired> = BTreeMap::new();
    let mut per_stage: BTreeMap<Pointer, usize> = BTreeMap::new();
    let mut per_participant: BTreeMap<_, usize> = BTreeMap::new();
    let mut replicas = BTreeMap::new();
    let mut remembered: BTreeMap<Pointer, usize> = BTreeMap::new();
    let mut buckets: BTreeMap<&str, &Desired> = BTreeMap::new();
    for it in desired {
        let found = |address: &Pointer| match address {
            Pointer::Named(address) => by_address.get(address).map(|it| &it.spec),
            Pointer::Outside(_) => None,
        };
        match &it.spec {
            Spec::StreamKey(key) => {
                if let Some(first) = keys.insert(key.channel.pointer().clone(), it) {
                    report.push(
                        Diagnostic::new(
                            Code::DuplicateResource,
                            Place::value(it.origin, "spec.channel"),
                            "a channel has exactly one stream key, and this is its second",
                        )
                        .also(Place::value(first.origin, "spec.channel"), "the first one"),
                    );
                }
            }
            Spec::StorageConfiguration(storage) => {
                if let Some(first) = buckets.insert(&storage.s3.bucket_name, it) {
                    let field = "spec.s3.bucketName";
                    let message = "two storage configurations share this bucket and its bucket policy, so \
                                   deleting one may keep IVS from writing for the other";
                    report.push(
                        Diagnostic::new(
                            Code::RiskySetting,
                            Place::value(it.origin, field),
                            message,
                        )
                        .also(Place::value(first.origin, field), "the first one")
                        .help("refer to one storage configuration wherever this bucket is meant"),
                    );
                }
            }
            Spec::Channel(channel) => {
                let recording = channel.recording_configuration.as_ref().map(Ref::pointer);
                if let Some(Spec::RecordingConfiguration(recording)) = recording.and_then(found) {
                    recorded(it, channel, recording, report);
                }
            }
            Spec::ParticipantReplication(replication) => {
                let who = replication.participant.as_ref().map(Ref::pointer);
                let id = replication.participant_id.as_deref();
                let whole = (who.cloned(), id, replication.source_stage.pointer().clone());
                let to = replication.destination_stage.pointer();
                if let Some(first) = replicas.insert((whole.clone(), to.clone()), it) {
                    let message = "this participant is replicated to this stage already";
                    let place = Place::value(it.origin, "spec.destinationStage");
                    report.push(
                        Diagnostic::new(Code::DuplicateResource, place, message)
                            .also(Place::value(first.origin, "metadata.name"), "here"),
                    );
                }
                let stages = per_participant.entry(whole).or_default();
                *stages += 1;
                if *stages == 6 {
                    let message =
                        "a participant is replicated to at most 5 stages, and this is the sixth";
                    let place = Place::value(it.origin, "spec.destinationStage");
                    report.push(Diagnostic::new(Code::QuotaExceeded, place, message));
                }
                let fields = ["sourceStage", "destinationStage"];
                let stages = [replication.source_stage.pointer(), to];
                let stage = fields.into_iter().zip(stages).find_map(|(field, stage)| {
                    let Some(Spec::Stage(spec)) = found(stage) else { return None };
                    Some((field, stage, spec.tags.len()))
                });
                if let Some((field, stage, tags)) = stage {
                    let count = remembered.entry(stage.clone()).or_default();
                    *count += 1;
                    if tags + *count == MOST_USER_TAGS + 1 {
                        let message = format!(
                            "a stage remembers each of its replications in a tag: with {tags} tags of its own \
                             there is no room for more than {}",
                            *count - 1
                        );
                        let place = Place::value(it.origin, format!("spec.{field}").as_str());
                        report.push(Diagnostic::new(Code::TooManyTags, place, message));
                    }
                }
                if let Some(Spec::IngestConfiguration(ingest)) = who.and_then(found)
                    && ingest.stage.as_ref() != Some(&replication.source_stage)
                {
                    let message = "this ingest configuration does not publish on the source stage";
                    let place = Place::value(it.origin, "spec.participant");
                    report.push(Diagnostic::new(Code::ConflictingFields, place, message));
                }
            }
            Spec::Composition(composition) => {
                let on_stage = per_stage.entry(composition.stage.pointer().clone()).or_default();
                *on_stage += 1;
                if *on_stage == 6 {
                    report.push(Diagnostic::new(
                        Code::QuotaExceeded,
                        Place::value(it.origin, "spec.stage"),
                        "a stage has at most 5 compositions, and this is its sixth",
                    ));
                }
                if let Some(pip) = &composition.layout.pip {
                    let encoders = it.spec.refs().into_iter().filter_map(|edge| found(&edge.to));
                    for encoder in encoders {
                        inside_the_picture(it, pip, encoder, report);
                    }
                }
                for (index, destination) in composition.destinations.iter().enumerate() {
                    let Some(target) = &destination.channel else { continue };
                    let field = format!("spec.destinations[{index}].channel.channel");
                    if let Some(first) = on_air.insert(target.channel.pointer().clone(), it) {
                        report.push(
                            Diagnostic::new(
                                Code::ConflictingFields,
                                Place::value(it.origin, field.as_str()),
                                "a channel takes one composition at a time, and this is its second",
                            )
                            .also(Place::value(first.origin, "metadata.name"), "the first one"),
                        );
                    }
                }
            }
            _ => {}
        }
    }
}

/// Settings of a recording that its channel makes pointless (rules 12 and 17).
fn recorded(
    at: &Desired,
    channel: &Channel,
    recording: &RecordingConfiguration,
    report: &mut Report,
) {
    let mut warn = |message: &str| {
        let place = Place::value(at.origin, "spec.recordingConfiguration");
        report.push(Diagnostic::new(Code::IneffectiveSetting, place, message));
    };
    let basic = channel.r#type.as_str() == "BASIC";
    if basic && recording.rendition_configuration.rendition_selection.as_str() == "CUSTOM" {
        warn("a BASIC channel has one rendition: CUSTOM renditions have no effect on it");
    }
    let untouched = basic || channel.multitrack_input_configuration.enabled;
    // Sixty seconds is what AWS takes without being asked.
    let interval = recording.thumbnail_configuration.target_interval_seconds;
    if untouched && interval.is_some_and(|it| it < 60) {
        warn(
            "this channel's video is not transcoded: thumbnails come no more often than its keyframes, \
             whatever `targetIntervalSeconds` says",
        );
    }
}

/// An inner picture larger than the whole one (rule 38).
fn inside_the_picture(at: &Desired, pip: &Pip, encoder: &Spec, report: &mut Report) {
    let Spec::EncoderConfiguration(encoder) = encoder else { return };
    let video = &encoder.video;
    for (field, inner, outer) in
        [("pipWidth", pip.pip_width, video.width), ("pipHeight", pip.pip_height, video.height)]
    {
        if inner.is_some_and(|inner| inner > outer) {
            let place = Place::value(at.origin, format!("spec.layout.pip.{field}").as_str());
            let message = format!("the inner picture is larger than the encoder's {outer} pixels");
            report.push(Diagnostic::new(Code::IneffectiveSetting, place, message));
        }
    }
}
