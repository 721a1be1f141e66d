//! Zero-valued members that the SDK's builders drop must arrive (`docs/service-reference.md` §4): for every field of
//! every kind, what is sent is what is wanted.

use crate::account::{Account, on_paused_time};
use ivs_apply::kinds::spec::difference;
use ivs_apply::kinds::{Body, Kind};
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
fn zeroed(kind: Kind, body: &Body, path: &str) -> Option<Body> {
    let mut spec = serde_json::to_value(body).expect("specs serialise");
    let leaf = spec.pointer_mut(path).expect("a path of this very value");
    *leaf = if leaf.is_boolean() { Value::Bool(false) } else { Value::from(0) };
    let mut body = kind.from_json(spec)?;
    let mut report = ivs_apply::diag::Report::new();
    let origin = ivs_apply::diag::Origin { source: ivs_apply::diag::SourceId(0), document: 0 };
    body.check(&mut ivs_apply::kinds::Check::new(origin, &mut report));
    body.normalise();
    (!report.has_errors()).then_some(body)
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
                let Some(body) = zeroed(kind, &variant, &path) else { continue };
                tried.push(format!("{kind}{path}"));
                on_paused_time(arrives(body, &path));
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
fn variants(kind: Kind) -> Vec<Body> {
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
async fn arrives(body: Body, path: &str) {
    use ivs_apply::kinds::spec::named_targets;
    use ivs_apply::kinds::{Book, Mutable};
    let account = Account::empty().await;
    let mut book = Book::default();
    let mut open = named_targets(&body);
    let mut order = Vec::new();
    while let Some(address) = open.pop() {
        if order.contains(&address) {
            continue;
        }
        open.extend(named_targets(&plain(address.kind)));
        order.push(address);
    }
    for address in order.iter().rev() {
        if book.arn(address).is_none() {
            make(&account, &mut book, address, plain(address.kind)).await;
        }
    }
    let tags = std::collections::BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let made = body
        .create(&account.aws, &tags, &book)
        .await
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    let arns = [made.arn.clone()];
    let read =
        body.kind().get(&account.aws, &arns, &book).await.expect("readable").pop().expect("there");
    assert_same(&body, read.body, path);
    if body.kind().facts().mutable != Mutable::TagsOnly {
        let opposite = body.kind().example();
        let changes = difference(&body, &opposite, &[]);
        let other = opposite.update(&account.aws, &made.arn, &changes, &book).await;
        if other.is_ok() {
            let changes = difference(&opposite, &body, &[]);
            body.update(&account.aws, &made.arn, &changes, &book)
                .await
                .unwrap_or_else(|error| panic!("{path}: {error}"));
            let read = body.kind().get(&account.aws, &arns, &book).await.expect("readable").pop();
            assert_same(&body, read.expect("there").body, path);
        }
    }
}

fn assert_same(wanted: &Body, read: Option<Body>, path: &str) {
    let mut read = read.expect("read whole");
    if let (Some(tags), Some(wanted)) = (read.tags_mut(), wanted.clone().tags_mut()) {
        tags.clone_from(wanted);
    }
    read.taken_over(wanted);
    read.unseen(wanted);
    assert_eq!(difference(wanted, &read, &[]), [], "{path}");
}

/// The example of a kind without what needs more objects.
fn plain(kind: Kind) -> Body {
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
    let mut body = kind.from_json(spec).expect("still a spec");
    body.normalise();
    body
}

async fn make(
    account: &Account,
    book: &mut ivs_apply::kinds::Book,
    address: &ivs_apply::kinds::Address,
    body: Body,
) {
    let made = body.create(&account.aws, &std::collections::BTreeMap::new(), book).await;
    let made = made.unwrap_or_else(|error| panic!("{address}: {error}"));
    book.note(address.clone(), made.arn);
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
}
