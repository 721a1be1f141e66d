//! Channels: defaults, the rules between their members, references, and the refusal of changes while
//! live.

use serde_json::{Map, Value, json};

use super::context::{Answer, OperationContext, fill, list as items, object, overwrite};
use super::failure::Failure;
use super::generator::constant_hex;
use super::kind::Kind;
use super::objects::{Hidden, text};
use super::stream_key;
use super::switches::{Absent, NameFilter, Stance};

/// The members that refer to other objects, with the kind of those.
const REFERENCES: [(&str, Kind); 4] = [
    ("recordingConfigurationArn", Kind::RecordingConfiguration),
    ("playbackRestrictionPolicyArn", Kind::PlaybackRestrictionPolicy),
    ("adConfigurationArn", Kind::AdConfiguration),
    ("failoverSlateConfigurationArn", Kind::FailoverSlateConfiguration),
];

/// The list filters; at most one may be used.
const FILTERS: [(&str, &str); 5] = [
    ("filterByName", "name"),
    ("filterByRecordingConfigurationArn", "recordingConfigurationArn"),
    ("filterByPlaybackRestrictionPolicyArn", "playbackRestrictionPolicyArn"),
    ("filterByAdConfigurationArn", "adConfigurationArn"),
    ("filterByFailoverSlateConfigurationArn", "failoverSlateConfigurationArn"),
];

pub(crate) fn create(context: &mut OperationContext<'_>, input: Map<String, Value>) -> Answer {
    check_references(context, &input)?;
    let mut wire = input;
    check_multitrack(&wire)?;
    for (member, default) in [("name", ""), ("latencyMode", "LOW"), ("type", "STANDARD")] {
        fill(&mut wire, member, json!(default));
    }
    for member in ["authorized", "insecureIngest"] {
        fill(&mut wire, member, json!(false));
    }
    for (member, _) in REFERENCES {
        fill(&mut wire, member, json!(""));
    }
    fill(&mut wire, "containerFormat", json!("TS"));
    let mut multitrack = object(&wire, "multitrackInputConfiguration");
    fill_multitrack(&mut multitrack);
    wire.insert("multitrackInputConfiguration".to_owned(), Value::Object(multitrack));
    check_preset(&wire)?;
    let preset = if is_advanced(&wire) { "HIGHER_BANDWIDTH_DELIVERY" } else { "" };
    fill(&mut wire, "preset", json!(preset));
    check_whole(&wire)?;
    context.room_for(Kind::Channel, context.region.objects(Kind::Channel).len())?;

    let arn = context.new_arn(Kind::Channel);
    let tags = object(&wire, "tags");
    serve(context, &mut wire, &arn);
    context.add(Kind::Channel, &arn, wire, Hidden::default())?;
    let tags = if context.common.switches.stream_key_copies_tags { tags } else { Map::new() };
    let key = stream_key::make(context, &arn, tags)?;
    let channel = context.find(Kind::Channel, &arn)?.wire.clone();
    Ok(json!({ "channel": channel, "streamKey": key }))
}

/// Adds what the service assigns.
fn serve(context: &mut OperationContext<'_>, wire: &mut Map<String, Value>, arn: &str) {
    let (region, account) = (context.region_name, &context.common.account);
    let host = constant_hex(&format!("{account}{region}"));
    let id = arn.rsplit('/').next().unwrap_or_default();
    let playback = format!(
        "https://{host}.{region}.playback.live-video.net/api/video/v1/{region}.{account}.channel.{id}.m3u8"
    );
    wire.insert("arn".to_owned(), json!(arn));
    wire.insert(
        "ingestEndpoint".to_owned(),
        json!(format!("{host}.global-contribute.live-video.net")),
    );
    wire.insert("playbackUrl".to_owned(), json!(playback));
    let passphrase = format!("sk_emulator_{}", context.common.generator.letters(32));
    let endpoint = format!("{host}.srt.live-video.net");
    wire.insert("srt".to_owned(), json!({ "endpoint": endpoint, "passphrase": passphrase }));
}

fn fill_multitrack(multitrack: &mut Map<String, Value>) {
    fill(multitrack, "enabled", json!(false));
    fill(multitrack, "policy", json!("ALLOW"));
    fill(multitrack, "maximumResolution", json!("FULL_HD"));
}

pub(crate) fn update(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn").to_owned();
    let old = context.find(Kind::Channel, &arn)?.wire.clone();
    refuse_if_live(context, &arn, input)?;
    check_references(context, input)?;
    check_multitrack(input)?;
    let mut wire = old.clone();
    overwrite(
        &mut wire,
        input,
        &["name", "latencyMode", "type", "authorized", "insecureIngest", "containerFormat"],
    );
    for (member, _) in REFERENCES {
        overwrite(&mut wire, input, &[member]);
    }
    if let Some(given) = input.get("multitrackInputConfiguration").and_then(Value::as_object) {
        let mut multitrack = object(&old, "multitrackInputConfiguration");
        if given.is_empty() && context.common.switches.empty_multitrack == Absent::Reset {
            multitrack.insert("enabled".to_owned(), json!(false));
        }
        multitrack.extend(given.clone());
        wire.insert("multitrackInputConfiguration".to_owned(), Value::Object(multitrack));
    }
    overwrite(&mut wire, input, &["preset"]);
    if input.contains_key("preset") {
        check_preset(&wire)?;
    } else if is_advanced(&wire) && text(&wire, "preset").is_empty() {
        wire.insert("preset".to_owned(), json!("HIGHER_BANDWIDTH_DELIVERY"));
    } else if !is_advanced(&wire) && context.common.switches.preset_after_advanced == Absent::Reset
    {
        wire.insert("preset".to_owned(), json!(""));
    }
    check_whole(&wire)?;
    context.record(&arn, Vec::new());
    context.find_mut(Kind::Channel, &arn)?.wire = wire;
    context.answer(Kind::Channel, &arn)
}

fn refuse_if_live(
    context: &OperationContext<'_>,
    arn: &str,
    input: &Map<String, Value>,
) -> Result<(), Failure> {
    let name_only = input.keys().all(|member| member == "arn" || member == "name");
    let allowed = name_only && context.common.switches.live_rename == Stance::Accept;
    let live = context.region.streams.contains_key(arn) || context.region.is_held(arn, context.now);
    if live && !allowed {
        return Err(Failure::conflict(format!(
            "Channel {arn} is live and cannot be updated; stop the stream first"
        )));
    }
    Ok(())
}

pub(crate) fn delete(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    context.find(Kind::Channel, arn)?;
    if context.region.streams.contains_key(arn) || context.region.is_held(arn, context.now) {
        return Err(Failure::conflict(format!(
            "Channel {arn} is live and cannot be deleted; stop the stream first"
        )));
    }
    for key in stream_key::of_channel(context, arn) {
        let now = context.now;
        context.region.objects_mut(Kind::StreamKey).take(&key, now);
    }
    context.region.past_streams.remove(arn);
    context.remove(Kind::Channel, arn, Vec::new())
}

/// Partial success: the channels that exist, and an error for each ARN that does not.
pub(crate) fn batch(
    context: &OperationContext<'_>,
    input: &Map<String, Value>,
    kind: Kind,
) -> Value {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for arn in items(input, "arns").iter().filter_map(Value::as_str) {
        match context.find(kind, arn) {
            Ok(object) => found.push(Value::Object(object.wire.clone())),
            Err(_) => errors.push(json!({
                "arn": arn,
                // The one published sample of a batch error has a number here, not an error name.
                "code": "404",
                "message": format!("Resource: {arn} not found"),
            })),
        }
    }
    // No order is documented, so the answer does not keep that of the request.
    found.reverse();
    json!({ kind.list_member(): found, "errors": errors })
}

pub(crate) fn list(context: &OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let given: Vec<(&str, &str)> = FILTERS
        .into_iter()
        .map(|(filter, member)| (member, text(input, filter)))
        .filter(|(_, wanted)| !wanted.is_empty())
        .collect();
    if given.len() > 1 {
        return Err(Failure::conflict("Filters are mutually exclusive: give at most one"));
    }
    let part = context.common.switches.name_filter == NameFilter::Substring;
    context.list(Kind::Channel, input, 100, |channel| {
        given.iter().all(|(member, wanted)| {
            let value = channel.text(member);
            value == *wanted || (part && *member == "name" && value.contains(wanted))
        })
    })
}

/// Objects that a channel refers to must exist and be usable.
fn check_references(
    context: &OperationContext<'_>,
    input: &Map<String, Value>,
) -> Result<(), Failure> {
    for (member, kind) in REFERENCES {
        let arn = text(input, member);
        if arn.is_empty() {
            continue;
        }
        let state = context.find(kind, arn)?.text("state");
        let unusable = match state {
            "CREATE_FAILED" => true,
            "CREATING" => context.common.switches.reference_while_creating == Stance::Refuse,
            _ => false,
        };
        if unusable {
            return Err(context.conflict(format!("{member} {arn} is in state {state}")));
        }
    }
    Ok(())
}

/// `enabled: true` needs its two companions in the same request.
fn check_multitrack(input: &Map<String, Value>) -> Result<(), Failure> {
    let multitrack = object(input, "multitrackInputConfiguration");
    if multitrack.get("enabled") == Some(&json!(true)) {
        for member in ["policy", "maximumResolution"] {
            if !multitrack.contains_key(member) {
                return Err(Failure::validation(format!(
                    "multitrackInputConfiguration.{member} is required when \
                     multitrackInputConfiguration.enabled is true"
                )));
            }
        }
    }
    Ok(())
}

fn is_advanced(wire: &Map<String, Value>) -> bool {
    text(wire, "type").starts_with("ADVANCED_")
}

fn check_preset(wire: &Map<String, Value>) -> Result<(), Failure> {
    if !text(wire, "preset").is_empty() && !is_advanced(wire) {
        return Err(Failure::validation(
            "preset is selectable only for the channel types ADVANCED_SD and ADVANCED_HD",
        ));
    }
    Ok(())
}

/// The rules between members, on the channel as it would be stored.
fn check_whole(wire: &Map<String, Value>) -> Result<(), Failure> {
    let multitrack = object(wire, "multitrackInputConfiguration");
    if multitrack.get("enabled") == Some(&json!(true)) {
        if text(wire, "type") != "STANDARD" {
            return Err(Failure::validation(
                "multitrackInputConfiguration.enabled can be true only if the channel type is \
                 STANDARD",
            ));
        }
        if text(wire, "containerFormat") != "FRAGMENTED_MP4" {
            return Err(Failure::validation(
                "containerFormat must be FRAGMENTED_MP4 when \
                 multitrackInputConfiguration.enabled is true",
            ));
        }
    }
    if !text(wire, "adConfigurationArn").is_empty() && text(wire, "containerFormat") != "TS" {
        return Err(Failure::validation(
            "containerFormat must be TS when adConfigurationArn is set",
        ));
    }
    Ok(())
}
