//! Who is and was on a stage: sessions, participants, their events. Participants join as publishers or as
//! subscribers, by control requests, through ingest configurations and as replicas; this file treats all three
//! alike. It answers no operation of the API; those are in `operations`.

mod operations;

pub(crate) use operations::{disconnect, get, get_session, list, list_events, list_sessions};

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::account::Common;
use super::clock::Millis;
use super::context::OperationContext;
use super::kind::Kind;
use super::objects::text;
use super::participant_token::Token;
use super::region::Region;
use super::{composition, participant_replication, stage};

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

/// A session begins when the first participant joins. It ends when nobody is connected any more, and no
/// earlier than some minutes after the last participant stopped publishing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) sequence: u64,
    pub(crate) id: String,
    pub(crate) started: Millis,
    pub(crate) ended: Option<Millis>,
    /// Since when nobody is connected.
    #[serde(default)]
    empty_since: Option<Millis>,
    /// When the last publisher stopped; `None` while somebody publishes, and before anybody did.
    #[serde(default)]
    silent_since: Option<Millis>,
}

/// Somebody in a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Participant {
    pub(crate) sequence: u64,
    pub(crate) session: String,
    pub(crate) id: String,
    pub(crate) connected: bool,
    /// Whether the participant publishes at the moment; the `published` of the API stays true afterwards.
    #[serde(default)]
    pub(crate) publishing: bool,
    /// When the participant's last recording ended.
    #[serde(default)]
    pub(crate) recorded_until: Option<Millis>,
    /// The participant as `GetParticipant` answers it, but for what changes.
    pub(crate) wire: Map<String, Value>,
    pub(crate) events: Vec<(u64, Map<String, Value>)>,
}

/// What a participant does on a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Publishes, and may subscribe.
    #[default]
    Publisher,
    /// Subscribes only.
    Subscriber,
}

/// How somebody joins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrival {
    pub(crate) role: Role,
    /// A new id if `None`.
    pub(crate) id: Option<String>,
    pub(crate) user: String,
    pub(crate) attributes: Value,
    pub(crate) protocol: String,
    pub(crate) ingest: Option<String>,
    /// Whether the ingest configuration is redundant.
    pub(crate) redundant: bool,
    /// A replica: its source stage and session.
    pub(crate) source: Option<(String, String)>,
}

impl Floor {
    /// Whether a participant is recorded, or was until less than `lag` ago.
    pub(crate) fn is_recording(&self, now: Millis, lag: i64) -> bool {
        let closing = |one: &Participant| {
            one.recorded_until.is_some_and(|it| now.0 < it.0.saturating_add(lag))
        };
        self.connected().any(|one| text(&one.wire, "recordingState") == "ACTIVE")
            || self.participants.iter().any(closing)
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
    let floor = region.floors.get(stage);
    floor.map_or(0, |floor| floor.connected().filter(|one| one.publishing).count())
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

/// What is recorded on a stage.
struct Recording {
    bucket: Value,
    replicas: bool,
}

fn recording(region: &Region, stage: &str) -> Option<Recording> {
    let wire = &region.objects(Kind::Stage).get(stage)?.wire;
    let storage = region.objects(Kind::StorageConfiguration).get(stage::storage(wire))?;
    let bucket = storage.wire.get("s3")?.get("bucketName").cloned()?;
    Some(Recording { bucket, replicas: stage::records_replicas(wire) })
}

/// Somebody joins a stage, which must exist. Says who and in which session.
pub(crate) fn join(
    region: &mut Region,
    common: &mut Common,
    stage: &str,
    arrival: Arrival,
    now: Millis,
) -> (String, String) {
    let replica = arrival.source.is_some();
    let recording = recording(region, stage).filter(|it| it.replicas || !replica);
    let id = arrival.id.clone().unwrap_or_else(|| common.generator.letters(12));

    let floor = region.floors.entry(stage.to_owned()).or_default();
    let session = match floor.session() {
        Some(session) => session.id.clone(),
        None => open_session(floor, common, now),
    };
    if let Some(session) = floor.sessions.last_mut() {
        session.empty_since = None;
    }
    let role = arrival.role;
    let mut wire = described(&id, arrival, now);
    let again = floor.participants.iter().position(|one| one.id == id && one.session == session);
    let place = if let Some(place) = again {
        for member in ["firstJoinTime", "published"] {
            let before = floor.participants[place].wire.get(member).cloned();
            wire.insert(member.to_owned(), before.unwrap_or_default());
        }
        place
    } else {
        floor.participants.push(Participant {
            sequence: common.next_sequence(),
            session: session.clone(),
            id: id.clone(),
            connected: true,
            publishing: false,
            recorded_until: None,
            wire: Map::new(),
            events: Vec::new(),
        });
        floor.participants.len() - 1
    };
    let one = &mut floor.participants[place];
    one.connected = true;
    one.wire = wire;
    note(one, common, if replica { "REPLICATION_STARTED" } else { "JOINED" }, now);
    if role == Role::Publisher {
        publish(one, common, stage, recording.as_ref(), now);
        if let Some(session) = floor.sessions.last_mut() {
            session.silent_since = None;
        }
    }
    if let Some(found) = region.shelf_mut(Kind::Stage).get_mut(stage) {
        found.wire.insert("activeSessionId".to_owned(), json!(session));
    }
    if !replica && role == Role::Publisher {
        participant_replication::source_back(region, stage, &id);
    }
    composition::publishers_changed(region, stage, now);
    (id, session)
}

/// Somebody who has just joined, as `GetParticipant` answers them.
fn described(id: &str, arrival: Arrival, now: Millis) -> Map<String, Value> {
    let encoder = arrival.protocol.starts_with("RTMP");
    let mut wire = Map::new();
    wire.insert("participantId".to_owned(), json!(id));
    wire.insert("userId".to_owned(), json!(arrival.user));
    wire.insert("state".to_owned(), json!("CONNECTED"));
    wire.insert("firstJoinTime".to_owned(), json!(now.to_iso()));
    wire.insert("attributes".to_owned(), arrival.attributes);
    wire.insert("published".to_owned(), json!(false));
    let subscribes = arrival.role == Role::Subscriber;
    let protocol = if subscribes { "UNKNOWN" } else { &arrival.protocol };
    wire.insert("protocol".to_owned(), json!(protocol));
    // An encoder tells nothing of the machine that it runs on.
    for (member, value) in [
        ("ispName", "Example Networks"),
        ("osName", "Linux"),
        ("osVersion", "6.12"),
        ("browserName", "Firefox"),
        ("browserVersion", "140.0"),
        ("sdkVersion", "1.29.0"),
    ] {
        wire.insert(member.to_owned(), json!(if encoder { "" } else { value }));
    }
    wire.insert("recordingState".to_owned(), json!("DISABLED"));
    wire.insert("recordingS3BucketName".to_owned(), json!(""));
    wire.insert("recordingS3Prefix".to_owned(), json!(""));
    wire.insert("redundantIngest".to_owned(), json!(arrival.redundant));
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
    wire
}

/// A connected participant begins to publish, and is recorded where the stage says so.
fn publish(
    one: &mut Participant,
    common: &mut Common,
    stage: &str,
    recording: Option<&Recording>,
    now: Millis,
) {
    one.publishing = true;
    one.wire.insert("published".to_owned(), json!(true));
    if text(&one.wire, "protocol") == "UNKNOWN" {
        one.wire.insert("protocol".to_owned(), json!("WHIP"));
    }
    if let Some(recording) = recording {
        let stage = stage.rsplit('/').next().unwrap_or_default();
        // The service model allows no slash in it.
        let prefix = format!("{stage}-{}-{}-{}", one.session, one.id, now.0 / 1000);
        one.wire.insert("recordingState".to_owned(), json!("ACTIVE"));
        one.wire.insert("recordingS3BucketName".to_owned(), recording.bucket.clone());
        one.wire.insert("recordingS3Prefix".to_owned(), json!(prefix));
    }
    note(one, common, "PUBLISH_STARTED", now);
}

/// A connected participant stops publishing. Says whether they did.
fn unpublish(one: &mut Participant, now: Millis) -> bool {
    if !std::mem::take(&mut one.publishing) {
        return false;
    }
    if text(&one.wire, "recordingState") == "ACTIVE" {
        one.wire.insert("recordingState".to_owned(), json!("STOPPED"));
        one.recorded_until = Some(now);
    }
    note_later(one, "PUBLISH_STOPPED", now);
    true
}

/// Somebody who is connected begins or ceases to publish. Says who and in which session.
pub(crate) fn change_role(
    region: &mut Region,
    common: &mut Common,
    stage: &str,
    id: &str,
    role: Role,
    now: Millis,
) -> Option<(String, String)> {
    let recording = recording(region, stage);
    let floor = region.floors.get_mut(stage)?;
    let one = floor.participants.iter_mut().find(|one| one.connected && one.id == id)?;
    let session = one.session.clone();
    match role {
        Role::Publisher if !one.publishing => {
            publish(one, common, stage, recording.as_ref(), now);
            if let Some(session) = floor.sessions.last_mut() {
                session.silent_since = None;
            }
            participant_replication::source_back(region, stage, id);
        }
        Role::Subscriber => {
            if unpublish(one, now) {
                note_silence(floor, now);
                participant_replication::source_left(region, stage, id, now);
            }
        }
        Role::Publisher => {}
    }
    composition::publishers_changed(region, stage, now);
    Some((id.to_owned(), session))
}

/// Notes that nobody publishes any more, if that is so.
fn note_silence(floor: &mut Floor, now: Millis) {
    let silent = floor.connected().all(|one| !one.publishing);
    if let Some(session) = floor.sessions.last_mut().filter(|_| silent) {
        session.silent_since = Some(now);
    }
}

fn open_session(floor: &mut Floor, common: &mut Common, now: Millis) -> String {
    let id = format!("st-{}", common.generator.letters(13));
    floor.sessions.push(Session {
        sequence: common.next_sequence(),
        id: id.clone(),
        started: now,
        ended: None,
        empty_since: None,
        silent_since: None,
    });
    if floor.sessions.len() > PAST {
        let old = floor.sessions.remove(0).id;
        floor.participants.retain(|one| one.session != old);
    }
    id
}

/// A participant event.
fn note(one: &mut Participant, common: &mut Common, name: &str, now: Millis) {
    let sequence = common.next_sequence();
    note_at(one, sequence, name, now);
}

/// A participant event with no number of the account: it follows the participant's last one.
fn note_later(one: &mut Participant, name: &str, now: Millis) {
    let last = one.events.last().map_or(0, |(sequence, _)| *sequence);
    note_at(one, last + 1, name, now);
}

fn note_at(one: &mut Participant, sequence: u64, name: &str, now: Millis) {
    let mut event = Map::new();
    event.insert("name".to_owned(), json!(name));
    event.insert("participantId".to_owned(), json!(one.id));
    event.insert("eventTime".to_owned(), json!(now.to_iso()));
    one.events.push((sequence, event));
}

/// Somebody leaves a stage. The ingest configuration behind them becomes INACTIVE and replicas lose their
/// source. Says whether they were there.
pub(crate) fn leave(region: &mut Region, stage: &str, id: &str, now: Millis) -> bool {
    let Some(floor) = region.floors.get_mut(stage) else { return false };
    let Some(one) = floor.participants.iter_mut().find(|one| one.connected && one.id == id) else {
        return false;
    };
    let stopped = unpublish(one, now);
    one.connected = false;
    one.wire.insert("state".to_owned(), json!("DISCONNECTED"));
    let replica = one.wire.contains_key("sourceStageArn");
    if replica {
        one.wire.insert("replicationState".to_owned(), json!("STOPPED"));
    }
    note_later(one, if replica { "REPLICATION_STOPPED" } else { "LEFT" }, now);
    let ingest = text(&one.wire, "ingestConfigurationArn").to_owned();
    if stopped {
        note_silence(floor, now);
    }
    let empty = floor.connected().next().is_none();
    if let Some(session) = floor.sessions.last_mut().filter(|_| empty) {
        session.empty_since = Some(now);
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

/// Ends the sessions that are over by `now`: nobody is connected, and the last publisher stopped `linger` ago.
pub(crate) fn advance(region: &mut Region, now: Millis, linger: Duration) {
    let mut over = Vec::new();
    for (stage, floor) in &mut region.floors {
        let Some(session) = floor.sessions.last_mut().filter(|it| it.ended.is_none()) else {
            continue;
        };
        let Some(empty) = session.empty_since else { continue };
        let end = session.silent_since.map_or(empty, |it| it.after(linger).max(empty));
        if end <= now {
            session.ended = Some(end);
            over.push(stage.clone());
        }
    }
    for stage in over {
        if let Some(found) = region.shelf_mut(Kind::Stage).get_mut(&stage) {
            found.wire.shift_remove("activeSessionId");
        }
    }
}

/// The ingest configuration that somebody publishes with, `""` for none.
fn publishes_with(region: &Region, stage: &str, id: &str) -> String {
    let one = region.floors.get(stage).and_then(|floor| floor.find(id));
    one.map(|one| text(&one.wire, "ingestConfigurationArn").to_owned()).unwrap_or_default()
}

/// Throws somebody out: as leaving, and the ingest configuration they used forgets the stage.
pub(crate) fn throw_out(region: &mut Region, stage: &str, id: &str, now: Millis) -> bool {
    let ingest = publishes_with(region, stage, id);
    let left = leave(region, stage, id, now);
    if let Some(ingest) = region.shelf_mut(Kind::IngestConfiguration).get_mut(&ingest) {
        ingest.wire.insert("stageArn".to_owned(), json!(""));
    }
    left
}

/// Throws everybody out.
pub(crate) fn clear(context: &mut OperationContext<'_>, stage: &str) {
    let floor = context.region.floors.get(stage);
    let ids: Vec<String> =
        floor.into_iter().flat_map(Floor::connected).map(|one| one.id.clone()).collect();
    for id in ids {
        throw_out(context.region, stage, &id, context.now);
    }
}
