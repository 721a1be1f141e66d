//! The SDK's enumerations under their wire words: parsed strictly from manifests, read openly from AWS.
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
    /// All words of the service model.
    fn words() -> &'static [&'static str];
    /// The wire word.
    fn word(&self) -> &str;
    /// Any word, known to the model or not.
    fn read(word: &str) -> Self;
}

/// One value of an SDK enumeration, written as its wire word.
#[derive(Clone, Debug, PartialEq)]
pub struct WireEnum<T>(pub T);

impl<T: SdkEnum> WireEnum<T> {
    /// The value for a word of the model; for defaults.
    pub fn of(word: &str) -> Self {
        Self(T::read(word))
    }

    /// The wire word.
    pub fn as_str(&self) -> &str {
        self.0.word()
    }

    /// What AWS answered: absent and `""` both mean unset (`docs/service-reference.md` §1.0).
    pub fn answered(value: Option<T>) -> Option<Self> {
        value.filter(|it| !it.word().is_empty()).map(Self)
    }
}

impl<T: SdkEnum> Serialize for WireEnum<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Any word: the format that is read says whether it must be one of the model's. Manifests do; what AWS once
/// answered is taken as it is.
impl<'de, T: SdkEnum> Deserialize<'de> for WireEnum<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum(T::NAME, T::words(), AnyWord(PhantomData))
    }
}

struct AnyWord<T>(PhantomData<T>);

impl<'de, T: SdkEnum> Visitor<'de> for AnyWord<T> {
    type Value = WireEnum<T>;

    fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "one of {}", T::words().join(", "))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<WireEnum<T>, A::Error> {
        let (word, rest) = access.variant::<String>()?;
        rest.unit_variant()?;
        Ok(WireEnum::of(&word))
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
        json_schema!({ "type": "string", "enum": T::words() })
    }
}

/// Says of SDK enumerations that they are some; each kind of those that it has.
macro_rules! sdk_enums {
    ($($name:ident),* $(,)?) => {$(
        impl $crate::kinds::wire_enum::SdkEnum for $name {
            const NAME: &'static str = stringify!($name);
            fn words() -> &'static [&'static str] { Self::values() }
            fn word(&self) -> &str { self.as_str() }
            fn read(word: &str) -> Self { Self::from(word) }
        }
    )*};
}
pub(super) use sdk_enums;

/// A list without order, as words: sorted, so that equal sets are equal lists.
pub fn sorted_words<T: SdkEnum>(words: &mut [WireEnum<T>]) {
    words.sort_by(|a, b| a.as_str().cmp(b.as_str()));
}
