//! Ingest configurations: a stream key with which an encoder publishes on a stage. The service removes the stage
//! from the configuration when it disconnects the publisher.

use serde_json::{Map, Value, json};

use super::account::Common;
use super::clock::Millis;
use super::context::{Answer, OperationContext, check_attributes, fill, overwrite};
use super::control::Joined;
use super::failure::Failure;
use super::kind::Kind;
use super::objects::{Hidden, text};
use super::participant::{self, JoinRequest};
use super::region::Region;

pub(crate) fn create(context: &mut OperationContext<'_>, mut input: Map<String, Value>) -> Answer {
    let insecure_ingest = input.shift_remove("insecureIngest") == Some(json!(true));
    if text(&input, "ingestProtocol") == "RTMP" && !insecure_ingest {
        return Err(Failure::validation("insecureIngest must be true if ingestProtocol is RTMP"));
    }
    check_attributes(&input)?;
    check_stage(context, &input)?;
    let arn = context.new_arn(Kind::IngestConfiguration);
    let mut wire = input;
    wire.insert("arn".to_owned(), json!(arn));
    for member in ["name", "stageArn", "userId"] {
        fill(&mut wire, member, json!(""));
    }
    fill(&mut wire, "redundantIngest", json!(false));
    wire.insert("state".to_owned(), json!("INACTIVE"));
    wire.insert("participantId".to_owned(), json!(context.common.generator.letters(12)));
    let key = stream_key(context);
    wire.insert("streamKey".to_owned(), key);
    set_credentials(context, &mut wire);
    let hidden = Hidden { insecure_ingest, ..Hidden::default() };
    context.create(Kind::IngestConfiguration, &arn, wire, hidden)
}

/// In the shape the model wants, and recognisably not a real one.
fn stream_key(context: &mut OperationContext<'_>) -> Value {
    let id = context.common.generator.letters(12);
    let rest = context.common.generator.letters(24);
    json!(format!("rt_{}_{}_{id}_sk_emulator_{rest}", context.common.account, context.region_name))
}

/// A second key while redundant, none otherwise.
fn set_credentials(context: &mut OperationContext<'_>, wire: &mut Map<String, Value>) {
    const MEMBER: &str = "redundantIngestCredentials";
    if wire.get("redundantIngest") != Some(&json!(true)) {
        wire.shift_remove(MEMBER);
    } else if !wire.contains_key(MEMBER) {
        let participant = context.common.generator.letters(12);
        let key = stream_key(context);
        wire.insert(MEMBER.to_owned(), json!([{ "participantId": participant, "streamKey": key }]));
    }
}

fn check_stage(context: &OperationContext<'_>, input: &Map<String, Value>) -> Result<(), Failure> {
    match text(input, "stageArn") {
        "" => Ok(()),
        stage => context.find(Kind::Stage, stage).map(|_| ()),
    }
}

pub(crate) fn update(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    let old = context.find(Kind::IngestConfiguration, arn)?;
    if old.text("state") == "ACTIVE" {
        return Err(Failure::conflict(format!("{arn} is ACTIVE and cannot be updated")));
    }
    let mut wire = old.wire.clone();
    check_stage(context, input)?;
    overwrite(&mut wire, input, &["stageArn", "redundantIngest"]);
    set_credentials(context, &mut wire);
    context.record(arn, Vec::new());
    context.find_mut(Kind::IngestConfiguration, arn)?.wire = wire;
    context.answer(Kind::IngestConfiguration, arn)
}

pub(crate) fn delete(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    let found = context.find(Kind::IngestConfiguration, arn)?;
    let mut cut = Vec::new();
    if found.text("state") == "ACTIVE" {
        if input.get("force") != Some(&json!(true)) {
            return Err(Failure::conflict(format!(
                "{arn} is ACTIVE and cannot be deleted without force"
            )));
        }
        let (stage, id) =
            (found.text("stageArn").to_owned(), found.text("participantId").to_owned());
        cut.push(format!("participant:{stage}/{id}"));
        participant::leave(context.region, &stage, &id, context.now);
    }
    context.remove(Kind::IngestConfiguration, arn, cut)
}

pub(crate) fn list(context: &OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let (stage, state) = (text(input, "filterByStageArn"), text(input, "filterByState"));
    if !stage.is_empty() && !state.is_empty() {
        return Err(Failure::validation("Filters are mutually exclusive: give at most one"));
    }
    context.list(Kind::IngestConfiguration, input, 50, |found| {
        (stage.is_empty() || found.text("stageArn") == stage)
            && (state.is_empty() || found.text("state") == state)
    })
}

/// An encoder begins to publish (a control request): the configuration becomes ACTIVE.
pub(crate) fn begin(
    region: &mut Region,
    common: &mut Common,
    arn: &str,
    now: Millis,
) -> Result<Joined, (u16, String)> {
    let Some(found) = region.objects(Kind::IngestConfiguration).get(arn) else {
        return Err((404, format!("ingest configuration `{arn}` does not exist")));
    };
    let stage = found.text("stageArn").to_owned();
    if found.text("state") == "ACTIVE" {
        return Err((409, format!("ingest configuration `{arn}` is ACTIVE already")));
    }
    if region.objects(Kind::Stage).get(&stage).is_none() {
        return Err((409, format!("ingest configuration `{arn}` has no stage to publish on")));
    }
    participant::room(region, common, &stage).map_err(|message| (409, message))?;
    let Some(found) = region.objects_mut(Kind::IngestConfiguration).get_mut(arn) else {
        return Err((404, format!("ingest configuration `{arn}` does not exist")));
    };
    found.wire.insert("state".to_owned(), json!("ACTIVE"));
    let request = JoinRequest {
        id: Some(found.text("participantId").to_owned()),
        user: found.text("userId").to_owned(),
        attributes: found.wire.get("attributes").cloned().unwrap_or_else(|| json!({})),
        protocol: found.text("ingestProtocol").to_owned(),
        ingest: Some(arn.to_owned()),
        redundant: found.wire.get("redundantIngest") == Some(&json!(true)),
        ..JoinRequest::default()
    };
    let (participant_id, session_id) = participant::join(region, common, &stage, request, now);
    Ok(Joined { participant_id, session_id })
}

/// The encoder stops (a control request): the configuration becomes INACTIVE and keeps its stage.
pub(crate) fn cease(region: &mut Region, arn: &str, now: Millis) -> Result<(), (u16, String)> {
    let found = region.objects(Kind::IngestConfiguration).get(arn);
    let active = found.filter(|found| found.text("state") == "ACTIVE");
    let Some(active) = active else {
        return Err((404, format!("ingest configuration `{arn}` is not ACTIVE")));
    };
    let (stage, id) = (active.text("stageArn").to_owned(), active.text("participantId").to_owned());
    participant::leave(region, &stage, &id, now);
    // `leave` does not find a participant who was disconnected before.
    if let Some(found) = region.objects_mut(Kind::IngestConfiguration).get_mut(arn) {
        found.wire.insert("state".to_owned(), json!("INACTIVE"));
    }
    Ok(())
}
