//! What happens while a plan is carried out, as values: printers subscribe, the engine never prints.

use super::changed::Changed;
use super::copies::{Copy, Unread};
use super::wait::Wait;
use crate::aws::{Class, CloudError};
use crate::kinds::{Address, Arn};
use crate::plan::{Action, Decision, Plan, Reason, StepId};
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
    /// A step waits for AWS, or the whole run does.
    Waiting {
        /// On what; `None` for the whole run.
        address: Option<Address>,
        /// For what, for how long, and what ends it.
        wait: Wait,
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
        /// At most this long.
        at_most: Duration,
    },
}

/// How a step ended.
#[derive(Clone, Debug)]
pub enum StepStatus {
    /// Done; for what it made or changed, its ARN.
    Done(Option<Arn>),
    /// AWS refused, or answered something else than was planned.
    Failed(Failure),
    /// Something it needs did not succeed.
    Skipped(Address),
    /// The object is no longer what the plan saw; nothing was written.
    Stale(Changed),
    /// Nobody knows whether it was done.
    Unknown(Failure),
    /// Done, but the listings do not show it yet.
    Unconfirmed(Arn),
    /// Somebody went live since the plan was made; left for a later run.
    Deferred(Reason),
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
    #[error("it ended in state {state}; {}", likely.unwrap_or("AWS gives no reason"))]
    State {
        /// The state word.
        state: String,
        /// What is probably wrong, where the kind knows.
        likely: Option<&'static str>,
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
    TakenAway(Changed),
    /// Sending the audience away took something from the object, and it could not be given back.
    #[error(
        "its publisher was disconnected, which detached it from {taken}; {after}, and it could not be attached again: {failure}"
    )]
    NotPutBack {
        /// What was taken.
        taken: Arn,
        /// How the step ended before that.
        after: String,
        /// Why it could not be given back.
        failure: Box<Failure>,
    },
    /// Whoever is sent away connects again.
    #[error("it was interrupted {times} times, and was live again each time")]
    ComesBack {
        /// How often.
        times: u32,
    },
    /// A wait was in vain.
    #[error("timed out after {} s of waiting for {}", wait.at_most.as_secs(), wait.until)]
    TimedOut {
        /// What was waited for.
        wait: Wait,
    },
    /// The object was deleted while something was waited for.
    #[error("the object was deleted outside while this run was waiting for {}", wait.until)]
    Gone {
        /// What was waited for.
        wait: Wait,
    },
}

impl Failure {
    /// AWS's request id, where there is one.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Cloud(error) => error.request_id.as_deref(),
            Self::HalfDone { failure, .. }
            | Self::NotPutBack { failure, .. }
            | Self::Unlisted { failure } => failure.request_id(),
            _ => None,
        }
    }

    /// The same without AWS's request id, which differs from one failure of the same cause to the next.
    #[must_use]
    pub fn without_request_id(&self) -> Self {
        match self {
            Self::Cloud(error) => Self::Cloud(CloudError { request_id: None, ..error.clone() }),
            Self::HalfDone { done, failure } => Self::HalfDone {
                done: done.clone(),
                failure: Box::new(failure.without_request_id()),
            },
            Self::Unlisted { failure } => {
                Self::Unlisted { failure: Box::new(failure.without_request_id()) }
            }
            other => other.clone(),
        }
    }

    /// Whether AWS refused because of the state of something.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Cloud(error) if error.class == Class::Conflict)
    }

    /// What the reader can do next.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Cloud(error) => error.help(),
            Self::Inconsistent { .. } | Self::TakenAway(_) => {
                Some("run `ivs-apply plan` to see how it stands now")
            }
            Self::State { .. } => Some(
                "correct the manifest, or what it refers to, and apply again; with the same manifest the next try \
                 is made 15 minutes after this one",
            ),
            Self::HalfDone { failure, .. } if matches!(**failure, Self::State { .. }) => {
                failure.help()
            }
            Self::ComesBack { .. } => Some(
                "stop the encoder, which connects again by itself; then run the same command again",
            ),
            Self::HalfDone { .. }
            | Self::NotPutBack { .. }
            | Self::TimedOut { .. }
            | Self::Gone { .. } => Some("run the same command again: it continues from here"),
            Self::Unlisted { .. } => Some(
                "run the same command again in a few minutes: sooner, it may be made a second time",
            ),
        }
    }
}

impl StepStatus {
    /// The word of the JSON form.
    pub fn as_str(&self) -> &'static str {
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

    /// How far from done it is, to compare the two parts of a replacement.
    fn severity(&self) -> u8 {
        match self {
            Self::Done(_) => 0,
            Self::Unconfirmed(_) => 1,
            Self::Deferred(_) => 2,
            Self::NotStarted => 3,
            Self::Skipped(_) => 4,
            Self::Stale(_) => 5,
            Self::Unknown(_) => 6,
            Self::Failed(_) => 7,
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
    /// Objects that this run made and that do not count, since another of their address does.
    pub copies: Vec<Copy>,
    /// Why it is not known whether more such objects are left: the account could not be read again.
    pub copies_unread: Option<Unread>,
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

/// What became of the steps of a plan, as a reader counts them: a replacement is one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is the count of what it is called")]
pub struct Counts {
    pub blocked: usize,
    pub deferred: usize,
    pub done: usize,
    pub dormant: usize,
    pub failed: usize,
    pub not_started: usize,
    pub skipped: usize,
    pub stale: usize,
    pub unconfirmed: usize,
    pub unknown: usize,
    pub unchanged: usize,
}

impl Counts {
    /// Each with its word, in alphabetical order; what is unchanged is no step.
    pub fn steps(&self) -> [(&'static str, usize); 10] {
        [
            ("blocked", self.blocked),
            ("deferred", self.deferred),
            ("done", self.done),
            ("dormant", self.dormant),
            ("failed", self.failed),
            ("not started", self.not_started),
            ("skipped", self.skipped),
            ("stale", self.stale),
            ("unconfirmed", self.unconfirmed),
            ("unknown", self.unknown),
        ]
    }

    /// How many steps were carried out.
    pub fn carried_out(&self) -> usize {
        self.done + self.unconfirmed
    }

    /// How many steps were not.
    pub fn left(&self) -> usize {
        let all: usize = self.steps().iter().map(|(_, count)| count).sum();
        all - self.carried_out()
    }

    fn note(&mut self, status: &StepStatus) {
        *match status {
            StepStatus::Done(_) => &mut self.done,
            StepStatus::Failed(_) => &mut self.failed,
            StepStatus::Skipped(_) => &mut self.skipped,
            StepStatus::Stale(_) => &mut self.stale,
            StepStatus::Unknown(_) => &mut self.unknown,
            StepStatus::Unconfirmed(_) => &mut self.unconfirmed,
            StepStatus::Deferred(_) => &mut self.deferred,
            StepStatus::NotStarted => &mut self.not_started,
        } += 1;
    }
}

impl Outcome {
    /// What became of the steps of `plan`, those that it did not mean to do included. Of the two parts of a
    /// replacement that one counts which went worse.
    pub fn counts(&self, plan: &Plan) -> Counts {
        let mut counts = Counts { unchanged: plan.unchanged.len(), ..Counts::default() };
        let statuses: BTreeMap<StepId, &StepStatus> =
            self.steps.iter().map(|(id, status)| (*id, status)).collect();
        let replacements = plan.replacements();
        let mut parts: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
        for (part, whole) in &replacements {
            parts.entry(*whole).or_default().push(*part);
        }
        for step in plan.steps.iter().filter(|it| !replacements.contains_key(&it.id)) {
            match &step.decision {
                Decision::Do | Decision::Interrupt => {
                    let parts = parts.get(&step.id).into_iter().flatten();
                    let parts = parts.filter_map(|part| statuses.get(part));
                    let all = statuses.get(&step.id).into_iter().chain(parts);
                    if let Some(status) = all.max_by_key(|it| it.severity()) {
                        counts.note(status);
                    }
                }
                Decision::Deferred(_) => counts.deferred += 1,
                Decision::Dormant(_) => counts.dormant += 1,
                Decision::Blocked(_) | Decision::Unmanaged(_) => counts.blocked += 1,
            }
        }
        counts
    }

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
        self.stopped.is_none()
            && self.steps.iter().all(|(_, status)| status.is_well())
            && self.copies.iter().all(|it| it.left.is_none())
            && self.copies_unread.is_none()
    }

    /// Notes that another object counts in the place of one that this run made.
    pub(super) fn gave_way(&mut self, copy: &Copy) {
        for (_, status) in &mut self.steps {
            match status {
                StepStatus::Done(Some(arn)) | StepStatus::Unconfirmed(arn) if *arn == copy.arn => {
                    *status = StepStatus::Done(Some(copy.of.clone()));
                }
                _ => {}
            }
        }
    }
}
