//! Stream keys: one a channel, made with the channel.

use serde_json::{Map, Value, json};

use super::context::{Answer, OperationContext, object};
use super::failure::Failure;
use super::kind::Kind;
use super::objects::{Hidden, text};
use super::pages;

pub(crate) fn create(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let channel = text(input, "channelArn");
    context.find(Kind::Channel, channel)?;
    let quota = context.common.quotas.stream_keys_per_channel;
    let used = u64::try_from(of_channel(context, channel).len()).unwrap_or(u64::MAX);
    if used >= quota {
        return Err(Failure::quota(format!(
            "Your request could not be completed because you have reached the service quota of \
             {quota} for streamKeys of channel {channel}"
        )));
    }
    let key = make(context, channel, object(input, "tags"))?;
    Ok(json!({ "streamKey": key }))
}

/// Stores a new key and gives it back.
pub(crate) fn make(
    context: &mut OperationContext<'_>,
    channel: &str,
    tags: Map<String, Value>,
) -> Result<Value, Failure> {
    let arn = context.new_arn(Kind::StreamKey);
    let value = format!(
        "sk_emulator_{}_{}_{}",
        context.region_name,
        context.common.generator.letters(12),
        context.common.generator.letters(24)
    );
    let mut wire = Map::new();
    wire.insert("arn".to_owned(), json!(arn));
    wire.insert("value".to_owned(), json!(value));
    wire.insert("channelArn".to_owned(), json!(channel));
    wire.insert("tags".to_owned(), Value::Object(tags));
    context.add(Kind::StreamKey, &arn, wire.clone(), Hidden::default())?;
    Ok(Value::Object(wire))
}

/// The ARNs of a channel's keys.
pub(crate) fn of_channel(context: &OperationContext<'_>, channel: &str) -> Vec<String> {
    let keys = context.region.objects(Kind::StreamKey).of_channel(channel);
    keys.map(|key| key.arn.clone()).collect()
}

pub(crate) fn delete(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    context.find(Kind::StreamKey, arn)?;
    // A running stream is not cut off: only StopStream does that.
    context.remove(Kind::StreamKey, arn, Vec::new())
}

pub(crate) fn list(context: &OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let channel = text(input, "channelArn");
    context.find(Kind::Channel, channel)?;
    if context.fault_view.list_lag == 0 {
        let keys = context.region.objects(Kind::StreamKey).of_channel(channel);
        let rows = keys.map(|key| (key.sequence, &key.wire)).collect();
        return pages::page(context, input, 1, "streamKeys", rows);
    }
    context.list(Kind::StreamKey, input, 1, |key| key.text("channelArn") == channel)
}
