//! Storage configurations: immutable, undeletable while something records to them. The bucket policy
//! that the real service rewrites is out of reach here.

use serde_json::{Map, Value, json};

use super::composition;
use super::context::{Answer, OperationContext, fill};
use super::kind::Kind;
use super::objects::{Hidden, text};
use super::stage;
use super::switches::Stance;

pub(crate) fn create(context: &mut OperationContext<'_>, input: Map<String, Value>) -> Answer {
    let arn = context.new_arn(Kind::StorageConfiguration);
    let mut wire = input;
    wire.insert("arn".to_owned(), json!(arn));
    fill(&mut wire, "name", json!(""));
    context.create(Kind::StorageConfiguration, &arn, wire, Hidden::default())
}

pub(crate) fn delete(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    context.find(Kind::StorageConfiguration, arn)?;
    if context.region.is_held(arn, context.now)
        || composition::any_running(context.region, |wire| {
            composition::storages(wire).contains(&arn)
        })
    {
        return Err(context.conflict(format!("{arn} is in use by a composition")));
    }
    let records =
        context.region.objects(Kind::Stage).iter().any(|found| stage::storage(&found.wire) == arn);
    if records && context.common.switches.storage_used_by_stage == Stance::Refuse {
        return Err(context.conflict(format!("{arn} is in use by a stage")));
    }
    context.remove(Kind::StorageConfiguration, arn, Vec::new())
}
