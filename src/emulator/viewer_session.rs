//! Revocation of viewer sessions. The emulator has no viewers with sessions, so this only checks.

use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::scene::{Answer, Scene, list};
use super::shelf::text;

pub(crate) fn revoke(scene: &mut Scene<'_>, input: &Map<String, Value>) -> Answer {
    let channel = text(input, "channelArn");
    scene.find(Kind::Channel, channel)?;
    scene.record(channel, Vec::new());
    Ok(json!({}))
}

pub(crate) fn batch_revoke(scene: &mut Scene<'_>, input: &Map<String, Value>) -> Value {
    let mut errors = Vec::new();
    for wanted in list(input, "viewerSessions").iter().filter_map(Value::as_object) {
        let channel = text(wanted, "channelArn");
        if scene.region.shelf(Kind::Channel).get(channel).is_some() {
            scene.record(channel, Vec::new());
        } else {
            errors.push(json!({
                "channelArn": channel,
                "viewerId": text(wanted, "viewerId"),
                // As in the one published sample: a number, not an error name.
                "code": "403",
                "message": "not authorized",
            }));
        }
    }
    json!({ "errors": errors })
}
