//! Waits of a run: each says what it is for, how long it lasts and what ends it, and ends at once where its object
//! is gone; and what AWS fails to make is neither kept in numbers nor made again by every run.

use crate::account::{Account, on_paused_time};
use crate::delayed_stops::{allowing, applied, manifest, planned, show};
use ivs_apply::apply::{Event, Failure, Outcome, StepStatus, Stop, Until, Wait, apply};
use ivs_apply::kinds::{Kind, Scope, Stack};
use ivs_apply::manifest::load_text;
use ivs_apply::plan::{Action, Policy, Status};
use ivs_apply::ui::reason;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::{Instant, sleep};

fn recording(bucket: &str) -> String {
    let spec = format!("{{ destinationConfiguration: {{ s3: {{ bucketName: {bucket} }} }} }}");
    manifest("RecordingConfiguration", "archive", &spec)
}

/// Applies, and writes down every wait.
async fn watched(account: &Account, text: &str, policy: &Policy) -> (Outcome, Vec<Wait>) {
    let loaded = load_text("a.yaml", text, None);
    let stack = Stack::named("default");
    let (observed, plan) = account.plan(&stack, &loaded.desired, policy).await;
    let (_stopper, stop) = tokio::sync::watch::channel(Stop::default());
    let waits = Mutex::new(Vec::new());
    let tell = |event: Event| {
        if let Event::Waiting { wait, .. } = event {
            waits.lock().expect("no task panics while it holds the lock").push(wait);
        }
    };
    let outcome = Box::pin(apply(&account.aws, &stack, &plan, &observed, stop, &tell)).await;
    (outcome, waits.into_inner().expect("no task panics while it holds the lock"))
}

/// What is inside a step that did something before it failed.
fn failed(outcome: &Outcome) -> Failure {
    let failure = outcome.steps.iter().find_map(|(_, status)| match status {
        StepStatus::Failed(failure) => Some(failure.clone()),
        _ => None,
    });
    let mut failure = failure.expect("a step failed");
    while let Failure::HalfDone { failure: inner, .. } | Failure::Unlisted { failure: inner } =
        failure
    {
        failure = *inner;
    }
    failure
}

#[test]
fn a_wait_for_a_state_ends_at_once_where_the_object_is_deleted_by_hand() {
    on_paused_time(async {
        let account = Account::empty().await;
        let stuck = json!({ "operation": "CreateRecordingConfiguration", "kind": "stuck" });
        account.control("POST", "/_emulator/faults", stuck);
        let text = recording("bucket-a");
        let by_hand = async {
            sleep(Duration::from_secs(3)).await;
            let kind = Kind::RecordingConfiguration;
            let listing = kind.list(&account.aws, &Scope::default()).await.expect("listed");
            kind.delete(&account.aws, &listing[0].arn).await.expect("deleted");
            Instant::now()
        };
        let policy = Policy::default();
        let ((outcome, _), deleted) = tokio::join!(watched(&account, &text, &policy), by_hand);
        let failure = failed(&outcome);
        assert!(matches!(failure, Failure::Gone { .. }), "{failure}");
        let told = failure.to_string();
        assert!(told.contains("deleted outside") && told.contains("state ACTIVE"), "{told}");
        assert!(deleted.elapsed() < Duration::from_secs(20), "{:?}", deleted.elapsed());
    });
}

#[test]
fn a_slate_that_another_client_is_changing_is_changed_or_deleted_as_soon_as_that_has_ended() {
    let slate = |seconds: u32| {
        let spec = format!("{{ maxSlateDisplaySeconds: {seconds} }}");
        manifest("FailoverSlateConfiguration", "pause", &spec)
    };
    for then in [slate(90), manifest("Stage", "other", "{}")] {
        on_paused_time(async {
            let account = Account::empty().await;
            // Where AWS takes such a request, there is nothing to wait for.
            account.control("POST", "/_emulator/switches", json!({ "busySlate": "refuse" }));
            let policy = Policy { prune: true, ..Policy::default() };
            assert!(applied(&account, &slate(60), &policy).await.1.is_well());
            let kind = Kind::FailoverSlateConfiguration;
            let listing = kind.list(&account.aws, &Scope::default()).await.expect("listed");
            let update = account.aws.ivs.update_failover_slate_configuration();
            let update = update.arn(listing[0].arn.as_str()).max_slate_display_seconds(77);
            update.send().await.expect("changed by hand");
            let (outcome, waits) = watched(&account, &then, &policy).await;
            assert!(outcome.is_well(), "{outcome:#?}");
            assert!(waits.iter().any(|it| matches!(it.until, Until::Settled { .. })), "{waits:#?}");
            let plan = planned(&account, &then, &policy).await;
            assert_eq!(plan.status(), Status::Clean, "{:#?}", plan.steps);
        });
    }
}

#[test]
fn every_wait_says_for_what_how_long_and_what_ends_it() {
    on_paused_time(async {
        let account = Account::empty().await;
        let stuck = json!({ "operation": "CreateRecordingConfiguration", "kind": "stuck" });
        account.control("POST", "/_emulator/faults", stuck);
        let (outcome, waits) = watched(&account, &recording("bucket-a"), &Policy::default()).await;
        let told = waits[0].to_string();
        let expected = "waiting at most 600 s for state ACTIVE or CREATE_FAILED, now CREATING";
        assert_eq!(told, expected);
        let told = failed(&outcome).to_string();
        let expected =
            "timed out after 600 s of waiting for state ACTIVE or CREATE_FAILED, now CREATING";
        assert_eq!(told, expected);
    });
    on_paused_time(async {
        let account = Account::empty().await;
        let slow = json!({ "streamOutlivesStopSeconds": 20, "conflictAfterStopSeconds": 20 });
        account.control("POST", "/_emulator/switches", slow);
        let consent = allowing(&[(Kind::Composition, "show")]);
        watched(&account, &show(1280, "bucket-a"), &consent).await;
        let (outcome, waits) = watched(&account, &show(720, "bucket-a"), &consent).await;
        assert!(outcome.is_well(), "{outcome:#?}");
        let has = |fits: fn(&Until) -> bool| waits.iter().any(|it| fits(&it.until));
        assert!(has(|it| matches!(it, Until::Ended { .. })), "{waits:#?}");
        assert!(has(|it| matches!(it, Until::Offline { .. })), "{waits:#?}");
        assert!(has(|it| *it == Until::Released), "{waits:#?}");
        for wait in &waits {
            let told = wait.to_string();
            assert!(told.starts_with("waiting at most ") && told.contains(" s for "), "{told}");
            assert!(!wait.at_most.is_zero(), "{told}");
        }
    });
}

/// How many recording configurations there are, and in which states.
async fn there(account: &Account) -> Vec<String> {
    let kind = Kind::RecordingConfiguration;
    let listing = kind.list(&account.aws, &Scope::default()).await.expect("listed");
    listing.into_iter().filter_map(|it| it.state).collect()
}

#[test]
fn an_object_in_create_failed_is_reported_with_its_cause_and_not_created_again_by_every_run() {
    on_paused_time(async {
        let account = Account::empty().await;
        let fails = json!({ "operation": "CreateRecordingConfiguration", "kind": "createFailed" });
        account.control("POST", "/_emulator/faults", fails);
        let text = format!(
            "{}{}",
            recording("bucket-a"),
            manifest("Channel", "main", "{ recordingConfiguration: archive }")
        );
        let (_, outcome) = applied(&account, &text, &Policy::default()).await;
        let failure = failed(&outcome);
        assert!(failure.to_string().contains("bucket is in another region"), "{failure}");
        assert!(failure.help().is_some_and(|it| it.contains("15 minutes")), "{failure:?}");
        for _ in 0..4 {
            account.calls();
            let (plan, outcome) = applied(&account, &text, &Policy::default()).await;
            assert!(outcome.steps.is_empty(), "{:#?} {outcome:#?}", plan.steps);
            let step = plan.steps.iter().find(|it| it.action == Action::Replace).expect("planned");
            let why = reason::text(step.decision.reason().expect("deferred"));
            assert!(why.contains("bucket is in another region"), "{why}");
            assert_eq!(there(&account).await, ["CREATE_FAILED"]);
            sleep(Duration::from_mins(3)).await;
        }
        // Some time later it is tried once more, in the place of the one that failed.
        for _ in 0..3 {
            sleep(Duration::from_mins(16)).await;
            let (_, outcome) = applied(&account, &text, &Policy::default()).await;
            assert!(!outcome.is_well(), "{outcome:#?}");
            assert_eq!(there(&account).await, ["CREATE_FAILED"]);
        }
        // Another manifest is tried at once.
        let text = text.replace("bucket-a", "bucket-b");
        account.control("DELETE", "/_emulator/faults", Value::Null);
        let (_, outcome) = applied(&account, &text, &Policy::default()).await;
        assert!(outcome.is_well(), "{outcome:#?}");
        assert_eq!(there(&account).await, ["ACTIVE"]);
        let plan = planned(&account, &text, &Policy::default()).await;
        assert_eq!(plan.status(), Status::Clean, "{:#?}", plan.steps);
    });
}

#[test]
fn a_predecessor_stays_until_there_is_a_usable_successor() {
    on_paused_time(async {
        let account = Account::empty().await;
        for used in [true, false] {
            let text = |bucket: &str| {
                let spec = if used { "{ recordingConfiguration: archive }" } else { "{}" };
                format!("{}{}", recording(bucket), manifest("Channel", "main", spec))
            };
            let prune = allowing(&[]);
            let (_, outcome) = applied(&account, &text("bucket-a"), &prune).await;
            assert!(outcome.is_well(), "{outcome:#?}");
            let fails =
                json!({ "operation": "CreateRecordingConfiguration", "kind": "createFailed" });
            account.control("POST", "/_emulator/faults", fails);
            for _ in 0..4 {
                applied(&account, &text("bucket-b"), &prune).await;
                let mut states = there(&account).await;
                states.sort();
                assert_eq!(states, ["ACTIVE", "CREATE_FAILED"], "used: {used}");
                sleep(Duration::from_mins(10)).await;
            }
            account.control("DELETE", "/_emulator/faults", Value::Null);
            sleep(Duration::from_mins(16)).await;
            let (_, outcome) = applied(&account, &text("bucket-b"), &prune).await;
            assert!(outcome.is_well(), "{outcome:#?}");
            applied(&account, &text("bucket-b"), &prune).await;
            assert_eq!(there(&account).await, ["ACTIVE"], "used: {used}");
            let plan = planned(&account, &text("bucket-b"), &prune).await;
            assert_eq!(plan.status(), Status::Clean, "{:#?}", plan.steps);
        }
    });
}
