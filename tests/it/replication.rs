//! Replications: known to AWS only while they run, so what they were started with is remembered elsewhere.

use crate::account::{Account, on_paused_time};
use ivs_apply::diag::Code;
use ivs_apply::kinds::{Address, Kind, Stack};
use ivs_apply::manifest::load_text;
use ivs_apply::plan::{Action, Plan, Policy, Status};
use serde_json::{Value, json};

fn manifests(spec: &str) -> String {
    let mut text = String::new();
    for (kind, name, spec) in [
        ("Stage", "studio", "{}"),
        ("Stage", "overflow", "{}"),
        ("IngestConfiguration", "camera", "{ ingestProtocol: RTMPS, stage: studio }"),
        ("ParticipantReplication", "guest", spec),
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

async fn applied(account: &Account, spec: &str) {
    let stack = Stack::named("default");
    let loaded = load_text("a.yaml", &manifests(spec), None);
    let (observed, plan) = account.plan(&stack, &loaded.desired, &Policy::default()).await;
    let outcome = account.apply(&stack, &observed, &plan).await;
    assert!(outcome.is_well(), "{outcome:#?}");
}

/// Applies the stage `studio`, and connects a publisher to it.
async fn host_in_the_studio(account: &Account) -> Value {
    let stack = Stack::named("default");
    let studio =
        "apiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: { name: studio }\nspec: {}\n";
    let loaded = load_text("a.yaml", studio, None);
    let (observed, plan) = account.plan(&stack, &loaded.desired, &Policy::default()).await;
    assert!(account.apply(&stack, &observed, &plan).await.is_well());
    let there = json!({ "stageArn": stage(account, "studio").0, "userId": "host" });
    account.control("POST", "/_emulator/participants", there)
}

/// The ARN of the stage of that name, and the wire form of it.
fn stage(account: &Account, name: &str) -> (String, Value) {
    let objects = account.control("GET", "/_emulator/objects", Value::Null);
    let mut all = objects["objects"].as_array().expect("a list").iter();
    let it = all.find(|it| it["kind"] == "Stage" && it["object"]["name"] == name).expect("made");
    (it["arn"].as_str().expect("an ARN").to_owned(), it["object"].clone())
}

fn spec(rest: &str) -> String {
    format!("{{ sourceStage: studio, destinationStage: overflow, {rest} }}")
}

#[test]
fn a_participant_without_an_ingest_configuration_is_replicated_by_id_while_connected() {
    on_paused_time(async {
        let account = Account::empty().await;
        let absent = spec("participant: abCD12efGH34");
        applied(&account, &absent).await;
        assert_eq!(planned(&account, &absent).await.summary().dormant, 1);
        let (studio, _) = stage(&account, "studio");
        let there = json!({ "stageArn": studio, "userId": "host" });
        let there = account.control("POST", "/_emulator/participants", there);
        let id = there["participantId"].as_str().expect("an id");
        // A participant is connected, but not the declared one.
        assert_eq!(planned(&account, &absent).await.summary().dormant, 1);
        let connected = spec(&format!("participant: {id}"));
        assert_eq!(planned(&account, &connected).await.summary().create, 1);
        applied(&account, &connected).await;
        assert_eq!(planned(&account, &connected).await.status(), Status::Clean);
        let explicit = spec(&format!("participantId: {id}"));
        assert_eq!(planned(&account, &explicit).await.status(), Status::Clean);
    });
}

#[test]
fn a_replication_that_must_always_run_is_dormant_while_its_participant_does_not_publish() {
    on_paused_time(async {
        let account = Account::empty().await;
        let always = spec("participant: camera, run: ALWAYS");
        applied(&account, &always).await;
        let plan = planned(&account, &always).await;
        assert_eq!((plan.summary().dormant, plan.status()), (1, Status::Clean));
        let mut drift = plan;
        drift.keep_drift(&std::collections::BTreeMap::new(), true);
        assert_eq!(drift.steps, []);
    });
}

#[test]
fn a_replication_started_outside_is_adopted_when_a_manifest_declares_it() {
    on_paused_time(async {
        let account = Account::empty().await;
        let stopped = spec("participant: camera, run: STOPPED");
        applied(&account, &stopped).await;
        let objects = account.control("GET", "/_emulator/objects", Value::Null);
        let mut all = objects["objects"].as_array().expect("a list").iter();
        let camera = all.find(|it| it["kind"] == "IngestConfiguration").expect("made");
        let there = json!({ "ingestConfigurationArn": camera["arn"] });
        let there = account.control("POST", "/_emulator/ingests", there);
        let (studio, _) = stage(&account, "studio");
        let (overflow, _) = stage(&account, "overflow");
        let request = account.aws.realtime.start_participant_replication();
        let request = request.source_stage_arn(studio).destination_stage_arn(overflow);
        let id = there["participantId"].as_str().expect("an id");
        request.participant_id(id).send().await.expect("started");
        let wanted = spec("participant: camera");
        let plan = planned(&account, &wanted).await;
        let [step] = plan.steps.as_slice() else { panic!("{plan:#?}") };
        assert_eq!(step.action, Action::Adopt);
        applied(&account, &wanted).await;
        assert_eq!(planned(&account, &wanted).await.status(), Status::Clean);
    });
}

#[test]
fn the_tag_of_a_replication_is_removed_when_its_participant_is_no_longer_declared() {
    on_paused_time(async {
        let account = Account::empty().await;
        let dormant = spec("participant: camera");
        applied(&account, &dormant).await;
        let (studio, _) = stage(&account, "studio");
        for user in ["one", "two"] {
            let there = json!({ "stageArn": studio, "userId": user });
            let there = account.control("POST", "/_emulator/participants", there);
            let id = there["participantId"].as_str().expect("an id");
            applied(&account, &spec(&format!("participantId: {id}"))).await;
            let (_, object) = stage(&account, "studio");
            let tags = object["tags"].as_object().expect("tags").keys();
            let replicas: Vec<&String> =
                tags.filter(|it| it.starts_with("ivs-apply:replica:")).collect();
            assert!(replicas.len() == 1 && replicas[0].ends_with(id), "{replicas:?}");
            let gone = json!({ "stageArn": studio, "participantId": id });
            account.control("DELETE", "/_emulator/participants", gone);
        }
    });
}

#[test]
fn a_lost_reply_starts_one_replication() {
    on_paused_time(async {
        let account = Account::empty().await;
        let wanted = spec("participant: camera");
        applied(&account, &wanted).await;
        let objects = account.control("GET", "/_emulator/objects", Value::Null);
        let mut all = objects["objects"].as_array().expect("a list").iter();
        let camera = all.find(|it| it["kind"] == "IngestConfiguration").expect("made");
        let there = json!({ "ingestConfigurationArn": camera["arn"] });
        account.control("POST", "/_emulator/ingests", there);
        let fault =
            json!({ "operation": "StartParticipantReplication", "kind": "loseReply", "nth": 1 });
        account.control("POST", "/_emulator/faults", fault);
        applied(&account, &wanted).await;
        assert_eq!(planned(&account, &wanted).await.status(), Status::Clean);
    });
}

#[test]
fn each_broken_rule_of_a_replication_is_reported_at_its_field() {
    let elsewhere = "arn:aws:ivs:us-west-2:123456789012:stage/abcd";
    for (replication, code, field) in [
        ("sourceStage: studio, destinationStage: overflow, participant: camera", None, ""),
        ("sourceStage: studio, destinationStage: overflow, participant: Xy12", None, ""),
        (
            &format!("sourceStage: {elsewhere}, destinationStage: overflow, participant: Xy12"),
            None,
            "",
        ),
        // A near miss is a name; any other text is the id of a participant.
        (
            "sourceStage: studio, destinationStage: overflow, participant: camra",
            Some(Code::UnknownReference),
            "participant",
        ),
        (
            "sourceStage: studio, destinationStage: overflow",
            Some(Code::MissingField),
            "participant",
        ),
        (
            "sourceStage: studio, destinationStage: overflow, participant: camera, participantId: x",
            Some(Code::ConflictingFields),
            "participantId",
        ),
        (
            "sourceStage: studio, destinationStage: overflow, participantId: a/b",
            Some(Code::PatternMismatch),
            "participantId",
        ),
        (
            "sourceStage: studio, destinationStage: studio, participant: camera",
            Some(Code::ConflictingFields),
            "destinationStage",
        ),
        (
            "sourceStage: overflow, destinationStage: studio, participant: camera",
            Some(Code::ConflictingFields),
            "participant",
        ),
        (
            &format!("sourceStage: {elsewhere}, destinationStage: {elsewhere}e, participant: x"),
            Some(Code::MissingCompanion),
            "sourceStage",
        ),
        (
            "sourceStage: studio, destinationStage: overflow, participant: camera, reconnectWindowSeconds: 301",
            Some(Code::OutOfRange),
            "reconnectWindowSeconds",
        ),
        (
            &format!(
                "sourceStage: studio, destinationStage: overflow, participant: camera, attributes: {{ a: {} }}",
                "x".repeat(1024)
            ),
            Some(Code::OutOfRange),
            "attributes",
        ),
        (
            "sourceStage: studio, destinationStage: overflow, participant: camera }\n---\napiVersion: ivs-apply.dev/v1\nkind: ParticipantReplication\nmetadata: { name: twin }\nspec: { sourceStage: studio, destinationStage: overflow, participant: camera",
            Some(Code::DuplicateResource),
            "destinationStage",
        ),
    ] {
        let loaded = load_text("a.yaml", &manifests(&format!("{{ {replication} }}")), None);
        let told: Vec<(Code, String)> =
            loaded.report.iter().map(|it| (it.code, format!("{:?}", it.at))).collect();
        let codes: Vec<Code> = told.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, code.into_iter().collect::<Vec<_>>(), "{replication}: {told:?}");
        assert!(told.iter().all(|(_, place)| place.contains(&format!("{field:?}"))), "{told:?}");
    }
}

#[test]
fn a_participant_is_replicated_to_five_stages_at_most() {
    let mut text = manifests(&spec("participant: camera"));
    for name in ["b", "c", "d", "e", "f"] {
        text.push_str(&format!(
            "---\napiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: {{ name: {name} }}\nspec: {{}}\n\
             ---\napiVersion: ivs-apply.dev/v1\nkind: ParticipantReplication\nmetadata: {{ name: {name} }}\n\
             spec: {{ sourceStage: studio, destinationStage: {name}, participant: camera }}\n"
        ));
    }
    let codes: Vec<Code> =
        load_text("a.yaml", &text, None).report.iter().map(|it| it.code).collect();
    assert_eq!(codes, [Code::QuotaExceeded]);
}

#[test]
fn unchanged_attributes_are_not_reported_as_changed_along_with_the_participant() {
    on_paused_time(async {
        let account = Account::empty().await;
        applied(&account, &spec("participant: camera, run: STOPPED")).await;
        let (studio, _) = stage(&account, "studio");
        for id in ["host", "guest"] {
            let there = json!({ "stageArn": studio, "participantId": id });
            account.control("POST", "/_emulator/participants", there);
        }
        applied(&account, &spec("participantId: host, attributes: { from: studio }")).await;
        let other = spec("participantId: guest, attributes: { from: studio }");
        let plan = planned(&account, &other).await;
        let fields = plan.steps.iter().flat_map(|it| &it.fields);
        let paths: Vec<String> = fields.map(|it| it.path.to_string()).collect();
        assert_eq!(paths, ["spec.participantId"]);
    });
}

#[test]
fn a_replication_of_a_connected_participant_is_changed_at_once() {
    on_paused_time(async {
        let account = Account::empty().await;
        applied(&account, &spec("participant: camera, run: STOPPED")).await;
        let (studio, _) = stage(&account, "studio");
        for id in ["host", "guest"] {
            let there = json!({ "stageArn": studio, "participantId": id });
            account.control("POST", "/_emulator/participants", there);
        }
        applied(&account, &spec("participantId: host")).await;
        // It has an audience: the new one is made with consent only.
        let guest = Address::new(Kind::ParticipantReplication, "guest");
        let policy = Policy { allow_live: [guest].into(), ..Policy::default() };
        for changed in ["participantId: guest", "participantId: host, reconnectWindowSeconds: 9"] {
            let text = manifests(&spec(changed)) + "lifecycle: { onLive: interrupt }\n";
            let loaded = load_text("a.yaml", &text, None);
            let (_, plan) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
            let steps = plan.steps.iter().map(|it| (it.action, it.decision.is_do()));
            assert_eq!(
                steps.collect::<Vec<_>>(),
                [(Action::Delete, true), (Action::Replace, true)],
                "{changed}"
            );
        }
    });
}

#[test]
fn a_connected_participant_is_replicated_to_a_stage_that_the_same_run_creates() {
    on_paused_time(async {
        let account = Account::empty().await;
        let there = host_in_the_studio(&account).await;
        let wanted = spec(&format!("participantId: {}", there["participantId"]));
        applied(&account, &wanted).await;
        assert_eq!(planned(&account, &wanted).await.status(), Status::Clean);
    });
}

#[test]
fn a_replication_waits_for_the_publisher_of_an_ingest_that_the_same_run_replaces() {
    on_paused_time(async {
        let account = Account::empty().await;
        let stack = Stack::named("default");
        let text = |user: &str, rest: &str| {
            format!(
                "---\napiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: {{ name: studio }}\n\
                 ---\napiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: {{ name: overflow }}\n\
                 ---\napiVersion: ivs-apply.dev/v1\nkind: IngestConfiguration\nmetadata: {{ name: camera }}\n\
                 lifecycle: {{ onLive: interrupt }}\n\
                 spec: {{ ingestProtocol: RTMPS, stage: studio, userId: {user} }}\n{rest}"
            )
        };
        let camera = Address::new(Kind::IngestConfiguration, "camera");
        let policy = Policy { allow_live: [camera].into(), ..Policy::default() };
        let run = async |text: &str| {
            let loaded = load_text("a.yaml", text, None);
            assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
            let (observed, plan) = account.plan(&stack, &loaded.desired, &policy).await;
            (account.apply(&stack, &observed, &plan).await, plan)
        };
        assert!(run(&text("one", "")).await.0.is_well());
        let publish = || {
            let objects = account.control("GET", "/_emulator/objects", Value::Null);
            let mut all = objects["objects"].as_array().expect("a list").iter();
            let ingest = all.find(|it| it["kind"] == "IngestConfiguration").expect("made");
            let body = json!({ "ingestConfigurationArn": ingest["arn"] });
            account.control("POST", "/_emulator/ingests", body);
        };
        publish();
        let guest = "---\napiVersion: ivs-apply.dev/v1\nkind: ParticipantReplication\nmetadata: { name: guest }\n\
                     spec: { sourceStage: studio, destinationStage: overflow, participant: camera }\n";
        let (outcome, plan) = run(&text("two", guest)).await;
        assert!(outcome.is_well(), "{outcome:#?}");
        let step = plan.steps.iter().find(|it| it.address.name == "guest").expect("planned");
        assert_eq!(step.decision.as_str(), "dormant", "{plan:#?}");
        publish();
        let (outcome, plan) = run(&text("two", guest)).await;
        assert!(outcome.is_well(), "{outcome:#?}");
        assert_eq!(plan.summary().create, 1, "{plan:#?}");
    });
}

#[test]
fn a_replication_over_its_quota_fails_at_once() {
    on_paused_time(async {
        let account = Account::empty().await;
        let stack = Stack::named("default");
        let there = host_in_the_studio(&account).await;
        let full = json!({
            "operation": "StartParticipantReplication", "kind": "error",
            "name": "ServiceQuotaExceededException", "nth": 1, "times": 100,
        });
        account.control("POST", "/_emulator/faults", full);
        let text = manifests(&spec(&format!("participantId: {}", there["participantId"])));
        let loaded = load_text("a.yaml", &text, None);
        let (observed, plan) = account.plan(&stack, &loaded.desired, &Policy::default()).await;
        account.calls();
        assert!(!account.apply(&stack, &observed, &plan).await.is_well());
        assert_eq!(account.calls()["StartParticipantReplication"], 1);
    });
}
