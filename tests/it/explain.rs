//! The field reference in the terminal says what the schemas say.

use crate::binary::{Place, ivs_apply, run};
use crate::golden::root;
use serde_json::Value;
use std::collections::BTreeSet;

/// The published schemas by kind, as they are stored and reviewed.
fn schemas() -> Vec<(String, Value)> {
    let text = |name: &str| std::fs::read_to_string(root().join("schemas").join(name));
    let mut schemas = Vec::new();
    for entry in std::fs::read_dir(root().join("schemas")).expect("there are schemas") {
        let name = entry.expect("readable").file_name().to_string_lossy().into_owned();
        let Some(kind) = name.strip_suffix(".json") else { continue };
        // Kinds are capitalised; the other schemas are those of all manifests, of answers and of saved plans.
        if kind.starts_with(char::is_uppercase) {
            let schema = serde_json::from_str(&text(&name).expect("readable")).expect("JSON");
            schemas.push((kind.to_owned(), schema));
        }
    }
    assert_eq!(schemas.len(), 16, "fourteen kinds, Stack and Target");
    schemas
}

/// The path of every field below a part of a schema.
fn fields(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        found.insert(path.clone());
        fields(field, &path, found);
    }
    for option in schema["anyOf"].as_array().into_iter().flatten() {
        fields(option, path, found);
    }
    if !schema["additionalProperties"]["properties"].is_null() {
        // The name of a value is the user's.
        fields(&schema["additionalProperties"], &format!("{path}.NAME"), found);
    }
    if let Some(items) = schema.get("items") {
        fields(items, &format!("{path}[]"), found);
    }
}

#[test]
fn every_kind_and_field_is_explained() {
    let place = Place::new();
    let ask = |what: &str| run(ivs_apply(place.folder.path()).args(["explain", what]));
    for (kind, schema) in schemas() {
        let ran = ask(&kind);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let about = schema["description"].as_str().expect("a description");
        assert!(ran.stdout.starts_with(&format!("{kind}\n\n{about}\n")), "{ran:?}");
        let mut expected = BTreeSet::new();
        for part in ["metadata", "spec", "lifecycle"] {
            fields(&schema["properties"][part], part, &mut expected);
        }
        let field = |line: &str| {
            let path = line.strip_prefix("  ")?.split("  ").next()?;
            (!path.is_empty()).then(|| path.to_owned())
        };
        let told: BTreeSet<String> = ran.stdout.lines().filter_map(field).collect();
        assert_eq!(told, expected, "{kind}");
    }
    let field = ask("Channel.latencyMode").stdout;
    assert!(
        field.starts_with("Channel: spec.latencyMode  LOW NORMAL, default \"LOW\"\n"),
        "{field}"
    );
    let nested = ask("RecordingConfiguration.destinationConfiguration").stdout;
    assert!(
        nested.contains("spec.destinationConfiguration.s3.bucketName  string, required"),
        "{nested}"
    );
    assert!(!nested.contains("spec.thumbnailConfiguration"), "{nested}");
    assert!(ask("Channel.lifecycle.protect").stdout.contains("boolean"));
    for (what, help) in [("Chanel", "`Channel`"), ("Channel.latencyMod", "`latencyMode`")] {
        let ran = ask(what);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains(&format!("did you mean {help}?")), "{ran:?}");
    }
}

#[test]
fn what_explain_does_not_know_ends_with_where_to_look() {
    let place = Place::new();
    for (what, message, help) in [
        ("Channel.nope", "unknown field `nope`", "explain Channel` lists the fields"),
        ("Nonsense", "unknown kind or code `Nonsense`", "explain` lists the kinds"),
        (
            "E9999",
            "unknown kind or code `E9999`",
            "explain` lists the kinds; an error shows its code in brackets",
        ),
    ] {
        let ran = run(ivs_apply(place.folder.path()).args(["explain", what]));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.starts_with(&format!("error: {message}\n  help: `")), "{ran:?}");
        assert!(ran.stderr.contains(help), "{ran:?}");
    }
}

#[test]
fn codes_are_explained_and_kinds_listed_whatever_the_case() {
    let place = Place::new();
    let ask = |words: &[&str]| run(ivs_apply(place.folder.path()).arg("explain").args(words));
    for code in ivs_apply::diag::Code::ALL {
        let ran = ask(&[&code.code().to_lowercase()]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let severity = if code.code().starts_with('W') { "warning" } else { "error" };
        let shape = format!(r"^{severity}\[{}\]: [a-z]+(-[a-z0-9]+)*\n\n\S.{{10,}}", code.code());
        assert!(regex::Regex::new(&shape).expect("a pattern").is_match(&ran.stdout), "{ran:?}");
    }
    let known = "error[E0103]: unknown-reference\n\n";
    assert!(ask(&["e0103"]).stdout.starts_with(known), "{}", ask(&["e0103"]).stdout);
    assert_eq!(ask(&["channel.LATENCYMODE"]).stdout, ask(&["Channel.latencyMode"]).stdout);
    let nested = ask(&["Composition.destinations.name"]);
    assert_eq!(nested.code, Some(0), "{nested:?}");
    assert_eq!(ask(&["Composition.spec.destinations[0].name"]).stdout, nested.stdout);
    let all = ask(&[]).stdout;
    for (kind, _) in schemas() {
        let line = all.lines().find(|it| it.split_whitespace().next() == Some(&kind));
        assert!(line.is_some_and(|it| it.ends_with('.')), "{kind} with whole sentences: {all}");
    }
}

#[test]
fn fields_whose_change_replaces_the_resource_are_marked_immutable() {
    let place = Place::new();
    let ask = |what: &str| run(ivs_apply(place.folder.path()).args(["explain", what])).stdout;
    for field in [
        "RecordingConfiguration.recordingReconnectWindowSeconds",
        "IngestConfiguration.userId",
        "PlaybackKeyPair.publicKeyMaterial",
        "StreamKey.rotation",
        "EncoderConfiguration.video.width",
    ] {
        let text = ask(field);
        assert!(text.lines().next().is_some_and(|it| it.ends_with(", immutable")), "{text}");
    }
    for field in
        ["Channel.latencyMode", "IngestConfiguration.stage", "Composition.run", "Stage.tags"]
    {
        assert!(!ask(field).contains("immutable"), "{field}");
    }
}
