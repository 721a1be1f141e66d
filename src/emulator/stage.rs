//! Stages: defaults, participant recording, and what their deletion does to everything on them.

use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::generator::constant_hex;
use super::kind::Kind;
use super::scene::{Answer, Scene, check_unique, fill, list, object, overwrite};
use super::shelf::{Hidden, text};
use super::switches::{Absent, Stance};
use super::{composition, participant, participant_replication, participant_token};

const RECORDING: &str = "autoParticipantRecordingConfiguration";

pub(crate) fn create(scene: &mut Scene<'_>, input: &Map<String, Value>) -> Answer {
    check_recording(scene, input)?;
    for wanted in list(input, "participantTokenConfigurations") {
        participant_token::check(wanted.as_object().unwrap_or(&Map::new()))?;
    }
    scene.room_for(Kind::Stage, scene.region.shelf(Kind::Stage).len())?;
    let arn = scene.new_arn(Kind::Stage);
    let mut wire = Map::new();
    wire.insert("arn".to_owned(), json!(arn));
    wire.insert("name".to_owned(), json!(text(input, "name")));
    overwrite(&mut wire, input, &["tags"]);
    let recording = filled(object(input, RECORDING));
    wire.insert(RECORDING.to_owned(), Value::Object(recording));
    let host = constant_hex(&format!("stage{}{}", scene.common.account, scene.region_name));
    wire.insert(
        "endpoints".to_owned(),
        json!({
            "events": "wss://global.events.live-video.net",
            "whip": format!("https://{host}.global-bm.whip.live-video.net"),
            "rtmp": format!("rtmp://{host}.global-contribute.live-video.net/app/"),
            "rtmps": format!("rtmps://{host}.global-contribute.live-video.net:443/app/"),
        }),
    );
    scene.add(Kind::Stage, &arn, wire, Hidden::default())?;
    let mut tokens = Vec::new();
    for wanted in list(input, "participantTokenConfigurations") {
        let wanted = wanted.as_object().cloned().unwrap_or_default();
        tokens.push(participant_token::mint(scene, &arn, &wanted));
    }
    let stage = scene.find(Kind::Stage, &arn)?.wire.clone();
    Ok(json!({ "stage": stage, "participantTokens": tokens }))
}

pub(crate) fn update(scene: &mut Scene<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn").to_owned();
    let old = scene.find(Kind::Stage, &arn)?.wire.clone();
    check_recording(scene, input)?;
    let mut wire = old.clone();
    overwrite(&mut wire, input, &["name"]);
    if let Some(given) = input.get(RECORDING).and_then(Value::as_object) {
        let recording = match scene.common.switches.stage_update {
            Absent::Merge => merged(object(&old, RECORDING), given.clone()),
            Absent::Reset => given.clone(),
        };
        let recording = filled(recording);
        let same = recording == object(&old, RECORDING);
        let may = same && scene.common.switches.same_recording == Stance::Accept;
        let runs = scene.region.floors.get(&arn).is_some_and(participant::Floor::is_recording);
        if runs && !may {
            return Err(Failure::conflict(format!(
                "{RECORDING} of stage {arn} cannot be updated while recording is active"
            )));
        }
        wire.insert(RECORDING.to_owned(), Value::Object(recording));
    }
    scene.record(&arn, Vec::new());
    scene.find_mut(Kind::Stage, &arn)?.wire = wire;
    scene.answer(Kind::Stage, &arn)
}

/// Disconnects everybody, shuts compositions down, and takes the stage away from the ingest
/// configurations that publish to it (only from those).
pub(crate) fn delete(scene: &mut Scene<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    scene.find(Kind::Stage, arn)?;
    let cut = participant::on_stage(scene.region, arn);
    if !cut.is_empty() && scene.common.switches.delete_busy_stage == Stance::Refuse {
        return Err(Failure::conflict(format!("Participants are connected to stage {arn}")));
    }
    let now = scene.now;
    participant::clear(scene, arn);
    participant_replication::forget(scene.region, arn, now);
    let mut victims = cut;
    let settle = scene.common.settle_millis;
    victims.extend(composition::shut_down_on(scene.region, arn, now, settle));
    let answer = scene.remove(Kind::Stage, arn, victims);
    scene.region.floors.remove(arn);
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

fn check_recording(scene: &Scene<'_>, input: &Map<String, Value>) -> Result<(), Failure> {
    let recording = object(input, RECORDING);
    let arn = text(&recording, "storageConfigurationArn");
    if !arn.is_empty() {
        scene.find(Kind::StorageConfiguration, arn)?;
    }
    let thumbnails = object(&recording, "thumbnailConfiguration");
    // DISABLED is what an absent mode means here, unlike in recording configurations.
    let interval = text(&thumbnails, "recordingMode") == "INTERVAL";
    let refused = scene.common.switches.interval_while_disabled == Stance::Refuse;
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
