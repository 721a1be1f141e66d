//! Protection: a tag on the live object, which outlives its manifest, holds whatever would take the object
//! along, and is lifted by a step of its own.

use crate::account::{Account, on_paused_time};
use ivs_apply::kinds::{Kind, Observed, Scope, Stack};
use ivs_apply::manifest::load_text;
use ivs_apply::plan::{Action, Cause, Plan, Policy, Status};
use serde_json::json;

fn manifest(kind: &str, name: &str, spec: &str, rest: &str) -> String {
    format!(
        "---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n{rest}"
    )
}

const PROTECT: &str = "lifecycle: { protect: true }\n";

fn prune() -> Policy {
    Policy { prune: true, ..Policy::default() }
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
    assert_ne!(plan.status(), Status::Blocked, "{plan:#?}");
    let outcome = account.apply(&stack, &observed, &plan).await;
    assert!(outcome.is_well(), "{outcome:#?}");
}

async fn all(account: &Account, kind: Kind) -> Vec<Observed> {
    kind.list(&account.aws, &Scope::default()).await.expect("listed")
}

#[test]
fn a_protected_stream_key_keeps_its_channel_after_both_manifests_are_gone() {
    on_paused_time(async {
        let account = Account::empty().await;
        let stage = manifest("Stage", "studio", "{}", "");
        let channel = manifest("Channel", "main", "{}", "");
        let key = |rest: &str| manifest("StreamKey", "main", "{ channel: main }", rest);
        applied(&account, &format!("{stage}{channel}{}", key(PROTECT)), &prune()).await;
        assert_eq!(planned(&account, &stage, &prune()).await.status(), Status::Blocked);
        let destroy = Policy { destroy: true, ..Policy::default() };
        assert_eq!(planned(&account, &stage, &destroy).await.status(), Status::Blocked);
        applied(&account, &format!("{stage}{channel}{}", key("")), &prune()).await;
        applied(&account, &stage, &prune()).await;
        assert!(all(&account, Kind::Channel).await.is_empty());
    });
}

#[test]
fn a_channel_stays_while_a_manifest_wants_its_stream_key() {
    on_paused_time(async {
        let account = Account::empty().await;
        let channel = manifest("Channel", "main", "{}", "");
        let key = manifest("StreamKey", "main", "{ channel: main }", "");
        applied(&account, &format!("{channel}{key}"), &prune()).await;
        let arn = all(&account, Kind::Channel).await[0].arn.clone();
        let by_arn = manifest("StreamKey", "main", &format!("{{ channel: {arn:?} }}"), "");
        let by_arn = by_arn.replace("Arn(", "").replace(')', "");
        let plan = planned(&account, &by_arn, &prune()).await;
        assert_eq!((plan.deletes(), plan.summary().deferred), (0, 1), "{plan:#?}");
    });
}

#[test]
fn a_protected_composition_that_is_to_stop_loses_its_protection_first() {
    on_paused_time(async {
        let account = Account::empty().await;
        let ground = format!(
            "{}{}",
            manifest("Stage", "studio", "{}", ""),
            manifest("Channel", "main", "{}", "")
        );
        let show = |run: &str, protect: bool| {
            let spec = format!(
                "{{ stage: studio, run: {run}, destinations: [{{ channel: {{ channel: main }} }}] }}"
            );
            let rest = format!("lifecycle: {{ protect: {protect}, onLive: interrupt }}\n");
            format!("{ground}{}", manifest("Composition", "show", &spec, &rest))
        };
        let consent = |text: &str| Policy {
            allow_live: load_text("a.yaml", text, None)
                .desired
                .iter()
                .map(|it| it.address.clone())
                .collect(),
            ..Policy::default()
        };
        let (runs, stops) = (show("ALWAYS", true), show("STOPPED", false));
        applied(&account, &runs, &consent(&runs)).await;
        for _ in 0..2 {
            applied(&account, &stops, &consent(&stops)).await;
        }
        assert_eq!(planned(&account, &stops, &consent(&stops)).await.status(), Status::Clean);
    });
}

#[test]
fn removed_protection_is_drift_and_new_protection_is_not() {
    on_paused_time(async {
        let account = Account::empty().await;
        let plain = manifest("Channel", "main", "{}", "");
        let kept = manifest("Channel", "main", "{}", PROTECT);
        applied(&account, &plain, &prune()).await;
        let why = async |text: &str| {
            let plan = planned(&account, text, &prune()).await;
            let [step] = plan.steps.as_slice() else { panic!("{plan:#?}") };
            assert_eq!(step.action, Action::Retag);
            step.because.clone()
        };
        assert_eq!(why(&kept).await, [Cause::Pending]);
        applied(&account, &kept, &prune()).await;
        let arn = all(&account, Kind::Channel).await[0].arn.clone();
        let off = account.aws.ivs.untag_resource().resource_arn(arn.as_str());
        off.tag_keys("ivs-apply:protect").send().await.expect("untagged");
        assert_eq!(why(&kept).await, [Cause::Drift]);
        applied(&account, &kept, &prune()).await;
        assert_eq!(why(&plain).await, [Cause::Pending]);
        assert_eq!(json!(planned(&account, &kept, &prune()).await.status()), json!("clean"));
    });
}

#[test]
fn what_its_manifest_protects_is_neither_destroyed_nor_replaced_though_the_tag_was_taken_off() {
    on_paused_time(async {
        let account = Account::empty().await;
        let recording = |bucket: &str| {
            let spec =
                format!("{{ destinationConfiguration: {{ s3: {{ bucketName: {bucket} }} }} }}");
            manifest("RecordingConfiguration", "archive", &spec, PROTECT)
        };
        applied(&account, &recording("bucket-a"), &prune()).await;
        let arn = all(&account, Kind::RecordingConfiguration).await[0].arn.clone();
        let off = account.aws.ivs.untag_resource().resource_arn(arn.as_str());
        off.tag_keys("ivs-apply:protect").send().await.expect("untagged");
        let destroy = Policy { destroy: true, ..Policy::default() };
        assert_eq!(
            planned(&account, &recording("bucket-a"), &destroy).await.status(),
            Status::Blocked
        );
        assert_eq!(
            planned(&account, &recording("bucket-b"), &prune()).await.status(),
            Status::Blocked
        );
        applied(&account, &recording("bucket-a"), &prune()).await;
        assert_eq!(
            planned(&account, &recording("bucket-a"), &prune()).await.status(),
            Status::Clean
        );
    });
}

#[test]
fn a_protected_stream_key_keeps_its_channel_though_the_note_on_the_channel_was_removed() {
    on_paused_time(async {
        let account = Account::empty().await;
        let stage = manifest("Stage", "studio", "{}", "");
        let channel = manifest("Channel", "main", "{}", "");
        let key = manifest("StreamKey", "main", "{ channel: main }", PROTECT);
        applied(&account, &format!("{stage}{channel}{key}"), &prune()).await;
        let arn = all(&account, Kind::Channel).await[0].arn.clone();
        let untag = account.aws.ivs.untag_resource().resource_arn(arn.as_str());
        untag.tag_keys("ivs-apply:stream-key").send().await.expect("untagged");
        let plan = planned(&account, &stage, &prune()).await;
        assert_eq!(plan.status(), Status::Blocked, "{plan:#?}");
        let destroy = Policy { destroy: true, ..Policy::default() };
        let plan = planned(&account, &stage, &destroy).await;
        assert_eq!(plan.status(), Status::Blocked, "{plan:#?}");
    });
}

#[test]
fn a_stream_key_has_no_tag_of_a_stack_where_its_channel_does_not_note_it() {
    on_paused_time(async {
        let account = Account::empty().await;
        let channel = manifest("Channel", "main", "{}", "");
        let key = manifest("StreamKey", "encoder", "{ channel: main }", PROTECT);
        applied(&account, &channel, &prune()).await;
        let arn = all(&account, Kind::Channel).await[0].arn.clone();
        // As AWS may refuse a tag of a channel that is live.
        let refused = json!({
            "operation": "TagResource", "kind": "error", "name": "ValidationException",
            "nth": 1, "times": 3,
        });
        account.control("POST", "/_emulator/faults", refused);
        let stack = Stack::named("default");
        let loaded = load_text("a.yaml", &format!("{channel}{key}"), None);
        let (observed, plan) = account.plan(&stack, &loaded.desired, &prune()).await;
        let outcome = account.apply(&stack, &observed, &plan).await;
        assert!(!outcome.is_well(), "{outcome:#?}");
        let keys = account.aws.ivs.list_stream_keys().channel_arn(arn.as_str()).send().await;
        let keys = keys.expect("listed").stream_keys;
        let name = keys[0].tags.as_ref().and_then(|it| it.get("ivs-apply:name"));
        assert_ne!(name.map(String::as_str), Some("encoder"), "{keys:?}");
    });
}

#[test]
fn a_stream_key_that_is_protected_after_the_plan_was_made_keeps_its_channel() {
    on_paused_time(async {
        let account = Account::empty().await;
        let stack = Stack::named("default");
        let stage = manifest("Stage", "studio", "{}", "");
        let channel = manifest("Channel", "main", "{}", "");
        let key = |rest: &str| manifest("StreamKey", "main", "{ channel: main }", rest);
        applied(&account, &format!("{stage}{channel}{}", key("")), &prune()).await;
        let loaded = load_text("a.yaml", &stage, None);
        let (observed, plan) = account.plan(&stack, &loaded.desired, &prune()).await;
        assert_eq!(plan.deletes(), 1, "{plan:#?}");
        applied(&account, &format!("{stage}{channel}{}", key(PROTECT)), &prune()).await;
        let outcome = account.apply(&stack, &observed, &plan).await;
        assert!(!outcome.is_well(), "{outcome:#?}");
        assert_eq!(all(&account, Kind::Channel).await.len(), 1);
    });
}
