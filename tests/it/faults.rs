//! A create whose reply is lost, or that AWS answers with an error: one object in the end, never two, and
//! `done` is never claimed for what was not.

use crate::account::{Account, on_paused_time};
use ivs_apply::apply::{Failure, StepStatus};
use ivs_apply::kinds::Kind;
use ivs_apply::manifest::load_text;
use ivs_apply::plan::{Policy, Status};
use serde_json::{Value, json};

/// What makes one object of each of the kinds in the example, and its list of objects in the account.
const CREATES: [&str; 6] = [
    "CreateRecordingConfiguration",
    "CreateChannel",
    "CreateStorageConfiguration",
    "CreateEncoderConfiguration",
    "CreateStage",
    "StartComposition",
];

const MANIFESTS: &str = include_str!("../../examples/broadcast/broadcast.yaml");

/// Applies the example while a fault is in force; then, until nothing is left, without it. Returns how the
/// first run went and the objects at the end.
async fn through(fault: Value) -> (bool, Vec<String>) {
    let account = Account::empty().await;
    let loaded = load_text("broadcast.yaml", MANIFESTS, None);
    account.control("POST", "/_emulator/faults", fault);
    let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
    let first = account.apply(&loaded.stack, &observed, &plan).await;
    account.control("DELETE", "/_emulator/faults", Value::Null);
    for _ in 0..3 {
        let (observed, plan) =
            account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
        if plan.status() == Status::Clean {
            break;
        }
        let outcome = account.apply(&loaded.stack, &observed, &plan).await;
        assert!(outcome.is_well(), "{outcome:#?}");
    }
    let (_, plan) = account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
    assert_eq!(plan.status(), Status::Clean, "{plan:#?}");
    let objects = account.control("GET", "/_emulator/objects", Value::Null);
    let mut kinds: Vec<String> = objects["objects"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|it| !matches!(it["object"]["state"].as_str(), Some("STOPPED" | "FAILED")))
        .filter_map(|it| it["kind"].as_str())
        .filter(|it| *it != Kind::StreamKey.name())
        .map(ToOwned::to_owned)
        .collect();
    kinds.sort();
    (first.is_well(), kinds)
}

fn one_of_each() -> Vec<String> {
    let mut kinds: Vec<String> = load_text("broadcast.yaml", MANIFESTS, None)
        .desired
        .iter()
        .map(|it| it.address.kind.name().to_owned())
        .collect();
    kinds.sort();
    kinds
}

#[test]
fn a_lost_reply_to_a_create_makes_one_object_and_the_run_goes_on() {
    for operation in CREATES {
        let fault = json!({ "operation": operation, "kind": "loseReply", "nth": 1 });
        let (well, objects) = on_paused_time(through(fault));
        assert!(well, "{operation}: what was made is found by its op tag");
        assert_eq!(objects, one_of_each(), "{operation}");
    }
}

#[test]
fn a_server_error_leaves_one_object_whether_the_request_was_carried_out_or_not() {
    for operation in CREATES {
        for done in [true, false] {
            let fault =
                json!({ "operation": operation, "kind": "error500", "nth": 1, "done": done });
            let (well, objects) = on_paused_time(through(fault));
            assert!(well, "{operation}, done: {done}");
            assert_eq!(objects, one_of_each(), "{operation}, done: {done}");
        }
    }
}

#[test]
fn a_throttled_create_is_repeated_and_makes_one_object() {
    for operation in CREATES {
        let fault = json!({ "operation": operation, "kind": "throttle", "nth": 1 });
        let (well, objects) = on_paused_time(through(fault));
        assert!(well, "{operation}");
        assert_eq!(objects, one_of_each(), "{operation}");
    }
}

#[test]
fn a_create_that_never_answers_ends_as_unknown_and_the_next_run_converges() {
    for operation in CREATES {
        let fault = json!({ "operation": operation, "kind": "error500", "probability": 1.0, "done": false });
        let (well, objects) = on_paused_time(through(fault));
        assert!(!well, "{operation}: nothing was made, so nothing may be called done");
        assert_eq!(objects, one_of_each(), "{operation}");
    }
}

#[test]
fn objects_that_show_up_late_in_listings_are_waited_for() {
    let fault = json!({ "operation": "*", "kind": "listLag", "probability": 1.0, "seconds": 20 });
    let (well, objects) = on_paused_time(through(fault));
    assert!(well, "twenty seconds are within the patience of the end barrier");
    assert_eq!(objects, one_of_each());
}

/// A key is rotated while listings lag behind; whether the one run did it.
pub(crate) fn a_key_is_rotated_while_listings_lag() -> bool {
    let manifests = |rotation: &str| {
        format!(
            "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: {{ name: main }}\nspec: {{}}\n---\n\
             apiVersion: ivs-apply.dev/v1\nkind: StreamKey\nmetadata: {{ name: main }}\n\
             spec: {{ channel: main, rotation: {rotation} }}\n"
        )
    };
    on_paused_time(async {
        let account = Account::empty().await;
        let mut well = Vec::new();
        for rotation in ["first", "second"] {
            let loaded = load_text("key.yaml", &manifests(rotation), None);
            let (observed, plan) =
                account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
            let lag = json!({ "operation": "ListStreamKeys", "kind": "listLag", "seconds": 30 });
            if rotation == "second" {
                // Long enough for the first key to be listed in spite of the lag.
                tokio::time::sleep(std::time::Duration::from_mins(1)).await;
                account.control("POST", "/_emulator/faults", lag);
            }
            well.push(account.apply(&loaded.stack, &observed, &plan).await.is_well());
        }
        well == [true, true]
    })
}

#[test]
fn a_deleted_key_that_is_still_listed_is_not_taken_for_its_successor() {
    assert!(a_key_is_rotated_while_listings_lag());
}

/// Two runs one after the other while listings lag behind; whether the second one found what the first had made.
pub(crate) fn the_next_run_sees_created_objects_in_spite_of_the_lag() -> bool {
    on_paused_time(async {
        let account = Account::empty().await;
        let loaded = load_text("broadcast.yaml", MANIFESTS, None);
        let lag = json!({ "operation": "*", "kind": "listLag", "seconds": 20 });
        account.control("POST", "/_emulator/faults", lag);
        let (observed, plan) =
            account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
        let first = account.apply(&loaded.stack, &observed, &plan).await;
        // A listing that contradicts what else is read ends the next run before it plans.
        let reading = ivs_apply::cloud::Reading::default();
        let read = ivs_apply::cloud::read(&account.aws, &loaded.stack, &loaded.desired, reading);
        let Ok(observed) = read.await else { return false };
        let again =
            ivs_apply::plan::plan(&loaded.stack, &loaded.desired, &observed, &Policy::default());
        first.is_well() && again.status() == Status::Clean
    })
}

#[test]
fn a_run_ends_when_listings_show_the_objects_that_it_created() {
    assert!(the_next_run_sees_created_objects_in_spite_of_the_lag());
}

/// Applies where AWS fails to make the recording configuration, while listings lag so many seconds behind.
/// Returns how its step ended, and whether the next run can see what came of it.
async fn made_in_vain(lag: u64) -> (StepStatus, bool) {
    let account = Account::empty().await;
    let loaded = load_text("broadcast.yaml", MANIFESTS, None);
    let kind = Kind::RecordingConfiguration;
    let lag = json!({ "operation": "*", "kind": "listLag", "seconds": lag });
    let failed = json!({ "operation": "CreateRecordingConfiguration", "kind": "createFailed" });
    account.control("POST", "/_emulator/faults", lag);
    account.control("POST", "/_emulator/faults", failed);
    let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
    let outcome = account.apply(&loaded.stack, &observed, &plan).await;
    let its = plan.steps.iter().find(|it| it.address.kind == kind).expect("declared").id;
    let (_, status) = outcome.steps.into_iter().find(|(id, _)| *id == its).expect("a status");
    let (observed, _) = account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
    (status, observed.owned.keys().any(|it| it.kind == kind))
}

#[test]
fn what_aws_failed_to_make_is_waited_for_in_the_listings_like_anything_else() {
    let (status, seen) = on_paused_time(made_in_vain(20));
    let told = format!("{status:?}");
    assert!(matches!(status, StepStatus::Failed(Failure::HalfDone { .. })), "{told}");
    assert!(seen, "the next run would make it again");
    // Longer than a run waits: then it says so.
    let (status, seen) = on_paused_time(made_in_vain(90));
    let StepStatus::Failed(failure) = status else { panic!("{status:?}") };
    let told = failure.to_string();
    assert!(told.contains("CREATE_FAILED; probably its bucket"), "{told}");
    assert!(told.ends_with("; and the listings do not show it yet"), "{told}");
    assert!(failure.help().is_some_and(|it| it.contains("in a few minutes")), "{failure:?}");
    assert!(!seen);
}

#[test]
fn a_copy_that_aws_failed_to_make_gives_way_to_one_that_is_in_use() {
    on_paused_time(async {
        let account = Account::empty().await;
        let loaded = load_text("broadcast.yaml", MANIFESTS, None);
        let policy = Policy::default();
        let failed = json!({
            "operation": "CreateRecordingConfiguration", "kind": "createFailed", "nth": 1,
        });
        account.control("POST", "/_emulator/faults", failed);
        let lag = json!({ "operation": "*", "kind": "listLag", "seconds": 90 });
        account.control("POST", "/_emulator/faults", lag);
        // The second run sees nothing of the first, and makes all of it once more.
        for _ in 0..2 {
            let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
            account.apply(&loaded.stack, &observed, &plan).await;
        }
        account.control("DELETE", "/_emulator/faults", Value::Null);
        tokio::time::sleep(std::time::Duration::from_mins(20)).await;
        for _ in 0..3 {
            let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
            let outcome = account.apply(&loaded.stack, &observed, &plan).await;
            assert!(outcome.is_well(), "{outcome:#?}");
        }
        let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
        assert!(observed.duplicates.is_empty(), "{:#?}", observed.duplicates);
        assert_eq!(plan.status(), Status::Clean, "{:#?}", plan.steps);
    });
}

/// A listing whose second page never comes; whether that is told from an account with one page.
pub(crate) fn an_incomplete_listing_leads_to_no_plan() -> bool {
    on_paused_time(async {
        let account = Account::empty().await;
        let channel = |name: &str| {
            format!(
                "---\napiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: {{ name: {name} }}\nspec: {{}}\n"
            )
        };
        let loaded = load_text("two.yaml", &(channel("a") + &channel("b")), None);
        let (observed, plan) =
            account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
        assert!(account.apply(&loaded.stack, &observed, &plan).await.is_well());
        account.control("POST", "/_emulator/switches", json!({ "largestPage": 1 }));
        // The SDK asks eight times.
        let fault =
            json!({ "operation": "ListChannels", "kind": "error500", "nth": 2, "times": 8 });
        account.control("POST", "/_emulator/faults", fault);
        let reading = ivs_apply::cloud::Reading::default();
        let read = ivs_apply::cloud::read(&account.aws, &loaded.stack, &loaded.desired, reading);
        read.await.is_err()
    })
}

#[test]
fn nothing_is_planned_from_a_listing_that_breaks_off() {
    assert!(an_incomplete_listing_leads_to_no_plan());
}

#[test]
fn an_expired_page_token_begins_the_listing_again_and_a_repeated_one_ends_it() {
    for (kind, well) in [("expireToken", true), ("movedItem", true), ("repeatToken", false)] {
        on_paused_time(async {
            let account = Account::empty().await;
            let loaded = load_text("broadcast.yaml", MANIFESTS, None);
            let (observed, plan) =
                account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
            assert!(account.apply(&loaded.stack, &observed, &plan).await.is_well());
            for name in ["one", "two"] {
                let made = account.aws.ivs.create_channel().name(name).send().await;
                made.expect("created outside");
            }
            account.control("POST", "/_emulator/switches", json!({ "largestPage": 2 }));
            let fault = json!({ "operation": "ListChannels", "kind": kind, "nth": 2 });
            account.control("POST", "/_emulator/faults", fault);
            let reading = ivs_apply::cloud::Reading::default();
            let read =
                ivs_apply::cloud::read(&account.aws, &loaded.stack, &loaded.desired, reading);
            match read.await {
                Ok(observed) => {
                    assert!(well, "{kind}");
                    assert_eq!((observed.owned.len(), observed.others.len()), (6, 2), "{kind}");
                }
                Err(error) => assert!(!well, "{kind}: {error}"),
            }
        });
    }
}
