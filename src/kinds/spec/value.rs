//! What is done with a spec as a JSON value: look-ups and changes along a path, and short names for its content.
//!
//! Never knows a kind.

use crate::diag::Segment;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Eight bytes of a hash, in hexadecimal: fits into a tag, and distinguishes two texts.
pub fn short_hash(text: &str) -> String {
    let mut hash = hash(text);
    hash.truncate(16);
    hash
}

/// Hash of a value, whatever the order of its members.
pub fn fingerprint(value: &Value) -> String {
    hash(&sorted(value.clone()).to_string())
}

fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// The value at `path`; `None` where there is none.
pub(super) fn at<'v>(value: &'v Value, path: &[Segment]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get(key),
        Segment::Index(index) => value.get(index),
    })
}

/// The value at `path`, to be changed; `None` where there is none.
pub(super) fn at_mut<'v>(value: &'v mut Value, path: &[Segment]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get_mut(key),
        Segment::Index(index) => value.get_mut(index),
    })
}

/// The object that has the member at `path`, with the member's name.
fn around<'v, 'p>(
    value: &'v mut Value,
    path: &'p [Segment],
) -> Option<(&'v mut Map<String, Value>, &'p String)> {
    let (Segment::Key(key), around) = path.split_last()? else { return None };
    Some((at_mut(value, around)?.as_object_mut()?, key))
}

/// Replaces the reference at `path` by its ARN, under its name in the API.
pub(super) fn resolve(value: &mut Value, path: &[Segment], arn: &str) {
    let arn = Value::String(arn.to_owned());
    // A list of references, `encoderConfigurations[0]`, is `encoderConfigurationArns` in the API.
    if let [list @ .., Segment::Index(_)] = path {
        let Some((map, key)) = around(value, list) else { return };
        map.shift_remove(key);
        let name = format!("{}Arns", key.trim_end_matches('s'));
        if let Value::Array(list) = map.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
            list.push(arn);
        }
    } else if let Some((map, key)) = around(value, path) {
        map.shift_remove(key);
        map.insert(format!("{key}Arn"), arn);
    }
}

/// Copies the value at `path` from one value to another, absence of a member included.
pub(super) fn take(to: &mut Value, from: &Value, path: &[Segment]) {
    let found = at(from, path).cloned();
    match (path, found) {
        ([.., Segment::Index(_)], Some(found)) => {
            if let Some(to) = at_mut(to, path) {
                *to = found;
            }
        }
        ([parent @ .., Segment::Key(_)], found) if at(from, parent).is_some() => {
            let Some((map, key)) = around(to, path) else { return };
            match found {
                Some(found) => drop(map.insert(key.clone(), found)),
                None => drop(map.shift_remove(key)),
            }
        }
        _ => {}
    }
}

pub(super) fn every_path(value: &Value, path: &mut Vec<Segment>, paths: &mut Vec<Vec<Segment>>) {
    let mut visit = |segment: Segment, inner: &Value, member: bool| {
        path.push(segment);
        if member {
            paths.push(path.clone());
        }
        every_path(inner, path, paths);
        path.pop();
    };
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, inner)| visit(Segment::Key(key.clone()), inner, true));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, inner)| visit(Segment::Index(at), inner, false));
        }
        _ => {}
    }
}

pub(super) fn remove(value: &mut Value, path: &[Segment]) {
    if let Some((map, key)) = around(value, path) {
        map.shift_remove(key);
    }
}

/// The same value without members that are null, false, zero or empty. Every field is always there, so two
/// specs that differ still do; and a field that a later version adds, absent, changes no digest.
pub(super) fn without_zeros(value: Value) -> Value {
    let is_zero = |value: &Value| match value {
        Value::Null => true,
        Value::Bool(it) => !it,
        Value::Number(it) => it.as_f64() == Some(0.0),
        Value::String(it) => it.is_empty(),
        Value::Array(it) => it.is_empty(),
        Value::Object(it) => it.is_empty(),
    };
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(key, it)| (key, without_zeros(it)))
                .filter(|(_, it)| !is_zero(it))
                .collect(),
        ),
        Value::Array(list) => Value::Array(list.into_iter().map(without_zeros).collect()),
        other => other,
    }
}

/// The same value with the members of every object in order.
pub fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut members: Vec<(String, Value)> = map.into_iter().collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(members.into_iter().map(|(key, it)| (key, sorted(it))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(sorted).collect()),
        other => other,
    }
}
