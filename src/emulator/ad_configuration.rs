//! Ad configurations. Whether the `MediaTailor` side exists and fits cannot be known here.

use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::kind::Kind;
use super::scene::{Answer, Scene, fill, overwrite};
use super::shelf::{Hidden, text};
use super::switches::Stance;

pub(crate) fn create(scene: &mut Scene<'_>, input: Map<String, Value>) -> Answer {
    check(&input)?;
    let arn = scene.new_arn(Kind::AdConfiguration);
    let mut wire = input;
    wire.insert("arn".to_owned(), json!(arn));
    fill(&mut wire, "name", json!(""));
    fill(&mut wire, "postRollConfiguration", json!({"durationSeconds": 15, "enabled": false}));
    scene.create(Kind::AdConfiguration, &arn, wire, Hidden::default())
}

pub(crate) fn update(scene: &mut Scene<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    scene.find(Kind::AdConfiguration, arn)?;
    check(input)?;
    scene.record(arn, Vec::new());
    let members = ["name", "mediaTailorPlaybackConfigurations", "postRollConfiguration"];
    overwrite(&mut scene.find_mut(Kind::AdConfiguration, arn)?.wire, input, &members);
    scene.answer(Kind::AdConfiguration, arn)
}

pub(crate) fn delete(scene: &mut Scene<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    scene.find(Kind::AdConfiguration, arn)?;
    let used = scene.region.a_channel_has("adConfigurationArn", arn);
    if used && scene.common.switches.delete_referenced == Stance::Refuse {
        return Err(Failure::conflict(format!(
            "{arn} is in use: a channel refers to it in adConfigurationArn"
        )));
    }
    scene.remove(Kind::AdConfiguration, arn, Vec::new())
}

/// The model lets the ARN inside be absent; an entry without it names nothing.
fn check(input: &Map<String, Value>) -> Result<(), Failure> {
    let entries = super::scene::list(input, "mediaTailorPlaybackConfigurations");
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
