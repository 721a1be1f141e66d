//! What can be said of any spec without knowing its kind: its fields as JSON, how two differ, its wire
//! form, its digest.
//!
//! Works on the serialised spec, so that a new field needs no line here.

mod difference;
#[cfg(test)]
mod tests;
mod value;

pub use difference::{
    FieldChange, FieldValue, below_spec, changes, difference, field_of_spec, protect_path,
    spec_path,
};
pub use value::{fingerprint, short_hash, sorted};

use super::address::{Address, AddressMap};
use super::{Kind, Mutable, Pointer, Spec};
use crate::diag::{FieldPath, Segment};
use difference::is_tag;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use value::{at_mut, every_path, remove, resolve, take, without_zeros};

impl Kind {
    /// Names of the fields of its spec.
    pub fn field_names(self) -> Vec<String> {
        let Value::Object(fields) = json(&self.example()) else { return Vec::new() };
        fields.into_iter().map(|(name, _)| name).collect()
    }

    /// Whether a change of the field at `path` needs a new object. Fields that AWS knows nothing of do not, apart
    /// from those that hold the text sent to AWS.
    pub fn is_immutable(self, path: &FieldPath) -> bool {
        let Some(field) = field_of_spec(path) else { return false };
        let holds_text = self
            .example()
            .file_source()
            .is_some_and(|it| [it.file_field, it.text_field].contains(&field));
        !self.can_update(path) && (holds_text || !self.facts().local.contains(&field))
    }

    /// Whether an update can change the field at `path`.
    pub fn can_update(self, path: &FieldPath) -> bool {
        is_tag(path)
            || match self.facts().mutable {
                Mutable::All => true,
                Mutable::TagsOnly => false,
                Mutable::Only(fields) => field_of_spec(path).is_some_and(|it| fields.contains(&it)),
            }
    }
}

impl Kind {
    /// Whether an update of the field at `path` cuts off an audience, or is refused while there is one.
    pub fn disturbs(self, path: &FieldPath) -> bool {
        let unobtrusive = |field: &str| self.facts().unobtrusive.contains(&field);
        match below_spec(path) {
            None | Some([]) => false,
            Some([Segment::Key(field)]) => !unobtrusive(field) && !is_tag(path),
            Some(_) => !is_tag(path),
        }
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

    /// The spec as the API writes it: references resolved, `…Arn` names. `None` while something it
    /// refers to does not exist yet.
    pub fn wire(&self, addresses: &AddressMap) -> Option<Value> {
        let mut wire = self.fields();
        for edge in self.refs() {
            let arn = edge.to.arn(addresses)?;
            resolve(&mut wire, edge.field.segments(), arn.as_str());
        }
        Some(wire)
    }

    /// This spec with the fields at `paths` (`spec.latencyMode`) as they are in `observed`: others look after
    /// those, so they are neither compared nor overwritten.
    #[must_use]
    pub fn with_ignored(&self, observed: &Spec, paths: &[FieldPath]) -> Cow<'_, Spec> {
        if paths.is_empty() {
            return Cow::Borrowed(self);
        }
        let (mut wanted, observed) = (json(self), json(observed));
        for inside in paths.iter().filter_map(below_spec) {
            take(&mut wanted, &observed, inside);
        }
        self.kind().from_json(wanted).map_or(Cow::Borrowed(self), Cow::Owned)
    }

    /// Where this spec has an enum value that the service model does not have, because AWS added it since; of a list,
    /// the whole list.
    pub fn unknown_enum_values(&self) -> Vec<FieldPath> {
        // Where much differs at once, this is asked of each.
        static SCHEMAS: LazyLock<BTreeMap<Kind, Value>> = LazyLock::new(|| {
            let of_kind = |kind: &Kind| (*kind, kind.schema(&mut schema_generator()).to_value());
            Kind::ALL.iter().map(of_kind).collect()
        });
        let mut found = Vec::new();
        unknown_enum_values(&spec_path(), &json(self), &SCHEMAS[&self.kind()], &mut found);
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
            if let Some(field) = at_mut(&mut whole, edge.field.segments()) {
                *field = Value::String(address.name);
            }
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
    /// No answer has it, but the digest shows it: that is the hash of the spec as it was last written. Every
    /// value the field can have is tried, and the one under which the object hashes to its digest is the
    /// one it has. Fields in which `wanted` differs from what was read may have been written either way
    /// (the manifest or the object changed since), so both are tried. Where nothing fits
    /// (another field changed on both sides, no digest), it counts as equal to the desired value: an object is never
    /// replaced on a guess.
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

    /// The digest that this spec would have under each of these display names, and under its own, without those that
    /// nothing has while something it refers to does not exist yet.
    pub fn digests_as<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
        addresses: &AddressMap,
    ) -> Vec<String> {
        let Some(wire) = self.wire(addresses) else { return Vec::new() };
        let mut value = sorted(without_zeros(wire));
        let mut digests = vec![short_hash(&value.to_string())];
        digests.extend(names.filter_map(|name| {
            // A kind without a display name has none in its digest either.
            *value.get_mut("name")? = Value::String(name.to_owned());
            Some(short_hash(&value.to_string()))
        }));
        digests
    }

    /// Short hash of the spec as manifests write it, the same for all that differ only in their display name or in fields
    /// that AWS never returns.
    pub fn hash_without_name(&self) -> String {
        let mut spec = self.clone();
        if let Some(name) = spec.name_mut() {
            *name = None;
        }
        let text = |it: &Spec| serde_json::to_string(it).expect("specs are maps with string keys");
        let variants = spec.write_only_variants();
        // Each of the variants has the others as its variants, so any one of them that is chosen by its text will do.
        let least = variants.iter().map(text).chain([text(&spec)]).min();
        short_hash(&least.unwrap_or_default())
    }

    /// Short hash of the full spec, references resolved: distinguishes drift from a change of the manifest.
    pub fn digest(&self, addresses: &AddressMap) -> Option<String> {
        Some(short_hash(&sorted(without_zeros(self.wire(addresses)?)).to_string()))
    }
}

fn unknown_enum_values(
    path: &FieldPath,
    value: &Value,
    schema: &Value,
    found: &mut Vec<FieldPath>,
) {
    let optional = schema["anyOf"].as_array();
    let schema =
        optional.and_then(|it| it.iter().find(|it| it["type"] != "null")).unwrap_or(schema);
    match value {
        Value::String(_) => {
            if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
                found.push(path.clone());
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                unknown_enum_values(
                    &path.clone().key(key),
                    value,
                    &schema["properties"][key],
                    found,
                );
            }
        }
        Value::Array(list) => {
            let mut inside = Vec::new();
            for value in list {
                unknown_enum_values(path, value, &schema["items"], &mut inside);
            }
            found.extend(inside.first().map(|_| path.clone()));
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

/// Serialised form of anything in this module. Specs are maps with string keys, so this cannot fail.
pub(crate) fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("specs are maps with string keys")
}
