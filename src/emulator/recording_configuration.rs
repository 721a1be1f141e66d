//! Recording configurations: immutable, CREATING before they are ACTIVE.

use serde_json::{Map, Value, json};

use super::context::{Answer, OperationContext, check_unique, fill, list, object};
use super::failure::Failure;
use super::kind::Kind;
use super::objects::text;

pub(crate) fn create(context: &mut OperationContext<'_>, input: Map<String, Value>) -> Answer {
    if !object(&input, "destinationConfiguration").contains_key("s3") {
        return Err(Failure::validation(
            "destinationConfiguration must have exactly one destination: s3",
        ));
    }
    let mut thumbnails = object(&input, "thumbnailConfiguration");
    let disabled = text(&thumbnails, "recordingMode") == "DISABLED";
    if disabled && thumbnails.contains_key("targetIntervalSeconds") {
        return Err(Failure::validation(
            "thumbnailConfiguration.targetIntervalSeconds is allowed only if \
             thumbnailConfiguration.recordingMode is INTERVAL",
        ));
    }
    check_unique("thumbnailConfiguration.storage", list(&thumbnails, "storage"))?;
    let mut renditions = object(&input, "renditionConfiguration");
    check_renditions(&renditions)?;

    let arn = context.new_arn(Kind::RecordingConfiguration);
    let mut wire = input;
    wire.insert("arn".to_owned(), json!(arn));
    wire.insert("state".to_owned(), json!("CREATING"));
    fill(&mut wire, "name", json!(""));
    if context.common.switches.recording_defaults {
        fill(&mut wire, "recordingReconnectWindowSeconds", json!(0));
        fill(&mut thumbnails, "recordingMode", json!("INTERVAL"));
        if !disabled {
            fill(&mut thumbnails, "targetIntervalSeconds", json!(60));
            fill(&mut thumbnails, "storage", json!(["SEQUENTIAL"]));
        }
        wire.insert("thumbnailConfiguration".to_owned(), Value::Object(thumbnails));
        fill(&mut renditions, "renditionSelection", json!("ALL"));
        wire.insert("renditionConfiguration".to_owned(), Value::Object(renditions));
    }
    let hidden = context.passing_through();
    context.create(Kind::RecordingConfiguration, &arn, wire, hidden)
}

fn check_renditions(renditions: &Map<String, Value>) -> Result<(), Failure> {
    let named = list(renditions, "renditions");
    check_unique("renditionConfiguration.renditions", named)?;
    if text(renditions, "renditionSelection") == "CUSTOM" && named.is_empty() {
        return Err(Failure::validation(
            "renditionConfiguration.renditions must be specified if \
             renditionConfiguration.renditionSelection is CUSTOM",
        ));
    }
    Ok(())
}

pub(crate) fn delete(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    context.find(Kind::RecordingConfiguration, arn)?;
    if context.region.a_channel_has("recordingConfigurationArn", arn) {
        return Err(Failure::conflict(format!(
            "{arn} is in use: a channel refers to it in recordingConfigurationArn"
        )));
    }
    context.remove(Kind::RecordingConfiguration, arn, Vec::new())
}
