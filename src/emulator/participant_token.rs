//! Participant tokens. They open nothing here; the id of a token is the participant's id, as the
//! `jti` of a real one is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::clock::Millis;
use super::context::{Answer, OperationContext, check_attributes, check_unique, list, object};
use super::failure::Failure;
use super::kind::Kind;
use super::objects::text;
use super::participant;

/// Minutes, if not told.
const DURATION: i64 = 720;

/// A token that has not expired.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Token {
    pub(crate) participant: String,
    pub(crate) user: String,
    pub(crate) attributes: Value,
    /// Whether it permits to publish.
    #[serde(default = "yes")]
    pub(crate) publishes: bool,
    expires: Millis,
}

fn yes() -> bool {
    true
}

/// The rules of a wanted token.
pub(crate) fn check(wanted: &Map<String, Value>) -> Result<(), Failure> {
    check_attributes(wanted)?;
    check_unique("capabilities", list(wanted, "capabilities"))
}

/// Makes a token for a stage that exists.
pub(crate) fn mint(
    context: &mut OperationContext<'_>,
    stage: &str,
    wanted: &Map<String, Value>,
) -> Value {
    let minutes = wanted.get("duration").and_then(Value::as_i64).unwrap_or(DURATION);
    let expires = context.now.after_seconds(minutes.saturating_mul(60));
    let id = context.common.generator.letters(12);
    let secret = format!("sk_emulator_token_{}", context.common.generator.letters(48));
    let attributes = Value::Object(object(wanted, "attributes"));
    let user = text(wanted, "userId").to_owned();
    let floor = context.region.floors.entry(stage.to_owned()).or_default();
    let now = context.now;
    floor.tokens.retain(|token| token.expires > now);
    let capabilities = wanted.get("capabilities").filter(|given| **given != json!([])).cloned();
    let capabilities = capabilities.unwrap_or_else(|| json!(["PUBLISH", "SUBSCRIBE"]));
    let publishes = capabilities.as_array().is_some_and(|it| it.contains(&json!("PUBLISH")));
    floor.tokens.push(Token {
        participant: id.clone(),
        user: user.clone(),
        attributes: attributes.clone(),
        publishes,
        expires,
    });
    json!({
        "participantId": id,
        "token": secret,
        "userId": user,
        "attributes": attributes,
        "duration": minutes,
        "capabilities": capabilities,
        "expirationTime": expires.to_iso(),
    })
}

pub(crate) fn create(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Answer {
    let stage = text(input, "stageArn");
    context.find(Kind::Stage, stage)?;
    check(input)?;
    let token = mint(context, stage, input);
    context.record(stage, Vec::new());
    Ok(json!({ "participantToken": token }))
}

/// Whoever is connected with the token is thrown out. A token nobody knows is no error: none is
/// modelled.
pub(crate) fn revoke(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Value {
    let id = text(input, "tokenId");
    let stages: Vec<String> = context
        .region
        .floors
        .iter()
        .filter(|(_, floor)| floor.tokens.iter().any(|token| token.participant == id))
        .map(|(stage, _)| stage.clone())
        .collect();
    for stage in stages {
        let there = context.region.floors.get(&stage).is_some_and(|floor| floor.find(id).is_some());
        let cut = there.then(|| format!("participant:{stage}/{id}")).into_iter().collect();
        context.record(&stage, cut);
        participant::throw_out(context.region, &stage, id, context.now);
        if let Some(floor) = context.region.floors.get_mut(&stage) {
            floor.tokens.retain(|token| token.participant != id);
        }
    }
    json!({})
}
