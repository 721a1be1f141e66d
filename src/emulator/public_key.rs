//! Public keys, with which an account signs its own participant tokens.

use serde_json::{Map, Value, json};

use super::context::{Answer, OperationContext, fill};
use super::kind::Kind;
use super::objects::{Hidden, text};
use super::pem;
use super::playback_key_pair::refuse_duplicate;

pub(crate) fn import(context: &mut OperationContext<'_>, input: Map<String, Value>) -> Answer {
    let fingerprint = pem::fingerprint(text(&input, "publicKeyMaterial"))?;
    refuse_duplicate(context, Kind::PublicKey, &fingerprint)?;
    let arn = context.new_arn(Kind::PublicKey);
    let mut wire = input;
    wire.insert("arn".to_owned(), json!(arn));
    fill(&mut wire, "name", json!(""));
    wire.insert("fingerprint".to_owned(), json!(fingerprint));
    let hidden = Hidden { digest: Some(fingerprint), ..Hidden::default() };
    context.create(Kind::PublicKey, &arn, wire, hidden)
}

pub(crate) fn delete(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    context.find(Kind::PublicKey, arn)?;
    context.remove(Kind::PublicKey, arn, Vec::new())
}
