//! Encoder configurations: immutable, undeletable while a composition uses them.

use serde_json::{Map, Value, json};

use super::composition;
use super::context::{Answer, OperationContext, fill, object};
use super::failure::Failure;
use super::kind::Kind;
use super::objects::{Hidden, text};

/// 1920×1080 or 1080×1920.
const MOST_PIXELS: i64 = 2_073_600;

pub(crate) fn create(context: &mut OperationContext<'_>, input: Map<String, Value>) -> Answer {
    let mut video = object(&input, "video");
    fill(&mut video, "width", json!(1280));
    fill(&mut video, "height", json!(720));
    fill(&mut video, "framerate", json!(30.0));
    fill(&mut video, "bitrate", json!(2_500_000));
    check(&video)?;
    let arn = context.new_arn(Kind::EncoderConfiguration);
    let mut wire = input;
    wire.insert("arn".to_owned(), json!(arn));
    fill(&mut wire, "name", json!(""));
    wire.insert("video".to_owned(), Value::Object(video));
    context.create(Kind::EncoderConfiguration, &arn, wire, Hidden::default())
}

fn check(video: &Map<String, Value>) -> Result<(), Failure> {
    let side = |member: &str| video.get(member).and_then(Value::as_i64).unwrap_or_default();
    for member in ["width", "height"] {
        if side(member) % 2 != 0 {
            return Err(Failure::validation(format!(
                "Value at 'video.{member}' failed to satisfy constraint: Member must be an even \
                 number"
            )));
        }
    }
    if side("width") * side("height") > MOST_PIXELS {
        return Err(Failure::validation(format!(
            "video.width times video.height must be at most {MOST_PIXELS}"
        )));
    }
    Ok(())
}

pub(crate) fn delete(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    context.find(Kind::EncoderConfiguration, arn)?;
    if context.region.is_held(arn, context.now)
        || composition::any_running(context.region, |wire| {
            composition::encoders(wire).contains(&arn)
        })
    {
        return Err(context.conflict(format!("{arn} is in use by a composition")));
    }
    context.remove(Kind::EncoderConfiguration, arn, Vec::new())
}
