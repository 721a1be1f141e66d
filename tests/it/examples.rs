//! Every story of `examples/` through the whole life of a stack: validate, plan, apply, plan again (empty),
//! change, apply, destroy. And against the schemas, by an independent validator.

use crate::binary::Place;
use crate::golden;
use std::path::{Path, PathBuf};

fn stories() -> Vec<PathBuf> {
    let mut stories: Vec<PathBuf> = std::fs::read_dir(golden::root().join("examples"))
        .expect("there are examples")
        .map(|it| it.expect("readable").path())
        .filter(|it| it.is_dir())
        .collect();
    stories.sort();
    assert!(stories.len() >= 2, "{stories:?}");
    stories
}

fn manifests(story: &PathBuf) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(story)
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
    for story in stories() {
        let place = Place::new();
        let files = manifests(&story);
        for (name, text) in &files {
            place.write(name, text);
        }
        copy_folders(&story, &place.folder.path().join("manifests"));
        let expect = |words: &str, code: i32| {
            let ran = place.run(words);
            assert_eq!(ran.code, Some(code), "{}: {words}: {ran:?}", story.display());
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
}

/// What manifests name beside them stands in folders of its own.
fn copy_folders(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            let to = to.join(path.file_name().expect("a folder"));
            std::fs::create_dir(&to).expect("writable");
            for file in std::fs::read_dir(&path).expect("readable") {
                let file = file.expect("readable").path();
                let text = std::fs::read_to_string(&file).expect("readable");
                assert!(!text.contains("PRIVATE KEY"), "{}", file.display());
                std::fs::write(to.join(file.file_name().expect("a file")), text).expect("writable");
            }
        }
    }
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
    use serde::Deserialize;
    let schema = ivs_apply::manifest::schema::of_manifest();
    let validator = jsonschema::draft7::new(&schema).expect("a valid schema");
    let mut seen = 0;
    for story in stories() {
        for (name, text) in manifests(&story) {
            for document in serde_yaml::Deserializer::from_str(&text) {
                let document = serde_json::Value::deserialize(document).expect("YAML");
                let errors: Vec<String> =
                    validator.iter_errors(&document).map(|it| it.to_string()).collect();
                assert!(errors.is_empty(), "{}/{name}: {errors:#?}", story.display());
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
