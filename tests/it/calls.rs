//! Performance by counts of calls, never by time.

use crate::account::{Account, on_paused_time};
use crate::left_out::every_case;
use ivs_apply::kinds::{Kind, Stack};
use ivs_apply::manifest::load_text;
use ivs_apply::plan::{Policy, Status};
use serde_json::{Value, json};
use std::fmt::Write;

/// Manifests of so many plain channels.
pub(crate) fn channels(count: usize) -> String {
    let mut text = String::new();
    for index in 0..count {
        let _ = write!(
            text,
            "---\napiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: {{ name: c{index} }}\nspec: {{}}\n"
        );
    }
    text
}

#[test]
fn a_plan_lists_a_hundred_channels_at_a_time_gets_fifty_at_a_time_and_lists_streams_once() {
    on_paused_time(async {
        // The default quota, or a fifth of it.
        let count = if every_case() { 5_000 } else { 1_000 };
        let account = Account::empty().await;
        // How many lists that takes is the size of a page.
        account.answers(json!({ "largestPage": 0 }));
        let stack = Stack::named("big");
        let loaded = load_text("channels.yaml", &channels(count), Some("big"));
        assert!(!loaded.report.has_errors());
        let (observed, plan) = account.plan(&stack, &loaded.desired, &Policy::default()).await;
        let outcome = account.apply(&stack, &observed, &plan).await;
        assert!(outcome.is_well());
        account.calls();
        let (_, plan) = account.plan(&stack, &loaded.desired, &Policy::default()).await;
        assert_eq!(plan.status(), Status::Clean);
        assert_eq!(
            account.calls(),
            json!({ "BatchGetChannel": count / 50, "ListChannels": count / 100, "ListStreams": 1 })
        );
        // Creating is one call each, and the listing that confirms them.
        assert_eq!(observed.listed.into_iter().collect::<Vec<_>>(), [Kind::Channel]);
    });
}

#[test]
fn what_cannot_change_is_not_read_again() {
    on_paused_time(async {
        let account = Account::empty().await;
        let text = include_str!("../../examples/broadcast/broadcast.yaml");
        let loaded = load_text("broadcast.yaml", text, None);
        let (observed, plan) =
            account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
        assert!(account.apply(&loaded.stack, &observed, &plan).await.is_well());
        account.calls();
        let (_, plan) = account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
        assert_eq!(plan.status(), Status::Clean);
        assert_eq!(
            account.calls(),
            json!({
                "BatchGetChannel": 1, "GetStage": 1, "ListChannels": 1, "ListCompositions": 1,
                "ListEncoderConfigurations": 1, "ListRecordingConfigurations": 1, "ListStages": 1,
                "ListStorageConfigurations": 1, "ListStreams": 1,
            })
        );
    });
}

#[test]
fn stream_keys_take_a_call_for_fifty_and_one_each_where_they_may_not_be_read() {
    on_paused_time(async {
        let account = Account::empty().await;
        let stack = Stack::named("keys");
        let mut text = channels(120);
        for index in 0..120 {
            let _ = write!(
                text,
                "---\napiVersion: ivs-apply.dev/v1\nkind: StreamKey\nmetadata: {{ name: k{index} }}\nspec: {{ channel: c{index} }}\n"
            );
        }
        let loaded = load_text("keys.yaml", &text, Some("keys"));
        let (observed, plan) = account.plan(&stack, &loaded.desired, &Policy::default()).await;
        assert!(account.apply(&stack, &observed, &plan).await.is_well());
        let planned = async || {
            account.calls();
            account.plan(&stack, &loaded.desired, &Policy::default()).await.1
        };
        assert_eq!(planned().await.status(), Status::Clean);
        let calls = account.calls();
        assert_eq!(
            (&calls["BatchGetStreamKey"], &calls["ListStreamKeys"]),
            (&json!(3), &json!(null))
        );
        // A key that was deleted outside is missed, and only its channel is asked.
        let objects = account.control("GET", "/_emulator/objects", Value::Null);
        let mut all = objects["objects"].as_array().expect("a list").iter();
        let key = all.find(|it| it["kind"] == "StreamKey").expect("made");
        let request = account.aws.ivs.delete_stream_key().arn(key["arn"].as_str().expect("an ARN"));
        request.send().await.expect("deleted");
        assert_eq!(planned().await.summary().create, 1);
        assert_eq!(account.calls()["ListStreamKeys"], json!(1));
        let denied = json!({
            "operation": "BatchGetStreamKey", "kind": "error", "name": "AccessDeniedException",
        });
        account.control("POST", "/_emulator/faults", denied);
        assert_eq!(planned().await.summary().create, 1);
        assert_eq!(account.calls()["ListStreamKeys"], json!(120));
    });
}
