//! What the pages about the operator type into a cluster, as far as it can be checked without one: annotations, roles and
//! patches are those that the operator and its manifests know.

use crate::binary::{ivs_apply, run};
use crate::golden::root;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeSet;

/// The pages.
const PAGES: [&str; 2] = ["docs/operator.md", "docs/howto/operator.md"];

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a pattern finds on the pages, each once.
fn found(pattern: &str) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).expect("a pattern");
    let pages = PAGES.map(read);
    let all = pages.iter().flat_map(|it| pattern.captures_iter(it)).map(|it| it[1].to_owned());
    let all: BTreeSet<String> = all.collect();
    assert!(!all.is_empty(), "the pages have none of {pattern}");
    all
}

#[test]
fn annotations_and_roles_of_the_pages_are_those_of_the_operator() {
    let sources = std::fs::read_dir(root().join("operator/src")).expect("readable");
    let sources = sources.map(|it| it.expect("readable").path());
    let code: String = sources.map(|it| std::fs::read_to_string(it).expect("readable")).collect();
    for annotation in found(r"(ivs-apply\.dev/[a-z]+-[a-z-]+)") {
        assert!(code.contains(&format!("\"{annotation}\"")), "{annotation}");
    }
    let documents: Vec<Value> =
        serde_yaml::Deserializer::from_str(&read("deploy/operator/operator.yaml"))
            .map(|it| serde::Deserialize::deserialize(it).expect("YAML"))
            .collect();
    let names = |kind: &str| -> BTreeSet<&str> {
        let of_kind = documents.iter().filter(|it| it["kind"] == kind);
        of_kind.filter_map(|it| it["metadata"]["name"].as_str()).collect()
    };
    for role in found(r"--clusterrole ([a-z-]+)") {
        assert!(names("ClusterRole").contains(role.as_str()), "{role}");
    }
    for account in found(r"--serviceaccount ([a-z:-]+)") {
        let (namespace, name) = account.split_once(':').expect("a namespace and a name");
        assert!(names("Namespace").contains(namespace), "{account}");
        assert!(names("ServiceAccount").contains(name), "{account}");
    }
}

/// A merge patch, as `kubectl patch --type merge` has it.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *into = patch.clone();
        return;
    };
    for (name, field) in fields {
        merge(&mut into[name.as_str()], field);
    }
}

#[test]
fn a_target_of_the_page_is_valid_before_and_after_each_patch() {
    let page = read("docs/howto/operator.md");
    let (_, rest) = page.split_once("<!-- file target.yaml -->\n```yaml\n").expect("a Target");
    let (target, _) = rest.split_once("```").expect("its end");
    let target: Value = serde_yaml::from_str(target).expect("YAML");
    let code = |patch: &Value| {
        let home = tempfile::tempdir().expect("a folder");
        let mut patched = target.clone();
        merge(&mut patched, patch);
        let file = home.path().join("target.yaml");
        std::fs::write(&file, patched.to_string()).expect("writable");
        run(ivs_apply(home.path()).args(["fleet", "list", "-f"]).arg(&file)).code
    };
    assert_eq!(code(&serde_json::json!({})), Some(0));
    for patch in found("-p '([^']+)'") {
        let patch: Value = serde_json::from_str(&patch).expect("JSON");
        assert_eq!(code(&patch), Some(0), "{patch}");
    }
    assert_eq!(code(&serde_json::json!({ "spec": { "mode": "Aply" } })), Some(3));
}
