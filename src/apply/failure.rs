//! Why a step did not succeed, with what the reader can do about it.
//!
//! Never decides whether a step is tried again: `tries.rs` does.

use super::changed::Changed;
use super::wait::{Wait, Watch};
use crate::aws::{Class, CloudError};
use crate::kinds::Detached;
use schemars::JsonSchema;
use serde::Serialize;

/// Why a step did not succeed.
#[derive(Clone, Debug, Serialize, thiserror::Error, JsonSchema)]
#[serde(tag = "error", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Failure {
    /// A call failed.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The answer is not what was planned.
    #[error("the answer of {operation} differs from the plan: {fields}")]
    Inconsistent {
        /// The AWS operation.
        operation: &'static str,
        /// Which fields, and how they differ.
        fields: String,
    },
    /// AWS created the object, and it ended in a state of failure.
    #[error("it ended in state {state}; {}", likely.unwrap_or("AWS gives no reason"))]
    State {
        /// The state.
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
    /// An object was created, the step failed after that, and the listings do not show the object yet.
    #[error("{failure}; and the listings do not show it yet")]
    Unlisted {
        /// Why the step failed.
        failure: Box<Failure>,
    },
    /// Another run or tool changed the object after this step may have written to it.
    #[error("meanwhile {0}")]
    ChangedMeanwhile(Changed),
    /// The end of a stream or session detached an object from another one, and it could not be attached again.
    #[error(
        "the publisher of {} was disconnected, which detached it from {}; {after}, and it could not be attached again: \
         {failure}",
        detached.arn,
        detached.from
    )]
    NotRestored {
        /// The object, and the one that it referred to.
        detached: Detached,
        /// How the step ended before that.
        after: String,
        /// Why it could not be restored.
        failure: Box<Failure>,
    },
    /// An encoder connects again each time its stream is ended.
    #[error("it was interrupted {times} times, and was live again each time")]
    Reconnects {
        /// How often.
        times: u32,
    },
    /// What was waited for did not happen in time.
    #[error("timed out after {} s of waiting for {}", wait.at_most.as_secs(), wait.until)]
    TimedOut {
        /// What was waited for.
        wait: Wait,
    },
    /// The object was deleted outside while this run waited for it.
    #[error("the object was deleted outside while this run was waiting for {}", wait.until)]
    Gone {
        /// What was waited for.
        wait: Wait,
    },
}

impl Failure {
    /// What a wait held until now did not happen in time.
    pub(super) fn timed_out(watch: Watch<'_>) -> Self {
        Self::TimedOut { wait: watch.ended() }
    }

    /// The object of a wait was deleted meanwhile.
    pub(super) fn gone(watch: Watch<'_>) -> Self {
        Self::Gone { wait: watch.ended() }
    }

    /// AWS's request id, where there is one.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Cloud(error) => error.request_id.as_deref(),
            Self::HalfDone { failure, .. }
            | Self::NotRestored { failure, .. }
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
            Self::Inconsistent { .. } | Self::ChangedMeanwhile(_) => {
                Some("run `ivs-apply plan` to see its current state")
            }
            Self::State { .. } => Some(
                "correct the manifest, or what it refers to, and apply again; with the same manifest the next try \
                 is made 15 minutes after this one",
            ),
            Self::HalfDone { failure, .. } if matches!(**failure, Self::State { .. }) => {
                failure.help()
            }
            Self::Reconnects { .. } => Some(
                "stop the encoder, which connects again by itself; then run the same command again",
            ),
            Self::HalfDone { .. }
            | Self::NotRestored { .. }
            | Self::TimedOut { .. }
            | Self::Gone { .. } => Some("run the same command again: it continues from here"),
            Self::Unlisted { .. } => Some(
                "run the same command again in a few minutes: sooner, it may be made a second time",
            ),
        }
    }
}
