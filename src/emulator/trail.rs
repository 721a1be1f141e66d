//! `cloudtrail:LookupEvents`: the mutations of the history as events of CloudTrail, so that a client can ask who
//! changed something. No other operation of CloudTrail is answered, and reads are not recorded.

use serde_json::{Map, Value, json};

use super::account::Request;
use super::clock::Millis;
use super::failure::Failure;
use super::history::Event;
use super::signature::Scope;

/// The operation, for calls and faults.
pub(crate) const OPERATION: &str = "LookupEvents";

/// The service that all events are of.
const SOURCE: &str = "ivs.amazonaws.com";

/// AWS's own largest page.
const PAGE: usize = 50;

/// Whether a request is meant for CloudTrail.
pub(crate) fn is_meant(request: &Request, scope: &Scope) -> bool {
    scope.service == "cloudtrail" && request.path == "/"
}

/// What a request looks up.
pub(crate) struct LookUp<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) now: Millis,
    /// Younger events are not recorded yet.
    pub(crate) delay_millis: i64,
    /// Whether an event names its resource.
    pub(crate) names_resources: bool,
}

impl LookUp<'_> {
    /// The document of the answer. `events` are those of the account, oldest first.
    pub(crate) fn answer<'e>(
        &self,
        request: &Request,
        events: impl DoubleEndedIterator<Item = &'e Event>,
    ) -> Result<Value, Failure> {
        let target = request.headers.get("x-amz-target").map(String::as_str).unwrap_or_default();
        if target.rsplit('.').next() != Some(OPERATION) {
            let message = "The emulator answers LookupEvents only";
            return Err(Failure::with_status("UnsupportedOperationException", 400, message));
        }
        let input: Value = serde_json::from_slice(&request.body).map_err(|error| {
            Failure::with_status("SerializationException", 400, error.to_string())
        })?;
        let refused = |name: &str, message: &str| Failure::with_status(name, 400, message);
        let most = match input.get("MaxResults") {
            None => PAGE,
            Some(it) => it.as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or(0),
        };
        if !(1..=PAGE).contains(&most) {
            return Err(refused("InvalidMaxResultsException", "MaxResults must be 1 to 50"));
        }
        let attributes =
            input["LookupAttributes"].as_array().map(Vec::as_slice).unwrap_or_default();
        if attributes.len() > 1 {
            let message = "You can specify only one LookupAttribute";
            return Err(refused("InvalidLookupAttributesException", message));
        }
        let begin = match input.get("NextToken").and_then(Value::as_str) {
            None => 0,
            Some(token) => token
                .parse::<usize>()
                .map_err(|_| refused("InvalidNextTokenException", "Invalid NextToken"))?,
        };
        let bound = |name: &str| input.get(name).and_then(Value::as_f64);
        let (from, to) = (bound("StartTime"), bound("EndTime"));
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            let message = "The start time must be before the end time";
            return Err(refused("InvalidTimeRangeException", message));
        }
        let is_meant = |it: &&Event| {
            let at = seconds(it.at);
            it.region == self.region
                && it.at.0.saturating_add(self.delay_millis) <= self.now.0
                && from.is_none_or(|from| from <= at)
                && to.is_none_or(|to| at <= to)
                && attributes.iter().all(|attribute| self.has(it, attribute))
        };
        let meant: Vec<&Event> = events.rev().filter(is_meant).collect();
        let page: Vec<Value> =
            meant.iter().skip(begin).take(most).map(|it| self.event(it)).collect();
        let mut answer = Map::from_iter([("Events".to_owned(), json!(page))]);
        if begin + page.len() < meant.len() {
            answer.insert("NextToken".to_owned(), json!((begin + page.len()).to_string()));
        }
        Ok(Value::Object(answer))
    }

    fn has(&self, event: &Event, attribute: &Value) -> bool {
        let Some(value) = attribute["AttributeValue"].as_str() else { return false };
        match attribute["AttributeKey"].as_str() {
            Some("EventSource") => value == SOURCE,
            Some("EventName") => value == event.operation,
            Some("EventId") => value == event.request_id,
            Some("ReadOnly") => value == "false",
            Some("AccessKeyId") => value == event.caller,
            Some("ResourceName") => self.names_resources && value == event.arn,
            _ => false,
        }
    }

    fn event(&self, event: &Event) -> Value {
        let user = &event.caller;
        let (asked, answered) = if event.operation.starts_with("Create") {
            (json!({ "tags": event.tags }), json!({ "arn": event.arn }))
        } else if event.operation.ends_with("Resource") {
            (json!({ "resourceArn": event.arn }), Value::Null)
        } else {
            (json!({ "arn": event.arn }), Value::Null)
        };
        let record = json!({
            "eventVersion": "1.08",
            "userIdentity": {
                "type": "IAMUser", "principalId": user, "accountId": self.account,
                "arn": format!("arn:aws:iam::{}:user/{user}", self.account),
                "accessKeyId": user, "userName": user,
            },
            "eventTime": event.at.to_iso(), "eventSource": SOURCE, "eventName": event.operation,
            "awsRegion": event.region, "sourceIPAddress": "127.0.0.1",
            "requestParameters": asked, "responseElements": answered,
            "requestID": event.request_id, "eventID": event.request_id, "readOnly": false,
            "eventType": "AwsApiCall", "managementEvent": true, "eventCategory": "Management",
            "recipientAccountId": self.account,
        });
        let resources =
            if self.names_resources { json!([{ "ResourceName": event.arn }]) } else { json!([]) };
        json!({
            "EventId": event.request_id, "EventName": event.operation, "ReadOnly": "false",
            "EventTime": seconds(event.at), "EventSource": SOURCE, "Username": user,
            "AccessKeyId": user, "Resources": resources, "CloudTrailEvent": record.to_string(),
        })
    }
}

/// As the protocol writes times, in whole seconds.
#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
fn seconds(at: Millis) -> f64 {
    at.0.div_euclid(1_000) as f64
}
