//! Replications: a participant who publishes on one stage appears on another, until the replication is stopped or
//! the participant has been disconnected for longer than the reconnect window.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::clock::Millis;
use super::context::{Answer, OperationContext, check_attributes, object};
use super::failure::Failure;
use super::kind::Kind;
use super::objects::text;
use super::pages;
use super::participant::{self, JoinRequest};
use super::region::Region;

/// Ended replications that are kept in a region.
const PAST: usize = 1000;

/// One replication, active or ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Replication {
    sequence: u64,
    source: String,
    source_session: String,
    participant: String,
    destination: String,
    destination_session: String,
    window_seconds: i64,
    /// Since when the source does not publish.
    lost: Option<Millis>,
    active: bool,
}

/// The stages and the participant that an operation names.
struct Named<'a> {
    source: &'a str,
    destination: &'a str,
    participant: &'a str,
}

fn named<'a>(
    context: &OperationContext<'_>,
    input: &'a Map<String, Value>,
) -> Result<Named<'a>, Failure> {
    let named = Named {
        source: text(input, "sourceStageArn"),
        destination: text(input, "destinationStageArn"),
        participant: text(input, "participantId"),
    };
    context.find(Kind::Stage, named.source)?;
    context.find(Kind::Stage, named.destination)?;
    Ok(named)
}

/// An active replication, as control requests show it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Replication")]
pub(crate) struct Shown {
    source_stage_arn: String,
    destination_stage_arn: String,
    participant_id: String,
    reconnect_window_seconds: i64,
    /// Those of the replica, while it is connected.
    attributes: Option<Map<String, Value>>,
}

/// The active replications, with fields that no call of the service shows.
pub(crate) fn shown(region: &Region) -> Vec<Shown> {
    let active = region.replications.iter().filter(|one| one.active);
    let shown = active.map(|one| {
        let activity = region.stage_activity.get(&one.destination);
        let replica = activity.and_then(|activity| activity.find(&one.participant));
        Shown {
            source_stage_arn: one.source.clone(),
            destination_stage_arn: one.destination.clone(),
            participant_id: one.participant.clone(),
            reconnect_window_seconds: one.window_seconds,
            attributes: replica.map(|it| object(&it.wire, "attributes")),
        }
    });
    shown.collect()
}

pub(crate) fn start(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let Named { source, destination, participant } = named(context, input)?;
    check_attributes(input)?;
    if source == destination {
        return Err(Failure::validation(
            "sourceStageArn and destinationStageArn must be different stages",
        ));
    }
    let activity = context.region.stage_activity.get(source);
    let found =
        activity.and_then(|activity| activity.find(participant)).map(|one| one.wire.clone());
    let wire = found.ok_or_else(|| context.missing(participant))?;
    if !activity.and_then(|activity| activity.find(participant)).is_some_and(|one| one.publishing) {
        return Err(Failure::conflict(format!("Participant {participant} is not publishing")));
    }
    if wire.contains_key("sourceStageArn") {
        return Err(Failure::conflict("A replica cannot be replicated"));
    }
    let mine =
        |one: &&Replication| one.active && one.source == source && one.participant == participant;
    let active: Vec<&Replication> = context.region.replications.iter().filter(mine).collect();
    if active.iter().any(|one| one.destination == destination) {
        return Err(Failure::conflict(format!(
            "Participant {participant} is already replicated to stage {destination}"
        )));
    }
    let quota = context.common.quotas.replications_per_participant;
    if u64::try_from(active.len()).is_ok_and(|count| count >= quota) {
        return Err(Failure::quota(format!(
            "Your request could not be completed because you have reached the service quota of \
             {quota} for replications of participant {participant}"
        )));
    }
    let source_session = activity
        .and_then(|activity| activity.session())
        .map(|session| session.id.clone())
        .unwrap_or_default();
    let mut attributes = object(&wire, "attributes");
    attributes.extend(object(input, "attributes"));
    let request = JoinRequest {
        id: Some(participant.to_owned()),
        user: text(&wire, "userId").to_owned(),
        attributes: Value::Object(attributes),
        protocol: text(&wire, "protocol").to_owned(),
        source: Some((source.to_owned(), source_session.clone())),
        ..JoinRequest::default()
    };
    let now = context.now;
    let (_, destination_session) =
        participant::join(context.region, context.common, destination, request, now);
    let replication = Replication {
        sequence: context.common.next_sequence(),
        source: source.to_owned(),
        source_session,
        participant: participant.to_owned(),
        destination: destination.to_owned(),
        destination_session,
        window_seconds: input
            .get("reconnectWindowSeconds")
            .and_then(Value::as_i64)
            .unwrap_or_default(),
        lost: None,
        active: true,
    };
    context.region.replications.push(replication);
    if context.region.replications.len() > PAST {
        let ended = context.region.replications.iter().position(|one| !one.active);
        ended.map(|place| context.region.replications.remove(place));
    }
    mark_source(context.region, source, participant);
    context.record(source, Vec::new());
    Ok(json!({}))
}

pub(crate) fn stop(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let Named { source, destination, participant } = named(context, input)?;
    let place = context.region.replications.iter().position(|one| {
        one.active
            && one.source == source
            && one.destination == destination
            && one.participant == participant
    });
    let place = place.ok_or_else(|| context.missing(participant))?;
    context.record(source, vec![format!("participant:{destination}/{participant}")]);
    finish(context.region, place, context.now);
    mark_source(context.region, source, participant);
    Ok(json!({}))
}

fn finish(region: &mut Region, place: usize, at: Millis) {
    let Some(replication) = region.replications.get_mut(place) else { return };
    replication.active = false;
    let (stage, id) = (replication.destination.clone(), replication.participant.clone());
    participant::leave(region, &stage, &id, at);
}

/// Marks a participant as a SOURCE while it is replicated to any stage.
fn mark_source(region: &mut Region, stage: &str, id: &str) {
    let active = region
        .replications
        .iter()
        .any(|one| one.active && one.source == stage && one.participant == id);
    let Some(activity) = region.stage_activity.get_mut(stage) else { return };
    if let Some(one) = activity.participants.iter_mut().find(|one| one.connected && one.id == id) {
        let sort = if active { "SOURCE" } else { "NONE" };
        one.wire.insert("replicationType".to_owned(), json!(sort));
        if active || one.wire.contains_key("replicationState") {
            let state = if active { "ACTIVE" } else { "STOPPED" };
            one.wire.insert("replicationState".to_owned(), json!(state));
        }
    }
}

/// A source left its stage: without a reconnect window its replicas end now.
pub(crate) fn source_left(region: &mut Region, stage: &str, id: &str, now: Millis) {
    for one in &mut region.replications {
        if one.active && one.source == stage && one.participant == id {
            one.lost = Some(now);
        }
    }
    advance(region, now);
}

/// A source returned within the reconnect window.
pub(crate) fn source_returned(region: &mut Region, stage: &str, id: &str) {
    for one in &mut region.replications {
        if one.active && one.source == stage && one.participant == id {
            one.lost = None;
        }
    }
    mark_source(region, stage, id);
}

/// Ends the replications that have been without their source for longer than their reconnect window.
pub(crate) fn advance(region: &mut Region, now: Millis) {
    loop {
        let over = region.replications.iter().enumerate().find_map(|(place, one)| {
            let end = one.lost?.after_seconds(one.window_seconds);
            (one.active && end <= now).then_some((place, end))
        });
        let Some((place, end)) = over else { break };
        finish(region, place, end);
    }
}

/// Ends the replications from and to a stage that is deleted.
pub(crate) fn end_for_stage(region: &mut Region, stage: &str, now: Millis) {
    loop {
        let place = region
            .replications
            .iter()
            .position(|one| one.active && (one.source == stage || one.destination == stage));
        let Some(place) = place else { break };
        finish(region, place, now);
    }
    region.replications.retain(|one| one.source != stage && one.destination != stage);
}

pub(crate) fn list(context: &OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let (source, participant) = (text(input, "sourceStageArn"), text(input, "participantId"));
    context.find(Kind::Stage, source)?;
    let rows: Vec<(u64, Map<String, Value>)> = context
        .region
        .replications
        .iter()
        .filter(|one| one.source == source && one.participant == participant)
        .map(|one| (one.sequence, wire(one)))
        .collect();
    let rows = rows.iter().map(|(sequence, row)| (*sequence, row)).collect();
    pages::page(context, input, 50, "replicas", rows)
}

fn wire(one: &Replication) -> Map<String, Value> {
    let state = if one.active { "ACTIVE" } else { "STOPPED" };
    [
        ("sourceStageArn", &*one.source),
        ("participantId", &one.participant),
        ("sourceSessionId", &one.source_session),
        ("destinationStageArn", &one.destination),
        ("destinationSessionId", &one.destination_session),
        ("replicationState", state),
    ]
    .into_iter()
    .map(|(member, value)| (member.to_owned(), json!(value)))
    .collect()
}
