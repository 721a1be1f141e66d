//! The public engine: sessions side by side, their guards and their shared rate limits.

use crate::account::{Account, on_paused_time};
use crate::bucket::Bucket;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use futures_util::future::join;
use ivs_apply::apply::Stop;
use ivs_apply::apply::lock::{Holder, Lost, Refusal as NotTaken, Released, Who};
use ivs_apply::aws::CloudError;
use ivs_apply::emulator::{Clock, Emulator, Settings};
use ivs_apply::engine::{
    ConnectError, Error, LockError, Rates, Refusal, RunLock, Session, SharedBuckets, Target,
};
use ivs_apply::kinds::Stack;
use ivs_apply::manifest::{Loaded, load_text};
use ivs_apply::plan::{Policy, Status};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

fn channels(stack: &str, account: &str, count: usize) -> String {
    let head = "---\napiVersion: ivs-apply.dev/v1\n";
    let mut text = format!(
        "{head}kind: Stack\nmetadata: {{ name: {stack} }}\nspec: {{ region: us-west-2, account: \"{account}\" }}\n"
    );
    for number in 0..count {
        text.push_str(&format!("{head}kind: Channel\nmetadata: {{ name: {stack}-{number} }}\n"));
    }
    text
}

fn emulator(account: &str, rates: bool) -> Emulator {
    let account = account.to_owned();
    Emulator::new(Settings { account, clock: Clock::Tokio, rates, ..Settings::default() })
}

fn target(emulator: &Emulator) -> Target {
    Target {
        in_process: Some(emulator.http_client()),
        clock: Some(emulator.time_source()),
        ..Target::default()
    }
}

/// The lock of a run whose stack has none, and that nothing stops.
fn no_lock() -> RunLock {
    RunLock::none(watch::Sender::new(Stop::default()))
}

async fn applied(target: &Target, text: &str) -> Status {
    let loaded = load_text("a.yaml", text, None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    let session = Session::open(target, &loaded.stack).await.expect("it is the stack's account");
    let planned = session.plan(loaded.stack, loaded.desired, Policy::default(), false).await;
    let planned = planned.expect("readable");
    let outcome = Box::pin(planned.apply(&session, &no_lock(), None, &|_| {})).await;
    let outcome = outcome.expect("nothing is refused");
    assert!(outcome.is_well(), "{outcome:#?}");
    planned.plan.status()
}

#[test]
fn two_stacks_in_two_accounts_are_applied_at_once() {
    on_paused_time(async {
        let (one, two) = (emulator("111111111111", false), emulator("222222222222", false));
        let (first, second) =
            (channels("one", "111111111111", 3), channels("two", "222222222222", 2));
        let (one_target, two_target) = (target(&one), target(&two));
        Box::pin(join(applied(&one_target, &first), applied(&two_target, &second))).await;
        for (emulator, count) in [(&one, 3), (&two, 2)] {
            let (_, objects) = emulator.control("GET", "/_emulator/objects", Value::Null);
            let objects = objects["objects"].as_array().expect("a list");
            assert_eq!(objects.iter().filter(|it| it["kind"] == "Channel").count(), count);
        }
        assert_eq!(applied(&one_target, &first).await, Status::Clean);
    });
}

#[test]
fn sessions_with_one_account_and_region_share_their_rate_limits() {
    let took = |shared: bool| {
        let mut took = 0.0;
        on_paused_time(async {
            let emulator = emulator("111111111111", true);
            let buckets = SharedBuckets::default();
            let target = Target {
                rates: Some(Rates::Aws { share: 1.0 }),
                shared: shared.then(|| buckets.clone()),
                ..target(&emulator)
            };
            let (one, two) =
                (channels("one", "111111111111", 50), channels("two", "111111111111", 50));
            let start = Instant::now();
            Box::pin(join(applied(&target, &one), applied(&target, &two))).await;
            took = start.elapsed().as_secs_f64();
            let (_, throttled) = emulator.control("GET", "/_emulator/throttled", Value::Null);
            let throttled = throttled["CreateChannel"].as_u64().unwrap_or(0);
            // Each session by itself sends as much as AWS takes, so that two are throttled.
            assert_eq!(throttled > 0, !shared, "{throttled} creates were throttled");
        });
        took
    };
    assert!(took(true) >= 19.0);
    took(false);
}

#[test]
fn another_account_or_region_than_the_stack_s_is_a_typed_error() {
    on_paused_time(async {
        let account = Account::empty().await;
        let target = target(&account.emulator);
        let elsewhere = Stack { account: Some("999999999999".to_owned()), ..Stack::named("a") };
        let wrong = Session::open(&target, &elsewhere).await.err();
        assert!(matches!(wrong, Some(Error::WrongAccount { .. })), "{wrong:?}");
        let elsewhere = Stack { region: Some("eu-west-1".to_owned()), ..Stack::named("a") };
        let wrong = Session::open(&target, &elsewhere).await.err();
        assert!(matches!(wrong, Some(Error::WrongRegion { .. })), "{wrong:?}");
    });
}

#[test]
fn a_program_hands_in_an_sdk_configuration_of_its_own() {
    on_paused_time(async {
        let emulator = emulator("111111111111", false);
        let own = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("us-west-2"))
            .endpoint_url("http://127.0.0.1")
            .http_client(emulator.http_client())
            .time_source(emulator.time_source())
            .build();
        let without = Target { sdk_config: Some(own.clone()), ..Target::default() };
        let refused = Session::open(&without, &Stack::named("one")).await.err();
        let expected = Error::Connect(ConnectError::NoCredentialsProvider);
        assert_eq!(refused.map(|it| it.to_string()), Some(expected.to_string()));
        let keys = Credentials::new("key", "secret", None, None, "test");
        let provider = SharedCredentialsProvider::new(keys);
        let own = own.into_builder().credentials_provider(provider).build();
        let target = Target { sdk_config: Some(own), ..Target::default() };
        applied(&target, &channels("one", "111111111111", 2)).await;
        let (_, objects) = emulator.control("GET", "/_emulator/objects", Value::Null);
        let objects = objects["objects"].as_array().expect("a list");
        assert_eq!(objects.iter().filter(|it| it["kind"] == "Channel").count(), 2);
    });
}

#[test]
fn a_plan_that_is_refused_is_not_applied_whatever_the_program_asked_before() {
    on_paused_time(async {
        let emulator = emulator("111111111111", false);
        let target = target(&emulator);
        let first = channels("one", "111111111111", 12);
        applied(&target, &first).await;
        let loaded = load_text("a.yaml", &channels("one", "111111111111", 1), None);
        let session = Session::open(&target, &loaded.stack).await.expect("connected");
        let policy = Policy { prune: true, ..Policy::default() };
        let planned = session.plan(loaded.stack, loaded.desired, policy, false).await;
        let planned = planned.expect("readable");
        let writes = session.aws.gate.writes();
        let lock = no_lock();
        let refused = Box::pin(planned.apply(&session, &lock, None, &|_| {})).await;
        let many = Refusal::UnconfirmedDeletes { deletes: 11, of: 12 };
        assert_eq!(refused.err(), Some(many));
        assert_eq!(session.aws.gate.writes(), writes);
        let applied = Box::pin(planned.apply(&session, &lock, Some(11), &|_| {})).await;
        assert!(applied.expect("the number is right").is_well());
    });
}

#[test]
fn plans_events_outcomes_and_refusals_are_values_that_a_program_can_store() {
    on_paused_time(async {
        let emulator = emulator("111111111111", false);
        let target = target(&emulator);
        let loaded = load_text("a.yaml", &channels("one", "111111111111", 1), None);
        let session = Session::open(&target, &loaded.stack).await.expect("connected");
        let (stack, desired) = (loaded.stack.clone(), loaded.desired.clone());
        let planned = session.plan(stack, desired, Policy::default(), false).await.expect("read");
        let plan = serde_json::to_value(&planned.plan).expect("a value");
        let step = &plan["steps"][0];
        assert_eq!(step["address"], "Channel/one-0", "{plan:#}");
        assert_eq!(step["action"], "create", "{plan:#}");
        assert_eq!(step["decision"]["decision"], "do", "{plan:#}");
        assert_eq!(step["because"][0]["cause"], "missing", "{plan:#}");
        let events = std::sync::Mutex::new(Vec::new());
        let tell = |event| {
            let event = serde_json::to_value(event).expect("a value");
            events.lock().expect("no panic").push(event);
        };
        let applied = Box::pin(planned.apply(&session, &no_lock(), None, &tell)).await;
        let outcome = applied.expect("applied");
        assert!(!events.lock().expect("no panic").is_empty());
        let outcome = serde_json::to_value(&outcome).expect("a value");
        assert_eq!(outcome["steps"][0]["status"], "done", "{outcome:#}");
        let refusal = Refusal::UnconfirmedDeletes { deletes: 7, of: 9 };
        let refusal = serde_json::to_value(refusal).expect("a value");
        assert_eq!(refusal["refusal"], "unconfirmedDeletes");
        let elsewhere = Stack { region: Some("eu-west-1".to_owned()), ..Stack::named("a") };
        let error = Session::open(&target, &elsewhere).await.err().expect("another region");
        let error = serde_json::to_value(&error).expect("a value");
        assert_eq!(error["error"], "wrongRegion", "{error:#}");
    });
}

/// A manifest of channels in a stack with a lock.
fn with_lock(count: usize) -> Loaded {
    let account = "account: \"111111111111\"";
    let text = channels("one", "111111111111", count);
    let text = text.replacen(account, &format!("{account}, lock: \"{LOCK}\""), 1);
    let loaded = load_text("a.yaml", &text, None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    loaded
}

/// A session with an emulated account and a bucket that other programs use as well.
async fn shared(emulator: &Emulator, bucket: &Bucket, stack: &Stack) -> Session {
    let keys = Credentials::new("key", "secret", None, None, "test");
    let config = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("us-west-2"))
        .endpoint_url("http://127.0.0.1")
        .http_client(bucket.beside(emulator.http_client()))
        .time_source(emulator.time_source())
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .build();
    let target = Target { sdk_config: Some(config), ..Target::default() };
    Session::open(&target, stack).await.expect("connected")
}

const LOCK: &str = "s3://locks/one";

#[test]
fn a_plan_of_a_stack_with_a_lock_is_applied_only_if_it_was_made_under_the_lock_that_the_run_holds()
{
    on_paused_time(async {
        let (emulator, bucket) = (emulator("111111111111", false), Bucket::default());
        let Loaded { stack, desired, .. } = with_lock(1);
        let session = shared(&emulator, &bucket, &stack).await;
        let planned = session.plan(stack.clone(), desired, Policy::default(), false).await;
        let planned = planned.expect("read");
        let writes = session.aws.gate.writes();
        let location = || LOCK.parse().expect("a location");
        let without = Box::pin(planned.apply(&session, &no_lock(), None, &|_| {})).await;
        let refused = Refusal::NotLocked { location: location() };
        assert_eq!(without.err(), Some(refused.clone()));
        let expected = json!({ "refusal": "notLocked", "location": LOCK });
        assert_eq!(serde_json::to_value(&refused).expect("a value"), expected);
        assert_eq!(session.aws.gate.writes(), writes);
        if cfg!(not(feature = "lock-s3")) {
            return;
        }

        let stopper = || watch::Sender::new(Stop::default());
        let other = Stack { lock: Some("s3://locks/two".parse().expect("good")), ..stack.clone() };
        let other = session.lock(&other, &Who::default(), stopper()).await.expect("it is free");
        let wrong = Box::pin(planned.apply(&session, &other, None, &|_| {})).await;
        assert_eq!(wrong.err(), Some(refused), "the lock of another stack");

        let lock = session.lock(&stack, &Who::default(), stopper()).await.expect("it is free");
        let older = Box::pin(planned.apply(&session, &lock, None, &|_| {})).await;
        let refused = Refusal::PlannedBeforeLock { location: location() };
        assert_eq!(older.err(), Some(refused.clone()));
        let expected = json!({ "refusal": "plannedBeforeLock", "location": LOCK });
        assert_eq!(serde_json::to_value(&refused).expect("a value"), expected);

        let plan = async || {
            let desired = with_lock(1).desired;
            let planned = session.plan(stack.clone(), desired, Policy::default(), false).await;
            planned.expect("read")
        };
        let planned = plan().await;
        bucket.delete("/locks/one");
        sleep(Duration::from_mins(1)).await;
        let lost = Box::pin(planned.apply(&session, &lock, None, &|_| {})).await;
        let expected = Refusal::LockLost { location: location(), why: Lost::Released };
        assert_eq!(lost.err(), Some(expected));
        assert_eq!(session.aws.gate.writes(), writes);

        let lock = session.lock(&stack, &Who::default(), stopper()).await.expect("it is free");
        let planned = plan().await;
        let applied = Box::pin(planned.apply(&session, &lock, None, &|_| {})).await;
        assert!(applied.expect("the run holds the lock").is_well());
        assert!(matches!(lock.release(&[]).await, Some(Released::Free)));
    });
}

#[cfg(feature = "lock-s3")]
#[test]
fn a_lock_that_is_lost_while_a_plan_is_applied_stops_the_run() {
    use ivs_apply::apply::{Event, Signal};

    on_paused_time(async {
        let (emulator, bucket) = (emulator("111111111111", true), Bucket::default());
        let Loaded { stack, desired, .. } = with_lock(200);
        let session = shared(&emulator, &bucket, &stack).await;
        let stopper = watch::Sender::new(Stop::default());
        let lock = session.lock(&stack, &Who::default(), stopper).await.expect("it is free");
        let planned = session.plan(stack, desired, Policy::default(), false).await.expect("read");
        let tell = |event| {
            if matches!(event, Event::Ended { id: 1, .. }) {
                bucket.delete("/locks/one");
            }
        };
        let outcome = Box::pin(planned.apply(&session, &lock, None, &tell)).await;
        let outcome = outcome.expect("the run held the lock when it began");
        assert_eq!(outcome.stopped, Some(Signal::LockLost));
        let counts = outcome.counts(&planned.plan);
        assert!(counts.done > 0 && counts.not_started > 0, "{counts:?}");
        assert_eq!(lock.lost(), Some(Lost::Released));
        assert!(matches!(lock.release(&[]).await, Some(Released::NotOurs)));
    });
}

#[test]
fn an_error_of_the_lock_is_a_value_with_a_code() {
    let location = || LOCK.parse().expect("a location");
    let cloud = || CloudError::unusable("GetObject", "no answer");
    let json = |error: &LockError| serde_json::to_value(error).expect("a value");
    let cause = ConnectError::BuiltWithoutObjects;
    let none = json(&LockError::NoStore { location: location(), cause });
    let cause = json!({ "error": "builtWithoutObjects" });
    assert_eq!(none, json!({ "error": "noStore", "location": LOCK, "cause": cause }));
    let store = json(&LockError::Store { location: location(), cause: Box::new(cloud()) });
    let cause = serde_json::to_value(cloud()).expect("a value");
    assert_eq!(store, json!({ "error": "store", "location": LOCK, "cause": cause }));
    let holder = Holder {
        nonce: "0".to_owned(),
        stack: "one".to_owned(),
        who: Who { user: Some("me".to_owned()), host: None, run: None },
        tool: "ivs-apply 1".to_owned(),
        taken_at: None,
        age: Some(Duration::from_secs(5)),
    };
    let held = json!({
        "nonce": "0", "stack": "one", "who": { "user": "me", "host": null, "run": null },
        "tool": "ivs-apply 1", "takenAt": null, "ageSeconds": 5,
    });
    for (refusal, expected) in [
        (NotTaken::Held(Box::new(holder)), json!({ "refusal": "held", "detail": held })),
        (NotTaken::NotALock, json!({ "refusal": "notALock" })),
        (NotTaken::Crossed, json!({ "refusal": "crossed" })),
        (
            NotTaken::IgnoresConditions("If-Match"),
            json!({ "refusal": "ignoresConditions", "detail": "If-Match" }),
        ),
        (NotTaken::Store(cloud()), json!({ "refusal": "store", "detail": cause })),
    ] {
        let refused = json(&LockError::Refused { location: location(), cause: Box::new(refusal) });
        assert_eq!(refused["error"], "refused");
        assert_eq!(refused["cause"], expected);
    }
}
