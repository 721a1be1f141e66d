//! Ad configurations. Whether the `MediaTailor` side exists and fits cannot be known here.

use serde_json::{Map, Value, json};

use super::context::{Answer, OperationContext, fill, overwrite};
use super::failure::Failure;
use super::kind::Kind;
use super::objects::{Hidden, text};
use super::switches::Stance;

pub(crate) fn create(context: &mut OperationContext<'_>, input: Map<String, Value>) -> Answer {
    check(&input)?;
    let arn = context.new_arn(Kind::AdConfiguration);
    let mut wire = input;
    wire.insert("arn".to_owned(), json!(arn));
    fill(&mut wire, "name", json!(""));
    fill(&mut wire, "postRollConfiguration", json!({"durationSeconds": 15, "enabled": false}));
    context.create(Kind::AdConfiguration, &arn, wire, Hidden::default())
}

pub(crate) fn update(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    context.find(Kind::AdConfiguration, arn)?;
    check(input)?;
    context.record(arn, Vec::new());
    let members = ["name", "mediaTailorPlaybackConfigurations", "postRollConfiguration"];
    overwrite(&mut context.find_mut(Kind::AdConfiguration, arn)?.wire, input, &members);
    context.answer(Kind::AdConfiguration, arn)
}

pub(crate) fn delete(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    context.find(Kind::AdConfiguration, arn)?;
    let used = context.region.a_channel_has("adConfigurationArn", arn);
    if used && context.common.switches.delete_referenced == Stance::Refuse {
        return Err(Failure::conflict(format!(
            "{arn} is in use: a channel refers to it in adConfigurationArn"
        )));
    }
    context.remove(Kind::AdConfiguration, arn, Vec::new())
}

/// The model lets the ARN inside be absent; an entry without it names nothing.
fn check(input: &Map<String, Value>) -> Result<(), Failure> {
    let entries = super::context::list(input, "mediaTailorPlaybackConfigurations");
    let named = |entry: &Value| {
        entry.as_object().is_some_and(|entry| !text(entry, "playbackConfigurationArn").is_empty())
    };
    if entries.iter().all(named) {
        return Ok(());
    }
    Err(Failure::validation(
        "Value at 'mediaTailorPlaybackConfigurations' failed to satisfy constraint: Member must \
         have a playbackConfigurationArn",
    ))
}
