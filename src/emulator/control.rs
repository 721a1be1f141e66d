//! Control requests (`/_emulator/…`): how tests and demonstrations change an emulated account, and what they can
//! read from it. Their bodies and answers are in `requests`.

mod requests;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::account::Common;
use super::clock::Millis;
use super::faults::Fault;
use super::kind::Kind;
use super::objects::text;
use super::participant::{self, JoinRequest, Role};
use super::region::{REGIONS, Region};
use super::state::EmulatorState;
use super::stream::{self, Start};
use super::sts::RoleChange;
use super::{composition, ingest_configuration, participant_replication};

pub use requests::schema;
pub(crate) use requests::{DestinationSort, DestinationState, Joined};
use requests::{Nothing, read};

/// Why a control request is refused: a status and a sentence.
type Refused = (u16, String);

/// What a control request answers.
type ControlResult = Result<Value, Refused>;

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
    let path = path.strip_prefix(ROOT).unwrap_or(path);
    let answer = if requests::exists(method, path) {
        enter(state, query, &body).and_then(|()| answer(state, method, path, body, now))
    } else {
        Err((404, format!("no control request is at {method} {ROOT}{path}")))
    };
    answer.map_or_else(
        |(status, message)| (status, json!({ "message": message })),
        |told| (200, told),
    )
}

fn answer(
    state: &mut EmulatorState,
    method: &str,
    path: &str,
    body: Value,
    now: Millis,
) -> ControlResult {
    let clock = now;
    let now = state.account.pass_time(now);
    match (method, path) {
        ("POST", "streams") => change(body, |body| start_stream(state, &body, now)),
        ("DELETE", "streams") => change(body, |body| stop_stream(state, body, now)),
        ("POST", "participants") => change(body, |body| join(state, body, now)),
        ("DELETE", "participants") => change(body, |body| leave(state, &body, now)),
        ("POST", "ingests") => change(body, |body: requests::Ingest| {
            let arn = &body.ingest_configuration_arn;
            let (region, common) = with(state, Kind::IngestConfiguration, arn)?;
            ingest_configuration::begin(region, common, arn, now)
        }),
        ("DELETE", "ingests") => change(body, |body: requests::Ingest| {
            let arn = &body.ingest_configuration_arn;
            let (region, _) = with(state, Kind::IngestConfiguration, arn)?;
            ingest_configuration::cease(region, arn, now).map(|()| Nothing {})
        }),
        ("POST", "destinations") => change(body, |body| change_destination(state, &body, now)),
        ("POST", "tags") => change(body, |body| tag(state, body)),
        ("POST", "clock") => {
            let told = change(body, |body| advance(state, &body, now));
            state.share_clock(clock);
            told
        }
        ("POST", "faults") => change(body, |fault: Fault| {
            state.faults.add(fault, now).map_err(|message| (400, message))?;
            Ok(Nothing {})
        }),
        ("POST", "roles") => change(body, |role: RoleChange| {
            state.sts.set_role(role).map_err(|message| (400, message))
        }),
        ("POST", "tokens") => change(body, |body: requests::Tokens| {
            Ok(requests::TokensSet { expired: state.sts.expire_tokens(body.expired) })
        }),
        ("POST", "rates") => change(body, |body: requests::Rates| {
            // With full buckets.
            state.enforce_rates = body.enforced;
            state.rates.clear();
            Ok(body)
        }),
        ("POST", "switches") => merge(&mut state.account.common.switches, body),
        ("POST", "quotas") => merge(&mut state.account.common.quotas, body),
        ("POST", "reset") => change(body, |body| {
            reset(state, &body);
            Ok(Nothing {})
        }),
        _ => {
            read::<Nothing>(body)?;
            if method == "DELETE" { clear(state, path) } else { shown(state, path, now) }
        }
    }
}

/// Reads the body of a request, carries it out, and writes its answer.
fn change<B: DeserializeOwned, A: Serialize>(
    body: Value,
    act: impl FnOnce(B) -> Result<A, Refused>,
) -> ControlResult {
    act(read(body)?).map(|told| json!(told))
}

/// Requests that read something.
fn shown(state: &EmulatorState, path: &str, now: Millis) -> ControlResult {
    let common = &state.account.common;
    Ok(match path {
        "accounts" => {
            let accounts = state.accounts().iter().map(|it| it.id().to_owned()).collect();
            json!(requests::Accounts { accounts })
        }
        "roles" => json!(state.sts.shown()),
        "clock" => json!(time(state, now)),
        "faults" => json!(requests::Faults { faults: state.faults.list(), held: state.held }),
        "marks" => {
            let marks = state.marks.iter().cloned().collect();
            json!(requests::Marks { calls: state.counted, marks })
        }
        "calls" => json!(state.calls),
        "throttled" => json!(state.throttled),
        "history" => json!(common.history.told()),
        "switches" => json!(common.switches),
        "rates" => json!(requests::Rates { enforced: state.enforce_rates }),
        "quotas" => json!(common.quotas),
        "objects" => json!(objects(state)),
        _ => return Err((404, format!("no control request is at GET {path}"))),
    })
}

/// Requests that forget something.
fn clear(state: &mut EmulatorState, path: &str) -> ControlResult {
    match path {
        "roles" => state.sts.clear(),
        "faults" => state.faults.clear(),
        "calls" => {
            state.calls.clear();
            state.throttled.clear();
        }
        "history" => state.account.common.history.clear(),
        _ => return Err((404, format!("no control request is at DELETE {path}"))),
    }
    Ok(json!(Nothing {}))
}

fn reset(state: &mut EmulatorState, body: &requests::Reset) {
    state.reset_accounts();
    if body.settings {
        state.reset_settings();
    }
    state.faults.clear();
    state.calls.clear();
    state.marks.clear();
    state.held = 0;
    state.throttled.clear();
    state.rates.clear();
}

/// Goes on with the account that a request is about: the one of `?account=`, or of the ARN in its body, or the emulator's
/// own.
fn enter(state: &mut EmulatorState, query: &str, body: &Value) -> Result<(), Refused> {
    let given = super::route::query(query, "account").map_err(|it| (400, it.message))?;
    if let Some(id) = given.first().and_then(Value::as_str) {
        if !super::sts::is_account(id) {
            return Err((400, "`account` must have twelve digits".to_owned()));
        }
        state.enter(id);
        return Ok(());
    }
    let arns =
        ["channelArn", "stageArn", "compositionArn", "ingestConfigurationArn", "resourceArn"];
    let named = arns.iter().find_map(|it| body.get(*it)?.as_str()?.split(':').nth(4));
    match named.filter(|it| state.has_account(it)).map(ToOwned::to_owned) {
        Some(id) => state.enter(&id),
        None => state.enter_own(),
    }
    Ok(())
}

/// The region of an ARN and the parts that all regions share, if the object exists.
fn with<'a>(
    state: &'a mut EmulatorState,
    kind: Kind,
    arn: &str,
) -> Result<(&'a mut Region, &'a mut Common), Refused> {
    let missing = || (404, format!("{} `{arn}` does not exist", kind.name()));
    let region = arn.split(':').nth(3).filter(|name| REGIONS.contains(name)).ok_or_else(missing)?;
    let (region, common) = state.account.region(region);
    if region.objects(kind).get(arn).is_none() {
        return Err(missing());
    }
    Ok((region, common))
}

/// A channel goes live, or has another audience if it is live already.
fn start_stream(
    state: &mut EmulatorState,
    body: &requests::Stream,
    now: Millis,
) -> Result<requests::Streaming, Refused> {
    let channel = body.channel_arn.as_str();
    let viewers = i64::from(body.viewer_count);
    let (region, common) = with(state, Kind::Channel, channel)?;
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
    if let Some(health) = body.health {
        stream.set_health(health.word(), now);
    }
    Ok(requests::Streaming { stream_id: stream.id.clone() })
}

/// The stream of an encoder ends; with a failure if its `code` is given.
fn stop_stream(
    state: &mut EmulatorState,
    body: requests::EndOfStream,
    now: Millis,
) -> Result<Nothing, Refused> {
    let channel = body.channel_arn.as_str();
    let (region, _) = with(state, Kind::Channel, channel)?;
    match region.streams.get_mut(channel) {
        None => Err((404, format!("channel `{channel}` is not live"))),
        Some(stream) => {
            if let Some(composition) = &stream.composition {
                let message =
                    format!("channel `{channel}` is live through composition `{composition}`");
                return Err((409, message));
            }
            stream.failure = body.code;
            stream::end(region, channel, now);
            Ok(Nothing {})
        }
    }
}

/// A participant joins a stage in a role, publisher by default, with a token's id if one is given. A participant
/// who is connected already changes to the role that is given.
fn join(state: &mut EmulatorState, body: requests::Join, now: Millis) -> Result<Joined, Refused> {
    let stage = body.stage_arn.as_str();
    let (region, common) = with(state, Kind::Stage, stage)?;
    let (id, given) = (body.participant_id.as_deref(), body.role);
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
    let (participant_id, session_id) = if let (Some(one), Some(_)) = (connected, given) {
        let id = one.id.clone();
        participant::change_role(region, common, stage, &id, role, now)
            .ok_or_else(|| (404, format!("participant `{id}` is not on stage `{stage}`")))?
    } else if connected.is_some() {
        return Err((409, "this participant is on the stage already".to_owned()));
    } else {
        let of_token = || token.map(|token| token.attributes.clone());
        let request = JoinRequest {
            id: id.map(str::to_owned),
            role,
            user: body.user_id.or_else(|| token.map(|it| it.user.clone())).unwrap_or_default(),
            attributes: body
                .attributes
                .map(|given| json!(given))
                .or_else(of_token)
                .unwrap_or_else(|| json!({})),
            protocol: "WHIP".to_owned(),
            ..JoinRequest::default()
        };
        participant::join(region, common, stage, request, now)
    };
    Ok(Joined { participant_id, session_id })
}

fn leave(
    state: &mut EmulatorState,
    body: &requests::Leave,
    now: Millis,
) -> Result<Nothing, Refused> {
    let (stage, id) = (body.stage_arn.as_str(), body.participant_id.as_str());
    let (region, _) = with(state, Kind::Stage, stage)?;
    if participant::leave(region, stage, id, now) {
        Ok(Nothing {})
    } else {
        Err((404, format!("participant `{id}` is not on stage `{stage}`")))
    }
}

/// A destination of a composition fails, is interrupted, or is connected again.
fn change_destination(
    state: &mut EmulatorState,
    body: &requests::Destination,
    now: Millis,
) -> Result<Nothing, Refused> {
    let arn = body.composition_arn.as_str();
    let (region, common) = with(state, Kind::Composition, arn)?;
    let lags = common.lags();
    let channel =
        composition::change_destination(region, arn, body.destination, body.state, now, lags)?;
    // After `StopStream` there is no stream that could go on.
    let channel = channel.filter(|_| body.state == DestinationState::Active);
    if let Some(channel) = channel.filter(|it| !region.streams.contains_key(it)) {
        let start = Start { viewers: 0, composition: Some(arn.to_owned()) };
        stream::go_live(region, common, &channel, start, now);
    }
    Ok(Nothing {})
}

/// AWS itself tags an object, as `CloudFormation` does: with keys that are reserved for AWS.
fn tag(state: &mut EmulatorState, body: requests::Tags) -> Result<Nothing, Refused> {
    let arn = body.resource_arn.as_str();
    let missing = || (404, format!("`{arn}` does not exist"));
    let kind = Kind::of_arn(arn).ok_or_else(missing)?;
    let (region, _) = with(state, kind, arn)?;
    let object = region.objects_mut(kind).get_mut(arn).ok_or_else(missing)?;
    let mut tags = super::context::object(&object.wire, "tags");
    tags.extend(body.tags.into_iter().map(|(key, value)| (key, Value::String(value))));
    object.wire.insert("tags".to_owned(), Value::Object(tags));
    Ok(Nothing {})
}

/// Advances the time, and stops or starts the clock: while it is stopped, only `advanceSeconds` moves it.
fn advance(
    state: &mut EmulatorState,
    body: &requests::Clock,
    now: Millis,
) -> Result<requests::Time, Refused> {
    let seconds = body.advance_seconds.or(body.stopped.map(|_| 0.0));
    let Some(seconds) = seconds.filter(|seconds| (0.0..=1e9).contains(seconds)) else {
        return Err((400, "`advanceSeconds` must be a number from 0 to 1000000000".to_owned()));
    };
    #[expect(clippy::cast_possible_truncation, reason = "at most a thousand million seconds")]
    let millis = (seconds * 1000.0) as i64;
    let common = &mut state.account.common;
    let clock = Millis(now.0.saturating_sub(common.ahead_millis));
    common.ahead_millis = common.ahead_millis.saturating_add(millis);
    if let Some(stopped) = body.stopped {
        common.stopped = stopped.then_some(clock);
    }
    // State machines advance now, so that the next read of the objects shows it.
    let later = state.account.pass_time(clock);
    Ok(time(state, later))
}

fn time(state: &EmulatorState, now: Millis) -> requests::Time {
    let stopped = state.account.common.stopped.is_some();
    requests::Time { now: now.to_iso(), now_millis: now.0, stopped }
}

/// Sets some fields of a settings structure: all of them, or none if one is invalid.
fn merge<T: DeserializeOwned + Serialize>(target: &mut T, body: Value) -> ControlResult {
    let (Value::Object(given), Value::Object(mut whole)) = (body, json!(target)) else {
        return Err((400, "the body must be a JSON object".to_owned()));
    };
    whole.extend(given);
    *target = read(Value::Object(whole))?;
    Ok(json!(target))
}

/// Every object and every replication without faults or lag, and without secrets.
fn objects(state: &EmulatorState) -> requests::Objects {
    let (mut objects, mut replications) = (Vec::new(), Vec::new());
    for (name, region) in state.account.regions() {
        replications.extend(participant_replication::shown(region));
        for (kind, store) in region.stores() {
            for object in store.iter() {
                let mut wire = object.wire.clone();
                hide(&mut wire);
                if *kind == Kind::IngestConfiguration {
                    // No call of the service shows this one.
                    wire.insert("insecureIngest".to_owned(), json!(object.hidden.insecure_ingest));
                }
                objects.push(requests::Object {
                    kind: kind.name(),
                    region: name.clone(),
                    arn: object.arn.clone(),
                    created: object.created.to_iso(),
                    created_millis: object.created.0,
                    name: text(&object.wire, "name").to_owned(),
                    object: wire,
                });
            }
        }
    }
    requests::Objects { objects, replications }
}

fn hide(wire: &mut Map<String, Value>) {
    for member in ["value", "streamKey", "redundantIngestCredentials", "srt"] {
        wire.shift_remove(member);
    }
}
