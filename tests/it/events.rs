//! The events of the library are as `schemas/events.json` says, which describes them within the lines of `--events`.

use crate::account::{Account, on_paused_time};
use crate::delayed_stops::{allowing, applied, manifest, show};
use ivs_apply::apply::{Event, Signal, Stop, apply};
use ivs_apply::kinds::{Kind, Stack};
use ivs_apply::manifest::load_text;
use ivs_apply::plan::Policy;
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// The schema, and what was seen in events that it allows: their names, actions, results, waits, errors and reasons.
struct Events {
    validator: Validator,
    seen: Mutex<BTreeSet<String>>,
}

impl Events {
    fn check(&self, event: &Event) {
        let event = serde_json::to_value(event).expect("a value");
        let errors: Vec<String> =
            self.validator.iter_errors(&event).map(|it| it.to_string()).collect();
        assert!(errors.is_empty(), "{event:#}\n{errors:#?}");
        let mut seen = self.seen.lock().expect("no test panics while it holds the lock");
        seen.insert(format!("event {}", event["event"].as_str().expect("a name")));
        note(&event, &mut seen);
    }

    /// Applies, and checks every event. `meanwhile` is told each of them.
    async fn applied(
        &self,
        account: &Account,
        text: &str,
        policy: &Policy,
        meanwhile: impl Fn(&Event, &watch::Sender<Stop>) + Sync,
    ) {
        let loaded = load_text("a.yaml", text, None);
        assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
        let stack = Stack::named("default");
        let (observed, plan) = account.plan(&stack, &loaded.desired, policy).await;
        let stopper = watch::Sender::new(Stop::default());
        let tell = |event: Event| {
            self.check(&event);
            meanwhile(&event, &stopper);
        };
        let stop = stopper.subscribe();
        Box::pin(apply(&account.aws, &stack, &plan, &observed, stop, &tell)).await;
    }
}

/// Notes the codes in an event.
fn note(value: &Value, seen: &mut BTreeSet<String>) {
    let Value::Object(members) = value else { return };
    for (name, value) in members {
        let is_code = matches!(name.as_str(), "action" | "class" | "error" | "reason" | "status");
        if let Some(code) = value.as_str().filter(|_| is_code || name == "until") {
            seen.insert(format!("{name} {code}"));
        }
        note(value, seen);
    }
}

fn quiet(_: &Event, _: &watch::Sender<Stop>) {}

fn strikes(account: &Account, fault: Value) {
    account.control("POST", "/_emulator/faults", fault);
}

async fn channel_arn(account: &Account) -> String {
    let channels = account.aws.ivs.list_channels().send().await.expect("listed").channels;
    channels.first().and_then(|it| it.arn.clone()).expect("a channel")
}

const SPEC: &str = "{ destinationConfiguration: { s3: { bucketName: tapes } } }";

/// A channel, with a recording configuration that it refers to.
fn recorded(latency: &str) -> String {
    let spec = format!("{{ latencyMode: {latency}, recordingConfiguration: archive }}");
    [manifest("RecordingConfiguration", "archive", SPEC), manifest("Channel", "main", &spec)]
        .concat()
}

async fn well(events: &Events) {
    let account = Account::empty().await;
    let policy = allowing(&[]);
    events.applied(&account, &recorded("LOW"), &policy, quiet).await;
    events.applied(&account, &recorded("NORMAL"), &policy, quiet).await;
    events.applied(&account, &manifest("Stage", "studio", "{}"), &policy, quiet).await;
    // With consent: a replacement, whose composition has to end first.
    let account = Account::empty().await;
    events.applied(&account, &show(1280, "first"), &policy, quiet).await;
    let policy = allowing(&[(Kind::Composition, "show")]);
    events.applied(&account, &show(640, "second"), &policy, quiet).await;
}

async fn deferred_or_overtaken(events: &Events) {
    let channel = |latency: &str| {
        let spec = format!("{{ latencyMode: {latency} }}");
        manifest("Channel", "main", &spec).replace("interrupt", "defer")
    };
    let policy = allowing(&[]);
    for by_hand in ["deleted", "live"] {
        let account = Account::empty().await;
        applied(&account, &channel("LOW"), &policy).await;
        let (text, stack) = (channel("NORMAL"), Stack::named("default"));
        let loaded = load_text("a.yaml", &text, None);
        let (observed, plan) = account.plan(&stack, &loaded.desired, &policy).await;
        let arn = channel_arn(&account).await;
        if by_hand == "live" {
            account.control("POST", "/_emulator/streams", json!({ "channelArn": arn }));
        } else {
            sleep(Duration::from_mins(5)).await;
            account.aws.ivs.delete_channel().arn(arn).send().await.expect("deleted by hand");
        }
        let (_stopper, stop) = watch::channel(Stop::default());
        let tell = |event: Event| events.check(&event);
        Box::pin(apply(&account.aws, &stack, &plan, &observed, stop, &tell)).await;
    }
}

async fn with_faults(events: &Events) {
    let refused = json!({ "kind": "error", "name": "ValidationException", "message": "no" });
    for mut fault in [
        refused,
        json!({ "kind": "throttle" }),
        json!({ "kind": "loseReply", "done": false }),
        json!({ "kind": "createFailed" }),
        json!({ "kind": "stuck" }),
    ] {
        let account = Account::empty().await;
        fault["operation"] = json!("CreateRecordingConfiguration");
        strikes(&account, fault);
        events.applied(&account, &recorded("LOW"), &allowing(&[]), quiet).await;
    }
    let account = Account::empty().await;
    strikes(&account, json!({ "kind": "listLag", "seconds": 300 }));
    events.applied(&account, &recorded("LOW"), &allowing(&[]), quiet).await;
}

async fn stopped(events: &Events) {
    let account = Account::empty().await;
    strikes(&account, json!({ "kind": "delay", "seconds": 2 }));
    let at_first = |event: &Event, stopper: &watch::Sender<Stop>| {
        if matches!(event, Event::Started { .. }) {
            stopper.send_modify(|it| it.first = Some(Signal::Interrupt));
        }
    };
    events.applied(&account, &recorded("LOW"), &allowing(&[]), at_first).await;
}

#[test]
fn every_event_of_a_run_is_as_its_schema_says() {
    let schema: Value =
        serde_json::from_str(include_str!("../../schemas/events.json")).expect("JSON");
    // Without what only a line of a file has.
    let event = json!({ "$ref": "#/definitions/Event", "definitions": schema["definitions"] });
    let validator = jsonschema::draft7::new(&event).expect("a valid schema");
    let no_event =
        json!({ "event": "ended", "id": 1, "address": "Channel/main", "action": "create" });
    assert!(!validator.is_valid(&no_event), "the schema requires the status of a step that ended");
    let events = Events { validator, seen: Mutex::default() };
    on_paused_time(well(&events));
    on_paused_time(deferred_or_overtaken(&events));
    on_paused_time(with_faults(&events));
    on_paused_time(stopped(&events));
    let seen = events.seen.into_inner().expect("no test panics while it holds the lock");
    for expected in [
        "event started",
        "event waiting",
        "event ended",
        "event draining",
        "event confirming",
        "action create",
        "action update",
        "action replace",
        "action delete",
        "status done",
        "status failed",
        "status skipped",
        "status stale",
        "status deferred",
        "status unknown",
        "reason LiveAudience",
        "reason Gone",
        "class throttled",
        "class invalid",
        "error timedOut",
        "error state",
        "until settled",
        "until released",
        "until ended",
    ] {
        assert!(seen.contains(expected), "no event had `{expected}`: {seen:#?}");
    }
}
