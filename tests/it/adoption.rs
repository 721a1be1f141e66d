//! Objects that were there before: taken over without being touched, or refused by name.

use crate::account::{Account, on_paused_time, settings};
use ivs_apply::aws::{Sorted, Tags};
use ivs_apply::cloud::Reading;
use ivs_apply::emulator::{Clock, Settings, Switches};
use ivs_apply::kinds::Stack;
use ivs_apply::manifest::{export, load_text, write};
use ivs_apply::plan::{Action, Decision, Plan, Policy, Status};
use ivs_apply::ui::reason;
use std::collections::BTreeMap;

const HEAD: &str = "---\napiVersion: ivs-apply.dev/v1\n";

/// A channel made by hand.
async fn by_hand(account: &Account, tags: &[(&str, &str)]) -> String {
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let made = account.aws.ivs.create_channel().set_tags(Some(tags)).send().await;
    let channel = made.sorted("CreateChannel").expect("made").channel.expect("answered");
    channel.arn.expect("answered")
}

async fn planned(account: &Account, stack: &Stack, text: &str) -> Plan {
    let loaded = load_text("adopt.yaml", text, Some(&stack.name));
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    account.plan(stack, &loaded.desired, &Policy::default()).await.1
}

async fn applied(account: &Account, stack: &Stack, text: &str) {
    let loaded = load_text("adopt.yaml", text, Some(&stack.name));
    let (observed, plan) = account.plan(stack, &loaded.desired, &Policy::default()).await;
    let outcome = account.apply(stack, &observed, &plan).await;
    assert!(outcome.is_well(), "{outcome:#?}");
    let again = planned(account, stack, text).await;
    assert_eq!(again.status(), Status::Clean, "{:#?}", again.steps);
}

#[test]
fn a_reference_by_arn_is_the_same_reference_once_its_target_is_adopted() {
    on_paused_time(async {
        let (account, stack) = (Account::empty().await, Stack::named("adopt"));
        let arn = by_hand(&account, &[]).await;
        let key = format!(
            "{HEAD}kind: StreamKey\nmetadata: {{ name: k }}\nspec: {{ channel: \"{arn}\" }}\n"
        );
        applied(&account, &stack, &key).await;
        let channel = format!(
            "{HEAD}kind: Channel\nmetadata: {{ name: c }}\nspec: {{ name: \"\" }}\nlifecycle: {{ adopt: \"{arn}\" }}\n"
        );
        let both = format!("{key}{channel}");
        let plan = planned(&account, &stack, &both).await;
        let actions: Vec<_> =
            plan.steps.iter().map(|it| (it.address.to_string(), it.action)).collect();
        assert_eq!(actions, [("Channel/c".to_owned(), Action::Adopt)]);
        account.calls();
        applied(&account, &stack, &both).await;
        assert_eq!(account.calls()["DeleteStreamKey"], serde_json::Value::Null);
    });
}

#[test]
fn an_exported_and_applied_object_keeps_its_tags_and_the_next_plan_is_empty() {
    on_paused_time(async {
        let (account, stack) = (Account::empty().await, Stack::named("export"));
        let first = by_hand(&account, &[("team", "sports"), ("cost:x", "1")]).await;
        by_hand(&account, &[]).await;
        let reading = Reading { every_kind: true, full: true, strangers: true };
        let observed = account.read(&stack, &[], reading).await;
        let (addresses, left_out) = export::names(&observed);
        assert!(left_out.is_empty(), "{left_out:?}");
        let text: String = export::declare(observed.others.values(), &addresses, &stack)
            .iter()
            .map(write::manifest)
            .collect();
        let plan = planned(&account, &stack, &text).await;
        assert_eq!(plan.summary().adopt, 2, "{:#?}", plan.steps);
        assert!(plan.steps.iter().all(|it| it.fields.is_empty()), "{:#?}", plan.steps);
        applied(&account, &stack, &text).await;
        let tags =
            account.aws.tags_of(ivs_apply::aws::Service::LowLatency, &first).await.expect("there");
        assert_eq!((tags["team"].as_str(), tags["cost:x"].as_str()), ("sports", "1"));
    });
}

#[test]
fn an_object_that_cannot_be_adopted_is_refused_by_name_and_no_second_one_is_created() {
    on_paused_time(async {
        let (account, stack) = (Account::empty().await, Stack::named("adopt"));
        let manifest = |arn: &str| {
            format!(
                "{HEAD}kind: Channel\nmetadata: {{ name: c }}\nspec: {{}}\nlifecycle: {{ adopt: \"{arn}\" }}\n"
            )
        };
        let nowhere = "arn:aws:ivs:us-west-2:000000000000:channel/AAAAAAAAAAAA";
        let ownership = |stack: &str| -> Tags {
            ["stack", "name", "digest"]
                .map(|it| (format!("ivs-apply:{it}"), stack.to_owned()))
                .into()
        };
        let foreign = by_hand(
            &account,
            &ownership("other")
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect::<Vec<_>>(),
        )
        .await;
        for (arn, why) in
            [(nowhere, "does not exist and cannot be adopted"), (foreign.as_str(), "stack `other`")]
        {
            let plan = planned(&account, &stack, &manifest(arn)).await;
            assert_eq!(plan.status(), Status::Blocked, "{:#?}", plan.steps);
            let reason = reason::text(plan.steps[0].decision.reason().expect("a reason"));
            assert!(reason.contains(why), "{reason}");
        }
    });
}

#[test]
fn an_object_with_some_of_the_ownership_tags_blocks_the_resource_that_it_may_be() {
    on_paused_time(async {
        let (account, stack) = (Account::empty().await, Stack::named("adopt"));
        let text = format!("{HEAD}kind: Channel\nmetadata: {{ name: c }}\nspec: {{}}\n");
        applied(&account, &stack, &text).await;
        let loaded = load_text("adopt.yaml", &text, Some("adopt"));
        let (observed, _) = account.plan(&stack, &loaded.desired, &Policy::default()).await;
        let arn = &observed.owned[&loaded.desired[0].address].arn;
        let name = ["ivs-apply:name".to_owned()];
        let service = ivs_apply::aws::Service::LowLatency;
        account.aws.untag(service, arn.as_str(), &name).await.expect("untagged");
        let held = async |text: &str| {
            let plan = planned(&account, &stack, text).await;
            assert_eq!(plan.status(), Status::Blocked, "{:#?}", plan.steps);
            let reason = plan.steps[0].decision.reason().expect("a reason");
            assert!(reason::text(reason).contains(arn.as_str()), "{reason:?}");
        };
        held(&text).await;
        let tags = [("ivs-apply:name".to_owned(), "c".to_owned())].into();
        account.aws.tag(service, arn.as_str(), &tags).await.expect("tagged");
        let digest = ["ivs-apply:record".to_owned()];
        account.aws.untag(service, arn.as_str(), &digest).await.expect("untagged");
        held(&text).await;
        held(&text.replace("name: c", "name: d, previousNames: [c]")).await;
        // Also where its manifest still says which object it adopted; and it is drift.
        let adopting = format!("{text}lifecycle: {{ adopt: \"{arn}\" }}\n");
        held(&adopting).await;
        let mut plan = planned(&account, &stack, &adopting).await;
        plan.keep_drift(&BTreeMap::new(), true);
        assert_eq!(plan.steps.len(), 1, "{plan:#?}");
    });
}

#[test]
fn a_copy_of_the_ownership_tags_without_the_attempt_does_not_replace_the_owned_object() {
    on_paused_time(async {
        let (account, stack) = (Account::empty().await, Stack::named("hand"));
        let text = format!("{HEAD}kind: Channel\nmetadata: {{ name: main }}\nspec: {{}}\n");
        applied(&account, &stack, &text).await;
        let all = ivs_apply::kinds::Kind::Channel
            .list(&account.aws, &ivs_apply::kinds::Scope::default())
            .await
            .expect("listed");
        let tags: Vec<(&str, &str)> = all[0]
            .tags
            .iter()
            .map(|(key, value)| (key.as_str(), value.split(" op=").next().unwrap_or_default()))
            .collect();
        by_hand(&account, &tags).await;
        account.control("POST", "/_emulator/clock", serde_json::json!({ "advanceSeconds": 3600 }));
        let plan = planned(&account, &stack, &text).await;
        assert_eq!(plan.status(), Status::Blocked, "{plan:#?}");
    });
}

/// The first of the two may be the copy, so the plan must not announce the deletion of the other one.
#[test]
fn no_delete_is_announced_for_two_objects_that_cannot_be_told_apart() {
    on_paused_time(async {
        // Their ids decide which one comes first.
        for seed in 0..8 {
            let settings = Settings { clock: Clock::Tokio, seed, ..settings() };
            let (account, stack) = (Account::with(settings).await, Stack::named("hand"));
            let text = format!("{HEAD}kind: Channel\nmetadata: {{ name: main }}\nspec: {{}}\n");
            applied(&account, &stack, &text).await;
            let listed = account.aws.ivs.list_channels().send().await.sorted("ListChannels");
            let first = listed.expect("listed").channels.remove(0);
            let copy = account.aws.ivs.create_channel().authorized(true);
            copy.set_tags(first.tags).send().await.sorted("CreateChannel").expect("made");
            for _ in 0..2 {
                let plan = planned(&account, &stack, &text).await;
                let may: Vec<_> = plan
                    .steps
                    .iter()
                    .filter(|it| !matches!(it.decision, Decision::Blocked(_)))
                    .collect();
                assert!(may.is_empty(), "{may:#?}");
                let hour = serde_json::json!({ "advanceSeconds": 3600 });
                account.control("POST", "/_emulator/clock", hour);
            }
        }
    });
}

/// The first one may be the copy, which another tool may own.
#[test]
fn two_objects_that_cannot_be_told_apart_are_neither_pruned_nor_destroyed() {
    on_paused_time(async {
        for seed in 0..8 {
            let settings = Settings { clock: Clock::Tokio, seed, ..settings() };
            let (account, stack) = (Account::with(settings).await, Stack::named("hand"));
            let stage = format!("{HEAD}kind: Stage\nmetadata: {{ name: s }}\nspec: {{}}\n");
            let channel = format!("{HEAD}kind: Channel\nmetadata: {{ name: main }}\nspec: {{}}\n");
            applied(&account, &stack, &format!("{stage}{channel}")).await;
            let listed = account.aws.ivs.list_channels().send().await.sorted("ListChannels");
            let first = listed.expect("listed").channels.remove(0);
            let copy = account.aws.ivs.create_channel().authorized(true);
            copy.set_tags(first.tags).send().await.sorted("CreateChannel").expect("made");
            let hour = serde_json::json!({ "advanceSeconds": 3600 });
            account.control("POST", "/_emulator/clock", hour);
            let loaded = load_text("adopt.yaml", &stage, Some(&stack.name));
            for destroy in [false, true] {
                let policy = Policy { prune: !destroy, destroy, ..Policy::default() };
                let (_, plan) = account.plan(&stack, &loaded.desired, &policy).await;
                let channels: Vec<_> = plan
                    .steps
                    .iter()
                    .filter(|it| it.address.kind == ivs_apply::kinds::Kind::Channel)
                    .collect();
                assert_eq!(channels.len(), 2, "{channels:#?}");
                for it in channels {
                    assert!(matches!(it.decision, Decision::Blocked(_)), "{seed}: {it:#?}");
                }
            }
        }
    });
}

#[test]
fn a_key_that_aws_tagged_like_its_channel_is_taken_over_in_the_same_run_and_in_a_later_one() {
    let switches = Switches { stream_key_copies_tags: true, ..Switches::default() };
    let settings = Settings { clock: Clock::Tokio, switches, ..Settings::default() };
    for name in ["main", "other"] {
        for later in [false, true] {
            on_paused_time(async {
                let stack = Stack::named("copied");
                let account = Account::with(settings.clone()).await;
                let channel = format!(
                    "{HEAD}kind: Channel\nmetadata: {{ name: main }}\nspec: {{ tags: {{ tier: gold }} }}\n\
                     lifecycle: {{ protect: true }}\n"
                );
                let key = format!(
                    "{HEAD}kind: StreamKey\nmetadata: {{ name: {name} }}\n\
                     spec: {{ channel: main, rotation: first, tags: {{ team: a }} }}\n"
                );
                if later {
                    applied(&account, &stack, &channel).await;
                }
                let channels = account.aws.ivs.list_channels().send().await.expect("listed");
                let before = match channels.channels.first().and_then(|it| it.arn.clone()) {
                    Some(channel) => Some(key_of(&account, &channel).await.0),
                    None => None,
                };
                applied(&account, &stack, &format!("{channel}{key}")).await;
                let channels = account.aws.ivs.list_channels().send().await.expect("listed");
                let channel = channels.channels[0].arn.clone().expect("an ARN");
                let (arn, tags) = key_of(&account, &channel).await;
                assert!(before.is_none_or(|it| it == arn), "it was made anew");
                assert_eq!(tags.get("ivs-apply:name").map(String::as_str), Some(name));
                assert_eq!(tags.get("team").map(String::as_str), Some("a"));
                for foreign in ["tier", "ivs-apply:protect"] {
                    assert!(!tags.contains_key(foreign), "{tags:#?}");
                }
            });
        }
    }
}

/// The only key of a channel, with its tags.
async fn key_of(account: &Account, channel: &str) -> (String, Tags) {
    let keys = account.aws.ivs.list_stream_keys().channel_arn(channel).send().await;
    let key = keys.sorted("ListStreamKeys").expect("listed").stream_keys.remove(0);
    (key.arn.expect("an ARN"), key.tags.unwrap_or_default().into_iter().collect())
}
