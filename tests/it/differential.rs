//! The engine against the simplest thing that could work: delete all, create all. Whatever an account was like
//! before, both end with the same account (`docs/reliability.md` §7, level 3).
//!
//! The simple one shares with the engine how a kind is made and deleted, and none of the planning, ordering,
//! comparing and changing.

use crate::account::{Account, on_paused_time};
use crate::generators::{Piece, pieces, resources, stack};
use crate::laws::{config, everything, settle};
use ivs_apply::aws::Class;
use ivs_apply::cloud::Reading;
use ivs_apply::kinds::spec::named_targets;
use ivs_apply::kinds::{AddressMap, Arn, Desired, Kind, OwnershipTags, Spec, Stack};
use ivs_apply::plan::{Status, plan};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Long enough for whatever is made to be usable, and for whatever is stopped to have ended.
const A_WHILE: Duration = Duration::from_secs(20);

/// Whether it exists on a stage without a publisher.
fn is_wanted(spec: &Spec) -> bool {
    match spec.kind() {
        Kind::Composition => json!(spec)["run"] == "ALWAYS",
        Kind::ParticipantReplication => false,
        _ => true,
    }
}

/// Makes everything, in any order that works.
async fn create_all(account: &Account, stack: &Stack, desired: &[Desired]) {
    let mut addresses = AddressMap::default();
    let mut open: Vec<&Desired> = desired.iter().filter(|it| is_wanted(&it.spec)).collect();
    // A composition without a publisher does not last: those come when all else is there.
    open.sort_by_key(|it| it.address.kind == Kind::Composition);
    while !open.is_empty() {
        let known = addresses.clone();
        let ready =
            |it: &&Desired| named_targets(&it.spec).iter().all(|to| known.arn(to).is_some());
        let (now, later): (Vec<_>, Vec<_>) = open.into_iter().partition(ready);
        assert!(!now.is_empty(), "nothing can be made: {later:#?}");
        let last = later.is_empty();
        for it in now {
            let mut tags = it.spec.clone().tags_mut().cloned().unwrap_or_default();
            let ownership = OwnershipTags {
                stack: stack.name.clone(),
                name: it.address.name.clone(),
                digest: it.spec.digest(&known).expect("its references are known"),
                rotation: it.spec.rotation().map(ToOwned::to_owned),
                ..OwnershipTags::default()
            };
            tags.extend(ownership.tags());
            let made = it.spec.create(&account.aws, &tags, &known).await;
            let made = made.unwrap_or_else(|error| panic!("{}: {error}", it.address));
            addresses.note(it.address.clone(), made.arn);
        }
        if !last {
            tokio::time::sleep(A_WHILE).await;
        }
        open = later;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
}

/// The objects that exist and have not ended: kind, ARN and the object without faults or lag.
fn objects(account: &Account) -> Vec<(Kind, String, Map<String, Value>)> {
    let told = account.control("GET", "/_emulator/objects", Value::Null);
    let all = told["objects"].as_array().expect("a list").iter().map(|it| {
        let kind = it["kind"].as_str().and_then(Kind::named).expect("a kind");
        let object = it["object"].as_object().expect("an object").clone();
        (kind, it["arn"].as_str().expect("an ARN").to_owned(), object)
    });
    all.filter(|(_, _, it)| {
        !matches!(it.get("state").and_then(Value::as_str), Some("STOPPED" | "FAILED"))
    })
    .collect()
}

/// Deletes whatever can be deleted until nothing is left.
async fn delete_all(account: &Account) {
    for _ in 0..10 {
        let left = objects(account);
        if left.is_empty() {
            return;
        }
        for (kind, arn, _) in left {
            if let Err(error) = kind.delete(&account.aws, &Arn::new(arn)).await {
                assert_eq!(error.class, Class::Conflict, "{error}");
            }
        }
        tokio::time::sleep(A_WHILE).await;
    }
    panic!("these stay: {:#?}", objects(account));
}

/// Members that are AWS's own: ids, addresses, times, and what it is doing at the moment.
const ITS_OWN: [&str; 12] = [
    "arn",
    "id",
    "playbackUrl",
    "ingestEndpoint",
    "endpoints",
    "startTime",
    "endTime",
    "participantId",
    "activeSessionId",
    "recordingPrefix",
    // Of an object's references too, so it is another in each account. A plan with nothing to do says that it is right.
    "ivs-apply:record",
    "ivs-apply:stream-key",
];

/// The whole account by address, without values that differ between two equal accounts.
fn told(account: &Account, desired: &[Desired]) -> BTreeMap<String, Vec<Value>> {
    let objects = objects(account);
    let name =
        |it: &Map<String, Value>| it["tags"]["ivs-apply:name"].as_str().map(ToOwned::to_owned);
    let declared: BTreeSet<String> = desired.iter().map(|it| it.address.to_string()).collect();
    let mut addresses: BTreeMap<String, String> = BTreeMap::new();
    for (kind, arn, it) in &objects {
        let address = name(it).map(|it| format!("{kind}/{it}")).filter(|it| declared.contains(it));
        // The key of a channel that no manifest has a key for.
        addresses.insert(arn.clone(), address.unwrap_or_else(|| format!("unowned {kind}")));
    }
    let mut account: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (kind, arn, it) in &objects {
        let mut value = Value::Object(it.clone());
        let address = &addresses[arn];
        if *kind == Kind::StreamKey && !declared.contains(address) {
            value["tags"] = json!({});
        }
        strip(&mut value, &addresses);
        account.entry(address.clone()).or_default().push(value);
    }
    for them in account.values_mut() {
        them.sort_by_key(ToString::to_string);
    }
    account
}

/// Takes out what has no effect beside another member, which the engine does not compare.
fn without_effect(members: &mut Map<String, Value>) {
    let is = |name: &str, value: Value| members.get(name) == Some(&value);
    let mut idle: Vec<&str> = Vec::new();
    if is("enabled", json!(false)) {
        idle.push("durationSeconds");
    }
    if is("recordingMode", json!("DISABLED")) {
        idle.extend(["storage", "resolution", "targetIntervalSeconds"]);
    }
    if members.contains_key("renditionSelection") && !is("renditionSelection", json!("CUSTOM")) {
        idle.push("renditions");
    }
    if is("type", json!("BASIC")) || is("type", json!("STANDARD")) {
        idle.push("preset");
    }
    for name in idle {
        members.shift_remove(name);
    }
    let block = "autoParticipantRecordingConfiguration";
    if members
        .get(block)
        .is_some_and(|it| it["storageConfigurationArn"].as_str().is_none_or(str::is_empty))
    {
        members.shift_remove(block);
    }
}

fn strip(value: &mut Value, addresses: &BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !ITS_OWN.contains(&name.as_str()));
            // Unset, and set to nothing, is the same to AWS.
            members.retain(|_, it| !it.is_null() && *it != json!(""));
            without_effect(members);
            members.values_mut().for_each(|it| strip(it, addresses));
        }
        Value::Array(items) => items.iter_mut().for_each(|it| strip(it, addresses)),
        Value::String(text) => {
            if let Some(address) = addresses.get(text.as_str()) {
                text.clone_from(address);
            }
        }
        _ => {}
    }
}

/// Nothing is left to do, even where every object is read anew.
async fn assert_settled(account: &Account, stack: &Stack, desired: &[Desired], who: &str) {
    let all = Reading { every_kind: true, full: true, strangers: false };
    let observed = account.read(stack, desired, all).await;
    let plan = plan(stack, desired, &observed, &everything(desired, &[]));
    assert_eq!(plan.status(), Status::Clean, "{who}: {:#?}", plan.steps);
}

/// Some pieces, and the same with a knob turned here and there, some gone, and some more.
fn a_world_and_the_next() -> impl Strategy<Value = (Vec<Piece>, Vec<Piece>)> {
    let turn = (any::<proptest::sample::Index>(), 0..9_usize, any::<u8>());
    let turns = proptest::collection::vec(turn, 0..10);
    (pieces(), turns, pieces()).prop_map(|(first, turns, more)| {
        let mut second = first.clone();
        for (at, knob, value) in turns {
            if second.is_empty() {
                break;
            }
            let at = at.index(second.len());
            match second[at].knobs.get_mut(knob) {
                Some(knob) => *knob = value,
                None => drop(second.remove(at)),
            }
        }
        second.extend(more.into_iter().take(3));
        (first, second)
    })
}

/// A tenth of the cases of the other laws: each makes four worlds.
fn fewer() -> ProptestConfig {
    let config = config();
    ProptestConfig { cases: config.cases.div_ceil(10), ..config }
}

proptest! {
    #![proptest_config(fewer())]

    #[test]
    fn changing_a_world_ends_where_deleting_all_and_creating_all_does(
        (first, second) in a_world_and_the_next(),
    ) {
        on_paused_time(async {
            let stack = stack();
            let (first, second) = (resources(&first), resources(&second));
            let simple = Account::empty().await;
            create_all(&simple, &stack, &first).await;
            delete_all(&simple).await;
            create_all(&simple, &stack, &second).await;
            let engine = Account::empty().await;
            settle(&engine, &stack, &first, &everything(&first, &[])).await;
            settle(&engine, &stack, &second, &everything(&second, &first)).await;
            let (is, should) = (told(&engine, &second), told(&simple, &second));
            assert!(is == should, "the engine's account: {is:#?}\nthe model's: {should:#?}");
            assert_settled(&engine, &stack, &second, "the engine").await;
            assert_settled(&simple, &stack, &second, "the simple one").await;
        });
    }
}
