//! The entries of a map and the items of a list, as serde asks for them.

use super::fault::Fault;
use super::{Here, Step, Trail, child};
use crate::diag::tree::{Entry, NodeId};
use crate::diag::{Code, Part};
use serde::de::value::StringDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer};
use std::collections::BTreeSet;

/// The fields of a mapping. Of a key that appears twice the first counts; the guard has told that.
pub(super) struct Fields<'t, 'p> {
    here: Here<'t, 'p>,
    entries: &'t [Entry],
    seen: BTreeSet<&'t str>,
    value: Option<&'t Entry>,
}

impl<'t, 'p> Fields<'t, 'p> {
    pub(super) fn new(here: Here<'t, 'p>, entries: &'t [Entry]) -> Self {
        Self { here, entries, seen: BTreeSet::new(), value: None }
    }
}

impl<'t> de::MapAccess<'t> for Fields<'t, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'t>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        while let Some((entry, rest)) = self.entries.split_first() {
            self.entries = rest;
            let merge = entry.plain && entry.key == "<<";
            if merge || self.here.skipped.contains(&entry.value) || !self.seen.insert(&entry.key) {
                continue;
            }
            self.value = Some(entry);
            let key: StringDeserializer<Fault> = entry.key.clone().into_deserializer();
            return seed.deserialize(key).map(Some).map_err(|fault| {
                let trail = Trail { before: Some(&self.here.trail), step: Step::Key(&entry.key) };
                fault.or_at(&|| trail.path(), Part::Key, Some(entry.value))
            });
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let Some(entry) = self.value.take() else {
            return Err(Fault::new(Code::InvalidYaml, "a value without a key"));
        };
        child(self.here, entry.value, Step::Key(&entry.key), seed)
    }
}

/// The items of a list.
pub(super) struct Items<'t, 'p> {
    pub(super) here: Here<'t, 'p>,
    pub(super) all: &'t [NodeId],
    pub(super) next: usize,
}

impl<'t> de::SeqAccess<'t> for Items<'t, '_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'t>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        while let Some(item) = self.all.get(self.next) {
            let step = Step::Index(self.next);
            self.next += 1;
            if !self.here.skipped.contains(item) {
                return child(self.here, *item, step, seed).map(Some);
            }
        }
        Ok(None)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.all.len().saturating_sub(self.next))
    }
}
