//! The status of a Target: what it says, with which reason, and when it is looked at again. Functions over values.

use crate::answer::Answer;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most addresses that a status lists.
const MOST_ADDRESSES: usize = 20;

/// The most characters of a message.
const MOST_CHARACTERS: usize = 800;

/// What the operator found and did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TargetStatus {
    /// The generation of the spec that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) observed_generation: Option<i64>,
    /// `Ready`, and `Reconciling` or `Stalled` where they are true.
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub(crate) conditions: Vec<Condition>,
    /// Revision of the source that the last run worked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<String>,
    /// Stack that the last run worked on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stack: Option<String>,
    /// When the last run ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub(crate) last_run: Option<Timestamp>,
    /// When a run last ended with `Ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub(crate) last_success: Option<Timestamp>,
    /// Before this no run is started, unless spec, source or annotations change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub(crate) next_check: Option<Timestamp>,
    /// The annotations that the last run heeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) handled: Option<String>,
    /// Exit code of the last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exit_code: Option<i32>,
    /// Runs that failed one after another.
    pub(crate) failures: u32,
    /// Calls to AWS of the last run.
    pub(crate) calls: u64,
    /// How many resources of each action; those of which there are none are left out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) counts: BTreeMap<String, u64>,
    /// What the last run is about, the first 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub(crate) addresses: Vec<AddressStatus>,
    /// How many addresses there are in all.
    pub(crate) addresses_in_all: u64,
    /// How many resources the deletion of the Target would delete: what the annotation has to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deletes: Option<u64>,
}

/// A condition, as Kubernetes has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub(crate) struct Condition {
    /// Its type.
    #[serde(rename = "type")]
    pub(crate) type_: String,
    /// `True` or `False`.
    pub(crate) status: String,
    /// A stable code.
    pub(crate) reason: String,
    /// What it is and what to do.
    pub(crate) message: String,
    /// When `status` changed.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub(crate) last_transition_time: Timestamp,
    /// The generation that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) observed_generation: Option<i64>,
}

/// A resource in a status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub(crate) struct AddressStatus {
    /// Its address.
    pub(crate) address: String,
    /// What would be done, or was.
    pub(crate) action: String,
    /// What became of it, or what stands against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

/// Why a Target is as it is. The names are stable: other programs read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Everything is as the manifests say.
    InSync,
    /// Applied, or there was nothing to do.
    Applied,
    /// Applied but for what waits, such as a change to a channel that is live.
    AppliedWithDeferred,
    /// Something was changed outside of the manifests.
    Drifted,
    /// The manifests say what is not applied yet; the mode is Observe.
    Pending,
    /// A part was applied.
    PartlyApplied,
    /// The run failed.
    Failed,
    /// The run took too long and was ended.
    TimedOut,
    /// A guard refused the run.
    Refused,
    /// The manifests are wrong.
    InvalidManifests,
    /// The spec of the Target is wrong.
    InvalidSpec,
    /// Targets of an earlier wave are not ready at this revision.
    WaitingForWave,
    /// The source does not exist.
    SourceMissing,
    /// The operator may not read the source.
    SourceForbidden,
    /// The source has no artifact yet, or it could not be fetched.
    SourceNotReady,
    /// The artifact of the source is not used.
    ArtifactRefused,
    /// There are no credentials that this Target may use.
    NoCredentials,
    /// An older Target has the same account, region and stack.
    Duplicate,
    /// The deletion waits for its number.
    ConfirmDeletes,
    /// The deletion left something.
    DeletionIncomplete,
}

/// When a Target is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// After its interval.
    Interval,
    /// After a minute, and after each failure twice as long, at most half an hour.
    BackOff,
    /// With the next look at the source: that costs no call to AWS.
    Look,
}

impl Reason {
    /// Every reason.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 20] = [
        Self::InSync,
        Self::Applied,
        Self::AppliedWithDeferred,
        Self::Drifted,
        Self::Pending,
        Self::PartlyApplied,
        Self::Failed,
        Self::TimedOut,
        Self::Refused,
        Self::InvalidManifests,
        Self::InvalidSpec,
        Self::WaitingForWave,
        Self::SourceMissing,
        Self::SourceForbidden,
        Self::SourceNotReady,
        Self::ArtifactRefused,
        Self::NoCredentials,
        Self::Duplicate,
        Self::ConfirmDeletes,
        Self::DeletionIncomplete,
    ];

    /// Whether the Target is as it should be.
    pub(crate) fn is_ready(self) -> bool {
        matches!(self, Self::InSync | Self::Applied | Self::AppliedWithDeferred)
    }

    /// Whether somebody has to do something before it goes on.
    pub(crate) fn is_stalled(self) -> bool {
        matches!(
            self,
            Self::Refused
                | Self::InvalidManifests
                | Self::InvalidSpec
                | Self::SourceForbidden
                | Self::ArtifactRefused
                | Self::NoCredentials
                | Self::Duplicate
                | Self::ConfirmDeletes
        )
    }

    /// Whether the operator goes on by itself.
    pub(crate) fn is_reconciling(self) -> bool {
        !self.is_ready() && !self.is_stalled() && !matches!(self, Self::Drifted | Self::Pending)
    }

    /// When it is looked at again.
    pub(crate) fn again(self) -> Again {
        match self {
            Self::InSync
            | Self::Applied
            | Self::AppliedWithDeferred
            | Self::Drifted
            | Self::Pending
            | Self::Refused
            | Self::InvalidManifests
            | Self::ConfirmDeletes => Again::Interval,
            Self::PartlyApplied
            | Self::Failed
            | Self::TimedOut
            | Self::ArtifactRefused
            | Self::DeletionIncomplete => Again::BackOff,
            Self::InvalidSpec
            | Self::WaitingForWave
            | Self::SourceMissing
            | Self::SourceForbidden
            | Self::SourceNotReady
            | Self::NoCredentials
            | Self::Duplicate => Again::Look,
        }
    }
}

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
fn addresses(work: Work, answer: &Answer) -> Vec<AddressStatus> {
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

/// What is the same for every status that is written now.
#[derive(Clone, Debug)]
pub(crate) struct Now {
    /// The time.
    pub(crate) time: Timestamp,
    /// The generation of the Target.
    pub(crate) generation: Option<i64>,
    /// The annotations that count.
    pub(crate) handled: Option<String>,
    /// The interval of the Target.
    pub(crate) interval: Duration,
}

impl TargetStatus {
    /// The condition of a type.
    pub(crate) fn condition(&self, type_: &str) -> Option<&Condition> {
        self.conditions.iter().find(|it| it.type_ == type_)
    }

    /// Whether the Target is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|it| it.status == "True")
    }

    /// The reason of `Ready`.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.condition("Ready").map(|it| it.reason.as_str())
    }

    /// The status with a verdict that no run led to.
    #[must_use]
    pub(crate) fn with(&self, verdict: &Verdict, now: &Now) -> Self {
        let mut next = self.clone();
        next.observed_generation = now.generation;
        let mut conditions = Vec::new();
        let mut put = |type_: &str, is: bool| {
            let status = if is { "True" } else { "False" };
            let since = self
                .condition(type_)
                .filter(|it| it.status == status)
                .map_or(now.time, |it| it.last_transition_time);
            conditions.push(Condition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason: format!("{:?}", verdict.reason),
                message: verdict.message.clone(),
                last_transition_time: since,
                observed_generation: now.generation,
            });
        };
        put("Ready", verdict.reason.is_ready());
        if verdict.reason.is_stalled() {
            put("Stalled", true);
        }
        if verdict.reason.is_reconciling() {
            put("Reconciling", true);
        }
        next.conditions = conditions;
        next.failures = match verdict.reason.again() {
            Again::BackOff => self.failures.saturating_add(1),
            Again::Interval => 0,
            Again::Look => self.failures,
        };
        next.next_check = match verdict.reason.again() {
            Again::Interval => Some(later(now.time, now.interval)),
            Again::BackOff => Some(later(now.time, back_off(next.failures))),
            Again::Look => None,
        };
        next.handled.clone_from(&now.handled);
        next
    }

    /// The status after a run.
    #[must_use]
    pub(crate) fn after(
        &self,
        work: Work,
        ended: &Ended,
        verdict: &Verdict,
        revision: &str,
        now: &Now,
    ) -> Self {
        let mut next = self.with(verdict, now);
        next.revision = Some(revision.to_owned());
        next.last_run = Some(now.time);
        if verdict.reason.is_ready() {
            next.last_success = Some(now.time);
        }
        next.exit_code = ended.code;
        let answer = ended.answer.clone().unwrap_or_default();
        next.stack = answer.stack.clone().or_else(|| self.stack.clone());
        next.calls = answer.calls.values().sum();
        next.counts = answer
            .summary
            .iter()
            .filter(|it| *it.1 > 0)
            .map(|(name, count)| (name.clone(), *count))
            .collect();
        let addresses = addresses(work, &answer);
        next.addresses_in_all = addresses.len() as u64;
        next.addresses = addresses.into_iter().take(MOST_ADDRESSES).collect();
        next.deletes = (verdict.reason == Reason::ConfirmDeletes).then(|| answer.count("delete"));
        next
    }

    /// Whether it says the same, but for times.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let without_times =
            |it: &Self| Self { last_run: None, last_success: None, next_check: None, ..it.clone() };
        without_times(self) == without_times(other)
    }
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// How long after so many failures the next run comes: 1, 2, 4 … minutes, at most 30.
fn back_off(failures: u32) -> Duration {
    let minutes = 1_u64 << failures.saturating_sub(1).min(5);
    Duration::from_secs(60 * minutes.min(30))
}

/// An interval such as `1h30m`; nothing for what is none.
pub(crate) fn interval(text: &str) -> Option<Duration> {
    let mut seconds = 0_u64;
    let parts: Vec<&str> = text.split_inclusive(['h', 'm', 's']).collect();
    for part in &parts {
        let (digits, unit) = part.split_at_checked(part.len().checked_sub(1)?)?;
        let number: u64 = digits.parse().ok()?;
        let unit = match unit {
            "h" => 3600,
            "m" => 60,
            "s" => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
    }
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[allow(clippy::needless_pass_by_value, reason = "cases read better with values")]
    fn ended(code: i32, more: Value) -> Ended {
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

    fn now() -> Now {
        let time = "2026-01-01T00:00:00Z".parse().expect("a time");
        Now { time, generation: Some(3), handled: None, interval: Duration::from_hours(1) }
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
    fn a_reason_is_ready_or_stalled_or_goes_on_and_never_two_of_these() {
        for it in Reason::ALL {
            let count = [it.is_ready(), it.is_stalled(), it.is_reconciling()]
                .into_iter()
                .filter(|it| *it)
                .count();
            assert!(count <= 1, "{it:?}");
            let next = TargetStatus::default().with(&Verdict::new(it, "m"), &now());
            assert_eq!(next.is_ready(), it.is_ready());
            assert_eq!(next.condition("Stalled").is_some(), it.is_stalled());
            assert_eq!(next.condition("Reconciling").is_some(), it.is_reconciling());
            assert!(next.conditions.iter().all(|it| it.observed_generation == Some(3)));
        }
    }

    #[test]
    fn the_time_of_a_condition_is_that_of_its_last_change() {
        let first = TargetStatus::default().with(&Verdict::new(Reason::InSync, "m"), &now());
        let later = Now { time: "2026-01-02T00:00:00Z".parse().expect("a time"), ..now() };
        let same = first.with(&Verdict::new(Reason::Applied, "m"), &later);
        assert_eq!(same.condition("Ready").expect("one").last_transition_time, now().time);
        let other = same.with(&Verdict::new(Reason::Drifted, "m"), &later);
        assert_eq!(other.condition("Ready").expect("one").last_transition_time, later.time);
    }

    #[test]
    fn failures_come_after_1_2_4_minutes_and_at_most_30() {
        let mut status = TargetStatus::default();
        let mut minutes = Vec::new();
        for _ in 0..7 {
            status = status.with(&Verdict::new(Reason::Failed, "m"), &now());
            let next = status.next_check.expect("a time").duration_since(now().time);
            minutes.push(next.as_secs() / 60);
        }
        assert_eq!(minutes, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(status.with(&Verdict::new(Reason::InSync, "m"), &now()).failures, 0);
    }

    #[test]
    fn a_status_lists_at_most_20_addresses_and_says_how_many_there_are() {
        let steps: Vec<Value> = (0..50)
            .map(|it| json!({ "address": format!("Channel/{it}"), "action": "update" }))
            .collect();
        let ended = ended(2, json!({ "steps": steps, "summary": { "update": 50, "create": 0 } }));
        let verdict = Verdict::of(Work::Observe, &ended);
        let status = TargetStatus::default().after(Work::Observe, &ended, &verdict, "r1", &now());
        assert_eq!((status.addresses.len(), status.addresses_in_all, status.calls), (20, 50, 2));
        assert_eq!(status.counts, BTreeMap::from([("update".to_owned(), 50)]));
        assert_eq!(status.revision.as_deref(), Some("r1"));
    }

    #[test]
    fn a_message_has_no_control_characters_and_an_end() {
        let it = Verdict::new(Reason::Failed, format!("a\u{1b}[31m\n{}", "x".repeat(5_000)));
        assert!(
            it.message.starts_with("a [31m x") && it.message.chars().count() == MOST_CHARACTERS
        );
    }

    #[test]
    fn an_interval_is_made_of_hours_minutes_and_seconds() {
        let seconds = |text| interval(text).map(|it| it.as_secs());
        assert_eq!(
            [seconds("24h"), seconds("1h30m"), seconds("5s")],
            [Some(86_400), Some(5_400), Some(5)]
        );
        for bad in ["", "h", "1", "1d", "0s", "1h-1m", "99999999999999999999h", "ü"] {
            assert_eq!(interval(bad), None, "{bad}");
        }
    }
}
