//! Storage configurations: immutable, undeletable while something records to them. The bucket policy
//! that the real service rewrites is out of reach here.

use serde_json::{Map, Value, json};

use super::composition;
use super::kind::Kind;
use super::scene::{Answer, Scene, fill};
use super::shelf::{Hidden, text};
use super::stage;
use super::switches::Stance;

pub(crate) fn create(scene: &mut Scene<'_>, input: Map<String, Value>) -> Answer {
    let arn = scene.new_arn(Kind::StorageConfiguration);
    let mut wire = input;
    wire.insert("arn".to_owned(), json!(arn));
    fill(&mut wire, "name", json!(""));
    scene.create(Kind::StorageConfiguration, &arn, wire, Hidden::default())
}

pub(crate) fn delete(scene: &mut Scene<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    scene.find(Kind::StorageConfiguration, arn)?;
    if scene.region.is_held(arn, scene.now)
        || composition::any_running(scene.region, |wire| composition::storages(wire).contains(&arn))
    {
        return Err(scene.conflict(format!("{arn} is in use by a composition")));
    }
    let records =
        scene.region.shelf(Kind::Stage).iter().any(|found| stage::storage(&found.wire) == arn);
    if records && scene.common.switches.storage_used_by_stage == Stance::Refuse {
        return Err(scene.conflict(format!("{arn} is in use by a stage")));
    }
    scene.remove(Kind::StorageConfiguration, arn, Vec::new())
}
