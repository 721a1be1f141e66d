//! Control requests (`/_emulator/…`): how tests and demonstrations change an emulated account, and what they can
//! read from it.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::account::Common;
use super::clock::Millis;
use super::faults::Fault;
use super::ingest_configuration;
use super::kind::Kind;
use super::objects::text;
use super::participant::{self, JoinRequest, Role};
use super::participant_replication;
use super::region::{REGIONS, Region};
use super::state::EmulatorState;
use super::stream::{self, Start};

/// What a control request answers: a status and JSON.
type ControlResult = Result<Value, (u16, String)>;

/// The root of all control requests.
pub(crate) const ROOT: &str = "/_emulator/";

/// Answers a control request. `now` is the clock before any `advanceSeconds`.
pub(crate) fn control(
    state: &mut EmulatorState,
    method: &str,
    path: &str,
    body: Value,
    now: Millis,
) -> (u16, Value) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    if let Err((status, message)) = enter(state, query, &body) {
        return (status, json!({ "message": message }));
    }
    let clock = now;
    let now = state.account.pass_time(now);
    let told = match (method, path.strip_prefix(ROOT).unwrap_or(path)) {
        ("POST", "streams") => on_channel(state, &body, |region, common, channel| {
            start_stream(region, common, channel, &body, now)
        }),
        ("DELETE", "streams") => {
            on_channel(state, &body, |region, _, channel| stop_stream(region, channel, &body, now))
        }
        ("POST", "participants") => {
            on_stage(state, &body, |region, common, stage| join(region, common, stage, &body, now))
        }
        ("DELETE", "participants") => on_stage(state, &body, |region, _, stage| {
            let id = member(&body, "participantId")?;
            if participant::leave(region, stage, id, now) {
                Ok(json!({}))
            } else {
                Err((404, format!("participant `{id}` is not on stage `{stage}`")))
            }
        }),
        ("POST", "ingests") => on_ingest(state, &body, |region, common, ingest| {
            ingest_configuration::begin(region, common, ingest, now)
        }),
        ("DELETE", "ingests") => on_ingest(state, &body, |region, _, ingest| {
            ingest_configuration::cease(region, ingest, now)
        }),
        ("POST", "tags") => tag(state, &body),
        ("POST", "clock") => {
            let told = advance(state, &body, now);
            state.share_clock(clock);
            told
        }
        ("GET", "accounts") => {
            let ids: Vec<&str> = state.accounts().iter().map(|it| it.id()).collect();
            Ok(json!({ "accounts": ids }))
        }
        ("GET", "roles") => Ok(state.sts.shown()),
        ("POST", "roles") => state.sts.set_role(body).map_err(|message| (400, message)),
        ("DELETE", "roles") => {
            state.sts.clear();
            Ok(json!({}))
        }
        ("POST", "tokens") => state.sts.expire_tokens(&body).map_err(|message| (400, message)),
        ("GET", "clock") => Ok(json!({ "now": now.to_iso(), "nowMillis": now.0 })),
        ("POST", "faults") => add_fault(state, body, now),
        ("GET", "faults") => Ok(json!({ "faults": state.faults.list(), "held": state.held })),
        ("GET", "marks") => Ok(json!({ "calls": state.counted, "marks": state.marks })),
        ("DELETE", "faults") => {
            state.faults.clear();
            Ok(json!({}))
        }
        ("GET", "calls") => Ok(json!(state.calls)),
        ("GET", "throttled") => Ok(json!(state.throttled)),
        ("DELETE", "calls") => {
            state.calls.clear();
            state.throttled.clear();
            Ok(json!({}))
        }
        ("GET", "history") => Ok(state.account.common.history.to_json()),
        ("DELETE", "history") => {
            state.account.common.history.clear();
            Ok(json!({}))
        }
        ("GET", "switches") => Ok(json!(state.account.common.switches)),
        ("POST", "switches") => merge(&mut state.account.common.switches, body),
        ("GET", "rates") => Ok(json!({ "enforced": state.enforce_rates })),
        ("POST", "rates") => enforce_rates(state, &body),
        ("GET", "quotas") => Ok(json!(state.account.common.quotas)),
        ("POST", "quotas") => merge(&mut state.account.common.quotas, body),
        ("GET", "objects") => Ok(objects(state)),
        ("POST", "reset") => {
            state.reset_accounts();
            state.faults.clear();
            state.calls.clear();
            state.marks.clear();
            state.held = 0;
            state.throttled.clear();
            state.rates.clear();
            Ok(json!({}))
        }
        _ => Err((404, format!("no control request is at {method} {path}"))),
    };
    told.map_or_else(
        |(status, message)| (status, json!({ "message": message })),
        |told| (200, told),
    )
}

/// Goes on with the account that a request is about: the one of `?account=`, or of the ARN in its body, or the emulator's
/// own.
fn enter(state: &mut EmulatorState, query: &str, body: &Value) -> Result<(), (u16, String)> {
    let given = super::route::query(query, "account").map_err(|it| (400, it.message))?;
    if let Some(id) = given.first().and_then(Value::as_str) {
        if !super::sts::is_account(id) {
            return Err((400, "`account` must have twelve digits".to_owned()));
        }
        state.enter(id);
        return Ok(());
    }
    let arns = ["channelArn", "stageArn", "ingestConfigurationArn", "resourceArn"];
    let named = arns.iter().find_map(|it| body.get(*it)?.as_str()?.split(':').nth(4));
    match named.filter(|it| state.has_account(it)).map(ToOwned::to_owned) {
        Some(id) => state.enter(&id),
        None => state.enter_own(),
    }
    Ok(())
}

fn member<'a>(body: &'a Value, name: &str) -> Result<&'a str, (u16, String)> {
    body.get(name).and_then(Value::as_str).ok_or_else(|| (400, format!("`{name}` is required")))
}

/// The region of an ARN and the parts that all regions share, if the object exists.
fn with<'a>(
    state: &'a mut EmulatorState,
    kind: Kind,
    arn: &str,
) -> Result<(&'a mut Region, &'a mut Common), (u16, String)> {
    let missing = || (404, format!("{} `{arn}` does not exist", kind.name()));
    let region = arn.split(':').nth(3).filter(|name| REGIONS.contains(name)).ok_or_else(missing)?;
    let (region, common) = state.account.region(region);
    if region.objects(kind).get(arn).is_none() {
        return Err(missing());
    }
    Ok((region, common))
}

fn on_channel(
    state: &mut EmulatorState,
    body: &Value,
    act: impl FnOnce(&mut Region, &mut Common, &str) -> ControlResult,
) -> ControlResult {
    let arn = member(body, "channelArn")?;
    let (region, common) = with(state, Kind::Channel, arn)?;
    act(region, common, arn)
}

fn on_stage(
    state: &mut EmulatorState,
    body: &Value,
    act: impl FnOnce(&mut Region, &mut Common, &str) -> ControlResult,
) -> ControlResult {
    let arn = member(body, "stageArn")?;
    let (region, common) = with(state, Kind::Stage, arn)?;
    act(region, common, arn)
}

fn on_ingest(
    state: &mut EmulatorState,
    body: &Value,
    act: impl FnOnce(&mut Region, &mut Common, &str) -> ControlResult,
) -> ControlResult {
    let arn = member(body, "ingestConfigurationArn")?;
    let (region, common) = with(state, Kind::IngestConfiguration, arn)?;
    act(region, common, arn)
}

/// A channel goes live, or has another audience if it is live already.
fn start_stream(
    region: &mut Region,
    common: &mut Common,
    channel: &str,
    body: &Value,
    now: Millis,
) -> ControlResult {
    let viewers = body.get("viewerCount").map_or(Some(0), Value::as_i64);
    let viewers = viewers.ok_or_else(|| (400, "`viewerCount` must be a number".to_owned()))?;
    let health = body.get("health").and_then(Value::as_str);
    if health.is_some_and(|health| !matches!(health, "HEALTHY" | "STARVING" | "UNKNOWN")) {
        return Err((400, "`health` must be HEALTHY, STARVING or UNKNOWN".to_owned()));
    }
    if !region.streams.contains_key(channel) {
        let keys = region.objects(Kind::StreamKey);
        if keys.of_channel(channel).next().is_none() {
            return Err((409, format!("channel `{channel}` has no stream key to stream with")));
        }
        let live = u64::try_from(region.streams.len()).unwrap_or(u64::MAX);
        if live >= common.quotas.concurrent_streams {
            return Err((409, "the quota of concurrent streams is used up".to_owned()));
        }
        let start = Start { viewers, composition: None };
        stream::go_live(region, common, channel, start, now);
    }
    let Some(stream) = region.streams.get_mut(channel) else {
        return Err((404, format!("channel `{channel}` does not exist")));
    };
    stream.viewers = viewers;
    if let Some(health) = health {
        stream.set_health(health, now);
    }
    Ok(json!({ "streamId": stream.id }))
}

/// The stream of an encoder ends; with a failure if its `code` is given.
fn stop_stream(region: &mut Region, channel: &str, body: &Value, now: Millis) -> ControlResult {
    match region.streams.get(channel).map(|stream| stream.composition.clone()) {
        None => Err((404, format!("channel `{channel}` is not live"))),
        Some(Some(composition)) => {
            Err((409, format!("channel `{channel}` is live through composition `{composition}`")))
        }
        Some(None) => {
            let code = body.get("code").and_then(Value::as_str).map(str::to_owned);
            if let Some(stream) = region.streams.get_mut(channel) {
                stream.failure = code;
            }
            stream::end(region, channel, now);
            Ok(json!({}))
        }
    }
}

/// A participant joins a stage in a role, publisher by default, with a token's id if one is given. A participant
/// who is connected already changes to the role that is given.
fn join(
    region: &mut Region,
    common: &mut Common,
    stage: &str,
    body: &Value,
    now: Millis,
) -> ControlResult {
    let id = body.get("participantId").and_then(Value::as_str);
    let given: Option<Role> = body.get("role").cloned().map(parse).transpose()?;
    let activity = region.stage_activity.get(stage);
    let connected = id.and_then(|id| activity?.find(id));
    let token = activity
        .and_then(|activity| activity.tokens.iter().find(|token| Some(&*token.participant) == id));
    let may_publish = token.is_none_or(|token| token.publishes);
    let role = given.unwrap_or(if may_publish { Role::Publisher } else { Role::Subscriber });
    if role == Role::Publisher && !may_publish {
        return Err((409, "the token of this participant does not permit to publish".to_owned()));
    }
    if role == Role::Publisher && connected.is_none_or(|one| !one.publishing) {
        participant::room(region, common, stage).map_err(|message| (409, message))?;
    }
    let (participant, session) = if let (Some(one), Some(_)) = (connected, given) {
        let id = one.id.clone();
        participant::change_role(region, common, stage, &id, role, now)
            .ok_or_else(|| (404, format!("participant `{id}` is not on stage `{stage}`")))?
    } else if connected.is_some() {
        return Err((409, "this participant is on the stage already".to_owned()));
    } else {
        let user = body.get("userId").and_then(Value::as_str).map(str::to_owned);
        let attributes = body.get("attributes").filter(|given| given.is_object()).cloned();
        let request = JoinRequest {
            id: id.map(str::to_owned),
            role,
            user: user.or_else(|| token.map(|token| token.user.clone())).unwrap_or_default(),
            attributes: attributes
                .or_else(|| token.map(|token| token.attributes.clone()))
                .unwrap_or_else(|| json!({})),
            protocol: "WHIP".to_owned(),
            ..JoinRequest::default()
        };
        participant::join(region, common, stage, request, now)
    };
    Ok(json!({ "participantId": participant, "sessionId": session }))
}

/// AWS itself tags an object, as `CloudFormation` does: with keys that are reserved for AWS.
fn tag(state: &mut EmulatorState, body: &Value) -> ControlResult {
    let arn = member(body, "resourceArn")?;
    let missing = || (404, format!("`{arn}` does not exist"));
    let kind = Kind::of_arn(arn).ok_or_else(missing)?;
    let (region, _) = with(state, kind, arn)?;
    let object = region.objects_mut(kind).get_mut(arn).ok_or_else(missing)?;
    let mut tags = super::context::object(&object.wire, "tags");
    tags.extend(super::context::object(body.as_object().unwrap_or(&Map::new()), "tags"));
    object.wire.insert("tags".to_owned(), Value::Object(tags));
    Ok(json!({}))
}

/// Advances the time, and stops or starts the clock: while it is stopped, only `advanceSeconds` moves it.
fn advance(state: &mut EmulatorState, body: &Value, now: Millis) -> ControlResult {
    let seconds = match (body.get("advanceSeconds"), body.get("stopped")) {
        (Some(given), _) => given.as_f64(),
        (None, stopped) => stopped.map(|_| 0.0),
    };
    let Some(seconds) = seconds.filter(|seconds| (0.0..=1e9).contains(seconds)) else {
        return Err((400, "`advanceSeconds` must be a number that is not negative".to_owned()));
    };
    let stopped = match body.get("stopped") {
        None => None,
        Some(given) => {
            Some(given.as_bool().ok_or((400, "`stopped` must be true or false".to_owned()))?)
        }
    };
    #[expect(clippy::cast_possible_truncation, reason = "at most a thousand million seconds")]
    let millis = (seconds * 1000.0) as i64;
    let common = &mut state.account.common;
    let clock = Millis(now.0.saturating_sub(common.ahead_millis));
    common.ahead_millis = common.ahead_millis.saturating_add(millis);
    if let Some(stopped) = stopped {
        common.stopped = stopped.then_some(clock);
    }
    // State machines advance now, so that the next read of the objects shows it.
    let later = state.account.pass_time(clock);
    Ok(
        json!({ "now": later.to_iso(), "nowMillis": later.0, "stopped": state.account.common.stopped.is_some() }),
    )
}

fn add_fault(state: &mut EmulatorState, body: Value, now: Millis) -> ControlResult {
    let fault: Fault = parse(body)?;
    state.faults.add(fault, now).map_err(|message| (400, message))?;
    Ok(json!({}))
}

/// Turns the call rates of AWS on or off, with full buckets.
fn enforce_rates(state: &mut EmulatorState, body: &Value) -> ControlResult {
    let enforced = body.get("enforced").and_then(Value::as_bool);
    state.enforce_rates =
        enforced.ok_or_else(|| (400, "`enforced` must be true or false".to_owned()))?;
    state.rates.clear();
    Ok(json!({ "enforced": state.enforce_rates }))
}

fn parse<T: DeserializeOwned>(body: Value) -> Result<T, (u16, String)> {
    serde_json::from_value(body).map_err(|error| (400, error.to_string()))
}

/// Sets some fields of a settings structure: all of them, or none if one is invalid.
fn merge<T: DeserializeOwned + serde::Serialize>(target: &mut T, body: Value) -> ControlResult {
    let (Value::Object(given), Value::Object(mut whole)) = (body, json!(target)) else {
        return Err((400, "an object is required".to_owned()));
    };
    whole.extend(given);
    *target = parse(Value::Object(whole))?;
    Ok(json!(target))
}

/// Every object and every replication without faults or lag, and without secrets.
fn objects(state: &EmulatorState) -> Value {
    let (mut rows, mut replications) = (Vec::new(), Vec::new());
    for (name, region) in state.account.regions() {
        replications.extend(participant_replication::shown(region));
        for (kind, objects) in region.stores() {
            for object in objects.iter() {
                let mut wire = object.wire.clone();
                hide(&mut wire);
                if *kind == Kind::IngestConfiguration {
                    // No call of the service shows this one.
                    wire.insert("insecureIngest".to_owned(), json!(object.hidden.insecure_ingest));
                }
                rows.push(json!({
                    "kind": kind.name(), "region": name, "arn": object.arn,
                    "created": object.created.to_iso(), "createdMillis": object.created.0,
                    "name": text(&object.wire, "name"), "object": wire,
                }));
            }
        }
    }
    json!({ "objects": rows, "replications": replications })
}

fn hide(wire: &mut Map<String, Value>) {
    for member in ["value", "streamKey", "redundantIngestCredentials", "srt"] {
        wire.shift_remove(member);
    }
}
