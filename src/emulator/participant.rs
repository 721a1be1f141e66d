//! Who is and was on a stage: sessions, participants, their events. People come and go by control
//! requests, through ingest configurations and as replicas; this file does not care which.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::account::Common;
use super::clock::Millis;
use super::failure::Failure;
use super::kind::Kind;
use super::participant_token::Token;
use super::region::Region;
use super::scene::{Answer, Scene};
use super::shelf::text;
use super::{composition, pages, participant_replication, stage};

/// Sessions remembered per stage.
const PAST: usize = 100;

/// One stage's people.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Floor {
    pub(crate) sessions: Vec<Session>,
    pub(crate) participants: Vec<Participant>,
    pub(crate) tokens: Vec<Token>,
}

/// From the first to join to the last to leave.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) sequence: u64,
    pub(crate) id: String,
    pub(crate) started: Millis,
    pub(crate) ended: Option<Millis>,
}

/// Somebody in a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Participant {
    pub(crate) sequence: u64,
    pub(crate) session: String,
    pub(crate) id: String,
    pub(crate) connected: bool,
    /// The participant as `GetParticipant` answers it, but for what changes.
    pub(crate) wire: Map<String, Value>,
    pub(crate) events: Vec<(u64, Map<String, Value>)>,
}

/// How somebody joins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrival {
    /// A new id if `None`.
    pub(crate) id: Option<String>,
    pub(crate) user: String,
    pub(crate) attributes: Value,
    pub(crate) protocol: String,
    pub(crate) ingest: Option<String>,
    /// A replica: its source stage and session.
    pub(crate) source: Option<(String, String)>,
}

impl Floor {
    /// Whether a session is going on.
    pub(crate) fn is_active(&self) -> bool {
        self.session().is_some()
    }

    /// The session that is going on.
    pub(crate) fn session(&self) -> Option<&Session> {
        self.sessions.last().filter(|session| session.ended.is_none())
    }

    pub(crate) fn connected(&self) -> impl Iterator<Item = &Participant> {
        self.participants.iter().filter(|one| one.connected)
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Participant> {
        self.connected().find(|one| one.id == id)
    }
}

/// How many publish on a stage.
pub(crate) fn publishing(region: &Region, stage: &str) -> usize {
    region.floors.get(stage).map_or(0, |floor| floor.connected().count())
}

/// Whether one more may publish on a stage.
pub(crate) fn room(region: &Region, common: &Common, stage: &str) -> Result<(), String> {
    let used = u64::try_from(publishing(region, stage)).unwrap_or(u64::MAX);
    if used < common.quotas.publishers_per_stage {
        return Ok(());
    }
    Err(format!("the quota of publishers on stage `{stage}` is used up"))
}

/// Everybody on a stage, as victims in the history.
pub(crate) fn on_stage(region: &Region, stage: &str) -> Vec<String> {
    let floor = region.floors.get(stage).into_iter();
    floor.flat_map(Floor::connected).map(|one| format!("participant:{stage}/{}", one.id)).collect()
}

/// Somebody joins a stage, which must exist, and publishes. Says who and in which session.
pub(crate) fn join(
    region: &mut Region,
    common: &mut Common,
    stage: &str,
    arrival: Arrival,
    now: Millis,
) -> (String, String) {
    let storage = region.shelf(Kind::Stage).get(stage).map(|found| stage::storage(&found.wire));
    let recording = storage.and_then(|arn| region.shelf(Kind::StorageConfiguration).get(arn));
    let bucket = recording.and_then(|found| found.wire.get("s3")?.get("bucketName").cloned());
    let id = arrival.id.unwrap_or_else(|| common.generator.letters(12));

    let floor = region.floors.entry(stage.to_owned()).or_default();
    let session = match floor.session() {
        Some(session) => session.id.clone(),
        None => open_session(floor, common, now),
    };
    let mut wire = Map::new();
    wire.insert("participantId".to_owned(), json!(id));
    wire.insert("userId".to_owned(), json!(arrival.user));
    wire.insert("state".to_owned(), json!("CONNECTED"));
    wire.insert("firstJoinTime".to_owned(), json!(now.to_iso()));
    wire.insert("attributes".to_owned(), arrival.attributes);
    wire.insert("published".to_owned(), json!(true));
    wire.insert("protocol".to_owned(), json!(arrival.protocol));
    let state = if bucket.is_some() { "ACTIVE" } else { "DISABLED" };
    wire.insert("recordingState".to_owned(), json!(state));
    if let Some(bucket) = bucket {
        wire.insert("recordingS3BucketName".to_owned(), bucket);
        wire.insert("recordingS3Prefix".to_owned(), json!(format!("ivs-emulator-{id}")));
    }
    let replica = arrival.source.is_some();
    wire.insert("replicationType".to_owned(), json!(if replica { "REPLICA" } else { "NONE" }));
    if let Some((source, session)) = arrival.source {
        wire.insert("replicationState".to_owned(), json!("ACTIVE"));
        wire.insert("sourceStageArn".to_owned(), json!(source));
        wire.insert("sourceSessionId".to_owned(), json!(session));
    }
    if let Some(ingest) = arrival.ingest {
        wire.insert("ingestConfigurationArn".to_owned(), json!(ingest));
    }
    let again = floor.participants.iter().position(|one| one.id == id && one.session == session);
    let place = if let Some(place) = again {
        let first = floor.participants[place].wire.get("firstJoinTime").cloned();
        wire.insert("firstJoinTime".to_owned(), first.unwrap_or_default());
        place
    } else {
        floor.participants.push(Participant {
            sequence: common.next_sequence(),
            session: session.clone(),
            id: id.clone(),
            connected: true,
            wire: Map::new(),
            events: Vec::new(),
        });
        floor.participants.len() - 1
    };
    if let Some(one) = floor.participants.get_mut(place) {
        one.connected = true;
        one.wire = wire;
        note(one, common, if replica { "REPLICATION_STARTED" } else { "JOINED" }, now);
        note(one, common, "PUBLISH_STARTED", now);
    }
    if let Some(found) = region.shelf_mut(Kind::Stage).get_mut(stage) {
        found.wire.insert("activeSessionId".to_owned(), json!(session));
    }
    if !replica {
        participant_replication::source_back(region, stage, &id);
    }
    composition::publishers_changed(region, stage, now);
    (id, session)
}

fn open_session(floor: &mut Floor, common: &mut Common, now: Millis) -> String {
    let id = format!("st-{}", common.generator.letters(13));
    floor.sessions.push(Session {
        sequence: common.next_sequence(),
        id: id.clone(),
        started: now,
        ended: None,
    });
    if floor.sessions.len() > PAST {
        let old = floor.sessions.remove(0).id;
        floor.participants.retain(|one| one.session != old);
    }
    id
}

/// A participant event. Events after the fact carry no number of the account: the position of the
/// participant's last one is enough.
fn note(one: &mut Participant, common: &mut Common, name: &str, now: Millis) {
    let sequence = common.next_sequence();
    note_at(one, sequence, name, now);
}

fn note_at(one: &mut Participant, sequence: u64, name: &str, now: Millis) {
    let mut event = Map::new();
    event.insert("name".to_owned(), json!(name));
    event.insert("participantId".to_owned(), json!(one.id));
    event.insert("eventTime".to_owned(), json!(now.to_iso()));
    one.events.push((sequence, event));
}

/// Somebody leaves a stage. The ingest configuration behind them becomes INACTIVE, replicas lose
/// their source, and the last one out ends the session. Says whether they were there.
pub(crate) fn leave(region: &mut Region, stage: &str, id: &str, now: Millis) -> bool {
    let Some(floor) = region.floors.get_mut(stage) else { return false };
    let Some(one) = floor.participants.iter_mut().find(|one| one.connected && one.id == id) else {
        return false;
    };
    one.connected = false;
    one.wire.insert("state".to_owned(), json!("DISCONNECTED"));
    if text(&one.wire, "recordingState") == "ACTIVE" {
        one.wire.insert("recordingState".to_owned(), json!("STOPPED"));
    }
    let replica = one.wire.contains_key("sourceStageArn");
    if replica {
        one.wire.insert("replicationState".to_owned(), json!("STOPPED"));
    }
    let last = one.events.last().map_or(0, |(sequence, _)| *sequence);
    note_at(one, last + 1, "PUBLISH_STOPPED", now);
    note_at(one, last + 2, if replica { "REPLICATION_STOPPED" } else { "LEFT" }, now);
    let ingest = text(&one.wire, "ingestConfigurationArn").to_owned();
    let empty = floor.connected().next().is_none();
    if empty {
        if let Some(session) = floor.sessions.last_mut() {
            session.ended = Some(now);
        }
        if let Some(found) = region.shelf_mut(Kind::Stage).get_mut(stage) {
            found.wire.shift_remove("activeSessionId");
        }
    }
    if let Some(ingest) = region.shelf_mut(Kind::IngestConfiguration).get_mut(&ingest) {
        ingest.wire.insert("state".to_owned(), json!("INACTIVE"));
    }
    if !replica {
        participant_replication::source_left(region, stage, id, now);
    }
    composition::publishers_changed(region, stage, now);
    true
}

/// Throws somebody out: as leaving, and the ingest configuration they used forgets the stage.
pub(crate) fn throw_out(region: &mut Region, stage: &str, id: &str, now: Millis) -> bool {
    let ingest = region
        .floors
        .get(stage)
        .and_then(|floor| floor.find(id))
        .map(|one| text(&one.wire, "ingestConfigurationArn").to_owned())
        .unwrap_or_default();
    let left = leave(region, stage, id, now);
    if let Some(ingest) = region.shelf_mut(Kind::IngestConfiguration).get_mut(&ingest) {
        ingest.wire.insert("stageArn".to_owned(), json!(""));
    }
    left
}

/// Throws everybody out.
pub(crate) fn clear(scene: &mut Scene<'_>, stage: &str) {
    let floor = scene.region.floors.get(stage);
    let ids: Vec<String> =
        floor.into_iter().flat_map(Floor::connected).map(|one| one.id.clone()).collect();
    for id in ids {
        throw_out(scene.region, stage, &id, scene.now);
    }
}

pub(crate) fn disconnect(scene: &mut Scene<'_>, input: &Map<String, Value>) -> Answer {
    let (stage, id) = (text(input, "stageArn"), text(input, "participantId"));
    scene.find(Kind::Stage, stage)?;
    let there = scene.region.floors.get(stage).is_some_and(|floor| floor.find(id).is_some());
    if !there {
        return Err(scene.missing(id));
    }
    scene.record(stage, vec![format!("participant:{stage}/{id}")]);
    throw_out(scene.region, stage, id, scene.now);
    Ok(json!({}))
}

/// The floor of a stage that must exist, and the session if one is named.
fn floor<'a>(
    scene: &'a Scene<'_>,
    input: &Map<String, Value>,
) -> Result<Option<&'a Floor>, Failure> {
    let stage = text(input, "stageArn");
    scene.find(Kind::Stage, stage)?;
    Ok(scene.region.floors.get(stage))
}

fn session_wire(session: &Session) -> Map<String, Value> {
    let mut wire = Map::new();
    wire.insert("sessionId".to_owned(), json!(session.id));
    wire.insert("startTime".to_owned(), json!(session.started.to_iso()));
    wire.insert("endTime".to_owned(), json!(session.ended.map(Millis::to_iso)));
    wire
}

pub(crate) fn get_session(scene: &Scene<'_>, input: &Map<String, Value>) -> Answer {
    let id = text(input, "sessionId");
    let found = floor(scene, input)?
        .and_then(|floor| floor.sessions.iter().find(|session| session.id == id))
        .ok_or_else(|| scene.missing(id))?;
    Ok(json!({ "stageSession": session_wire(found) }))
}

pub(crate) fn list_sessions(scene: &Scene<'_>, input: &Map<String, Value>) -> Answer {
    let floor = floor(scene, input)?;
    let rows: Vec<(u64, Map<String, Value>)> = floor
        .into_iter()
        .flat_map(|floor| floor.sessions.iter().rev())
        // Latest first, and still ascending for the pages.
        .map(|session| (u64::MAX - session.sequence, session_wire(session)))
        .collect();
    let rows = rows.iter().map(|(sequence, row)| (*sequence, row)).collect();
    pages::page(scene, input, 50, "stageSessions", rows)
}

fn one<'a>(
    scene: &'a Scene<'_>,
    input: &Map<String, Value>,
) -> Result<Option<&'a Participant>, Failure> {
    let (session, id) = (text(input, "sessionId"), text(input, "participantId"));
    let floor = floor(scene, input)?;
    Ok(floor
        .and_then(|floor| floor.participants.iter().find(|p| p.session == session && p.id == id)))
}

pub(crate) fn get(scene: &Scene<'_>, input: &Map<String, Value>) -> Answer {
    let found = one(scene, input)?.ok_or_else(|| scene.missing(text(input, "participantId")))?;
    Ok(json!({ "participant": found.wire }))
}

pub(crate) fn list(scene: &Scene<'_>, input: &Map<String, Value>) -> Answer {
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
    let floor = floor(scene, input)?;
    let rows = floor
        .into_iter()
        .flat_map(|floor| &floor.participants)
        .filter(|one| one.session == session)
        .filter(|one| {
            filters
                .iter()
                .all(|(member, wanted)| wanted.is_none() || one.wire.get(*member) == *wanted)
        })
        .map(|one| (one.sequence, &one.wire))
        .collect();
    pages::page(scene, input, 50, "participants", rows)
}

pub(crate) fn list_events(scene: &Scene<'_>, input: &Map<String, Value>) -> Answer {
    let found = one(scene, input)?;
    let events = found.map(|one| one.events.as_slice()).unwrap_or_default();
    let rows = events.iter().map(|(sequence, event)| (*sequence, event)).collect();
    pages::page(scene, input, 50, "events", rows)
}
