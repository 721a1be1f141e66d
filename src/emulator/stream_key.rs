//! Stream keys: one a channel, made with the channel.

use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::kind::Kind;
use super::pages;
use super::scene::{Answer, Scene, object};
use super::shelf::{Hidden, text};

pub(crate) fn create(scene: &mut Scene<'_>, input: &Map<String, Value>) -> Answer {
    let channel = text(input, "channelArn");
    scene.find(Kind::Channel, channel)?;
    let quota = scene.common.quotas.stream_keys_per_channel;
    let used = u64::try_from(of_channel(scene, channel).len()).unwrap_or(u64::MAX);
    if used >= quota {
        return Err(Failure::quota(format!(
            "Your request could not be completed because you have reached the service quota of \
             {quota} for streamKeys of channel {channel}"
        )));
    }
    let key = make(scene, channel, object(input, "tags"))?;
    Ok(json!({ "streamKey": key }))
}

/// Stores a new key and gives it back.
pub(crate) fn make(
    scene: &mut Scene<'_>,
    channel: &str,
    tags: Map<String, Value>,
) -> Result<Value, Failure> {
    let arn = scene.new_arn(Kind::StreamKey);
    let value = format!(
        "sk_emulator_{}_{}_{}",
        scene.region_name,
        scene.common.generator.letters(12),
        scene.common.generator.letters(24)
    );
    let mut wire = Map::new();
    wire.insert("arn".to_owned(), json!(arn));
    wire.insert("value".to_owned(), json!(value));
    wire.insert("channelArn".to_owned(), json!(channel));
    wire.insert("tags".to_owned(), Value::Object(tags));
    scene.add(Kind::StreamKey, &arn, wire.clone(), Hidden::default())?;
    Ok(Value::Object(wire))
}

/// The ARNs of a channel's keys.
pub(crate) fn of_channel(scene: &Scene<'_>, channel: &str) -> Vec<String> {
    let keys = scene.region.shelf(Kind::StreamKey).of_channel(channel);
    keys.map(|key| key.arn.clone()).collect()
}

pub(crate) fn delete(scene: &mut Scene<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    scene.find(Kind::StreamKey, arn)?;
    // A running stream is not cut off: only StopStream does that.
    scene.remove(Kind::StreamKey, arn, Vec::new())
}

pub(crate) fn list(scene: &Scene<'_>, input: &Map<String, Value>) -> Answer {
    let channel = text(input, "channelArn");
    scene.find(Kind::Channel, channel)?;
    if scene.lens.list_lag == 0 {
        let keys = scene.region.shelf(Kind::StreamKey).of_channel(channel);
        let rows = keys.map(|key| (key.sequence, &key.wire)).collect();
        return pages::page(scene, input, 1, "streamKeys", rows);
    }
    scene.list(Kind::StreamKey, input, 1, |key| key.text("channelArn") == channel)
}
