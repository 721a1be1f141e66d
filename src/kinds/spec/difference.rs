//! Where two specs differ: paths and values of the fields that change.
//!
//! Never knows a kind, and decides nothing.

use crate::diag::{FieldPath, Segment};
use crate::kinds::{Address, Spec};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::fmt;

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    /// Where: `spec.video.width`.
    pub path: FieldPath,
    /// The observed value; null where there is none.
    pub before: Value,
    /// The desired value.
    pub after: FieldValue,
}

/// The value that a field is to have.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// It is known when the plan is made; null where the field is removed.
    Known(Value),
    /// The ARN of an object that the plan creates: that of this resource.
    KnownAfterApply(Address),
}

impl FieldChange {
    /// A change whose values are both known.
    pub fn known(path: FieldPath, before: Value, after: Value) -> Self {
        Self { path, before, after: FieldValue::Known(after) }
    }

    /// Whether this is a tag, which can always be changed in place.
    pub fn is_tag(&self) -> bool {
        is_tag(&self.path)
    }

    /// Whether this is a field of the spec, a tag included.
    pub fn is_in_spec(&self) -> bool {
        below_spec(&self.path).is_some()
    }

    /// Whether this is a field of the spec that is no tag.
    pub fn writes_spec(&self) -> bool {
        self.is_in_spec() && !self.is_tag()
    }

    /// Whether the change of this field removes its value.
    pub fn removes(&self) -> bool {
        self.after == FieldValue::Known(Value::Null)
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(value) => write!(f, "{value}"),
            Self::KnownAfterApply(address) => write!(f, "{} (new)", address.name),
        }
    }
}

/// The JSON form: the value, or the text `main (new)` for an ARN that is known after apply.
impl Serialize for FieldValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(value) => value.serialize(serializer),
            Self::KnownAfterApply(_) => serializer.collect_str(self),
        }
    }
}

/// The path of the spec in a manifest, with which the path of each of its fields starts.
pub fn spec_path() -> FieldPath {
    FieldPath::root().key("spec")
}

/// The path of `lifecycle.protect` in a manifest.
pub fn protect_path() -> FieldPath {
    FieldPath::root().key("lifecycle").key("protect")
}

/// The steps of a path inside the spec; `None` for a path that leads elsewhere.
pub fn below_spec(path: &FieldPath) -> Option<&[Segment]> {
    match path.segments() {
        [Segment::Key(first), rest @ ..] if first == "spec" => Some(rest),
        _ => None,
    }
}

/// The field of the spec at, or around, a path.
pub fn field_of_spec(path: &FieldPath) -> Option<&str> {
    match below_spec(path)?.first()? {
        Segment::Key(field) => Some(field),
        Segment::Index(_) => None,
    }
}

pub(super) fn is_tag(path: &FieldPath) -> bool {
    field_of_spec(path) == Some("tags")
}

/// Every field in which two specs of one kind differ, in the order of the spec; `ignored` are paths such
/// as `spec.latencyMode` that others look after.
pub fn difference(before: &Spec, after: &Spec, ignored: &[FieldPath]) -> Vec<FieldChange> {
    let mut changes = changes(&spec_path(), &before.fields(), &after.fields());
    changes.retain(|change| !ignored.iter().any(|path| change.path.starts_with(path)));
    changes
}

/// Every place in which two values differ, the smallest ones, with paths that start with `path`.
pub fn changes(path: &FieldPath, before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    walk(path, before, after, &mut changes);
    changes
}

fn walk(path: &FieldPath, before: &Value, after: &Value, changes: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    let empty = Map::new();
    let maps = match (before, after) {
        (Value::Object(before), Value::Object(after)) => Some((before, after)),
        // A whole map that is added or removed is listed member by member, so that each is one line.
        (Value::Null, Value::Object(after)) if !after.is_empty() => Some((&empty, after)),
        (Value::Object(before), Value::Null) if !before.is_empty() => Some((before, &empty)),
        _ => None,
    };
    if let Some((before, after)) = maps {
        let gone = before.keys().filter(|key| !after.contains_key(*key));
        for key in after.keys().chain(gone) {
            let side = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
            walk(&path.clone().key(key), &side(before), &side(after), changes);
        }
        return;
    }
    if let (Value::Array(before), Value::Array(after)) = (before, after)
        && before.len() == after.len()
        && before.iter().chain(after).any(Value::is_object)
    {
        for (index, (before, after)) in before.iter().zip(after).enumerate() {
            walk(&path.clone().index(index), before, after, changes);
        }
        return;
    }
    changes.push(FieldChange::known(path.clone(), before.clone(), after.clone()));
}
