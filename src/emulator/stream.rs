//! Live and past streams, and the operations on a stream.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::account::Common;
use super::clock::Millis;
use super::composition;
use super::context::{Answer, OperationContext, object};
use super::failure::Failure;
use super::kind::Kind;
use super::objects::text;
use super::pages;
use super::region::{Lags, Region};

/// Ended streams that are kept per channel.
const PAST: usize = 100;
/// The largest timed metadata.
const METADATA: usize = 1024;
/// Events that a stream session shows, the latest ones.
const EVENTS: usize = 500;

/// The types of stream events (user guide, "Using Amazon `EventBridge` with Amazon IVS").
const STATE_CHANGE: &str = "IVS Stream State Change";
const HEALTH_CHANGE: &str = "IVS Stream Health Change";
const RECORDING_CHANGE: &str = "IVS Recording State Change";

/// One stream, live or ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stream {
    pub(crate) sequence: u64,
    pub(crate) id: String,
    pub(crate) started: Millis,
    pub(crate) ended: Option<Millis>,
    /// When the stream ends, after `StopStream` or the end of its composition.
    pub(crate) ending: Option<Millis>,
    pub(crate) viewers: i64,
    pub(crate) health: String,
    /// The composition that broadcasts; `None` for an encoder.
    pub(crate) composition: Option<String>,
    /// What the stream session shows: the configurations at its start.
    pub(crate) session: Map<String, Value>,
    /// Its events, the oldest first.
    #[serde(default)]
    events: Vec<Value>,
    /// The code of the failure that ends it, if one does.
    #[serde(default)]
    pub(crate) failure: Option<String>,
}

impl Stream {
    fn note(&mut self, name: &str, sort: &str, at: Millis) {
        let event = json!({ "name": name, "type": sort, "eventTime": at.to_iso() });
        self.events.push(event);
    }

    fn is_recorded(&self) -> bool {
        self.session.contains_key("recordingConfiguration")
    }

    /// Sets the health and notes the event.
    pub(crate) fn set_health(&mut self, health: &str, at: Millis) {
        match (self.health.as_str(), health) {
            (before, "STARVING") if before != "STARVING" => {
                self.note("Starvation Start", HEALTH_CHANGE, at);
            }
            ("STARVING", "HEALTHY") => self.note("Starvation End", HEALTH_CHANGE, at),
            _ => {}
        }
        health.clone_into(&mut self.health);
    }

    fn begin(&mut self, at: Millis) {
        self.note("Session Created", STATE_CHANGE, at);
        self.note("Stream Start", STATE_CHANGE, at);
        if self.is_recorded() {
            self.note("Recording Start", RECORDING_CHANGE, at);
        }
    }

    fn end(&mut self, at: Millis) {
        self.ended = Some(at);
        if self.is_recorded() {
            self.note("Recording End", RECORDING_CHANGE, at);
        }
        self.note("Stream End", STATE_CHANGE, at);
        self.note("Session Ended", STATE_CHANGE, at);
        if let (Some(code), Some(last)) = (&self.failure, self.events.last_mut()) {
            last["code"] = json!(code);
        }
    }
}

/// How a stream starts.
pub(crate) struct Start {
    pub(crate) viewers: i64,
    pub(crate) composition: Option<String>,
}

/// A channel goes live. It must exist and be offline.
pub(crate) fn go_live(
    region: &mut Region,
    common: &mut Common,
    channel: &str,
    start: Start,
    now: Millis,
) {
    let Some(found) = region.objects(Kind::Channel).get(channel) else { return };
    let mut session = Map::new();
    for (member, kind, arn) in [
        ("channel", Kind::Channel, channel),
        (
            "recordingConfiguration",
            Kind::RecordingConfiguration,
            found.text("recordingConfigurationArn"),
        ),
        (
            "failoverSlateConfiguration",
            Kind::FailoverSlateConfiguration,
            found.text("failoverSlateConfigurationArn"),
        ),
    ] {
        if let Some(object) = region.objects(kind).get(arn) {
            session.insert(member.to_owned(), Value::Object(object.wire.clone()));
        }
    }
    let multitrack = object(&found.wire, "multitrackInputConfiguration");
    session.extend(encoder_settings(multitrack.get("enabled") == Some(&json!(true))));
    let mut stream = Stream {
        sequence: common.next_sequence(),
        id: format!("st-{}", common.generator.letters(23)),
        started: now,
        ended: None,
        ending: None,
        viewers: start.viewers,
        health: "HEALTHY".to_owned(),
        composition: start.composition,
        session,
        events: Vec::new(),
        failure: None,
    };
    stream.begin(now);
    region.streams.insert(channel.to_owned(), stream);
}

/// What the encoder sends: the deprecated member has the first track only, the other one all tracks.
fn encoder_settings(multitrack: bool) -> [(String, Value); 2] {
    let heights: &[u32] = if multitrack { &[720, 480] } else { &[720] };
    let video = |(index, height): (usize, &u32)| {
        json!({
            "codec": "avc1.4D401F", "encoder": "emulator", "avcProfile": "", "avcLevel": "",
            "profile": "Main", "level": "3.1", "targetBitrate": 2_500_000, "targetFramerate": 30,
            "videoHeight": height, "videoWidth": height * 16 / 9, "track": format!("Track{index}"),
        })
    };
    let videos: Vec<Value> = heights.iter().enumerate().map(video).collect();
    let audio = json!({
        "codec": "mp4a.40.2", "targetBitrate": 128_000, "sampleRate": 44_100, "channels": 2,
        "track": "Track0",
    });
    let mut first = videos[0].clone();
    first["avcProfile"] = json!("Main");
    first["avcLevel"] = json!("3.1");
    [
        ("ingestConfiguration".to_owned(), json!({ "video": first, "audio": audio })),
        (
            "ingestConfigurations".to_owned(),
            json!({ "videoConfigurations": videos, "audioConfigurations": [audio] }),
        ),
    ]
}

/// A stream ends.
pub(crate) fn end(region: &mut Region, channel: &str, at: Millis) {
    if let Some(mut stream) = region.streams.remove(channel) {
        stream.end(at);
        let past = region.past_streams.entry(channel.to_owned()).or_default();
        past.push(stream);
        if past.len() > PAST {
            past.remove(0);
        }
    }
}

/// The stream that a composition broadcasts to a channel ends some time from now.
pub(crate) fn end_for(
    region: &mut Region,
    channel: &str,
    composition: &str,
    now: Millis,
    lags: Lags,
) {
    let stream = region.streams.get_mut(channel);
    let its = |it: &&mut Stream| it.composition.as_deref() == Some(composition);
    if let Some(stream) = stream.filter(its).filter(|it| it.ending.is_none()) {
        stream.ending = Some(Millis(now.0.saturating_add(lags.stream)));
    }
    advance(region, now, lags);
}

/// Ends the streams that are due, each at its own time. Changes to their channels are refused a little longer.
pub(crate) fn advance(region: &mut Region, now: Millis, lags: Lags) {
    let due: Vec<(String, Millis)> = region
        .streams
        .iter()
        .filter_map(|(channel, stream)| stream.ending.map(|at| (channel.clone(), at)))
        .filter(|(_, at)| *at <= now)
        .collect();
    for (channel, at) in due {
        end(region, &channel, at);
        region.hold(&channel, Millis(at.0.saturating_add(lags.conflict)));
    }
}

fn wire(channel: &str, stream: &Stream) -> Map<String, Value> {
    let mut wire = Map::new();
    wire.insert("channelArn".to_owned(), json!(channel));
    wire.insert("streamId".to_owned(), json!(stream.id));
    let playback = stream.session.get("channel").and_then(|found| found.get("playbackUrl"));
    wire.insert("playbackUrl".to_owned(), playback.cloned().unwrap_or_default());
    wire.insert("startTime".to_owned(), json!(stream.started.to_iso()));
    let (state, viewers) =
        if stream.ended.is_some() { ("OFFLINE", 0) } else { ("LIVE", stream.viewers) };
    wire.insert("state".to_owned(), json!(state));
    wire.insert("health".to_owned(), json!(stream.health));
    wire.insert("viewerCount".to_owned(), json!(viewers));
    wire
}

/// The ended streams that are still answered (a switch), by channel.
fn offline<'a>(
    context: &'a OperationContext<'_>,
) -> impl Iterator<Item = (&'a String, &'a Stream)> {
    let shown = i64::from(context.common.switches.offline_stream_seconds) * 1_000;
    let last = context.region.past_streams.iter();
    let last = last.filter_map(|(channel, past)| Some((channel, past.last()?)));
    last.filter(move |(channel, stream)| {
        let ended = stream.ended.unwrap_or_default();
        !context.region.streams.contains_key(*channel)
            && context.now.0 < ended.0.saturating_add(shown)
    })
}

/// The live stream of a channel that must exist.
fn live<'a>(context: &'a OperationContext<'_>, channel: &str) -> Result<&'a Stream, Failure> {
    context.find(Kind::Channel, channel)?;
    context.region.streams.get(channel).ok_or_else(|| Failure::not_broadcasting(channel))
}

pub(crate) fn get(context: &OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let channel = text(input, "channelArn");
    if let Some((_, ended)) = offline(context).find(|(it, _)| *it == channel) {
        return Ok(json!({ "stream": wire(channel, ended) }));
    }
    let stream = live(context, channel)?;
    Ok(json!({ "stream": wire(channel, stream) }))
}

pub(crate) fn list(context: &OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let health = object(input, "filterBy");
    let health = text(&health, "health");
    let mut rows: Vec<(u64, Map<String, Value>)> = context
        .region
        .streams
        .iter()
        .chain(offline(context))
        .filter(|(_, stream)| health.is_empty() || stream.health == health)
        .map(|(channel, stream)| (stream.sequence, wire(channel, stream)))
        .collect();
    rows.sort_by_key(|(sequence, _)| *sequence);
    let rows = rows.iter().map(|(sequence, row)| (*sequence, row)).collect();
    pages::page(context, input, 100, "streams", rows)
}

pub(crate) fn stop(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let channel = text(input, "channelArn");
    let stream = live(context, channel)?;
    let (composition, stopping) = (stream.composition.clone(), stream.ending.is_some());
    if stopping {
        return Err(Failure::not_broadcasting(channel));
    }
    context.record(channel, vec![format!("stream:{channel}")]);
    let (now, lags) = (context.now, context.common.lags());
    if let Some(stream) = context.region.streams.get_mut(channel) {
        stream.ending = Some(Millis(now.0.saturating_add(lags.stream)));
    }
    advance(context.region, now, lags);
    if let Some(composition) = composition {
        composition::stream_stopped(context.region, &composition, channel, now, lags);
    }
    Ok(json!({}))
}

pub(crate) fn put_metadata(
    context: &mut OperationContext<'_>,
    input: &Map<String, Value>,
) -> Answer {
    let channel = text(input, "channelArn");
    if text(input, "metadata").len() > METADATA {
        return Err(Failure::validation(format!(
            "Value at 'metadata' failed to satisfy constraint: Member must have at most {METADATA} \
             bytes"
        )));
    }
    live(context, channel)?;
    context.record(channel, Vec::new());
    Ok(json!({}))
}

pub(crate) fn insert_ad_break(
    context: &mut OperationContext<'_>,
    input: &Map<String, Value>,
) -> Answer {
    let channel = text(input, "channelArn");
    live(context, channel)?;
    if context.find(Kind::Channel, channel)?.text("adConfigurationArn").is_empty() {
        return Err(Failure::conflict(format!("Channel {channel} has no ad configuration")));
    }
    context.record(channel, Vec::new());
    let id = match text(input, "adBreakId") {
        "" => context.common.generator.letters(12),
        given => given.to_owned(),
    };
    let at = Millis::from_iso(text(input, "targetStartAt")).unwrap_or(context.now);
    Ok(json!({ "adBreakId": id, "targetStartAt": at.to_iso() }))
}

/// All streams of a channel, the latest first.
fn sessions<'a>(
    context: &'a OperationContext<'_>,
    channel: &str,
) -> Result<Vec<&'a Stream>, Failure> {
    context.find(Kind::Channel, channel)?;
    let live = context.region.streams.get(channel).into_iter();
    let past = context.region.past_streams.get(channel).into_iter().flatten().rev();
    Ok(live.chain(past).collect())
}

pub(crate) fn get_session(context: &OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let channel = text(input, "channelArn");
    let id = text(input, "streamId");
    let found = sessions(context, channel)?;
    let stream = found
        .into_iter()
        .find(|stream| id.is_empty() || stream.id == id)
        .ok_or_else(|| context.missing(if id.is_empty() { channel } else { id }))?;
    let mut session = stream.session.clone();
    session.insert("streamId".to_owned(), json!(stream.id));
    session.insert("startTime".to_owned(), json!(stream.started.to_iso()));
    if let Some(ended) = stream.ended {
        session.insert("endTime".to_owned(), json!(ended.to_iso()));
    }
    let events = stream.events.iter().rev().take(EVENTS).cloned().collect();
    session.insert("truncatedEvents".to_owned(), Value::Array(events));
    Ok(json!({ "streamSession": session }))
}

pub(crate) fn list_sessions(context: &OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let found = sessions(context, text(input, "channelArn"))?;
    let rows: Vec<(u64, Map<String, Value>)> = found
        .into_iter()
        .map(|stream| {
            let mut row = Map::new();
            row.insert("streamId".to_owned(), json!(stream.id));
            row.insert("startTime".to_owned(), json!(stream.started.to_iso()));
            row.insert("endTime".to_owned(), json!(stream.ended.map(Millis::to_iso)));
            let failed = stream.events.iter().any(|event| event.get("code").is_some());
            row.insert("hasErrorEvent".to_owned(), json!(failed));
            // Latest first, and still ascending for the pages.
            (u64::MAX - stream.sequence, row)
        })
        .collect();
    let rows = rows.iter().map(|(sequence, row)| (*sequence, row)).collect();
    pages::page(context, input, 100, "streamSessions", rows)
}
