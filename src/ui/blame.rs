//! Who wrote to what has drifted, as CloudTrail has it: as lines beside a resource, and as JSON.

use super::escape::escape;
use super::reason::moment;
use crate::aws::trail::{Blame, Stopped, Write};
use crate::kinds::Address;
use serde_json::{Value, json};

/// What CloudTrail says of some resources.
#[derive(Debug)]
pub struct Blamed {
    /// The resources that were asked for.
    pub addresses: Vec<Address>,
    /// The answer, in the same order.
    pub answer: Blame,
}

/// What is known of the writes to one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Recorded,
    NotRecorded,
    /// CloudTrail was not asked to the end.
    NotAnswered,
}

impl Known {
    fn code(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::NotRecorded => "notRecorded",
            Self::NotAnswered => "notAnswered",
        }
    }
}

impl Blamed {
    fn of(&self, address: &Address) -> Option<&[Write]> {
        let index = self.addresses.iter().position(|it| it == address)?;
        self.answer.writes.get(index).map(Vec::as_slice)
    }

    fn known(&self, writes: &[Write]) -> Known {
        match writes {
            [] if self.answer.stopped.is_some() => Known::NotAnswered,
            [] => Known::NotRecorded,
            _ => Known::Recorded,
        }
    }

    /// The lines of one resource; none where it was not asked for, or where CloudTrail did not answer.
    pub fn lines(&self, address: &Address) -> Vec<String> {
        let Some(writes) = self.of(address) else { return Vec::new() };
        match self.known(writes) {
            Known::NotAnswered => Vec::new(),
            Known::NotRecorded => vec![
                "CloudTrail has no write to it: a write is recorded after up to 15 minutes, and kept for 90 days"
                    .to_owned(),
            ],
            Known::Recorded => writes.iter().map(line).collect(),
        }
    }

    /// What limits the answer as a whole.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        match &self.answer.stopped {
            None => {}
            Some(Stopped::NoPermission(error)) => notes.push(format!(
                "CloudTrail was not asked who changed it, since the credentials may not look events up: {}; \
                 `ivs-apply iam-policy drift --blame` prints the permission",
                escape(&error.to_string(), 400)
            )),
            Some(Stopped::Failed(error)) => notes.push(format!(
                "CloudTrail did not answer who changed it: {}",
                escape(&error.to_string(), 400)
            )),
        }
        if let Some(at) = self.answer.read_back_to
            && self.answer.writes.iter().any(Vec::is_empty)
        {
            notes.push(format!(
                "CloudTrail was read back to {} only, since the account has many events",
                moment(at)
            ));
        }
        notes
    }
}

fn line(write: &Write) -> String {
    let who =
        write.principal.as_deref().map_or("an unknown principal".to_owned(), |it| escape(it, 300));
    let when = write.at.map(|it| format!(" at {}", moment(it))).unwrap_or_default();
    let event = escape(&write.event, 100);
    match &write.possibly {
        None => format!("{event} by {who}{when}"),
        Some(arn) => format!("possibly {event} of {} by {who}{when}", escape(arn, 200)),
    }
}

/// The same for programs.
pub fn json(blamed: &Blamed) -> Value {
    let answer = &blamed.answer;
    let write = |it: &Write| {
        json!({
            "principal": it.principal, "at": it.at.map(moment), "event": it.event,
            "eventId": it.id, "possiblyOf": it.possibly,
        })
    };
    let of = blamed.addresses.iter().zip(&answer.writes).map(|(address, writes)| {
        json!({
            "address": address,
            "status": blamed.known(writes).code(),
            "writes": writes.iter().map(write).collect::<Vec<_>>(),
        })
    });
    let error = answer.stopped.as_ref().map(|it| {
        let (code, error) = match it {
            Stopped::NoPermission(error) => ("noPermission", error),
            Stopped::Failed(error) => ("failed", error),
        };
        json!({ "code": code, "message": error.to_string() })
    });
    json!({
        "resources": of.collect::<Vec<_>>(),
        "readBackTo": answer.read_back_to.map(moment),
        "error": error,
    })
}
