//! What a server may answer, and what then comes of it: an answer that leaves out what it must hold is no answer,
//! endless ones end, and none ends in a panic.

use crate::account::{Account, on_paused_time};
use crate::binary::{Place, Ran, SIGNED_IN, Served, ivs_apply, run, run_at};
use crate::client::Client;
use crate::left_out::part_of;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use ivs_apply::apply::StepStatus;
use ivs_apply::aws::{Clients, CloudError, Tags, Target};
use ivs_apply::cloud::{Reading, read};
use ivs_apply::engine::connect;
use ivs_apply::kinds::operation::TAGS;
use ivs_apply::kinds::{
    Address, AddressMap, Arn, Desired, Detached, Interruption, Kind, Mutable, NextCall, Observed,
    Pointer, Scope, Spec, Stack,
};
use ivs_apply::manifest::{Loaded, load_text};
use ivs_apply::plan::Policy;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MANIFESTS: [&str; 4] = [
    include_str!("../../examples/broadcast/broadcast.yaml"),
    include_str!("../../examples/ads/ads.yaml"),
    KEY,
    INGEST,
];

const KEY: &str = "
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: keyed }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata: { name: keyed }
spec: { channel: keyed }
";

const INGEST: &str = "
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: ingested }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: IngestConfiguration
metadata: { name: camera }
spec: { stage: ingested, ingestProtocol: RTMPS }
";

/// Everything in one text, with one Stack at most.
fn everything() -> Loaded {
    let stacks = |text: &str| text.contains("\nkind: Stack\n");
    let documents = MANIFESTS.iter().flat_map(|it| it.split("\n---\n"));
    let documents: Vec<&str> = documents.filter(|it| !stacks(it)).collect();
    let loaded = load_text("all.yaml", &documents.join("\n---\n"), Some("answers"));
    assert!(!loaded.report.has_errors(), "{:?}", loaded.report);
    loaded
}

const WHOLE: Reading = Reading { every_kind: true, full: true, strangers: true };

async fn made(account: &Account, loaded: &Loaded) {
    let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
    let outcome = account.apply(&loaded.stack, &observed, &plan).await;
    assert!(outcome.is_well(), "{outcome:#?}");
}

fn odd(account: &Account, operation: &str, how: &str) {
    account.control("DELETE", "/_emulator/faults", Value::Null);
    let fault = json!({ "operation": operation, "kind": "odd", "name": how });
    account.control("POST", "/_emulator/faults", fault);
}

#[test]
fn an_answer_without_what_it_must_hold_is_a_failed_read_for_every_list_batch_and_get() {
    on_paused_time(async {
        let account = Account::empty().await;
        let loaded = everything();
        made(&account, &loaded).await;
        account.calls();
        account.read(&loaded.stack, &loaded.desired, WHOLE).await;
        let calls: BTreeMap<String, u64> = serde_json::from_value(account.calls()).expect("counts");
        assert!(calls.len() >= 20, "{calls:?}");
        for operation in calls.keys() {
            for how in ["blank", "braces"] {
                odd(&account, operation, how);
                let read = read(&account.aws, &loaded.stack, &loaded.desired, WHOLE).await;
                let error = read.err().unwrap_or_else(|| panic!("{operation} {how} was believed"));
                assert_eq!(error.source.operation, operation, "{error} {}", error.source);
                assert!(error.source.request_id.is_some(), "{error:?}");
            }
        }
        account.control("DELETE", "/_emulator/faults", Value::Null);
        account.read(&loaded.stack, &loaded.desired, WHOLE).await;
    });
}

/// Runs the program with the manifests of a place on a served emulator.
fn run_manifests(place: &Place, served: &Served, words: &str) -> Ran {
    run_at(place, served, &format!("{words} -f manifests"))
}

#[test]
fn a_listing_without_its_list_ends_a_run_with_exit_1_and_nothing_is_planned_or_written() {
    let place = Place::new();
    place.write("a.yaml", KEY);
    let served = Served::start(place.folder.path(), &[]);
    let on = |words: &str| run_manifests(&place, &served, words);
    assert_eq!(on("apply --yes").code, Some(0));
    let mut client = Client::new(&served.url);
    for how in ["blank", "braces"] {
        for operation in ["ListChannels", "ListStreams", "BatchGetChannel", "BatchGetStreamKey"] {
            let fault = json!({ "operation": operation, "kind": "odd", "name": how });
            client.control("POST", "faults", &fault);
            for words in ["plan", "apply --yes", "apply --yes --prune", "drift"] {
                let ran = on(words);
                assert_eq!(ran.code, Some(1), "{operation} {how} {words}: {ran:?}");
                assert!(ran.stderr.contains(operation), "{ran:?}");
                assert!(ran.stdout.is_empty(), "{ran:?}");
            }
            client.control("DELETE", "faults", &Value::Null);
        }
    }
    // A listing that says that there is nothing, and is contradicted by what else is read.
    let channels = client.call("ListChannels", &json!({}));
    let arn = channels["channels"][0]["arn"].clone();
    client.control("POST", "streams", &json!({ "channelArn": arn, "viewerCount": 3 }));
    let fault = json!({ "operation": "ListChannels", "kind": "odd", "name": "none" });
    client.control("POST", "faults", &fault);
    for words in ["plan", "apply --yes", "apply --yes --prune"] {
        let ran = on(words);
        assert_eq!(ran.code, Some(1), "{words}: {ran:?}");
        assert!(ran.stderr.contains("is in use and can be read, but it is not listed"), "{ran:?}");
    }
    client.control("DELETE", "faults", &Value::Null);
    let history = client.control("GET", "history", &Value::Null);
    let creates = history["events"].as_array().expect("a list").iter();
    let creates = creates.filter(|it| it["operation"] == "CreateChannel");
    assert_eq!(creates.filter(|it| it["arn"] == arn).count(), 1, "{history:#}");
}

#[test]
fn a_listing_that_leaves_out_what_an_object_of_the_stack_refers_to_is_no_plan() {
    on_paused_time(async {
        let account = Account::empty().await;
        let loaded = load_text("broadcast.yaml", MANIFESTS[0], None);
        made(&account, &loaded).await;
        odd(&account, "ListRecordingConfigurations", "none");
        let refused = read(&account.aws, &loaded.stack, &loaded.desired, Reading::default()).await;
        let error = refused.expect_err("the channel refers to one");
        assert_eq!(error.kind, Kind::RecordingConfiguration, "{}", error.source);
        assert!(error.source.message.contains("not listed"), "{}", error.source);
    });
}

const CHANNEL_AND_STAGE: &str = "
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: studio }
spec: {}
";

#[test]
fn a_listing_that_is_empty_once_while_other_objects_of_the_stack_are_listed_creates_nothing() {
    on_paused_time(async {
        let account = Account::empty().await;
        let loaded = load_text("two.yaml", CHANNEL_AND_STAGE, None);
        made(&account, &loaded).await;
        let empty_once = |operation: &str| {
            let fault = json!({ "operation": operation, "kind": "odd", "name": "none", "nth": 1 });
            account.control("POST", "/_emulator/faults", fault);
        };
        let kinds = [("ListChannels", Kind::Channel), ("ListStages", Kind::Stage)];
        // Another run may just have created the object: the second listing counts.
        for (operation, _) in kinds {
            empty_once(operation);
            let (_, plan) = account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
            assert!(plan.steps.is_empty(), "{operation}: {plan:#?}");
            account.control("DELETE", "/_emulator/faults", Value::Null);
        }
        // An object that is listed for minutes is not left out for a moment.
        tokio::time::sleep(Duration::from_mins(2)).await;
        for (operation, kind) in kinds {
            empty_once(operation);
            let refused = read(&account.aws, &loaded.stack, &loaded.desired, Reading::default());
            let error = refused.await.expect_err("the second listing shows the object");
            assert_eq!(error.kind, kind);
            assert!(error.source.message.contains("listing was empty"), "{}", error.source);
            account.control("DELETE", "/_emulator/faults", Value::Null);
        }
        let observed = account.read(&loaded.stack, &loaded.desired, Reading::default()).await;
        assert_eq!(observed.owned.len(), 2);
    });
}

#[test]
fn a_saved_plan_that_knew_an_object_is_stale_where_its_listing_is_empty_and_nothing_is_created() {
    let place = Place::new();
    place.write("a.yaml", CHANNEL_AND_STAGE);
    let served = Served::start(place.folder.path(), &[]);
    let on = |words: &str| run_manifests(&place, &served, words);
    assert_eq!(on("apply --yes").code, Some(0));
    place.write(
        "a.yaml",
        &CHANNEL_AND_STAGE.replacen("spec: {}", "spec: { latencyMode: NORMAL }", 1),
    );
    assert_eq!(on("plan --out p.json").code, Some(0));
    let mut client = Client::new(&served.url);
    let fault = json!({ "operation": "ListChannels", "kind": "odd", "name": "none" });
    client.control("POST", "faults", &fault);
    let ran = on("apply p.json");
    assert_eq!(ran.code, Some(5), "{ran:?}");
    client.control("DELETE", "faults", &Value::Null);
    let channels = client.call("ListChannels", &json!({}));
    assert_eq!(channels["channels"].as_array().map(Vec::len), Some(1), "{channels}");
}

#[test]
fn the_first_object_of_a_kind_costs_one_more_listing_and_a_first_apply_costs_none() {
    on_paused_time(async {
        let account = Account::empty().await;
        let loaded = load_text("two.yaml", CHANNEL_AND_STAGE, None);
        let reads = |account: &Account| {
            let calls = account.calls();
            (calls["ListChannels"].as_u64(), calls["ListStages"].as_u64())
        };
        account.read(&loaded.stack, &loaded.desired, Reading::default()).await;
        assert_eq!(reads(&account), (Some(1), Some(1)));
        let stage: Vec<Desired> =
            loaded.desired.iter().filter(|it| it.address.kind == Kind::Stage).cloned().collect();
        let (observed, plan) = account.plan(&loaded.stack, &stage, &Policy::default()).await;
        assert!(account.apply(&loaded.stack, &observed, &plan).await.is_well());
        account.calls();
        let observed = account.read(&loaded.stack, &loaded.desired, Reading::default()).await;
        assert_eq!(observed.owned.len(), 1);
        assert_eq!(reads(&account), (Some(2), Some(1)));
    });
}

#[test]
fn a_key_that_its_channel_remembers_and_no_answer_shows_is_not_made_a_second_time() {
    on_paused_time(async {
        let account = Account::empty().await;
        let loaded = load_text("key.yaml", KEY, None);
        made(&account, &loaded).await;
        for operation in ["BatchGetStreamKey", "ListStreamKeys"] {
            let fault = json!({ "operation": operation, "kind": "odd", "name": "none" });
            account.control("POST", "/_emulator/faults", fault);
        }
        let refused = read(&account.aws, &loaded.stack, &loaded.desired, Reading::default()).await;
        let error = refused.expect_err("the channel remembers a key");
        assert_eq!(error.kind, Kind::StreamKey, "{}", error.source);
        // One that is gone is gone.
        account.control("DELETE", "/_emulator/faults", Value::Null);
        let observed = account.read(&loaded.stack, &loaded.desired, Reading::default()).await;
        let key = &observed.owned[&Address::new(Kind::StreamKey, "keyed")];
        Kind::StreamKey.delete(&account.aws, &key.arn).await.expect("deleted");
        let observed = account.read(&loaded.stack, &loaded.desired, Reading::default()).await;
        assert!(observed.owned.keys().all(|it| it.kind != Kind::StreamKey));
    });
}

#[test]
fn channels_of_others_that_are_made_and_go_live_while_the_account_is_read_are_no_obstacle() {
    on_paused_time(async {
        let account = Account::empty().await;
        let loaded = load_text("key.yaml", KEY, None);
        made(&account, &loaded).await;
        let other = account.aws.ivs.create_channel().send().await.expect("made");
        let arn = other.channel.and_then(|it| it.arn).expect("an ARN");
        let stream = json!({ "channelArn": arn, "viewerCount": 1 });
        account.control("POST", "/_emulator/streams", stream);
        let lag = json!({ "operation": "ListChannels", "kind": "listLag", "seconds": 5 });
        account.control("POST", "/_emulator/faults", lag);

        let read = read(&account.aws, &loaded.stack, &loaded.desired, Reading::default()).await;
        assert!(read.is_ok() || read.is_err_and(|it| !it.source.message.contains(&arn)));
    });
}

/// How a server answers: status, headers besides the usual ones, body.
type Answer = dyn Fn(&str) -> (u16, String) + Send + Sync;

/// A server in this process that answers as it is told, and notes what was called.
#[derive(Clone)]
struct Fake {
    answer: Arc<Answer>,
    called: Arc<Mutex<BTreeSet<String>>>,
    takes: Duration,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

impl HttpConnector for Fake {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let path = request.uri().split("://").last().and_then(|it| it.split_once('/'));
        let path = path.map_or("", |(_, path)| path).split('?').next().unwrap_or_default();
        let operation = match (path.starts_with("tags/"), request.method()) {
            (true, "GET") => "ListTagsForResource".to_owned(),
            (true, "DELETE") => "UntagResource".to_owned(),
            (true, _) => "TagResource".to_owned(),
            (false, _) => path.to_owned(),
        };
        self.called.lock().expect("noted").insert(operation.clone());
        let (status, body) = (self.answer)(&operation);
        let takes = self.takes;
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(takes).await;
            let response = http::Response::builder()
                .status(status)
                .header("date", "Thu, 01 Jan 2026 00:00:00 GMT")
                .header("content-type", "application/json")
                .body(SdkBody::from(body))
                .expect("a response");
            Ok(HttpResponse::try_from(response).expect("a response"))
        })
    }
}

impl Fake {
    fn new(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self { answer: Arc::new(answer), called: Arc::default(), takes: Duration::ZERO }
    }

    async fn clients(&self) -> Clients {
        let fake = self.clone();
        let http: SharedHttpClient =
            http_client_fn(move |_, _| SharedHttpConnector::new(fake.clone()));
        let target = Target { in_process: Some(http), ..Target::default() };
        connect(&target).await.expect("it needs no configuration")
    }
}

/// The service models, for answers as they should be.
struct Models(Value);

impl Models {
    fn read() -> Self {
        Self(serde_json::from_str(include_str!("../../src/emulator/model.json")).expect("JSON"))
    }

    /// An answer to each operation, with every member.
    fn answers(&self) -> BTreeMap<String, Value> {
        let mut answers = BTreeMap::new();
        for service in self.0["services"].as_object().expect("services").values() {
            for operation in service["operations"].as_array().expect("operations") {
                let name = operation["name"].as_str().expect("a name").to_owned();
                let answer = match operation["output"].as_str() {
                    Some(shape) => sample(&service["shapes"], shape, "", 0),
                    None => json!({}),
                };
                answers.insert(name, answer);
            }
        }
        answers
    }
}

fn sample(shapes: &Value, name: &str, member: &str, depth: usize) -> Value {
    let shape = &shapes[name];
    let inner =
        |it: &Value, member: &str| sample(shapes, it.as_str().expect("a shape"), member, depth + 1);
    match shape["type"].as_str().expect("a type") {
        _ if depth > 6 => Value::Null,
        "structure" => {
            let members = shape["members"].as_array().cloned().unwrap_or_default();
            let body = members.iter().filter(|it| it["location"].is_null());
            let named = body.filter(|it| it["name"] != "nextToken").map(|it| {
                let member = it["name"].as_str().expect("a name");
                (member.to_owned(), inner(&it["shape"], member))
            });
            Value::Object(named.collect())
        }
        "list" => json!([inner(&shape["member"], member)]),
        "map" => json!({ "key": "value" }),
        "boolean" => json!(true),
        "integer" | "long" => json!(7),
        "float" => json!(30.0),
        "timestamp" => json!("2026-01-01T00:00:00Z"),
        _ => match shape["enum"].as_array().and_then(|it| it.first()) {
            Some(word) => word.clone(),
            None if member.ends_with("rn") => {
                json!("arn:aws:ivs:us-west-2:000000000000:channel/abcdABCDefgh")
            }
            None => json!("text"),
        },
    }
}

/// What a member may be instead of what it should be.
fn wrong() -> Vec<Value> {
    let mut deep = json!("x");
    for _ in 0..60 {
        deep = json!([deep]);
    }
    vec![
        Value::Null,
        json!([]),
        json!({}),
        json!(-1),
        json!(""),
        json!("\u{1b}[2J\u{202e}"),
        json!(true),
        json!(i64::MAX),
        json!(1e300),
        json!([null]),
        json!([{}]),
        deep,
    ]
}

/// Every answer with one of its members, at any depth, replaced by something else, or left out.
fn variants(answer: &Value) -> Vec<Value> {
    fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
        found.push(path.to_owned());
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    paths(value, &format!("{path}/{name}"), found);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    paths(value, &format!("{path}/{index}"), found);
                }
            }
            _ => {}
        }
    }
    let mut places = Vec::new();
    paths(answer, "", &mut places);
    let mut all = Vec::new();
    for place in &places {
        // What lies deep is looked at by nothing but the SDK.
        let deep = place.matches('/').count() > 3;
        for value in wrong().into_iter().take(if deep { 4 } else { usize::MAX }) {
            let mut variant = answer.clone();
            *variant.pointer_mut(place).expect("it is there") = value;
            all.push(variant);
        }
        if let Some((parent, member)) = place.rsplit_once('/') {
            let mut variant = answer.clone();
            if let Some(Value::Object(members)) = variant.pointer_mut(parent) {
                members.remove(member);
                all.push(variant);
            }
        }
    }
    all
}

/// A book in which everything that these specs refer to has an ARN.
fn book_of(specs: &[Spec]) -> AddressMap {
    let mut addresses = AddressMap::default();
    for (index, edge) in specs.iter().flat_map(Spec::refs).enumerate() {
        if let Pointer::Named(address) = edge.to {
            let arn_type = edge.kind.facts().arn_type.unwrap_or("none");
            let arn = format!("arn:aws:ivs:us-west-2:000000000000:{arn_type}/abcdABCDef{index:02}");
            addresses.note(address, Arn::new(arn));
        }
    }
    addresses
}

/// A session of a stage.
const SESSION: &str = "st-abcdefghijklm";

/// What a kind has to do with an answer, by what was asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Calls {
    Listing,
    Reading,
    Making,
    Updating,
    Ending,
}

impl Calls {
    const ALL: [Self; 5] =
        [Self::Listing, Self::Reading, Self::Making, Self::Updating, Self::Ending];

    /// Those that come to an operation.
    fn of(operation: &str) -> Self {
        let begins = |words: &[&str]| words.iter().any(|it| operation.starts_with(it));
        if operation == "ListTagsForResource" || begins(&["Get", "BatchGet"]) {
            Self::Reading
        } else if begins(&["List"]) {
            Self::Listing
        } else if begins(&["Create", "Import", "Start"]) {
            Self::Making
        } else if begins(&["Update"]) {
            Self::Updating
        } else {
            Self::Ending
        }
    }
}

/// The tags of an object that a stack owns.
fn owned() -> Tags {
    let tags = [
        ("stack", "answers"),
        ("name", "one"),
        ("digest", "0"),
        ("op", "01JD0000000000000000000000"),
    ];
    tags.map(|(key, value)| (format!("ivs-apply:{key}"), value.to_owned())).into()
}

/// Makes these calls of a kind. What they come to does not matter here; that they come to something does.
async fn calls_of(aws: &Clients, kind: Kind, calls: Calls) {
    let specs = kind.examples();
    let addresses = book_of(&specs);
    let arn_type = kind.facts().arn_type.unwrap_or("none");
    let arn = Arn::new(format!("arn:aws:ivs:us-west-2:000000000000:{arn_type}/abcdABCDefgh"));
    let arns = [arn.clone()];
    let scope = Scope {
        declared: specs.iter().collect(),
        addresses: addresses.clone(),
        ..Scope::default()
    };
    let tags = Tags::from([("a".to_owned(), "b".to_owned())]);
    match calls {
        Calls::Listing => {
            let _ = kind.list_tagged(aws, &scope).await;
            let _ = kind.users(aws, &arn).await;
            let _ = kind.audiences(aws).await;
            let _ = kind.is_connected(aws, &arn, SESSION).await;
        }
        Calls::Reading => {
            let _ = kind.get(aws, &arns, &addresses).await;
            let _ = kind.secrets(aws, &arns).await;
            let _ = kind.audience(aws, &arn).await;
            let _ = kind.tags_of(aws, &arn).await;
            // One of them is asked for by what a channel remembers.
            let key = [("ivs-apply:stream-key".to_owned(), "abcdABCDefgh".to_owned())].into();
            let parent = specs[0]
                .identity(&addresses)
                .map(|it| Observed::listed(Kind::Channel, it.as_str(), key));
            let scope = Scope { parents: parent.iter().collect(), ..scope };
            if kind.facts().listed_under.is_some() {
                let _ = kind.list(aws, &scope).await;
            }
            for publisher in specs.iter().filter_map(|it| it.publisher(&addresses)) {
                let _ = kind.publishes(aws, &publisher, SESSION).await;
            }
        }
        Calls::Making => {
            for spec in &specs {
                let _ = spec.create(aws, &owned(), &addresses).await;
            }
        }
        Calls::Updating => {
            let _ = specs[0].update(aws, &arn, &[], &addresses).await;
        }
        Calls::Ending => {
            let mut detached = Vec::new();
            for next in [NextCall::Update, NextCall::Delete] {
                let interruption = Interruption { next, stack: "x", detached: &mut detached };
                let _ = kind.interrupt(aws, &arn, &mut { interruption }).await;
            }
            let _ = kind.is_in_the_way(aws, &arn).await;
            detached.push(Detached { kind, arn: arn.clone(), from: arn.clone() });
            for it in detached {
                let _ = it.attach_again(aws).await;
            }
            let _ = kind.delete(aws, &arn).await;
            let _ = specs[0].tag(aws, &arn, &tags, &addresses).await;
            let _ = kind.untag(aws, &arn, &["a".to_owned()]).await;
        }
    }
}

/// The kinds that call an operation.
fn callers(operation: &str) -> Vec<Kind> {
    let calls = |kind: &Kind| kind.facts().operations.iter().any(|it| it.name == operation);
    let kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(calls).collect();
    if kinds.is_empty() { vec![Kind::Channel] } else { kinds }
}

/// Every operation that the program calls is answered in every wrong way that its model has room for.
#[test]
fn no_wrong_shape_of_any_answer_ends_in_a_panic() {
    let answers = Arc::new(Models::read().answers());
    let called = Kind::ALL.iter().flat_map(|it| it.facts().operations).map(|it| it.name);
    let called: BTreeSet<&str> = called.chain(TAGS).collect();
    let mut seen = BTreeSet::new();
    for operation in &called {
        let good = answers[*operation].clone();
        let odd = ["", "\u{0}", "{", "<html>", "[[[[[[[[[["].map(ToOwned::to_owned);
        let specs = variants(&good).into_iter().map(|it| it.to_string()).chain(odd);
        let body = Arc::new(Mutex::new(String::new()));
        let (now, answers, struck) = (body.clone(), answers.clone(), (*operation).to_owned());
        let fake = Fake::new(move |called| {
            // Something is created only where the listing before it shows none.
            let empty = match called {
                "ListStreamKeys" if struck == "CreateStreamKey" => Some(json!({"streamKeys": []})),
                "ListParticipantReplicas" if struck == "StartParticipantReplication" => {
                    Some(json!({"replicas": []}))
                }
                "ListTagsForResource" if struck == "StartParticipantReplication" => {
                    Some(json!({"tags": owned()}))
                }
                _ => None,
            };
            let good = || {
                let answer = empty.as_ref().or_else(|| answers.get(called));
                answer.map_or_else(|| "{}".to_owned(), Value::to_string)
            };
            let body = if called == struck { now.lock().expect("set").clone() } else { good() };
            (200, body)
        });
        on_paused_time(async {
            let aws = fake.clients().await;
            for next in part_of(specs, 3) {
                body.lock().expect("set").clone_from(&next);
                for kind in callers(operation) {
                    Box::pin(calls_of(&aws, kind, Calls::of(operation))).await;
                }
            }
        });
        seen.extend(fake.called.lock().expect("noted").iter().cloned());
    }
    let missed: Vec<&&str> = called.iter().filter(|it| !seen.contains(**it)).collect();
    assert!(missed.is_empty(), "never called: {missed:?}");
}

#[test]
fn no_error_of_any_status_and_shape_ends_in_a_panic() {
    for (status, body) in [
        (301, ""),
        (400, "[]"),
        (403, "{\"message\":[]}"),
        (404, "{\"message\":\"\u{1b}[2J\"}"),
        (409, "<html>"),
        (429, "null"),
        (500, "{"),
        (599, ""),
    ] {
        let fake = Fake::new(move |_| (status, body.to_owned()));
        on_paused_time(async {
            let aws = fake.clients().await;
            for &kind in Kind::ALL {
                for calls in Calls::ALL {
                    if calls != Calls::Updating || kind.facts().mutable != Mutable::TagsOnly {
                        Box::pin(calls_of(&aws, kind, calls)).await;
                    }
                }
                // One that is listed for each of another is not asked for where that one has none.
                let alone = kind.facts().listed_under.is_none();
                assert!(
                    !alone || kind.list(&aws, &Scope::default()).await.is_err(),
                    "{kind} {status}"
                );
            }
        });
    }
}

/// Lists each kind, and the streams, from a server; the errors.
async fn listings(fake: &Fake) -> Vec<(Kind, CloudError)> {
    let aws = fake.clients().await;
    let mut errors = Vec::new();
    for &kind in Kind::ALL.iter().filter(|it| it.facts().listed_under.is_none()) {
        let listed = kind.list(&aws, &Scope::default()).await;
        errors.push((kind, listed.expect_err("it does not end")));
    }
    errors.push((Kind::Channel, Kind::Channel.audiences(&aws).await.expect_err("it does not end")));
    errors
}

/// A page of a listing with one object, and a token that no page had before.
fn endless(padding: &str) -> impl Fn(&str) -> (u16, String) + use<> {
    let answers = Models::read().answers();
    let padding = padding.to_owned();
    let count = Mutex::new(0);
    move |operation| {
        let mut page = answers.get(operation).cloned().unwrap_or_default();
        let mut count = count.lock().expect("counted");
        *count += 1;
        page["nextToken"] = json!(format!("token-{count}"));
        page["padding"] = json!([padding, padding, padding, padding, padding, padding, padding]);
        (200, page.to_string())
    }
}

#[test]
fn endless_pages_end_by_their_number_and_the_error_says_so() {
    for (kind, pages) in
        [(Kind::Channel, 5_000), (Kind::Stage, 1_000), (Kind::RecordingConfiguration, 1_000)]
    {
        let said = on_paused_time(async {
            let aws = Fake::new(endless("")).clients().await;
            kind.list(&aws, &Scope::default()).await.expect_err("it does not end").to_string()
        });
        let expected = format!("the listing does not end within {pages} pages");
        assert!(said.contains(&expected), "{kind}: {said}");
    }
}

#[test]
fn endless_pages_end_by_their_bytes_and_by_the_time_that_they_take() {
    let large = Fake::new(endless(&"x".repeat(60_000)));
    let said = on_paused_time(async {
        let aws = large.clients().await;
        Kind::Stage.list(&aws, &Scope::default()).await.expect_err("too much").to_string()
    });
    assert!(said.contains("256 MiB"), "{said}");
    let slow = Fake { takes: Duration::from_secs(9), ..Fake::new(endless("")) };
    for (_, error) in on_paused_time(async { listings(&slow).await }) {
        assert!(error.to_string().contains("30 minutes"), "{error}");
    }
}

#[test]
fn names_tags_and_counts_of_an_answer_are_bounded() {
    let answers = Models::read().answers();
    let page = |change: &dyn Fn(&mut Value)| {
        let mut page = answers["ListChannels"].clone();
        change(&mut page);
        let fake = Fake::new(move |_| (200, page.to_string()));
        on_paused_time(async {
            let aws = fake.clients().await;
            Kind::Channel.list(&aws, &Scope::default()).await
        })
    };
    assert_eq!(page(&|_| {}).expect("as it should be").len(), 1);
    let many: BTreeMap<String, String> =
        (0..1_001).map(|it| (it.to_string(), it.to_string())).collect();
    for (what, said) in [
        (json!({ "name": "x".repeat(70_000) }), "a text of more than 65536 bytes"),
        (json!({ "tags": { "a": "x".repeat(70_000) } }), "a text of more than 65536 bytes"),
        (json!({ "tags": many }), "an object of more than 1000 members"),
    ] {
        let refused = page(&|page| {
            for (member, value) in what.as_object().expect("members") {
                page["channels"][0][member] = value.clone();
            }
        });
        let error = refused.expect_err("beyond the bounds").to_string();
        assert!(error.contains(said), "{error}");
    }
    let refused = page(&|page| page["channels"] = vec![page["channels"][0].clone(); 10_001].into());
    assert!(refused.expect_err("too many").to_string().contains("a list of more than 10000 items"));
}

/// A server on loopback that answers each request with these headers and then with an endless body.
fn flood(head: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            std::thread::spawn(move || {
                let mut request = [0; 16_384];
                if stream.read(&mut request).is_err() || stream.write_all(head.as_bytes()).is_err()
                {
                    return;
                }
                let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
                // Until the client has had enough, or for a gigabyte.
                for _ in 0..16_384 {
                    if stream.write_all(&chunk).is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

fn against(place: &Place, url: &str, words: &str) -> Ran {
    let mut command = ivs_apply(place.folder.path());
    command
        .envs(SIGNED_IN)
        .args(words.split_whitespace())
        .args(["--endpoint-url", url, "-f"])
        .arg(place.folder.path().join("manifests"));
    run(&mut command)
}

#[test]
fn an_answer_is_cut_off_at_64_mib_while_it_is_received() {
    let place = Place::new();
    place.write("a.yaml", KEY);
    let url = flood(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    let ran = against(&place, &url, "plan");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("the answer is larger than 64 MiB"), "{ran:?}");
    let url = flood(
        "HTTP/1.1 400 Bad\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    let ran = against(&place, &url, "plan");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("the answer is larger than 1 MiB"), "{ran:?}");
}

/// Applies one channel against an account whose creates are answered oddly; how its step ended, and how long that
/// took.
fn created_oddly(how: &str) -> (StepStatus, Duration) {
    on_paused_time(async {
        let account = Account::empty().await;
        let text = "apiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: { name: a }\nspec: {}\n";
        let loaded = load_text("a.yaml", text, None);
        let (observed, plan) =
            account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
        odd(&account, "Create*", how);
        let start = tokio::time::Instant::now();
        let outcome = account.apply(&loaded.stack, &observed, &plan).await;
        (outcome.steps[0].1.clone(), start.elapsed())
    })
}

#[test]
fn a_create_answered_with_an_arn_of_another_account_another_name_or_without_its_tags_is_unknown_at_once()
 {
    for (how, said) in [
        ("account", "999999999999"),
        ("control", "instead of `a`"),
        ("untagged", "without the tags"),
    ] {
        let (status, took) = created_oddly(how);
        let StepStatus::Unknown(failure) = &status else { panic!("{how}: {status:?}") };
        assert!(failure.to_string().contains(said), "{failure}");
        assert!(took < Duration::from_secs(2), "{how}: {took:?}");
    }
}

/// The answers to creates only, or all answers, misread every name: those of listings too.
#[test]
fn an_apply_against_a_server_that_misreads_names_ends_as_unknown_at_once() {
    let place = Place::new();
    let stage = "apiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: { name: a }\nspec: {}\n";
    let key = KEY.trim_start();
    place.write("a.yaml", &format!("{stage}---\n{key}"));
    for operation in ["Create*", "*"] {
        let served = Served::start(place.folder.path(), &[]);
        let fault = json!({ "operation": operation, "kind": "odd", "name": "control" });
        Client::new(&served.url).control("POST", "faults", &fault);
        let begun = std::time::Instant::now();
        let ran = against(&place, &served.url, "apply --yes");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert!(ran.stdout.contains("1 skipped, 2 unknown"), "{operation}: {ran:?}");
        assert!(ran.stderr.contains("the result of the create is unknown"), "{ran:?}");
        // Once the server reads names again, the next run makes the account equal to the manifests.
        Client::new(&served.url).control("DELETE", "faults", &Value::Null);
        assert_eq!(against(&place, &served.url, "apply --yes").code, Some(0));
        let again = against(&place, &served.url, "plan --detailed-exitcode");
        assert_eq!(again.code, Some(0), "{again:?}");
    }
}

#[test]
fn without_the_server_s_time_nothing_is_written_and_the_run_ends_with_exit_1() {
    let place = Place::new();
    let many: Vec<String> = (0..20)
        .map(|it| {
            format!("apiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: {{ name: s{it} }}\nspec: {{}}\n")
        })
        .collect();
    place.write("a.yaml", &many.join("---\n"));
    let served = Served::start(place.folder.path(), &[]);
    let mut client = Client::new(&served.url);
    let fault = json!({ "operation": "*", "kind": "odd", "name": "undated" });
    client.control("POST", "faults", &fault);
    let ran = against(&place, &served.url, "apply --yes");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(ran.stderr.matches("`Date` header").count(), 1, "{ran:?}");
    assert!(!ran.stderr.contains("unknown"), "{ran:?}");
    let calls = client.control("GET", "calls", &Value::Null);
    assert_eq!(calls["CreateStage"], Value::Null, "{calls}");
    // Looking needs no time.
    assert_eq!(against(&place, &served.url, "plan").code, Some(0));
}

#[test]
fn without_ca_certificates_the_error_names_the_bundle_and_loopback_needs_none() {
    let place = Place::new();
    place.write("a.yaml", KEY);
    let served = Served::start(place.folder.path(), &[]);
    let nothing = place.folder.path().join("nothing.pem");
    let nonsense = place.folder.path().join("nonsense.pem");
    std::fs::write(
        &nonsense,
        "-----BEGIN CERTIFICATE-----\nTm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n",
    )
    .expect("writable");
    for (variable, bundle) in
        [("SSL_CERT_FILE", &nothing), ("AWS_CA_BUNDLE", &nothing), ("AWS_CA_BUNDLE", &nonsense)]
    {
        for (url, code) in [("https://127.0.0.1:1", 1), (served.url.as_str(), 0)] {
            let mut command = ivs_apply(place.folder.path());
            command
                .envs(SIGNED_IN)
                .env(variable, bundle)
                .args(["plan", "--endpoint-url", url, "-f"])
                .arg(place.folder.path().join("manifests"));
            let ran = run(&mut command);
            assert_eq!(ran.code, Some(code), "{variable} {url}: {ran:?}");
            if code == 1 {
                for named in [variable, "AWS_CA_BUNDLE", ".pem", "no CA certificate was found"] {
                    assert!(ran.stderr.contains(named), "{named}: {ran:?}");
                }
                assert!(!ran.stderr.contains("panicked"), "{ran:?}");
            }
        }
    }
}

#[test]
fn an_answer_of_another_account_than_the_one_in_force_is_no_plan() {
    on_paused_time(async {
        let account = Account::empty().await;
        let loaded = load_text("key.yaml", KEY, None);
        made(&account, &loaded).await;
        account.aws.identity().await.expect("told");
        odd(&account, "ListChannels", "account");
        let refused = read(&account.aws, &Stack::named("default"), &loaded.desired, WHOLE).await;
        let said = refused.expect_err("another account").source.to_string();
        assert!(said.contains("not of this account"), "{said}");
    });
}

/// A server that gives every request the same answer.
fn always(answer: &'static str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer_one(stream, answer));
        }
    });
    url
}

fn answer_one(mut stream: std::net::TcpStream, answer: &str) {
    use std::io::{Read, Write};
    let mut got = Vec::new();
    let mut part = [0; 4096];
    // A request of a listing ends with its body, `{}` or more.
    while !got.ends_with(b"}") {
        match stream.read(&mut part) {
            Ok(count @ 1..) => got.extend_from_slice(&part[..count]),
            _ => break,
        }
        // One that is no HTTP, or has no body, is answered as well.
        if got.first() == Some(&0x16) || got.starts_with(b"GET") || got.ends_with(b"2011-06-15") {
            break;
        }
    }
    let _ = stream.write_all(answer.as_bytes());
}

#[test]
fn an_answer_that_is_not_the_service_s_points_at_the_endpoint() {
    let place = Place::new();
    place.write("a.yaml", KEY);
    for (answer, message) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>",
            "the answer cannot be read",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnull",
            "not a JSON object",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "the answer is empty",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 11\r\nconnection: close\r\n\r\n{\"ok\":true}",
            "the answer lacks",
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: https://login.example.com/x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "HTTP 302, a redirect to login.example.com",
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>",
            "HTTP 404 without a message",
        ),
        (
            "HTTP/1.1 403 No\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>",
            "HTTP 403 without a message",
        ),
    ] {
        let ran = against(&place, &always(answer), "plan");
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains(message), "{message}: {ran:?}");
        assert!(
            ran.stderr.contains("help: the server that answered is probably not Amazon IVS"),
            "{ran:?}"
        );
        assert!(ran.stderr.contains("`--endpoint-url`, `AWS_ENDPOINT_URL`"), "{ran:?}");
        assert!(!ran.stderr.contains("run the same command again"), "{ran:?}");
    }
}

#[test]
fn a_port_without_tls_is_told_to_be_addressed_with_http() {
    let place = Place::new();
    place.write("a.yaml", KEY);
    let url = always("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let ran = against(&place, &url.replace("http://", "https://"), "plan");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("the port does not speak TLS"), "{ran:?}");
    assert!(ran.stderr.contains("help: begin the address with `http://`"), "{ran:?}");
}
