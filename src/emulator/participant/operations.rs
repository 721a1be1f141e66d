//! The operations of the API on participants and sessions. The changes themselves are in `participant.rs`.

use serde_json::{Map, Value, json};

use super::{Participant, Session, StageActivity, disconnect_participant, publishes_with};
use crate::emulator::clock::Millis;
use crate::emulator::context::{Answer, OperationContext};
use crate::emulator::failure::Failure;
use crate::emulator::kind::Kind;
use crate::emulator::objects::text;
use crate::emulator::pages;

pub(crate) fn disconnect(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let (stage, id) = (text(input, "stageArn"), text(input, "participantId"));
    context.find(Kind::Stage, stage)?;
    let connected = context
        .region
        .stage_activity
        .get(stage)
        .is_some_and(|activity| activity.find(id).is_some());
    if !connected {
        return Err(context.missing(id));
    }
    context.record(stage, vec![format!("participant:{stage}/{id}")]);
    let ingest = publishes_with(context.region, stage, id);
    disconnect_participant(context.region, stage, id, context.now);
    // The state of the ingest configuration changes only when its connection has ended.
    let seconds = i64::from(context.common.switches.disconnect_seconds);
    let down = context.now.after_seconds(seconds);
    let found = context.region.objects_mut(Kind::IngestConfiguration).get_mut(&ingest);
    if let Some(ingest) = found.filter(|_| seconds > 0) {
        ingest.wire.insert("state".to_owned(), json!("ACTIVE"));
        ingest.hidden.due = Some(down);
    }
    Ok(json!({}))
}

/// The activity of a stage, which must exist; `None` before the first participant.
fn activity<'a>(
    context: &'a OperationContext<'_>,
    input: &Map<String, Value>,
) -> Result<Option<&'a StageActivity>, Failure> {
    let stage = text(input, "stageArn");
    context.find(Kind::Stage, stage)?;
    Ok(context.region.stage_activity.get(stage))
}

fn session_wire(session: &Session) -> Map<String, Value> {
    let mut wire = Map::new();
    wire.insert("sessionId".to_owned(), json!(session.id));
    wire.insert("startTime".to_owned(), json!(session.started.to_iso()));
    wire.insert("endTime".to_owned(), json!(session.ended.map(Millis::to_iso)));
    wire
}

pub(crate) fn get_session(context: &OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let id = text(input, "sessionId");
    let found = activity(context, input)?
        .and_then(|activity| activity.sessions.iter().find(|session| session.id == id))
        .ok_or_else(|| context.missing(id))?;
    Ok(json!({ "stageSession": session_wire(found) }))
}

pub(crate) fn list_sessions(context: &OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let activity = activity(context, input)?;
    let rows: Vec<(u64, Map<String, Value>)> = activity
        .into_iter()
        .flat_map(|activity| activity.sessions.iter().rev())
        // Latest first, and still ascending for the pages.
        .map(|session| (u64::MAX - session.sequence, session_wire(session)))
        .collect();
    let rows = rows.iter().map(|(sequence, row)| (*sequence, row)).collect();
    pages::page(context, input, 50, "stageSessions", rows)
}

fn one<'a>(
    context: &'a OperationContext<'_>,
    input: &Map<String, Value>,
) -> Result<Option<&'a Participant>, Failure> {
    let (session, id) = (text(input, "sessionId"), text(input, "participantId"));
    let activity = activity(context, input)?;
    Ok(activity.and_then(|activity| {
        activity.participants.iter().find(|p| p.session == session && p.id == id)
    }))
}

pub(crate) fn get(context: &OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let found =
        one(context, input)?.ok_or_else(|| context.missing(text(input, "participantId")))?;
    Ok(json!({ "participant": found.wire }))
}

pub(crate) fn list(context: &OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let session = text(input, "sessionId");
    let filters = [
        ("filterByUserId", "userId"),
        ("filterByPublished", "published"),
        ("filterByState", "state"),
        ("filterByRecordingState", "recordingState"),
    ]
    .map(|(filter, member)| (member, input.get(filter)));
    if filters.iter().filter(|(_, wanted)| wanted.is_some()).count() > 1 {
        return Err(Failure::validation("Filters are mutually exclusive: give at most one"));
    }
    let activity = activity(context, input)?;
    let rows = activity
        .into_iter()
        .flat_map(|activity| &activity.participants)
        .filter(|one| one.session == session)
        .filter(|one| {
            filters
                .iter()
                .all(|(member, wanted)| wanted.is_none() || one.wire.get(*member) == *wanted)
        })
        .map(|one| (one.sequence, &one.wire))
        .collect();
    pages::page(context, input, 50, "participants", rows)
}

pub(crate) fn list_events(context: &OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let found = one(context, input)?;
    let events = found.map(|one| one.events.as_slice()).unwrap_or_default();
    let rows = events.iter().map(|(sequence, event)| (*sequence, event)).collect();
    pages::page(context, input, 50, "events", rows)
}
