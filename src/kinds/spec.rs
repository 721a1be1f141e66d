//! What can be said of any spec without knowing its kind: its fields as JSON, how two differ, its wire
//! form, its digest.
//!
//! Works on the serialised spec, so that a new field needs no line here.

mod difference;
mod value;

pub use difference::{FieldChange, changes, difference};
pub use value::{fingerprint, short_hash, sorted};

use super::address::{Address, AddressMap};
use super::{Kind, Mutable, Pointer, Spec};
use crate::diag::{FieldPath, Segment};
use difference::{is_tag, join};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use value::{every_path, remove, resolve, set, take, without_zeros};

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

/// Serialised form of anything in this module. Specs are maps with string keys, so this cannot fail.
pub(crate) fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("specs are maps with string keys")
}
