//! Unit tests of specs, paths and values.

use super::*;
use serde_json::json;

fn path(text: &str) -> FieldPath {
    FieldPath::from(text)
}

#[test]
fn a_change_is_told_at_the_smallest_place_that_differs() {
    for (before, after, expected) in [
        (json!({ "a": 1 }), json!({ "a": 1 }), &[][..]),
        (json!({ "a": { "b": 1, "c": 2 } }), json!({ "a": { "b": 1, "c": 3 } }), &["spec.a.c"]),
        (json!({ "a": null }), json!({ "a": { "b": 1, "c": 2 } }), &["spec.a.b", "spec.a.c"]),
        (json!({ "a": [{ "b": 1 }] }), json!({ "a": [{ "b": 2 }] }), &["spec.a[0].b"]),
        (json!({ "a": ["x"] }), json!({ "a": ["y"] }), &["spec.a"]),
        (json!({ "a": [{ "b": 1 }] }), json!({ "a": [] }), &["spec.a"]),
        (json!({ "tags": {} }), json!({ "tags": { "x:y": "1" } }), &["spec.tags[\"x:y\"]"]),
    ] {
        let found = changes(&spec_path(), &before, &after);
        let found: Vec<String> = found.iter().map(|it| it.path.to_string()).collect();
        assert_eq!(found, expected, "{before} {after}");
    }
}

#[test]
fn a_path_decides_what_sort_of_change_it_is() {
    for (text, in_spec, tag) in [
        ("spec.name", true, false),
        ("spec.tags.team", true, true),
        ("spec.tags", true, true),
        ("spec.s3.tags", true, false),
        ("lifecycle.protect", false, false),
        ("specification.name", false, false),
    ] {
        let change = FieldChange::known(path(text), Value::Null, Value::Null);
        let found = (change.is_in_spec(), change.is_tag(), change.writes_spec());
        assert_eq!(found, (in_spec, tag, in_spec && !tag), "{text}");
    }
}

#[test]
fn a_value_is_copied_with_its_absence_and_only_to_a_place_that_both_have() {
    let from = json!({ "a": 1, "in": { "x": 2 }, "list": [{ "y": 3 }, 4] });
    for (to, at, expected) in [
        (json!({ "a": 0 }), "a", json!({ "a": 1 })),
        (json!({}), "a", json!({ "a": 1 })),
        (json!({ "gone": 5 }), "gone", json!({})),
        (json!({ "in": {} }), "in.x", json!({ "in": { "x": 2 } })),
        (json!({}), "in.x", json!({})),
        (json!({ "out": { "x": 6 } }), "out.x", json!({ "out": { "x": 6 } })),
        (json!({ "list": [{ "y": 0 }, 0] }), "list[0].y", json!({ "list": [{ "y": 3 }, 0] })),
        (json!({ "list": [0, 0] }), "list[1]", json!({ "list": [0, 4] })),
        (json!({ "list": [0] }), "list[1]", json!({ "list": [0] })),
    ] {
        let mut copied = to.clone();
        take(&mut copied, &from, path(at).segments());
        assert_eq!(copied, expected, "{at} of {to}");
    }
}

#[test]
fn a_reference_has_its_name_in_the_api() {
    for (spec, at, expected) in [
        (json!({ "stage": "studio" }), "stage", json!({ "stageArn": "arn" })),
        (json!({ "in": { "stage": "a" } }), "in.stage", json!({ "in": { "stageArn": "arn" } })),
        (json!({ "encoders": ["a"] }), "encoders[0]", json!({ "encoderArns": ["arn"] })),
        (
            json!({ "to": [{ "channel": "a" }] }),
            "to[0].channel",
            json!({ "to": [{ "channelArn": "arn" }] }),
        ),
    ] {
        let mut wire = spec.clone();
        resolve(&mut wire, path(at).segments(), "arn");
        assert_eq!(wire, expected, "{at}");
    }
}
