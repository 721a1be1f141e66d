//! Failover slate configurations: CREATING before CREATED, UPDATING after each change.

use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::kind::Kind;
use super::scene::{Answer, Scene, fill, overwrite};
use super::shelf::text;
use super::switches::{Absent, Stance};

/// The numbers and what they are unless told.
const NUMBERS: [(&str, i64); 3] = [
    ("activationThresholdSeconds", 3),
    ("minSlateDisplaySeconds", 3),
    ("maxSlateDisplaySeconds", 60),
];

pub(crate) fn create(scene: &mut Scene<'_>, input: Map<String, Value>) -> Answer {
    let arn = scene.new_arn(Kind::FailoverSlateConfiguration);
    let mut wire = input;
    wire.insert("arn".to_owned(), json!(arn));
    wire.insert("state".to_owned(), json!("CREATING"));
    fill(&mut wire, "name", json!(""));
    for (member, default) in NUMBERS {
        fill(&mut wire, member, json!(default));
    }
    let hidden = scene.passing_through();
    scene.create(Kind::FailoverSlateConfiguration, &arn, wire, hidden)
}

pub(crate) fn update(scene: &mut Scene<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    refuse_if_busy(scene, arn)?;
    scene.record(arn, Vec::new());
    let hidden = scene.passing_through();
    let reset = scene.common.switches.slate_update == Absent::Reset;
    let object = scene.find_mut(Kind::FailoverSlateConfiguration, arn)?;
    object.hidden = hidden;
    object.wire.insert("state".to_owned(), json!("UPDATING"));
    overwrite(&mut object.wire, input, &["name"]);
    for (member, default) in NUMBERS {
        if reset {
            object.wire.insert(member.to_owned(), json!(default));
        }
        overwrite(&mut object.wire, input, &[member]);
    }
    scene.answer(Kind::FailoverSlateConfiguration, arn)
}

pub(crate) fn delete(scene: &mut Scene<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    refuse_if_busy(scene, arn)?;
    let used = scene.region.a_channel_has("failoverSlateConfigurationArn", arn);
    if used && scene.common.switches.delete_referenced == Stance::Refuse {
        return Err(Failure::conflict(format!(
            "{arn} is in use: a channel refers to it in failoverSlateConfigurationArn"
        )));
    }
    scene.remove(Kind::FailoverSlateConfiguration, arn, Vec::new())
}

fn refuse_if_busy(scene: &Scene<'_>, arn: &str) -> Result<(), Failure> {
    let state = scene.find(Kind::FailoverSlateConfiguration, arn)?.text("state");
    let busy = matches!(state, "CREATING" | "UPDATING");
    if busy && scene.common.switches.busy_slate == Stance::Refuse {
        return Err(Failure::conflict(format!("{arn} is in state {state}")));
    }
    Ok(())
}
