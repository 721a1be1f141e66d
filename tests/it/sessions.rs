//! The emulator's answers about sessions and participants, held against the service model: every member that is
//! documented is there, in one situation or another.

use crate::account::{Account, on_paused_time};
use crate::golden::root;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A call as any client sends it; the answer's JSON.
fn call(account: &Account, operation: &str, body: &Value) -> Value {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-west-2/ivs/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={}",
        "0".repeat(64)
    );
    let request = http::Request::builder()
        .method("POST")
        .uri(format!("http://127.0.0.1/{operation}"))
        .header("authorization", authorization)
        .header("x-amz-date", "20260101T000000Z")
        .body(body.to_string().into_bytes())
        .expect("a request");
    let answer = futures_util::FutureExt::now_or_never(account.emulator.answer(request));
    let answer = answer.expect("nothing holds it back").expect("nothing drops it");
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    assert!(answer.status().is_success(), "{operation} {body}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

/// The shapes of a service.
fn shapes(service: &str) -> Value {
    let text = std::fs::read_to_string(root().join("src/emulator/model.json")).expect("readable");
    let model: Value = serde_json::from_str(&text).expect("JSON");
    model["services"][service]["shapes"].clone()
}

/// Every member of a shape and of the shapes inside it, as paths.
fn documented(shapes: &Value, shape: &str, path: &str, found: &mut BTreeSet<String>) {
    let it = &shapes[shape];
    match it["type"].as_str() {
        Some("structure") => {
            for member in it["members"].as_array().into_iter().flatten() {
                let name = member["name"].as_str().expect("a name");
                let path = format!("{path}.{name}");
                let shape = member["shape"].as_str().expect("a shape");
                documented(shapes, shape, &path, found);
                found.insert(path);
            }
        }
        Some("list") => {
            documented(shapes, it["member"].as_str().expect("a shape"), path, found);
        }
        _ => {}
    }
}

/// Every member of an answer, as paths.
fn shown(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = format!("{path}.{name}");
                shown(value, &path, found);
                found.insert(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|it| shown(it, path, found)),
        _ => {}
    }
}

fn all_of(service: &str, shape: &str, answers: &[&Value]) {
    let (mut wanted, mut there) = (BTreeSet::new(), BTreeSet::new());
    documented(&shapes(service), shape, "", &mut wanted);
    for it in answers {
        shown(it, "", &mut there);
    }
    // What a map holds is no member of a shape.
    let inside = |it: &&String| ![".tags.", ".attributes."].iter().any(|map| it.contains(map));
    let there: BTreeSet<String> = there.iter().filter(inside).cloned().collect();
    assert_eq!(there, wanted, "{shape}");
}

#[test]
fn a_stream_session_has_every_documented_member() {
    on_paused_time(async {
        let account = Account::empty().await;
        // A recording configuration may answer what was sent to it alone, which is not every member.
        account.answers(json!({ "recordingDefaults": true }));
        let recording = call(
            &account,
            "CreateRecordingConfiguration",
            &json!({
                "destinationConfiguration": { "s3": { "bucketName": "tapes" } },
                "thumbnailConfiguration": { "resolution": "HD" },
                "renditionConfiguration": { "renditionSelection": "CUSTOM", "renditions": ["HD"] },
            }),
        );
        let slate = call(&account, "CreateFailoverSlateConfiguration", &json!({}));
        account.control("POST", "/_emulator/clock", json!({ "advanceSeconds": 10 }));
        let channel = json!({
            "recordingConfigurationArn": recording["recordingConfiguration"]["arn"],
            "failoverSlateConfigurationArn": slate["failoverSlateConfiguration"]["arn"],
            "adConfigurationArn": "", "containerFormat": "FRAGMENTED_MP4",
            "multitrackInputConfiguration":
                { "enabled": true, "policy": "ALLOW", "maximumResolution": "FULL_HD" },
        });
        let arn = call(&account, "CreateChannel", &channel)["channel"]["arn"].clone();
        let here = json!({ "channelArn": arn });
        let session = || call(&account, "GetStreamSession", &here)["streamSession"].clone();
        for health in ["HEALTHY", "STARVING"] {
            let body = json!({ "channelArn": arn, "health": health });
            account.control("POST", "/_emulator/streams", body);
        }
        let live = session();
        let settings = &live["ingestConfigurations"];
        assert_eq!(settings["videoConfigurations"].as_array().map(Vec::len), Some(2));
        assert_eq!(settings["videoConfigurations"][0]["avcProfile"], "");
        let first = &live["ingestConfiguration"]["video"];
        assert_eq!((&first["avcProfile"], &first["track"]), (&first["profile"], &json!("Track0")));
        let names = |session: &Value| -> Vec<String> {
            let events = session["truncatedEvents"].as_array().expect("a list").iter();
            events.map(|it| it["name"].as_str().expect("a name").to_owned()).collect()
        };
        let begun = ["Starvation Start", "Recording Start", "Stream Start", "Session Created"];
        assert_eq!(names(&live), begun);
        let end = json!({ "channelArn": arn, "code": "MultitrackInputNotAllowed" });
        account.control("DELETE", "/_emulator/streams", end);
        let ended = session();
        assert_eq!(names(&ended)[..3], ["Session Ended", "Stream End", "Recording End"]);
        assert_eq!(ended["truncatedEvents"][0]["code"], "MultitrackInputNotAllowed");
        let summaries = call(&account, "ListStreamSessions", &here);
        assert_eq!(summaries["streamSessions"][0]["hasErrorEvent"], true);
        all_of("ivs", "StreamSession", &[&ended]);
    });
}

#[test]
fn a_participant_has_every_documented_member() {
    on_paused_time(async {
        let account = Account::empty().await;
        let s3 = json!({ "s3": { "bucketName": "tapes" } });
        let storage = call(&account, "CreateStorageConfiguration", &s3);
        let recording = json!({
            "storageConfigurationArn": storage["storageConfiguration"]["arn"],
        });
        let stage = |body: Value| call(&account, "CreateStage", &body)["stage"]["arn"].clone();
        let studio = stage(json!({ "autoParticipantRecordingConfiguration": recording }));
        let annex = stage(json!({}));
        let camera = call(
            &account,
            "CreateIngestConfiguration",
            &json!({ "ingestProtocol": "RTMPS", "stageArn": studio, "redundantIngest": true }),
        );
        let there = json!({ "ingestConfigurationArn": camera["ingestConfiguration"]["arn"] });
        let joined = account.control("POST", "/_emulator/ingests", there);
        let who = |stage: &Value, joined: &Value| {
            let body = json!({
                "stageArn": stage, "sessionId": joined["sessionId"],
                "participantId": joined["participantId"],
            });
            call(&account, "GetParticipant", &body)["participant"].clone()
        };
        let encoder = who(&studio, &joined);
        assert_eq!((&encoder["protocol"], &encoder["browserName"]), (&json!("RTMPS"), &json!("")));
        assert_eq!(
            (&encoder["redundantIngest"], &encoder["published"]),
            (&json!(true), &json!(true))
        );
        assert_eq!(encoder["recordingS3BucketName"], "tapes");
        let viewer = json!({ "stageArn": studio, "role": "subscriber", "userId": "viewer" });
        let viewer = who(&studio, &account.control("POST", "/_emulator/participants", viewer));
        let subscribes = [&viewer["published"], &viewer["recordingState"], &viewer["protocol"]];
        assert_eq!(subscribes, [&json!(false), &json!("DISABLED"), &json!("UNKNOWN")]);
        let replication = json!({
            "sourceStageArn": studio, "destinationStageArn": annex,
            "participantId": joined["participantId"],
        });
        // Both services answer without a body here.
        let started = account.aws.realtime.start_participant_replication();
        let text = |it: &Value| it.as_str().expect("a text").to_owned();
        started
            .source_stage_arn(text(&replication["sourceStageArn"]))
            .destination_stage_arn(text(&replication["destinationStageArn"]))
            .participant_id(text(&replication["participantId"]))
            .send()
            .await
            .expect("started");
        let replicas = call(
            &account,
            "ListParticipantReplicas",
            &json!({ "sourceStageArn": studio, "participantId": joined["participantId"] }),
        );
        let there = json!({
            "sessionId": replicas["replicas"][0]["destinationSessionId"],
            "participantId": joined["participantId"],
        });
        let replica = who(&annex, &there);
        assert_eq!(
            (&replica["sourceStageArn"], &replica["replicationType"]),
            (&studio, &json!("REPLICA"))
        );
        assert_eq!(who(&studio, &joined)["replicationType"], "SOURCE");
        all_of("ivs-realtime", "Participant", &[&encoder, &viewer, &replica]);
    });
}
