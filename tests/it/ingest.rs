//! Ingest configurations: what AWS keeps and never returns, and what it takes away by itself.

use crate::account::{Account, on_paused_time};
use ivs_apply::aws::Sorted;
use ivs_apply::kinds::Stack;
use ivs_apply::manifest::load_text;
use ivs_apply::plan::{Action, Cause, Plan, Policy, Status};
use serde_json::{Value, json};

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

/// An account with a camera of this spec, thrown out of its stage by hand after it had published.
async fn thrown_out(spec: &str) -> Account {
    let account = Account::empty().await;
    let stack = Stack::named("default");
    let loaded = load_text("a.yaml", &manifests(spec), None);
    let (live, plan) = account.plan(&stack, &loaded.desired, &Policy::default()).await;
    assert!(account.apply(&stack, &live, &plan).await.is_well());
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
    request.send().await.sorted("DisconnectParticipant").expect("thrown out");
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
        let paths: Vec<&str> = step.fields.iter().map(|it| it.path.as_str()).collect();
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
            let secure =
                |it: &ivs_apply::kinds::spec::FieldChange| it.path == "spec.insecureIngest";
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
        let (live, plan) = account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
        account.calls();
        assert!(account.apply(&loaded.stack, &live, &plan).await.is_well());
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
            let (live, plan) =
                account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
            let actions: Vec<Action> = plan.steps.iter().map(|it| it.action).collect();
            assert_eq!(actions, Vec::from_iter(action), "{text}");
            assert!(account.apply(&loaded.stack, &live, &plan).await.is_well());
        }
    });
}
