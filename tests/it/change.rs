//! One field of one manifest changed at a time, on an emulated account.
//!
//! The fields come from the JSON Schemas; the loader decides which other values a field can have. The expected plan
//! of a change is written here after `docs/service-reference.md` §1, and not taken from the code.

use crate::account::Account;
use ivs_apply::cloud::Reading;
use ivs_apply::diag::{FieldPath, Segment};
use ivs_apply::kinds::{Address, Desired, Kind, ObservedState, owner};
use ivs_apply::manifest::values::GivenValues;
use ivs_apply::manifest::{Loaded, StandardInput, load, schema};
use ivs_apply::plan::{Action, Cause, Plan, Policy, Step as PlanStep, plan};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// What a change to a field of `spec` is, by the column Upd of `docs/service-reference.md` §1.
pub(crate) fn action(kind: Kind, path: &str) -> Action {
    let in_place = match kind.name() {
        "Channel"
        | "PlaybackRestrictionPolicy"
        | "AdConfiguration"
        | "FailoverSlateConfiguration"
        | "Stage" => true,
        "IngestConfiguration" => matches!(path, "stage" | "redundantIngest"),
        "StreamKey"
        | "RecordingConfiguration"
        | "PlaybackKeyPair"
        | "EncoderConfiguration"
        | "StorageConfiguration"
        | "Composition"
        | "PublicKey"
        | "ParticipantReplication" => false,
        other => panic!("what does `docs/service-reference.md` §1 say of {other}?"),
    };
    match (path, in_place) {
        ("tags", _) => Action::Retag,
        (_, true) => Action::Update,
        (_, false) => Action::Replace,
    }
}

/// Fields that cannot be changed alone, or not to any end, each with its reason; `fields` has tests of them.
const APART: [(&str, &str, &str); 5] = [
    ("ParticipantReplication", "run", "AWS has no such field: it says whether there is one at all"),
    ("Composition", "destinations[].s3.recordingConfiguration.format", "HLS is the only one"),
    (
        "StreamKey",
        "channel",
        "no key moves: the manifest turns to the one that the other channel has",
    ),
    ("Composition", "run", "AWS has no such field: it says whether there is a composition at all"),
    ("PlaybackKeyPair", "fingerprint", "it stands for a key AWS has: another cannot be made of it"),
];

/// Fields that no schema calls required and that cannot be left out alone all the same, each with its reason.
pub(crate) const NEEDED: [(&str, &str, &str); 7] = [
    (
        "RecordingConfiguration",
        "renditionConfiguration.renditions",
        "CUSTOM needs some, and nothing else looks at them",
    ),
    ("ParticipantReplication", "participant", "a participant, in one form or the other"),
    ("ParticipantReplication", "participantId", "a participant, in one form or the other"),
    ("PlaybackKeyPair", "publicKeyMaterial", "the key itself, in one form or the other"),
    ("PlaybackKeyPair", "publicKeyFile", "the key itself, in one form or the other"),
    ("PublicKey", "publicKeyMaterial", "the key itself, in one form or the other"),
    ("PublicKey", "publicKeyFile", "the key itself, in one form or the other"),
];

/// Fields of which AWS shows nothing and a hash only that they differ: every part of them may be told.
const UNREADABLE: [(&str, &str); 1] = [("ParticipantReplication", "attributes")];

/// Every field that anything is excused of.
pub(crate) fn excused() -> Vec<(&'static str, &'static str)> {
    APART.iter().chain(&NEEDED).map(|it| (it.0, it.1)).chain(UNREADABLE).collect()
}

/// Fields that a plan shows as another: what AWS has instead.
fn shown_as(kind: Kind, path: &str) -> &str {
    match (kind.name(), path) {
        // AWS never returns this key, only its fingerprint.
        ("PlaybackKeyPair", "publicKeyMaterial" | "publicKeyFile") => "fingerprint",
        // A file holds the text of the field.
        ("PublicKey", "publicKeyFile") => "publicKeyMaterial",
        _ => path,
    }
}

/// What AWS takes for an absent field where that depends on another one, so that no schema says it.
fn dependent_default(kind: Kind, path: &str, spec: &Value) -> Value {
    let beside = |name: &str| {
        let place = FieldPath::from(path).parent()?.key(name);
        look(spec, &place)?.as_str().map(ToOwned::to_owned)
    };
    let (thing, when) = match (kind.name(), path.rsplit('.').next()) {
        ("Channel", Some("preset")) => (
            json!("HIGHER_BANDWIDTH_DELIVERY"),
            beside("type").is_some_and(|it| it.starts_with("ADVANCED_")),
        ),
        ("RecordingConfiguration", Some("targetIntervalSeconds")) => {
            (json!(60), beside("recordingMode").is_none_or(|it| it == "INTERVAL"))
        }
        ("Stage", Some("targetIntervalSeconds")) => {
            (json!(60), beside("recordingMode").is_some_and(|it| it == "INTERVAL"))
        }
        _ => (Value::Null, true),
    };
    if when { thing } else { Value::Null }
}

/// Absent fields that are another thing after a change of the field they depend on.
fn followers(kind: Kind, before: &Value, after: &Value) -> Vec<String> {
    let fields = fields_of(kind).into_iter().map(|it| it.path);
    let follows = |path: &String| {
        let absent = |spec: &Value| look(spec, &FieldPath::from(path)).is_none();
        let default = |spec: &Value| dependent_default(kind, path, spec);
        absent(before) && absent(after) && default(before) != default(after)
    };
    fields.filter(follows).map(|it| format!("spec.{it}")).collect()
}

/// A display name that is left out stays as it is where it cannot be changed: nothing is replaced for a
/// default.
pub(crate) fn stays_when_left_out(kind: Kind, path: &str) -> bool {
    path == "name" && action(kind, path) == Action::Replace
}

/// A field of a kind's spec: a value, or a list of mappings as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) kind: Kind,
    /// `destinations[].name`: list positions without numbers.
    pub(crate) path: String,
    pub(crate) schema: Value,
    /// Whether the mapping it stands in must have it.
    pub(crate) required: bool,
    steps: Vec<Step>,
    /// What that mapping is if it is left out.
    around: Map<String, Value>,
}

#[derive(Clone, Debug)]
enum Step {
    /// Into a mapping; whether the value may be left out and has a default then.
    Key(String, bool),
    Item,
}

/// Every field of a kind, from its JSON Schema.
pub(crate) fn fields_of(kind: Kind) -> Vec<Field> {
    let mut fields = Vec::new();
    let schema = &schema::without_values(kind)["properties"]["spec"];
    visit(kind, schema, "", &[], &mut |field| fields.push(field), &mut |_| {});
    fields
}

/// The mappings of a kind that are not there unless they are written: of a choice, all but one are absent.
fn choices_of(kind: Kind) -> Vec<Field> {
    let mut choices = Vec::new();
    let schema = &schema::without_values(kind)["properties"]["spec"];
    visit(kind, schema, "", &[], &mut |_| {}, &mut |choice| choices.push(choice));
    choices
}

fn visit(
    kind: Kind,
    schema: &Value,
    path: &str,
    steps: &[Step],
    field: &mut dyn FnMut(Field),
    choice: &mut dyn FnMut(Field),
) {
    let members = schema["properties"].as_object().into_iter().flatten();
    for (name, member) in members {
        let options = member["anyOf"].as_array().into_iter().flatten();
        let types = options.clone().map(|it| &it["type"]).chain([&member["type"]]);
        let is_null = |it: &Value| {
            it == "null" || it.as_array().is_some_and(|it| it.contains(&json!("null")))
        };
        let nullable = types.into_iter().any(is_null);
        let member = options.into_iter().find(|it| it["type"] != "null").unwrap_or(member);
        let required =
            schema["required"].as_array().is_some_and(|it| it.contains(&json!(name.as_str())));
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let mut steps = steps.to_vec();
        steps.push(Step::Key(name.clone(), !nullable && !required));
        let around = schema["default"].as_object().cloned().unwrap_or_default();
        let this = Field {
            kind,
            path: path.clone(),
            schema: member.clone(),
            required,
            steps: steps.clone(),
            around,
        };
        if member["properties"].is_object() {
            if nullable {
                choice(this);
            }
            visit(kind, member, &path, &steps, field, choice);
            continue;
        }
        if member["items"]["properties"].is_object() {
            steps.push(Step::Item);
            visit(kind, &member["items"], &format!("{path}[]"), &steps, field, choice);
        }
        field(this);
    }
}

impl Field {
    /// Whether it is one of those that cannot be changed alone.
    pub(crate) fn is_apart(&self) -> bool {
        APART.iter().any(|it| (it.0, it.1) == (self.kind.name(), &self.path))
    }

    /// Where it stands, or can be put, in a spec.
    pub(crate) fn places(&self, spec: &Value) -> Vec<FieldPath> {
        let mut places = Vec::new();
        find(Some(spec), &self.steps, &FieldPath::root(), &mut places);
        places
    }

    /// The spec with another value at a place.
    pub(crate) fn put(&self, spec: &Value, place: &FieldPath, value: Value) -> Value {
        let mut spec = spec.clone();
        let parent = place.parent().expect("a field stands in a mapping");
        let map = reach(&mut spec, &parent).as_object_mut().expect("a mapping");
        if self.required {
            // It cannot stand alone where the whole mapping was left out.
            for (name, default) in &self.around {
                map.entry(name.clone()).or_insert_with(|| default.clone());
            }
        }
        map.insert(last_key(place).to_owned(), value);
        spec
    }

    /// The spec without the field, or without the mapping that cannot be without it.
    fn left_out(&self, spec: &Value, place: &FieldPath) -> Option<Value> {
        let place = match (self.required, &self.steps[..]) {
            (false, _) => place.clone(),
            (true, [.., Step::Key(_, true), _]) => place.parent()?,
            (true, _) => return None,
        };
        let mut spec = spec.clone();
        let parent = reach(&mut spec, &place.parent()?).as_object_mut()?;
        parent.shift_remove(last_key(&place));
        Some(spec)
    }

    pub(crate) fn target(&self) -> Option<Kind> {
        let schema =
            if self.schema["type"] == "array" { &self.schema["items"] } else { &self.schema };
        schema["x-ivs-ref"].as_str().and_then(Kind::named)
    }

    /// The values of an enumeration.
    pub(crate) fn enum_values(&self) -> Vec<Value> {
        enum_values(&self.schema)
    }

    /// What it is where it is left out.
    fn default(&self, spec: &Value) -> Value {
        let own = self.schema.get("default").filter(|it| !it.is_null());
        let name = self.path.rsplit('.').next().unwrap_or_default();
        own.or(self.around.get(name))
            .cloned()
            .unwrap_or_else(|| dependent_default(self.kind, &self.path, spec))
    }

    /// Values worth trying in place of `before`; the loader says which of them will do.
    fn candidates(&self, before: &Value, manifests: &Manifests) -> Vec<Value> {
        let name = self.path.rsplit('.').next().unwrap_or_default();
        let mut values = match name {
            "publicKeyMaterial" => keys().iter().map(|it| json!(it.1)).collect(),
            "publicKeyFile" => keys().iter().map(|it| json!(it.0)).collect(),
            _ => of_type(&self.schema, before, manifests),
        };
        // What is sensible for a text or a list of texts, the examples of the kind know.
        let is_map = self.schema["type"] == "object";
        for example in self.kind.examples().into_iter().filter(|_| !is_map) {
            let example = serde_json::to_value(&example).expect("specs serialise");
            let found = self.places(&example);
            values.extend(found.iter().filter_map(|it| look(&example, it).cloned()));
        }
        let lists: Vec<Value> = values.iter().filter(|it| it.is_array()).cloned().collect();
        for list in lists.iter().filter_map(Value::as_array).filter(|it| it.len() > 1) {
            values.push(json!(list[..1]));
        }
        // Two lists of mappings that are as long are told item by item: those are fields of their own.
        let of_mappings = self.schema["items"]["properties"].is_object();
        let length = |it: &Value| it.as_array().map(Vec::len);
        let mut different: Vec<Value> = Vec::new();
        for value in values {
            let same =
                |it: &Value| if of_mappings { length(it) == length(&value) } else { *it == value };
            if !same(before) && !different.iter().any(same) {
                different.push(value);
            }
        }
        different
    }
}

fn enum_values(schema: &Value) -> Vec<Value> {
    let plain = schema["enum"].as_array().into_iter().flatten();
    let described = schema["oneOf"].as_array().into_iter().flatten().map(|it| &it["const"]);
    plain.chain(described).filter(|it| it.is_string()).cloned().collect()
}

fn of_type(schema: &Value, before: &Value, manifests: &Manifests) -> Vec<Value> {
    let values = enum_values(schema);
    if !values.is_empty() {
        return values;
    }
    if let Some(kind) = schema["x-ivs-ref"].as_str() {
        let names = manifests.documents.iter().filter(|it| it["kind"] == kind);
        return names.map(|it| it["metadata"]["name"].clone()).collect();
    }
    let number = |by: i64| before.as_i64().map(|it| json!(it + by));
    let is = |word: &str| {
        schema["type"] == word
            || schema["type"].as_array().is_some_and(|it| it.contains(&json!(word)))
    };
    if is("boolean") {
        vec![json!(true), json!(false)]
    } else if is("integer") || is("number") {
        [Some(json!(0)), number(1), number(2), number(-2), Some(json!(1)), Some(json!(29.97))]
            .into_iter()
            .flatten()
            .collect()
    } else if is("array") {
        let one = &schema["items"];
        let of_mappings = one["properties"].is_object();
        let items = if of_mappings { vec![] } else { of_type(one, &Value::Null, manifests) };
        let mut lists: Vec<Value> = items.iter().map(|it| json!([it])).collect();
        lists.extend([json!([]), json!(items)]);
        let before = before.as_array().into_iter().flatten();
        // One item more, and one less.
        let more =
            before.clone().cloned().chain(before.clone().last().cloned().or(Some(json!({}))));
        lists.push(json!(more.collect::<Vec<_>>()));
        let mut less: Vec<Value> = before.cloned().collect();
        less.pop();
        lists.push(json!(less));
        lists
    } else if is("object") {
        let with = |word: &str| {
            let mut map = before.as_object().cloned().unwrap_or_default();
            map.insert("changed".to_owned(), json!(word));
            Value::Object(map)
        };
        vec![with("once"), with("twice")]
    } else {
        let text = before.as_str().unwrap_or("it");
        vec![json!(format!("{text}-2")), json!("")]
    }
}

fn find(value: Option<&Value>, steps: &[Step], at: &FieldPath, places: &mut Vec<FieldPath>) {
    match steps {
        [] => {}
        [Step::Key(name, _)] => places.push(at.clone().key(name)),
        [Step::Key(name, left_out), rest @ ..] => {
            let inner = value.and_then(|it| it.get(name));
            if inner.is_some() || *left_out {
                find(inner, rest, &at.clone().key(name), places);
            }
        }
        [Step::Item, rest @ ..] => {
            for (index, item) in value.and_then(Value::as_array).into_iter().flatten().enumerate() {
                find(Some(item), rest, &at.clone().index(index), places);
            }
        }
    }
}

fn last_key(path: &FieldPath) -> &str {
    let Some(Segment::Key(key)) = path.segments().last() else { panic!("{path} is no field") };
    key
}

/// What stands at a path; mappings on the way that are not there are made.
fn reach<'a>(value: &'a mut Value, path: &FieldPath) -> &'a mut Value {
    path.segments().iter().fold(value, |value, segment| match segment {
        Segment::Index(index) => &mut value[*index],
        Segment::Key(key) => {
            let map = value.as_object_mut().expect("a mapping");
            map.entry(key.clone()).or_insert_with(|| json!({}))
        }
    })
}

fn look<'a>(value: &'a Value, path: &FieldPath) -> Option<&'a Value> {
    path.segments().iter().try_fold(value, |value, segment| match segment {
        Segment::Index(index) => value.get(index),
        Segment::Key(key) => value.get(key),
    })
}

/// Keys for manifests, by the names of files. The heads are those of every P-384 key, the points on no curve.
fn keys() -> [(&'static str, String); 2] {
    let key = |letter: &str| {
        let (head, half) = ("MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE", letter.repeat(32));
        format!(
            "-----BEGIN PUBLIC KEY-----\n{head}{half}\n{half}{half}\n{half}\n-----END PUBLIC KEY-----\n"
        )
    };
    [("keys/one-of-two.pem", key("B")), ("keys/two-of-two.pem", key("C"))]
}

/// Manifests as values, in a folder of their own with what stands beside them.
pub(crate) struct Manifests {
    folder: tempfile::TempDir,
    pub(crate) documents: Vec<Value>,
}

impl Manifests {
    pub(crate) fn of(documents: Vec<Value>) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        std::fs::create_dir(folder.path().join("keys")).expect("writable");
        for (name, key) in keys() {
            std::fs::write(folder.path().join(name), key).expect("writable");
        }
        Self { folder, documents }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Through the loader, as text: what a document leaves out is not there.
    pub(crate) fn load(&self) -> Loaded {
        let texts: Vec<String> = self.documents.iter().map(|it| format!("---\n{it:#}\n")).collect();
        let text = texts.concat();
        std::fs::write(self.folder.path().join("manifests.yaml"), text).expect("writable");
        load(
            &[self.folder.path().to_owned()],
            StandardInput { text: &mut std::io::empty(), folder: None },
            None,
            &GivenValues::default(),
        )
    }

    /// The same with another spec, if the loader takes it.
    pub(crate) fn takes(&mut self, subject: usize, spec: &Value) -> bool {
        let before = std::mem::replace(&mut self.documents[subject]["spec"], spec.clone());
        let good = !self.load().report.has_errors();
        self.documents[subject]["spec"] = before;
        good
    }

    pub(crate) fn address(&self, subject: usize) -> Option<Address> {
        let document = &self.documents[subject];
        let kind = Kind::named(document["kind"].as_str()?)?;
        Some(Address::new(kind, document["metadata"]["name"].as_str()?))
    }
}

/// How one field is changed at one place: from `start`, value by value, and back to `start`.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) field: Field,
    pub(crate) place: FieldPath,
    /// The spec without the field; with it, where it cannot be left out.
    pub(crate) start: Value,
    pub(crate) is_left_out: bool,
    /// What it is at the start.
    pub(crate) before: Value,
    pub(crate) values: Vec<Value>,
}

/// The course of a field from the spec as it stands, or from where the field is left out, if it can be changed
/// alone there.
fn course(
    manifests: &mut Manifests,
    subject: usize,
    field: &Field,
    place: &FieldPath,
    leave_out: bool,
) -> Option<Course> {
    let spec = manifests.documents[subject]["spec"].clone();
    let without = field.left_out(&spec, place).filter(|_| leave_out);
    let without = without.filter(|it| manifests.takes(subject, it) && has_effect(field, it));
    let start = without.unwrap_or(spec);
    let is_left_out = look(&start, place).is_none();
    let before = look(&start, place).cloned().unwrap_or_else(|| field.default(&start));
    let mut values = field.candidates(&before, manifests);
    values.retain(|it| has_effect(field, &start) && !is_same(field, it, &before));
    values.retain(|it| manifests.takes(subject, &field.put(&start, place, it.clone())));
    let place = place.clone();
    let field = field.clone();
    (!values.is_empty()).then_some(Course { field, place, start, is_left_out, before, values })
}

/// The courses of all fields of a resource.
pub(crate) fn courses(manifests: &mut Manifests, subject: usize, leave_out: bool) -> Vec<Course> {
    let spec = manifests.documents[subject]["spec"].clone();
    let Some(address) = manifests.address(subject) else { return Vec::new() };
    let mut courses = Vec::new();
    for field in fields_of(address.kind).into_iter().filter(|it| !it.is_apart()) {
        let places = field.places(&spec).into_iter();
        courses.extend(
            places.filter_map(|place| course(manifests, subject, &field, &place, leave_out)),
        );
    }
    courses
}

/// Specs near this one, in each of which one more thing is set: for fields that need a companion.
pub(crate) fn neighbours(manifests: &mut Manifests, subject: usize, kind: Kind) -> Vec<Value> {
    let spec = manifests.documents[subject]["spec"].clone();
    let mut near = Vec::new();
    for choice in choices_of(kind) {
        let places = choice.places(&spec);
        near.extend(places.iter().map(|place| choice.put(&spec, place, json!({}))));
    }
    for field in fields_of(kind) {
        for place in field.places(&spec) {
            let target = field.target().filter(|_| field.schema["type"] != "array");
            let named = target
                .and_then(|kind| manifests.documents.iter().find(|it| it["kind"] == kind.name()));
            let named = named.map(|it| it["metadata"]["name"].clone());
            let values = field.enum_values().into_iter().chain(named);
            near.extend(values.map(|value| field.put(&spec, &place, value)));
        }
    }
    near.retain(|it| *it != spec && manifests.takes(subject, it));
    near
}

/// The stream of a composition outlives it for a while (`streamOutlivesStopSeconds`): until then no other one can
/// broadcast to its channel.
async fn let_streams_end() {
    tokio::time::sleep(Duration::from_secs(30)).await;
}

/// Makes the account equal to the manifests, whatever that takes.
pub(crate) async fn settle(account: &Account, manifests: &Manifests) {
    let loaded = manifests.load();
    assert!(!loaded.report.has_errors(), "{:#?}\n{:#?}", manifests.documents, loaded.report);
    let policy = Policy { prune: true, ..consent(&loaded.desired) };
    // What could only be made later needs a second turn.
    for _ in 0..3 {
        let_streams_end().await;
        let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
        if plan.steps.is_empty() {
            return;
        }
        let outcome = account.apply(&loaded.stack, &observed, &plan).await;
        assert!(outcome.is_well(), "{outcome:#?}\n{plan:#?}");
    }
    panic!("the account does not become equal to the manifests: {:#?}", manifests.documents);
}

/// Whether a field does anything beside the others of a spec; AWS may answer what it likes where it does not.
fn has_effect(field: &Field, spec: &Value) -> bool {
    let at = |path: &str| look(spec, &FieldPath::from(path)).cloned();
    let is = |path: &str, word: Value| at(path) == Some(word);
    match (field.kind.name(), field.path.as_str()) {
        (
            "RecordingConfiguration",
            "thumbnailConfiguration.storage" | "thumbnailConfiguration.resolution",
        ) => !is("thumbnailConfiguration.recordingMode", json!("DISABLED")),
        ("RecordingConfiguration", "renditionConfiguration.renditions") => {
            is("renditionConfiguration.renditionSelection", json!("CUSTOM"))
        }
        ("AdConfiguration", "postRollConfiguration.durationSeconds") => {
            is("postRollConfiguration.enabled", json!(true))
        }
        ("Stage", "autoParticipantRecordingConfiguration.thumbnailConfiguration.storage") => is(
            "autoParticipantRecordingConfiguration.thumbnailConfiguration.recordingMode",
            json!("INTERVAL"),
        ),
        _ => true,
    }
}

/// Whether two values of a field are the same to AWS: an empty list is the default.
fn is_same(field: &Field, one: &Value, other: &Value) -> bool {
    let has_default = field.path.ends_with(".storage") || field.path.ends_with(".mediaTypes");
    let default = if field.path.ends_with(".storage") { "SEQUENTIAL" } else { "AUDIO_VIDEO" };
    let meant = |it: &Value| if *it == json!([]) { json!([default]) } else { it.clone() };
    has_default && meant(one) == meant(other)
}

/// Keeps objects running that end by themselves: these participants on every stage, and an encoder behind
/// every ingest configuration that has one.
pub(crate) fn connect_participants(account: &Account, participants: &[&str]) {
    let all = account.control("GET", "/_emulator/objects", Value::Null);
    for object in all["objects"].as_array().expect("a list") {
        let arn = &object["arn"];
        match object["kind"].as_str() {
            Some("Stage") => {
                for one in participants {
                    let body = json!({ "stageArn": arn, "participantId": one });
                    account.control("POST", "/_emulator/participants", body);
                }
            }
            Some("IngestConfiguration") if object["object"]["stageArn"] != "" => {
                let body = json!({ "ingestConfigurationArn": arn });
                account.control("POST", "/_emulator/ingests", body);
            }
            _ => {}
        }
    }
}

fn consent(desired: &[Desired]) -> Policy {
    let allow_live = desired.iter().map(|it| it.address.clone()).collect();
    Policy { allow_live, ..Policy::default() }
}

/// Plans are empty, by digests and by a full reading.
pub(crate) async fn nothing_is_left(account: &Account, loaded: &Loaded, what: &str) {
    let policy = consent(&loaded.desired);
    for full in [false, true] {
        let reading = Reading { every_kind: false, full, strangers: false };
        let observed = account.read(&loaded.stack, &loaded.desired, reading).await;
        let again = plan(&loaded.stack, &loaded.desired, &observed, &policy);
        assert!(again.steps.is_empty(), "{what}, full {full}: {:#?}", again.steps);
    }
}

/// What the plan must show.
enum Shown<'a> {
    Fields(&'a [String], Action),
    /// Nothing: the object keeps what it has, and that is what its manifest means.
    Nothing,
}

/// The plan of this moment, with consent to cut off all audiences.
pub(crate) async fn planned(
    account: &Account,
    manifests: &Manifests,
) -> (Loaded, ObservedState, Plan) {
    let loaded = manifests.load();
    assert!(!loaded.report.has_errors(), "{:#?}\n{:#?}", manifests.documents, loaded.report);
    let policy = consent(&loaded.desired);
    let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
    (loaded, observed, plan)
}

/// Plans, sees what is to be seen and nothing else, carries it out, and then there is nothing left to do.
async fn turn(
    account: &Account,
    manifests: &Manifests,
    subject: &Address,
    shown: Shown<'_>,
    what: &str,
) {
    let_streams_end().await;
    let (loaded, observed, plan) = planned(account, manifests).await;
    let of_it = |it: &&PlanStep| it.address == *subject && it.spec.is_some();
    let steps: Vec<_> = plan.steps.iter().filter(of_it).collect();
    if let Shown::Nothing = shown {
        assert!(plan.steps.is_empty(), "{what}: {:#?}", plan.steps);
        return nothing_is_left(account, &loaded, what).await;
    }
    let [step] = steps[..] else { panic!("{what}: {:#?}", plan.steps) };
    let paths: Vec<String> = step.fields.iter().map(|it| it.path.to_string()).collect();
    match shown {
        Shown::Fields(shown, action) => {
            let parts = |it: &String| it.starts_with("spec.attributes");
            if UNREADABLE.contains(&(subject.kind.name(), "attributes")) && paths.iter().all(parts)
            {
                assert_eq!(shown, ["spec.attributes.changed"], "{what}");
            } else {
                // What has no effect is its default, so it may change with the field that gives it one.
                let idle = |it: &&str| {
                    let without_effect = [
                        "spec.postRollConfiguration.durationSeconds",
                        "spec.renditionConfiguration.renditions",
                    ];
                    without_effect.contains(it) && !shown.iter().any(|one| one == it)
                };
                let paths: Vec<&str> =
                    paths.iter().map(String::as_str).filter(|it| !idle(it)).collect();
                assert_eq!(paths, shown, "{what}");
            }
            assert_eq!(step.action, action, "{what}");
        }
        Shown::Nothing => unreachable!("told above"),
    }
    assert!(step.decision.is_do(), "{what}: {step:#?}");
    let halves = plan.halves_of_replacements();
    for other in plan.steps.iter().filter(|it| !of_it(it)) {
        let follows = other.because.iter().all(|it| matches!(it, Cause::Upstream { .. }));
        assert!(halves.contains(&other.id) || follows, "{what}: {other:#?}");
    }
    let outcome = account.apply(&loaded.stack, &observed, &plan).await;
    assert!(outcome.is_well(), "{what}: {outcome:#?}");
    nothing_is_left(account, &loaded, what).await;
}

/// Changes the field along its course, checks each change in the plan and in the account, and restores it.
pub(crate) async fn follow(
    account: &Account,
    manifests: &mut Manifests,
    subject: usize,
    course: &Course,
    values: usize,
) {
    let address = manifests.address(subject).expect("a resource");
    let (field, place) = (&course.field, &course.place);
    let shown = place.to_string().replacen(&field.path, shown_as(field.kind, &field.path), 1);
    let shown = FieldPath::from("spec").join(shown);
    let mut told = shown.to_string();
    if field.schema["type"] == "object" {
        told.push_str(".changed");
    }
    let action = action(field.kind, &field.path);
    let held = || held(account, &address, &shown, field);
    let first = held();
    let mut last = first.clone();
    let told = |before: &Value, after: &Value| {
        let mut all = vec![told.clone()];
        all.extend(followers(field.kind, before, after));
        all
    };
    for value in course.values.iter().take(values) {
        let what = format!("{address} {place}: {value}");
        let spec = field.put(&course.start, place, value.clone());
        let told = told(&manifests.documents[subject]["spec"], &spec);
        manifests.documents[subject]["spec"] = spec;
        turn(account, manifests, &address, Shown::Fields(&told, action), &what).await;
        let now = held();
        assert_ne!(now, last, "{what}: the account has what it had");
        if shown_as(field.kind, &field.path) == field.path {
            assert!(is(account, field, value, &now), "{what}: the account has {now}");
        }
        last = now;
    }
    let what = format!("{address} {place}: back");
    let told = told(&manifests.documents[subject]["spec"], &course.start);
    manifests.documents[subject]["spec"] = course.start.clone();
    if course.is_left_out && stays_when_left_out(field.kind, &field.path) {
        turn(account, manifests, &address, Shown::Nothing, &what).await;
        assert_eq!(held(), last, "{what}");
    } else {
        turn(account, manifests, &address, Shown::Fields(&told, action), &what).await;
        assert_eq!(held(), first, "{what}");
    }
}

/// Objects of the account that have this address, as the service itself knows them.
pub(crate) fn objects(account: &Account, address: &Address) -> Vec<Value> {
    let all = account.control("GET", "/_emulator/objects", Value::Null);
    if address.kind.name() == "ParticipantReplication" {
        // They carry no name; here each is the only one.
        return all["replications"].as_array().expect("a list").clone();
    }
    let over = ["STOPPED", "STOPPING", "FAILED"];
    let all = all["objects"].as_array().expect("a list").iter();
    all.filter(|it| it["kind"] == address.kind.name())
        .map(|it| it["object"].clone())
        .filter(|it| it["tags"][owner::NAME] == address.name.as_str())
        .filter(|it| !it["state"].as_str().is_some_and(|it| over.contains(&it)))
        .collect()
}

/// What the account has at a path of a spec, as the API writes it.
fn held(account: &Account, address: &Address, path: &FieldPath, field: &Field) -> Value {
    let objects = objects(account, address);
    let [object] = &objects[..] else { panic!("{address}: {objects:#?}") };
    if path.to_string() == "spec.rotation" {
        let record = object["tags"][owner::RECORD].as_str().unwrap_or_default();
        return record.split_once(" rotation=").map_or(Value::Null, |(_, it)| json!(it));
    }
    let mut value = object;
    for segment in &path.segments()[1..] {
        value = match segment {
            Segment::Index(index) => match &value[index] {
                // A destination is wrapped in how it is doing.
                item if item.get("configuration").is_some() => &item["configuration"],
                item => item,
            },
            Segment::Key(key) => {
                let (one, id) = (format!("{key}Arn"), format!("{key}Id"));
                let several = format!("{}Arns", key.trim_end_matches('s'));
                let found = [key, &one, &several, &id].into_iter().find_map(|it| value.get(it));
                found.unwrap_or(&Value::Null)
            }
        };
    }
    match value {
        // Of mappings only how many: their fields are fields of their own.
        Value::Array(list) if field.schema["items"]["properties"].is_object() => json!(list.len()),
        Value::Object(map) => {
            let own = map.iter().filter(|(key, _)| !key.starts_with(owner::PREFIX));
            own.map(|(key, it)| (key.clone(), it.clone())).collect()
        }
        _ => value.clone(),
    }
}

/// Whether what the account has is what the manifest says.
fn is(account: &Account, field: &Field, wanted: &Value, held: &Value) -> bool {
    let arn = |name: &Value| {
        let target = field.target().expect("a reference");
        let address = Address::new(target, name.as_str().expect("a name"));
        let object = &objects(account, &address)[0];
        // The publisher of an ingest configuration has an id.
        let by_id = field.kind.name() == "ParticipantReplication" && field.path == "participant";
        object[if by_id { "participantId" } else { "arn" }].clone()
    };
    match (wanted, held) {
        (Value::Array(wanted), Value::Array(held)) => {
            let texts = |list: &[Value], arns: bool| -> BTreeSet<String> {
                list.iter().map(|it| if arns { arn(it) } else { it.clone() }.to_string()).collect()
            };
            texts(wanted, field.target().is_some()) == texts(held, false)
        }
        (Value::Array(wanted), Value::Number(_)) => json!(wanted.len()) == *held,
        (Value::String(_), held) if field.target().is_some() => arn(wanted) == *held,
        (Value::Object(wanted), held) => wanted.iter().all(|(key, it)| held[key] == *it),
        (Value::Number(wanted), Value::Number(held)) => {
            let apart = wanted.as_f64().zip(held.as_f64()).map(|(a, b)| (a - b).abs());
            apart.is_some_and(|it| it < 1e-5)
        }
        // Nothing and an empty text are the same to AWS.
        (Value::String(wanted), Value::Null) => wanted.is_empty(),
        (Value::Array(wanted), Value::Null) => wanted.is_empty(),
        _ => wanted == held,
    }
}
