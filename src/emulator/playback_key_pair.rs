//! Playback key pairs: the public half is imported and never shown again, only its fingerprint.

use serde_json::{Map, Value, json};

use super::context::{Answer, OperationContext, fill};
use super::failure::Failure;
use super::kind::Kind;
use super::objects::{Hidden, text};
use super::pem;
use super::switches::Stance;

pub(crate) fn import(context: &mut OperationContext<'_>, mut input: Map<String, Value>) -> Answer {
    let material = input.shift_remove("publicKeyMaterial").unwrap_or_default();
    let fingerprint = pem::fingerprint(material.as_str().unwrap_or_default())?;
    refuse_duplicate(context, Kind::PlaybackKeyPair, &fingerprint)?;
    let arn = context.new_arn(Kind::PlaybackKeyPair);
    let mut wire = input;
    wire.insert("arn".to_owned(), json!(arn));
    fill(&mut wire, "name", json!(""));
    wire.insert("fingerprint".to_owned(), json!(fingerprint));
    let hidden = Hidden { digest: Some(fingerprint), ..Hidden::default() };
    context.create(Kind::PlaybackKeyPair, &arn, wire, hidden)
}

/// The same key material twice.
pub(crate) fn refuse_duplicate(
    context: &OperationContext<'_>,
    kind: Kind,
    fingerprint: &str,
) -> Result<(), Failure> {
    let known = |digest: Option<&String>| digest.is_some_and(|digest| digest == fingerprint);
    let twice = context.region.objects(kind).iter().any(|key| known(key.hidden.digest.as_ref()));
    if twice && context.common.switches.duplicate_key == Stance::Refuse {
        return Err(Failure::new(
            &context.common.switches.duplicate_key_error,
            "This public key has already been imported",
        ));
    }
    Ok(())
}

pub(crate) fn delete(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let arn = text(input, "arn");
    context.find(Kind::PlaybackKeyPair, arn)?;
    context.remove(Kind::PlaybackKeyPair, arn, Vec::new())
}
