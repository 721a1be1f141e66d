//! Answers that have members which the request left out, or leave out members with default values, are no
//! difference: no create or update fails for them, and no plan, nor one with `--refresh full`, has a step for them.
//!
//! Which members an answer can have is read off the service models; each is then answered in every form that
//! says nothing.

use crate::account::{Account, on_paused_time};
use crate::change::{connect_participants, nothing_is_left, objects, settle};
use crate::fields::{PARTICIPANTS, smallest, with_references};
use crate::left_out::part_of;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use ivs_apply::aws::Target;
use ivs_apply::emulator::{Clock, Emulator, Settings};
use ivs_apply::engine::connect;
use ivs_apply::kinds::{Address, Kind, Service};
use serde_json::{Map, Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

/// One member of every answer about objects of a kind, as another service would answer it.
#[derive(Clone, Debug)]
struct Variant {
    kind: Kind,
    /// Members from the object to the one that is meant; items of lists are not counted.
    path: Vec<String>,
    /// `None`: the member is not there.
    value: Option<Value>,
}

impl Variant {
    fn new(kind: Kind, path: &str, value: Option<Value>) -> Self {
        Self { kind, path: path.split('.').map(ToOwned::to_owned).collect(), value }
    }

    /// Changes each object of the kind in an answer.
    fn rewrite(&self, answer: &mut Value) {
        match answer {
            Value::Object(map) => {
                let arn = map.get("arn").and_then(Value::as_str).unwrap_or_default();
                let sort = format!(":{}/", self.kind.facts().arn_type.unwrap_or_default());
                if arn.contains(&sort) {
                    put(answer, &self.path, self.value.as_ref());
                } else {
                    map.values_mut().for_each(|it| self.rewrite(it));
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|it| self.rewrite(it)),
            _ => {}
        }
    }
}

fn put(at: &mut Value, path: &[String], value: Option<&Value>) {
    match (at, path) {
        (Value::Array(list), path) => list.iter_mut().for_each(|it| put(it, path, value)),
        (Value::Object(map), [last]) => match value {
            Some(value) => {
                map.insert(last.clone(), value.clone());
            }
            None => {
                map.shift_remove(last);
            }
        },
        (Value::Object(map), [first, rest @ ..]) => {
            map.get_mut(first).into_iter().for_each(|it| put(it, rest, value));
        }
        _ => {}
    }
}

/// An HTTP client whose answers are changed on their way.
#[derive(Clone, Debug)]
struct Rewriting {
    inner: SharedHttpClient,
    variant: Arc<Variant>,
}

impl HttpClient for Rewriting {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(RewritingConnector { inner, variant: self.variant.clone() })
    }
}

#[derive(Debug)]
struct RewritingConnector {
    inner: SharedHttpConnector,
    variant: Arc<Variant>,
}

impl HttpConnector for RewritingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, variant) = (self.inner.clone(), self.variant.clone());
        HttpConnectorFuture::new(async move {
            let mut response = inner.call(request).await?;
            let answer = response.body().bytes().and_then(|it| serde_json::from_slice(it).ok());
            if let Some(mut answer) = answer {
                variant.rewrite(&mut answer);
                let text = answer.to_string();
                response.headers_mut().insert("content-length", text.len().to_string());
                *response.body_mut() = SdkBody::from(text);
            }
            Ok(response)
        })
    }
}

/// An empty account whose answers come in a variant.
async fn answering(variant: Variant) -> Account {
    let emulator = Emulator::new(Settings { clock: Clock::Tokio, ..Settings::default() });
    let inner = emulator.http_client();
    let client = SharedHttpClient::new(Rewriting { inner, variant: Arc::new(variant) });
    let clock = Some(emulator.time_source());
    let target = Target { in_process: Some(client), clock, ..Target::default() };
    let aws = connect(&target).await.expect("the emulator needs no configuration");
    Account { emulator, aws }
}

/// All of these are tried, so that a failure tells which of them make a difference.
fn all_make_no_difference(variants: Vec<(Kind, Value, Variant)>) {
    let makes_one = |(kind, spec, variant): (Kind, Value, Variant)| {
        let what = format!("{variant:?} of {kind} {spec}");
        let tried = AssertUnwindSafe(|| on_paused_time(makes_no_difference(kind, &spec, variant)));
        catch_unwind(tried).is_err().then_some(what)
    };
    let different: Vec<String> = variants.into_iter().filter_map(makes_one).collect();
    assert!(different.is_empty(), "these make a difference: {different:#?}");
}

/// Makes everything that a spec needs, and it, and then there is nothing to do.
async fn makes_no_difference(kind: Kind, spec: &Value, variant: Variant) {
    let what = format!("{variant:?} of {spec}");
    let account = answering(variant).await;
    settled(&account, kind, spec).await;
    let loaded = with_references(kind, spec).load();
    nothing_is_left(&account, &loaded, &what).await;
}

async fn settled(account: &Account, kind: Kind, spec: &Value) {
    let mut manifests = with_references(kind, spec);
    if !kind.facts().ended.is_empty() {
        let subject = manifests.documents.remove(0);
        settle(account, &manifests).await;
        connect_participants(account, &PARTICIPANTS);
        manifests.documents.insert(0, subject);
    }
    settle(account, &manifests).await;
}

/// A spec, and the members of its answers that say what it says.
struct Base {
    kind: Kind,
    spec: Value,
    given: &'static [&'static str],
}

/// As little as can be said of each kind, and what else has defaults of its own.
fn bases() -> Vec<Base> {
    let recording = json!({ "destinationConfiguration": { "s3": { "bucketName": "tape" } } });
    let tailor = "arn:aws:mediatailor:us-west-2:123456789012:playbackConfiguration/a";
    let tailor = json!([{ "playbackConfigurationArn": tailor }]);
    let on_s3 = json!([{ "s3": {
        "storageConfiguration": "shows",
        "encoderConfigurations": ["hd"],
        "thumbnailConfigurations": [{}],
    } }]);
    let with = |spec: &Value, field: &str, value: Value| {
        let mut spec = spec.clone();
        spec[field] = value;
        spec
    };
    let base = |kind, spec, given| Base { kind, spec, given };
    let composition = json!({ "stage": "studio", "destinations": on_s3, "run": "ALWAYS" });
    let mut bases = vec![
        base(Kind::Channel, json!({ "type": "ADVANCED_HD" }), &["type"]),
        base(Kind::Channel, json!({ "type": "BASIC" }), &["type"]),
        base(
            Kind::RecordingConfiguration,
            with(&recording, "thumbnailConfiguration", json!({ "recordingMode": "DISABLED" })),
            &["thumbnailConfiguration", "thumbnailConfiguration.recordingMode"],
        ),
        base(
            Kind::RecordingConfiguration,
            with(&recording, "renditionConfiguration", json!({ "renditionSelection": "NONE" })),
            &["renditionConfiguration", "renditionConfiguration.renditionSelection"],
        ),
        base(
            Kind::AdConfiguration,
            json!({
                "mediaTailorPlaybackConfigurations": tailor,
                "postRollConfiguration": { "enabled": false, "durationSeconds": 30 },
            }),
            &[],
        ),
        base(
            Kind::Stage,
            json!({ "autoParticipantRecordingConfiguration": { "storageConfiguration": "shows" } }),
            &[
                "autoParticipantRecordingConfiguration",
                "autoParticipantRecordingConfiguration.storageConfigurationArn",
            ],
        ),
        base(Kind::Composition, composition.clone(), &[]),
        base(
            Kind::Composition,
            with(&composition, "layout", json!({ "pip": {} })),
            &["layout", "layout.pip"],
        ),
    ];
    // Of a relation AWS shows nothing but that it is there.
    for &kind in Kind::ALL.iter().filter(|it| it.facts().arn_type.is_some()) {
        let mut spec = smallest(kind, &kind.example().minimal());
        if kind == Kind::Composition {
            spec["run"] = json!("ALWAYS");
        }
        bases.push(base(kind, spec, &[]));
    }
    bases
}

/// Members that say what the object is, or what every manifest has to say, and no default.
const GIVEN: [(&str, &[&str]); 8] = [
    (
        "AdConfiguration",
        &[
            "mediaTailorPlaybackConfigurations",
            "mediaTailorPlaybackConfigurations.playbackConfigurationArn",
        ],
    ),
    (
        "Composition",
        &[
            "stageArn",
            "destinations",
            "destinations.id",
            "destinations.state",
            "destinations.configuration",
            "destinations.configuration.channel",
            "destinations.configuration.channel.channelArn",
            "destinations.configuration.s3",
            "destinations.configuration.s3.storageConfigurationArn",
            "destinations.configuration.s3.encoderConfigurationArns",
            "destinations.configuration.s3.thumbnailConfigurations",
        ],
    ),
    ("IngestConfiguration", &["ingestProtocol", "participantId"]),
    ("PlaybackKeyPair", &["fingerprint"]),
    ("PublicKey", &["publicKeyMaterial"]),
    (
        "RecordingConfiguration",
        &[
            "destinationConfiguration",
            "destinationConfiguration.s3",
            "destinationConfiguration.s3.bucketName",
        ],
    ),
    ("StorageConfiguration", &["s3", "s3.bucketName"]),
    ("StreamKey", &["channelArn"]),
];

/// Members whose absence the SDK turns into 0 or `false`, so that later code cannot tell; AWS has always
/// answered them.
const NEVER_ABSENT: [(&str, &str); 2] = [
    ("Composition", "layout.grid.gridGap"),
    ("Stage", "autoParticipantRecordingConfiguration.recordParticipantReplicas"),
];

fn is_given(base: &Base, path: &str) -> bool {
    let of_kind = GIVEN.iter().filter(|it| it.0 == base.kind.name()).flat_map(|it| it.1);
    let mut given = of_kind.chain(base.given).chain(&["arn", "name", "state", "tags"]);
    given.any(|it| *it == path)
}

static MODEL: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../src/emulator/model.json")).expect("generated")
});

fn shapes(kind: Kind) -> &'static Map<String, Value> {
    let service = match kind.facts().service {
        Service::LowLatency => "ivs",
        Service::RealTime => "ivs-realtime",
    };
    MODEL["services"][service]["shapes"].as_object().expect("shapes")
}

/// Every member below a shape, with its type, and what it is in an object.
fn members(
    kind: Kind,
    shape: &str,
    path: &str,
    at: Option<&Value>,
    found: &mut Vec<(String, String, Option<Value>)>,
) {
    let shape = &shapes(kind)[shape];
    if let Some(item) = shape["member"].as_str() {
        let first = at.and_then(Value::as_array).and_then(|it| it.first());
        return members(kind, item, path, first, found);
    }
    for member in shape["members"].as_array().into_iter().flatten() {
        let (name, inner) = (member["name"].as_str(), member["shape"].as_str());
        let (name, inner) = (name.expect("a name"), inner.expect("a shape"));
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let value = at.and_then(|it| it.get(name)).cloned();
        let sort = shapes(kind)[inner]["type"].as_str().expect("a type").to_owned();
        if at.is_some() {
            found.push((path.clone(), sort, value.clone()));
            members(kind, inner, &path, value.as_ref(), found);
        }
    }
}

/// Every way to say nothing in place of what an object with only defaults says.
fn silent(base: &Base, object: &Value) -> Vec<Variant> {
    let mut found = Vec::new();
    members(base.kind, base.kind.name(), "", Some(object), &mut found);
    let mut variants = Vec::new();
    for (path, sort, now) in found {
        if is_given(base, &path) || NEVER_ABSENT.contains(&(base.kind.name(), &path)) {
            continue;
        }
        let empty = match sort.as_str() {
            "string" => Some(json!("")),
            "list" => Some(json!([])),
            "map" | "structure" => Some(json!({})),
            _ => None,
        };
        let forms = [None, Some(Value::Null)].into_iter().chain(empty.map(Some));
        let others = forms.filter(|it| *it != now);
        variants.extend(others.map(|it| Variant::new(base.kind, &path, it)));
    }
    variants
}

#[test]
fn every_member_that_an_answer_leaves_out_or_empties_is_its_default() {
    let mut all = Vec::new();
    for base in bases() {
        let object = on_paused_time(async {
            let account = Account::empty().await;
            settled(&account, base.kind, &base.spec).await;
            objects(&account, &Address::new(base.kind, "subject")).remove(0)
        });
        let variants = silent(&base, &object);
        all.extend(variants.into_iter().map(|it| (base.kind, base.spec.clone(), it)));
    }
    assert!(all.len() > 200, "there are only {} variants", all.len());
    all_make_no_difference(part_of(all, 10).collect());
}

#[test]
fn members_without_effect_in_an_answer_are_no_difference() {
    let recording = |more: Value| {
        let mut spec = json!({ "destinationConfiguration": { "s3": { "bucketName": "tape" } } });
        let more = more.as_object().expect("a mapping").clone();
        spec.as_object_mut().expect("a mapping").extend(more);
        spec
    };
    let disabled = recording(json!({ "thumbnailConfiguration": { "recordingMode": "DISABLED" } }));
    let latest = recording(json!({ "thumbnailConfiguration":
        { "recordingMode": "DISABLED", "storage": ["LATEST"], "resolution": "HD" } }));
    let none = recording(json!({ "renditionConfiguration": { "renditionSelection": "NONE" } }));
    let named = recording(json!({ "renditionConfiguration":
        { "renditionSelection": "ALL", "renditions": ["HD"] } }));
    let all = json!(["SD", "HD", "FULL_HD", "LOWEST_RESOLUTION"]);
    let tailor = "arn:aws:mediatailor:us-west-2:123456789012:playbackConfiguration/a";
    let ads =
        json!({ "mediaTailorPlaybackConfigurations": [{ "playbackConfigurationArn": tailor }] });
    let mut long = ads.clone();
    long["postRollConfiguration"] = json!({ "enabled": false, "durationSeconds": 30 });
    let stage = json!({ "autoParticipantRecordingConfiguration": {
        "storageConfiguration": "shows",
        "thumbnailConfiguration": { "recordingMode": "DISABLED", "storage": ["LATEST"] } } });
    let ipr = "autoParticipantRecordingConfiguration";
    let pip = json!({ "stage": "studio", "run": "ALWAYS", "layout": { "pip": {} },
        "destinations": [{ "channel": { "channel": "main" } }] });
    let grid = json!({ "stage": "studio", "run": "ALWAYS",
        "destinations": [{ "channel": { "channel": "main" } }] });
    let plain = json!({});
    let table: Vec<(Kind, &Value, String, Vec<Value>)> = vec![
        (
            Kind::RecordingConfiguration,
            &disabled,
            "thumbnailConfiguration.targetIntervalSeconds".into(),
            vec![json!(60), json!(1)],
        ),
        (
            Kind::RecordingConfiguration,
            &disabled,
            "thumbnailConfiguration.storage".into(),
            vec![json!(["LATEST"]), json!(["SEQUENTIAL", "LATEST"])],
        ),
        (
            Kind::RecordingConfiguration,
            &latest,
            "thumbnailConfiguration.storage".into(),
            vec![json!([]), json!(["SEQUENTIAL"])],
        ),
        (
            Kind::RecordingConfiguration,
            &disabled,
            "thumbnailConfiguration.resolution".into(),
            vec![json!("SD")],
        ),
        (
            Kind::RecordingConfiguration,
            &latest,
            "thumbnailConfiguration.resolution".into(),
            vec![json!("SD"), json!("")],
        ),
        (
            Kind::RecordingConfiguration,
            &none,
            "renditionConfiguration.renditions".into(),
            vec![all.clone(), json!(["HD"])],
        ),
        (
            Kind::RecordingConfiguration,
            &named,
            "renditionConfiguration.renditions".into(),
            vec![all, json!([])],
        ),
        (
            Kind::RecordingConfiguration,
            &none,
            "thumbnailConfiguration.resolution".into(),
            ["SD", "HD", "FULL_HD", "LOWEST_RESOLUTION"].map(Value::from).into(),
        ),
        (
            Kind::AdConfiguration,
            &ads,
            "postRollConfiguration.durationSeconds".into(),
            vec![json!(0), json!(300)],
        ),
        (
            Kind::AdConfiguration,
            &long,
            "postRollConfiguration.durationSeconds".into(),
            vec![json!(0), json!(15)],
        ),
        (
            Kind::Channel,
            &plain,
            "preset".into(),
            vec![json!("HIGHER_BANDWIDTH_DELIVERY"), json!("CONSTRAINED_BANDWIDTH_DELIVERY")],
        ),
        (
            Kind::Stage,
            &plain,
            ipr.into(),
            vec![json!({
                "storageConfigurationArn": "", "mediaTypes": ["NONE"],
                "thumbnailConfiguration":
                    { "recordingMode": "INTERVAL", "targetIntervalSeconds": 5, "storage": [] },
                "recordingReconnectWindowSeconds": 3,
                "hlsConfiguration": { "targetSegmentDurationSeconds": 9 },
                "recordParticipantReplicas": false,
            })],
        ),
        (
            Kind::Stage,
            &stage,
            format!("{ipr}.thumbnailConfiguration.storage"),
            vec![json!([]), json!(["SEQUENTIAL"])],
        ),
        (
            Kind::Stage,
            &stage,
            format!("{ipr}.thumbnailConfiguration.targetIntervalSeconds"),
            vec![json!(7)],
        ),
        (Kind::Composition, &pip, "layout.grid".into(), vec![json!({}), Value::Null]),
        (Kind::Composition, &grid, "layout.pip".into(), vec![json!({}), Value::Null]),
    ];
    let mut all = Vec::new();
    for (kind, spec, path, values) in table {
        let variants = values.into_iter().map(|it| Variant::new(kind, &path, Some(it)));
        all.extend(variants.map(|it| (kind, spec.clone(), it)));
    }
    all_make_no_difference(all);
}

/// The API has no value that takes a preset away, so an update cannot.
#[test]
fn a_channel_that_leaves_an_advanced_type_has_no_drift_whether_aws_keeps_its_preset_or_not() {
    for after in ["reset", "merge"] {
        on_paused_time(async {
            let account = Account::empty().await;
            account.control("POST", "/_emulator/switches", json!({ "presetAfterAdvanced": after }));
            let advanced =
                json!({ "type": "ADVANCED_HD", "preset": "CONSTRAINED_BANDWIDTH_DELIVERY" });
            settled(&account, Kind::Channel, &advanced).await;
            let address = Address::new(Kind::Channel, "subject");
            for (spec, preset) in [
                (json!({ "type": "STANDARD" }), None),
                (json!({ "type": "ADVANCED_SD" }), Some("HIGHER_BANDWIDTH_DELIVERY")),
                (advanced.clone(), Some("CONSTRAINED_BANDWIDTH_DELIVERY")),
                (json!({ "type": "BASIC" }), None),
            ] {
                settled(&account, Kind::Channel, &spec).await;
                let loaded = with_references(Kind::Channel, &spec).load();
                nothing_is_left(&account, &loaded, &format!("{after} {spec}")).await;
                let held = objects(&account, &address).remove(0);
                if let Some(preset) = preset {
                    assert_eq!(held["preset"], preset, "{after} {spec}");
                }
            }
        });
    }
}
