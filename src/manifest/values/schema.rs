//! JSON Schemas of documents that are not read yet: a field takes `${name}` where it takes a value.

use serde_json::{Map, Value, json};

/// A reference to a value and nothing else.
const ALONE: &str = r"^\$\{[a-zA-Z_][a-zA-Z0-9_-]*\}$";

/// A reference to a value anywhere in a text.
const INSIDE: &str = r"\$\{[a-zA-Z_][a-zA-Z0-9_-]*\}";

/// The parts of a document in which values are put in.
const PARTS: [&str; 2] = ["spec", "lifecycle"];

/// Fields of these parts in which none is.
const WITHOUT: [&str; 2] = ["values", "ignoreChanges"];

/// The schema of a document whose fields take values too.
pub(in super::super) fn admitting(mut document: Value) -> Value {
    for part in PARTS {
        let fields = document.pointer_mut(&format!("/properties/{part}/properties"));
        for (name, field) in fields.and_then(Value::as_object_mut).into_iter().flatten() {
            if !WITHOUT.contains(&name.as_str()) {
                admit(field);
            }
        }
    }
    document
}

fn admit(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    for (_, field) in map.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten()
    {
        admit(field);
    }
    for part in ["items", "additionalProperties"] {
        map.get_mut(part).into_iter().for_each(admit);
    }
    if map.contains_key("properties") || map.contains_key("additionalProperties") {
        return;
    }
    if let Some(Value::Array(options)) = map.get_mut("anyOf") {
        let mut reference = None;
        for option in options.iter_mut() {
            match taken(option) {
                Some(pattern) => reference = reference.or(Some(pattern)),
                None => admit(option),
            }
        }
        options.extend(reference.map(reference_to));
        return;
    }
    if let Some(pattern) = taken(&Value::Object(map.clone())) {
        let mut outer = Map::new();
        for about in ["description", "default"] {
            if let Some(about) = map.shift_remove_entry(about) {
                outer.insert(about.0, about.1);
            }
        }
        let inner = Value::Object(std::mem::take(map));
        outer.insert("anyOf".to_owned(), json!([inner, reference_to(pattern)]));
        *map = outer;
    }
}

fn reference_to(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// The pattern of the texts that a scalar or a list has to take besides its own; nothing where it takes every text, or
/// is a mapping.
fn taken(schema: &Value) -> Option<&'static str> {
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if types.contains(&"object") || types == ["null"] {
        return None;
    }
    let has = |key: &str| schema.get(key).is_some();
    if types.contains(&"string") {
        let narrow = ["enum", "const", "pattern", "format", "maxLength"];
        return narrow.into_iter().any(has).then_some(INSIDE);
    }
    let known = !types.is_empty() || has("enum") || has("const") || has("oneOf");
    known.then_some(ALONE)
}
