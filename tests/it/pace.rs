//! How long a run takes at AWS's rates, on a paused clock: the emulator enforces the rates and
//! takes 50 ms over each answer, and the time that passes is that of the calls alone.

use crate::account::{Account, on_paused_time};
use crate::calls::channels;
use crate::golden::root;
use crate::left_out::every_case;
use futures_util::future::try_join_all;
use ivs_apply::apply::{self, Event, Outcome, Signal, StepStatus, Stop};
use ivs_apply::aws::{Rates, Service, Tags, Target};
use ivs_apply::cloud::Reading;
use ivs_apply::engine::connect;
use ivs_apply::kinds::operation::PUBLISHED_RATES;
use ivs_apply::kinds::{AddressMap, Desired, Kind, Stack};
use ivs_apply::manifest::{Loaded, load_text};
use ivs_apply::plan::{Plan, Policy, Status};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

fn loaded(text: &str) -> Loaded {
    let loaded = load_text("manifests.yaml", text, Some("pace"));
    assert!(!loaded.report.has_errors());
    loaded
}

fn stages(count: usize) -> String {
    let mut text = String::new();
    for index in 0..count {
        let _ = write!(
            text,
            "---\napiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: {{ name: s{index} }}\nspec: {{}}\n"
        );
    }
    text
}

/// What some work took and how long, and the least time that its calls take.
struct Taken {
    seconds: f64,
    calls: BTreeMap<String, u64>,
}

impl Taken {
    fn lower_bound(&self) -> f64 {
        PUBLISHED_RATES.least_seconds(&self.calls)
    }

    /// Not longer than `most` times the lower bound, and not shorter than it, apart from the first call, which
    /// does not wait.
    fn is_within(&self, most: f64) {
        let least = self.lower_bound();
        assert!(self.seconds <= most * least, "{} s, lower bound {least} s", self.seconds);
        assert!(self.seconds >= least - 0.4, "{} s, lower bound {least} s", self.seconds);
    }
}

async fn taken<T>(account: &Account, work: impl Future<Output = T>) -> (T, Taken) {
    account.calls();
    let start = Instant::now();
    let done = work.await;
    let seconds = start.elapsed().as_secs_f64();
    let throttled = account.control("GET", "/_emulator/throttled", Value::Null);
    assert_eq!(throttled, json!({}), "no throttle is provoked");
    let calls = serde_json::from_value(account.calls()).expect("counts");
    (done, Taken { seconds, calls })
}

async fn apply(account: &Account, desired: &[Desired]) -> Outcome {
    let stack = Stack::named("pace");
    let (observed, plan) = account.plan(&stack, desired, &Policy::default()).await;
    let outcome = account.apply(&stack, &observed, &plan).await;
    assert!(outcome.is_well());
    outcome
}

async fn plan(account: &Account, desired: &[Desired]) -> Plan {
    account.plan(&Stack::named("pace"), desired, &Policy::default()).await.1
}

#[test]
fn a_thousand_channels_are_made_and_planned_again_in_the_time_that_their_calls_take() {
    on_paused_time(async {
        let account = Account::at_aws_rates(1.0).await;
        let desired = loaded(&channels(1_000)).desired;
        let (_, making) = Box::pin(taken(&account, apply(&account, &desired))).await;
        assert_eq!(making.calls["CreateChannel"], 1_000);
        making.is_within(1.05);
        let (again, planning) = Box::pin(taken(&account, plan(&account, &desired))).await;
        assert_eq!(again.status(), Status::Clean);
        assert_eq!(
            json!(planning.calls),
            json!({ "BatchGetChannel": 20, "ListChannels": 10, "ListStreams": 1 }),
        );
        planning.is_within(1.1);
    });
}

#[test]
fn half_of_the_rates_takes_twice_as_long_and_provokes_no_timeout() {
    on_paused_time(async {
        let account = Account::at_aws_rates(0.5).await;
        let desired = loaded(&channels(100)).desired;
        let (_, making) = Box::pin(taken(&account, apply(&account, &desired))).await;
        assert_eq!(making.calls["CreateChannel"], 100);
        let halves = making.seconds / making.lower_bound();
        assert!((1.95..2.1).contains(&halves), "{halves}");
    });
}

/// The id of a create attempt once had the time at which its request began to wait for its turn: each request counted as
/// slow, and the run waited 7 s at its end for requests of other runs that might be as slow.
#[test]
fn the_wait_at_the_end_of_a_run_is_as_long_as_for_requests_that_did_not_wait_for_their_turn() {
    on_paused_time(async {
        let mut account = Account::at_aws_rates(1.0).await;
        // Other runs may write to this account, so that copies of theirs may still appear.
        account.aws.alone = false;
        let desired = loaded(&channels(100)).desired;
        let (_, making) = Box::pin(taken(&account, apply(&account, &desired))).await;
        assert_eq!(making.calls["CreateChannel"], 100);
        let over = making.seconds - making.lower_bound();
        assert!((1.0..2.0).contains(&over), "{over} s");
    });
}

/// The wait for its turn once counted towards the time that a request may take, so that requests which had
/// never left were given up, and looked for in the listing.
#[test]
fn a_request_may_wait_for_its_turn_as_long_as_it_takes() {
    on_paused_time(async {
        let account = Account::at_aws_rates(0.02).await;
        let desired = loaded(&stages(20)).desired;
        let (_, making) = Box::pin(taken(&account, apply(&account, &desired))).await;
        assert_eq!(making.calls["CreateStage"], 20);
        let (again, reading) = Box::pin(taken(&account, plan(&account, &desired))).await;
        assert_eq!(again.status(), Status::Clean);
        assert_eq!(json!(reading.calls), json!({ "GetStage": 20, "ListStages": 1 }));
    });
}

/// The listings that confirm what was made once had one minute all together, so that many pages at a small share of
/// the rates left everything unconfirmed that they showed.
#[test]
fn created_objects_are_confirmed_by_listings_that_take_longer_than_the_wait() {
    on_paused_time(async {
        let account = Account::at_aws_rates(0.02).await;
        account.answers(json!({ "largestPage": 3 }));
        let desired = loaded(&stages(20)).desired;
        let (_, making) = Box::pin(taken(&account, apply(&account, &desired))).await;
        assert_eq!(making.calls["CreateStage"], 20);
        // One to plan from, and two that show everything, of seven pages each.
        assert_eq!(making.calls["ListStages"], 1 + 2 * 7);
    });
}

#[test]
fn kinds_do_not_wait_for_one_another() {
    on_paused_time(async {
        let account = Account::at_aws_rates(1.0).await;
        let text = channels(100) + &stages(100);
        let desired = loaded(&text).desired;
        let (_, making) = Box::pin(taken(&account, apply(&account, &desired))).await;
        assert_eq!((making.calls["CreateChannel"], making.calls["CreateStage"]), (100, 100));
        making.is_within(1.1);
        let (_, planning) = Box::pin(taken(&account, plan(&account, &desired))).await;
        assert_eq!(planning.calls["GetStage"], 100);
        planning.is_within(1.1);
    });
}

#[test]
fn gets_start_while_the_listing_still_pages_and_their_batches_are_full() {
    on_paused_time(async {
        let account = Account::at_aws_rates(1.0).await;
        // Every second one is declared: a page of a hundred does not fill two batches.
        let desired = loaded(&channels(240)).desired;
        apply(&account, &desired).await;
        let some: Vec<Desired> = desired.iter().step_by(2).cloned().collect();
        let reading = Reading::default();
        let read = async { account.read(&Stack::named("pace"), &some, reading).await };
        let (observed, reading) = Box::pin(taken(&account, read)).await;
        assert_eq!(reading.calls["ListChannels"], 3);
        assert_eq!(reading.calls["BatchGetChannel"], 3, "120 channels are 50, 50 and 20");
        assert_eq!(observed.owned.values().filter(|it| it.spec.is_some()).count(), 120);
        assert!(reading.seconds < 0.95, "{} s: the last batch alone comes later", reading.seconds);
    });
}

#[test]
fn a_throttled_run_goes_on_slower_and_loses_nothing() {
    on_paused_time(async {
        let account = Account::at_aws_rates(1.0).await;
        let throttle =
            json!({ "operation": "CreateChannel", "kind": "throttle", "nth": 10, "times": 3 });
        account.control("POST", "/_emulator/faults", throttle);
        let desired = loaded(&channels(100)).desired;
        let (_, making) = Box::pin(taken(&account, apply(&account, &desired))).await;
        assert_eq!(making.calls["CreateChannel"], 103);
        assert!((21.0..30.0).contains(&making.seconds), "{} s", making.seconds);
        let (again, _) = Box::pin(taken(&account, plan(&account, &desired))).await;
        assert_eq!(again.status(), Status::Clean);
    });
}

#[test]
fn after_the_first_signal_nothing_leaves_that_waits_for_its_turn() {
    on_paused_time(async {
        let account = Account::at_aws_rates(0.2).await;
        let it = loaded(&stages(40));
        let (observed, plan) = account.plan(&it.stack, &it.desired, &Policy::default()).await;
        account.calls();
        let (stopper, stop) = watch::channel(Stop::default());
        let signal = async {
            tokio::time::sleep(Duration::from_millis(3_500)).await;
            let made =
                account.control("GET", "/_emulator/calls", Value::Null)["CreateStage"].clone();
            stopper.send_replace(Stop { first: Some(Signal::Terminate), ..Stop::default() });
            made
        };
        let started = std::sync::atomic::AtomicUsize::new(0);
        let tell = |event: Event| {
            let is_start = usize::from(matches!(event, Event::Started { .. }));
            started.fetch_add(is_start, std::sync::atomic::Ordering::Relaxed);
        };
        let run = apply::apply(&account.aws, &it.stack, &plan, &observed, stop, &tell);
        let (outcome, made) = futures_util::future::join(Box::pin(run), signal).await;
        assert_eq!(account.calls()["CreateStage"], made, "none is sent after the signal");
        assert_eq!(json!(started.into_inner()), made, "what is not sent is not told as started");
        let done = outcome.steps.iter().filter(|(_, it)| it.is_done()).count();
        assert_eq!(json!(done), made);
        let waiting = outcome.steps.iter().filter(|(_, it)| !it.is_done());
        for (_, status) in waiting {
            assert!(matches!(status, StepStatus::NotStarted), "nothing is unsure: {status:?}");
        }
        assert_eq!(outcome.stopped, Some(Signal::Terminate));
    });
}

/// Makes so many objects of a kind, all at once: each waits for its turn.
async fn crowd(account: &Account, kind: Kind, count: usize) {
    let quotas = json!({ "stages": 5_000, "recordingConfigurations": 5_000 });
    account.control("POST", "/_emulator/quotas", quotas);
    let body = match kind {
        Kind::Stage => json!({}),
        _ => json!({ "destinationConfiguration": { "s3": { "bucketName": "a-bucket" } } }),
    };
    let body = kind.from_json(body).expect("a spec");
    let (tags, addresses) = (Tags::new(), AddressMap::default());
    let made = (0..count).map(|_| body.create(&account.aws, &tags, &addresses));
    try_join_all(made).await.expect("made");
}

/// Reads so many objects of a kind that costs one call each, at a share of the rates.
async fn crowd_is_read(kind: Kind, count: usize, share: f64) -> Taken {
    let account = Account::at_aws_rates(share).await;
    crowd(&account, kind, count).await;
    let declared = format!(
        "apiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: one }}\nspec: {}\n",
        match kind {
            Kind::Stage => "{}",
            _ => "{ destinationConfiguration: { s3: { bucketName: a-bucket } } }",
        }
    );
    let desired = loaded(&declared).desired;
    let reading = Reading { strangers: true, full: true, every_kind: false };
    let read = async { account.read(&Stack::named("pace"), &desired, reading).await };
    let (observed, taken) = Box::pin(taken(&account, read)).await;
    assert_eq!(observed.others.values().filter(|it| it.spec.is_some()).count(), count);
    taken
}

#[test]
fn a_thousand_stages_and_a_thousand_recording_configurations_are_read_at_the_published_rates() {
    for kind in [Kind::Stage, Kind::RecordingConfiguration] {
        let taken = on_paused_time(Box::pin(crowd_is_read(kind, 1_000, 1.0)));
        assert_eq!(taken.calls[&format!("Get{kind}")], 1_000);
        taken.is_within(1.1);
    }
}

/// Longer than a signature lasts: a request is signed when it is its turn.
#[test]
fn at_a_fiftieth_of_the_rates_reads_wait_for_many_minutes_and_all_succeed() {
    let stages = if every_case() { 1_000 } else { 120 };
    let taken = on_paused_time(Box::pin(crowd_is_read(Kind::Stage, stages, 0.02)));
    assert_eq!(usize::try_from(taken.calls["GetStage"]), Ok(stages));
    assert!(taken.seconds > 1_100.0, "{} s", taken.seconds);
}

#[test]
fn five_thousand_writes_that_all_wait_for_their_turn_are_sent_once_each() {
    let shares = if every_case() { vec![1.0, 0.02] } else { vec![1.0] };
    for share in shares {
        on_paused_time(five_thousand_writes(share));
    }
}

async fn five_thousand_writes(share: f64) {
    let account = Account::at_aws_rates(share).await;
    let made = account.aws.realtime.create_stage().send().await.expect("made");
    let arn = made.stage.expect("a stage").arn;
    let tags = Tags::from([("a".to_owned(), "b".to_owned())]);
    let write = async {
        let writes = (0..5_000).map(|_| account.aws.tag(Service::RealTime, &arn, &tags));
        try_join_all(writes).await.expect("written");
    };
    let ((), taken) = Box::pin(taken(&account, write)).await;
    assert_eq!(json!(taken.calls), json!({ "TagResource": 5_000 }));
    // The lower bound is that of the whole rate.
    Taken { seconds: taken.seconds * share, ..taken }.is_within(1.01);
}

/// Two runs, each of which takes all of the rates for itself, on a server that throttles what is too much.
#[test]
fn two_runs_at_once_on_a_throttling_server_both_read_everything() {
    let crowd_of = if every_case() { 1_000 } else { 400 };
    on_paused_time(async {
        let account = Account::at_aws_rates(1.0).await;
        crowd(&account, Kind::Stage, crowd_of).await;
        let target = Target {
            in_process: Some(account.emulator.http_client()),
            clock: Some(account.emulator.time_source()),
            rates: Some(Rates::Aws { share: 1.0 }),
            ..Target::default()
        };
        let aws = connect(&target).await.expect("it needs no configuration");
        let other = Account { emulator: account.emulator.clone(), aws };
        let desired = loaded(&stages(1)).desired;
        let reading = Reading { strangers: true, full: true, every_kind: false };
        let stack = Stack::named("pace");
        let (one, two) = (
            Box::pin(account.read(&stack, &desired, reading)),
            Box::pin(other.read(&stack, &desired, reading)),
        );
        let (one, two) = futures_util::future::join(one, two).await;
        for observed in [one, two] {
            assert_eq!(observed.others.values().filter(|it| it.spec.is_some()).count(), crowd_of);
        }
        let throttled = account.control("GET", "/_emulator/throttled", Value::Null);
        assert!(throttled["GetStage"].as_u64().is_some_and(|it| it > 0), "{throttled}");
    });
}

#[test]
fn the_client_paces_each_operation_at_the_rate_in_the_service_reference() {
    let text = std::fs::read_to_string(root().join("docs/service-reference.md")).expect("readable");
    let table = text.split("| Calls a second |").nth(1).expect("a table of rates");
    let mut documented = BTreeMap::new();
    let mut others = None;
    for row in table.lines().take_while(|it| !it.is_empty()) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let Ok(rate) = cells[0].parse::<u32>() else { continue };
        if cells[1].starts_with("all others") {
            others = Some(rate);
        }
        for operation in cells[1].split('`').skip(1).step_by(2) {
            assert_eq!(documented.insert(operation, rate), None, "{operation} is there twice");
        }
    }
    let others = others.expect("a row for all other operations");
    for (operation, rate) in PUBLISHED_RATES.iter() {
        assert_eq!(rate, documented.remove(operation).unwrap_or(others), "{operation}");
    }
    assert!(documented.is_empty(), "no kind calls these operations: {documented:?}");
}
