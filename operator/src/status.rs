//! The status of a Target: what it says, with which reason, and when it is looked at again. Functions over values.

use crate::reason::{Again, Reason};
use crate::verdict::{Ended, Verdict, Work, addresses};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most addresses that a status lists.
const MOST_ADDRESSES: usize = 20;

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
    // Removed as a whole: of a granular map whose last member goes, server-side apply leaves a null, which is refused.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
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
    use crate::verdict::tests::ended;
    use serde_json::{Value, json};

    fn now() -> Now {
        let time = "2026-01-01T00:00:00Z".parse().expect("a time");
        Now { time, generation: Some(3), handled: None, interval: Duration::from_hours(1) }
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
