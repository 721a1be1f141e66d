//! Ingest configurations: what AWS keeps and never returns, and what it takes away by itself.

use crate::account::{Account, on_paused_time};
use ivs_apply::apply::Outcome;
use ivs_apply::aws::{Service, Sorted, Tags};
use ivs_apply::diag::FieldPath;
use ivs_apply::kinds::{Address, Kind, Stack};
use ivs_apply::manifest::load_text;
use ivs_apply::plan::{Action, Cause, Plan, Policy, Status};
use serde_json::{Value, json};
use std::time::Duration;

fn manifests(spec: &str) -> String {
    let mut text = String::new();
    for (kind, name, spec) in [
        ("Stage", "studio", "{}"),
        ("Stage", "annex", "{}"),
        ("IngestConfiguration", "camera", spec),
    ] {
        text.push_str(&format!(
            "---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n"
        ));
    }
    text
}

async fn planned(account: &Account, spec: &str) -> Plan {
    let loaded = load_text("a.yaml", &manifests(spec), None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    account.plan(&Stack::named("default"), &loaded.desired, &Policy::default()).await.1
}

/// An account with a camera of this spec, which was disconnected from its stage by hand after it had published.
async fn thrown_out(spec: &str) -> Account {
    let account = Account::empty().await;
    let stack = Stack::named("default");
    let loaded = load_text("a.yaml", &manifests(spec), None);
    let (observed, plan) = account.plan(&stack, &loaded.desired, &Policy::default()).await;
    assert!(account.apply(&stack, &observed, &plan).await.is_well());
    let objects = account.control("GET", "/_emulator/objects", Value::Null);
    let mut camera = objects["objects"].as_array().expect("a list").iter();
    let camera = camera.rfind(|it| it["kind"] == "IngestConfiguration").expect("made");
    let there = account.control(
        "POST",
        "/_emulator/ingests",
        json!({ "ingestConfigurationArn": camera["arn"] }),
    );
    let request = account.aws.realtime.disconnect_participant();
    let request = request.stage_arn(camera["object"]["stageArn"].as_str().expect("a stage"));
    let request = request.participant_id(there["participantId"].as_str().expect("an id"));
    request.send().await.sorted("DisconnectParticipant").expect("disconnected");
    account
}

#[test]
fn a_stage_that_aws_took_away_is_drift_of_the_stage_alone() {
    on_paused_time(async {
        let spec = "{ ingestProtocol: RTMPS, stage: studio, insecureIngest: true }";
        let account = thrown_out(spec).await;
        let plan = planned(&account, spec).await;
        let [step] = plan.steps.as_slice() else { panic!("{plan:#?}") };
        assert_eq!((step.action, step.because.as_slice()), (Action::Update, &[Cause::Drift][..]));
        let paths: Vec<String> = step.fields.iter().map(|it| it.path.to_string()).collect();
        assert_eq!(paths, ["spec.stage"]);
    });
}

#[test]
fn a_change_of_what_aws_never_returns_is_seen_beside_other_changes_and_drift() {
    on_paused_time(async {
        let before = "{ ingestProtocol: RTMPS, stage: studio, insecureIngest: true }";
        let account = thrown_out(before).await;
        for (after, replaced) in [
            (
                "{ ingestProtocol: RTMPS, stage: studio, insecureIngest: true, redundantIngest: true }",
                false,
            ),
            ("{ ingestProtocol: RTMPS, stage: studio }", true),
            ("{ ingestProtocol: RTMPS, stage: studio, redundantIngest: true }", true),
            ("{ ingestProtocol: RTMPS, stage: studio, tags: { side: left } }", true),
        ] {
            let plan = planned(&account, after).await;
            let replaces = plan.steps.iter().find(|it| it.action == Action::Replace);
            assert_eq!(replaces.is_some(), replaced, "{after}: {plan:#?}");
            assert_eq!(plan.status(), Status::Changes);
            let insecure = FieldPath::from("spec.insecureIngest");
            let secure = |it: &ivs_apply::kinds::spec::FieldChange| it.path == insecure;
            assert_eq!(plan.steps.iter().any(|it| it.fields.iter().any(secure)), replaced);
        }
    });
}

#[test]
fn taking_over_what_refers_to_each_other_is_nothing_but_tag_writes() {
    on_paused_time(async {
        let account = Account::empty().await;
        let stage = account.aws.realtime.create_stage().send().await;
        let stage = stage.sorted("CreateStage").expect("made").stage.expect("answered").arn;
        let request = account.aws.realtime.create_ingest_configuration().stage_arn(&stage);
        let request = request.ingest_protocol("RTMPS".into()).insecure_ingest(true).name("camera");
        let made = request.send().await.sorted("CreateIngestConfiguration").expect("made");
        let camera = made.ingest_configuration.expect("answered").arn;
        let mut text = String::new();
        for (kind, name, spec, arn) in [
            ("Stage", "studio", "{ name: \"\" }", &stage),
            ("IngestConfiguration", "camera", "{ ingestProtocol: RTMPS, stage: studio }", &camera),
        ] {
            text.push_str(&format!(
                "---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n\
                 lifecycle: {{ adopt: \"{arn}\" }}\n"
            ));
        }
        let loaded = load_text("a.yaml", &text, None);
        assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
        let (observed, plan) =
            account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
        account.calls();
        assert!(account.apply(&loaded.stack, &observed, &plan).await.is_well());
        assert_eq!(
            account.calls(),
            json!({ "ListTagsForResource": 2, "TagResource": 2 }),
            "{plan:#?}"
        );
        let (_, again) = account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
        assert_eq!(again.status(), Status::Clean, "{again:#?}");
    });
}

#[test]
fn a_rename_that_is_long_over_does_not_cost_the_stream_key() {
    on_paused_time(async {
        let account = Account::empty().await;
        let named = |name: &str, before: &str| {
            format!(
                "apiVersion: ivs-apply.dev/v1\nkind: IngestConfiguration\n\
                 metadata: {{ name: {name}{before} }}\nspec: {{ ingestProtocol: RTMPS }}\n"
            )
        };
        for (text, action) in [
            (named("left", ""), Some(Action::Create)),
            (named("camera", ", previousNames: [left]"), Some(Action::Rename)),
            // The object keeps the name it was made with: AWS cannot change it.
            (named("camera", ""), None),
        ] {
            let loaded = load_text("a.yaml", &text, None);
            let (observed, plan) =
                account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
            let actions: Vec<Action> = plan.steps.iter().map(|it| it.action).collect();
            assert_eq!(actions, Vec::from_iter(action), "{text}");
            assert!(account.apply(&loaded.stack, &observed, &plan).await.is_well());
        }
    });
}

const PUBLISHES: &str = "{ ingestProtocol: RTMPS, stage: studio }";

/// The object of a kind with a name, as the emulator has it.
fn object(account: &Account, kind: &str, name: &str) -> Value {
    let objects = account.control("GET", "/_emulator/objects", Value::Null);
    let mut all = objects["objects"].as_array().expect("a list").iter();
    let found = all.find(|it| it["kind"] == kind && it["object"]["name"] == name);
    found.map(|it| it["object"].clone()).unwrap_or_default()
}

/// An account in which an encoder publishes with the camera.
async fn on_air() -> Account {
    let account = Account::empty().await;
    let loaded = load_text("a.yaml", &manifests(PUBLISHES), None);
    let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
    assert!(account.apply(&loaded.stack, &observed, &plan).await.is_well());
    let camera = object(&account, "IngestConfiguration", "camera");
    let there = json!({ "ingestConfigurationArn": camera["arn"] });
    account.control("POST", "/_emulator/ingests", there);
    account
}

/// Applies these manifests with consent to disconnect the publisher of the camera.
async fn interrupting(account: &Account, text: &str, prune: bool) -> Outcome {
    let allow_live = [Address::new(Kind::IngestConfiguration, "camera")].into();
    let policy = Policy { allow_live, prune, ..Policy::default() };
    let loaded = load_text("a.yaml", text, None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
    account.apply(&loaded.stack, &observed, &plan).await
}

/// The manifests with the camera on the other stage, by consent.
fn moved() -> String {
    let spec = "{ ingestProtocol: RTMPS, stage: annex }\nlifecycle: { onLive: interrupt }";
    manifests(spec)
}

/// The name of the stage that the camera publishes on.
fn stage_of_the_camera(account: &Account) -> Option<&'static str> {
    let arn = object(account, "IngestConfiguration", "camera")["stageArn"].clone();
    ["studio", "annex"].into_iter().find(|name| object(account, "Stage", name)["arn"] == arn)
}

#[test]
fn an_ingest_that_stays_active_for_long_after_the_interruption_still_gets_its_stage() {
    on_paused_time(async {
        let account = on_air().await;
        // Longer than one try waits, so there is a second one, which finds no stage to disconnect from.
        account.control("POST", "/_emulator/switches", json!({ "disconnectSeconds": 25 }));
        let outcome = interrupting(&account, &moved(), false).await;
        assert!(outcome.is_well(), "{outcome:#?}");
        assert_eq!(stage_of_the_camera(&account), Some("annex"));
    });
}

#[test]
fn a_fault_in_an_interruption_or_right_after_it_does_not_lose_the_stage() {
    on_paused_time(async {
        for (seconds, operation, kind) in [
            (0, "DisconnectParticipant", "loseReply"),
            (5, "DisconnectParticipant", "loseReply"),
            (0, "UpdateIngestConfiguration", "throttle"),
            (0, "UpdateIngestConfiguration", "loseReply"),
        ] {
            let account = on_air().await;
            let switches = json!({ "disconnectSeconds": seconds });
            account.control("POST", "/_emulator/switches", switches);
            let fault = json!({ "operation": operation, "kind": kind, "nth": 1 });
            account.control("POST", "/_emulator/faults", fault);
            let outcome = interrupting(&account, &moved(), false).await;
            assert!(outcome.is_well(), "{outcome:#?}");
            assert_eq!(stage_of_the_camera(&account), Some("annex"));
        }
    });
}

#[test]
fn a_change_that_fails_after_the_interruption_puts_the_stage_back() {
    on_paused_time(async {
        for (operation, text, prune) in [
            ("UpdateIngestConfiguration", moved(), false),
            ("DeleteIngestConfiguration", manifests("").replace("camera", "none"), true),
        ] {
            // Without the camera where it is deleted.
            let text = text.split("---\n").filter(|it| !it.contains("name: none"));
            let text = text.collect::<Vec<_>>().join("---\n");
            let account = on_air().await;
            let fault = json!({
                "operation": operation, "kind": "error", "name": "AccessDeniedException", "nth": 1,
            });
            account.control("POST", "/_emulator/faults", fault);
            let outcome = interrupting(&account, &text, prune).await;
            assert!(!outcome.is_well(), "{operation}: {outcome:#?}");
            assert_eq!(stage_of_the_camera(&account), Some("studio"), "{operation}");
        }
    });
}

#[test]
fn a_stage_that_cannot_be_put_back_is_named_and_put_back_by_the_next_run() {
    on_paused_time(async {
        let account = on_air().await;
        let fault = json!({
            "operation": "UpdateIngestConfiguration", "kind": "error", "name": "AccessDeniedException",
        });
        account.control("POST", "/_emulator/faults", fault);
        let outcome = interrupting(&account, &moved(), false).await;
        let studio = object(&account, "Stage", "studio")["arn"].clone();
        let studio = studio.as_str().expect("made");
        let text = format!("{:?}", outcome.steps);
        assert!(!outcome.is_well() && text.contains(studio), "{text}");
        assert_eq!(stage_of_the_camera(&account), None);
        account.control("DELETE", "/_emulator/faults", Value::Null);
        let outcome = interrupting(&account, &manifests(PUBLISHES), false).await;
        assert!(outcome.is_well(), "{outcome:#?}");
        assert_eq!(stage_of_the_camera(&account), Some("studio"));
    });
}

#[test]
fn an_ingest_that_is_protected_during_the_interruption_gets_its_stage_back() {
    on_paused_time(async {
        let account = on_air().await;
        account.control("POST", "/_emulator/switches", json!({ "disconnectSeconds": 10 }));
        let text = manifests(PUBLISHES);
        let without: Vec<&str> =
            text.split("---\n").filter(|it| !it.contains("name: camera")).collect();
        let arn = object(&account, "IngestConfiguration", "camera")["arn"].clone();
        let arn = arn.as_str().expect("made").to_owned();
        let protects = async {
            while object(&account, "IngestConfiguration", "camera")["stageArn"] != "" {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let tags = Tags::from([("ivs-apply:protect".to_owned(), "true".to_owned())]);
            account.aws.tag(Service::RealTime, &arn, &tags).await.expect("tagged");
        };
        let without = without.join("---\n");
        let (outcome, ()) = tokio::join!(interrupting(&account, &without, true), protects);
        assert!(!outcome.is_well(), "{outcome:#?}");
        assert_eq!(stage_of_the_camera(&account), Some("studio"));
    });
}

#[test]
fn a_replaced_ingest_that_is_still_on_air_keeps_its_publisher_until_its_manifest_agrees() {
    on_paused_time(async {
        for (on_live, decision) in [("defer", "deferred"), ("fail", "blocked"), ("interrupt", "do")]
        {
            let account = on_air().await;
            let spec = |on_live: &str| {
                manifests(&format!(
                    "{{ ingestProtocol: RTMPS, stage: studio, userId: other }}\nlifecycle: {{ onLive: {on_live} }}"
                ))
            };
            // The new one is created; the old one stays, since its manifest says so.
            let outcome = interrupting(&account, &spec("defer"), false).await;
            assert!(outcome.is_well(), "{outcome:#?}");
            let loaded = load_text("a.yaml", &spec(on_live), None);
            let allow_live = [Address::new(Kind::IngestConfiguration, "camera")].into();
            let policy = Policy { allow_live, ..Policy::default() };
            let (_, plan) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
            let old =
                plan.steps.iter().find(|it| it.action == Action::Delete).expect("the old one");
            assert_eq!(old.decision.as_str(), decision, "{on_live}: {plan:#?}");
        }
    });
}
