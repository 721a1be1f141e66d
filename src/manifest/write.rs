//! Desired state as YAML: for export, and for showing specs.
//!
//! Emits block style by hand, since no emitter quotes the strings that YAML 1.1 readers take for other
//! types (`NO`, `1e3`, `12:30`): a string that any reader could take for another type is quoted.

use super::envelope::{API_VERSION, STACK, StackSpec};
use super::values::reference::escape;
use crate::kinds::{Desired, Lifecycle, OnLive, Stack};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A resource as a manifest that says no more than it must.
pub fn manifest(desired: &Desired) -> String {
    document(&resource(desired))
}

/// The document of a stack that says where it is.
pub fn stack(stack: &Stack) -> String {
    let (region, account) = (stack.region.clone(), stack.account.clone());
    document(&stack_document(stack, &StackSpec { region, account, ..StackSpec::default() }))
}

/// One document of a file with several.
pub fn document(document: &Value) -> String {
    format!("---\n{}", yaml(document))
}

/// The manifests of a run as they are understood: the Stack, then the resources by address.
pub fn documents(stack: &Stack, spec: &StackSpec, desired: &[Desired]) -> Vec<Value> {
    let mut sorted: Vec<&Desired> = desired.iter().collect();
    sorted.sort_by(|a, b| a.address.cmp(&b.address));
    let resources = sorted.into_iter().map(|it| {
        let mut own = it.clone();
        if let Some(tags) = own.spec.tags_mut() {
            // The Stack has them, and gives them to the resource.
            tags.retain(|key, value| stack.tags.get(key) != Some(value));
        }
        resource(&own)
    });
    std::iter::once(stack_document(stack, spec)).chain(resources).collect()
}

/// Several documents in one, as Kubernetes writes them.
pub fn list(documents: &[Value]) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": documents })
}

fn resource(desired: &Desired) -> Value {
    let mut spec = desired.spec.minimal();
    // While a former name is listed, a display name that is only the default stays as it was.
    let may_go = desired.name_is_default || desired.previous_names.is_empty();
    if let Value::Object(spec) = &mut spec
        && may_go
        && spec.get("name").and_then(Value::as_str) == Some(desired.address.name.as_str())
    {
        spec.shift_remove("name");
    }
    let mut metadata = Map::from_iter([("name".to_owned(), json!(desired.address.name))]);
    if !desired.labels.is_empty() {
        metadata.insert("labels".to_owned(), escaped(json!(desired.labels)));
    }
    if !desired.previous_names.is_empty() {
        metadata.insert("previousNames".to_owned(), json!(desired.previous_names));
    }
    let mut document = Map::from_iter([
        ("apiVersion".to_owned(), json!(API_VERSION)),
        ("kind".to_owned(), json!(desired.address.kind)),
        ("metadata".to_owned(), Value::Object(metadata)),
        ("spec".to_owned(), escaped(spec)),
    ]);
    let lifecycle = lifecycle(&desired.lifecycle);
    if !lifecycle.is_empty() {
        document.insert("lifecycle".to_owned(), escaped(Value::Object(lifecycle)));
    }
    Value::Object(document)
}

/// The Stack without what is as its default. Its values were put in, so they are not declared.
fn stack_document(stack: &Stack, spec: &StackSpec) -> Value {
    let spec = StackSpec { values: BTreeMap::new(), ..spec.clone() };
    let mut spec = json!(spec);
    if let Value::Object(fields) = &mut spec {
        let defaults = json!(StackSpec::default());
        fields.retain(|name, value| *value != defaults[name]);
    }
    json!({
        "apiVersion": API_VERSION,
        "kind": STACK,
        "metadata": { "name": stack.name },
        "spec": escaped(spec),
    })
}

/// Texts as they are written where `${name}` stands for a value.
fn escaped(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(escape(&text)),
        Value::Array(list) => list.into_iter().map(escaped).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, escaped(value))).collect(),
        other => other,
    }
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
