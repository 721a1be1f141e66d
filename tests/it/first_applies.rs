//! Several first applies of the same manifests at once, without a lock: each object exists once when the last of
//! them has ended, and everything refers to the object that stays.

use crate::account::{Account, named, on_paused_time, session};
use crate::laws::config;
use fastrand::Rng;
use ivs_apply::apply::{Event, Left, Outcome, Stop, apply};
use ivs_apply::aws::{Clients, Target};
use ivs_apply::cloud::{Reading, read};
use ivs_apply::engine::{RunLock, connect};
use ivs_apply::kinds::{Desired, Kind, Stack};
use ivs_apply::manifest::load_text;
use ivs_apply::plan::{Action, Policy, Reason, Status, plan};
use ivs_apply::ui::reason;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

const RUNS: usize = 4;

pub(crate) fn document(kind: &str, name: &str, spec: &str, rest: &str) -> String {
    format!(
        "---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n{rest}"
    )
}

/// Eleven resources that refer to one another in every way that can be changed in place.
fn manifests() -> String {
    let bucket = "{ destinationConfiguration: { s3: { bucketName: archive } } }";
    let of_stage = "{ autoParticipantRecordingConfiguration: { storageConfiguration: tape } }";
    [
        document("RecordingConfiguration", "archive", bucket, ""),
        document("PlaybackRestrictionPolicy", "home", "{ allowedCountries: [CH] }", ""),
        document("FailoverSlateConfiguration", "slate", "{}", ""),
        document(
            "Channel",
            "main",
            "{ recordingConfiguration: archive, playbackRestrictionPolicy: home }",
            "lifecycle: { protect: true }\n",
        ),
        document("Channel", "second", "{ failoverSlateConfiguration: slate }", ""),
        document("Channel", "third", "{}", ""),
        document("StreamKey", "main", "{ channel: main }", "lifecycle: { protect: true }\n"),
        document("StorageConfiguration", "tape", "{ s3: { bucketName: tape } }", ""),
        document("EncoderConfiguration", "hd", "{}", ""),
        document("Stage", "studio", of_stage, ""),
        document("IngestConfiguration", "camera", "{ ingestProtocol: RTMPS, stage: studio }", ""),
    ]
    .concat()
}

/// A client of the same account, as another machine has one.
async fn another(account: &Account) -> Clients {
    let in_process = Some(account.emulator.http_client());
    let clock = Some(account.emulator.time_source());
    let target = Target { in_process, clock, ..Target::default() };
    let mut aws = connect(&target).await.expect("an emulator needs no configuration");
    aws.alone = false;
    aws
}

/// One run, from reading the account to its end; `None` where there was nothing to do, or where what another run
/// deletes at that moment kept it from reading the whole account.
async fn one_run(
    aws: &Clients,
    stack: &Stack,
    desired: &[Desired],
    pause: Duration,
) -> Option<Outcome> {
    let session = session(aws);
    let planned = session.plan(stack.clone(), desired.to_vec(), Policy::default(), false);
    let planned = planned.await.ok()?;
    sleep(pause).await;
    if !planned.plan.has_work() {
        return None;
    }
    let lock = RunLock::none(watch::Sender::new(Stop::default()));
    Box::pin(planned.apply(&session, &lock, None, &|_| {})).await.ok()
}

/// How often the stack has an object of each kind and name.
fn counted(account: &Account) -> BTreeMap<String, usize> {
    let objects = account.control("GET", "/_emulator/objects", Value::Null);
    let mut counts = BTreeMap::new();
    for (name, it) in named(&objects) {
        let kind = it["kind"].as_str().unwrap_or_default();
        *counts.entry(format!("{kind}/{name}")).or_default() += 1;
    }
    counts
}

/// Four runs whose beginnings, pauses, requests and listings are as slow as chance has it.
async fn interleaved(seed: u64) -> Result<(), String> {
    fastrand::seed(seed);
    let mut random = Rng::with_seed(seed);
    let account = Account::empty().await;
    let loaded = load_text("all.yaml", &manifests(), None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    let (stack, desired) = (loaded.stack, loaded.desired);
    let fault = |kind: &str, operation: &str, seconds: f64, probability: f64| {
        let fault = json!({
            "operation": operation, "kind": kind, "seconds": seconds, "probability": probability,
        });
        account.control("POST", "/_emulator/faults", fault);
    };
    let lag = [0.0, 0.3, 2.0, 8.0, 20.0][random.usize(..5)];
    if lag > 0.0 {
        fault("listLag", "List*", lag, 1.0);
    }
    fault("stall", "*", 0.1 + 0.1 * random.f64(), 0.5);
    fault("delay", "*", 0.1 + 0.1 * random.f64(), 0.5);
    let spread = [0.0, 0.5, 3.0, 30.0][random.usize(..4)];
    let chance = |random: &mut Rng, most: f64| Duration::from_secs_f64(most * random.f64());
    let times: Vec<_> =
        (0..RUNS).map(|_| (chance(&mut random, spread), chance(&mut random, 5.0))).collect();
    let runs = times.into_iter().map(|(begin, pause)| {
        let (account, stack, desired) = (&account, &stack, &desired);
        async move {
            let aws = another(account).await;
            sleep(begin).await;
            one_run(&aws, stack, desired, pause).await
        }
    });
    let outcomes = futures_util::future::join_all(runs).await;
    let told = || {
        let copies: Vec<_> = outcomes.iter().flatten().flat_map(|it| &it.copies).collect();
        let wrong = outcomes.iter().flatten().flat_map(|it| &it.steps);
        let wrong: Vec<_> = wrong.filter(|(_, it)| !it.is_well()).collect();
        format!("lag {lag}, spread {spread}\n{copies:#?}\n{wrong:#?}")
    };
    let counts = counted(&account);
    if counts.len() != desired.len() || counts.values().any(|it| *it != 1) {
        return Err(format!("{counts:?}\n{}", told()));
    }
    account.control("DELETE", "/_emulator/faults", Value::Null);
    let full = Reading { every_kind: true, full: true, strangers: false };
    let observed = account.read(&stack, &desired, full).await;
    let again = plan(&stack, &desired, &observed, &Policy::default());
    if again.status() != Status::Clean {
        return Err(format!("{:#?}\n{}", again.steps, told()));
    }
    Ok(())
}

#[test]
fn four_first_applies_at_once_leave_one_object_each_however_they_interleave() {
    let cases = u64::from(config().cases.div_ceil(10));
    let first = std::env::var("INTERLEAVING").ok().and_then(|it| it.parse().ok()).unwrap_or(0);
    let wrong: Vec<String> = (first..first + cases)
        .filter_map(|seed: u64| {
            let why = on_paused_time(interleaved(seed)).err()?;
            Some(format!("INTERLEAVING={seed}: {why}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {cases}\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_create_that_is_delivered_twice_is_told_and_leaves_one_object() {
    for (kind, operation) in [(Kind::Channel, "CreateChannel"), (Kind::Stage, "CreateStage")] {
        for seed in 0..4 {
            on_paused_time(async {
                fastrand::seed(seed);
                let account = Account::empty().await;
                let loaded = load_text("one.yaml", &document(kind.name(), "one", "{}", ""), None);
                let twice = json!({ "operation": operation, "kind": "twice", "nth": 1 });
                account.control("POST", "/_emulator/faults", twice);
                let outcome =
                    one_run(&account.aws, &loaded.stack, &loaded.desired, Duration::ZERO).await;
                let outcome = outcome.expect("something to do");
                assert!(outcome.is_well(), "{outcome:#?}");
                assert_eq!(outcome.copies.len(), 1, "{outcome:#?}");
                let left = counted(&account);
                assert_eq!(left.values().sum::<usize>(), 1, "{left:?}");
            });
        }
    }
}

#[test]
fn a_copy_that_went_live_meanwhile_is_left_and_told() {
    on_paused_time(async {
        let account = Account::empty().await;
        let loaded = load_text("one.yaml", &document("Channel", "one", "{}", ""), None);
        let twice = json!({ "operation": "CreateChannel", "kind": "twice", "nth": 1 });
        account.control("POST", "/_emulator/faults", twice);
        let observed = read(&account.aws, &loaded.stack, &loaded.desired, Reading::default());
        let observed = observed.await.expect("readable");
        let made = plan(&loaded.stack, &loaded.desired, &observed, &Policy::default());
        let (_stopper, stop) = watch::channel(Stop::default());
        // Both channels go live as soon as they exist.
        let tell = |event: Event| {
            if matches!(event, Event::Ended { .. }) {
                let objects = account.control("GET", "/_emulator/objects", Value::Null);
                for it in objects["objects"].as_array().expect("a list") {
                    if it["kind"] == "Channel" {
                        let body = json!({ "channelArn": it["arn"], "viewerCount": 3 });
                        account.control("POST", "/_emulator/streams", body);
                    }
                }
            }
        };
        let stack = &loaded.stack;
        let outcome = Box::pin(apply(&account.aws, stack, &made, &observed, stop, &tell)).await;
        assert!(!outcome.is_well(), "{outcome:#?}");
        let [copy] = outcome.copies.as_slice() else { panic!("{outcome:#?}") };
        let live = |it: &Left| matches!(it, Left::Waits(why) if matches!(**why, Reason::DuplicateLive { .. }));
        assert!(copy.left.as_ref().is_some_and(live), "{copy:?}");
        assert_eq!(counted(&account)["Channel/one"], 2);
    });
}

/// Reads and plans one channel, which AWS then makes twice; from the end of the step on, `fault` is in force.
/// Returns the waits of the whole run as well.
async fn made_twice(account: &Account, fault: Value) -> (Outcome, Vec<String>) {
    let loaded = load_text("one.yaml", &document("Channel", "one", "{}", ""), None);
    let stack = &loaded.stack;
    let twice = json!({ "operation": "CreateChannel", "kind": "twice", "nth": 1 });
    account.control("POST", "/_emulator/faults", twice);
    let (observed, made) = account.plan(stack, &loaded.desired, &Policy::default()).await;
    let (_stopper, stop) = watch::channel(Stop::default());
    let waits = Mutex::new(Vec::new());
    let tell = |event: Event| match event {
        Event::Ended { .. } => {
            account.control("POST", "/_emulator/faults", fault.clone());
        }
        Event::Waiting { address: None, wait } => {
            waits.lock().expect("no task panics").push(wait.to_string());
        }
        _ => {}
    };
    let outcome = Box::pin(apply(&account.aws, stack, &made, &observed, stop, &tell)).await;
    (outcome, waits.into_inner().expect("no task panics"))
}

fn denied(seconds: Option<u32>) -> Value {
    let mut fault = json!({
        "operation": "ListStreams", "kind": "error", "name": "AccessDeniedException", "message": "not now",
    });
    if let Some(seconds) = seconds {
        fault["seconds"] = json!(seconds);
    }
    fault
}

#[test]
fn an_account_that_cannot_be_read_again_is_told_and_no_success_while_a_copy_may_be_left() {
    on_paused_time(async {
        let account = Account::empty().await;
        let (outcome, waits) = made_twice(&account, denied(None)).await;
        assert_eq!(counted(&account)["Channel/one"], 2, "nothing was deleted unread");
        assert!(!outcome.is_well(), "{outcome:#?}");
        let unread = outcome.copies_unread.as_ref().expect("the error of the last read");
        assert_eq!(unread.error.code.as_deref(), Some("AccessDeniedException"), "{unread:?}");
        let said = reason::copies_unread(unread);
        assert!(said.contains("duplicates that this run made may be left"), "{said}");
        assert!(said.contains("not now"), "{said}");
        let told = |it: &String| it.starts_with("waiting at most ") && it.contains("not now");
        assert!(!waits.is_empty() && waits.iter().all(told), "{waits:#?}");
        assert!(waits[0].starts_with("waiting at most 300 s for "), "{waits:#?}");
        // From one try to the next only the time that is left differs, so that a watcher shows the wait once.
        let until = |it: &String| it.split_once(" s for ").map(|it| it.1.to_owned());
        assert!(waits.iter().all(|it| until(it) == until(&waits[0])), "{waits:#?}");
    });
}

#[test]
fn an_account_that_cannot_be_read_for_a_while_is_read_until_the_copy_is_deleted() {
    on_paused_time(async {
        let account = Account::empty().await;
        let (outcome, waits) = made_twice(&account, denied(Some(30))).await;
        assert!(waits.iter().any(|it| it.contains("not now")), "{waits:#?}");
        assert!(outcome.is_well() && outcome.copies_unread.is_none(), "{outcome:#?}");
        assert_eq!(outcome.copies.len(), 1, "{outcome:#?}");
        assert_eq!(counted(&account)["Channel/one"], 1);
    });
}

/// A run that creates a channel twice, and whose deletes of its own copy fail as often as `times` says; with what it
/// told of the copy and of its waits.
async fn refused(account: &Account, times: u32) -> (Outcome, Vec<&'static str>, Vec<String>) {
    let loaded = load_text("one.yaml", &document("Channel", "one", "{}", ""), None);
    let stack = &loaded.stack;
    let twice = json!({ "operation": "CreateChannel", "kind": "twice", "nth": 1 });
    let conflict = json!({
        "operation": "DeleteChannel", "kind": "error", "name": "ConflictException",
        "message": "it is busy", "nth": 1, "times": times,
    });
    for fault in [twice, conflict] {
        account.control("POST", "/_emulator/faults", fault);
    }
    let (observed, made) = account.plan(stack, &loaded.desired, &Policy::default()).await;
    let (_stopper, stop) = watch::channel(Stop::default());
    let (ends, waits) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let tell = |event: Event| match event {
        Event::Ended { action: Action::Delete, status, .. } => {
            ends.lock().expect("no task panics").push(status.as_str());
        }
        Event::Waiting { address: Some(_), wait } => {
            waits.lock().expect("no task panics").push(wait.to_string());
        }
        _ => {}
    };
    let outcome = Box::pin(apply(&account.aws, stack, &made, &observed, stop, &tell)).await;
    let (ends, waits) = (ends.into_inner(), waits.into_inner());
    (outcome, ends.expect("no task panics"), waits.expect("no task panics"))
}

#[test]
fn a_delete_of_the_runs_own_copy_that_is_tried_again_is_told_as_a_wait_and_not_as_failed() {
    on_paused_time(async {
        let account = Account::empty().await;
        let (outcome, ends, waits) = refused(&account, 2).await;
        assert!(outcome.is_well(), "{outcome:#?}");
        assert_eq!(ends, ["done"], "{waits:#?}");
        let refused: Vec<&String> = waits.iter().filter(|it| it.contains("it is busy")).collect();
        assert_eq!(refused.len(), 2, "{waits:#?}");
        let said = "waiting at most 300 s for the deletion of the duplicates that this run made; the \
                    last request failed: DeleteChannel: ConflictException: it is busy";
        assert!(refused.iter().all(|it| *it == said), "{refused:#?}");
        assert_eq!(counted(&account)["Channel/one"], 1);
    });
}

#[test]
fn a_copy_whose_delete_is_refused_until_the_end_is_told_with_the_reason() {
    on_paused_time(async {
        let account = Account::empty().await;
        let (outcome, ends, _) = refused(&account, 1_000).await;
        assert!(!outcome.is_well() && ends.is_empty(), "{ends:?} {outcome:#?}");
        let [copy] = outcome.copies.as_slice() else { panic!("{outcome:#?}") };
        let why = reason::left(copy.left.as_ref().expect("it is left"));
        assert!(why.starts_with("it was not deleted in time; the last request failed"), "{why}");
        assert!(why.contains("ConflictException: it is busy"), "{why}");
        assert_eq!(counted(&account)["Channel/one"], 2);
    });
}

/// Of four runs the first makes what counts, which appears last. The fourth sees what the second and the third
/// have made until then, and makes a channel that refers to both.
#[test]
fn a_channel_that_refers_to_copies_of_two_other_runs_is_turned_at_once() {
    on_paused_time(async {
        fastrand::seed(1);
        let account = Account::empty().await;
        let bucket = "{ destinationConfiguration: { s3: { bucketName: archive } } }";
        let text = [
            document("RecordingConfiguration", "archive", bucket, ""),
            document("PlaybackRestrictionPolicy", "home", "{ allowedCountries: [CH] }", ""),
            document(
                "Channel",
                "main",
                "{ recordingConfiguration: archive, playbackRestrictionPolicy: home }",
                "",
            ),
        ]
        .concat();
        let loaded = load_text("all.yaml", &text, None);
        assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
        let stall = |operation: &str, nth: u32, seconds: f64| {
            let fault = json!({
                "operation": operation, "kind": "stall", "nth": nth, "seconds": seconds,
            });
            account.control("POST", "/_emulator/faults", fault);
        };
        // The runs begin at 0, 2, 4 and 6 s. Seen at 6 s: the recording configuration of the second run and the
        // policy of the third.
        stall("CreateRecordingConfiguration", 1, 8.0);
        stall("CreatePlaybackRestrictionPolicy", 1, 8.0);
        stall("CreateRecordingConfiguration", 2, 3.0);
        stall("CreatePlaybackRestrictionPolicy", 2, 7.0);
        stall("CreateRecordingConfiguration", 3, 4.5);
        let runs = [0, 2, 4, 6].map(|begin| {
            let (account, loaded) = (&account, &loaded);
            async move {
                let aws = another(account).await;
                sleep(Duration::from_secs(begin)).await;
                let outcome = one_run(&aws, &loaded.stack, &loaded.desired, Duration::ZERO).await;
                outcome.expect("something to do")
            }
        });
        let refers_to = async {
            sleep(Duration::from_millis(7900)).await;
            let listed = account.aws.ivs.list_channels().send().await.expect("listed").channels;
            let [channel] = listed.as_slice() else { panic!("{listed:?}") };
            [channel.recording_configuration_arn(), channel.playback_restriction_policy_arn()]
                .map(|it| it.expect("a reference").to_owned())
        };
        let start = Instant::now();
        let runs = futures_util::future::join_all(runs);
        let (outcomes, [recording, policy]) = futures_util::future::join(runs, refers_to).await;
        let copies = |run: usize| -> Vec<&str> {
            outcomes[run].copies.iter().map(|it| it.arn.as_str()).collect()
        };
        assert!(copies(1).contains(&recording.as_str()), "{outcomes:#?}");
        assert!(copies(2).contains(&policy.as_str()), "{outcomes:#?}");
        assert!(outcomes.iter().all(Outcome::is_well), "{outcomes:#?}");
        assert!(start.elapsed() < Duration::from_mins(2), "{:?}", start.elapsed());
        let counts = counted(&account);
        assert!(counts.len() == 3 && counts.values().all(|it| *it == 1), "{counts:?}");
        let (_, again) = account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
        assert_eq!(again.status(), Status::Clean, "{:#?}", again.steps);
    });
}
