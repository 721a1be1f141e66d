//! Compositions: the checks of `StartComposition`, and reads. Their states are in `composition_lifecycle`.

use serde_json::{Map, Value, json};

use super::clock::Millis;
use super::context::{Answer, OperationContext, check_unique, fill, list as items, object};
use super::failure::Failure;
use super::kind::Kind;
use super::objects::{Hidden, Object, text};
use super::participant;
use super::region::{Lags, Region};
use super::stream::{self, Start};
use super::switches::Stance;

pub(crate) use super::composition_lifecycle::{
    advance, any_running, change_destination, is_running, publishers_changed, shut_down_on, stop,
    stream_stopped,
};

pub(crate) fn start(context: &mut OperationContext<'_>, mut input: Map<String, Value>) -> Answer {
    let token = input.shift_remove("idempotencyToken");
    let token = token.as_ref().and_then(Value::as_str).map(str::to_owned);
    if let Some(known) = token.as_deref().and_then(|token| started_with(context, token)) {
        let same = known.hidden.token.as_ref().is_some_and(|(_, given)| *given == json!(input));
        if !same && context.common.switches.idempotency_mismatch == Stance::Refuse {
            return Err(
                context.conflict("idempotencyToken has already been used with other parameters")
            );
        }
        return Ok(json!({ "composition": known.wire }));
    }
    let stage = text(&input, "stageArn").to_owned();
    context.find(Kind::Stage, &stage)?;
    check_destinations(&input)?;
    let layout = layout(&object(&input, "layout"))?;
    check_references(context, &input)?;
    check_quotas(context, &stage)?;

    let arn = context.new_arn(Kind::Composition);
    let mut destinations = Vec::new();
    for configuration in items(&input, "destinations") {
        destinations.push(destination(context, &arn, configuration));
    }
    let mut wire = Map::new();
    wire.insert("arn".to_owned(), json!(arn));
    wire.insert("stageArn".to_owned(), json!(stage));
    wire.insert("state".to_owned(), json!("STARTING"));
    wire.insert("layout".to_owned(), layout);
    wire.insert("destinations".to_owned(), Value::Array(destinations));
    wire.insert("startTime".to_owned(), json!(context.now.to_iso()));
    wire.insert("tags".to_owned(), Value::Object(object(&input, "tags")));
    let empty = participant::publishing(context.region, &stage) == 0;
    let hidden = Hidden {
        started: Some(context.now),
        empty_since: empty.then_some(context.now),
        token: token.map(|token| (token, Value::Object(input))),
        ..context.passing_through()
    };
    // A destination fails if its channel has no stream key.
    let has_key =
        |it: &&str| context.region.objects(Kind::StreamKey).of_channel(it).next().is_some();
    let channels: Vec<String> =
        channels(&wire).into_iter().filter(has_key).map(str::to_owned).collect();
    put(context, &arn, wire, hidden);
    for channel in channels {
        let now = context.now;
        let start = Start { viewers: 0, composition: Some(arn.clone()) };
        stream::go_live(context.region, context.common, &channel, start, now);
    }
    context.answer(Kind::Composition, &arn)
}

/// Stores a composition without the quota check of the object store: only running compositions count, and the
/// caller has counted them.
fn put(context: &mut OperationContext<'_>, arn: &str, wire: Map<String, Value>, hidden: Hidden) {
    let sequence = context.common.next_sequence();
    let object = Object { sequence, arn: arn.to_owned(), created: context.now, wire, hidden };
    context.region.objects_mut(Kind::Composition).put(object);
    context.record(arn, Vec::new());
}

fn started_with<'a>(context: &'a OperationContext<'_>, token: &str) -> Option<&'a Object> {
    let lifetime = i64::from(context.common.switches.idempotency_seconds);
    let horizon = Millis(context.now.0.saturating_sub(lifetime.saturating_mul(1000)));
    context.region.objects(Kind::Composition).iter().find(|object| {
        object.created >= horizon
            && object.hidden.token.as_ref().is_some_and(|(known, _)| known == token)
    })
}

/// Checks that there is one destination, or one channel and one S3, and that each is exactly one of the two.
fn check_destinations(input: &Map<String, Value>) -> Result<(), Failure> {
    let destinations = items(input, "destinations");
    for (index, destination) in destinations.iter().enumerate() {
        let has = |member: &str| destination.get(member).is_some();
        if has("channel") == has("s3") {
            return Err(Failure::validation(format!(
                "destinations.{}.member must have exactly one of channel and s3",
                index + 1
            )));
        }
        let thumbnails = destination.get("s3").and_then(Value::as_object);
        for thumbnail in thumbnails.map_or(&[][..], |s3| items(s3, "thumbnailConfigurations")) {
            if let Some(thumbnail) = thumbnail.as_object() {
                check_unique("thumbnailConfigurations.storage", items(thumbnail, "storage"))?;
            }
        }
    }
    let channels = destinations.iter().filter(|one| one.get("channel").is_some()).count();
    if destinations.len() == 2 && channels != 1 {
        return Err(Failure::validation(
            "Two destinations must be one channel and one s3 destination",
        ));
    }
    Ok(())
}

fn check_references(
    context: &OperationContext<'_>,
    input: &Map<String, Value>,
) -> Result<(), Failure> {
    for configuration in items(input, "destinations") {
        if let Some(channel) = configuration.get("channel").and_then(Value::as_object) {
            let arn = text(channel, "channelArn");
            context.find(Kind::Channel, arn)?;
            let encoder = text(channel, "encoderConfigurationArn");
            if !encoder.is_empty() {
                context.find(Kind::EncoderConfiguration, encoder)?;
            }
            if context.region.streams.contains_key(arn) || context.region.is_held(arn, context.now)
            {
                return Err(context.conflict(format!("Channel {arn} is live")));
            }
        }
        if let Some(s3) = configuration.get("s3").and_then(Value::as_object) {
            context.named(Kind::StorageConfiguration, s3, "storageConfigurationArn")?;
            for encoder in items(s3, "encoderConfigurationArns").iter().filter_map(Value::as_str) {
                context.find(Kind::EncoderConfiguration, encoder)?;
            }
        }
    }
    Ok(())
}

fn check_quotas(context: &OperationContext<'_>, stage: &str) -> Result<(), Failure> {
    let running: Vec<&Object> = context
        .region
        .objects(Kind::Composition)
        .iter()
        .filter(|one| is_running(&one.wire))
        .collect();
    context.room_for(Kind::Composition, running.len())?;
    let here = running.iter().filter(|one| one.text("stageArn") == stage).count();
    let quota = context.common.quotas.compositions_per_stage;
    if u64::try_from(here).is_ok_and(|here| here >= quota) {
        return Err(Failure::quota(format!(
            "Your request could not be completed because you have reached the service quota of \
             {quota} for compositions of stage {stage}"
        )));
    }
    Ok(())
}

fn layout(given: &Map<String, Value>) -> Result<Value, Failure> {
    if given.contains_key("grid") && given.contains_key("pip") {
        return Err(Failure::validation("layout must have at most one of grid and pip"));
    }
    if given.contains_key("pip") {
        let mut pip = object(given, "pip");
        for (member, default) in [
            ("featuredParticipantAttribute", json!("")),
            ("omitStoppedVideo", json!(false)),
            ("videoFillMode", json!("COVER")),
            ("gridGap", json!(0)),
            ("pipParticipantAttribute", json!("")),
            ("pipBehavior", json!("STATIC")),
            ("pipOffset", json!(0)),
            ("pipPosition", json!("BOTTOM_RIGHT")),
            ("participantOrderAttribute", json!("")),
        ] {
            fill(&mut pip, member, default);
        }
        return Ok(json!({ "pip": pip }));
    }
    let mut grid = object(given, "grid");
    for (member, default) in [
        ("featuredParticipantAttribute", json!("")),
        ("omitStoppedVideo", json!(false)),
        ("videoAspectRatio", json!("VIDEO")),
        ("videoFillMode", json!("")),
        ("gridGap", json!(2)),
        ("participantOrderAttribute", json!("")),
    ] {
        fill(&mut grid, member, default);
    }
    Ok(json!({ "grid": grid }))
}

/// A destination as `GetComposition` shows it.
fn destination(context: &mut OperationContext<'_>, composition: &str, given: &Value) -> Value {
    let mut configuration = given.as_object().cloned().unwrap_or_default();
    fill(&mut configuration, "name", json!(""));
    let id = context.common.generator.letters(12);
    let mut wire = Map::new();
    wire.insert("id".to_owned(), json!(id));
    wire.insert("state".to_owned(), json!("STARTING"));
    if configuration.contains_key("s3") {
        let mut s3 = object(&configuration, "s3");
        let mut recording = object(&s3, "recordingConfiguration");
        fill(&mut recording, "format", json!("HLS"));
        let mut hls = object(&recording, "hlsConfiguration");
        fill(&mut hls, "targetSegmentDurationSeconds", json!(2));
        recording.insert("hlsConfiguration".to_owned(), Value::Object(hls));
        s3.insert("recordingConfiguration".to_owned(), Value::Object(recording));
        if let Some(Value::Array(thumbnails)) = s3.get_mut("thumbnailConfigurations") {
            for thumbnail in thumbnails.iter_mut().filter_map(Value::as_object_mut) {
                fill(thumbnail, "targetIntervalSeconds", json!(60));
                fill(thumbnail, "storage", json!(["SEQUENTIAL"]));
            }
        }
        configuration.insert("s3".to_owned(), Value::Object(s3));
        let composition = composition.rsplit('/').next().unwrap_or_default();
        let prefix = format!("{composition}/{id}/composite");
        wire.insert("detail".to_owned(), json!({ "s3": { "recordingPrefix": prefix } }));
    }
    wire.insert("configuration".to_owned(), Value::Object(configuration));
    Value::Object(wire)
}

pub(crate) fn list(context: &OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let stage = text(input, "filterByStageArn");
    let encoder = text(input, "filterByEncoderConfigurationArn");
    let both = !stage.is_empty() && !encoder.is_empty();
    if both && context.common.switches.two_composition_filters == Stance::Refuse {
        return Err(context.conflict("Filters are mutually exclusive: give at most one"));
    }
    context.list(Kind::Composition, input, 100, |found| {
        (stage.is_empty() || found.text("stageArn") == stage)
            && (encoder.is_empty() || encoders(&found.wire).contains(&encoder))
    })
}

/// The values under `path` of all destinations of a composition.
fn destinations<'a>(wire: &'a Map<String, Value>, path: &str) -> Vec<&'a Value> {
    let pointer = format!("/configuration/{path}");
    items(wire, "destinations").iter().filter_map(|one| one.pointer(&pointer)).collect()
}

/// The encoder configurations a composition uses.
pub(crate) fn encoders(wire: &Map<String, Value>) -> Vec<&str> {
    let channels = destinations(wire, "channel/encoderConfigurationArn").into_iter();
    let s3 = destinations(wire, "s3/encoderConfigurationArns").into_iter();
    channels.chain(s3.filter_map(Value::as_array).flatten()).filter_map(Value::as_str).collect()
}

/// The storage configurations a composition uses.
pub(crate) fn storages(wire: &Map<String, Value>) -> Vec<&str> {
    destinations(wire, "s3/storageConfigurationArn").into_iter().filter_map(Value::as_str).collect()
}

/// The channels a composition broadcasts to.
pub(crate) fn channels(wire: &Map<String, Value>) -> Vec<&str> {
    destinations(wire, "channel/channelArn").into_iter().filter_map(Value::as_str).collect()
}

/// A composition has ended: the streams of its channels end some time after that, and deletes of its configurations
/// are refused until then.
pub(crate) fn release(region: &mut Region, arn: &str, at: Millis, lags: Lags) {
    for stream in region.streams.values_mut() {
        if stream.composition.as_deref() == Some(arn) && stream.ending.is_none() {
            stream.ending = Some(Millis(at.0.saturating_add(lags.stream)));
        }
    }
    let Some(wire) = region.objects(Kind::Composition).get(arn).map(|it| it.wire.clone()) else {
        return;
    };
    for used in encoders(&wire).into_iter().chain(storages(&wire)) {
        region.hold(used, Millis(at.0.saturating_add(lags.conflict)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_of_zero_is_not_an_absent_gap() {
        let laid = |given: Value| layout(given.as_object().expect("an object"));
        let gap = |given| laid(given).map(|layout| layout["grid"]["gridGap"].clone());
        assert_eq!(gap(json!({})), Ok(json!(2)));
        assert_eq!(gap(json!({"grid": {"gridGap": 0}})), Ok(json!(0)));
        assert!(laid(json!({"grid": {}, "pip": {}})).is_err());
    }

    #[test]
    fn two_destinations_are_one_of_each() {
        let check = |list: Value| {
            check_destinations(json!({ "destinations": list }).as_object().expect("an object"))
        };
        assert!(check(json!([{"channel": {}}, {"s3": {}}])).is_ok());
        assert!(check(json!([{"s3": {}}])).is_ok());
        for bad in
            [json!([{"s3": {}}, {"s3": {}}]), json!([{}]), json!([{"s3": {}, "channel": {}}])]
        {
            assert!(check(bad).is_err());
        }
    }
}
