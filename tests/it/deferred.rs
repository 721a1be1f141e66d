//! `apply --wait`: a run stays until what it has deferred is carried out, or time is up.

use crate::account::{Account, on_paused_time, session};
use crate::binary::{Ran, document};
use crate::first_applies::document as manifest;
use crate::killed::Stage;
use ivs_apply::apply::{Event, Stop};
use ivs_apply::engine::RunLock;
use ivs_apply::kinds::Stack;
use ivs_apply::manifest::load_text;
use ivs_apply::plan::Policy;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A stack of two channels.
fn channels(spec: &str, stack: &str) -> String {
    let place = "region: us-west-2, account: \"000000000000\"";
    let stack = manifest("Stack", "shows", &format!("{{ {place}{stack} }}"), "");
    let channel = |name: &str| manifest("Channel", name, spec, "");
    [stack, channel("big"), channel("small")].concat()
}

/// Two channels that exist and are live, and manifests that change them.
fn live() -> Stage {
    let stage = Stage::new(&[]);
    stage.place.write("all.yaml", &channels("{}", ""));
    code(&ended(start(&stage, "apply --yes")), 0);
    for (name, viewers) in [("big", 1_000), ("small", 3)] {
        let stream = json!({ "channelArn": arn(&stage, name), "viewerCount": viewers });
        stage.control("POST", "streams", &stream);
    }
    stage.place.write("all.yaml", &channels("{ latencyMode: NORMAL }", ""));
    stage
}

fn arn(stage: &Stage, name: &str) -> String {
    stage.objects()[&format!("Channel/{name}")][0].clone()
}

fn goes_offline(stage: &Stage, name: &str) {
    stage.control("DELETE", "streams", &json!({ "channelArn": arn(stage, name) }));
}

fn start(stage: &Stage, words: &str) -> Child {
    let mut command: Command = stage.command(words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

fn ended(child: Child) -> Ran {
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[track_caller]
fn code(ran: &Ran, code: i32) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
}

/// Waits until the first plan of a run is made.
fn planned(stage: &Stage, events: &str) {
    let file = stage.place.folder.path().join(events);
    let begun = Instant::now();
    while !std::fs::read_to_string(&file).is_ok_and(|it| it.contains("\"waiting\"")) {
        assert!(begun.elapsed() < Duration::from_secs(30), "the run waits");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_run_waits_until_what_it_has_deferred_is_carried_out() {
    let stage = live();
    stage.control("DELETE", "calls", &Value::Null);
    let run = start(&stage, "apply --yes --wait 1m --format json --events events.jsonl");
    planned(&stage, "events.jsonl");
    goes_offline(&stage, "big");
    goes_offline(&stage, "small");
    let ran = ended(run);
    code(&ran, 0);
    assert!(
        ran.stderr.contains("waiting at most 60 s for what was deferred: Channel/big"),
        "{ran:?}"
    );
    let told = document(&ran);
    assert_eq!(told["outcome"]["done"], 2, "{told:#}");
    assert_eq!(told["waited"]["left"], json!([]));
    let rounds = told["waited"]["rounds"].as_array().expect("a list");
    assert_eq!(
        rounds.iter().map(|it| it["steps"].as_array().map_or(0, Vec::len)).sum::<usize>(),
        2
    );
    let done = told["steps"].as_array().expect("steps");
    assert!(done.iter().all(|it| it["status"] == "done" && !it["requestId"].is_null()), "{told:#}");
    code(&ended(start(&stage, "plan --detailed-exitcode")), 0);
}

#[test]
fn what_is_left_when_the_time_is_up_is_named_and_the_exit_code_is_3() {
    let stage = live();
    goes_offline(&stage, "small");
    let ran = ended(start(&stage, "apply --yes --wait 1s"));
    code(&ran, 3);
    assert!(ran.stdout.contains("1 deferred, 1 done"), "{ran:?}");
    let left = "1 resource was still deferred when the time of `--wait` was up: Channel/big (live: 1,000 viewers)";
    assert!(ran.stderr.contains(left), "{ran:?}");
    for words in ["apply --yes --wait 0s", "apply --yes --wait soon", "apply --yes --wait 31d"] {
        code(&ended(start(&stage, words)), 1);
    }
}

#[test]
fn a_signal_ends_a_wait_at_once() {
    let stage = live();
    let run = start(&stage, "apply --yes --wait 1h --events events.jsonl");
    planned(&stage, "events.jsonl");
    let begun = Instant::now();
    let sent = Command::new("kill").args(["-TERM", &run.id().to_string()]).status();
    assert!(sent.expect("kill is there").success());
    let ran = ended(run);
    code(&ran, 143);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(ran.stdout.contains("2 deferred"), "{ran:?}");
}

#[test]
fn a_wait_does_not_change_an_object_that_was_changed_outside_meanwhile() {
    let stage = live();
    let run = start(&stage, "apply --yes --wait 8s --events events.jsonl");
    planned(&stage, "events.jsonl");
    goes_offline(&stage, "big");
    goes_offline(&stage, "small");
    let mut client = crate::client::Client::new(&stage.served.url);
    client.call("UpdateChannel", &json!({ "arn": arn(&stage, "big"), "authorized": true }));
    let ran = ended(run);
    code(&ran, 3);
    assert!(ran.stdout.contains("1 deferred, 1 done"), "{ran:?}");
    let channel = client.call("GetChannel", &json!({ "arn": arn(&stage, "big") }));
    assert_eq!(
        (&channel["channel"]["latencyMode"], &channel["channel"]["authorized"]),
        (&json!("LOW"), &json!(true))
    );
}

#[test]
fn a_saved_plan_waits_as_well_and_so_does_the_end_of_a_freeze() {
    let stage = live();
    goes_offline(&stage, "big");
    code(&ended(start(&stage, "plan --out plan.json")), 0);
    let mut saved = stage.command("apply plan.json --wait 1m --events events.jsonl");
    let run = saved.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    planned(&stage, "events.jsonl");
    goes_offline(&stage, "small");
    code(&ended(run), 0);

    let at = |seconds| Timestamp::now() + SignedDuration::from_secs(seconds);
    let freeze = format!(
        ", onFreeze: defer, freeze: [{{ from: {}, to: {}, reason: cup final }}]",
        at(-60),
        at(6)
    );
    stage.place.write("all.yaml", &channels("{ latencyMode: LOW }", &freeze));
    let ran = ended(start(&stage, "apply --yes --wait 1m --format json"));
    code(&ran, 0);
    assert_eq!(document(&ran)["outcome"]["done"], 2, "{ran:?}");
}

#[test]
fn a_wait_of_three_hours_takes_few_calls_and_begins_with_the_smallest_audience() {
    on_paused_time(async {
        let account = Account::empty().await;
        // The calls are those of whole pages.
        account.answers(json!({ "largestPage": 0 }));
        let stack = Stack::named("shows");
        let names: Vec<String> = (0..20).map(|it| format!("c{it:02}")).collect();
        let text = |spec: &str| -> String {
            names.iter().map(|name| manifest("Channel", name, spec, "")).collect()
        };
        let session = session(&account.aws);
        let plan = async |text: &str| {
            let desired = load_text("a.yaml", text, None).desired;
            let planned = session.plan(stack.clone(), desired, Policy::default(), false).await;
            planned.expect("readable")
        };
        let lock = RunLock::none(watch::Sender::new(Stop::default()));
        let first = plan(&text("{}")).await;
        Box::pin(first.apply(&session, &lock, None, &|_| {})).await.expect("not refused");
        let streams: Vec<Value> = plan(&text("{}"))
            .await
            .observed
            .owned
            .iter()
            .enumerate()
            .map(|(index, (_, it))| json!({ "channelArn": it.arn, "viewerCount": 100 - index }))
            .collect();
        for stream in &streams {
            account.control("POST", "/_emulator/streams", stream.clone());
        }
        let mut planned = plan(&text("{ latencyMode: NORMAL }")).await;
        let mut outcome =
            Box::pin(planned.apply(&session, &lock, None, &|_| {})).await.expect("not refused");
        let deferred = planned.deferred(&outcome);
        assert_eq!(deferred.len(), 20);
        account.calls();
        let three_hours = Duration::from_hours(3);
        let begun = tokio::time::Instant::now();
        let waited = planned.wait(&session, &lock, &deferred, three_hours, 0, &|_| {}).await;
        assert!(!waited.expect("readable"));
        assert_eq!(begun.elapsed(), three_hours);
        let calls = account.calls();
        let calls = calls.as_object().expect("an object");
        assert!(calls["ListStreams"].as_u64() < Some(370), "{calls:?}");
        assert_eq!(calls.len(), 1, "{calls:?}");

        for stream in &streams {
            let channel = json!({ "channelArn": stream["channelArn"] });
            account.control("DELETE", "/_emulator/streams", channel);
        }
        let waited = planned.wait(&session, &lock, &deferred, three_hours, 0, &|_| {}).await;
        assert!(waited.expect("readable"));
        let again = planned.again(&session, &deferred).await.expect("readable");
        let started = Mutex::new(Vec::new());
        let tell = |event: Event| {
            if let Event::Started { address, .. } = event {
                started.lock().expect("no task panics").push(address.name);
            }
        };
        let ended = Box::pin(again.apply(&session, &lock, None, &tell)).await.expect("fine");
        let mut smallest_first = names.clone();
        smallest_first.reverse();
        // The order is that of the first writes. Of the sixteen steps that run side by side the last ones may pass each other.
        let started = started.into_inner().expect("no task panics");
        assert_eq!(started.len(), smallest_first.len());
        assert_eq!(started[..10], smallest_first[..10]);
        planned.absorb(&mut outcome, &again, ended);
        assert!(planned.deferred(&outcome).is_empty() && outcome.is_well(), "{outcome:#?}");
        assert_eq!(outcome.counts(&planned.plan).done, 20);
    });
}
