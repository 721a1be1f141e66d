//! What a run comes to, by its exit code and its answer: a reason, and words with what to do. Functions over values.

use crate::answer::Answer;
use crate::reason::Reason;
use crate::status::AddressStatus;

/// The most characters of a message.
const MOST_CHARACTERS: usize = 800;

/// What a child was started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// `drift`: compares.
    Observe,
    /// `apply --yes`.
    Apply,
    /// `destroy` without `--yes`: says what it would delete.
    CountDeletes,
    /// `destroy --yes --confirm-deletes N`.
    Destroy(u64),
}

impl Work {
    /// The name of the command.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::Observe => "drift",
            Self::Apply => "apply",
            Self::CountDeletes | Self::Destroy(_) => "destroy",
        }
    }
}

/// How a child ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ended {
    /// Its exit code; none where a signal ended it.
    pub(crate) code: Option<i32>,
    /// Whether it took longer than it had.
    pub(crate) timed_out: bool,
    /// Its answer, where it could be read.
    pub(crate) answer: Option<Answer>,
}

/// What a Target comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Why.
    pub(crate) reason: Reason,
    /// In words, with what to do.
    pub(crate) message: String,
}

impl Verdict {
    /// A verdict. The message is cut, and has no control characters.
    pub(crate) fn new(reason: Reason, message: impl AsRef<str>) -> Self {
        let plain = message.as_ref().chars().map(|it| if it.is_control() { ' ' } else { it });
        Self { reason, message: plain.take(MOST_CHARACTERS).collect() }
    }

    /// What a run comes to, by its exit code and its answer.
    pub(crate) fn of(work: Work, ended: &Ended) -> Self {
        if ended.timed_out {
            return Self::new(
                Reason::TimedOut,
                "the run took longer than --child-timeout and was ended; it is tried again",
            );
        }
        let Some(code) = ended.code else {
            return Self::new(Reason::Failed, "a signal ended the run; it is tried again");
        };
        let Some(answer) = &ended.answer else {
            return Self::new(
                Reason::Failed,
                format!(
                    "the run ended with {code} and an answer that cannot be read; the log of the operator has its messages"
                ),
            );
        };
        match (work, code) {
            (Work::Observe, 0) => observed(answer),
            (Work::Observe, 2) => {
                let count = addresses(work, answer).len();
                Self::new(
                    Reason::Drifted,
                    format!("{count} changed outside of the manifests; an apply would undo that"),
                )
            }
            (Work::Apply, 0) => match answer
                .outcome
                .get("deferred")
                .copied()
                .unwrap_or(0)
                .max(answer.count("deferred"))
            {
                0 => Self::new(Reason::Applied, "everything is as the manifests say"),
                count => Self::new(
                    Reason::AppliedWithDeferred,
                    format!("applied; {count} wait, such as for the end of a live stream"),
                ),
            },
            (Work::Apply | Work::Destroy(_), 3) => {
                let reason = if work == Work::Apply {
                    Reason::PartlyApplied
                } else {
                    Reason::DeletionIncomplete
                };
                Self::new(reason, failure(answer, "a part was left undone; it is tried again"))
            }
            (Work::Destroy(_), 0) => {
                Self::new(Reason::Applied, "everything of the stack is deleted")
            }
            (Work::CountDeletes, 0 | 4) if answer.count("blocked") == 0 => {
                let count = answer.count("delete");
                Self::new(
                    Reason::ConfirmDeletes,
                    format!(
                        "deleting this Target deletes {count} resources of the stack; to confirm, set the annotation \
                         {CONFIRM}: \"{count}\"; to keep them, set spec.deletion to Orphan"
                    ),
                )
            }
            (_, 4 | 5) => Self::new(Reason::Refused, failure(answer, "a guard refused the run")),
            (_, 1) if answer.first_error().is_some() => {
                Self::new(Reason::InvalidManifests, mistake(answer))
            }
            _ => Self::new(Reason::Failed, failure(answer, &format!("the run ended with {code}"))),
        }
    }
}

/// The annotation that confirms how many resources the deletion of a Target deletes.
pub(crate) const CONFIRM: &str = "ivs-apply.dev/confirm-deletes";

fn observed(answer: &Answer) -> Verdict {
    let missing = answer.not_drift.missing.len();
    let pending = answer.not_drift.pending.len();
    if missing + pending == 0 {
        return Verdict::new(Reason::InSync, "everything is as the manifests say");
    }
    let message = format!(
        "{missing} declared and missing, {pending} changed in the manifests; with spec.mode Apply the operator applies them"
    );
    Verdict::new(Reason::Pending, message)
}

fn failure(answer: &Answer, otherwise: &str) -> String {
    let Some(error) = &answer.error else {
        let failed = answer.steps.iter().find(|it| it.status.as_deref() == Some("failed"));
        return failed.map_or_else(
            || otherwise.to_owned(),
            |it| format!("{otherwise}; first: {} {}", it.action, it.address),
        );
    };
    match &error.help {
        Some(help) => format!("{}; {help}", error.message),
        None => error.message.clone(),
    }
}

fn mistake(answer: &Answer) -> String {
    let Some(first) = answer.first_error() else { return String::new() };
    let errors = answer.diagnostics.iter().filter(|it| it.severity == "error").count();
    let place = match (&first.file, first.line) {
        (Some(file), Some(line)) => format!("{file}:{line}: "),
        _ => String::new(),
    };
    format!("{place}{} ({}), {errors} errors in all", first.message, first.code)
}

/// The resources that a run is about.
pub(crate) fn addresses(work: Work, answer: &Answer) -> Vec<AddressStatus> {
    let of_steps = answer.steps.iter().filter(|it| match work {
        Work::Apply => it.status.as_deref() != Some("done"),
        _ => true,
    });
    let steps = of_steps.map(|it| AddressStatus {
        address: it.address.clone(),
        action: it.action.clone(),
        why: it.reason.clone().or_else(|| it.status.clone()).or_else(|| it.decision.clone()),
    });
    let of = |addresses: &[String], why: &str| -> Vec<AddressStatus> {
        let one = |it: &String| AddressStatus {
            address: it.clone(),
            action: "none".to_owned(),
            why: Some(why.to_owned()),
        };
        addresses.iter().map(one).collect()
    };
    steps
        .chain(of(&answer.not_drift.pending, "pending"))
        .chain(of(&answer.not_drift.missing, "missing"))
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// How a child ended with this exit code and this in its answer.
    #[allow(clippy::needless_pass_by_value, reason = "cases read better with values")]
    pub(crate) fn ended(code: i32, more: Value) -> Ended {
        let mut answer =
            json!({ "formatVersion": "2.0", "stack": "live", "calls": { "ListChannels": 2 } });
        for (name, value) in more.as_object().expect("an object") {
            answer[name] = value.clone();
        }
        Ended {
            code: Some(code),
            timed_out: false,
            answer: Answer::read(answer.to_string().as_bytes()),
        }
    }

    #[test]
    fn every_end_of_a_run_has_its_reason() {
        let nothing = json!({});
        let error = json!({ "diagnostics": [{ "code": "E0107", "severity": "error", "message": "x", "file": "a.yaml", "line": 3 }] });
        let warning =
            json!({ "diagnostics": [{ "code": "W0304", "severity": "warning", "message": "x" }] });
        let pending = json!({ "notDrift": { "pending": ["Channel/a"], "missing": [] } });
        let missing = json!({ "notDrift": { "pending": [], "missing": ["Channel/a"] } });
        let deferred = json!({ "outcome": { "deferred": 1 } });
        let blocked = json!({ "summary": { "delete": 1, "blocked": 1 } });
        for (work, code, more, expected) in [
            (Work::Observe, 0, &nothing, Reason::InSync),
            (Work::Observe, 0, &pending, Reason::Pending),
            (Work::Observe, 0, &missing, Reason::Pending),
            (Work::Observe, 2, &pending, Reason::Drifted),
            (Work::Apply, 0, &nothing, Reason::Applied),
            (Work::Apply, 0, &deferred, Reason::AppliedWithDeferred),
            (Work::Apply, 3, &nothing, Reason::PartlyApplied),
            (Work::Apply, 4, &nothing, Reason::Refused),
            (Work::Apply, 1, &error, Reason::InvalidManifests),
            (Work::Apply, 1, &warning, Reason::Failed),
            (Work::Apply, 101, &nothing, Reason::Failed),
            (Work::CountDeletes, 4, &nothing, Reason::ConfirmDeletes),
            (Work::CountDeletes, 4, &blocked, Reason::Refused),
            (Work::Destroy(1), 0, &nothing, Reason::Applied),
            (Work::Destroy(1), 3, &nothing, Reason::DeletionIncomplete),
            (Work::Destroy(1), 4, &nothing, Reason::Refused),
        ] {
            assert_eq!(
                Verdict::of(work, &ended(code, more.clone())).reason,
                expected,
                "{work:?} {code} {more}"
            );
        }
        let silent = Ended { code: Some(0), ..Ended::default() };
        assert_eq!(
            Verdict::of(Work::Apply, &silent).reason,
            Reason::Failed,
            "without an answer nothing is believed"
        );
        assert_eq!(Verdict::of(Work::Apply, &Ended::default()).reason, Reason::Failed);
        assert_eq!(
            Verdict::of(Work::Apply, &Ended { timed_out: true, ..silent }).reason,
            Reason::TimedOut
        );
    }

    #[test]
    fn a_message_has_no_control_characters_and_an_end() {
        let it = Verdict::new(Reason::Failed, format!("a\u{1b}[31m\n{}", "x".repeat(5_000)));
        assert!(
            it.message.starts_with("a [31m x") && it.message.chars().count() == MOST_CHARACTERS
        );
    }
}
