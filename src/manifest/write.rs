//! Desired state as YAML: for export, and for showing specs.
//!
//! Emits block style by hand, since no emitter quotes the strings that YAML 1.1 readers take for other
//! types (`NO`, `1e3`, `12:30`): a string that any reader could take for another type is quoted.

use super::envelope::{API_VERSION, STACK};
use crate::kinds::{Desired, Lifecycle, OnLive, Stack};
use serde_json::{Map, Value, json};

/// A resource as a manifest that says no more than it must.
pub fn manifest(desired: &Desired) -> String {
    let mut spec = desired.spec.minimal();
    if let Value::Object(spec) = &mut spec
        && spec.get("name").and_then(Value::as_str) == Some(desired.address.name.as_str())
    {
        spec.remove("name");
    }
    let mut metadata = Map::from_iter([("name".to_owned(), json!(desired.address.name))]);
    if !desired.labels.is_empty() {
        metadata.insert("labels".to_owned(), json!(desired.labels));
    }
    if !desired.previous_names.is_empty() {
        metadata.insert("previousNames".to_owned(), json!(desired.previous_names));
    }
    let mut document = Map::from_iter([
        ("apiVersion".to_owned(), json!(API_VERSION)),
        ("kind".to_owned(), json!(desired.address.kind)),
        ("metadata".to_owned(), Value::Object(metadata)),
        ("spec".to_owned(), spec),
    ]);
    let lifecycle = lifecycle(&desired.lifecycle);
    if !lifecycle.is_empty() {
        document.insert("lifecycle".to_owned(), Value::Object(lifecycle));
    }
    format!("---\n{}", yaml(&Value::Object(document)))
}

/// The document of a stack that says where it is.
pub fn stack(stack: &Stack) -> String {
    let mut spec = Map::new();
    if let Some(region) = &stack.region {
        spec.insert("region".to_owned(), json!(region));
    }
    if let Some(account) = &stack.account {
        spec.insert("account".to_owned(), json!(account));
    }
    let document = json!({
        "apiVersion": API_VERSION, "kind": STACK, "metadata": { "name": stack.name }, "spec": spec,
    });
    format!("---\n{}", yaml(&document))
}

fn lifecycle(it: &Lifecycle) -> Map<String, Value> {
    let Lifecycle { protect, on_live, ignore_changes, adopt } = it;
    let mut map = Map::new();
    if *protect {
        map.insert("protect".to_owned(), json!(true));
    }
    if *on_live != OnLive::default() {
        map.insert("onLive".to_owned(), json!(on_live));
    }
    if !ignore_changes.is_empty() {
        map.insert("ignoreChanges".to_owned(), json!(ignore_changes));
    }
    if let Some(arn) = adopt {
        map.insert("adopt".to_owned(), json!(arn));
    }
    map
}

/// A value as block-style YAML, with a newline at its end.
pub fn yaml(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

fn block(value: &Value, indent: usize, text: &mut String) {
    let pad = "  ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                text.push_str(&pad);
                text.push_str(&scalar(key));
                text.push(':');
                after(value, indent + 1, text);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                let mut item = String::new();
                block(value, indent + 1, &mut item);
                text.push_str(&pad);
                text.push_str("- ");
                text.push_str(item.trim_start_matches(' '));
            }
        }
        other => {
            text.push_str(&pad);
            text.push_str(&leaf(other));
            text.push('\n');
        }
    }
}

fn after(value: &Value, indent: usize, text: &mut String) {
    let nested = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    };
    if nested {
        text.push('\n');
        block(value, indent, text);
    } else {
        text.push(' ');
        text.push_str(&leaf(value));
        text.push('\n');
    }
}

fn leaf(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// Words that some YAML reader takes for something else than text.
const WORDS: [&str; 11] =
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];

fn scalar(text: &str) -> String {
    let plain = text.starts_with(|it: char| it.is_ascii_alphabetic())
        && text.chars().all(|it| it.is_ascii_alphanumeric() || "_-./".contains(it))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { Value::String(text.to_owned()).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yaml_1_1_would_misread_is_quoted() {
        for text in
            ["NO", "yes", "1e3", "12:30", "0x1f", "", " a", "a: b", "~", "2026-11-21", "a#b", "é"]
        {
            let written = yaml(&json!({ "k": text }));
            assert!(written.contains('"'), "{written}");
            let read: Value = serde_yaml::from_str(&written).expect("valid YAML");
            assert_eq!(read["k"], json!(text));
        }
        assert_eq!(yaml(&json!({ "k": "LOW" })), "k: LOW\n");
    }

    #[test]
    fn nested_lists_and_maps_read_back_as_they_were() {
        let value = json!({
            "a": [{ "b": [1, 2], "c": {} }, { "d": [] }], "e": { "f": null, "g.h": true }, "i": [["x"]]
        });
        let read: Value = serde_yaml::from_str(&yaml(&value)).expect("valid YAML");
        assert_eq!(read, value, "{}", yaml(&value));
    }
}
