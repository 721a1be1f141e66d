//! The lifecycle of a composition: STARTING, ACTIVE, STOPPING, STOPPED, deleted. It ends by a call, with its
//! stage, after a minute without a publisher, or after a day.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::clock::Millis;
use super::composition::release;
use super::context::{Answer, OperationContext};
use super::control::{DestinationSort, DestinationState};
use super::kind::Kind;
use super::objects::{Object, text};
use super::participant;
use super::region::{Lags, Region};
use super::switches::Stance;

/// A composition stops when its stage has had no publisher for this long, also from the start.
const NO_PUBLISHER_LIMIT: Duration = Duration::from_mins(1);
/// The longest run of a composition.
const MAX_DURATION: Duration = Duration::from_hours(24);
/// How long a composition stays visible after its end.
const VISIBLE_AFTER_END: Duration = Duration::from_mins(5);

/// Whether a composition has not ended: it uses its configurations and counts against the quotas.
pub(crate) fn is_running(wire: &Map<String, Value>) -> bool {
    !matches!(text(wire, "state"), "STOPPED" | "FAILED")
}

/// Whether a composition that has not ended satisfies `uses`.
pub(crate) fn any_running(region: &Region, uses: impl Fn(&Map<String, Value>) -> bool) -> bool {
    region.objects(Kind::Composition).iter().any(|one| is_running(&one.wire) && uses(&one.wire))
}

pub(crate) fn stop(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    let state = context.find(Kind::Composition, arn)?.text("state").to_owned();
    if matches!(state.as_str(), "STARTING" | "ACTIVE") {
        context.record(arn, vec![format!("composition:{arn}")]);
        let (now, settle) = (context.now, context.common.settle_millis);
        if let Some(object) = context.region.objects_mut(Kind::Composition).get_mut(arn) {
            begin_to_stop(object, now, settle);
        }
        return Ok(json!({}));
    }
    match context.common.switches.stop_ended_composition {
        Stance::Refuse => Err(context.conflict(format!("Composition {arn} is in state {state}"))),
        Stance::Accept => Ok(json!({})),
    }
}

/// Stops the compositions of a stage that is deleted. Returns which.
pub(crate) fn shut_down_on(
    region: &mut Region,
    stage: &str,
    now: Millis,
    settle: i64,
) -> Vec<String> {
    let mut cut_off = Vec::new();
    for object in region.objects_mut(Kind::Composition).iter_mut() {
        let running = matches!(object.text("state"), "STARTING" | "ACTIVE");
        if running && object.text("stageArn") == stage {
            cut_off.push(format!("composition:{}", object.arn));
            begin_to_stop(object, now, settle);
        }
    }
    cut_off
}

/// A participant began or ceased to publish on a stage.
pub(crate) fn publishers_changed(region: &mut Region, stage: &str, now: Millis) {
    let empty = participant::publishing(region, stage) == 0;
    for object in region.objects_mut(Kind::Composition).iter_mut() {
        if object.text("stageArn") == stage {
            object.hidden.empty_since =
                if empty { object.hidden.empty_since.or(Some(now)) } else { None };
        }
    }
}

/// The stream to a channel was stopped by `StopStream`: that destination reconnects, and fails after a while.
pub(crate) fn stream_stopped(
    region: &mut Region,
    composition: &str,
    channel: &str,
    now: Millis,
    lags: Lags,
) {
    let Some(object) = region.objects_mut(Kind::Composition).get_mut(composition) else { return };
    if !matches!(object.text("state"), "STARTING" | "ACTIVE") {
        return;
    }
    object.hidden.reconnecting = Some(Millis(now.0.saturating_add(lags.settle)));
    for one in destinations(object) {
        if channel_of(one) == Some(channel) && !is_over(one) {
            one["state"] = json!("RECONNECTING");
        }
    }
}

/// Changes the destination of a composition (a control request): the one of this sort, or the only one. Returns the channel that it
/// broadcasts to, if it does.
pub(crate) fn change_destination(
    region: &mut Region,
    arn: &str,
    sort: Option<DestinationSort>,
    state: DestinationState,
    now: Millis,
    lags: Lags,
) -> Result<Option<String>, (u16, String)> {
    let Some(object) = region.objects_mut(Kind::Composition).get_mut(arn) else {
        return Err((404, format!("composition `{arn}` does not exist")));
    };
    let its = object.text("state").to_owned();
    if !matches!(its.as_str(), "STARTING" | "ACTIVE") {
        return Err((409, format!("composition `{arn}` is in state {its}")));
    }
    let all = destinations(object);
    let index = match sort {
        None if all.len() > 1 => {
            return Err((
                400,
                "`destination` must be channel or s3: the composition has both".to_owned(),
            ));
        }
        None => 0,
        Some(sort) => {
            let is = |one: &Value| one["configuration"].get(sort.member()).is_some();
            all.iter().position(is).ok_or_else(|| {
                (404, format!("composition `{arn}` has no destination `{}`", sort.member()))
            })?
        }
    };
    let Some(one) = all.get_mut(index) else {
        return Err((404, format!("composition `{arn}` has no destination")));
    };
    let was = one["state"].as_str().unwrap_or_default().to_owned();
    let permitted = match state {
        DestinationState::Failed => !is_over(one),
        DestinationState::Reconnecting => was == "ACTIVE",
        DestinationState::Active => was == "RECONNECTING",
    };
    if !permitted {
        return Err((409, format!("the destination is in state {was}")));
    }
    let channel = channel_of(one).map(str::to_owned);
    match state {
        DestinationState::Failed => {
            let id = one["id"].clone();
            fail(object, |it| it["id"] == id, now);
            if is_running(&object.wire) {
                if let Some(channel) = &channel {
                    super::stream::end_for(region, channel, arn, now, lags);
                }
            } else {
                release(region, arn, now, lags);
            }
        }
        DestinationState::Reconnecting => one["state"] = json!("RECONNECTING"),
        DestinationState::Active => {
            one["state"] = json!("ACTIVE");
            // Nothing is left that could fail by itself.
            if !destinations(object).iter().any(|it| it["state"] == "RECONNECTING") {
                object.hidden.reconnecting = None;
            }
        }
    }
    Ok(channel)
}

fn destinations(object: &mut Object) -> &mut [Value] {
    match object.wire.get_mut("destinations") {
        Some(Value::Array(destinations)) => destinations,
        _ => &mut [],
    }
}

fn channel_of(destination: &Value) -> Option<&str> {
    destination.pointer("/configuration/channel/channelArn").and_then(Value::as_str)
}

fn is_over(destination: &Value) -> bool {
    matches!(destination["state"].as_str(), Some("FAILED" | "STOPPED"))
}

/// Marks destinations as failed; the composition fails with the last of them.
fn fail(object: &mut Object, which: impl Fn(&Value) -> bool, at: Millis) {
    for one in destinations(object) {
        if !is_over(one) && which(one) {
            one["state"] = json!("FAILED");
            one["endTime"] = json!(at.to_iso());
        }
    }
    if destinations(object).iter().all(is_over) {
        finish(object, "FAILED", at);
    }
}

fn begin_to_stop(object: &mut Object, at: Millis, settle: i64) {
    set_state(object, "STOPPING", None, at);
    object.hidden.due = Some(Millis(at.0.saturating_add(settle)));
    object.hidden.forced_state = None;
    object.hidden.reconnecting = None;
}

fn finish(object: &mut Object, state: &str, at: Millis) {
    set_state(object, state, Some("endTime"), at);
    object.wire.insert("endTime".to_owned(), json!(at.to_iso()));
    object.hidden.due = None;
    object.hidden.reconnecting = None;
    object.hidden.ended = Some(at);
}

/// Sets the state of the composition and of those of its destinations that have not ended.
fn set_state(object: &mut Object, state: &str, time: Option<&str>, at: Millis) {
    object.wire.insert("state".to_owned(), json!(state));
    for one in destinations(object) {
        if is_over(one) || (state == "ACTIVE" && one["state"] == "RECONNECTING") {
            continue;
        }
        one["state"] = json!(state);
        if let Some(member) = time {
            one[member] = json!(at.to_iso());
        }
    }
}

/// The next change of a composition's state.
enum Next {
    Settle,
    FailDestination,
    Stop,
    Remove,
}

fn next(object: &Object) -> Option<(Millis, Next)> {
    let hidden = &object.hidden;
    let settle = hidden.due.map(|due| (due, Next::Settle));
    let stop = || {
        let empty = hidden.empty_since.map(|since| since.after(NO_PUBLISHER_LIMIT));
        let longest = hidden.started.map(|started| started.after(MAX_DURATION));
        empty.into_iter().chain(longest).min().map(|at| (at, Next::Stop))
    };
    match object.text("state") {
        "STARTING" | "ACTIVE" => {
            let give_up = hidden.reconnecting.map(|at| (at, Next::FailDestination));
            settle.into_iter().chain(give_up).chain(stop()).min_by_key(|(at, _)| *at)
        }
        "STOPPING" => settle,
        _ => hidden.ended.map(|ended| (ended.after(VISIBLE_AFTER_END), Next::Remove)),
    }
}

/// Carries out the state changes that are due by `now`, each at its own time.
pub(crate) fn advance(region: &mut Region, now: Millis, lags: Lags) {
    let due: Vec<String> = region
        .objects(Kind::Composition)
        .iter()
        .filter(|object| next(object).is_some_and(|(at, _)| at <= now))
        .map(|object| object.arn.clone())
        .collect();
    for arn in due {
        let fed: Vec<String> = region
            .streams
            .iter()
            .filter(|(_, stream)| stream.composition.as_deref() == Some(arn.as_str()))
            .map(|(channel, _)| channel.clone())
            .collect();
        while let Some(object) = region.objects_mut(Kind::Composition).get_mut(&arn) {
            let Some((at, step)) = next(object).filter(|(at, _)| *at <= now) else { break };
            let was_running = is_running(&object.wire);
            match step {
                Next::Stop => begin_to_stop(object, at, lags.settle),
                Next::Remove => {
                    region.objects_mut(Kind::Composition).take(&arn, at);
                    break;
                }
                Next::FailDestination => {
                    object.hidden.reconnecting = None;
                    fail(object, |one| one["state"] == "RECONNECTING", at);
                }
                Next::Settle => {
                    let forced_state = object.hidden.forced_state.take();
                    object.hidden.due = None;
                    match (object.text("state"), forced_state) {
                        ("STARTING", None) => {
                            let keyless = |one: &Value| {
                                one["state"] == "STARTING"
                                    && channel_of(one)
                                        .is_some_and(|it| !fed.iter().any(|fed| fed == it))
                            };
                            fail(object, keyless, at);
                            if is_running(&object.wire) {
                                set_state(object, "ACTIVE", Some("startTime"), at);
                            }
                        }
                        ("STARTING", Some(_)) => finish(object, "FAILED", at),
                        _ => finish(object, "STOPPED", at),
                    }
                }
            }
            if was_running && !is_running(&object.wire) {
                release(region, &arn, at, lags);
            }
        }
    }
}
