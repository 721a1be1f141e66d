//! The SDK's enumerations by their wire values: parsed strictly from manifests, read leniently from AWS.
//!
//! The SDK's own lists are never copied: schema, "expected one of" and comparison derive from them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{EnumAccess, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt::Formatter;
use std::marker::PhantomData;

/// An SDK enumeration as this crate uses it.
pub trait SdkEnum: Clone + std::fmt::Debug + PartialEq + Send + Sync + 'static {
    /// Its name in the service model.
    const NAME: &'static str;
    /// All values of the service model.
    fn wire_values() -> &'static [&'static str];
    /// The wire value.
    fn wire_value(&self) -> &str;
    /// Any value, known to the model or not.
    fn read(value: &str) -> Self;
}

/// One value of an SDK enumeration, written as its wire value.
#[derive(Clone, Debug, PartialEq)]
pub struct WireEnum<T>(pub T);

impl<T: SdkEnum> WireEnum<T> {
    /// The value of the model with this name; for defaults.
    pub fn of(value: &str) -> Self {
        Self(T::read(value))
    }

    /// The wire value.
    pub fn as_str(&self) -> &str {
        self.0.wire_value()
    }

    /// What AWS answered: absent and `""` both mean unset (`docs/service-reference.md` §1.0).
    pub fn answered(value: Option<T>) -> Option<Self> {
        value.filter(|it| !it.wire_value().is_empty()).map(Self)
    }
}

impl<T: SdkEnum> Serialize for WireEnum<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Any value: the format that is read decides whether it must be one of the model's. Manifests do; what AWS once
/// answered is taken as it is.
impl<'de, T: SdkEnum> Deserialize<'de> for WireEnum<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum(T::NAME, T::wire_values(), AnyValue(PhantomData))
    }
}

struct AnyValue<T>(PhantomData<T>);

impl<'de, T: SdkEnum> Visitor<'de> for AnyValue<T> {
    type Value = WireEnum<T>;

    fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "one of {}", T::wire_values().join(", "))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<WireEnum<T>, A::Error> {
        let (value, rest) = access.variant::<String>()?;
        rest.unit_variant()?;
        Ok(WireEnum::of(&value))
    }
}

impl<T: SdkEnum> JsonSchema for WireEnum<T> {
    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": T::wire_values() })
    }
}

/// Says of SDK enumerations that they are some; each kind of those that it has.
macro_rules! sdk_enums {
    ($($name:ident),* $(,)?) => {$(
        impl $crate::kinds::wire_enum::SdkEnum for $name {
            const NAME: &'static str = stringify!($name);
            fn wire_values() -> &'static [&'static str] { Self::values() }
            fn wire_value(&self) -> &str { self.as_str() }
            fn read(value: &str) -> Self { Self::from(value) }
        }
    )*};
}
pub(super) use sdk_enums;

/// A list without order, as wire values: sorted, so that equal sets are equal lists.
pub fn sort_values<T: SdkEnum>(values: &mut [WireEnum<T>]) {
    values.sort_by(|a, b| a.as_str().cmp(b.as_str()));
}
