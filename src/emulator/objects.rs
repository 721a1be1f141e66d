//! The objects of one kind in one region, in the order of their creation. Checks no rule: the kind's own file
//! decides what may be stored.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::clock::Millis;

/// How many deleted objects a store keeps for lists that lag: those of one minute at the five deletions a
/// second that AWS allows.
const MAX_TOMBSTONES: usize = 300;

/// One object: what the service shows of it, and internal state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Object {
    /// Its position in lists. Never reused, so a page token stays valid while other objects are created and
    /// deleted.
    pub(crate) sequence: u64,
    pub(crate) arn: String,
    pub(crate) created: Millis,
    /// The object as the Get operation answers it.
    pub(crate) wire: Map<String, Value>,
    #[serde(default)]
    pub(crate) hidden: Hidden,
}

/// State of an object that no answer shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Hidden {
    /// When its transitional state ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<Millis>,
    /// The state that an injected fault forces instead of the usual one.
    #[serde(rename = "doomed", skip_serializing_if = "Option::is_none")]
    pub(crate) forced_state: Option<String>,
    /// Composition: since when its stage has no publisher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) empty_since: Option<Millis>,
    /// Composition: when it started and ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started: Option<Millis>,
    /// Composition: when it reached its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<Millis>,
    /// Composition: until when it tries to reconnect an interrupted destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reconnecting: Option<Millis>,
    /// Composition: the idempotency token it was started with, and the other parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<(String, Value)>,
    /// Ingest configuration: accepts plain RTMP. Write-only in the API.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) insecure_ingest: bool,
    /// Key: the digest of its material, to detect a second import.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
}

impl Object {
    /// A text member, empty if it is absent.
    pub(crate) fn text(&self, member: &str) -> &str {
        text(&self.wire, member)
    }
}

/// A text member of any wire object, empty if it is absent.
pub(crate) fn text<'a>(wire: &'a Map<String, Value>, member: &str) -> &'a str {
    wire.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// A deleted object, for lists that lag.
#[derive(Clone, Debug)]
pub(crate) struct Tombstone {
    pub(crate) object: Object,
    pub(crate) deleted: Millis,
}

/// The objects of one kind in one region.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Object>", into = "Vec<Object>")]
pub(crate) struct ObjectStore {
    objects: BTreeMap<u64, Object>,
    by_arn: BTreeMap<String, u64>,
    /// The objects that belong to a channel: accounts have thousands of stream keys, and they are looked up by
    /// channel.
    by_channel: BTreeMap<String, BTreeSet<u64>>,
    tombstones: VecDeque<Tombstone>,
}

impl From<Vec<Object>> for ObjectStore {
    fn from(objects: Vec<Object>) -> Self {
        let mut store = Self::default();
        for object in objects {
            store.put(object);
        }
        store
    }
}

impl From<ObjectStore> for Vec<Object> {
    fn from(objects: ObjectStore) -> Self {
        objects.objects.into_values().collect()
    }
}

impl ObjectStore {
    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(crate) fn put(&mut self, object: Object) {
        self.by_arn.insert(object.arn.clone(), object.sequence);
        let channel = object.text("channelArn");
        if !channel.is_empty() {
            self.by_channel.entry(channel.to_owned()).or_default().insert(object.sequence);
        }
        self.objects.insert(object.sequence, object);
    }

    pub(crate) fn get(&self, arn: &str) -> Option<&Object> {
        self.by_arn.get(arn).and_then(|sequence| self.objects.get(sequence))
    }

    pub(crate) fn get_mut(&mut self, arn: &str) -> Option<&mut Object> {
        self.by_arn.get(arn).and_then(|sequence| self.objects.get_mut(sequence))
    }

    pub(crate) fn take(&mut self, arn: &str, now: Millis) -> Option<Object> {
        let object = self.by_arn.remove(arn).and_then(|sequence| self.objects.remove(&sequence))?;
        if let Some(others) = self.by_channel.get_mut(object.text("channelArn")) {
            others.remove(&object.sequence);
            if others.is_empty() {
                self.by_channel.remove(object.text("channelArn"));
            }
        }
        self.tombstones.push_back(Tombstone { object: object.clone(), deleted: now });
        while self.tombstones.len() > MAX_TOMBSTONES {
            self.tombstones.pop_front();
        }
        Some(object)
    }

    /// All objects, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// The objects that belong to a channel, oldest first.
    pub(crate) fn of_channel(&self, channel: &str) -> impl Iterator<Item = &Object> {
        let sequences = self.by_channel.get(channel).into_iter().flatten();
        sequences.filter_map(|sequence| self.objects.get(sequence))
    }

    /// All objects, oldest first, mutable.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Object> {
        self.objects.values_mut()
    }

    /// The objects in a list that lags by `lag_millis`: without those that are younger, and with those that were
    /// deleted since.
    pub(crate) fn as_seen(&self, now: Millis, lag_millis: i64) -> Vec<&Object> {
        if lag_millis == 0 {
            return self.objects.values().collect();
        }
        let horizon = Millis(now.0.saturating_sub(lag_millis));
        let tombstones = self.tombstones.iter().filter(|tombstone| tombstone.deleted > horizon);
        let mut seen: Vec<&Object> = self
            .objects
            .values()
            .chain(tombstones.map(|tombstone| &tombstone.object))
            .filter(|object| object.created <= horizon)
            .collect();
        seen.sort_by_key(|object| object.sequence);
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(sequence: u64, created: i64) -> Object {
        Object {
            sequence,
            arn: format!("arn:{sequence}"),
            created: Millis(created),
            wire: Map::new(),
            hidden: Hidden::default(),
        }
    }

    #[test]
    fn a_list_that_lags_leaves_out_new_objects_and_shows_deleted_ones() {
        let mut objects = ObjectStore::from(vec![object(1, 0), object(2, 0), object(3, 9_500)]);
        objects.take("arn:1", Millis(9_000));
        let names = |lag| {
            let seen = objects.as_seen(Millis(10_000), lag);
            seen.into_iter().map(|object| object.sequence).collect::<Vec<_>>()
        };
        assert_eq!(names(0), [2, 3]);
        assert_eq!(names(2_000), [1, 2]);
        assert_eq!(names(800), [2]);
    }

    #[test]
    fn a_saved_object_store_reads_back() {
        let objects = ObjectStore::from(vec![object(1, 0), object(5, 0)]);
        let text = serde_json::to_string(&objects).expect("plain data");
        let back: ObjectStore = serde_json::from_str(&text).expect("as written");
        assert_eq!(back.get("arn:5").map(|object| object.sequence), Some(5));
    }
}
