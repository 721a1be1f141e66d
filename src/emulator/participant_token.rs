//! Participant tokens. The emulator checks them nowhere; the id of a token is the participant's id, as the `jti`
//! of a real one is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::clock::Millis;
use super::context::{Answer, OperationContext, check_attributes, check_unique, list, object};
use super::failure::Failure;
use super::kind::Kind;
use super::objects::text;
use super::participant;

/// The default duration in minutes.
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

/// Checks the request for a token.
pub(crate) fn check(wanted: &Map<String, Value>) -> Result<(), Failure> {
    check_attributes(wanted)?;
    check_unique("capabilities", list(wanted, "capabilities"))
}

/// Creates a token for a stage that exists.
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
    let activity = context.region.stage_activity.entry(stage.to_owned()).or_default();
    let now = context.now;
    activity.tokens.retain(|token| token.expires > now);
    let capabilities = wanted.get("capabilities").filter(|given| **given != json!([])).cloned();
    let capabilities = capabilities.unwrap_or_else(|| json!(["PUBLISH", "SUBSCRIBE"]));
    let publishes = capabilities.as_array().is_some_and(|it| it.contains(&json!("PUBLISH")));
    activity.tokens.push(Token {
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

/// Disconnects the participant who joined with the token. An unknown token is not an error, since the model has
/// none for it.
pub(crate) fn revoke(context: &mut OperationContext<'_>, input: &Map<String, Value>) -> Value {
    let id = text(input, "tokenId");
    let stages: Vec<String> = context
        .region
        .stage_activity
        .iter()
        .filter(|(_, activity)| activity.tokens.iter().any(|token| token.participant == id))
        .map(|(stage, _)| stage.clone())
        .collect();
    for stage in stages {
        let connected = context
            .region
            .stage_activity
            .get(&stage)
            .is_some_and(|activity| activity.find(id).is_some());
        let cut = connected.then(|| format!("participant:{stage}/{id}")).into_iter().collect();
        context.record(&stage, cut);
        participant::disconnect_participant(context.region, &stage, id, context.now);
        if let Some(activity) = context.region.stage_activity.get_mut(&stage) {
            activity.tokens.retain(|token| token.participant != id);
        }
    }
    json!({})
}
