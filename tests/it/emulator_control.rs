//! Control requests of the emulator: their JSON Schema, their table in the documents, and what a wrong one is told.

use crate::binary::{Served, ivs_apply, run};
use crate::client::Client;
use crate::golden::root;
use ivs_apply::emulator::{Emulator, Settings, schema};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

/// An emulator in this process, and every exchange with it held against the schema.
struct Controlled {
    emulator: Emulator,
    schema: jsonschema::Validator,
    asked: BTreeSet<String>,
}

impl Controlled {
    fn new() -> Self {
        let schema = jsonschema::validator_for(&schema()).expect("a schema");
        Self { emulator: Emulator::new(Settings::default()), schema, asked: BTreeSet::new() }
    }

    fn faults(&self, exchange: &Value) -> Vec<String> {
        let faults = self.schema.iter_errors(exchange);
        faults.map(|it| it.to_string()).collect()
    }

    #[expect(clippy::needless_pass_by_value, reason = "a body is written where it is sent")]
    fn ask(&mut self, request: &str, body: Value) -> Value {
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let (status, answer) = self.emulator.control(method, path, body.clone());
        assert_eq!(status, 200, "{request} {body}: {answer}");
        let exchange = json!({ "request": request, "body": body, "answer": answer });
        let faults = self.faults(&exchange);
        assert!(faults.is_empty(), "{exchange:#}: {faults:#?}");
        self.asked.insert(request.to_owned());
        answer
    }

    fn refused(&self, request: &str, body: &Value) -> String {
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let (status, answer) = self.emulator.control(method, path, body.clone());
        assert_eq!(status, 400, "{request} {body}: {answer}");
        answer["message"].as_str().expect("a message").to_owned()
    }

    async fn call(&self, operation: &str, body: Value) -> Value {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-west-2/ivs/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={}",
            "0".repeat(64)
        );
        let request = http::Request::post(format!("http://127.0.0.1/{operation}"))
            .header("authorization", authorization)
            .header("x-amz-date", "20260101T000000Z")
            .body(body.to_string().into_bytes())
            .expect("a request");
        let answer = self.emulator.answer(request).await.expect("an answer");
        assert!(answer.status().is_success(), "{operation} {body}: {answer:?}");
        serde_json::from_slice(answer.body()).unwrap_or_default()
    }
}

/// The requests of the schema.
fn requests() -> BTreeSet<String> {
    let schema = schema();
    let all = schema["oneOf"].as_array().expect("a list").iter();
    all.map(|it| it["properties"]["request"]["const"].as_str().expect("a text").to_owned())
        .collect()
}

/// The requests in the tables of the document, as `POST streams`, each with the text of its row.
fn documented() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("docs/emulator.md")).expect("readable");
    let mut found = Vec::new();
    for line in text.lines().filter(|it| it.starts_with("| `")) {
        let first = line.split(" | ").next().unwrap_or_default();
        for name in first.split('`').skip(1).step_by(2) {
            let is = |it: &str| name.starts_with(it);
            if is("GET ") || is("POST ") || is("DELETE ") {
                found.push((name.to_owned(), line.to_owned()));
            }
        }
    }
    // What stands in text above a table.
    for name in ["POST faults", "GET faults", "DELETE faults"] {
        if text.contains(&format!("`{name}`")) {
            found.push((name.to_owned(), text.clone()));
        }
    }
    found
}

#[test]
fn every_control_request_of_the_document_is_in_the_schema_and_every_one_of_the_schema_in_the_document()
 {
    let documented: BTreeSet<String> = documented().into_iter().map(|it| it.0).collect();
    assert_eq!(documented, requests(), "left: docs/emulator.md, right: the schema");
}

#[test]
fn the_document_names_every_member_of_every_body() {
    let schema = schema();
    let rows = documented();
    for exchange in schema["oneOf"].as_array().expect("a list") {
        let request = exchange["properties"]["request"]["const"].as_str().expect("a text");
        let Some(body) = exchange["properties"]["body"]["$ref"].as_str() else { continue };
        let name = body.rsplit('/').next().expect("a name");
        if matches!(name, "Switches" | "Quotas") {
            // Their own source lists them.
            continue;
        }
        let (_, row) = rows.iter().find(|it| it.0 == request).expect("documented");
        let members = schema["definitions"][name]["properties"].as_object();
        for member in members.into_iter().flatten().map(|it| it.0) {
            assert!(
                row.contains(&format!("`{member}`")),
                "{request}: `{member}` is not documented"
            );
        }
    }
}

#[tokio::test]
async fn every_answer_to_a_control_request_fits_the_schema() {
    let mut at = Controlled::new();
    let stage = at.call("CreateStage", json!({})).await["stage"]["arn"].clone();
    let other = at.call("CreateStage", json!({})).await["stage"]["arn"].clone();
    let channel =
        at.call("CreateChannel", json!({ "name": "main" })).await["channel"]["arn"].clone();
    let broadcast = at.call("CreateChannel", json!({})).await["channel"]["arn"].clone();
    let ingest = json!({ "stageArn": stage, "ingestProtocol": "RTMPS" });
    let ingest = at.call("CreateIngestConfiguration", ingest).await;
    let ingest = json!({ "ingestConfigurationArn": ingest["ingestConfiguration"]["arn"] });
    at.ask(
        "POST streams",
        json!({ "channelArn": channel, "viewerCount": 7, "health": "STARVING" }),
    );
    let user = json!({ "stageArn": stage, "userId": "host", "attributes": { "a": "b" } });
    let joined = at.ask("POST participants", user);
    let replica = json!({ "sourceStageArn": stage, "destinationStageArn": other,
                          "participantId": joined["participantId"] });
    at.call("StartParticipantReplication", replica).await;
    at.ask("POST ingests", ingest.clone());
    let started = json!({ "stageArn": stage,
                          "destinations": [{ "channel": { "channelArn": broadcast } }] });
    let started = at.call("StartComposition", started).await["composition"]["arn"].clone();
    at.ask("POST faults", json!({ "operation": "GetStage", "kind": "throttle", "nth": 1 }));
    at.ask(
        "POST faults",
        json!({ "kind": "odd", "name": "none", "probability": 0, "spares": "x" }),
    );
    let get = http::Request::post("http://127.0.0.1/GetStage").body(Vec::new()).expect("a request");
    at.emulator.answer(get).await.expect("an answer");
    at.ask("GET faults", json!({}));
    at.ask("GET marks", json!({}));
    at.ask("GET calls", json!({}));
    at.ask("GET throttled", json!({}));
    let tagged =
        json!({ "resourceArn": channel, "tags": { "aws:cloudformation:stack-name": "x" } });
    at.ask("POST tags", tagged);
    let objects = at.ask("GET objects", json!({}));
    assert_eq!(objects["replications"].as_array().map(Vec::len), Some(1), "{objects:#}");
    assert!(objects["objects"].as_array().is_some_and(|it| it.len() >= 7), "{objects:#}");
    at.ask("POST clock", json!({ "advanceSeconds": 5, "stopped": true }));
    at.ask("GET clock", json!({}));
    at.ask("POST destinations", json!({ "compositionArn": started, "state": "FAILED" }));
    let role = json!({ "arn": "arn:aws:iam::222222222222:role/apply", "externalId": "x" });
    at.ask("POST roles", role);
    at.ask("GET roles", json!({}));
    at.ask("POST tokens", json!({ "expired": ["a.b.c"] }));
    at.ask("GET accounts", json!({}));
    at.ask("POST rates", json!({ "enforced": false }));
    at.ask("GET rates", json!({}));
    at.ask("POST quotas", json!({ "channels": 3 }));
    at.ask("GET quotas", json!({}));
    at.ask("POST switches", json!({ "largestPage": 2 }));
    at.ask("GET switches", json!({}));
    let history = at.ask("GET history", json!({}));
    assert!(history["events"].as_array().is_some_and(|it| it.len() >= 6), "{history:#}");
    at.ask(
        "DELETE streams",
        json!({ "channelArn": channel, "code": "StreamTakeoverMediaMismatch" }),
    );
    at.ask("DELETE ingests", ingest);
    let leaves = json!({ "stageArn": stage, "participantId": joined["participantId"] });
    at.ask("DELETE participants", leaves);
    for forgotten in ["faults", "calls", "history", "roles"] {
        at.ask(&format!("DELETE {forgotten}"), json!({}));
    }
    at.ask("POST reset", json!({ "settings": true }));
    assert_eq!(at.asked, requests(), "each request was made");
}

#[test]
fn the_schema_refuses_what_is_not_a_control_request() {
    let at = Controlled::new();
    for wrong in [
        json!({ "request": "POST strems", "body": {} }),
        json!({ "request": "POST streams", "body": {} }),
        json!({ "request": "POST streams", "body": { "channelArn": "x", "viewers": 1 } }),
        json!({ "request": "GET clock", "answer": { "now": "x" } }),
        json!({ "request": "POST faults", "body": { "kind": "nothing" } }),
    ] {
        assert!(!at.faults(&wrong).is_empty(), "{wrong}");
    }
}

#[test]
fn an_unknown_member_of_any_body_is_refused_by_its_name() {
    let at = Controlled::new();
    let schema = schema();
    for request in requests() {
        // The members that are needed, so that the unknown one is the only mistake.
        let mut all = schema["oneOf"].as_array().expect("a list").iter();
        let exchange = all.find(|it| it["properties"]["request"]["const"] == *request);
        let body = exchange.expect("in the schema")["properties"]["body"]["$ref"].as_str();
        let name = body.expect("a body").rsplit('/').next().expect("a name");
        let mut given = json!({ "viewres": 1 });
        for needed in schema["definitions"][name]["required"].as_array().into_iter().flatten() {
            let needed = needed.as_str().expect("a name");
            given[needed] = match needed {
                "tags" => json!({}),
                "expired" => json!([]),
                "enforced" => json!(true),
                "kind" => json!("throttle"),
                "state" => json!("FAILED"),
                _ => json!("arn:aws:ivs:us-west-2:000000000000:channel/x"),
            };
        }
        let message = at.refused(&request, &given);
        assert!(message.contains("`viewres`"), "{request}: {message}");
        for not_an_object in [json!([]), json!("x"), json!(1)] {
            at.refused(&request, &not_an_object);
        }
    }
}

#[test]
fn a_time_without_its_length_or_beyond_the_largest_is_refused_with_what_is_needed() {
    let at = Controlled::new();
    for kind in ["delay", "listLag", "getLag"] {
        let message = at.refused("POST faults", &json!({ "kind": kind }));
        assert!(message.contains("need seconds"), "{kind}: {message}");
    }
    let message = at.refused("POST clock", &json!({ "advanceSeconds": 2e9 }));
    assert!(message.contains("from 0 to 1000000000"), "{message}");
}

#[test]
fn a_reset_takes_back_settings_where_it_is_asked_to() {
    let mut at = Controlled::new();
    let start = at.ask("GET clock", json!({}))["nowMillis"].as_i64().expect("a number");
    for whole in [false, true] {
        at.ask("POST quotas", json!({ "channels": 3 }));
        at.ask("POST switches", json!({ "largestPage": 2 }));
        at.ask("POST rates", json!({ "enforced": true }));
        at.ask("POST clock", json!({ "advanceSeconds": 86_400, "stopped": true }));
        at.ask("POST reset", if whole { json!({ "settings": true }) } else { json!({}) });
        let clock = at.ask("GET clock", json!({}));
        let ahead = clock["nowMillis"].as_i64().expect("a number") - start;
        let told = (
            at.ask("GET quotas", json!({}))["channels"].clone(),
            at.ask("GET switches", json!({}))["largestPage"].clone(),
            at.ask("GET rates", json!({}))["enforced"].clone(),
            clock["stopped"].clone(),
            ahead >= 86_400_000,
        );
        let expected = if whole {
            (json!(5_000), json!(0), json!(false), json!(false), false)
        } else {
            (json!(3), json!(2), json!(true), json!(true), true)
        };
        assert_eq!(told, expected);
    }
}

/// A composition that broadcasts and records, with a publisher on its stage, and its ARN.
async fn show(at: &mut Controlled) -> (Value, Value) {
    let stage = at.call("CreateStage", json!({})).await["stage"]["arn"].clone();
    let channel = at.call("CreateChannel", json!({})).await["channel"]["arn"].clone();
    let encoder = at.call("CreateEncoderConfiguration", json!({})).await;
    let storage = json!({ "s3": { "bucketName": "bucket" } });
    let storage = at.call("CreateStorageConfiguration", storage).await;
    at.ask("POST participants", json!({ "stageArn": stage }));
    let destinations = json!([
        { "channel": { "channelArn": channel } },
        { "s3": { "storageConfigurationArn": storage["storageConfiguration"]["arn"],
                  "encoderConfigurationArns": [encoder["encoderConfiguration"]["arn"]] } },
    ]);
    let started = json!({ "stageArn": stage, "destinations": destinations });
    let started = at.call("StartComposition", started).await["composition"]["arn"].clone();
    at.ask("POST clock", json!({ "advanceSeconds": 5, "stopped": true }));
    (started, channel)
}

async fn states(at: &Controlled, composition: &Value) -> Vec<String> {
    let got = at.call("GetComposition", json!({ "arn": composition })).await["composition"].clone();
    let all = got["destinations"].as_array().expect("a list").iter().chain([&got]);
    all.map(|it| it["state"].as_str().expect("a state").to_owned()).collect()
}

#[tokio::test]
async fn a_destination_that_fails_by_a_control_request_ends_its_stream_and_the_last_one_the_composition()
 {
    let mut at = Controlled::new();
    let (composition, channel) = show(&mut at).await;
    let fail = |sort: &str| json!({ "compositionArn": composition, "destination": sort, "state": "FAILED" });
    assert_eq!(states(&at, &composition).await, ["ACTIVE", "ACTIVE", "ACTIVE"]);
    let which = at
        .refused("POST destinations", &json!({ "compositionArn": composition, "state": "FAILED" }));
    assert!(which.contains("`destination` must be channel or s3"), "{which}");
    let live = at.call("ListStreams", json!({})).await;
    assert_eq!(live["streams"][0]["channelArn"], channel);
    at.ask("POST destinations", fail("channel"));
    assert_eq!(states(&at, &composition).await, ["FAILED", "ACTIVE", "ACTIVE"]);
    at.ask("POST clock", json!({ "advanceSeconds": 30 }));
    assert_eq!(at.call("ListStreams", json!({})).await["streams"], json!([]));
    let again = at.emulator.control("POST", "destinations", fail("channel"));
    assert_eq!(again.0, 409, "{again:?}");
    at.ask("POST destinations", fail("s3"));
    assert_eq!(states(&at, &composition).await, ["FAILED", "FAILED", "FAILED"]);
}

#[tokio::test]
async fn a_destination_that_is_interrupted_by_a_control_request_stays_so_until_it_is_connected_again()
 {
    let mut at = Controlled::new();
    let (composition, _) = show(&mut at).await;
    let set = |state: &str| json!({ "compositionArn": composition, "destination": "channel", "state": state });
    at.ask("POST destinations", set("RECONNECTING"));
    at.ask("POST clock", json!({ "advanceSeconds": 600 }));
    assert_eq!(states(&at, &composition).await, ["RECONNECTING", "ACTIVE", "ACTIVE"]);
    at.ask("POST destinations", set("ACTIVE"));
    assert_eq!(states(&at, &composition).await, ["ACTIVE", "ACTIVE", "ACTIVE"]);
    let twice = at.emulator.control("POST", "destinations", set("ACTIVE"));
    assert_eq!(twice.0, 409, "{twice:?}");
}

#[test]
fn status_shows_a_composition_as_degraded_after_a_control_request_has_let_its_recording_fail() {
    const SHOW: &str = "
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: studio }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: EncoderConfiguration
metadata: { name: hd }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: StorageConfiguration
metadata: { name: archive }
spec: { s3: { bucketName: the-archive } }
---
apiVersion: ivs-apply.dev/v1
kind: Composition
metadata: { name: show }
spec:
  stage: studio
  run: ALWAYS
  destinations:
    - channel: { channel: main }
    - s3: { storageConfiguration: archive, encoderConfigurations: [hd] }
";
    let mut at = crate::binary::ServedPlace::applied(SHOW);
    let objects = at.client.control("GET", "objects", &Value::Null);
    let all = objects["objects"].as_array().expect("a list");
    let arn = |kind: &str| all.iter().find(|it| it["kind"] == kind).expect(kind)["arn"].clone();
    at.client.control("POST", "participants", &json!({ "stageArn": arn("Stage") }));
    at.client.control("POST", "clock", &json!({ "advanceSeconds": 5 }));
    let failed =
        json!({ "compositionArn": arn("Composition"), "destination": "s3", "state": "FAILED" });
    at.client.control("POST", "destinations", &failed);
    let status = at.run("status -f manifests");
    assert!(status.stdout.contains("degraded: 1 of 2 destinations has failed"), "{status:?}");
}

/// The status of a request to a server with this `Host`, and with further headers.
fn asked(address: &str, host: &str, more: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connected");
    let request =
        format!("GET /_emulator/clock HTTP/1.1\r\nhost: {host}\r\n{more}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.split(' ').nth(1).expect("a status").to_owned()
}

#[test]
fn an_emulator_listens_beyond_loopback_only_where_it_is_told_to_and_warns_of_it() {
    let home = tempfile::tempdir().expect("a folder");
    let refused = run(ivs_apply(home.path()).args(["emulator", "--listen", "0.0.0.0:0"]));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("`--allow-non-loopback`"), "{refused:?}");
    let mut child = ivs_apply(home.path())
        .args([
            "emulator",
            "--listen",
            "0.0.0.0:0",
            "--allow-non-loopback",
            "--allow-host",
            "ivs.test.svc",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the emulator starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let port = line.trim().rsplit(':').next().expect("a port").to_owned();
    let here = format!("127.0.0.1:{port}");
    let called = |host: &str| asked(&here, &format!("{host}:{port}"), "");
    let told = ["ivs", "ivs.test.svc", "localhost", "127.0.0.1", "ivs.example.com"].map(called);
    let browser = asked(&here, "ivs", "origin: http://ivs\r\n");
    let probed = run(ivs_apply(home.path())
        .args(["emulator", "--probe", "--listen"])
        .arg(format!("0.0.0.0:{port}")));
    child.kill().expect("it runs");
    let mut warned = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut warned).expect("readable");
    child.wait().expect("it has ended");
    assert_eq!(told, ["200", "200", "200", "200", "421"]);
    assert_eq!(browser, "403");
    assert_eq!((probed.code, probed.stdout.as_str()), (Some(0), ""), "{probed:?}");
    assert!(warned.starts_with("warning: everyone who can connect to 0.0.0.0:"), "{warned}");
}

#[test]
fn a_probe_tells_an_emulator_from_nothing_and_from_another_server() {
    let home = tempfile::tempdir().expect("a folder");
    let probe =
        |at: &str| run(ivs_apply(home.path()).args(["emulator", "--probe", "--listen", at]));
    let served = Served::start(home.path(), &[]);
    let at = served.url.strip_prefix("http://").expect("an address").to_owned();
    assert_eq!(probe(&at).code, Some(0));
    // Its own client still gets on with it.
    Client::new(&served.url).control("GET", "clock", &json!({}));
    drop(served);
    let nobody = probe(&at);
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.stderr.contains(&format!("no emulator answers at {at}")), "{nobody:?}");
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = other.local_addr().expect("an address").to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().expect("called");
        let mut asked = [0; 512];
        let _ = stream.read(&mut asked).expect("a request");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").expect("answered");
    });
    let another = probe(&at);
    server.join().expect("it has answered");
    assert_eq!(another.code, Some(1), "{another:?}");
    assert!(another.stderr.contains("something else than an emulator answers"), "{another:?}");
}
