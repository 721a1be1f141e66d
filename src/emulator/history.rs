//! The mutations that were carried out, in order: the tests judge by them. At most the last twenty thousand, never
//! saved with the state.

use std::collections::VecDeque;

use serde_json::{Value, json};

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

    /// `{"forgotten": 0, "events": […]}`.
    pub(crate) fn to_json(&self) -> Value {
        let events: Vec<Value> = self
            .events
            .iter()
            .map(|event| {
                json!({
                    "operation": event.operation, "region": event.region, "arn": event.arn,
                    "requestId": event.request_id, "caller": event.caller,
                    "at": event.at.to_iso(), "atMillis": event.at.0, "tags": event.tags,
                    "after": event.after,
                    "cutOff": !event.cut.is_empty(), "victims": event.cut,
                })
            })
            .collect();
        json!({ "forgotten": self.forgotten, "events": events })
    }
}
