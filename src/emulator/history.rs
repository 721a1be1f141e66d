//! What truly happened to the account, in order: the oracle of the tests. Mutations only, at most
//! the last twenty thousand, never saved with the state.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::clock::Millis;

/// How many events are kept; older ones are forgotten so that a long-lived emulator stays small. Enough to
/// see five thousand channels and their keys come and go.
const KEPT: usize = 20_000;

/// One mutation that was carried out.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) operation: String,
    pub(crate) region: String,
    pub(crate) arn: String,
    pub(crate) request_id: String,
    /// The access key id of whoever asked.
    pub(crate) caller: String,
    pub(crate) at: Millis,
    /// The object's tags: for a creation those it was born with, otherwise those it had before.
    pub(crate) tags: Value,
    /// The tags that a tag operation left it with.
    pub(crate) after: Option<Value>,
    /// Who was cut off: streams, participants, compositions.
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

    /// What the last event left an object's tags at.
    pub(crate) fn left(&mut self, tags: Value) {
        if let Some(last) = self.events.back_mut() {
            last.after = Some(tags);
        }
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
