//! JSON values: edits at a path, and the one form and hash that equal values have. Knows neither specs nor kinds.

use crate::diag::Segment;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Eight bytes of a hash, in hexadecimal: fits into a tag, and tells two texts apart.
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

/// Replaces the reference at `path` by its ARN, under its name in the API.
pub(super) fn resolve(value: &mut Value, path: &[Segment], arn: &str) {
    match (value, path) {
        (Value::Object(map), [Segment::Key(key)]) => {
            map.shift_remove(key);
            map.insert(format!("{key}Arn"), Value::String(arn.to_owned()));
        }
        // A list of references, `encoderConfigurations[0]`, is `encoderConfigurationArns` in the API.
        (Value::Object(map), [Segment::Key(key), Segment::Index(_)]) => {
            map.shift_remove(key);
            let name = format!("{}Arns", key.trim_end_matches('s'));
            if let Value::Array(list) = map.entry(name).or_insert_with(|| Value::Array(Vec::new()))
            {
                list.push(Value::String(arn.to_owned()));
            }
        }
        (Value::Object(map), [Segment::Key(key), rest @ ..]) => {
            if let Some(inner) = map.get_mut(key) {
                resolve(inner, rest, arn);
            }
        }
        (Value::Array(list), [Segment::Index(index), rest @ ..]) => {
            if let Some(inner) = list.get_mut(*index) {
                resolve(inner, rest, arn);
            }
        }
        _ => {}
    }
}

/// Copies what stands at `path` from one value to another, absence included.
pub(super) fn take(to: &mut Value, from: &Value, path: &[Segment]) {
    match (to, path) {
        (Value::Object(map), [Segment::Key(key)]) => match from.get(key) {
            Some(value) => {
                map.insert(key.clone(), value.clone());
            }
            None => {
                map.shift_remove(key);
            }
        },
        (Value::Object(map), [Segment::Key(key), rest @ ..]) => {
            if let (Some(inner), Some(from)) = (map.get_mut(key), from.get(key)) {
                take(inner, from, rest);
            }
        }
        (Value::Array(list), [Segment::Index(index), rest @ ..]) => {
            match (list.get_mut(*index), from.get(*index)) {
                (Some(inner), Some(from)) if rest.is_empty() => *inner = from.clone(),
                (Some(inner), Some(from)) => take(inner, from, rest),
                _ => {}
            }
        }
        _ => {}
    }
}

pub(super) fn set(value: &mut Value, path: &[Segment], new: Value) {
    match (value, path) {
        (value, []) => *value = new,
        (Value::Object(map), [Segment::Key(key), rest @ ..]) => {
            map.get_mut(key).into_iter().for_each(|inner| set(inner, rest, new.clone()));
        }
        (Value::Array(list), [Segment::Index(index), rest @ ..]) => {
            list.get_mut(*index).into_iter().for_each(|inner| set(inner, rest, new.clone()));
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
    match (value, path) {
        (Value::Object(map), [Segment::Key(key)]) => {
            map.shift_remove(key);
        }
        (Value::Object(map), [Segment::Key(key), rest @ ..]) => {
            map.get_mut(key).into_iter().for_each(|inner| remove(inner, rest));
        }
        (Value::Array(list), [Segment::Index(index), rest @ ..]) => {
            list.get_mut(*index).into_iter().for_each(|inner| remove(inner, rest));
        }
        _ => {}
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
