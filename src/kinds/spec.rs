//! What can be said of any spec without knowing its kind: its fields as JSON, how two differ, its wire
//! form, its digest.
//!
//! Works on the serialised spec, so that a new field needs no line here.

use super::address::{Address, AddressMap};
use super::{Kind, Mutable, Pointer, Spec, json};
use crate::diag::{FieldPath, Segment};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

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

fn is_tag(path: &str) -> bool {
    path.starts_with("spec.tags")
}

impl Kind {
    /// Names of the fields of its spec.
    pub fn field_names(self) -> Vec<String> {
        let Value::Object(fields) = json(&self.example()) else { return Vec::new() };
        fields.into_iter().map(|(name, _)| name).collect()
    }

    /// Whether a change of the field at `path` needs a new object. Fields that AWS knows nothing of do not, apart
    /// from those that hold the text sent to AWS.
    pub fn is_immutable(self, path: &str) -> bool {
        let field = path.strip_prefix("spec.").unwrap_or(path);
        let field = field.split(['.', '[']).next().unwrap_or(field);
        let holds_text = self
            .example()
            .file_source()
            .is_some_and(|it| [it.file_field, it.text_field].contains(&field));
        !self.can_update(path) && (holds_text || !self.facts().local.contains(&field))
    }

    /// Whether an update can change the field at `path`.
    pub fn can_update(self, path: &str) -> bool {
        is_tag(path)
            || match self.facts().mutable {
                Mutable::All => true,
                Mutable::TagsOnly => false,
                Mutable::Only(fields) => {
                    let field = path.strip_prefix("spec.").unwrap_or(path);
                    fields.contains(&field.split(['.', '[']).next().unwrap_or(field))
                }
            }
    }
}

impl Kind {
    /// Whether an update of the field at `path` cuts off whoever is live, or is refused while somebody is.
    pub fn disturbs(self, path: &str) -> bool {
        let field = path.strip_prefix("spec.");
        field.is_some_and(|it| !self.facts().unobtrusive.contains(&it)) && !is_tag(path)
    }
}

impl Spec {
    /// The spec as manifests write it, without the fields AWS knows nothing of.
    pub fn fields(&self) -> Value {
        let mut fields = json(self);
        if let Value::Object(map) = &mut fields {
            for local in self.kind().facts().local {
                map.shift_remove(*local);
            }
        }
        fields
    }

    /// The spec in the API's own words: references resolved, `…Arn` names. `None` while something it
    /// refers to does not exist yet.
    pub fn wire(&self, addresses: &AddressMap) -> Option<Value> {
        let mut wire = self.fields();
        for edge in self.refs() {
            let arn = edge.to.arn(addresses)?;
            let path = FieldPath::from(edge.field.as_str());
            resolve(&mut wire, path.segments(), arn.as_str());
        }
        Some(wire)
    }

    /// This spec with the fields at `paths` (`spec.latencyMode`) as they are in `observed`: others look after
    /// those, so they are neither compared nor overwritten.
    #[must_use]
    pub fn with_ignored(&self, observed: &Spec, paths: &[String]) -> Spec {
        if paths.is_empty() {
            return self.clone();
        }
        let (mut wanted, observed) = (json(self), json(observed));
        for path in paths {
            let path = FieldPath::from(path.as_str());
            if let [Segment::Key(spec), rest @ ..] = path.segments()
                && spec == "spec"
            {
                take(&mut wanted, &observed, rest);
            }
        }
        self.kind().from_json(wanted).unwrap_or_else(|| self.clone())
    }

    /// Where this spec has a word that the service model does not know, because AWS has grown since; of a list,
    /// the whole list.
    pub fn unknown_words(&self) -> Vec<String> {
        // Where much differs at once, this is asked of each.
        static SCHEMAS: LazyLock<BTreeMap<Kind, Value>> = LazyLock::new(|| {
            let of_kind = |kind: &Kind| (*kind, kind.schema(&mut schema_generator()).to_value());
            Kind::ALL.iter().map(of_kind).collect()
        });
        let mut found = Vec::new();
        unknown_words("spec", &json(self), &SCHEMAS[&self.kind()], &mut found);
        found
    }

    /// This spec with ARNs that `addresses` knows turned into names.
    #[must_use]
    pub fn renamed(&self, addresses: &AddressMap) -> Spec {
        let mut edges = self.refs();
        edges.retain(
            |it| matches!(&it.to, Pointer::Outside(arn) if addresses.address(arn).is_some()),
        );
        if edges.is_empty() {
            return self.clone();
        }
        let mut whole = json(self);
        for edge in edges {
            let Some(address) =
                edge.to.arn(addresses).and_then(|arn| addresses.address(&arn).cloned())
            else {
                continue;
            };
            let path = FieldPath::from(edge.field.as_str());
            set(&mut whole, path.segments(), Value::String(address.name));
        }
        self.kind().from_json(whole).unwrap_or_else(|| self.clone())
    }

    /// The spec without what is as AWS's defaults have it, for export and for showing what is made.
    pub fn minimal(&self) -> Value {
        let mut whole = json(self);
        let kind = self.kind();
        let same = |value: &Value| {
            kind.from_json(value.clone()).is_some_and(|mut spec| {
                spec.normalise();
                spec == *self
            })
        };
        let mut paths = Vec::new();
        every_path(&whole, &mut Vec::new(), &mut paths);
        // From the leaves up, so that a map whose members all went can go as well.
        for path in paths.into_iter().rev() {
            let mut smaller = whole.clone();
            remove(&mut smaller, &path);
            if same(&smaller) {
                whole = smaller;
            }
        }
        whole
    }

    /// Fills in what AWS keeps and never returns, such as `insecureIngest`.
    ///
    /// No answer tells it, but the digest does: that is the hash of the spec as it was last written. Every
    /// value the field can have is tried, and the one under which the object hashes to its digest is the
    /// one it has. Fields in which `wanted` differs from what was read may have been written either way
    /// (the manifest changed since, or somebody changed the object), so both are tried. Where nothing fits
    /// (another field changed on both sides, no digest), it counts as wanted: an object is never replaced
    /// on a guess.
    pub fn restore_write_only(
        &mut self,
        wanted: &Spec,
        digest: Option<&str>,
        addresses: &AddressMap,
    ) {
        let write_only_variants = wanted.write_only_variants();
        if let Some(digest) = digest.filter(|_| !write_only_variants.is_empty()) {
            for candidate in std::iter::once(wanted).chain(&write_only_variants) {
                let mut guess = self.clone();
                guess.copy_write_only(candidate);
                if guess.may_have_been(candidate, digest, addresses) {
                    *self = guess;
                    return;
                }
            }
        }
        self.copy_write_only(wanted);
    }

    /// Whether some mixture of this spec and `other` has this digest.
    fn may_have_been(&self, other: &Spec, digest: &str, addresses: &AddressMap) -> bool {
        /// Twice as much work for each field.
        const MOST: usize = 6;
        let (own, other) = (json(self), json(other));
        let keys = own.as_object().into_iter().chain(other.as_object()).flat_map(Map::keys);
        let keys: BTreeSet<&String> = keys.filter(|it| own.get(it) != other.get(it)).collect();
        if keys.len() > MOST {
            return false;
        }
        (0..1_u32 << keys.len()).any(|mask| {
            let mut mixed = own.clone();
            for (index, key) in keys.iter().enumerate() {
                if mask & (1 << index) != 0 {
                    take(&mut mixed, &other, &[Segment::Key((*key).clone())]);
                }
            }
            let mixed = self.kind().from_json(mixed);
            mixed.and_then(|it| it.digest(addresses)).is_some_and(|it| it == digest)
        })
    }

    /// Short hash of the full spec, references resolved: tells drift from a change of the manifest.
    pub fn digest(&self, addresses: &AddressMap) -> Option<String> {
        Some(short_hash(&sorted(without_zeros(self.wire(addresses)?)).to_string()))
    }
}

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
fn resolve(value: &mut Value, path: &[Segment], arn: &str) {
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
fn take(to: &mut Value, from: &Value, path: &[Segment]) {
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

fn set(value: &mut Value, path: &[Segment], new: Value) {
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

fn every_path(value: &Value, path: &mut Vec<Segment>, paths: &mut Vec<Vec<Segment>>) {
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

fn remove(value: &mut Value, path: &[Segment]) {
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
fn without_zeros(value: Value) -> Value {
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

fn join(path: &str, key: &str) -> String {
    let plain =
        !key.is_empty() && key.chars().all(|it| it.is_ascii_alphanumeric() || "-_".contains(it));
    if plain { format!("{path}.{key}") } else { format!("{path}[{key:?}]") }
}

fn unknown_words(path: &str, value: &Value, schema: &Value, found: &mut Vec<String>) {
    let optional = schema["anyOf"].as_array();
    let schema =
        optional.and_then(|it| it.iter().find(|it| it["type"] != "null")).unwrap_or(schema);
    match value {
        Value::String(_) => {
            if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
                found.push(path.to_owned());
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                unknown_words(&join(path, key), value, &schema["properties"][key], found);
            }
        }
        Value::Array(list) => {
            let mut inside = Vec::new();
            for value in list {
                unknown_words(path, value, &schema["items"], &mut inside);
            }
            found.extend(inside.first().map(|_| path.to_owned()));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Makes schemas that hold all their parts, in the draft that editors read.
pub fn schema_generator() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    settings.into_generator()
}

/// The addresses a body refers to by name.
pub fn named_targets(spec: &Spec) -> Vec<Address> {
    spec.refs()
        .into_iter()
        .filter_map(|edge| match edge.to {
            super::Pointer::Named(address) => Some(address),
            super::Pointer::Outside(_) => None,
        })
        .collect()
}
