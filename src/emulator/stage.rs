//! Stages: defaults, participant recording, and the effects of a deletion on participants and compositions.

use serde_json::{Map, Value, json};

use super::context::{Answer, OperationContext, check_unique, fill, list, object, overwrite};
use super::failure::Failure;
use super::generator::constant_hex;
use super::kind::Kind;
use super::objects::{Hidden, text};
use super::switches::{Absent, Stance};
use super::{composition, participant, participant_replication, participant_token};

const RECORDING: &str = "autoParticipantRecordingConfiguration";

pub(crate) fn create(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    check_recording(context, input)?;
    for wanted in list(input, "participantTokenConfigurations") {
        participant_token::check(wanted.as_object().unwrap_or(&Map::new()))?;
    }
    context.room_for(Kind::Stage, context.region.objects(Kind::Stage).len())?;
    let arn = context.new_arn(Kind::Stage);
    let mut wire = Map::new();
    wire.insert("arn".to_owned(), json!(arn));
    wire.insert("name".to_owned(), json!(text(input, "name")));
    overwrite(&mut wire, input, &["tags"]);
    let recording = filled(object(input, RECORDING));
    wire.insert(RECORDING.to_owned(), Value::Object(recording));
    let host = constant_hex(&format!("stage{}{}", context.common.account, context.region_name));
    wire.insert(
        "endpoints".to_owned(),
        json!({
            "events": "wss://global.events.live-video.net",
            "whip": format!("https://{host}.global-bm.whip.live-video.net"),
            "rtmp": format!("rtmp://{host}.global-contribute.live-video.net/app/"),
            "rtmps": format!("rtmps://{host}.global-contribute.live-video.net:443/app/"),
        }),
    );
    context.add(Kind::Stage, &arn, wire, Hidden::default())?;
    let mut tokens = Vec::new();
    for wanted in list(input, "participantTokenConfigurations") {
        let wanted = wanted.as_object().cloned().unwrap_or_default();
        tokens.push(participant_token::mint(context, &arn, &wanted));
    }
    let stage = context.find(Kind::Stage, &arn)?.wire.clone();
    Ok(json!({ "stage": stage, "participantTokens": tokens }))
}

pub(crate) fn update(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn").to_owned();
    let old = context.find(Kind::Stage, &arn)?.wire.clone();
    check_recording(context, input)?;
    let mut wire = old.clone();
    overwrite(&mut wire, input, &["name"]);
    if let Some(given) = input.get(RECORDING).and_then(Value::as_object) {
        let recording = match context.common.switches.stage_update {
            Absent::Merge => merged(object(&old, RECORDING), given.clone()),
            Absent::Reset => given.clone(),
        };
        let recording = filled(recording);
        let same = recording == object(&old, RECORDING);
        let may = same && context.common.switches.same_recording == Stance::Accept;
        let (now, lag) = (context.now, context.common.lags().conflict);
        let activity = context.region.stage_activity.get(&arn);
        let runs = activity.is_some_and(|it| it.is_recording(now, lag));
        if runs && !may {
            return Err(Failure::conflict(format!(
                "{RECORDING} of stage {arn} cannot be updated while recording is active"
            )));
        }
        wire.insert(RECORDING.to_owned(), Value::Object(recording));
    }
    context.record(&arn, Vec::new());
    context.find_mut(Kind::Stage, &arn)?.wire = wire;
    context.answer(Kind::Stage, &arn)
}

/// Disconnects all participants, stops compositions, and removes the stage from the ingest configurations that
/// publish to it (only from those).
pub(crate) fn delete(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    context.find(Kind::Stage, arn)?;
    let cut = participant::on_stage(context.region, arn);
    if !cut.is_empty() && context.common.switches.delete_busy_stage == Stance::Refuse {
        return Err(Failure::conflict(format!("Participants are connected to stage {arn}")));
    }
    let now = context.now;
    participant::disconnect_all(context, arn);
    participant_replication::end_for_stage(context.region, arn, now);
    let mut all_cut = cut;
    let settle = context.common.settle_millis;
    all_cut.extend(composition::shut_down_on(context.region, arn, now, settle));
    let answer = context.remove(Kind::Stage, arn, all_cut);
    context.region.stage_activity.remove(arn);
    answer
}

/// The storage configuration a stage records to, "" if it does not record.
pub(crate) fn storage(wire: &Map<String, Value>) -> &str {
    wire.get(RECORDING)
        .and_then(|recording| recording.get("storageConfigurationArn"))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Whether a stage that records also records replicas.
pub(crate) fn records_replicas(wire: &Map<String, Value>) -> bool {
    object(wire, RECORDING).get("recordParticipantReplicas") != Some(&json!(false))
}

fn check_recording(
    context: &OperationContext<'_>,
    input: &Map<String, Value>,
) -> Result<(), Failure> {
    let recording = object(input, RECORDING);
    let arn = text(&recording, "storageConfigurationArn");
    if !arn.is_empty() {
        context.find(Kind::StorageConfiguration, arn)?;
    }
    let thumbnails = object(&recording, "thumbnailConfiguration");
    // DISABLED is what an absent mode means here, unlike in recording configurations.
    let interval = text(&thumbnails, "recordingMode") == "INTERVAL";
    let refused = context.common.switches.interval_while_disabled == Stance::Refuse;
    if thumbnails.contains_key("targetIntervalSeconds") && !interval && refused {
        return Err(Failure::validation(format!(
            "{RECORDING}.thumbnailConfiguration.targetIntervalSeconds is allowed only if \
             recordingMode is INTERVAL"
        )));
    }
    check_unique(
        &format!("{RECORDING}.thumbnailConfiguration.storage"),
        list(&thumbnails, "storage"),
    )
}

/// With defaults; everything at its default if recording is off.
fn filled(mut recording: Map<String, Value>) -> Map<String, Value> {
    if text(&recording, "storageConfigurationArn").is_empty() {
        recording.clear();
    }
    fill(&mut recording, "storageConfigurationArn", json!(""));
    fill(&mut recording, "mediaTypes", json!(["AUDIO_VIDEO"]));
    let mut thumbnails = object(&recording, "thumbnailConfiguration");
    fill(&mut thumbnails, "targetIntervalSeconds", json!(60));
    fill(&mut thumbnails, "storage", json!(["SEQUENTIAL"]));
    fill(&mut thumbnails, "recordingMode", json!("DISABLED"));
    recording.insert("thumbnailConfiguration".to_owned(), Value::Object(thumbnails));
    fill(&mut recording, "recordingReconnectWindowSeconds", json!(0));
    let mut hls = object(&recording, "hlsConfiguration");
    fill(&mut hls, "targetSegmentDurationSeconds", json!(6));
    recording.insert("hlsConfiguration".to_owned(), Value::Object(hls));
    fill(&mut recording, "recordParticipantReplicas", json!(true));
    recording
}

fn merged(mut old: Map<String, Value>, given: Map<String, Value>) -> Map<String, Value> {
    for (member, value) in given {
        match (old.get_mut(&member), value) {
            (Some(Value::Object(kept)), Value::Object(inner)) => kept.extend(inner),
            (_, value) => {
                old.insert(member, value);
            }
        }
    }
    old
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_storage_resets_everything_and_false_is_not_absent() {
        let given = json!({"storageConfigurationArn": "", "recordParticipantReplicas": false,
                           "hlsConfiguration": {"targetSegmentDurationSeconds": 9}});
        let off = filled(given.as_object().cloned().expect("an object"));
        assert_eq!(off, filled(Map::new()));
        let given = json!({"storageConfigurationArn": "a", "recordParticipantReplicas": false});
        let on = filled(given.as_object().cloned().expect("an object"));
        assert_eq!(on.get("recordParticipantReplicas"), Some(&json!(false)));
    }
}
