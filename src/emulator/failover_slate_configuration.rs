//! Failover slate configurations: CREATING before CREATED, UPDATING after each change.

use serde_json::{Map, Value, json};

use super::context::{Answer, OperationContext, fill, overwrite};
use super::failure::Failure;
use super::kind::Kind;
use super::objects::text;
use super::switches::{Absent, Stance};

/// The numbers with their defaults.
const NUMBERS: [(&str, i64); 3] = [
    ("activationThresholdSeconds", 3),
    ("minSlateDisplaySeconds", 3),
    ("maxSlateDisplaySeconds", 60),
];

pub(crate) fn create(context: &mut OperationContext<'_>, input: Map<String, Value>) -> Answer {
    let arn = context.new_arn(Kind::FailoverSlateConfiguration);
    let mut wire = input;
    wire.insert("arn".to_owned(), json!(arn));
    wire.insert("state".to_owned(), json!("CREATING"));
    fill(&mut wire, "name", json!(""));
    for (member, default) in NUMBERS {
        fill(&mut wire, member, json!(default));
    }
    let hidden = context.passing_through();
    context.create(Kind::FailoverSlateConfiguration, &arn, wire, hidden)
}

pub(crate) fn update(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    refuse_if_busy(context, arn)?;
    context.record(arn, Vec::new());
    let hidden = context.passing_through();
    let reset = context.common.switches.slate_update == Absent::Reset;
    let object = context.find_mut(Kind::FailoverSlateConfiguration, arn)?;
    object.hidden = hidden;
    object.wire.insert("state".to_owned(), json!("UPDATING"));
    overwrite(&mut object.wire, input, &["name"]);
    for (member, default) in NUMBERS {
        if reset {
            object.wire.insert(member.to_owned(), json!(default));
        }
        overwrite(&mut object.wire, input, &[member]);
    }
    context.answer(Kind::FailoverSlateConfiguration, arn)
}

pub(crate) fn delete(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    refuse_if_busy(context, arn)?;
    let used = context.region.a_channel_has("failoverSlateConfigurationArn", arn);
    if used && context.common.switches.delete_referenced == Stance::Refuse {
        return Err(Failure::conflict(format!(
            "{arn} is in use: a channel refers to it in failoverSlateConfigurationArn"
        )));
    }
    context.remove(Kind::FailoverSlateConfiguration, arn, Vec::new())
}

fn refuse_if_busy(context: &OperationContext<'_>, arn: &str) -> Result<(), Failure> {
    let state = context.find(Kind::FailoverSlateConfiguration, arn)?.text("state");
    let busy = matches!(state, "CREATING" | "UPDATING");
    if busy && context.common.switches.busy_slate == Stance::Refuse {
        return Err(Failure::conflict(format!("{arn} is in state {state}")));
    }
    Ok(())
}
