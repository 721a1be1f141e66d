//! Looks at a value without reading it: where it is, and whether it is a text.

use super::yaml_error::place_of;
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, VariantAccess, Visitor};
use std::fmt;

/// Line and column as `yaml_serde` prints them, from 1.
pub(super) type Mark = (usize, usize);

/// What a look at a value brings back.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) mark: Mark,
    pub(super) scalar: bool,
    pub(super) behind_tag: bool,
}

/// Looks at a value without moving on: notes whether it is a text, and fails to bring its place.
pub(super) struct Peek<'p> {
    scalar: &'p mut bool,
    /// What stands behind a tag has no place at the first look; the second looks behind it.
    behind_tag: bool,
}

impl<'de> DeserializeSeed<'de> for Peek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_enum("", &[], self)
    }
}

impl<'de> Visitor<'de> for Peek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<(), A::Error> {
        *self.scalar = true;
        if self.behind_tag {
            let (_tag, variant) = data.variant::<String>()?;
            *self.scalar = false;
            variant.newtype_variant_seed(Peek { scalar: self.scalar, behind_tag: false })?;
        }
        Err(de::Error::custom(""))
    }
}

/// Looks through whatever passes a seed on: the next value of a mapping or a list. Nothing when
/// there is none.
pub(super) fn look<E: de::Error>(
    mut peek: impl FnMut(Peek<'_>) -> Result<Option<()>, E>,
) -> Result<Option<Look>, E> {
    for behind_tag in [false, true] {
        let mut scalar = false;
        match peek(Peek { scalar: &mut scalar, behind_tag }) {
            Ok(None) => return Ok(None),
            Ok(Some(())) => break,
            Err(error) => match place_of(&error) {
                Some(mark) => return Ok(Some(Look { mark, scalar, behind_tag })),
                None if behind_tag || !scalar => return Err(error),
                None => {}
            },
        }
    }
    Err(E::custom("a value without a place"))
}
