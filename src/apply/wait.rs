//! Waits of a step or of the whole run: what for, for how long at most, and what ends them. One pause and one
//! clock for all.

use super::copies::Unread;
use super::event::Failure;
use crate::kinds::Arn;
use std::fmt;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The longest pause between two looks; the pause doubles up to it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A wait, as watchers and errors tell of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    /// What ends it.
    pub until: Until,
    /// How long it lasts at most.
    pub at_most: Duration,
}

/// What ends a wait.
#[derive(Clone, Debug, PartialEq)]
pub enum Until {
    /// AWS has finished with an object that it makes or changes, or has failed to.
    Settled {
        /// The state word at the last look.
        now: String,
        /// The state word of success.
        good: &'static str,
        /// The state word of failure.
        bad: &'static str,
    },
    /// Two reads in a row return a new object with the tags it was made with.
    Readable,
    /// A listing shows the object that AWS has made by itself.
    Listed,
    /// No listing shows a deleted object any more.
    Unlisted,
    /// Something that was stopped has ended.
    Ended {
        /// The state words that say so.
        states: &'static [&'static str],
    },
    /// Those who were live on an object are disconnected.
    Disconnected,
    /// A channel is offline whose stream this run has stopped.
    Offline {
        /// The channel.
        channel: Arn,
    },
    /// AWS no longer refuses a change because of what this run has stopped.
    Released,
    /// It is time for the second of two listings that prove a duplicate.
    SecondListing,
    /// The duplicates that this run made are deleted, and nothing refers to them any more.
    DuplicatesDeleted,
    /// The account can be read again, which failed: only then are duplicates that this run made found and deleted.
    AccountRead(Box<Unread>),
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settled { now, good, bad } => write!(f, "state {good} or {bad}, now {now}"),
            Self::Readable => f.write_str("two reads in a row that return the new object"),
            Self::Listed => f.write_str("a listing that shows what AWS has made by itself"),
            Self::Unlisted => f.write_str("a listing without the deleted object"),
            Self::Ended { states } => write!(f, "state {}", states.join(" or ")),
            Self::Disconnected => f.write_str("the end of the stream or session that was stopped"),
            Self::Offline { channel } => {
                write!(f, "channel {channel} to go offline, since its stream was stopped")
            }
            Self::Released => f.write_str(
                "AWS to release what this run stopped; until then it answers ConflictException",
            ),
            Self::SecondListing => f.write_str("the second listing that shows the duplicate"),
            Self::DuplicatesDeleted => {
                f.write_str("the deletion of the duplicates that this run made")
            }
            Self::AccountRead(unread) => write!(
                f,
                "a complete reading of the account, which shows the duplicates that this run made; \
                 the last one failed at {unread}"
            ),
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "waiting at most {} s for {}",
            self.at_most.as_millis().div_ceil(1000),
            self.until
        )
    }
}

/// A pause that doubles.
#[derive(Debug)]
pub(super) struct Pause(Duration);

impl Pause {
    /// Begins with so many milliseconds.
    pub(super) const fn from_millis(first: u64) -> Self {
        Self(Duration::from_millis(first))
    }

    /// Lets it pass.
    pub(super) async fn pass(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
    }
}

/// Is told of each wait.
pub(super) type Tell<'a> = &'a (dyn Fn(Wait) + Sync);

/// One wait while it lasts.
pub(super) struct Watch<'a> {
    wait: Wait,
    start: Instant,
    pause: Pause,
    tell: Tell<'a>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(until: Until, at_most: Duration, tell: Tell<'a>) -> Self {
        let wait = Wait { until, at_most };
        Self { wait, start: Instant::now(), pause: Pause::from_millis(250), tell }
    }

    /// Pauses before another look; false where the time is over.
    pub(super) async fn again(&mut self) -> bool {
        if self.elapsed() > self.wait.at_most {
            return false;
        }
        (self.tell)(self.wait.clone());
        self.pause.pass().await;
        true
    }

    /// The same, with what it waits for told anew.
    pub(super) async fn again_for(&mut self, until: Until) -> bool {
        self.wait.until = until;
        self.again().await
    }

    /// How long it has lasted.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The error that says that it was in vain.
    pub(super) fn timed_out(self) -> Failure {
        Failure::TimedOut { wait: self.wait }
    }

    /// The error that says that the object was deleted meanwhile.
    pub(super) fn gone(self) -> Failure {
        Failure::Gone { wait: self.wait }
    }
}
