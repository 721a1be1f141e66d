//! Stages with participants: who counts as a publisher, whom a change would cut off, and what a running
//! recording forbids.

use crate::account::{Account, on_paused_time, settings};
use ivs_apply::apply::{Outcome, StepStatus};
use ivs_apply::aws::{Class, Sorted};
use ivs_apply::emulator::{Clock, Settings, Stance, Switches};
use ivs_apply::kinds::{Address, Arn, Kind, Stack, owner};
use ivs_apply::manifest::load_text;
use ivs_apply::plan::{Action, Decision, Plan, Policy, Reason, Status};
use serde_json::{Value, json};
use std::fmt::Write;

/// Manifests of these kinds, names and specs.
fn manifests(all: &[(&str, &str, &str)]) -> String {
    let mut text = String::new();
    for (kind, name, spec) in all {
        let _ = write!(
            text,
            "---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n"
        );
    }
    text
}

const SHOW: &str = "{ stage: studio, destinations: [{ s3: { storageConfiguration: tape, encoderConfigurations: [hd] } }] }";

fn a_show() -> String {
    manifests(&[
        ("Stage", "studio", "{}"),
        ("EncoderConfiguration", "hd", "{}"),
        ("StorageConfiguration", "tape", "{ s3: { bucketName: shows } }"),
        ("Composition", "show", SHOW),
    ])
}

async fn planned(account: &Account, text: &str, policy: &Policy) -> Plan {
    let loaded = load_text("a.yaml", text, None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    account.plan(&Stack::named("default"), &loaded.desired, policy).await.1
}

async fn applied(account: &Account, text: &str, policy: &Policy) {
    let stack = Stack::named("default");
    let loaded = load_text("a.yaml", text, None);
    let (observed, plan) = account.plan(&stack, &loaded.desired, policy).await;
    let outcome = account.apply(&stack, &observed, &plan).await;
    assert!(outcome.is_well(), "{outcome:#?}\n{plan:#?}");
}

/// The object of a kind with a name, as the emulator has it.
fn object(account: &Account, kind: &str, name: &str) -> Value {
    let objects = account.control("GET", "/_emulator/objects", Value::Null);
    let mut all = objects["objects"].as_array().expect("a list").iter();
    let named = |it: &&Value| {
        it["kind"] == kind
            && (it["object"]["name"] == name || it["object"]["tags"]["ivs-apply:name"] == name)
    };
    all.find(|it| named(it)).map(|it| it["object"].clone()).unwrap_or_default()
}

fn arn(account: &Account, kind: &str, name: &str) -> String {
    object(account, kind, name)["arn"].as_str().expect("made").to_owned()
}

/// A participant joins a stage, or takes another role on it.
fn joins(account: &Account, stage: &str, id: &str, role: &str) {
    let stage = arn(account, "Stage", stage);
    let body = json!({ "stageArn": stage, "participantId": id, "role": role });
    account.control("POST", "/_emulator/participants", body);
}

fn leaves(account: &Account, stage: &str, id: &str) {
    let stage = arn(account, "Stage", stage);
    let body = json!({ "stageArn": stage, "participantId": id });
    account.control("DELETE", "/_emulator/participants", body);
}

fn pass(account: &Account, seconds: u32) {
    account.control("POST", "/_emulator/clock", json!({ "advanceSeconds": seconds }));
}

fn has_session(account: &Account, stage: &str) -> bool {
    object(account, "Stage", stage)["activeSessionId"].is_string()
}

/// How many calls of `ListParticipants` there were since the last look.
fn questions(account: &Account) -> u64 {
    account.calls()["ListParticipants"].as_u64().unwrap_or_default()
}

/// An account with these switches.
async fn with(switches: Switches) -> Account {
    Account::with(Settings { clock: Clock::Tokio, switches, ..Settings::default() }).await
}

/// An account whose sessions last three minutes after the last publisher: its test counts them.
async fn lingering() -> Account {
    with(Switches { session_linger_seconds: 180, ..settings().switches }).await
}

#[test]
fn a_session_begins_with_a_subscriber_and_ends_minutes_after_the_last_publisher() {
    on_paused_time(async {
        let account = lingering().await;
        applied(&account, &manifests(&[("Stage", "studio", "{}")]), &Policy::default()).await;
        joins(&account, "studio", "viewer", "subscriber");
        assert!(has_session(&account, "studio"));
        leaves(&account, "studio", "viewer");
        pass(&account, 1);
        assert!(!has_session(&account, "studio"), "there was no publisher");
        joins(&account, "studio", "host", "publisher");
        joins(&account, "studio", "viewer", "subscriber");
        leaves(&account, "studio", "host");
        pass(&account, 170);
        leaves(&account, "studio", "viewer");
        pass(&account, 5);
        assert!(has_session(&account, "studio"), "a session outlasts its publishers");
        pass(&account, 6);
        assert!(!has_session(&account, "studio"));
        let none = Switches { session_linger_seconds: 0, ..Switches::default() };
        let account = with(none).await;
        applied(&account, &manifests(&[("Stage", "studio", "{}")]), &Policy::default()).await;
        joins(&account, "studio", "host", "publisher");
        leaves(&account, "studio", "host");
        pass(&account, 0);
        assert!(!has_session(&account, "studio"), "the switch is off");
    });
}

#[test]
fn a_composition_ends_a_minute_after_the_last_publisher_whoever_subscribes() {
    on_paused_time(async {
        let account = Account::empty().await;
        applied(&account, &a_show(), &Policy::default()).await;
        joins(&account, "studio", "viewer", "subscriber");
        joins(&account, "studio", "host", "publisher");
        applied(&account, &a_show(), &Policy::default()).await;
        // The host stops publishing and watches.
        joins(&account, "studio", "host", "subscriber");
        pass(&account, 59);
        assert_eq!(object(&account, "Composition", "show")["state"], "ACTIVE");
        pass(&account, 5);
        assert_eq!(object(&account, "Composition", "show")["state"], "STOPPED");
        assert!(has_session(&account, "studio"));
    });
}

#[test]
fn a_composition_is_started_for_a_publisher_and_not_for_a_session() {
    on_paused_time(async {
        let account = lingering().await;
        let (text, policy) = (a_show(), Policy::default());
        applied(&account, &text, &policy).await;
        let sleeps = async |account: &Account, questions_asked: u64, why: &str| {
            account.calls();
            let plan = planned(account, &text, &policy).await;
            assert_eq!((plan.summary().dormant, plan.summary().create), (1, 0), "{why}: {plan:#?}");
            assert_eq!(questions(account), questions_asked, "{why}");
        };
        sleeps(&account, 0, "without a session nothing has to be asked").await;
        joins(&account, "studio", "viewer", "subscriber");
        sleeps(&account, 1, "a subscriber begins a session").await;
        joins(&account, "studio", "host", "publisher");
        account.calls();
        let plan = planned(&account, &text, &policy).await;
        assert_eq!((plan.summary().create, questions(&account)), (1, 1), "{plan:#?}");
        applied(&account, &text, &policy).await;
        account.calls();
        assert_eq!(planned(&account, &text, &policy).await.status(), Status::Clean);
        assert_eq!(questions(&account), 0, "nothing has to be decided about one that runs");
        leaves(&account, "studio", "host");
        pass(&account, 65);
        sleeps(&account, 1, "the show is over, and the session lasts").await;
        leaves(&account, "studio", "viewer");
        pass(&account, 60);
        assert!(has_session(&account, "studio"));
        sleeps(&account, 1, "all participants have left, and the session lasts").await;
        pass(&account, 120);
        sleeps(&account, 0, "the session is over").await;
    });
}

#[test]
fn who_publishes_is_asked_once_for_each_session_that_decides_something() {
    on_paused_time(async {
        let account = Account::empty().await;
        let show = |stage: &str| SHOW.replace("studio", stage);
        let (two, runs, always) = (
            show("two"),
            show("runs"),
            SHOW.replace("stage: studio", "stage: always, run: ALWAYS"),
        );
        let stages = ["two", "runs", "always", "alone", "empty"].map(|it| ("Stage", it, "{}"));
        let configurations = [
            ("EncoderConfiguration", "hd", "{}"),
            ("StorageConfiguration", "tape", "{ s3: { bucketName: shows } }"),
        ];
        let on_empty = show("empty");
        let first = [&stages[..], &configurations[..], &[("Composition", "c", &runs)]].concat();
        applied(&account, &manifests(&first), &Policy::default()).await;
        for stage in ["two", "runs", "always", "alone"] {
            joins(&account, stage, "host", "publisher");
        }
        applied(&account, &manifests(&first), &Policy::default()).await;
        let further = [
            ("Composition", "a", &*two),
            ("Composition", "b", &*two),
            ("Composition", "d", &*always),
            ("Composition", "e", &*on_empty),
        ];
        let all = [&first[..], &further[..]].concat();
        account.calls();
        let plan = planned(&account, &manifests(&all), &Policy::default()).await;
        assert_eq!((plan.summary().create, plan.summary().dormant), (3, 1), "{plan:#?}");
        assert_eq!(questions(&account), 1);
    });
}

#[test]
fn a_stage_is_deleted_once_everybody_has_left_and_not_under_a_subscriber() {
    on_paused_time(async {
        let account = Account::empty().await;
        let keep = ("EncoderConfiguration", "hd", "{}");
        applied(&account, &manifests(&[keep, ("Stage", "studio", "{}")]), &Policy::default()).await;
        let (text, policy) = (manifests(&[keep]), Policy { prune: true, ..Policy::default() });
        joins(&account, "studio", "host", "publisher");
        joins(&account, "studio", "viewer", "subscriber");
        leaves(&account, "studio", "host");
        account.calls();
        let plan = planned(&account, &text, &policy).await;
        assert_eq!((plan.summary().deferred, questions(&account)), (1, 1), "{plan:#?}");
        leaves(&account, "studio", "viewer");
        assert!(has_session(&account, "studio"));
        let stack = Stack::named("default");
        let loaded = load_text("a.yaml", &text, None);
        let (observed, plan) = account.plan(&stack, &loaded.desired, &policy).await;
        assert_eq!((plan.summary().delete, questions(&account)), (1, 1), "{plan:#?}");
        // A participant who joins between the plan and the call is not cut off.
        joins(&account, "studio", "viewer", "subscriber");
        let outcome = account.apply(&stack, &observed, &plan).await;
        assert!(outcome.is_well() && !outcome.wrote, "{outcome:#?}");
        leaves(&account, "studio", "viewer");
        applied(&account, &text, &policy).await;
        assert_eq!(object(&account, "Stage", "studio"), Value::Null);
    });
}

#[test]
fn a_refused_delete_of_a_stage_with_participants_is_reported_and_succeeds_after_they_have_left() {
    on_paused_time(async {
        let refusing = Switches { delete_busy_stage: Stance::Refuse, ..Switches::default() };
        let account = with(refusing).await;
        let stack = Stack::named("default");
        let text = manifests(&[("Stage", "studio", "{}")]) + "lifecycle: { onLive: interrupt }\n";
        applied(&account, &text, &Policy::default()).await;
        joins(&account, "studio", "viewer", "subscriber");
        let loaded = load_text("a.yaml", &text, None);
        let allow_live = loaded.desired.iter().map(|it| it.address.clone()).collect();
        let policy = Policy { destroy: true, allow_live, ..Policy::default() };
        let (observed, plan) = account.plan(&stack, &loaded.desired, &policy).await;
        assert_eq!(plan.summary().delete, 1, "{plan:#?}");
        let outcome = account.apply(&stack, &observed, &plan).await;
        let [(_, StepStatus::Failed(failure))] = &outcome.steps[..] else { panic!("{outcome:#?}") };
        assert!(failure.to_string().contains("Participants are connected"), "{failure}");
        assert!(has_session(&account, "studio"), "no participant was disconnected");
        leaves(&account, "studio", "viewer");
        applied(&account, &text, &policy).await;
        assert_eq!(object(&account, "Stage", "studio"), Value::Null);
    });
}

fn recorded(stage: &str) -> String {
    manifests(&[
        ("StorageConfiguration", "tape", "{ s3: { bucketName: shows } }"),
        ("Stage", "studio", stage),
    ])
}

#[test]
fn a_stage_is_renamed_during_a_recording() {
    on_paused_time(async {
        let recording = "autoParticipantRecordingConfiguration: { storageConfiguration: tape }";
        let account = Account::empty().await;
        applied(&account, &recorded(&format!("{{ {recording} }}")), &Policy::default()).await;
        joins(&account, "studio", "host", "publisher");
        let renamed = recorded(&format!("{{ name: green-room, {recording} }}"));
        let plan = planned(&account, &renamed, &Policy::default()).await;
        let [step] = plan.steps.as_slice() else { panic!("{plan:#?}") };
        assert_eq!((step.action, &step.decision), (Action::Update, &Decision::Do), "{step:#?}");
        assert_eq!(step.impact, None);
        applied(&account, &renamed, &Policy::default()).await;
        assert_eq!(planned(&account, &renamed, &Policy::default()).await.status(), Status::Clean);
        assert!(has_session(&account, "studio"));
    });
}

#[test]
fn what_is_recorded_is_changed_after_the_recording() {
    on_paused_time(async {
        let block = |more: &str| {
            recorded(&format!(
                "{{ autoParticipantRecordingConfiguration: {{ storageConfiguration: tape{more} }} }}"
            ))
        };
        let account = Account::empty().await;
        applied(&account, &block(""), &Policy::default()).await;
        joins(&account, "studio", "host", "publisher");
        let longer = block(", recordingReconnectWindowSeconds: 60");
        let plan = planned(&account, &longer, &Policy::default()).await;
        assert_eq!(plan.summary().deferred, 1, "{plan:#?}");
        leaves(&account, "studio", "host");
        assert!(has_session(&account, "studio"));
        applied(&account, &longer, &Policy::default()).await;
        let stage = object(&account, "Stage", "studio");
        let recording = &stage["autoParticipantRecordingConfiguration"];
        assert_eq!(recording["recordingReconnectWindowSeconds"], 60);
    });
}

#[test]
fn the_emulator_refuses_the_recording_block_while_a_recording_runs() {
    use aws_sdk_ivsrealtime::types::AutoParticipantRecordingConfiguration as Block;
    on_paused_time(async {
        for (same_recording, may) in [("refuse", false), ("accept", true)] {
            let account = Account::empty().await;
            let switches = json!({ "sameRecording": same_recording });
            account.control("POST", "/_emulator/switches", switches);
            let recording = "autoParticipantRecordingConfiguration: { storageConfiguration: tape }";
            applied(&account, &recorded(&format!("{{ {recording} }}")), &Policy::default()).await;
            let storage = arn(&account, "StorageConfiguration", "tape");
            let stage = arn(&account, "Stage", "studio");
            let update = async |window: i32| {
                let block = Block::builder().storage_configuration_arn(&storage);
                let block = block.recording_reconnect_window_seconds(window).build();
                let request = account.aws.realtime_once.update_stage().arn(&stage);
                let block = block.expect("a block");
                let request = request.auto_participant_recording_configuration(block);
                request.send().await.sorted("UpdateStage")
            };
            joins(&account, "studio", "viewer", "subscriber");
            update(0).await.expect("a session without participants has no recording");
            joins(&account, "studio", "host", "publisher");
            let refused = update(9).await.expect_err("a recording runs");
            assert_eq!(refused.class, Class::Conflict);
            assert_eq!(update(0).await.is_ok(), may, "{same_recording}");
            leaves(&account, "studio", "host");
            pass(&account, 10);
            update(9).await.expect("the recording is over");
        }
    });
}

const RECORDED: &str = "{ autoParticipantRecordingConfiguration: { storageConfiguration: tape } }";

const LONGER: &str = "{ autoParticipantRecordingConfiguration: \
                      { storageConfiguration: tape, recordingReconnectWindowSeconds: 60 } }";

/// A recorded stage that may be interrupted, and a camera that publishes on it.
fn with_a_camera(stage: &str) -> String {
    let camera = "{ ingestProtocol: RTMPS, stage: studio }";
    recorded(stage)
        + "lifecycle: { onLive: interrupt }\n"
        + &manifests(&[("IngestConfiguration", "camera", camera)])
}

/// The encoder of the camera connects.
fn camera_connects(account: &Account) {
    let camera = json!({ "ingestConfigurationArn": arn(account, "IngestConfiguration", "camera") });
    account.control("POST", "/_emulator/ingests", camera);
}

/// Applies manifests with consent to the end of the audience of the stage.
async fn interrupting(account: &Account, text: &str) -> (Plan, Outcome) {
    let policy =
        Policy { allow_live: [Address::new(Kind::Stage, "studio")].into(), ..Policy::default() };
    let loaded = load_text("a.yaml", text, None);
    let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
    let outcome = account.apply(&loaded.stack, &observed, &plan).await;
    (plan, outcome)
}

fn window(account: &Account) -> Value {
    let stage = object(account, "Stage", "studio");
    stage["autoParticipantRecordingConfiguration"]["recordingReconnectWindowSeconds"].clone()
}

/// The connected participants of the stage, by id or user id.
async fn connected(account: &Account) -> Vec<String> {
    let stage = object(account, "Stage", "studio");
    let request = account.aws.realtime.list_participants();
    let request = request.stage_arn(stage["arn"].as_str().expect("a stage"));
    let request = request.session_id(stage["activeSessionId"].as_str().expect("a session"));
    let request = request.filter_by_state("CONNECTED".into());
    let answer = request.send().await.sorted("ListParticipants").expect("listed");
    answer.participants.into_iter().filter_map(|it| it.participant_id).collect()
}

#[test]
fn with_consent_the_recording_of_a_stage_is_changed_and_only_recorded_participants_are_disconnected()
 {
    on_paused_time(async {
        let account = Account::empty().await;
        let text = |stage: &str| recorded(stage) + "lifecycle: { onLive: interrupt }\n";
        applied(&account, &text(RECORDED), &Policy::default()).await;
        joins(&account, "studio", "host", "publisher");
        joins(&account, "studio", "viewer", "subscriber");
        let (plan, outcome) = interrupting(&account, &text(LONGER)).await;
        assert!(outcome.is_well(), "{outcome:#?}\n{plan:#?}");
        assert_eq!(window(&account), 60);
        assert_eq!(connected(&account).await, ["viewer"]);
        assert_eq!(
            planned(&account, &text(LONGER), &Policy::default()).await.status(),
            Status::Clean
        );
    });
}

#[test]
fn an_ingest_configuration_that_was_disconnected_from_a_recorded_stage_is_attached_again() {
    on_paused_time(async {
        for faults in [0, 1, 20] {
            let account = Account::empty().await;
            applied(&account, &with_a_camera(RECORDED), &Policy::default()).await;
            camera_connects(&account);
            let fault = json!({ "operation": "UpdateStage", "kind": "error500", "nth": 1, "done": false, "times": faults });
            if faults > 0 {
                account.control("POST", "/_emulator/faults", fault);
            }
            let (plan, outcome) = interrupting(&account, &with_a_camera(LONGER)).await;
            assert_eq!(outcome.is_well(), faults < 20, "{outcome:#?}\n{plan:#?}");
            assert_eq!(window(&account), if faults < 20 { 60 } else { 0 });
            let camera = object(&account, "IngestConfiguration", "camera");
            assert_eq!(camera["stageArn"], arn(&account, "Stage", "studio").as_str());
            let calls = account.calls();
            assert_eq!(calls["DisconnectParticipant"], 1, "{calls:#}");
        }
    });
}

/// Why a recorded stage is not changed while an ingest configuration that no stack owns publishes on it, with consent.
pub(crate) async fn a_foreign_publisher() -> Reason {
    let account = Account::empty().await;
    applied(&account, &with_a_camera(RECORDED), &Policy::default()).await;
    let camera = Arn::new(arn(&account, "IngestConfiguration", "camera"));
    let keys = [owner::STACK, owner::RECORD].map(str::to_owned);
    Kind::IngestConfiguration.untag(&account.aws, &camera, &keys).await.expect("untagged");
    camera_connects(&account);
    let text = recorded(LONGER) + "lifecycle: { onLive: interrupt }\n";
    let (plan, outcome) = interrupting(&account, &text).await;
    assert_eq!(window(&account), 0);
    assert_eq!(connected(&account).await.len(), 1);
    let [(_, StepStatus::Deferred(reason))] = &outcome.steps[..] else {
        panic!("{outcome:#?}\n{plan:#?}")
    };
    reason.clone()
}

#[test]
fn a_recorded_publisher_of_another_owner_is_not_disconnected_and_defers_the_change() {
    on_paused_time(async {
        let reason = a_foreign_publisher().await;
        let Reason::ForeignPublisher { source } = reason else { panic!("{reason:?}") };
        assert!(source.as_str().contains(":ingest-configuration/"), "{source}");
    });
}

#[test]
fn a_recording_that_aws_still_closes_after_its_participant_has_left_is_waited_for() {
    on_paused_time(async {
        let account = Account::empty().await;
        account.control("POST", "/_emulator/switches", json!({ "conflictAfterStopSeconds": 20 }));
        applied(&account, &recorded(RECORDED), &Policy::default()).await;
        joins(&account, "studio", "host", "publisher");
        leaves(&account, "studio", "host");
        applied(&account, &recorded(LONGER), &Policy::default()).await;
        assert_eq!(window(&account), 60);
    });
}
