//! Each step that wrote says by which request, so that AWS's support can be asked about it.

use crate::binary::run;
use crate::killed::{MANIFESTS, Stage};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Applies, and says of each step: its address, its status, and the event in the account's history that its
/// request id stands for.
fn applied(stage: &Stage, words: &str) -> Vec<(String, String, Option<Value>)> {
    let ran = run(&mut stage.command(&format!("apply --yes --format json {words}")));
    let told: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    let history = stage.control("GET", "history", &Value::Null);
    let events = history["events"].as_array().expect("a list");
    // An operation that makes two things is one request and two events: the first is what was asked for.
    let mut by_id: BTreeMap<&str, &Value> = BTreeMap::new();
    for event in events {
        by_id.entry(event["requestId"].as_str().expect("an id")).or_insert(event);
    }
    let steps = told["steps"].as_array().expect("steps");
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let of = |step: &Value| {
        let id = step["requestId"].as_str().unwrap_or_else(|| panic!("{step:#}\n{}", ran.stderr));
        let event = by_id.get(id).map(|it| (*it).clone());
        if let (Some(event), Some(arn)) = (&event, step["arn"].as_str()) {
            let others = steps.iter().filter(|it| it["id"] != step["id"]);
            let others: Vec<&Value> = others.map(|it| &it["requestId"]).collect();
            // These are remembered by what they belong to.
            let kind = step["kind"].as_str();
            let elsewhere = matches!(kind, Some("StreamKey" | "ParticipantReplication"));
            assert!(elsewhere || event["arn"] == arn, "{step:#} {event:#}");
            // The note of its key on a channel is a write of the step of the key, whose last write is on the key.
            let is_note = |it: &Value| {
                step["kind"] == "Channel"
                    && step["action"] == "create"
                    && it["operation"] == "TagResource"
            };
            let mut own = events.iter().filter(|it| it["arn"] == event["arn"] && !is_note(it));
            let last = own.rfind(|it| !others.contains(&&it["requestId"]));
            let last = last.unwrap_or(event);
            assert_eq!(last["requestId"], id, "{step:#} {last:#}");
        }
        (text(&step["address"]), text(&step["status"]), event)
    };
    steps.iter().map(of).collect()
}

#[test]
fn each_done_step_reports_the_request_id_of_its_last_write() {
    let stage = Stage::new(&[]);
    let assert_operations = |words: &str, expected: &dyn Fn(&str) -> String| -> BTreeSet<String> {
        let steps = applied(&stage, words);
        for (address, status, event) in &steps {
            assert_eq!(status, "done", "{address}");
            let event = event.as_ref().unwrap_or_else(|| panic!("{address}: no such request"));
            let kind = address.split('/').next().expect("a kind");
            assert_eq!(event["operation"], expected(kind), "{address}");
        }
        steps.into_iter().map(|it| it.0).collect()
    };
    let made = assert_operations("", &|kind| match kind {
        "PublicKey" => "ImportPublicKey".to_owned(),
        "StreamKey" => "TagResource".to_owned(),
        kind => format!("Create{kind}"),
    });
    assert_eq!(made.len(), 12);

    let changed =
        MANIFESTS.replace("spec: { failoverSlate", "spec: { latencyMode: NORMAL, failoverSlate");
    let changed = changed.replace("allowedCountries: [CH]", "allowedCountries: [NO]");
    stage.place.write("all.yaml", &changed);
    // The digest comes after the spec.
    let retagged = assert_operations("", &|_| "TagResource".to_owned());
    assert!(retagged.contains("PlaybackRestrictionPolicy/home"), "{retagged:?}");

    let kept = changed.split("\n---").take(4).collect::<Vec<_>>().join("\n---");
    stage.place.write("all.yaml", &kept);
    assert_operations("--prune --confirm-deletes 8", &|kind| format!("Delete{kind}"));
}

#[test]
fn the_other_kinds_tell_it_as_well() {
    let stage = Stage::new(&[]);
    stage.before_the_show();
    let steps = applied(&stage, "");
    let told: BTreeMap<&str, &Value> = steps
        .iter()
        .map(|(address, _, event)| (address.as_str(), &event.as_ref().expect(address)["operation"]))
        .collect();
    let expected = [
        ("Composition/show", json!("StartComposition")),
        ("ParticipantReplication/camera", json!("StartParticipantReplication")),
        ("PlaybackKeyPair/viewers", json!("ImportPlaybackKeyPair")),
    ];
    assert_eq!(told, expected.iter().map(|(address, it)| (*address, it)).collect());
}

#[test]
fn a_refused_step_reports_the_id_of_the_refused_request() {
    let stage = Stage::new(&[]);
    let denied =
        json!({ "kind": "error", "name": "AccessDeniedException", "operation": "CreateStage" });
    stage.control("POST", "faults", &denied);
    let ran = run(&mut stage.command("apply --yes --format json"));
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let told: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let steps = told["steps"].as_array().expect("steps");
    let refused = steps.iter().find(|it| it["status"] == "failed").expect("one failed");
    let id = refused["requestId"].as_str().expect("an id");
    assert!(refused["error"].as_str().is_some_and(|it| it.contains(id)), "{refused:#}");
    let skipped = steps.iter().find(|it| it["status"] == "skipped").expect("one was skipped");
    assert_eq!(skipped["requestId"], Value::Null);
}
