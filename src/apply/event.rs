//! What happens while a plan is applied, as values: a caller subscribes, and nothing is printed here.

use super::outcome::StepStatus;
use super::wait::{Wait, seconds};
use crate::kinds::{Address, Freeze};
use crate::plan::{Action, StepId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

/// What happens while a plan is applied.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// A step begins: its first write is sent. A step that ends before that (skipped, stale, kept back by a signal or a
    /// freeze, or with a read that failed) has no such event.
    Started {
        /// The number of the step.
        id: StepId,
        /// The resource.
        address: Address,
        /// The action of the step.
        action: Action,
    },
    /// A step waits for AWS, or the whole run does.
    Waiting {
        /// The resource, unless the whole run waits.
        address: Option<Address>,
        /// What is waited for, and for how long at most.
        #[serde(flatten)]
        wait: Wait,
    },
    /// A step is over.
    Ended {
        /// The number of the step.
        id: StepId,
        /// The resource.
        address: Address,
        /// The action of the step.
        action: Action,
        /// AWS's id of the step's last write; where there was none, of the request that failed.
        request_id: Option<String>,
        /// How it ended.
        #[serde(flatten)]
        status: StepStatus,
    },
    /// The run was stopped: no further step is started, and calls in flight are waited for.
    Draining {
        /// How many are in flight.
        in_flight: usize,
        /// At most this long.
        #[serde(rename = "atMostSeconds", serialize_with = "seconds")]
        #[schemars(with = "f64")]
        at_most: Duration,
    },
    /// A freeze of the stack has begun: no further step is started, and those that have sent a write are finished.
    Frozen {
        /// The freeze.
        freeze: Freeze,
    },
    /// All steps have ended; the run waits until listings show what it created.
    Confirming {
        /// How many new objects are not listed yet.
        unlisted: usize,
        /// At most this long.
        #[serde(rename = "atMostSeconds", serialize_with = "seconds")]
        #[schemars(with = "f64")]
        at_most: Duration,
    },
}

/// JSON Schema of an event.
pub fn schema() -> Value {
    let settings = schemars::generate::SchemaSettings::draft07().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Event>().to_value();
    schema["title"] = json!("An event of ivs-apply while it applies a plan");
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::{Changed, Copy, Failure, Left, Outcome, Signal, Unread, Until};
    use crate::aws::{Class, CloudError, Secret};
    use crate::kinds::{Arn, Detached, Kind};
    use crate::plan::Reason;

    const ARN: &str = "arn:aws:ivs:eu-west-1:123456789012:channel/abcd";

    fn arn() -> Arn {
        Arn::new(ARN)
    }

    fn address() -> Address {
        Address::new(Kind::Channel, "main")
    }

    fn cloud_error() -> CloudError {
        CloudError {
            operation: "CreateChannel",
            class: Class::Throttled,
            code: Some("ThrottlingException".to_owned()),
            message: "slow down".to_owned(),
            request_id: Some("r-1".to_owned()),
        }
    }

    fn cloud_error_json() -> Value {
        json!({
            "operation": "CreateChannel", "class": "throttled", "code": "ThrottlingException",
            "message": "slow down", "requestId": "r-1",
        })
    }

    /// A JSON object with these members as well.
    fn and(mut object: Value, more: &Value) -> Value {
        let more = more.as_object().expect("an object").clone();
        object.as_object_mut().expect("an object").extend(more);
        object
    }

    /// The schema allows the JSON form of an event.
    #[track_caller]
    fn is_allowed(event: &Event) {
        let validator = jsonschema::draft7::new(&schema()).expect("a valid schema");
        let errors: Vec<String> =
            validator.iter_errors(&json!(event)).map(|it| it.to_string()).collect();
        assert!(errors.is_empty(), "{event:?}: {errors:#?}");
    }

    fn is_allowed_at_the_end(status: StepStatus) {
        let (address, action, request_id) = (address(), Action::Create, None);
        is_allowed(&Event::Ended { id: 1, address, action, request_id, status });
    }

    #[test]
    fn an_event_of_each_variant_is_serialized() {
        let at_most = Duration::from_millis(1_500);
        let wait = Wait { until: Until::Readable, at_most };
        let (action, status) = (Action::Create, StepStatus::Done(Some(arn())));
        for (event, expected) in [
            (
                Event::Started { id: 1, address: address(), action },
                json!({ "event": "started", "id": 1, "address": "Channel/main", "action": "create" }),
            ),
            (
                Event::Waiting { address: None, wait },
                json!({ "event": "waiting", "address": null, "until": "readable", "atMostSeconds": 1.5 }),
            ),
            (
                Event::Ended {
                    id: 1,
                    address: address(),
                    action,
                    request_id: Some("r-1".to_owned()),
                    status,
                },
                json!({
                    "event": "ended", "id": 1, "address": "Channel/main", "action": "create",
                    "requestId": "r-1", "status": "done", "detail": ARN,
                }),
            ),
            (
                Event::Draining { in_flight: 2, at_most },
                json!({ "event": "draining", "inFlight": 2, "atMostSeconds": 1.5 }),
            ),
            (
                Event::Frozen {
                    freeze: Freeze {
                        from: "2026-06-01T10:00:00Z".parse().expect("a moment"),
                        to: "2026-06-01T20:00:00Z".parse().expect("a moment"),
                        reason: "cup final".to_owned(),
                    },
                },
                json!({ "event": "frozen", "freeze": {
                    "from": "2026-06-01T10:00:00Z", "to": "2026-06-01T20:00:00Z", "reason": "cup final",
                } }),
            ),
            (
                Event::Confirming { unlisted: 3, at_most },
                json!({ "event": "confirming", "unlisted": 3, "atMostSeconds": 1.5 }),
            ),
        ] {
            assert_eq!(serde_json::to_value(&event).expect("an event"), expected, "{event:?}");
            is_allowed(&event);
        }
    }

    #[test]
    fn a_status_of_each_variant_is_serialized_with_the_word_of_the_report() {
        let reason = Reason::AdoptedObjectMissing { arn: ARN.to_owned() };
        for (status, detail) in [
            (StepStatus::Done(None), Some(json!(null))),
            (
                StepStatus::Failed(cloud_error().into()),
                Some(and(json!({ "error": "cloud" }), &cloud_error_json())),
            ),
            (StepStatus::Skipped(address()), Some(json!("Channel/main"))),
            (StepStatus::Stale(Changed::Gone), Some(json!({ "reason": "Gone" }))),
            (
                StepStatus::Unknown(cloud_error().into()),
                Some(and(json!({ "error": "cloud" }), &cloud_error_json())),
            ),
            (StepStatus::Unconfirmed(arn()), Some(json!(ARN))),
            (StepStatus::Deferred(reason.clone()), Some(json!(reason))),
            (StepStatus::NotStarted, None),
        ] {
            let mut expected = json!({ "status": status.as_str() });
            if let Some(detail) = detail {
                expected["detail"] = detail;
            }
            assert_eq!(serde_json::to_value(&status).expect("a status"), expected);
            is_allowed_at_the_end(status);
        }
    }

    #[test]
    fn a_failure_of_each_variant_is_serialized() {
        let inner = || Box::new(Failure::Reconnects { times: 4 });
        let inner_json = json!({ "error": "reconnects", "times": 4 });
        let wait = || Wait { until: Until::Unlisted, at_most: Duration::from_mins(1) };
        let detached = Detached { kind: Kind::Stage, arn: arn(), from: arn() };
        for (failure, expected) in [
            (Failure::Cloud(cloud_error()), and(json!({ "error": "cloud" }), &cloud_error_json())),
            (
                Failure::Inconsistent { operation: "the create", fields: "`spec.name`".to_owned() },
                json!({ "error": "inconsistent", "operation": "the create", "fields": "`spec.name`" }),
            ),
            (
                Failure::State { state: "FAILED".to_owned(), likely: None },
                json!({ "error": "state", "state": "FAILED", "likely": null }),
            ),
            (
                Failure::HalfDone { done: "the update".to_owned(), failure: inner() },
                json!({ "error": "halfDone", "done": "the update", "failure": inner_json }),
            ),
            (
                Failure::Unlisted { failure: inner() },
                json!({ "error": "unlisted", "failure": inner_json }),
            ),
            (
                Failure::ChangedMeanwhile(Changed::MadeMeanwhile { arn: arn() }),
                json!({ "error": "changedMeanwhile", "reason": "MadeMeanwhile", "arn": ARN }),
            ),
            (
                Failure::NotRestored { detached, after: "x".to_owned(), failure: inner() },
                json!({
                    "error": "notRestored",
                    "detached": { "kind": "Stage", "arn": ARN, "from": ARN },
                    "after": "x",
                    "failure": inner_json
                }),
            ),
            (Failure::Reconnects { times: 4 }, inner_json.clone()),
            (
                Failure::TimedOut { wait: wait() },
                json!({ "error": "timedOut", "wait": { "until": "unlisted", "atMostSeconds": 60.0 } }),
            ),
            (
                Failure::Gone { wait: wait() },
                json!({ "error": "gone", "wait": { "until": "unlisted", "atMostSeconds": 60.0 } }),
            ),
        ] {
            assert_eq!(serde_json::to_value(&failure).expect("a failure"), expected);
            is_allowed_at_the_end(StepStatus::Failed(failure));
        }
    }

    #[test]
    fn a_wait_of_each_variant_is_serialized() {
        let unread = Unread { kind: Kind::Channel, error: cloud_error() };
        for (until, expected) in [
            (
                Until::Settled { now: "CREATING".to_owned(), good: "ACTIVE", bad: "FAILED" },
                json!({ "until": "settled", "now": "CREATING", "good": "ACTIVE", "bad": "FAILED" }),
            ),
            (
                Until::CarriedOut { resources: vec![address()] },
                json!({ "until": "carriedOut", "resources": ["Channel/main"] }),
            ),
            (Until::Readable, json!({ "until": "readable" })),
            (Until::Listed, json!({ "until": "listed" })),
            (Until::Unlisted, json!({ "until": "unlisted" })),
            (
                Until::Ended { states: &["STOPPED"] },
                json!({ "until": "ended", "states": ["STOPPED"] }),
            ),
            (Until::Disconnected, json!({ "until": "disconnected" })),
            (Until::Offline { channel: arn() }, json!({ "until": "offline", "channel": ARN })),
            (Until::Released, json!({ "until": "released" })),
            (Until::SecondListing, json!({ "until": "secondListing" })),
            (Until::DuplicatesDeleted { refused: None }, json!({ "until": "duplicatesDeleted" })),
            (
                Until::DuplicatesDeleted { refused: Some(Box::new(cloud_error())) },
                json!({ "until": "duplicatesDeleted", "refused": cloud_error_json() }),
            ),
            (
                Until::AccountRead(Box::new(unread)),
                json!({ "until": "accountRead", "kind": "Channel", "error": cloud_error_json() }),
            ),
        ] {
            assert_eq!(serde_json::to_value(&until).expect("a wait"), expected);
            let wait = Wait { until, at_most: Duration::ZERO };
            is_allowed(&Event::Waiting { address: None, wait });
        }
    }

    #[test]
    fn an_outcome_is_serialized_with_its_duplicates() {
        let copy = |left| Copy { address: address(), arn: arn(), of: arn(), left };
        let reason = Reason::AdoptedObjectMissing { arn: ARN.to_owned() };
        let outcome = Outcome {
            steps: vec![(7, StepStatus::NotStarted)],
            stopped: Some(Signal::LockLost),
            wrote: true,
            requests: [(7, "r-2".to_owned())].into(),
            copies: vec![
                copy(None),
                copy(Some(Left::NotInTime { refused: None })),
                copy(Some(Left::NotInTime { refused: Some(Box::new(cloud_error())) })),
                copy(Some(Left::Waits(Box::new(reason.clone())))),
            ],
            copies_unread: Some(Unread { kind: Kind::Channel, error: cloud_error() }),
        };
        let copy =
            |left: Value| json!({ "address": "Channel/main", "arn": ARN, "of": ARN, "left": left });
        let expected = json!({
            "steps": [{ "id": 7, "status": "notStarted" }],
            "stopped": "lockLost",
            "wrote": true,
            "requests": { "7": "r-2" },
            "copies": [
                copy(json!(null)),
                copy(json!({ "why": "notInTime" })),
                copy(json!({ "why": "notInTime", "refused": cloud_error_json() })),
                copy(and(json!({ "why": "waits" }), &json!(reason))),
            ],
            "copiesUnread": { "kind": "Channel", "error": cloud_error_json() },
        });
        assert_eq!(serde_json::to_value(&outcome).expect("an outcome"), expected);
    }

    /// All that is serialized here is derived, so each part of it is `Serialize`; a secret is not.
    #[test]
    fn no_secret_can_be_in_an_event() {
        trait Ambiguous<Marker> {
            fn is_not_serialize() {}
        }
        struct IsSerialize;
        impl<T> Ambiguous<()> for T {}
        impl<T: Serialize> Ambiguous<IsSerialize> for T {}
        // Does not compile where `Secret` is `Serialize`, since both traits would apply.
        <Secret as Ambiguous<_>>::is_not_serialize();
    }
}
