//! A freeze of the stack: in it nothing is written, whichever way a run takes, unless it is told to ignore the freeze.

use crate::account::{Account, on_paused_time, session};
use crate::binary::{Place, Ran, document, run};
use crate::first_applies::document as manifest;
use crate::generators::{pieces, resources};
use crate::laws::{config, everything};
use ivs_apply::apply::{Event, Outcome, Signal, StepStatus, Stop};
use ivs_apply::engine::{Refusal, RunLock};
use ivs_apply::kinds::{Freeze, OnFreeze, Stack};
use ivs_apply::plan::{Policy, Reason};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;

/// A Stack with a freeze from and until so many minutes from now.
fn frozen(from: i64, to: i64, on_freeze: &str) -> String {
    let at = |minutes| Timestamp::now() + SignedDuration::from_mins(minutes);
    let (from, to) = (at(from), at(to));
    let freeze = format!("{{ from: {from}, to: {to}, reason: cup final }}");
    manifest("Stack", "default", &format!("{{ freeze: [{freeze}], onFreeze: {on_freeze} }}"), "")
}

fn channels(count: usize, spec: &str) -> String {
    (0..count).map(|it| manifest("Channel", &format!("c{it}"), spec, "")).collect()
}

#[track_caller]
fn assert_code(ran: &Ran, code: i32) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
}

/// The note about the freeze in a JSON document.
fn note(document: &Value) -> Value {
    let notes = document["notes"].as_array().expect("a list");
    notes.iter().find(|it| it["note"] == "freeze").cloned().unwrap_or_default()
}

fn nothing_exists(place: &Place) {
    let ran = place.run("plan --format json");
    assert_eq!(document(&ran)["summary"]["unchanged"], 0, "{ran:?}");
}

#[test]
fn apply_and_destroy_refuse_in_a_freeze_and_plan_and_drift_work() {
    let place = Place::new();
    place.write("a.yaml", &channels(2, "{}"));
    place.write("stack.yaml", &frozen(-60, 60, "refuse"));
    let refused = place.run("apply --yes");
    assert_code(&refused, 4);
    assert!(refused.stderr.contains("cup final") && refused.stderr.contains("--ignore-freeze"));
    let refused = place.run("apply --yes --format json");
    assert_code(&refused, 4);
    let told = document(&refused);
    assert_eq!(told["status"], "blocked");
    assert!(told["error"]["message"].as_str().is_some_and(|it| it.contains("cup final")));
    nothing_exists(&place);

    let planned = place.run("plan");
    assert_code(&planned, 0);
    assert!(planned.stdout.contains("2 to create"), "{planned:?}");
    for format in ["text", "json", "markdown", "html"] {
        let ran = place.run(&format!("plan --detailed-exitcode --format {format}"));
        assert_code(&ran, 2);
        assert!(ran.stdout.contains("cup final"), "{format}: {ran:?}");
    }
    let told = document(&place.run("plan --format json"));
    assert_eq!((&note(&told)["effect"], &told["status"]), (&json!("refuses"), &json!("changes")));

    place.write("stack.yaml", &frozen(-120, -60, "refuse"));
    assert_code(&place.run("apply --yes"), 0);
    place.write("stack.yaml", &frozen(-60, 60, "refuse"));
    let nothing = place.run("apply --yes");
    assert_code(&nothing, 0);
    assert_code(&place.run("drift"), 0);
    assert_code(&place.run("destroy --yes"), 4);
    let ran = place.run("plan --format json");
    assert_eq!(document(&ran)["summary"]["unchanged"], 2, "nothing was deleted");
    assert_code(&place.run("destroy --yes --ignore-freeze gone"), 0);
    nothing_exists(&place);
}

#[test]
fn in_a_freeze_that_defers_each_step_waits_for_its_end() {
    let place = Place::new();
    place.write("a.yaml", &channels(2, "{}"));
    place.write("stack.yaml", &frozen(-60, 60, "defer"));
    let deferred = place.run("apply --yes --format json");
    assert_code(&deferred, 0);
    let told = document(&deferred);
    assert_eq!(told["outcome"]["deferred"], 2, "{told:#}");
    assert_eq!(
        (&told["steps"][0]["reason"], &note(&told)["effect"]),
        (&json!("Frozen"), &json!("defers"))
    );
    let deferred = place.run("apply --yes --fail-on-deferred");
    assert_code(&deferred, 3);
    assert!(deferred.stderr.contains("cup final"), "{deferred:?}");
    let status = place.run("status");
    assert!(status.stdout.contains("the stack is frozen until"), "{status:?}");
    nothing_exists(&place);
    place.write("stack.yaml", &frozen(-120, -60, "defer"));
    assert_code(&place.run("apply --yes"), 0);
    assert_code(&place.run("plan --detailed-exitcode"), 0);
}

#[test]
fn a_freeze_that_begins_within_a_day_is_told_and_a_later_one_is_not() {
    let place = Place::new();
    place.write("a.yaml", &channels(1, "{}"));
    for (begins, told) in [(23 * 60, true), (25 * 60, false)] {
        place.write("stack.yaml", &frozen(begins, begins + 60, "refuse"));
        let ran = place.run("plan");
        assert_eq!(ran.stdout.contains("a freeze begins at"), told, "{ran:?}");
    }
    assert_code(&place.run("apply --yes"), 0);
}

#[test]
fn a_freeze_is_ignored_with_a_reason_which_the_output_and_the_events_tell() {
    let place = Place::new();
    place.write("a.yaml", &channels(1, "{}"));
    place.write("stack.yaml", &frozen(-60, 60, "defer"));
    for empty in ["", " "] {
        let mut command = place.command("apply --yes");
        command.arg(format!("--ignore-freeze={empty}"));
        let ran = run(&mut command);
        assert_code(&ran, 1);
        assert!(ran.stderr.contains("it is empty"), "{ran:?}");
    }
    assert_code(&place.run("plan --ignore-freeze hotfix"), 1);
    let mut command = place.command("apply --yes --format json --events events.jsonl");
    command.env("IVS_APPLY_IGNORE_FREEZE", "hotfix \u{1b}[31mfor 4711");
    let ran = run(&mut command);
    assert_code(&ran, 0);
    let told = document(&ran);
    assert_eq!(told["outcome"]["done"], 1, "{told:#}");
    let note = note(&told);
    assert_eq!(note["effect"], "ignored");
    assert_eq!(note["because"], "hotfix \u{1b}[31mfor 4711");
    let events = std::fs::read_to_string(place.folder.path().join("events.jsonl"));
    let events = events.expect("written");
    let planned = events.lines().find(|it| it.contains("run.planned")).expect("a line");
    let planned: Value = serde_json::from_str(planned).expect("JSON");
    assert_eq!(planned["freeze"]["because"], note["because"]);

    place.write("a.yaml", &channels(2, "{}"));
    let ran = place.run("apply --yes --ignore-freeze hotfix");
    assert_code(&ran, 0);
    assert!(ran.stdout.contains("(cup final) is ignored: hotfix"), "{ran:?}");
}

#[test]
fn a_saved_plan_that_was_made_before_a_freeze_is_refused_in_it() {
    for (on_freeze, code) in [("refuse", 4), ("defer", 5)] {
        let place = Place::new();
        place.write("a.yaml", &channels(1, "{}"));
        place.write("stack.yaml", &frozen(60, 120, on_freeze));
        assert_code(&place.run("plan --out plan.json"), 0);
        place.write("stack.yaml", &frozen(-60, 60, on_freeze));
        assert_code(&place.run("apply plan.json"), code);
        nothing_exists(&place);
        assert_code(&place.run("apply plan.json --ignore-freeze hotfix"), 0);
    }
}

#[test]
fn a_freeze_that_is_no_period_is_an_error_at_its_place() {
    let good = "2026-06-01T18:00:00+02:00";
    let bad = [
        (format!("from: 2026-06-01, to: {good}, reason: show"), "5:20", "`2026-06-01` is not"),
        (format!("from: {good}, to: 2026-06-02T18:00:00, reason: show"), "5:51", "is not a moment"),
        (format!("from: {good}, to: 2026-06-02T18:00Z, reason: show"), "5:51", "is not a moment"),
        (
            format!("from: {good}, to: 2026-02-30T18:00:00Z, reason: show"),
            "5:51",
            "is not a moment",
        ),
        (
            format!("from: {good}, to: 2026-06-01T16:00:00Z, reason: show"),
            "5:51",
            "the freeze ends at",
        ),
        (format!("from: {good}, to: 2026-06-02T16:00:00Z, reason: ' '"), "5:81", "needs a reason"),
        (format!("from: {good}, to: 2026-06-02T16:00:00Z"), "5:12", "missing field `reason`"),
    ];
    for (freeze, at, message) in bad {
        let place = Place::new();
        let head = "apiVersion: ivs-apply.dev/v1\nkind: Stack\nmetadata: { name: a }\nspec:\n";
        place.write("a.yaml", &format!("{head}  freeze: [{{ {freeze} }}]\n"));
        let ran = place.run("validate");
        assert_code(&ran, 1);
        assert!(ran.stderr.contains(message), "{freeze}: {}", ran.stderr);
        assert!(ran.stderr.contains(&format!("a.yaml:{at}\n")), "{at}: {}", ran.stderr);
        assert!(ran.stderr.ends_with("\n1 error\n"), "{}", ran.stderr);
    }
}

#[test]
fn a_freeze_is_explained() {
    let place = Place::new();
    for field in ["freeze", "freeze.from", "onFreeze"] {
        let ran = run(crate::binary::ivs_apply(place.folder.path())
            .args(["explain", &format!("Stack.spec.{field}")]));
        assert_code(&ran, 0);
    }
}

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A stack with a freeze that begins so many seconds after the start of the emulator's clock and lasts an hour.
fn stack(begins: i64, on_freeze: OnFreeze) -> Stack {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a moment");
    let from = start + SECOND * i32::try_from(begins).expect("a small number");
    let to = from + SignedDuration::from_hours(1);
    let freeze = Freeze { from, to, reason: "cup final".to_owned() };
    Stack { freezes: vec![freeze], on_freeze, ..crate::generators::stack() }
}

fn no_lock() -> RunLock {
    RunLock::none(watch::Sender::new(Stop::default()))
}

/// The first write about each object, in milliseconds since the start of the emulator's clock.
fn first_writes(account: &Account) -> BTreeMap<String, i64> {
    let history = account.control("GET", "/_emulator/history", Value::Null);
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a moment");
    let mut first = BTreeMap::new();
    for event in history["events"].as_array().expect("a list") {
        let at = event["atMillis"].as_i64().expect("a number") - start.as_millisecond();
        let arn = event["arn"].as_str().expect("an ARN").to_owned();
        first.entry(arn).or_insert(at);
    }
    first
}

/// Plans and applies; the events of the run.
async fn applied(
    account: &Account,
    stack: &Stack,
    text: &str,
    policy: Policy,
) -> (Result<Outcome, Refusal>, Vec<Event>) {
    let loaded = ivs_apply::manifest::load_text("a.yaml", text, None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    let session = session(&account.aws);
    let planned = session.plan(stack.clone(), loaded.desired, policy, false).await;
    let planned = planned.expect("readable");
    let events = Mutex::new(Vec::new());
    let tell = |event: Event| events.lock().expect("no task panics").push(event);
    let outcome = Box::pin(planned.apply(&session, &no_lock(), None, &tell)).await;
    (outcome, events.into_inner().expect("no task panics"))
}

#[test]
fn no_program_gets_past_a_freeze_unless_its_policy_says_why() {
    on_paused_time(async {
        let account = Account::empty().await;
        let stack = stack(0, OnFreeze::Refuse);
        let text = channels(2, "{}");
        for because in [None, Some(" ")] {
            let ignore_freeze = because.map(ToOwned::to_owned);
            let policy = Policy { ignore_freeze, ..Policy::default() };
            let (refused, _) = applied(&account, &stack, &text, policy).await;
            let freeze = stack.freezes[0].clone();
            assert_eq!(refused.err(), Some(Refusal::Frozen { freeze }));
        }
        assert!(first_writes(&account).is_empty());
        let policy = Policy { ignore_freeze: Some("hotfix".to_owned()), ..Policy::default() };
        let (outcome, _) = applied(&account, &stack, &text, policy).await;
        assert!(outcome.expect("not refused").is_well());
        // Below the engine a plan that was made without the freeze starts nothing either.
        let account = Account::empty().await;
        let loaded = ivs_apply::manifest::load_text("a.yaml", &text, None);
        let free = Stack { freezes: Vec::new(), ..stack.clone() };
        let (observed, plan) = account.plan(&free, &loaded.desired, &Policy::default()).await;
        let outcome = account.apply(&stack, &observed, &plan).await;
        assert_eq!((outcome.stopped, outcome.wrote), (Some(Signal::Frozen), false));
        assert!(first_writes(&account).is_empty());
    });
}

#[test]
fn a_freeze_that_begins_during_a_run_lets_no_further_step_start() {
    for on_freeze in [OnFreeze::Refuse, OnFreeze::Defer] {
        on_paused_time(async {
            let account = Account::at_aws_rates(1.0).await;
            // Five channels a second.
            let stack = stack(6, on_freeze);
            let text = channels(100, "{}");
            let (outcome, events) = applied(&account, &stack, &text, Policy::default()).await;
            let outcome = outcome.expect("not refused: it has not begun");
            let done = outcome.steps.iter().filter(|(_, it)| it.is_done()).count();
            assert!((10..60).contains(&done), "{done}");
            let last = first_writes(&account).into_values().max().expect("written");
            assert!(last < 7_000, "{last}");
            assert!(events.iter().any(|it| matches!(it, Event::Frozen { .. })));
            let (stopped, rest): (_, fn(&StepStatus) -> bool) = match on_freeze {
                OnFreeze::Refuse => {
                    (Some(Signal::Frozen), |it| matches!(it, StepStatus::NotStarted))
                }
                OnFreeze::Defer => {
                    (None, |it| matches!(it, StepStatus::Deferred(Reason::Frozen { .. })))
                }
            };
            assert_eq!(outcome.stopped, stopped);
            let others = outcome.steps.iter().filter(|(_, it)| !it.is_done());
            assert!(others.clone().all(|(_, it)| rest(it)), "{outcome:#?}");
            assert_eq!(others.count(), 100 - done);
            tokio::time::sleep(Duration::from_hours(1)).await;
            let (outcome, _) = applied(&account, &stack, &text, Policy::default()).await;
            assert!(outcome.expect("it is over").is_well());
        });
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_first_write_about_an_object_is_in_a_freeze(
        first in pieces(),
        second in pieces(),
        begins in 0_i64..40,
        defers in any::<bool>(),
    ) {
        on_paused_time(async {
            let account = Account::at_aws_rates(1.0).await;
            let free = crate::generators::stack();
            let (first, second) = (resources(&first), resources(&second));
            crate::laws::settle(&account, &free, &first, &everything(&first, &[])).await;
            account.control("DELETE", "/_emulator/history", Value::Null);
            let now = account.aws.gate.server_time().expect("it was read");
            let mut stack = stack(0, if defers { OnFreeze::Defer } else { OnFreeze::Refuse });
            let from = now + SECOND * i32::try_from(begins).expect("small");
            stack.freezes[0].from = from;
            stack.freezes[0].to = from + SignedDuration::from_hours(1);
            let policy = everything(&second, &first);
            let session = session(&account.aws);
            let planned = session.plan(stack.clone(), second, policy, false).await;
            let planned = planned.expect("readable");
            let started = Mutex::new(Vec::new());
            let tell = |event: Event| {
                if let Event::Started { id, .. } = event {
                    let now = account.aws.gate.server_time().expect("it was read");
                    started.lock().expect("no task panics").push((id, now));
                }
            };
            let _ = Box::pin(planned.apply(&session, &no_lock(), None, &tell)).await;
            for (id, at) in started.into_inner().expect("no task panics") {
                assert!(at < from, "step {id} was started at {at}, and the freeze begins at {from}");
            }
            // A step that has sent a write is finished: an object is written to in a freeze only if it was before. The
            // service tells its time in whole seconds.
            let history = account.control("GET", "/_emulator/history", Value::Null);
            let mut begun: BTreeMap<String, i64> = BTreeMap::new();
            for event in history["events"].as_array().expect("a list") {
                let at = event["atMillis"].as_i64().expect("a number");
                begun.entry(event["tags"][ivs_apply::kinds::owner::NAME].to_string()).or_insert(at);
            }
            let limit = from.as_millisecond() + 1_000;
            assert!(begun.values().all(|it| *it < limit), "{begun:#?}");
        });
    }
}
