//! What happens while a plan is carried out, as values: printers subscribe, the engine never prints.

use crate::aws::CloudError;
use crate::kinds::{Address, Arn};
use crate::plan::{Action, StepId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Something a watcher may want to know at once.
#[derive(Clone, Debug)]
pub enum Event {
    /// A step begins.
    Started {
        /// Which.
        id: StepId,
        /// On what.
        address: Address,
        /// What it does.
        action: Action,
    },
    /// A step waits for AWS.
    Waiting {
        /// On what.
        address: Address,
        /// For what, in a few words.
        what: String,
    },
    /// A step is over.
    Ended {
        /// Which.
        id: StepId,
        /// On what.
        address: Address,
        /// What it did.
        action: Action,
        /// How it went.
        status: StepStatus,
    },
    /// Nothing new is started any more; calls in flight are waited for.
    Draining {
        /// How many are in flight.
        in_flight: usize,
        /// At most this long.
        at_most: Duration,
    },
    /// Everything is written; the listings are watched until they show it.
    Confirming {
        /// How many new objects are not listed yet.
        unlisted: usize,
    },
}

/// How a step ended.
#[derive(Clone, Debug)]
pub enum StepStatus {
    /// Done; for what it made or changed, its ARN.
    Done(Option<Arn>),
    /// AWS refused, or answered something else than was planned.
    Failed(Failure),
    /// Something it needs did not come about.
    Skipped(Address),
    /// The object is no longer what the plan saw; nothing was written.
    Stale(String),
    /// Nobody knows whether it was done.
    Unknown(Failure),
    /// Done, but the listings do not show it yet.
    Unconfirmed(Arn),
    /// Somebody went live since the plan was made; left for a later run.
    Deferred(String),
    /// The run was stopped before its turn.
    NotStarted,
}

/// Why a step did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// A call failed.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The answer is not what was planned.
    #[error("{operation} answered something else than was planned: {fields}")]
    Inconsistent {
        /// The AWS operation.
        operation: &'static str,
        /// Which fields, and how they differ.
        fields: String,
    },
    /// AWS made it, but it cannot be used.
    #[error("it ended in state {state}")]
    State {
        /// The state word.
        state: String,
    },
    /// Something was written before it failed.
    #[error("{done} was done, and then: {failure}")]
    HalfDone {
        /// What was done.
        done: String,
        /// What failed after that.
        failure: Box<Failure>,
    },
    /// Something was made, came to be of no use, and is not even listed.
    #[error("{failure}; and the listings do not show it yet")]
    Unlisted {
        /// What came of it.
        failure: Box<Failure>,
    },
    /// Somebody else came after something may have been written.
    #[error("meanwhile {0}")]
    TakenAway(String),
    /// Whoever is sent away connects again.
    #[error("its audience was cut off {times} times, and somebody was there again each time")]
    ComesBack {
        /// How often.
        times: u32,
    },
    /// It took too long.
    #[error("it is still {state} after {seconds} s")]
    TooSlow {
        /// What it is waiting in.
        state: String,
        /// How long it was waited for.
        seconds: u64,
    },
}

impl Failure {
    /// AWS's request id, where there is one.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Cloud(error) => error.request_id.as_deref(),
            Self::HalfDone { failure, .. } | Self::Unlisted { failure } => failure.request_id(),
            _ => None,
        }
    }

    /// What the reader can do next.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Cloud(error) => error.help(),
            Self::Inconsistent { .. } | Self::TakenAway(_) => {
                Some("run `ivs-apply plan` to see how it stands now")
            }
            Self::State { .. } => Some(
                "check what it refers to, such as a bucket in the same account and region; then apply again",
            ),
            Self::ComesBack { .. } => Some(
                "stop the encoder, which connects again by itself; then run the same command again",
            ),
            Self::HalfDone { .. } | Self::TooSlow { .. } => {
                Some("run the same command again: it goes on from here")
            }
            Self::Unlisted { .. } => Some(
                "run the same command again in a few minutes: sooner, it may be made a second time",
            ),
        }
    }
}

impl StepStatus {
    /// The word of the JSON form.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
            Self::Stale(_) => "stale",
            Self::Unknown(_) => "unknown",
            Self::Unconfirmed(_) => "unconfirmed",
            Self::Deferred(_) => "deferred",
            Self::NotStarted => "notStarted",
        }
    }

    /// Notes that the listings do not show what the step made.
    pub(super) fn not_listed(&mut self, arn: &Arn) {
        *self = match std::mem::replace(self, Self::NotStarted) {
            Self::Failed(failure) => Self::Failed(Failure::Unlisted { failure: Box::new(failure) }),
            _ => Self::Unconfirmed(arn.clone()),
        }
    }

    /// Whether the listings do not show what the step made: another run had better wait.
    pub fn is_unlisted(&self) -> bool {
        matches!(self, Self::Unconfirmed(_) | Self::Failed(Failure::Unlisted { .. }))
    }

    /// Whether what depends on the step can go on.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Unconfirmed(_))
    }

    /// Whether nothing is left to be wished for.
    pub fn is_well(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Deferred(_))
    }
}

/// How a run ended: every step that the plan said to do, with its status.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// By number, in the order of the plan.
    pub steps: Vec<(StepId, StepStatus)>,
    /// What stopped it, if anything did.
    pub stopped: Option<Signal>,
    /// Whether the account was changed, or may have been.
    pub wrote: bool,
    /// AWS's id of each step's last write, where it made one and that was answered.
    pub requests: BTreeMap<StepId, String>,
}

/// What makes a run stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Signal {
    /// SIGHUP: the terminal was closed.
    Hangup,
    /// SIGINT (Ctrl-C).
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// The lock is not this run's any more.
    LockLost,
}

impl Outcome {
    /// Steps that are done.
    pub fn done(&self) -> usize {
        self.steps.iter().filter(|(_, status)| status.is_done()).count()
    }

    /// Whether nobody knows what became of a step.
    pub fn is_unclear(&self) -> bool {
        self.steps.iter().any(|(_, status)| matches!(status, StepStatus::Unknown(_)))
    }

    /// AWS's request id for a step: that of its last write, else that of the look which it failed by.
    pub fn request_id<'a>(&'a self, id: StepId, status: &'a StepStatus) -> Option<&'a str> {
        let failed_by = match status {
            StepStatus::Failed(failure) | StepStatus::Unknown(failure) => failure.request_id(),
            _ => None,
        };
        self.requests.get(&id).map(String::as_str).or(failed_by)
    }

    /// Whether everything went well.
    pub fn is_well(&self) -> bool {
        self.stopped.is_none() && self.steps.iter().all(|(_, status)| status.is_well())
    }
}
