//! The mutations that were carried out, in order: the tests judge by them. At most the last twenty thousand, never
//! saved with the state.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::clock::Millis;

/// How many events are kept; older ones are dropped, which limits the memory of an emulator that runs for long. Enough
/// for the creation and deletion of five thousand channels and their keys.
const KEPT: usize = 20_000;

/// One mutation that was carried out.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) operation: String,
    pub(crate) region: String,
    pub(crate) arn: String,
    pub(crate) request_id: String,
    /// The access key id of the caller.
    pub(crate) caller: String,
    pub(crate) at: Millis,
    /// The object's tags: for a creation those of the request, otherwise those before the mutation.
    pub(crate) tags: Value,
    /// The tags after a tag operation.
    pub(crate) after: Option<Value>,
    /// The streams, participants and compositions that were cut off.
    pub(crate) cut: Vec<String>,
}

/// The events, oldest first.
#[derive(Debug, Default)]
pub(crate) struct History {
    forgotten: u64,
    events: VecDeque<Event>,
}

impl History {
    pub(crate) fn push(&mut self, event: Event) {
        self.events.push_back(event);
        while self.events.len() > KEPT {
            self.events.pop_front();
            self.forgotten += 1;
        }
    }

    /// Sets the tags after the last event.
    pub(crate) fn left(&mut self, tags: Value) {
        if let Some(last) = self.events.back_mut() {
            last.after = Some(tags);
        }
    }

    /// The events, oldest first.
    pub(crate) fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.iter()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The events as control requests show them.
    pub(crate) fn told(&self) -> Told {
        let events = self.events.iter().map(|event| ToldEvent {
            operation: event.operation.clone(),
            region: event.region.clone(),
            arn: event.arn.clone(),
            request_id: event.request_id.clone(),
            caller: event.caller.clone(),
            at: event.at.to_iso(),
            at_millis: event.at.0,
            tags: event.tags.clone(),
            after: event.after.clone(),
            cut_off: !event.cut.is_empty(),
            victims: event.cut.clone(),
        });
        Told { forgotten: self.forgotten, events: events.collect() }
    }
}

/// Every write and interruption, the oldest first.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "History")]
pub(crate) struct Told {
    /// How many older events are not kept any more.
    forgotten: u64,
    events: Vec<ToldEvent>,
}

/// A write that was carried out.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Event")]
struct ToldEvent {
    operation: String,
    region: String,
    arn: String,
    request_id: String,
    /// The access key id of the caller.
    caller: String,
    at: String,
    at_millis: i64,
    /// The object's tags: for a creation those of the request, otherwise those before the write.
    tags: Value,
    /// The tags after a tag operation.
    after: Option<Value>,
    /// Whether an audience was cut off.
    cut_off: bool,
    /// The streams, participants and compositions that were cut off.
    victims: Vec<String>,
}
