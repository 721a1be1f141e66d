//! The rows of `fleet.json`: of targets that have not run, and of those that have.

use super::answer::Answer;
use super::child::Ended;
use crate::fleet::{Entry, Error, Outcome, Row, Unread};
use crate::ui::file::ResultsFolder;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How much of what a target said is kept in `fleet.json`, where its answer does not say what went wrong.
const TALK: u64 = 1_500;

/// A row that says nothing yet.
fn empty(place: &str, outcome: Outcome) -> Row {
    Row {
        run: 0,
        name: None,
        target: None,
        place: place.to_owned(),
        wave: None,
        account: None,
        region: None,
        stack: None,
        digest: None,
        outcome,
        exit_code: None,
        signal: None,
        started_at: None,
        seconds: None,
        calls: None,
        summary: BTreeMap::new(),
        steps: BTreeMap::new(),
        error: None,
        findings: Vec::new(),
        talk: None,
        others: Vec::new(),
        repeat: None,
        kept: false,
    }
}

/// The row of a target before it runs.
pub(super) fn of_entry(it: &Entry, repeat: String) -> Row {
    let outcome = if it.fault.is_some() { Outcome::Duplicate } else { Outcome::NotStarted };
    Row {
        name: Some(it.name.clone()),
        target: Some(it.reference()),
        wave: Some(it.wave),
        account: Some(it.queue.account.clone()),
        region: Some(it.queue.region.clone()),
        stack: it.stack.clone(),
        digest: Some(it.digest.clone()),
        others: it.fault.as_ref().map(|it| it.others().to_vec()).unwrap_or_default(),
        repeat: Some(repeat).filter(|_| it.fault.is_none()),
        ..empty(&it.place, outcome)
    }
}

/// The row of a document that could not be read.
pub(super) fn of_unread(it: &Unread) -> Row {
    let error = Error { message: it.message.clone(), help: it.help.clone() };
    Row { name: it.name.clone(), error: Some(error), ..empty(&it.place, Outcome::Invalid) }
}

/// The row of a target that runs now. Where the fleet is killed, this is what is known of it.
pub(super) fn started(before: &Row, now: Timestamp) -> Row {
    Row { outcome: Outcome::Unfinished, started_at: Some(now), ..before.clone() }
}

/// The row of a target that could not be started.
pub(super) fn not_begun(before: Row, message: String) -> Row {
    let error = Some(Error { message, help: None });
    Row { outcome: Outcome::NoAnswer, error, ..before }
}

/// The row of a target that has ended, with the summary of its answer.
pub(super) fn ended(
    before: Row,
    name: &str,
    how: Ended,
    took: Duration,
    folder: &ResultsFolder,
) -> Row {
    let mut row = Row {
        outcome: outcome(how),
        exit_code: how.code,
        signal: how.signal,
        seconds: Some((took.as_secs_f64() * 1_000.0).round() / 1_000.0),
        ..before
    };
    match folder.answer(name).map_err(|it| it.to_string()).and_then(|it| {
        Answer::read(it).map_err(|error| format!("its answer cannot be read: {error}"))
    }) {
        Ok(answer) => {
            row.stack = answer.stack.or(row.stack);
            row.calls = Some(answer.calls.values().sum());
            row.summary = answer.summary;
            row.steps = answer.outcome;
            row.error = answer.error;
            row.findings = answer.diagnostics;
        }
        // What ended early has no answer, and says in another way why.
        Err(message) if row.outcome.is_done() => {
            row.outcome = Outcome::NoAnswer;
            row.error = Some(Error { message, help: None });
        }
        Err(_) => {}
    }
    if !row.outcome.is_done() && row.error.is_none() && row.findings.is_empty() {
        let talk = folder.end_of_talk(name, TALK);
        row.talk = talk.ok().filter(|it| !it.is_empty());
    }
    row
}

/// How a process has done.
fn outcome(how: Ended) -> Outcome {
    let by_itself = how.code.map(Outcome::of_exit_code);
    match by_itself {
        // It was done before it had heard that it should end.
        Some(it) if it.is_done() => it,
        Some(Outcome::Partly) => Outcome::Partly,
        _ if how.is_late => Outcome::TimedOut,
        _ if how.is_stopped => Outcome::Interrupted,
        Some(it) => it,
        None => Outcome::Killed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_by_itself_is_told_from_what_was_ended() {
        let of = |code, signal, is_late, is_stopped| {
            outcome(Ended { code, signal, is_late, is_stopped })
        };
        assert_eq!(of(Some(0), None, false, false), Outcome::Clean);
        assert_eq!(of(Some(2), None, true, false), Outcome::Changes);
        assert_eq!(of(Some(143), None, true, false), Outcome::TimedOut);
        assert_eq!(of(None, Some(9), true, false), Outcome::TimedOut);
        assert_eq!(of(None, Some(9), false, false), Outcome::Killed);
        assert_eq!(of(Some(130), None, false, true), Outcome::Interrupted);
        assert_eq!(of(None, Some(2), false, true), Outcome::Interrupted);
        assert_eq!(of(Some(3), None, false, true), Outcome::Partly);
        assert_eq!(of(Some(4), None, false, false), Outcome::Refused);
        assert_eq!(of(Some(101), None, false, false), Outcome::Panicked);
        assert_eq!(of(Some(77), None, false, false), Outcome::Failed);
    }
}
