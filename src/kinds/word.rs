//! The SDK's enumerations under their wire words: parsed strictly from manifests, read openly from AWS.
//!
//! The SDK's own lists are never copied: schema, "expected one of" and comparison derive from them.

use crate::diag::{Code, quote, refuse_with_help, suggest};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

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
pub struct Word<T>(pub T);

impl<T: SdkEnum> Word<T> {
    /// The value for a word of the model; for defaults.
    pub fn of(word: &str) -> Self {
        Self(T::read(word))
    }

    /// The wire word.
    pub fn as_str(&self) -> &str {
        self.0.word()
    }

    /// What AWS answered: absent and `""` both mean unset (`ivs-api.md` §1.0).
    pub fn answered(value: Option<T>) -> Option<Self> {
        value.filter(|it| !it.word().is_empty()).map(Self)
    }
}

impl<T: SdkEnum> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, T: SdkEnum> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        if T::words().contains(&word.as_str()) {
            return Ok(Self(T::read(&word)));
        }
        let message = format!("unknown word {}", quote(&word));
        let expected = format!("use one of {}", T::words().join(", "));
        let help = match suggest(&word, T::words().iter().copied()) {
            Some(near) => format!("did you mean `{near}`? {expected}"),
            None => expected,
        };
        Err(refuse_with_help(Code::UnknownWord, message, help))
    }
}

impl<T: SdkEnum> JsonSchema for Word<T> {
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
        impl $crate::kinds::word::SdkEnum for $name {
            const NAME: &'static str = stringify!($name);
            fn words() -> &'static [&'static str] { Self::values() }
            fn word(&self) -> &str { self.as_str() }
            fn read(word: &str) -> Self { Self::from(word) }
        }
    )*};
}
pub(super) use sdk_enums;

/// A list without order, as words: sorted, so that equal sets are equal lists.
pub fn sorted_words<T: SdkEnum>(words: &mut [Word<T>]) {
    words.sort_by(|a, b| a.as_str().cmp(b.as_str()));
}
