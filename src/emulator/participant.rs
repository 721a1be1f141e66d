//! Present and past activity on a stage: sessions, participants and their events. Participants join as publishers or
//! as subscribers, by control requests, through ingest configurations and as replicas; this file treats all three
//! alike. The operations of the API are in `operations`.

mod operations;

pub(crate) use operations::{disconnect, get, get_session, list, list_events, list_sessions};

use std::time::Duration;

use schemars::JsonSchema;
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

/// Sessions that are kept per stage.
const PAST: usize = 100;

/// The sessions, participants and participant tokens of one stage.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct StageActivity {
    pub(crate) sessions: Vec<Session>,
    pub(crate) participants: Vec<Participant>,
    pub(crate) tokens: Vec<Token>,
}

/// A session begins when the first participant joins. It ends when no participant is connected any more, and no
/// earlier than some minutes after the last participant stopped publishing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) sequence: u64,
    pub(crate) id: String,
    pub(crate) started: Millis,
    pub(crate) ended: Option<Millis>,
    /// Since when no participant is connected.
    #[serde(default)]
    empty_since: Option<Millis>,
    /// When the last publisher stopped; `None` while a participant publishes, and before the first one did.
    #[serde(default)]
    silent_since: Option<Millis>,
}

/// A participant of a session.
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
    /// The participant as `GetParticipant` answers it.
    pub(crate) wire: Map<String, Value>,
    pub(crate) events: Vec<(u64, Map<String, Value>)>,
}

/// What a participant does on a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Publishes, and may subscribe.
    #[default]
    Publisher,
    /// Subscribes only.
    Subscriber,
}

/// How a participant joins a stage.
#[derive(Clone, Debug, Default)]
pub(crate) struct JoinRequest {
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

impl StageActivity {
    /// Whether a participant is recorded, or was until less than `lag` ago.
    pub(crate) fn is_recording(&self, now: Millis, lag: i64) -> bool {
        let closing = |one: &Participant| {
            one.recorded_until.is_some_and(|it| now.0 < it.0.saturating_add(lag))
        };
        self.connected().any(|one| text(&one.wire, "recordingState") == "ACTIVE")
            || self.participants.iter().any(closing)
    }

    /// The current session.
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

/// The number of publishers on a stage.
pub(crate) fn publishing(region: &Region, stage: &str) -> usize {
    let activity = region.stage_activity.get(stage);
    activity.map_or(0, |activity| activity.connected().filter(|one| one.publishing).count())
}

/// Checks the quota for one more publisher on a stage.
pub(crate) fn room(region: &Region, common: &Common, stage: &str) -> Result<(), String> {
    let used = u64::try_from(publishing(region, stage)).unwrap_or(u64::MAX);
    if used < common.quotas.publishers_per_stage {
        return Ok(());
    }
    Err(format!("the quota of publishers on stage `{stage}` is used up"))
}

/// The connected participants of a stage, as the history names those that are cut off.
pub(crate) fn on_stage(region: &Region, stage: &str) -> Vec<String> {
    let activity = region.stage_activity.get(stage).into_iter();
    activity
        .flat_map(StageActivity::connected)
        .map(|one| format!("participant:{stage}/{}", one.id))
        .collect()
}

/// The recording of a stage's participants.
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

/// A participant joins a stage, which must exist. Returns the ids of participant and session.
pub(crate) fn join(
    region: &mut Region,
    common: &mut Common,
    stage: &str,
    request: JoinRequest,
    now: Millis,
) -> (String, String) {
    let replica = request.source.is_some();
    let recording = recording(region, stage).filter(|it| it.replicas || !replica);
    let id = request.id.clone().unwrap_or_else(|| common.generator.letters(12));

    let activity = region.stage_activity.entry(stage.to_owned()).or_default();
    let session = match activity.session() {
        Some(session) => session.id.clone(),
        None => open_session(activity, common, now),
    };
    if let Some(session) = activity.sessions.last_mut() {
        session.empty_since = None;
    }
    let role = request.role;
    let mut wire = described(&id, request, now);
    let again = activity.participants.iter().position(|one| one.id == id && one.session == session);
    let place = if let Some(place) = again {
        for member in ["firstJoinTime", "published"] {
            let before = activity.participants[place].wire.get(member).cloned();
            wire.insert(member.to_owned(), before.unwrap_or_default());
        }
        place
    } else {
        activity.participants.push(Participant {
            sequence: common.next_sequence(),
            session: session.clone(),
            id: id.clone(),
            connected: true,
            publishing: false,
            recorded_until: None,
            wire: Map::new(),
            events: Vec::new(),
        });
        activity.participants.len() - 1
    };
    let one = &mut activity.participants[place];
    one.connected = true;
    one.wire = wire;
    note(one, common, if replica { "REPLICATION_STARTED" } else { "JOINED" }, now);
    if role == Role::Publisher {
        publish(one, common, stage, recording.as_ref(), now);
        if let Some(session) = activity.sessions.last_mut() {
            session.silent_since = None;
        }
    }
    if let Some(found) = region.objects_mut(Kind::Stage).get_mut(stage) {
        found.wire.insert("activeSessionId".to_owned(), json!(session));
    }
    if !replica && role == Role::Publisher {
        participant_replication::source_returned(region, stage, &id);
    }
    composition::publishers_changed(region, stage, now);
    (id, session)
}

/// A participant who has just joined, as `GetParticipant` answers it.
fn described(id: &str, request: JoinRequest, now: Millis) -> Map<String, Value> {
    let encoder = request.protocol.starts_with("RTMP");
    let mut wire = Map::new();
    wire.insert("participantId".to_owned(), json!(id));
    wire.insert("userId".to_owned(), json!(request.user));
    wire.insert("state".to_owned(), json!("CONNECTED"));
    wire.insert("firstJoinTime".to_owned(), json!(now.to_iso()));
    wire.insert("attributes".to_owned(), request.attributes);
    wire.insert("published".to_owned(), json!(false));
    let subscribes = request.role == Role::Subscriber;
    let protocol = if subscribes { "UNKNOWN" } else { &request.protocol };
    wire.insert("protocol".to_owned(), json!(protocol));
    // An encoder sends no information about its machine.
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
    wire.insert("redundantIngest".to_owned(), json!(request.redundant));
    let replica = request.source.is_some();
    wire.insert("replicationType".to_owned(), json!(if replica { "REPLICA" } else { "NONE" }));
    if let Some((source, session)) = request.source {
        wire.insert("replicationState".to_owned(), json!("ACTIVE"));
        wire.insert("sourceStageArn".to_owned(), json!(source));
        wire.insert("sourceSessionId".to_owned(), json!(session));
    }
    if let Some(ingest) = request.ingest {
        wire.insert("ingestConfigurationArn".to_owned(), json!(ingest));
    }
    wire
}

/// A connected participant begins to publish, and is recorded if the stage has a recording.
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

/// A connected participant stops publishing. Returns whether it was publishing.
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

/// A connected participant begins or ceases to publish. Returns the ids of participant and session.
pub(crate) fn change_role(
    region: &mut Region,
    common: &mut Common,
    stage: &str,
    id: &str,
    role: Role,
    now: Millis,
) -> Option<(String, String)> {
    let recording = recording(region, stage);
    let activity = region.stage_activity.get_mut(stage)?;
    let one = activity.participants.iter_mut().find(|one| one.connected && one.id == id)?;
    let session = one.session.clone();
    match role {
        Role::Publisher if !one.publishing => {
            publish(one, common, stage, recording.as_ref(), now);
            if let Some(session) = activity.sessions.last_mut() {
                session.silent_since = None;
            }
            participant_replication::source_returned(region, stage, id);
        }
        Role::Subscriber => {
            if unpublish(one, now) {
                note_no_publishers(activity, now);
                participant_replication::source_left(region, stage, id, now);
            }
        }
        Role::Publisher => {}
    }
    composition::publishers_changed(region, stage, now);
    Some((id.to_owned(), session))
}

/// Notes the time if the stage has no publisher any more.
fn note_no_publishers(activity: &mut StageActivity, now: Millis) {
    let silent = activity.connected().all(|one| !one.publishing);
    if let Some(session) = activity.sessions.last_mut().filter(|_| silent) {
        session.silent_since = Some(now);
    }
}

fn open_session(activity: &mut StageActivity, common: &mut Common, now: Millis) -> String {
    let id = format!("st-{}", common.generator.letters(13));
    activity.sessions.push(Session {
        sequence: common.next_sequence(),
        id: id.clone(),
        started: now,
        ended: None,
        empty_since: None,
        silent_since: None,
    });
    if activity.sessions.len() > PAST {
        let old = activity.sessions.remove(0).id;
        activity.participants.retain(|one| one.session != old);
    }
    id
}

/// A participant event.
fn note(one: &mut Participant, common: &mut Common, name: &str, now: Millis) {
    let sequence = common.next_sequence();
    note_at(one, sequence, name, now);
}

/// A participant event without a sequence number of the account: it follows the participant's last one.
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

/// A participant leaves a stage. Its ingest configuration becomes INACTIVE and its replicas lose their source.
/// Returns whether it was connected.
pub(crate) fn leave(region: &mut Region, stage: &str, id: &str, now: Millis) -> bool {
    let Some(activity) = region.stage_activity.get_mut(stage) else { return false };
    let Some(one) = activity.participants.iter_mut().find(|one| one.connected && one.id == id)
    else {
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
        note_no_publishers(activity, now);
    }
    let empty = activity.connected().next().is_none();
    if let Some(session) = activity.sessions.last_mut().filter(|_| empty) {
        session.empty_since = Some(now);
    }
    if let Some(ingest) = region.objects_mut(Kind::IngestConfiguration).get_mut(&ingest) {
        ingest.wire.insert("state".to_owned(), json!("INACTIVE"));
    }
    if !replica {
        participant_replication::source_left(region, stage, id, now);
    }
    composition::publishers_changed(region, stage, now);
    true
}

/// Ends the sessions that are over by `now`: no participant is connected, and the last publisher stopped `linger`
/// ago.
pub(crate) fn advance(region: &mut Region, now: Millis, linger: Duration) {
    let mut over = Vec::new();
    for (stage, activity) in &mut region.stage_activity {
        let Some(session) = activity.sessions.last_mut().filter(|it| it.ended.is_none()) else {
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
        if let Some(found) = region.objects_mut(Kind::Stage).get_mut(&stage) {
            found.wire.shift_remove("activeSessionId");
        }
    }
}

/// The ingest configuration of a participant, `""` for none.
fn publishes_with(region: &Region, stage: &str, id: &str) -> String {
    let one = region.stage_activity.get(stage).and_then(|activity| activity.find(id));
    one.map(|one| text(&one.wire, "ingestConfigurationArn").to_owned()).unwrap_or_default()
}

/// Disconnects a participant: it leaves, and the stage is removed from its ingest configuration.
pub(crate) fn disconnect_participant(
    region: &mut Region,
    stage: &str,
    id: &str,
    now: Millis,
) -> bool {
    let ingest = publishes_with(region, stage, id);
    let left = leave(region, stage, id, now);
    if let Some(ingest) = region.objects_mut(Kind::IngestConfiguration).get_mut(&ingest) {
        ingest.wire.insert("stageArn".to_owned(), json!(""));
    }
    left
}

/// Disconnects all participants of a stage.
pub(crate) fn disconnect_all(context: &mut OperationContext<'_>, stage: &str) {
    let activity = context.region.stage_activity.get(stage);
    let ids: Vec<String> =
        activity.into_iter().flat_map(StageActivity::connected).map(|one| one.id.clone()).collect();
    for id in ids {
        disconnect_participant(context.region, stage, &id, context.now);
    }
}
