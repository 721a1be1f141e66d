//! Public keys, with which an account signs its own participant tokens.

use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::pem;
use super::playback_key_pair::refuse_duplicate;
use super::scene::{Answer, Scene, fill};
use super::shelf::{Hidden, text};

pub(crate) fn import(scene: &mut Scene<'_>, input: Map<String, Value>) -> Answer {
    let fingerprint = pem::fingerprint(text(&input, "publicKeyMaterial"))?;
    refuse_duplicate(scene, Kind::PublicKey, &fingerprint)?;
    let arn = scene.new_arn(Kind::PublicKey);
    let mut wire = input;
    wire.insert("arn".to_owned(), json!(arn));
    fill(&mut wire, "name", json!(""));
    wire.insert("fingerprint".to_owned(), json!(fingerprint));
    let hidden = Hidden { digest: Some(fingerprint), ..Hidden::default() };
    scene.create(Kind::PublicKey, &arn, wire, hidden)
}

pub(crate) fn delete(scene: &mut Scene<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    scene.find(Kind::PublicKey, arn)?;
    scene.remove(Kind::PublicKey, arn, Vec::new())
}
