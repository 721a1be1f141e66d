//! Zero-valued members that the SDK's builders drop must be sent (`docs/service-reference.md` §4): for every field of
//! every kind, the request has the value of the manifest.

use crate::account::{Account, on_paused_time};
use ivs_apply::kinds::spec::difference;
use ivs_apply::kinds::{Kind, Spec};
use serde_json::Value;

/// Pointers to every part of a value that holds no others and is of such a sort.
pub(crate) fn leaves(value: &Value, path: &str, sort: fn(&Value) -> bool, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, it)| leaves(it, &format!("{path}/{key}"), sort, found));
        }
        Value::Array(list) => {
            let parts = list.iter().enumerate();
            parts.for_each(|(at, it)| leaves(it, &format!("{path}/{at}"), sort, found));
        }
        leaf if sort(leaf) => found.push(path.to_owned()),
        _ => {}
    }
}

/// The spec with the leaf at `path` at its zero, if that is still a spec AWS takes.
fn zeroed(kind: Kind, spec: &Spec, path: &str) -> Option<Spec> {
    let mut spec = serde_json::to_value(spec).expect("specs serialise");
    let leaf = spec.pointer_mut(path).expect("a path of this very value");
    *leaf = if leaf.is_boolean() { Value::Bool(false) } else { Value::from(0) };
    let mut spec = kind.from_json(spec)?;
    let mut report = ivs_apply::diag::Report::new();
    let origin = ivs_apply::diag::Origin { source: ivs_apply::diag::SourceId(0), document: 0 };
    spec.check(&mut ivs_apply::kinds::Check::new(origin, &mut report));
    spec.normalise();
    (!report.has_errors()).then_some(spec)
}

#[test]
fn every_field_at_its_zero_value_arrives() {
    let mut tried = Vec::new();
    // Of a relation AWS shows nothing but that it is there; its story is in tests/it/replication.rs.
    for &kind in Kind::ALL.iter().filter(|it| it.facts().arn_type.is_some()) {
        let mut paths = Vec::new();
        for variant in variants(kind) {
            let value = serde_json::to_value(&variant).expect("specs serialise");
            leaves(&value, "", |it| it.is_boolean() || it.is_number(), &mut paths);
            for path in paths.drain(..) {
                let Some(spec) = zeroed(kind, &variant, &path) else { continue };
                tried.push(format!("{kind}{path}"));
                on_paused_time(arrives(spec, &path));
            }
        }
    }
    // The members that the crates' own serialisers drop when they are zero.
    for dropped in [
        "Channel/multitrackInputConfiguration/enabled",
        "Composition/layout/grid/gridGap",
        "Composition/layout/grid/omitStoppedVideo",
        "Composition/layout/pip/gridGap",
        "Composition/layout/pip/pipOffset",
        "Composition/layout/pip/omitStoppedVideo",
        "Stage/autoParticipantRecordingConfiguration/recordingReconnectWindowSeconds",
        "Stage/autoParticipantRecordingConfiguration/recordParticipantReplicas",
        "RecordingConfiguration/recordingReconnectWindowSeconds",
    ] {
        assert!(tried.iter().any(|it| it == dropped), "{dropped} was not tried: {tried:#?}");
    }
}

/// The example of a kind, and what else it takes to reach every field.
fn variants(kind: Kind) -> Vec<Spec> {
    let example = kind.example();
    let mut variants = kind.examples();
    let mut spec = serde_json::to_value(&example).expect("specs serialise");
    if let Some(layout) = spec.pointer_mut("/layout") {
        *layout = serde_json::json!({ "grid": { "gridGap": 4, "omitStoppedVideo": true } });
        variants.extend(kind.from_json(spec.clone()));
    }
    if spec.pointer("/multitrackInputConfiguration").is_some() {
        spec["type"] = "STANDARD".into();
        spec.as_object_mut().expect("a map").remove("preset");
        spec["multitrackInputConfiguration"]["enabled"] = true.into();
        variants.extend(kind.from_json(spec));
    }
    variants
}

/// Creates what the body refers to, then the body, and reads it back with nothing assumed; and once more
/// by an update of an object that has the opposite, where the kind has updates.
async fn arrives(spec: Spec, path: &str) {
    use ivs_apply::kinds::spec::named_targets;
    use ivs_apply::kinds::{AddressMap, Mutable};
    let account = Account::empty().await;
    let mut addresses = AddressMap::default();
    let mut open = named_targets(&spec);
    let mut order = Vec::new();
    while let Some(address) = open.pop() {
        if order.contains(&address) {
            continue;
        }
        open.extend(named_targets(&plain(address.kind)));
        order.push(address);
    }
    for address in order.iter().rev() {
        if addresses.arn(address).is_none() {
            make(&account, &mut addresses, address, plain(address.kind)).await;
        }
    }
    let tags = std::collections::BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let made = spec
        .create(&account.aws, &tags, &addresses)
        .await
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    let arns = [made.arn.clone()];
    let read = spec
        .kind()
        .get(&account.aws, &arns, &addresses)
        .await
        .expect("readable")
        .pop()
        .expect("there");
    assert_same(&spec, read.spec, path);
    if spec.kind().facts().mutable != Mutable::TagsOnly {
        let opposite = spec.kind().example();
        let changes = difference(&spec, &opposite, &[]);
        let other = opposite.update(&account.aws, &made.arn, &changes, &addresses).await;
        if other.is_ok() {
            let changes = difference(&opposite, &spec, &[]);
            spec.update(&account.aws, &made.arn, &changes, &addresses)
                .await
                .unwrap_or_else(|error| panic!("{path}: {error}"));
            let read =
                spec.kind().get(&account.aws, &arns, &addresses).await.expect("readable").pop();
            assert_same(&spec, read.expect("there").spec, path);
        }
    }
}

fn assert_same(wanted: &Spec, read: Option<Spec>, path: &str) {
    let mut read = read.expect("read whole");
    if let (Some(tags), Some(wanted)) = (read.tags_mut(), wanted.clone().tags_mut()) {
        tags.clone_from(wanted);
    }
    read.taken_over(wanted);
    read.copy_write_only(wanted);
    assert_eq!(difference(wanted, &read, &[]), [], "{path}");
}

/// The example of a kind without what needs more objects.
fn plain(kind: Kind) -> Spec {
    let mut spec = serde_json::to_value(kind.example()).expect("specs serialise");
    let map = spec.as_object_mut().expect("specs are maps");
    for field in [
        "recordingConfiguration",
        "playbackRestrictionPolicy",
        "failoverSlateConfiguration",
        "autoParticipantRecordingConfiguration",
    ] {
        map.remove(field);
    }
    let mut spec = kind.from_json(spec).expect("still a spec");
    spec.normalise();
    spec
}

async fn make(
    account: &Account,
    addresses: &mut ivs_apply::kinds::AddressMap,
    address: &ivs_apply::kinds::Address,
    spec: Spec,
) {
    let made = spec.create(&account.aws, &std::collections::BTreeMap::new(), addresses).await;
    let made = made.unwrap_or_else(|error| panic!("{address}: {error}"));
    addresses.note(address.clone(), made.arn);
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
}
