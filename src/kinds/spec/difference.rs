//! In which fields two specs differ, each with its path. Knows no kind, and does not judge a difference.

use crate::kinds::Spec;
use serde_json::{Map, Value};

/// One field that differs.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct FieldChange {
    /// Where: `spec.video.width`.
    pub path: String,
    /// What it is; null where there is nothing.
    pub before: Value,
    /// What it shall be; null where nothing.
    pub after: Value,
}

impl FieldChange {
    /// Whether this is a tag, which can always be changed in place.
    pub fn is_tag(&self) -> bool {
        is_tag(&self.path)
    }
}

pub(super) fn is_tag(path: &str) -> bool {
    path.starts_with("spec.tags")
}

/// Every field in which two specs of one kind differ, in the order of the spec; `ignored` are paths such
/// as `spec.latencyMode` that others look after.
pub fn difference(before: &Spec, after: &Spec, ignored: &[String]) -> Vec<FieldChange> {
    let mut changes = changes("spec", &before.fields(), &after.fields());
    changes.retain(|change| {
        !ignored.iter().any(|path| {
            change.path.strip_prefix(path.as_str()).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('.') || rest.starts_with('[')
            })
        })
    });
    changes
}

/// Every place in which two values differ, the smallest ones, with paths that start with `path`.
pub fn changes(path: &str, before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    walk(path, before, after, &mut changes);
    changes
}

fn walk(path: &str, before: &Value, after: &Value, changes: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    let empty = Map::new();
    let maps = match (before, after) {
        (Value::Object(before), Value::Object(after)) => Some((before, after)),
        // A whole map that comes or goes is told member by member, so that each is one line.
        (Value::Null, Value::Object(after)) if !after.is_empty() => Some((&empty, after)),
        (Value::Object(before), Value::Null) if !before.is_empty() => Some((before, &empty)),
        _ => None,
    };
    if let Some((before, after)) = maps {
        let gone = before.keys().filter(|key| !after.contains_key(*key));
        for key in after.keys().chain(gone) {
            let inner = join(path, key);
            let side = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
            walk(&inner, &side(before), &side(after), changes);
        }
        return;
    }
    if let (Value::Array(before), Value::Array(after)) = (before, after)
        && before.len() == after.len()
        && before.iter().chain(after).any(Value::is_object)
    {
        for (index, (before, after)) in before.iter().zip(after).enumerate() {
            walk(&format!("{path}[{index}]"), before, after, changes);
        }
        return;
    }
    changes.push(FieldChange {
        path: path.to_owned(),
        before: before.clone(),
        after: after.clone(),
    });
}

pub(super) fn join(path: &str, key: &str) -> String {
    let plain =
        !key.is_empty() && key.chars().all(|it| it.is_ascii_alphanumeric() || "-_".contains(it));
    if plain { format!("{path}.{key}") } else { format!("{path}[{key:?}]") }
}
