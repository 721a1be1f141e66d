//! How a target ended, and what a fleet comes to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a target ended. The order is that of a report: what somebody has to look at comes first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Its document could not be read.
    Invalid,
    /// Another document has its name, or its account, region and stack.
    Duplicate,
    /// It was partly applied, or something was left undone (exit code 3).
    Partly,
    /// Its run ended with an error (exit code 1, or one that is not known).
    Failed,
    /// Its run came upon a defect of the program (exit code 101).
    Panicked,
    /// Its process was ended by a signal that the fleet did not send.
    Killed,
    /// It took longer than the time that it had.
    TimedOut,
    /// Its process could not be started, or its answer could not be read.
    NoAnswer,
    /// The fleet was ended from outside before it noted how this target ended.
    Unfinished,
    /// It ended early because the fleet was told to stop.
    Interrupted,
    /// A guard refused the run, or an approved plan did not hold any more (exit codes 4 and 5).
    Refused,
    /// It was not started: the wave before it had too many failures, or the fleet was told to stop.
    NotStarted,
    /// Changes or drift (exit code 2).
    Changes,
    /// Done, or nothing to do (exit code 0).
    Clean,
}

impl Outcome {
    /// Every outcome, in the order of a report.
    pub const ALL: [Self; 14] = [
        Self::Invalid,
        Self::Duplicate,
        Self::Partly,
        Self::Failed,
        Self::Panicked,
        Self::Killed,
        Self::TimedOut,
        Self::NoAnswer,
        Self::Unfinished,
        Self::Interrupted,
        Self::Refused,
        Self::NotStarted,
        Self::Changes,
        Self::Clean,
    ];

    /// How a process that ended by itself has done.
    pub fn of_exit_code(code: i32) -> Self {
        match code {
            0 => Self::Clean,
            2 => Self::Changes,
            3 => Self::Partly,
            4 | 5 => Self::Refused,
            101 => Self::Panicked,
            _ => Self::Failed,
        }
    }

    /// The code in `fleet.json`, in metrics and in ids.
    pub fn code(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Duplicate => "duplicate",
            Self::Partly => "partly",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Killed => "killed",
            Self::TimedOut => "timedOut",
            Self::NoAnswer => "noAnswer",
            Self::Unfinished => "unfinished",
            Self::Interrupted => "interrupted",
            Self::Refused => "refused",
            Self::NotStarted => "notStarted",
            Self::Changes => "changes",
            Self::Clean => "clean",
        }
    }

    /// Whether the target has what was asked for: for `--resume`, and for the gate between waves. A refused one has not.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Clean | Self::Changes)
    }

    /// Whether something went wrong: exit code 3.
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Clean | Self::Changes | Self::Refused | Self::NotStarted)
    }

    /// Whether a process was started for it.
    pub fn was_started(self) -> bool {
        !matches!(self, Self::Invalid | Self::Duplicate | Self::NotStarted)
    }
}

/// How many targets ended how; outcomes that none has are not listed.
pub type Counts = BTreeMap<Outcome, usize>;

/// What a fleet comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Everything is done, or there is nothing to do.
    Clean,
    /// Some targets have changes or drift, and none failed.
    Changes,
    /// Some targets failed.
    Failed,
    /// Some targets were refused, and none failed.
    Refused,
    /// No target was started.
    NothingRan,
}

impl Status {
    /// What these outcomes come to. A fleet without any target is clean: it is an empty shard.
    pub fn of(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let outcomes: Vec<Outcome> = outcomes.into_iter().collect();
        let any = |is: fn(Outcome) -> bool| outcomes.iter().any(|it| is(*it));
        if outcomes.is_empty() {
            Self::Clean
        } else if !any(Outcome::was_started) {
            Self::NothingRan
        } else if any(Outcome::is_failure) {
            Self::Failed
        } else if any(|it| it == Outcome::Refused) {
            Self::Refused
        } else if any(|it| it == Outcome::NotStarted) {
            Self::Failed
        } else if any(|it| it == Outcome::Changes) {
            Self::Changes
        } else {
            Self::Clean
        }
    }

    /// The exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::NothingRan => 1,
            Self::Changes => 2,
            Self::Failed => 3,
            Self::Refused => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_outweighs_a_refusal_and_a_refusal_outweighs_changes() {
        use Outcome::{Changes, Clean, Duplicate, Invalid, Killed, NotStarted, Refused};
        for (outcomes, expected) in [
            (&[][..], Status::Clean),
            (&[Clean, Clean], Status::Clean),
            (&[Clean, Changes], Status::Changes),
            (&[Clean, Changes, Refused], Status::Refused),
            (&[Clean, Refused, NotStarted], Status::Refused),
            (&[Changes, Refused, Killed], Status::Failed),
            (&[Clean, Invalid], Status::Failed),
            (&[Clean, NotStarted], Status::Failed),
            (&[Invalid, Duplicate], Status::NothingRan),
            (&[NotStarted], Status::NothingRan),
        ] {
            assert_eq!(Status::of(outcomes.iter().copied()), expected, "{outcomes:?}");
        }
    }

    #[test]
    fn every_outcome_has_the_code_that_it_is_written_with() {
        for it in Outcome::ALL {
            assert_eq!(serde_json::to_value(it).expect("a word"), it.code());
        }
        let mut sorted = Outcome::ALL;
        sorted.sort();
        assert_eq!(sorted, Outcome::ALL, "the list has the order of a report");
    }
}
