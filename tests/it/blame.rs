//! `drift --blame`: who wrote to what has drifted, as CloudTrail has it; and what is said where CloudTrail has nothing,
//! may not be asked or is slow. The emulator records its own writes, as CloudTrail does.

use crate::binary::{Place, Ran, SIGNED_IN, Served, document, ivs_apply, run};
use crate::client::Client;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The access key of `Client`, which changes things by hand; the program signs with another one.
const HAND: &str = "arn:aws:iam::000000000000:user/AKID";
const PIPELINE: &str = "arn:aws:iam::000000000000:user/test";

struct Work {
    place: Place,
    served: Served,
    client: Client,
}

fn manifest(kind: &str, name: &str) -> String {
    format!(
        "---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {{}}\n"
    )
}

impl Work {
    /// So many channels and a stage, applied.
    fn new(channels: usize) -> Self {
        let place = Place::new();
        let mut text = manifest("Stage", "studio");
        for index in 0..channels {
            text.push_str(&manifest("Channel", &format!("c{index}")));
        }
        place.write("a.yaml", &text);
        let served = Served::start(place.folder.path(), &[]);
        let client = Client::new(&served.url);
        let work = Self { place, served, client };
        let ran = work.run("apply --yes");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        work
    }

    fn run(&self, words: &str) -> Ran {
        let mut command = ivs_apply(self.place.folder.path());
        command
            .envs(SIGNED_IN)
            .current_dir(self.place.folder.path())
            .args(words.split_whitespace())
            .args(["--endpoint-url", &self.served.url, "-f", "manifests"]);
        run(&mut command)
    }

    /// The ARNs of the channels by display name.
    fn channels(&mut self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut token = Value::Null;
        loop {
            let body = if token.is_null() { json!({}) } else { json!({ "nextToken": token }) };
            let page = self.client.call("ListChannels", &body);
            for it in page["channels"].as_array().expect("channels") {
                let text = |name: &str| it[name].as_str().expect("a text").to_owned();
                found.push((text("name"), text("arn")));
            }
            token = page["nextToken"].clone();
            if token.is_null() {
                found.sort();
                return found;
            }
        }
    }

    /// Changes the channels of these names by hand.
    fn change(&mut self, names: &[&str]) {
        for (name, arn) in self.channels() {
            if names.contains(&name.as_str()) {
                self.client.call("UpdateChannel", &json!({ "arn": arn, "latencyMode": "NORMAL" }));
            }
        }
    }

    /// How often events were looked up since the last time.
    fn look_ups(&mut self) -> u64 {
        let calls = self.client.control("GET", "calls", &Value::Null);
        self.client.control("DELETE", "calls", &Value::Null);
        calls["LookupEvents"].as_u64().unwrap_or(0)
    }

    fn names_resources(&mut self, answer: bool) {
        self.client.control("POST", "switches", &json!({ "trailNamesResources": answer }));
    }
}

/// What the document says of a resource.
fn of<'a>(document: &'a Value, address: &str) -> &'a Value {
    let resources = document["blame"]["resources"].as_array().expect("resources");
    resources.iter().find(|it| it["address"] == address).unwrap_or_else(|| panic!("{document:#}"))
}

#[test]
fn the_principal_the_operation_and_the_time_of_a_change_by_hand_are_told() {
    for names_resources in [true, false] {
        let mut work = Work::new(3);
        work.names_resources(names_resources);
        work.change(&["c1"]);
        let text = work.run("drift --blame");
        assert_eq!(text.code, Some(2), "{text:?}");
        let (_, told) = text.stdout.split_once("Channel/c1").expect("it drifted");
        let line = told.lines().find(|it| it.contains(" by ")).expect(told);
        assert!(
            line.trim().starts_with(&format!("UpdateChannel by {HAND} at 20"))
                && line.ends_with('Z'),
            "{line}"
        );
        // The write before that is the one of the pipeline.
        assert!(told.contains(&format!("CreateChannel by {PIPELINE}")), "{told}");
        let ran = work.run("drift --blame --format json");
        let told = document(&ran);
        let write = &of(&told, "Channel/c1")["writes"][0];
        assert_eq!((&write["principal"], &write["event"]), (&json!(HAND), &json!("UpdateChannel")));
        assert_eq!(of(&told, "Channel/c1")["status"], "recorded");
        assert_eq!(told["blame"]["error"], Value::Null);
        assert_eq!(
            told["blame"]["resources"].as_array().map(Vec::len),
            Some(1),
            "only what drifted"
        );
        let page = work.run("drift --blame --format html");
        assert!(page.stdout.contains(HAND), "{page:?}");
        let plain = document(&work.run("drift --format json"));
        assert_eq!(plain["blame"], Value::Null, "it is asked for by name");
    }
}

#[test]
fn tags_that_were_changed_by_hand_are_told_as_well() {
    let mut work = Work::new(1);
    let (_, arn) = work.channels().remove(0);
    let path = format!("/tags/{}", arn.replace(':', "%3A").replace('/', "%2F"));
    work.client.send("POST", &path, &json!({ "tags": { "odd": "1" } }), 200);
    let told = document(&work.run("drift --blame --format json"));
    assert_eq!(of(&told, "Channel/c0")["writes"][0]["event"], "TagResource", "{told:#}");
    assert_eq!(of(&told, "Channel/c0")["writes"][0]["principal"], HAND);
}

#[test]
fn the_deletion_of_an_object_is_told_as_a_possibility() {
    let mut work = Work::new(3);
    let (_, arn) = work.channels().remove(1);
    work.client.call("DeleteChannel", &json!({ "arn": arn }));
    let told = document(&work.run("drift --blame --format json"));
    let write = &of(&told, "Channel/c1")["writes"][0];
    assert_eq!((&write["event"], &write["principal"]), (&json!("DeleteChannel"), &json!(HAND)));
    assert_eq!(write["possiblyOf"], arn, "its ARN is in no tag any more");
    let text = work.run("drift --blame").stdout;
    assert!(text.contains(&format!("possibly DeleteChannel of {arn} by {HAND} at ")), "{text}");
}

#[test]
fn what_is_not_recorded_yet_is_said_and_is_no_error() {
    let mut work = Work::new(2);
    work.change(&["c0"]);
    let late = json!({ "operation": "LookupEvents", "kind": "listLag", "seconds": 900 });
    work.client.control("POST", "faults", &late);
    let text = work.run("drift --blame");
    assert_eq!((text.code, text.stderr.as_str()), (Some(2), ""), "{text:?}");
    assert!(
        text.stdout
            .contains("CloudTrail has no write to it: a write is recorded after up to 15 minutes"),
        "{text:?}"
    );
    let told = document(&work.run("drift --blame --format json"));
    assert_eq!(
        of(&told, "Channel/c0"),
        &json!({ "address": "Channel/c0", "status": "notRecorded", "writes": [] })
    );
    work.client.control("POST", "clock", &json!({ "advanceSeconds": 901 }));
    let told = document(&work.run("drift --blame --format json"));
    assert_eq!(
        of(&told, "Channel/c0")["status"],
        "recorded",
        "after a quarter of an hour: {told:#}"
    );
}

#[test]
fn without_the_permission_the_drift_is_told_all_the_same() {
    let mut work = Work::new(2);
    work.change(&["c0"]);
    work.look_ups();
    let denied = json!({
        "operation": "LookupEvents", "kind": "error", "name": "AccessDeniedException",
        "message": "User is not authorized to perform: cloudtrail:LookupEvents",
    });
    work.client.control("POST", "faults", &denied);
    let text = work.run("drift --blame");
    assert_eq!(text.code, Some(2), "{text:?}");
    assert!(text.stdout.contains("spec.latencyMode is NORMAL, and LOW was applied"), "{text:?}");
    assert!(text.stdout.contains("the credentials may not look events up"), "{text:?}");
    assert!(text.stdout.contains("`ivs-apply iam-policy drift --blame` prints the permission"));
    assert!(!text.stdout.contains("no write to it"), "that is not known: {text:?}");
    assert_eq!(work.look_ups(), 1, "it is asked once");
    let told = document(&work.run("drift --blame --format json"));
    assert_eq!(told["blame"]["error"]["code"], "noPermission");
    assert_eq!(of(&told, "Channel/c0")["status"], "notAnswered");
}

#[test]
fn a_cloudtrail_that_fails_is_said_and_the_drift_stays() {
    let mut work = Work::new(1);
    work.change(&["c0"]);
    let broken = json!({ "operation": "LookupEvents", "kind": "error500" });
    work.client.control("POST", "faults", &broken);
    let text = work.run("drift --blame");
    assert_eq!(text.code, Some(2), "{text:?}");
    assert!(text.stdout.contains("CloudTrail did not answer who changed it"), "{text:?}");
    let told = document(&work.run("drift --blame --format json"));
    assert_eq!(told["blame"]["error"]["code"], "failed");
}

#[test]
fn events_are_looked_up_for_what_drifted_alone_and_within_limits() {
    let mut work = Work::new(60);
    work.look_ups();
    assert_eq!(work.run("drift --blame").code, Some(0));
    assert_eq!(work.look_ups(), 0, "nothing drifted, nothing is asked");
    let all: Vec<String> = (0..60).map(|it| format!("c{it}")).collect();
    work.change(&all.iter().map(String::as_str).collect::<Vec<_>>());
    for names_resources in [true, false] {
        work.names_resources(names_resources);
        work.look_ups();
        let told = document(&work.run("drift --blame --format json"));
        let resources = told["blame"]["resources"].as_array().expect("resources");
        assert_eq!(resources.len(), 60);
        assert!(resources.iter().all(|it| it["status"] == "recorded"), "{told:#}");
        let asked = work.look_ups();
        let most = if names_resources { 20 + 5 } else { 3 + 5 };
        assert!(asked <= most, "{asked} requests, of at most {most}");
        assert_eq!(told["calls"]["LookupEvents"], asked, "they are told of as all calls are");
    }
}

#[test]
fn events_are_looked_up_at_two_requests_a_second() {
    let mut work = Work::new(5);
    work.names_resources(true);
    work.change(&["c0", "c1", "c2", "c3", "c4"]);
    work.look_ups();
    work.client.control("POST", "rates", &json!({ "enforced": true }));
    let start = Instant::now();
    let ran = work.run("drift --blame --rates aws");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(work.look_ups(), 5);
    let throttled = work.client.control("GET", "throttled", &Value::Null);
    assert_eq!(throttled["LookupEvents"], Value::Null, "{throttled}");
    // The first one leaves at once.
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn the_endpoint_of_cloudtrail_is_the_one_that_its_variable_names() {
    let mut work = Work::new(1);
    work.change(&["c0"]);
    let place = Place::new();
    let other = Served::start(place.folder.path(), &[]);
    let mut command = ivs_apply(work.place.folder.path());
    command
        .envs(SIGNED_IN)
        .current_dir(work.place.folder.path())
        .args(["drift", "--blame", "-f", "manifests"])
        .env("AWS_ENDPOINT_URL", &work.served.url)
        .env("AWS_ENDPOINT_URL_CLOUDTRAIL", &other.url);
    work.look_ups();
    let ran = run(&mut command);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(work.look_ups(), 0, "{ran:?}");
    let calls = Client::new(&other.url).control("GET", "calls", &Value::Null);
    assert!(calls["LookupEvents"].as_u64().is_some_and(|it| it > 0), "{calls}");
    assert!(ran.stdout.contains("CloudTrail has no write to it"), "{ran:?}");
    let plain = command.env("AWS_ENDPOINT_URL_CLOUDTRAIL", "http://192.0.2.1");
    let ran = run(plain);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("not encrypted"), "{ran:?}");
}

#[test]
fn the_permission_is_in_the_policy_that_is_asked_for() {
    let place = Place::new();
    place.write("a.yaml", &manifest("Channel", "a"));
    let policy = |words: &str| {
        let ran = run(ivs_apply(place.folder.path())
            .current_dir(place.folder.path())
            .args(words.split_whitespace())
            .args(["-f", "manifests"]));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    };
    for words in ["iam-policy drift --blame", "iam-policy plan --blame"] {
        assert!(policy(words).contains("\"cloudtrail:LookupEvents\""), "{words}");
    }
    assert_eq!(policy("iam-policy drift"), policy("iam-policy plan"));
    assert!(!policy("iam-policy drift").contains("cloudtrail"));
    let apply = run(ivs_apply(place.folder.path()).current_dir(place.folder.path()).args([
        "iam-policy",
        "apply",
        "--blame",
        "-f",
        "manifests",
    ]));
    assert_eq!(apply.code, Some(1), "{apply:?}");
}
