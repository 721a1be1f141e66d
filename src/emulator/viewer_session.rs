//! Revocation of viewer sessions. The emulator has no viewers with sessions, so this only checks.

use serde_json::{Map, Value, json};

use super::context::{Answer, OperationContext, list};
use super::kind::Kind;
use super::objects::text;

pub(crate) fn revoke(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let channel = text(input, "channelArn");
    context.find(Kind::Channel, channel)?;
    context.record(channel, Vec::new());
    Ok(json!({}))
}

pub(crate) fn batch_revoke(
    context: &mut OperationContext<'_>,
    input: &Map<String, Value>,
) -> Value {
    let mut errors = Vec::new();
    for wanted in list(input, "viewerSessions").iter().filter_map(Value::as_object) {
        let channel = text(wanted, "channelArn");
        if context.region.objects(Kind::Channel).get(channel).is_some() {
            context.record(channel, Vec::new());
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
