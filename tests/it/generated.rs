//! Files that the code makes are what the code makes.

use crate::golden;
use ivs_apply::kinds::{Check, Edge, Kind};
use ivs_apply::manifest::schema;
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn the_schemas_are_current() {
    let mut goldens = golden::Goldens::default();
    for (name, text) in schema::files() {
        goldens.expect(format!("schemas/{name}"), &text);
    }
    let made: Vec<String> = schema::files().into_iter().map(|(name, _)| name).collect();
    for file in std::fs::read_dir(golden::root().join("schemas")).expect("there are schemas") {
        let name = file.expect("readable").file_name().to_string_lossy().into_owned();
        let others = ["emulator.json", "events.json", "fleet.json", "output.json", "plan.json"];
        let elsewhere = others.contains(&name.as_str());
        assert!(elsewhere || made.contains(&name), "{name} is left over");
    }
}

#[test]
fn the_schema_of_saved_plans_is_current() {
    let schema = ivs_apply::plan::approval::schema();
    golden::expect("schemas/plan.json", &format!("{schema:#}\n"));
}

#[test]
fn the_schema_of_events_is_current() {
    let schema = ivs_apply::ui::events::schema();
    golden::expect("schemas/events.json", &format!("{schema:#}\n"));
}

#[test]
fn the_schema_of_control_requests_is_current() {
    let schema = ivs_apply::emulator::schema();
    golden::expect("schemas/emulator.json", &format!("{schema:#}\n"));
}

#[test]
fn the_schema_of_the_results_of_a_fleet_is_current() {
    let schema = ivs_apply::fleet::schema();
    golden::expect("schemas/fleet.json", &format!("{schema:#}\n"));
}

/// The facts that the only list of kinds must hold for every kind in it.
#[test]
fn every_kind_is_described_whole() {
    for &kind in Kind::ALL {
        let (mut declared, mut set) = (Vec::new(), BTreeSet::new());
        for example in kind.examples() {
            let spec = serde_json::to_value(&example).expect("specs serialise");
            assert_eq!(kind.from_json(spec.clone()), Some(example.clone()), "{kind} round-trips");
            let refs = example.refs();
            let field = |it: &Edge| it.field.to_string().replace("[0]", "[]").replace("[1]", "[]");
            declared.extend(refs.iter().map(field));
            let minimal = example.minimal();
            set.extend(minimal.as_object().into_iter().flatten().map(|(field, _)| field.clone()));
            let mut report = ivs_apply::diag::Report::new();
            let origin =
                ivs_apply::diag::Origin { source: ivs_apply::diag::SourceId(0), document: 0 };
            example.check(&mut Check::new(origin, &mut report));
            assert!(!report.has_errors(), "{kind}: {report:#?}");
        }

        let schema = schema::without_values(kind);
        let mut expected = Vec::new();
        references(&schema["properties"]["spec"], "", &mut expected);
        expected.sort();
        declared.sort();
        declared.dedup();
        assert_eq!(declared, expected, "{kind}: every field marked as a reference is one");

        // Every field of the schema is set in an example, or the round trips would prove nothing.
        for field in
            schema["properties"]["spec"]["properties"].as_object().expect("specs are maps").keys()
        {
            assert!(set.contains(field), "{kind}: `{field}` has its default in every example");
        }
    }
}

/// Paths of the fields that a schema marks as references, list positions without numbers.
fn references(schema: &Value, path: &str, found: &mut Vec<String>) {
    if schema.get("x-ivs-ref").is_some() {
        found.push(path.to_owned());
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        references(field, &path, found);
    }
    for option in schema["anyOf"].as_array().into_iter().flatten() {
        references(option, path, found);
    }
    if schema.get("items").is_some() {
        references(&schema["items"], &format!("{path}[]"), found);
    }
}

#[test]
fn the_schema_of_the_output_lists_the_code_of_every_reason() {
    let schema: Value =
        serde_json::from_str(include_str!("../../schemas/output.json")).expect("JSON");
    let listed = |definition: &str| -> Vec<&str> {
        let reason = &schema["definitions"][definition]["properties"]["reason"];
        reason["enum"].as_array().expect("a list").iter().filter_map(Value::as_str).collect()
    };
    let codes = [ivs_apply::plan::Reason::CODES, ivs_apply::apply::Changed::CODES].concat();
    assert_eq!(listed("step"), codes);
    let states = schema["definitions"]["resourceState"]["enum"].as_array().expect("a list");
    assert_eq!(*states, ivs_apply::plan::ResourceState::CODES);
    assert_eq!(listed("difference"), ivs_apply::plan::Difference::CODES);
}
