//! What CloudTrail has recorded in the account and region in force: the management events of the last 90 days.
//!
//! Does not know what is asked for. The SDK behind it is the cargo feature `blame`; a build without it returns an error
//! instead of a trail.

#[cfg(feature = "blame")]
mod sdk;
#[cfg(not(feature = "blame"))]
mod without;

#[cfg(feature = "blame")]
pub use sdk::Trail;
#[cfg(not(feature = "blame"))]
pub use without::Trail;

use super::CloudError;
use jiff::Timestamp;
use serde_json::Value;

/// The operation, as it is paced and counted.
pub const LOOK_UP: &str = "LookupEvents";

/// Calls a second that AWS allows of it, per account and region.
pub const LOOK_UPS_A_SECOND: u32 = 2;

/// By what events are looked up: AWS takes one attribute a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By<'a> {
    /// The name of a resource, as the service that recorded the event gave it.
    ResourceName(&'a str),
    /// The service, such as `ivs.amazonaws.com`.
    EventSource(&'a str),
}

/// The time between two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first one.
    pub from: Timestamp,
    /// The last one.
    pub to: Timestamp,
}

/// One page of events, the newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The events.
    pub events: Vec<Recorded>,
    /// The token of the next page.
    pub next: Option<String>,
}

/// One recorded event.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// CloudTrail's name of it.
    pub id: String,
    /// The operation that was called, such as `UpdateChannel`.
    pub name: String,
    /// When it was called.
    pub at: Option<Timestamp>,
    /// The caller's name where the record does not have its ARN.
    pub user: Option<String>,
    /// The whole record; null where AWS gave none that is JSON.
    pub record: Value,
}

/// A recorded write.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// Who called: an ARN where the record has one.
    pub principal: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
    /// The operation.
    pub event: String,
    /// CloudTrail's name of the record.
    pub id: String,
    /// The object that was deleted, where it may not be the one that was asked for.
    pub possibly: Option<String>,
}

/// What is recorded about several objects.
#[derive(Debug, Default)]
pub struct Blame {
    /// The last writes to each object, the newest first; empty where none is recorded.
    pub writes: Vec<Vec<Write>>,
    /// The oldest moment that was looked at, where not all events since then were read.
    pub read_back_to: Option<Timestamp>,
    /// Why CloudTrail did not answer all that was asked.
    pub stopped: Option<Stopped>,
}

/// Why no more was asked.
#[derive(Debug)]
pub enum Stopped {
    /// The credentials may not look events up.
    NoPermission(CloudError),
    /// Another error.
    Failed(CloudError),
}

impl Recorded {
    /// The user, role session or service that called: its ARN where it has one.
    pub fn principal(&self) -> Option<&str> {
        let identity = &self.record["userIdentity"];
        let named = ["arn", "invokedBy", "userName", "principalId"];
        let of_record = named.iter().find_map(|it| identity[*it].as_str());
        of_record.or(self.user.as_deref())
    }

    /// Whether the call was answered with an error, so that it changed nothing.
    pub fn failed(&self) -> bool {
        self.record["errorCode"].is_string()
    }

    /// Whether the call only read.
    pub fn reads(&self) -> bool {
        self.record["readOnly"].as_bool().unwrap_or(false)
    }

    /// Whether a text, such as an ARN, is a value of what was asked or answered.
    pub fn is_about(&self, text: &str) -> bool {
        has(&self.record["requestParameters"], text) || has(&self.record["responseElements"], text)
    }

    /// The texts of what was asked.
    pub fn asked(&self) -> Vec<&str> {
        let mut found = Vec::new();
        texts(&self.record["requestParameters"], &mut found);
        found
    }
}

fn has(value: &Value, text: &str) -> bool {
    let mut found = Vec::new();
    texts(value, &mut found);
    found.contains(&text)
}

/// Every text in a value.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(list) => list.iter().for_each(|it| texts(it, found)),
        Value::Object(map) => map.values().for_each(|it| texts(it, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn recorded(record: Value) -> Recorded {
        let user = Some("somebody".to_owned());
        Recorded { id: "1".into(), name: "UpdateChannel".into(), at: None, user, record }
    }

    #[test]
    fn the_principal_is_the_best_name_that_the_record_has() {
        for (identity, principal) in [
            (
                json!({ "type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/Admin/anna" }),
                "arn:aws:sts::1:assumed-role/Admin/anna",
            ),
            (
                json!({ "type": "AWSService", "invokedBy": "ivs.amazonaws.com" }),
                "ivs.amazonaws.com",
            ),
            (json!({ "type": "WebIdentityUser", "userName": "anna" }), "anna"),
            (json!({ "type": "Unknown" }), "somebody"),
            (Value::Null, "somebody"),
        ] {
            let it = recorded(json!({ "userIdentity": identity }));
            assert_eq!(it.principal(), Some(principal));
        }
    }

    #[test]
    fn an_event_is_about_each_arn_that_was_asked_or_answered() {
        let it = recorded(json!({
            "requestParameters": { "name": "a", "arns": ["arn:1"] },
            "responseElements": { "channel": { "arn": "arn:2" } },
            "userIdentity": { "arn": "arn:3" }, "readOnly": false,
        }));
        assert!(it.is_about("arn:1") && it.is_about("arn:2") && !it.is_about("arn:3"));
        assert!(!it.reads() && !it.failed());
        assert!(recorded(json!({ "errorCode": "AccessDenied" })).failed());
        assert!(recorded(json!({ "readOnly": true })).reads());
    }
}
