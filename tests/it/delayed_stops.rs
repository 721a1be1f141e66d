//! Stops that take effect later: a stopped stream stays live for seconds, and AWS refuses changes to objects that a
//! stopped composition used. A run waits while its own stop explains a refusal; any other refusal is final.

use crate::account::{Account, on_paused_time};
use aws_sdk_ivs::types::StreamState;
use ivs_apply::apply::{Outcome, StepStatus};
use ivs_apply::aws::{Class, Sorted};
use ivs_apply::kinds::{Address, Kind, Scope, Stack};
use ivs_apply::manifest::load_text;
use ivs_apply::plan::{Action, Cause, Decision, Plan, Policy, Status};
use ivs_apply::ui::reason;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(crate) fn manifest(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n\
         lifecycle: {{ onLive: interrupt }}\n"
    )
}

const ON_AIR: &str =
    "{ stage: studio, run: ALWAYS, destinations: [{ channel: { channel: main } }] }";

/// A show on a channel and on tape, with an encoder configuration of this width and this bucket.
pub(crate) fn show(width: u32, bucket: &str) -> String {
    [
        manifest("Stage", "studio", "{}"),
        manifest("Channel", "main", "{}"),
        manifest("EncoderConfiguration", "hd", &format!("{{ video: {{ width: {width} }} }}")),
        manifest("StorageConfiguration", "tape", &format!("{{ s3: {{ bucketName: {bucket} }} }}")),
        manifest(
            "Composition",
            "show",
            "{ stage: studio, run: ALWAYS, destinations: [{ channel: { channel: main, encoderConfiguration: hd } }, \
             { s3: { storageConfiguration: tape, encoderConfigurations: [hd] } }] }",
        ),
    ]
    .concat()
}

/// Prunes, and may interrupt these.
pub(crate) fn allowing(addresses: &[(Kind, &str)]) -> Policy {
    let allow_live = addresses.iter().map(|(kind, name)| Address::new(*kind, *name)).collect();
    Policy { prune: true, allow_live, ..Policy::default() }
}

pub(crate) async fn planned(account: &Account, text: &str, policy: &Policy) -> Plan {
    let loaded = load_text("a.yaml", text, None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    account.plan(&Stack::named("default"), &loaded.desired, policy).await.1
}

pub(crate) async fn applied(account: &Account, text: &str, policy: &Policy) -> (Plan, Outcome) {
    let loaded = load_text("a.yaml", text, None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    let stack = Stack::named("default");
    let (observed, plan) = account.plan(&stack, &loaded.desired, policy).await;
    let outcome = account.apply(&stack, &observed, &plan).await;
    (plan, outcome)
}

/// Applies, and wants every step of the plan done.
async fn all_done(account: &Account, text: &str, policy: &Policy) -> Plan {
    let (plan, outcome) = applied(account, text, policy).await;
    let undone = plan.steps.iter().find(|it| !it.decision.is_do());
    assert!(undone.is_none(), "{undone:#?}");
    assert!(outcome.steps.iter().all(|(_, status)| status.is_done()), "{outcome:#?}");
    plan
}

/// AWS is slower, or not, to let go of what was stopped.
fn lags(account: &Account, stream: u32, conflict: u32) {
    let switches =
        json!({ "streamOutlivesStopSeconds": stream, "conflictAfterStopSeconds": conflict });
    account.control("POST", "/_emulator/switches", switches);
}

async fn arns(account: &Account, kind: Kind) -> Vec<String> {
    let all = kind.list(&account.aws, &Scope::default()).await.expect("listed");
    let over = |state: &str| kind.facts().ended.contains(&state);
    let all = all.into_iter().filter(|it| !it.state.as_deref().is_some_and(over));
    all.map(|it| it.arn.to_string()).collect()
}

fn goes_live(account: &Account, channel: &str) {
    let body = json!({ "channelArn": channel, "viewerCount": 3 });
    account.control("POST", "/_emulator/streams", body);
}

#[test]
fn a_composition_is_on_air_again_after_a_run_that_changes_its_channel_or_key_with_consent() {
    let text = |latency: &str, rotation: &str| {
        [
            manifest("Stage", "studio", "{}"),
            manifest("Channel", "main", &format!("{{ latencyMode: {latency} }}")),
            manifest("StreamKey", "main", &format!("{{ channel: main, rotation: {rotation} }}")),
            manifest("Composition", "show", ON_AIR),
        ]
        .concat()
    };
    for (stream, conflict) in LAGS {
        for (changed, by) in
            [(text("NORMAL", "one"), Kind::Channel), (text("LOW", "two"), Kind::StreamKey)]
        {
            on_paused_time(async {
                let account = Account::empty().await;
                lags(&account, stream, conflict);
                all_done(&account, &text("LOW", "one"), &Policy::default()).await;
                let before = arns(&account, Kind::Composition).await;
                // Without consent for the composition nothing is cut off.
                let plan = planned(&account, &changed, &allowing(&[(by, "main")])).await;
                assert!(plan.steps.iter().all(|it| !it.decision.is_do()), "{plan:#?}");
                let policy = allowing(&[(by, "main"), (Kind::Composition, "show")]);
                let plan = all_done(&account, &changed, &policy).await;
                let cut_off = Cause::CutOff { by: Address::new(by, "main") };
                assert!(plan.steps.iter().any(|it| it.because == [cut_off.clone()]), "{plan:#?}");
                let after = arns(&account, Kind::Composition).await;
                assert!(after.len() == 1 && after != before, "{before:?} {after:?}");
                let plan = planned(&account, &changed, &policy).await;
                assert_eq!(plan.status(), Status::Clean, "{:#?}", plan.steps);
            });
        }
    }
}

const LAGS: [(u32, u32); 4] = [(0, 0), (30, 0), (0, 30), (30, 30)];

#[test]
fn a_replaced_composition_waits_until_its_channel_is_offline_and_its_configurations_are_released() {
    for (stream, conflict) in LAGS {
        on_paused_time(async {
            let account = Account::empty().await;
            lags(&account, stream, conflict);
            all_done(&account, &show(1280, "bucket-a"), &Policy::default()).await;
            let before = arns(&account, Kind::Composition).await;
            let policy = allowing(&[(Kind::Composition, "show")]);
            all_done(&account, &show(720, "bucket-b"), &policy).await;
            let after = arns(&account, Kind::Composition).await;
            assert!(after.len() == 1 && after != before, "{before:?} {after:?}");
            assert_eq!(arns(&account, Kind::EncoderConfiguration).await.len(), 1);
            assert_eq!(arns(&account, Kind::StorageConfiguration).await.len(), 1);
            let plan = planned(&account, &show(720, "bucket-b"), &policy).await;
            assert_eq!(plan.status(), Status::Clean, "{:#?}", plan.steps);
        });
    }
}

#[test]
fn everything_under_a_running_composition_is_deleted_in_one_run_with_consent() {
    for (stream, conflict) in LAGS {
        on_paused_time(async {
            let account = Account::empty().await;
            lags(&account, stream, conflict);
            all_done(&account, &show(1280, "bucket-a"), &Policy::default()).await;
            let consent = allowing(&[(Kind::Composition, "show"), (Kind::Channel, "main")]);
            all_done(&account, &show(1280, "bucket-a"), &Policy { destroy: true, ..consent }).await;
            for kind in [Kind::Channel, Kind::EncoderConfiguration, Kind::StorageConfiguration] {
                assert!(arns(&account, kind).await.is_empty(), "{kind}");
            }
        });
    }
}

#[test]
fn a_channel_is_changed_and_deleted_with_consent_while_its_stream_outlives_the_stop() {
    for (stream, conflict) in LAGS {
        on_paused_time(async {
            let account = Account::empty().await;
            lags(&account, stream, conflict);
            let keep = manifest("Stage", "keep", "{}");
            let main = |spec| format!("{keep}{}", manifest("Channel", "main", spec));
            all_done(&account, &main("{}"), &Policy::default()).await;
            let channel = arns(&account, Kind::Channel).await.remove(0);
            let policy = allowing(&[(Kind::Channel, "main")]);
            goes_live(&account, &channel);
            all_done(&account, &main("{ latencyMode: NORMAL }"), &policy).await;
            goes_live(&account, &channel);
            all_done(&account, &keep, &policy).await;
            assert!(arns(&account, Kind::Channel).await.is_empty());
        });
    }
}

#[test]
fn a_refusal_that_nothing_in_the_run_explains_is_final_and_one_that_lasts_ends_in_time() {
    on_paused_time(async {
        let account = Account::empty().await;
        let main = |spec| manifest("Channel", "main", spec);
        all_done(&account, &main("{}"), &Policy::default()).await;
        let refusal =
            json!({ "operation": "UpdateChannel", "kind": "error", "name": "ConflictException" });
        account.control("POST", "/_emulator/faults", refusal);
        account.calls();
        let (_, outcome) =
            applied(&account, &main("{ latencyMode: NORMAL }"), &Policy::default()).await;
        let [(_, StepStatus::Failed(failure))] = outcome.steps.as_slice() else {
            panic!("{outcome:#?}")
        };
        assert!(failure.is_conflict(), "{failure}");
        assert_eq!(account.calls()["UpdateChannel"], 1);
        // The same behind a stop of our own, but it never ends.
        goes_live(&account, &arns(&account, Kind::Channel).await[0]);
        let policy = allowing(&[(Kind::Channel, "main")]);
        let start = Instant::now();
        let (_, outcome) = applied(&account, &main("{ latencyMode: NORMAL }"), &policy).await;
        let [(_, StepStatus::Failed(failure))] = outcome.steps.as_slice() else {
            panic!("{outcome:#?}")
        };
        assert!(failure.is_conflict(), "{failure}");
        assert!(account.calls()["UpdateChannel"].as_u64().is_some_and(|it| it > 5));
        assert!(start.elapsed() < Duration::from_mins(5), "{:?}", start.elapsed());
    });
}

#[test]
fn a_key_is_rotated_before_the_composition_that_always_runs_is_started_again() {
    on_paused_time(async {
        let account = Account::empty().await;
        let text = |rotation: &str, run: &str| {
            let key = format!("{{ channel: main, rotation: {rotation} }}");
            [
                manifest("Stage", "studio", "{}"),
                manifest("Channel", "main", "{}"),
                manifest("StreamKey", "main", &key),
                manifest("Composition", "show", &ON_AIR.replace("ALWAYS", run)),
            ]
            .concat()
        };
        all_done(&account, &text("a", "ALWAYS"), &Policy::default()).await;
        // There is no publisher, so it ends.
        sleep(Duration::from_mins(3)).await;
        account.control("DELETE", "/_emulator/history", Value::Null);
        all_done(&account, &text("b", "ALWAYS"), &Policy::default()).await;
        assert_eq!(arns(&account, Kind::Composition).await.len(), 1);
        let history = account.control("GET", "/_emulator/history", Value::Null);
        let operations = history["events"].as_array().expect("a list").iter();
        let operations: Vec<&str> = operations.filter_map(|it| it["operation"].as_str()).collect();
        let at = |name: &str| operations.iter().position(|it| *it == name).expect("called");
        assert!(at("DeleteStreamKey") < at("StartComposition"), "{operations:?}");
        assert!(at("CreateStreamKey") < at("StartComposition"), "{operations:?}");
        // While it runs, the key is deleted after the stop that its manifest asks for.
        let policy = allowing(&[(Kind::Composition, "show"), (Kind::StreamKey, "main")]);
        all_done(&account, &text("c", "STOPPED"), &policy).await;
        let plan = planned(&account, &text("c", "STOPPED"), &policy).await;
        assert_eq!(plan.status(), Status::Clean, "{:#?}", plan.steps);
    });
}

#[test]
fn a_composition_onto_a_channel_that_an_encoder_feeds_is_deferred() {
    on_paused_time(async {
        let account = Account::empty().await;
        let before =
            [manifest("Stage", "studio", "{}"), manifest("Channel", "main", "{}")].concat();
        let text = format!("{before}{}", manifest("Composition", "show", ON_AIR));
        all_done(&account, &before, &Policy::default()).await;
        let channel = arns(&account, Kind::Channel).await.remove(0);
        goes_live(&account, &channel);
        let (plan, outcome) = applied(&account, &text, &Policy::default()).await;
        let [step] = plan.steps.as_slice() else { panic!("{:#?}", plan.steps) };
        let why = step.decision.reason().map(reason::text).unwrap_or_default();
        assert_eq!(step.decision.as_str(), "deferred");
        assert!(
            why.contains("Channel/main has to be offline") && why.contains("3 viewers"),
            "{why}"
        );
        assert!(outcome.is_well() && !outcome.wrote);
        account.control("DELETE", "/_emulator/streams", json!({ "channelArn": channel }));
        // Another client is faster than the run.
        let loaded = load_text("a.yaml", &text, None);
        let stack = Stack::named("default");
        let (observed, plan) = account.plan(&stack, &loaded.desired, &Policy::default()).await;
        goes_live(&account, &channel);
        account.calls();
        let outcome = account.apply(&stack, &observed, &plan).await;
        let [(_, StepStatus::Deferred(why))] = outcome.steps.as_slice() else {
            panic!("{outcome:#?}")
        };
        assert!(reason::text(why).contains("Channel/main has to be offline"), "{why:?}");
        assert!(account.calls().get("StartComposition").is_none());
        account.control("DELETE", "/_emulator/streams", json!({ "channelArn": channel }));
        all_done(&account, &text, &Policy::default()).await;
    });
}

#[test]
fn a_composition_that_runs_is_not_stopped_for_a_successor_that_cannot_start() {
    on_paused_time(async {
        let account = Account::empty().await;
        let text = |channel: &str| {
            let spec = ON_AIR.replace("channel: main", &format!("channel: {channel}"));
            [
                manifest("Stage", "studio", "{}"),
                manifest("Channel", "main", "{}"),
                manifest("Channel", "other", "{ latencyMode: NORMAL }"),
                manifest("Composition", "show", &spec),
            ]
            .concat()
        };
        all_done(&account, &text("main"), &Policy::default()).await;
        let running = arns(&account, Kind::Composition).await;
        let channels = account.aws.ivs.list_channels().send().await.expect("listed").channels;
        let other = channels.iter().find(|it| it.name.as_deref() == Some("other"));
        let other = other.and_then(|it| it.arn.clone()).expect("made");
        goes_live(&account, &other);
        let policy = allowing(&[(Kind::Composition, "show")]);
        let (plan, outcome) = applied(&account, &text("other"), &policy).await;
        assert!(outcome.steps.is_empty(), "{outcome:#?}");
        let actions: Vec<Action> = plan.steps.iter().map(|it| it.action).collect();
        assert_eq!(actions.len(), 2, "{:#?}", plan.steps);
        assert!(plan.steps.iter().all(|it| matches!(it.decision, Decision::Deferred(_))));
        assert_eq!(arns(&account, Kind::Composition).await, running);
    });
}

/// The states of the only composition and its destinations.
async fn states(account: &Account) -> (String, Vec<String>) {
    let listed = account.aws.realtime.list_compositions().send().await.expect("listed");
    let [it] = listed.compositions.as_slice() else { panic!("{listed:#?}") };
    let destinations = it.destinations.iter().map(|it| it.state.as_str().to_owned());
    (it.state.as_str().to_owned(), destinations.collect())
}

#[test]
fn a_running_composition_with_a_failed_destination_is_degraded_and_started_again_with_consent() {
    on_paused_time(async {
        let account = Account::empty().await;
        let text = show(1280, "bucket-a");
        all_done(&account, &text, &Policy::default()).await;
        sleep(Duration::from_secs(2)).await;
        let channel = arns(&account, Kind::Channel).await.remove(0);
        let stop = account.aws.ivs.stop_stream().channel_arn(&channel).send().await;
        stop.sorted("StopStream").expect("stopped");
        assert_eq!(
            states(&account).await,
            ("ACTIVE".into(), vec!["RECONNECTING".into(), "ACTIVE".into()])
        );
        let plan = planned(&account, &text, &Policy::default()).await;
        assert_eq!(plan.status(), Status::Clean, "{:#?}", plan.steps);
        sleep(Duration::from_secs(3)).await;
        assert_eq!(
            states(&account).await,
            ("ACTIVE".into(), vec!["FAILED".into(), "ACTIVE".into()])
        );
        let loaded = load_text("a.yaml", &text, None);
        let stack = Stack::named("default");
        let (observed, mut plan) = account.plan(&stack, &loaded.desired, &Policy::default()).await;
        let step =
            plan.steps.iter().find(|it| it.action == Action::Replace).expect("started again");
        let [Cause::Degraded(degraded)] = step.because.as_slice() else { panic!("{step:#?}") };
        assert_eq!((degraded.failed, degraded.of), (1, 2));
        assert!(matches!(step.decision, Decision::Deferred(_)), "{:?}", step.decision);
        plan.keep_drift(&observed.audience, true);
        assert_eq!(plan.steps.len(), 1, "{:#?}", plan.steps);
        let policy = allowing(&[(Kind::Composition, "show")]);
        all_done(&account, &text, &policy).await;
        let plan = planned(&account, &text, &policy).await;
        assert_eq!(plan.status(), Status::Clean, "{:#?}", plan.steps);
    });
}

#[test]
fn a_composition_whose_last_destination_fails_has_failed_and_one_without_a_key_never_broadcasts() {
    on_paused_time(async {
        let account = Account::empty().await;
        let text = [
            manifest("Stage", "studio", "{}"),
            manifest("Channel", "main", "{}"),
            manifest("Composition", "show", ON_AIR),
        ]
        .concat();
        all_done(&account, &text, &Policy::default()).await;
        let channel = arns(&account, Kind::Channel).await.remove(0);
        let stop = account.aws.ivs.stop_stream().channel_arn(&channel).send().await;
        stop.sorted("StopStream").expect("stopped");
        sleep(Duration::from_secs(5)).await;
        assert_eq!(states(&account).await, ("FAILED".into(), vec!["FAILED".into()]));
        sleep(Duration::from_mins(10)).await;
        let keys = account.aws.ivs.list_stream_keys().channel_arn(&channel).send().await;
        let key = keys.sorted("ListStreamKeys").expect("listed").stream_keys.remove(0);
        let delete = account.aws.ivs.delete_stream_key().arn(key.arn.expect("an ARN"));
        delete.send().await.sorted("DeleteStreamKey").expect("deleted");
        let (_, outcome) = applied(&account, &text, &Policy::default()).await;
        assert!(!outcome.is_well(), "{outcome:#?}");
        assert_eq!(states(&account).await, ("FAILED".into(), vec!["FAILED".into()]));
        assert!(account.aws.ivs.list_streams().send().await.expect("listed").streams.is_empty());
    });
}

#[test]
fn a_stream_that_is_answered_in_state_offline_is_not_live() {
    on_paused_time(async {
        let account = Account::empty().await;
        account.control("POST", "/_emulator/switches", json!({ "offlineStreamSeconds": 600 }));
        let main = |spec| manifest("Channel", "main", spec);
        all_done(&account, &main("{}"), &Policy::default()).await;
        let channel = arns(&account, Kind::Channel).await.remove(0);
        goes_live(&account, &channel);
        account.control("DELETE", "/_emulator/streams", json!({ "channelArn": channel }));
        let streams = account.aws.ivs.list_streams().send().await.expect("listed").streams;
        assert_eq!(streams[0].state.as_ref().map(StreamState::as_str), Some("OFFLINE"));
        let got = account.aws.ivs.get_stream().channel_arn(&channel).send().await;
        let got = got.sorted("GetStream").expect("answered").stream.expect("a stream");
        assert_eq!(got.state.as_ref().map(StreamState::as_str), Some("OFFLINE"));
        all_done(&account, &main("{ latencyMode: NORMAL }"), &Policy::default()).await;
        sleep(Duration::from_mins(11)).await;
        let got = account.aws.ivs.get_stream().channel_arn(&channel).send().await;
        assert_eq!(got.sorted("GetStream").expect_err("over").class, Class::NotFound);
    });
}
