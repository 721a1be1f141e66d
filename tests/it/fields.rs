//! Every field of every kind, one at a time: in the plan, in the account, and gone again when left out.

use crate::account::{Account, on_paused_time};
use crate::change::{
    Course, Manifests, NEEDED, connect_participants, courses, excused, fields_of, follow,
    neighbours, objects, planned, settle,
};
use crate::left_out::every_case;
use ivs_apply::diag::{Code, Diagnostic, FieldPath, Place};
use ivs_apply::kinds::spec::named_targets;
use ivs_apply::kinds::{Address, Kind, ObservedState};
use ivs_apply::manifest::Loaded;
use ivs_apply::plan::{Action, Plan, Status};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// Who is on every stage: as the examples of `ParticipantReplication` call them, and another one.
pub(crate) const PARTICIPANTS: [&str; 2] = ["abCD12efGH34", "abCD12efGH34-2"];

/// A document whose audience may be cut off.
fn document(address: &Address, spec: &Value) -> Value {
    json!({
        "apiVersion": "ivs-apply.dev/v1",
        "kind": address.kind.name(),
        "metadata": { "name": address.name },
        "spec": spec,
        "lifecycle": { "onLive": "interrupt" },
    })
}

/// Manifests of a resource of a kind, followed by two of each resource that its examples refer to.
pub(crate) fn with_references(kind: Kind, spec: &Value) -> Manifests {
    let mut documents = vec![document(&Address::new(kind, "subject"), spec)];
    let targets: BTreeSet<Address> = kind.examples().iter().flat_map(named_targets).collect();
    for target in targets {
        let mut spec = smallest(target.kind, &target.kind.example().minimal());
        // The participant that is replicated publishes on the source stage.
        let source = &kind.example().minimal()["sourceStage"];
        if target.kind == Kind::IngestConfiguration && source.is_string() {
            spec["stage"] = source.clone();
        }
        for suffix in ["", "-2"] {
            let address = Address::new(target.kind, format!("{}{suffix}", target.name));
            documents.push(document(&address, &spec));
        }
    }
    documents.push(json!({
        "apiVersion": "ivs-apply.dev/v1", "kind": "Stack", "metadata": { "name": "fields" },
    }));
    let manifests = Manifests::of(documents);
    if let Some(file) = spec["publicKeyFile"].as_str() {
        let key = include_str!("../../examples/private-playback/keys/viewers.pem");
        std::fs::write(manifests.folder().join(file), key).expect("writable");
    }
    manifests
}

/// The smallest part of a spec that the loader accepts. Finding it loads many manifests, so each is found once: every
/// kind needs the same few.
pub(crate) fn smallest(kind: Kind, spec: &Value) -> Value {
    static FOUND: Mutex<BTreeMap<(Kind, String), Value>> = Mutex::new(BTreeMap::new());
    let key = (kind, spec.to_string());
    let found = FOUND.lock().expect("no panic under it").get(&key).cloned();
    found.unwrap_or_else(|| {
        // Without the lock: the manifests of one spec need the smallest specs of others.
        let smallest = made_smallest(kind, spec);
        FOUND.lock().expect("no panic under it").insert(key, smallest.clone());
        smallest
    })
}

fn made_smallest(kind: Kind, spec: &Value) -> Value {
    let mut spec = spec.clone();
    let mut manifests = with_references(kind, &spec);
    while let Some(smaller) = without_one(&spec).into_iter().find(|it| manifests.takes(0, it)) {
        spec = smaller;
    }
    spec
}

/// This value without one member or item, each in turn, the whole before its parts.
fn without_one(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    match value {
        Value::Object(map) => {
            for key in map.keys() {
                let mut map = map.clone();
                map.shift_remove(key);
                all.push(Value::Object(map));
            }
            for (key, inner) in map {
                let inner = without_one(inner).into_iter();
                all.extend(inner.map(|it| {
                    let mut map = map.clone();
                    map.insert(key.clone(), it);
                    Value::Object(map)
                }));
            }
        }
        Value::Array(list) => {
            for index in 0..list.len() {
                let mut list = list.clone();
                list.remove(index);
                all.push(Value::Array(list));
            }
            for (index, inner) in list.iter().enumerate() {
                let inner = without_one(inner).into_iter();
                all.extend(inner.map(|it| {
                    let mut list = list.clone();
                    list[index] = it;
                    Value::Array(list)
                }));
            }
        }
        _ => {}
    }
    all
}

/// What has been tried of the fields of one kind.
#[derive(Debug, Default)]
struct Tried {
    changed: BTreeSet<String>,
    left_out: BTreeSet<String>,
    words: BTreeSet<(String, String)>,
}

impl Tried {
    /// Whether a course tries anything that no other did.
    fn note(&mut self, course: &Course) -> bool {
        let path = &course.field.path;
        let mut new = self.changed.insert(path.clone());
        new |= course.is_left_out && self.left_out.insert(path.clone());
        for word in course.field.enum_values() {
            if course.values.contains(&word) || course.before == word {
                new |= self.words.insert((path.clone(), word.to_string()));
            }
        }
        new
    }

    /// What there is still to try.
    fn missing(&self, kind: Kind) -> Vec<String> {
        let mut missing = Vec::new();
        for field in fields_of(kind).into_iter().filter(|it| !it.is_apart()) {
            let path = &field.path;
            if !self.changed.contains(path) {
                missing.push(format!("{kind} {path} was never changed alone"));
            }
            let needed = NEEDED.iter().any(|it| (it.0, it.1) == (kind.name(), path));
            assert!(!needed || !self.left_out.contains(path), "{kind} {path} can be left out");
            if !field.required && !needed && !self.left_out.contains(path) {
                missing.push(format!("{kind} {path} was never left out alone"));
            }
            for word in field.enum_values() {
                if !self.words.contains(&(path.clone(), word.to_string())) {
                    missing.push(format!("{kind} {path} was never {word}"));
                }
            }
        }
        missing
    }
}

/// Follows courses on an emulated account, one after another.
async fn follow_all(kind: Kind, mut manifests: Manifests, courses: &[(Course, usize)]) {
    if courses.is_empty() {
        return;
    }
    let account = Account::empty().await;
    let subject = manifests.documents.remove(0);
    settle(&account, &manifests).await;
    if !kind.facts().ended.is_empty() {
        connect_participants(&account, &PARTICIPANTS);
    }
    manifests.documents.insert(0, subject);
    for (course, values) in courses {
        manifests.documents[0]["spec"] = course.start.clone();
        settle(&account, &manifests).await;
        follow(&account, &mut manifests, 0, course, *values).await;
    }
}

#[test]
fn every_field_alone_is_planned_and_applied_and_left_out_again() {
    // Values that are tried of a field at its first place: all of them with `EVERY_CASE`.
    let most = if every_case() { usize::MAX } else { 1 };
    let mut missing = Vec::new();
    for &kind in Kind::ALL {
        let mut tried = Tried::default();
        let mut specs = Vec::new();
        for example in kind.examples() {
            let spec = example.minimal();
            specs.push(smallest(kind, &spec));
            specs.push(spec);
        }
        let mut seen = BTreeSet::new();
        specs.retain(|it: &Value| seen.insert(it.to_string()));
        // No key can be made of its fingerprint.
        specs.retain(|it| it.get("fingerprint").is_none());
        // What has been tried once is tried with one value where other fields are set, or not at all.
        for spec in &specs {
            let mut manifests = with_references(kind, spec);
            let courses = courses(&mut manifests, 0, true).into_iter();
            let courses: Vec<_> = courses
                .filter_map(|it| {
                    let is_new = tried.note(&it);
                    (is_new || every_case()).then_some((it, if is_new { most } else { 1 }))
                })
                .collect();
            on_paused_time(follow_all(kind, manifests, &courses));
        }
        // What is left needs a companion that no example has.
        for near in
            specs.iter().flat_map(|spec| neighbours(&mut with_references(kind, spec), 0, kind))
        {
            if tried.missing(kind).is_empty() {
                break;
            }
            let mut manifests = with_references(kind, &near);
            let courses = courses(&mut manifests, 0, true).into_iter();
            let courses: Vec<_> =
                courses.filter(|it| tried.note(it)).map(|it| (it, most)).collect();
            on_paused_time(follow_all(kind, manifests, &courses));
        }
        missing.extend(tried.missing(kind));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// An account with all manifests, and participants on every stage, for fields that need manifests of their own.
async fn settled(account: &Account, kind: Kind, spec: &Value) -> Manifests {
    let mut manifests = with_references(kind, spec);
    let subject = manifests.documents.remove(0);
    settle(account, &manifests).await;
    connect_participants(account, &PARTICIPANTS);
    manifests.documents.insert(0, subject);
    settle(account, &manifests).await;
    manifests
}

async fn carry_out(account: &Account, (loaded, observed, plan): &(Loaded, ObservedState, Plan)) {
    assert!(account.apply(&loaded.stack, observed, plan).await.is_well(), "{plan:#?}");
}

fn paths(plan: &Plan) -> Vec<String> {
    plan.steps.iter().flat_map(|it| &it.fields).map(|it| it.path.to_string()).collect()
}

fn actions(plan: &Plan) -> Vec<Action> {
    plan.steps.iter().map(|it| it.action).collect()
}

/// `run`: AWS has no such field.
#[test]
fn run_says_whether_there_is_one_at_all_and_changes_nothing_of_it() {
    let has_run = |kind: &Kind| kind.field_names().contains(&"run".to_owned());
    for kind in Kind::ALL.iter().copied().filter(has_run) {
        on_paused_time(async {
            let account = Account::empty().await;
            let spec = smallest(kind, &kind.example().minimal());
            let mut manifests = settled(&account, kind, &spec).await;
            let address = manifests.address(0).expect("a resource");
            for (run, action, there) in [
                (Some("ALWAYS"), None, 1),
                (Some("WHILE_STAGE_ACTIVE"), None, 1),
                (Some("STOPPED"), Some(Action::Delete), 0),
                (None, Some(Action::Create), 1),
            ] {
                let what = format!("{kind} {run:?}");
                manifests.documents[0]["spec"] = spec.clone();
                if let Some(run) = run {
                    manifests.documents[0]["spec"]["run"] = json!(run);
                }
                let planned = planned(&account, &manifests).await;
                assert_eq!(actions(&planned.2), Vec::from_iter(action), "{what}");
                assert_eq!(paths(&planned.2), Vec::<&str>::new(), "{what}");
                carry_out(&account, &planned).await;
                assert_eq!(objects(&account, &address).len(), there, "{what}");
                settle(&account, &manifests).await;
            }
        });
    }
}

/// An exception for a field that does not exist would have no effect.
#[test]
fn every_exception_names_a_field_that_exists() {
    for (kind, path) in excused() {
        let kind = Kind::named(kind).unwrap_or_else(|| panic!("{kind}"));
        assert!(fields_of(kind).iter().any(|it| it.path == path), "{kind} {path}");
    }
}

/// `PlaybackKeyPair` `fingerprint`: it stands for a key that AWS has.
#[test]
fn a_fingerprint_keeps_its_key_and_another_is_refused() {
    on_paused_time(async {
        let account = Account::empty().await;
        let kind = Kind::PlaybackKeyPair;
        let mut manifests = settled(&account, kind, &kind.example().minimal()).await;
        let address = manifests.address(0).expect("a resource");
        let its = objects(&account, &address)[0]["fingerprint"].clone();
        let spec = manifests.documents[0]["spec"].as_object_mut().expect("a mapping");
        spec.shift_remove("publicKeyMaterial");
        spec.insert("fingerprint".to_owned(), its.clone());
        assert_eq!(planned(&account, &manifests).await.2.steps, []);
        let other = its.as_str().expect("a text").replacen(|_: char| true, "f", 2);
        manifests.documents[0]["spec"]["fingerprint"] = json!(other);
        let plan = planned(&account, &manifests).await.2;
        assert_eq!(
            (actions(&plan), paths(&plan)),
            (vec![Action::Replace], vec!["spec.fingerprint".to_owned()])
        );
        assert_eq!(plan.status(), Status::Blocked);
    });
}

/// `StreamKey` `channel`: each channel has its own, and the one that was managed is released.
#[test]
fn a_key_of_another_channel_is_taken_over_and_none_is_moved() {
    on_paused_time(async {
        let account = Account::empty().await;
        let kind = Kind::StreamKey;
        let mut manifests = settled(&account, kind, &json!({ "channel": "main" })).await;
        manifests.documents[0]["spec"]["channel"] = json!("main-2");
        let planned = planned(&account, &manifests).await;
        assert_eq!(
            (actions(&planned.2), paths(&planned.2)),
            (vec![Action::Adopt, Action::Release], vec![])
        );
        carry_out(&account, &planned).await;
        settle(&account, &manifests).await;
        let keys = objects(&account, &manifests.address(0).expect("a resource"));
        assert_eq!(keys.len(), 1, "one key has the name: {keys:#?}");
    });
}

/// A choice is made by the fields that are written: where one form replaces another, the plan shows the fields of both.
#[test]
fn a_change_from_one_form_of_a_choice_to_another_shows_the_fields_of_both() {
    on_paused_time(async {
        let account = Account::empty().await;
        let kind = Kind::Composition;
        let channel =
            json!({ "destinations": [{ "channel": { "channel": "main" } }], "stage": "studio" });
        let mut manifests = settled(&account, kind, &channel).await;
        let mut pip = channel.clone();
        pip["layout"] = json!({ "pip": {} });
        let mut s3 = channel.clone();
        s3["destinations"] =
            json!([{ "s3": { "storageConfiguration": "shows", "encoderConfigurations": ["hd"] } }]);
        let layout = [
            "layout.grid.featuredParticipantAttribute",
            "layout.grid.gridGap",
            "layout.grid.omitStoppedVideo",
            "layout.grid.participantOrderAttribute",
            "layout.grid.videoAspectRatio",
            "layout.pip.featuredParticipantAttribute",
            "layout.pip.gridGap",
            "layout.pip.omitStoppedVideo",
            "layout.pip.participantOrderAttribute",
            "layout.pip.pipBehavior",
            "layout.pip.pipOffset",
            "layout.pip.pipParticipantAttribute",
            "layout.pip.pipPosition",
            "layout.pip.videoFillMode",
        ];
        let destination = [
            "destinations[0].channel.channel",
            "destinations[0].s3.encoderConfigurations",
            "destinations[0].s3.recordingConfiguration.format",
            "destinations[0].s3.recordingConfiguration.hlsConfiguration.targetSegmentDurationSeconds",
            "destinations[0].s3.storageConfiguration",
            "destinations[0].s3.thumbnailConfigurations",
        ];
        for (spec, fields) in [
            (&pip, &layout[..]),
            (&channel, &layout[..]),
            (&s3, &destination[..]),
            (&channel, &destination[..]),
        ] {
            manifests.documents[0]["spec"] = spec.clone();
            let planned = planned(&account, &manifests).await;
            let mut told = paths(&planned.2);
            told.sort_unstable();
            let expected: Vec<String> = fields.iter().map(|it| format!("spec.{it}")).collect();
            assert_eq!(told, expected, "{spec}");
            assert_eq!(actions(&planned.2), [Action::Delete, Action::Replace]);
            carry_out(&account, &planned).await;
            settle(&account, &manifests).await;
        }
    });
}

#[test]
fn an_arn_of_another_kind_region_or_account_is_refused_at_the_field_that_names_it() {
    let mut tried = BTreeSet::new();
    for &kind in Kind::ALL {
        for example in kind.examples() {
            let spec = example.minimal();
            let mut manifests = with_references(kind, &spec);
            let stack = manifests.documents.last_mut().expect("the stack");
            stack["spec"] = json!({ "region": "us-west-2", "account": "123456789012" });
            for field in fields_of(kind) {
                let Some(target) = field.target() else { continue };
                let own = target.facts().arn_type.expect("what is referred to has an ARN");
                let other = if own == "channel" { "stage" } else { "channel" };
                let arn = |region: &str, account: &str, kind: &str| {
                    json!(format!("arn:aws:ivs:{region}:{account}:{kind}/abcABC123"))
                };
                let is_list = field.schema["type"] == "array";
                let value = |arn: Value| if is_list { json!([arn]) } else { arn };
                let good = value(arn("us-west-2", "123456789012", own));
                for place in field.places(&spec) {
                    let with = |it: Value| field.put(&spec, &place, it);
                    if !manifests.takes(0, &with(good.clone())) {
                        continue;
                    }
                    tried.insert((kind, field.path.clone()));
                    let at = FieldPath::from("spec").join(&place);
                    let at = if is_list { at.index(0) } else { at };
                    for (arn, code) in [
                        (arn("us-west-2", "123456789012", other), Code::WrongArn),
                        (arn("eu-west-1", "123456789012", own), Code::WrongRegion),
                        (arn("us-west-2", "210987654321", own), Code::WrongAccount),
                    ] {
                        manifests.documents[0]["spec"] = with(value(arn));
                        let loaded = manifests.load();
                        let errors: Vec<&Diagnostic> = loaded.report.errors().collect();
                        let [one] = errors[..] else { panic!("{kind} {at}: {errors:#?}") };
                        let there = matches!(&one.at, Place::Field { path, .. } if *path == at);
                        assert!(one.code == code && there, "{kind} {at}: {one:#?}");
                    }
                }
            }
        }
    }
    let fields = Kind::ALL.iter().flat_map(|kind| fields_of(*kind));
    let references = fields.filter(|it| it.target().is_some()).map(|it| (it.kind, it.path));
    assert_eq!(tried, references.collect());
}
