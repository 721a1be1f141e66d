//! The control requests as a table, their bodies and answers as types, and the JSON Schema made from both. Never
//! changes an account.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::emulator::faults::{Fault, Mark};
use crate::emulator::history::Told as History;
use crate::emulator::participant::Role;
use crate::emulator::participant_replication::Shown as Replication;
use crate::emulator::quotas::Quotas;
use crate::emulator::sts::{RoleChange, Shown as Roles};
use crate::emulator::switches::Switches;

/// One control request.
struct Row {
    method: &'static str,
    path: &'static str,
    help: &'static str,
    body: fn(&mut SchemaGenerator) -> Schema,
    answer: fn(&mut SchemaGenerator) -> Schema,
}

macro_rules! requests {
    ($( $(#[doc = $help:literal])+ $method:literal $path:literal: $body:ty => $answer:ty; )+) => {
        const REQUESTS: &[Row] = &[$( Row {
            method: $method,
            path: $path,
            help: concat!($( $help, )+),
            body: SchemaGenerator::subschema_for::<$body>,
            answer: SchemaGenerator::subschema_for::<$answer>,
        }, )+];
    };
}

requests! {
    /// The channel goes live, or has another audience if it is live.
    "POST" "streams": Stream => Streaming;
    /// The encoder's stream ends.
    "DELETE" "streams": EndOfStream => Nothing;
    /// A participant joins a stage, or takes another role there.
    "POST" "participants": Join => Joined;
    /// A participant leaves a stage.
    "DELETE" "participants": Leave => Nothing;
    /// An encoder publishes on the stage of its ingest configuration.
    "POST" "ingests": Ingest => Joined;
    /// That encoder stops.
    "DELETE" "ingests": Ingest => Nothing;
    /// A destination of a composition fails, is interrupted, or is connected again.
    "POST" "destinations": Destination => Nothing;
    /// The time of the account.
    "GET" "clock": Nothing => Time;
    /// Moves time on, stops the clock, or lets it go on.
    "POST" "clock": Clock => Time;
    /// The faults that are set.
    "GET" "faults": Nothing => Faults<'static>;
    /// Adds a fault.
    "POST" "faults": Fault => Nothing;
    /// Removes all faults.
    "DELETE" "faults": Nothing => Nothing;
    /// The latest calls that a fault has struck, or that were refused without one.
    "GET" "marks": Nothing => Marks;
    /// The number of calls of each operation.
    "GET" "calls": Nothing => Counts;
    /// Sets the numbers of calls to zero.
    "DELETE" "calls": Nothing => Nothing;
    /// The number of throttled calls of each operation.
    "GET" "throttled": Nothing => Counts;
    /// Every write and interruption, in order.
    "GET" "history": Nothing => History;
    /// Clears the history.
    "DELETE" "history": Nothing => Nothing;
    /// Every object and replication, without secrets.
    "GET" "objects": Nothing => Objects;
    /// AWS itself tags an object.
    "POST" "tags": Tags => Nothing;
    /// Empties the account.
    "POST" "reset": Reset => Nothing;
    /// The ids of all accounts, the emulator's own first.
    "GET" "accounts": Nothing => Accounts;
    /// The roles that were set, and the sessions in force.
    "GET" "roles": Nothing => Roles;
    /// Sets what a role asks for.
    "POST" "roles": RoleChange => Roles;
    /// Forgets the roles that were set.
    "DELETE" "roles": Nothing => Nothing;
    /// Names the web identity tokens that have expired.
    "POST" "tokens": Tokens => TokensSet;
    /// Whether AWS's request rates are enforced.
    "GET" "rates": Nothing => Rates;
    /// Enforces AWS's request rates, or does not.
    "POST" "rates": Rates => Rates;
    /// The quotas.
    "GET" "quotas": Nothing => Quotas;
    /// Changes the quotas that are given.
    "POST" "quotas": Quotas => Quotas;
    /// The answers to the open questions of the service.
    "GET" "switches": Nothing => Switches;
    /// Changes the answers that are given.
    "POST" "switches": Switches => Switches;
}

/// Whether there is such a request.
pub(super) fn exists(method: &str, path: &str) -> bool {
    REQUESTS.iter().any(|it| it.method == method && it.path == path)
}

/// Reads a body. An unknown member, a missing one and a wrong type are refused by name.
pub(super) fn read<T: DeserializeOwned>(body: Value) -> Result<T, (u16, String)> {
    let body = match body {
        // The requests of tests in the same process that have no body.
        Value::Null => Value::Object(Map::new()),
        Value::Object(_) => body,
        _ => return Err((400, "the body must be a JSON object".to_owned())),
    };
    serde_json::from_value(body).map_err(|error| (400, error.to_string()))
}

/// The JSON Schema of control requests: each document that fits is one request, its body, and its answer if that had
/// the status 200.
pub fn schema() -> Value {
    let settings = schemars::generate::SchemaSettings::draft07();
    let mut generator = settings.into_generator();
    let exchanges: Vec<Value> = REQUESTS
        .iter()
        .map(|row| {
            json!({
                "description": row.help.trim(),
                "type": "object",
                "properties": {
                    "request": { "const": format!("{} {}", row.method, row.path) },
                    "body": (row.body)(&mut generator),
                    "answer": (row.answer)(&mut generator),
                },
                "required": ["request"],
                "additionalProperties": false,
            })
        })
        .collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Control requests of the emulator of ivs-apply",
        "description": "One request to /_emulator/…: method and path in `request`, what is sent in `body`, and in `answer` what \
            comes back with status 200. Any other status answers {\"message\": \"…\"}. docs/emulator.md describes them.",
        "oneOf": exchanges,
        "definitions": generator.take_definitions(true),
    })
}

/// Nothing: no body, or an empty one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// How well a stream arrives.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Health {
    Healthy,
    Starving,
    Unknown,
}

impl Health {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Starving => "STARVING",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// The stream of an encoder.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Stream {
    pub(super) channel_arn: String,
    #[serde(default)]
    pub(super) viewer_count: u32,
    /// As it was; HEALTHY at the start.
    pub(super) health: Option<Health>,
}

/// The stream of a channel.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Streaming {
    pub(super) stream_id: String,
}

/// How a stream ends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EndOfStream {
    pub(super) channel_arn: String,
    /// The code of the failure that ends it.
    pub(super) code: Option<String>,
}

/// A participant who joins.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Join {
    pub(super) stage_arn: String,
    /// That of a token, or of a connected participant whose role changes; a new one if absent.
    pub(super) participant_id: Option<String>,
    /// That of the token if absent.
    pub(super) user_id: Option<String>,
    /// What the token permits if absent.
    pub(super) role: Option<Role>,
    /// Those of the token if absent.
    pub(super) attributes: Option<BTreeMap<String, String>>,
}

/// A participant on a stage.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Joined {
    pub(crate) participant_id: String,
    pub(crate) session_id: String,
}

/// A participant who leaves.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Leave {
    pub(super) stage_arn: String,
    pub(super) participant_id: String,
}

/// The encoder of an ingest configuration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Ingest {
    pub(super) ingest_configuration_arn: String,
}

/// Where a composition broadcasts or records to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DestinationSort {
    /// Its channel.
    Channel,
    /// Its recording.
    S3,
}

impl DestinationSort {
    /// The member of a destination's configuration.
    pub(crate) fn member(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::S3 => "s3",
        }
    }
}

/// What becomes of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum DestinationState {
    /// It fails. The stream of its channel ends, and the composition fails with its last destination.
    Failed,
    /// It is interrupted until a further request says what becomes of it.
    Reconnecting,
    /// It is connected again.
    Active,
}

/// A change of a destination.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    clippy::struct_field_names,
    reason = "a member of the request has the name of the resource"
)]
pub(super) struct Destination {
    pub(super) composition_arn: String,
    /// Which one, where the composition has both.
    pub(super) destination: Option<DestinationSort>,
    pub(super) state: DestinationState,
}

/// A change of the clock: at least one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Clock {
    #[schemars(range(min = 0, max = 1e9))]
    pub(super) advance_seconds: Option<f64>,
    /// While the clock is stopped, only `advanceSeconds` moves time on.
    pub(super) stopped: Option<bool>,
}

/// The time of the account.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Time {
    pub(super) now: String,
    pub(super) now_millis: i64,
    pub(super) stopped: bool,
}

/// The faults that are set.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Faults<'a> {
    pub(super) faults: &'a [Fault],
    /// The number of requests that a fault `hold` has held.
    pub(super) held: u64,
}

/// What happened to calls.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Marks {
    /// The number of calls so far.
    pub(super) calls: u64,
    /// The latest thousand.
    pub(super) marks: Vec<Mark>,
}

/// A number for each operation.
type Counts = BTreeMap<String, u64>;

/// Everything in the account.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Objects {
    pub(super) objects: Vec<Object>,
    pub(super) replications: Vec<Replication>,
}

/// An object of the account.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    clippy::struct_field_names,
    reason = "a member of the answer has the name of the resource"
)]
pub(super) struct Object {
    pub(super) kind: &'static str,
    pub(super) region: String,
    pub(super) arn: String,
    pub(super) created: String,
    pub(super) created_millis: i64,
    pub(super) name: String,
    /// As its Get operation answers it, without secrets.
    pub(super) object: Map<String, Value>,
}

/// Tags that AWS itself gives an object.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Tags {
    pub(super) resource_arn: String,
    pub(super) tags: BTreeMap<String, String>,
}

/// What is taken back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reset {
    /// Also switches, quotas, rates and the clock, which are as at the start again.
    #[serde(default)]
    pub(super) settings: bool,
}

/// The accounts.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Accounts {
    pub(super) accounts: Vec<String>,
}

/// Web identity tokens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tokens {
    /// Those that are refused as expired, in place of those before.
    pub(super) expired: Vec<String>,
}

/// How many tokens have expired.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokensSet {
    pub(super) expired: usize,
}

/// Whether AWS's request rates are enforced.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rates {
    pub(super) enforced: bool,
}
