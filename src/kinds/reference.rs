//! References between resources: a logical name of this stack, or an ARN from outside it.
//!
//! A reference is never rewritten: the address map gives its ARN at the moment of a call, and reading does
//! the inverse, so desired and observed specs compare by name and export writes names.

use super::address::{Address, AddressMap, Arn};
use super::check::a;
use super::spec::spec_path;
use super::{Kind, Resource};
use crate::diag::{Code, FieldPath, refuse, refuse_with_help};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// What a reference points at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Pointer {
    /// A resource of this stack.
    Named(Address),
    /// An object that the stack does not manage.
    Outside(Arn),
}

impl Pointer {
    /// The ARN to send, if it is known already.
    pub fn arn(&self, addresses: &AddressMap) -> Option<Arn> {
        match self {
            Self::Named(address) => addresses.arn(address).cloned(),
            Self::Outside(arn) => Some(arn.clone()),
        }
    }
}

/// A reference to a resource of kind `K`.
pub struct Ref<K>(Pointer, PhantomData<fn() -> K>);

impl<K: Resource> Ref<K> {
    /// A reference by logical name.
    pub fn named(name: impl Into<String>) -> Self {
        Self(Pointer::Named(Address::new(K::KIND, name)), PhantomData)
    }

    /// What AWS answered: absent and `""` are none; one of our own becomes its name again.
    pub fn read(arn: Option<&str>, addresses: &AddressMap) -> Option<Self> {
        let arn = Arn::new(arn.filter(|it| !it.is_empty())?);
        let pointer = match addresses.address(&arn) {
            Some(address) => Pointer::Named(address.clone()),
            None => Pointer::Outside(arn),
        };
        Some(Self(pointer, PhantomData))
    }

    /// The ARN to send.
    ///
    /// # Panics
    /// If the plan let a step run before what it refers to exists, which would be a defect of the planner.
    pub fn arn(&self, addresses: &AddressMap) -> String {
        let arn = self.0.arn(addresses);
        arn.expect("a step runs after what it refers to").as_str().to_owned()
    }

    /// Where it points.
    pub fn pointer(&self) -> &Pointer {
        &self.0
    }

    /// This reference as an edge from the field at `field`.
    pub fn edge(&self, field: impl Into<FieldPath>) -> Edge {
        Edge { field: field.into(), kind: K::KIND, to: self.0.clone() }
    }

    fn text(&self) -> &str {
        match &self.0 {
            Pointer::Named(address) => &address.name,
            Pointer::Outside(arn) => arn.as_str(),
        }
    }
}

impl Edge {
    /// Its field path in the manifest: `spec.destinations[0].channel.channel`.
    pub fn path(&self) -> FieldPath {
        spec_path().join(&self.field)
    }
}

/// `Some` reference as an edge, for optional fields.
pub fn edge_of<K: Resource>(it: Option<&Ref<K>>, field: &str) -> Option<Edge> {
    it.map(|it| it.edge(field))
}

/// The ARN to send for an optional reference where `""` means none.
pub fn arn_or_detach<K: Resource>(it: Option<&Ref<K>>, addresses: &AddressMap) -> String {
    it.map(|it| it.arn(addresses)).unwrap_or_default()
}

/// A field that refers to something.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Its field path in the spec: `destinations[0].channel.channel`.
    pub field: FieldPath,
    /// The kind it must point at.
    pub kind: Kind,
    /// What it points at.
    pub to: Pointer,
}

impl<K> Clone for Ref<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<K> PartialEq for Ref<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K> fmt::Debug for Ref<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<K: Resource> Serialize for Ref<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl<'de, K: Resource> Deserialize<'de> for Ref<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.starts_with("arn:") {
            let arn = Arn::parse(K::KIND, &text).ok_or_else(|| {
                refuse_with_help(
                    Code::WrongArn,
                    format!("not an ARN of {}", a(K::KIND)),
                    format!(
                        "expected `arn:aws:ivs:<region>:<account>:{}/<id>`",
                        K::FACTS.arn_type.unwrap_or_default()
                    ),
                )
            })?;
            return Ok(Self(Pointer::Outside(arn), PhantomData));
        }
        if text.is_empty() {
            let message = format!("an empty reference: name {} or leave the field out", a(K::KIND));
            return Err(refuse(Code::UnknownReference, message));
        }
        Ok(Self::named(text))
    }
}

impl<K: Resource> JsonSchema for Ref<K> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Reference", K::KIND).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "x-ivs-ref": K::KIND.to_string() })
    }
}
