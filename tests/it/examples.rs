//! Every example of `examples/` through the lifecycle of a stack: validate, plan, apply, plan again (empty),
//! change, apply, destroy. Every field of every resource in them is changed. And against the schemas, by an
//! independent validator.

use crate::account::{Account, on_paused_time};
use crate::binary::{Place, side_by_side};
use crate::change::{Manifests, connect_participants, courses, follow, settle};
use crate::golden;
use crate::left_out::part_of;
use ivs_apply::kinds::{Address, Kind};
use ivs_apply::plan::Policy;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The folders of `examples/` with manifests.
pub(crate) fn examples() -> Vec<PathBuf> {
    let mut examples: Vec<PathBuf> = std::fs::read_dir(golden::root().join("examples"))
        .expect("there are examples")
        .map(|it| it.expect("readable").path())
        .filter(|it| it.is_dir())
        // The other folders hold files for other programs, or environments (`company.rs`).
        .filter(|it| {
            let is_manifest = |text: &String| text.starts_with("apiVersion: ivs-apply.dev/");
            let texts = manifests(it).into_iter().map(|it| it.1);
            texts.map(|it| without_comments(&it)).any(|it| is_manifest(&it))
        })
        .collect();
    examples.sort();
    assert!(examples.len() >= 2, "{examples:?}");
    examples
}

/// A text from its first line that says something.
fn without_comments(text: &str) -> String {
    let lines = text.lines().skip_while(|it| it.starts_with('#') || it.trim() == "---");
    lines.collect::<Vec<_>>().join("\n")
}

fn manifests(example: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(example)
        .expect("readable")
        .map(|it| it.expect("readable").path())
        .filter(|it| it.extension().is_some_and(|it| it == "yaml"))
        .map(|it| {
            let name = it.file_name().expect("a file").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&it).expect("readable"))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_example_lives_its_whole_life() {
    side_by_side(&examples(), |example| lives_its_whole_life(example));
}

fn lives_its_whole_life(example: &Path) {
    let place = Place::new();
    let files = manifests(example);
    for (name, text) in &files {
        place.write(name, text);
    }
    copy_folders(example, &place.folder.path().join("manifests"));
    let expect = |words: &str, code: i32| {
        let ran = place.run(words);
        assert_eq!(ran.code, Some(code), "{}: {words}: {ran:?}", example.display());
        ran.stdout
    };
    expect("validate --deny-warnings", 0);
    expect("plan --detailed-exitcode", 2);
    expect("apply --yes", 0);
    let again = expect("plan --detailed-exitcode", 0);
    assert!(again.contains("No changes"), "{again}");
    // A change of a tag of everything, and back.
    for (name, text) in &files {
        assert!(!text.contains("service: changed"));
        place.write(name, &text.replace("service: live", "service: changed"));
    }
    let changed = expect("plan --detailed-exitcode", 2);
    assert!(changed.contains("to retag"), "{changed}");
    expect("apply --yes", 0);
    expect("plan --detailed-exitcode", 0);
    for (name, text) in &files {
        place.write(name, text);
    }
    expect("apply --yes", 0);
    expect("plan --detailed-exitcode", 0);
    let mut consent = String::new();
    for name in compositions(&files) {
        consent.push_str(&format!(" --allow-live Composition/{name}"));
    }
    let planned = place.run(&format!("destroy --yes{consent}"));
    let number = planned.stderr.split("--confirm-deletes ").nth(1);
    if let Some(number) = number.and_then(|it| it.split('`').next()) {
        expect(&format!("destroy --yes{consent} --confirm-deletes {number}"), 0);
    } else {
        assert_eq!(planned.code, Some(0), "{planned:?}");
    }
    let gone = expect("destroy --yes", 0);
    assert!(gone.contains("Nothing to do"), "{gone}");
}

/// What manifests name beside them stands in folders of its own.
fn copy_folders(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            let to = to.join(path.file_name().expect("a folder"));
            std::fs::create_dir_all(&to).expect("writable");
            for file in std::fs::read_dir(&path).expect("readable") {
                let file = file.expect("readable").path();
                let text = std::fs::read_to_string(&file).expect("readable");
                assert!(!text.contains("PRIVATE KEY"), "{}", file.display());
                std::fs::write(to.join(file.file_name().expect("a file")), text).expect("writable");
            }
        }
    }
}

fn documents(text: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(text);
    documents.map(|it| Value::deserialize(it).expect("YAML")).collect()
}

#[test]
fn every_field_of_every_example_can_be_changed_alone() {
    let mut changed: BTreeMap<Kind, BTreeSet<String>> = BTreeMap::new();
    for example in examples() {
        on_paused_time(change_every_field(&example, &mut changed));
    }
    let shown: BTreeSet<Kind> = changed.keys().copied().collect();
    assert_eq!(shown, Kind::ALL.iter().copied().collect(), "every kind is in some example");
}

/// Objects that last are changed while there is no audience; those that end by themselves while participants keep
/// them running.
async fn change_every_field(example: &Path, changed: &mut BTreeMap<Kind, BTreeSet<String>>) {
    let account = Account::empty().await;
    let files = manifests(example);
    let mut whole = Manifests::of(files.iter().flat_map(|it| documents(&it.1)).collect());
    copy_folders(example, whole.folder());
    let mut lasting = Manifests::of(whole.documents.clone());
    copy_folders(example, lasting.folder());
    for document in whole.documents.iter_mut().chain(&mut lasting.documents) {
        if document["kind"] != "Stack" {
            document["lifecycle"] = serde_json::json!({ "onLive": "interrupt" });
        }
    }
    let is_lasting = |it: &Value| {
        let kind = it["kind"].as_str().and_then(Kind::named);
        kind.is_none_or(|kind| kind.facts().ended.is_empty())
    };
    lasting.documents.retain(is_lasting);
    settle(&account, &lasting).await;
    Box::pin(change_fields(&account, &mut lasting, |_| true, changed)).await;
    if whole.documents.len() > lasting.documents.len() {
        connect_participants(&account, &["guest"]);
        settle(&account, &whole).await;
        Box::pin(change_fields(&account, &mut whole, |it| !is_lasting(it), changed)).await;
    }
    destroy(&account, &whole).await;
}

async fn change_fields(
    account: &Account,
    manifests: &mut Manifests,
    of: impl Fn(&Value) -> bool,
    changed: &mut BTreeMap<Kind, BTreeSet<String>>,
) {
    for subject in 0..manifests.documents.len() {
        if !of(&manifests.documents[subject]) {
            continue;
        }
        let Some(Address { kind, .. }) = manifests.address(subject) else { continue };
        let courses = courses(manifests, subject, false);
        assert!(!courses.is_empty(), "{:#?}", manifests.documents[subject]);
        for course in part_of(courses, 2) {
            follow(account, manifests, subject, &course, 1).await;
            changed.entry(kind).or_default().insert(course.field.path);
        }
    }
}

/// Deletes everything, and then there is nothing.
async fn destroy(account: &Account, manifests: &Manifests) {
    // The guest stays connected to the end: `DeleteStage` disconnects all participants, as its reference says.
    account.answers(json!({ "deleteBusyStage": "accept" }));
    let loaded = manifests.load();
    let allow_live = loaded.desired.iter().map(|it| it.address.clone()).collect();
    let policy = Policy { destroy: true, allow_live, ..Policy::default() };
    let (observed, plan) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
    let outcome = account.apply(&loaded.stack, &observed, &plan).await;
    assert!(outcome.is_well(), "{:#?}\n{plan:#?}", outcome.steps);
    let (_, again) = account.plan(&loaded.stack, &loaded.desired, &policy).await;
    assert_eq!(again.steps, []);
    let left = account.control("GET", "/_emulator/objects", Value::Null);
    let left = left["objects"].as_array().expect("a list").iter();
    // A composition can be seen for five minutes after its end.
    assert_eq!(left.filter(|it| it["object"]["state"] != "STOPPED").count(), 0);
}

fn compositions(files: &[(String, String)]) -> Vec<String> {
    let loaded: Vec<_> = files
        .iter()
        .flat_map(|(name, text)| ivs_apply::manifest::load_text(name, text, None).desired)
        .collect();
    let kind = ivs_apply::kinds::Kind::Composition;
    loaded.into_iter().filter(|it| it.address.kind == kind).map(|it| it.address.name).collect()
}

#[test]
fn every_example_fits_the_schemas() {
    let schema = ivs_apply::manifest::schema::of_manifest();
    let validator = jsonschema::draft7::new(&schema).expect("a valid schema");
    let mut seen = 0;
    for example in examples() {
        for (name, text) in manifests(&example) {
            for document in documents(&text) {
                let errors: Vec<String> =
                    validator.iter_errors(&document).map(|it| it.to_string()).collect();
                assert!(errors.is_empty(), "{}/{name}: {errors:#?}", example.display());
                seen += 1;
            }
            assert!(
                text.starts_with("# yaml-language-server: $schema=../../schemas/manifest.json\n"),
                "{name}"
            );
        }
    }
    assert!(seen >= 9, "{seen}");
    // A schema that takes everything would pass the above.
    for broken in [
        serde_json::json!({ "apiVersion": "ivs-apply.dev/v1", "kind": "Channel", "metadata": { "name": "x" }, "spec": { "latencyMod": "LOW" } }),
        serde_json::json!({ "apiVersion": "ivs-apply.dev/v1", "kind": "Channel", "metadata": { "name": "x" }, "spec": { "latencyMode": "SLOW" } }),
        serde_json::json!({ "apiVersion": "ivs-apply.dev/v1", "kind": "Chanel", "metadata": { "name": "x" }, "spec": {} }),
        serde_json::json!({ "apiVersion": "ivs-apply.dev/v1", "kind": "Composition", "metadata": { "name": "x" }, "spec": {} }),
    ] {
        assert!(!validator.is_valid(&broken), "{broken}");
    }
}
