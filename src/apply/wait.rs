//! The pauses of a run: waits until something holds ([`Watch`]), and repeats of a request that failed ([`Backoff`]).
//!
//! Never looks at an object itself; each caller does between two pauses.

use super::unread::Unread;
use crate::aws::CloudError;
use crate::kinds::{Address, Arn};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use std::fmt;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The longest pause between two looks; the pause doubles up to it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A wait, as events and errors report it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    /// What ends it.
    #[serde(flatten)]
    pub until: Until,
    /// How long it lasts at most: in an event from then on, in an error as a whole.
    #[serde(rename = "atMostSeconds", serialize_with = "seconds")]
    #[schemars(with = "f64")]
    pub at_most: Duration,
}

/// What ends a wait.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "until", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Until {
    /// AWS has finished or failed to create or change an object.
    Settled {
        /// The state at the last read.
        now: String,
        /// The state of success.
        good: &'static str,
        /// The state of failure.
        bad: &'static str,
    },
    /// Steps that the run has deferred can be carried out.
    CarriedOut {
        /// Their resources.
        resources: Vec<Address>,
    },
    /// Two reads in a row return a new object with the tags of its create call.
    Readable,
    /// A listing shows the object that AWS has created by itself.
    Listed,
    /// No listing shows a deleted object any more.
    Unlisted,
    /// Something that was stopped has ended.
    Ended {
        /// The states of an object that has ended.
        states: &'static [&'static str],
    },
    /// The stream or session of an object is over.
    Disconnected,
    /// The stream of the channel, which this run stopped, has ended.
    Offline {
        /// The channel.
        channel: Arn,
    },
    /// AWS no longer refuses a change because of what this run has stopped.
    Released,
    /// It is time for the second of two listings that prove a duplicate.
    SecondListing,
    /// The duplicates that this run created are deleted, and nothing refers to them any more.
    DuplicatesDeleted {
        /// The request for that which AWS refused last.
        #[serde(skip_serializing_if = "Option::is_none")]
        refused: Option<Box<CloudError>>,
    },
    /// The account can be read again, which failed: only then are this run's duplicates found and deleted.
    AccountRead(Box<Unread>),
}

/// Serializes a duration as a number of seconds.
pub(super) fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settled { now, good, bad } => write!(f, "state {good} or {bad}, now {now}"),
            Self::CarriedOut { resources } => carried_out(resources, f),
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
            Self::DuplicatesDeleted { refused } => {
                f.write_str("the deletion of the duplicates that this run made")?;
                refused.iter().try_for_each(|it| write!(f, "; the last request failed: {it}"))
            }
            Self::AccountRead(unread) => write!(
                f,
                "a complete reading of the account, which shows the duplicates that this run made; \
                 the last one failed at {unread}"
            ),
        }
    }
}

/// The most deferred resources that are named.
const NAMED: usize = 3;

fn carried_out(resources: &[Address], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let names: Vec<String> = resources.iter().take(NAMED).map(ToString::to_string).collect();
    let more = match resources.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    write!(f, "what was deferred: {}{more}", names.join(", "))
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

/// The pause between the first two tries of a request that failed; it doubles from one to the next.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Repeats of a request that failed: how many there were, and the pause before the next one.
#[derive(Debug)]
pub(super) struct Backoff {
    failed: u32,
    tries: u32,
}

impl Backoff {
    /// For so many tries in all.
    pub(super) const fn of(tries: u32) -> Self {
        Self { failed: 0, tries }
    }

    /// Counts a failure; false where that was the last try.
    pub(super) fn count(&mut self) -> bool {
        self.failed += 1;
        self.failed < self.tries
    }

    /// Counts a failure and pauses before the next try; false where that was the last one.
    pub(super) async fn again(&mut self) -> bool {
        let again = self.count();
        if again {
            sleep(FIRST_PAUSE * 2_u32.pow(self.failed - 1)).await;
        }
        again
    }

    /// Whether any try has failed.
    pub(super) const fn has_failed(&self) -> bool {
        self.failed > 0
    }
}

/// How the pauses of a wait grow: each is twice as long as the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The first pause.
    pub(super) first: Duration,
    /// The longest pause.
    pub(super) longest: Duration,
}

impl Pace {
    /// The same, so many pauses later.
    pub(super) fn after(self, pauses: u32) -> Self {
        let first = self.first.saturating_mul(2_u32.saturating_pow(pauses)).min(self.longest);
        Self { first, ..self }
    }
}

/// A pause that doubles.
#[derive(Debug)]
pub(super) struct Pause {
    next: Duration,
    longest: Duration,
}

impl Pause {
    /// Begins with so many milliseconds.
    pub(super) const fn from_millis(first: u64) -> Self {
        Self { next: Duration::from_millis(first), longest: LONGEST_PAUSE }
    }

    /// Lets it pass.
    pub(super) async fn pass(&mut self) {
        self.pass_at_most(self.longest).await;
    }

    /// Lets it pass, or so much of it.
    async fn pass_at_most(&mut self, most: Duration) {
        sleep(self.next.min(most)).await;
        self.next = (self.next * 2).min(self.longest);
    }
}

/// Called for each pause of a wait.
pub(super) type Tell<'a> = &'a (dyn Fn(Wait) + Sync);

/// One wait while it lasts.
pub(super) struct Watch<'a> {
    wait: Wait,
    start: Instant,
    pause: Pause,
    /// Whether the last pause ends with the time.
    ends_in_time: bool,
    tell: Tell<'a>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(until: Until, at_most: Duration, tell: Tell<'a>) -> Self {
        let wait = Wait { until, at_most };
        let pause = Pause::from_millis(250);
        Self { wait, start: Instant::now(), pause, ends_in_time: false, tell }
    }

    /// With pauses of another length, for a wait that may last for hours.
    pub(super) fn at_pace(until: Until, at_most: Duration, pace: Pace, tell: Tell<'a>) -> Self {
        let Pace { first, longest } = pace;
        let pause = Pause { next: first, longest };
        Self { pause, ends_in_time: true, ..Self::new(until, at_most, tell) }
    }

    /// Pauses before another look; false where the time is over.
    pub(super) async fn again(&mut self) -> bool {
        let left = self.wait.at_most.checked_sub(self.elapsed());
        let Some(left) = left.filter(|it| !self.ends_in_time || !it.is_zero()) else {
            return false;
        };
        (self.tell)(Wait { at_most: left, ..self.wait.clone() });
        self.pause.pass_at_most(if self.ends_in_time { left } else { Duration::MAX }).await;
        true
    }

    /// The same, with another description of what is waited for.
    pub(super) async fn again_for(&mut self, until: Until) -> bool {
        self.wait.until = until;
        self.again().await
    }

    /// Looks until `holds` says so; false where the time is over first.
    pub(super) async fn until<E>(
        &mut self,
        mut holds: impl AsyncFnMut() -> Result<bool, E>,
    ) -> Result<bool, E> {
        while !holds().await? {
            if !self.again().await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How long it has lasted.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// What was waited for.
    pub(super) fn ended(self) -> Wait {
        self.wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_backoff_pauses_twice_as_long_each_time_and_not_after_the_last_try() {
        let start = Instant::now();
        let mut backoff = Backoff::of(4);
        let mut pauses = Vec::new();
        while backoff.again().await {
            pauses.push(start.elapsed().as_millis());
        }
        assert_eq!(pauses, [500, 1_500, 3_500]);
        assert_eq!(start.elapsed().as_millis(), 3_500);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_tells_the_time_that_is_left() {
        let told = std::sync::Mutex::new(Vec::new());
        let tell = |wait: Wait| {
            told.lock().expect("no test panics while it holds the lock").push(wait.at_most);
        };
        let pace = Pace { first: Duration::from_secs(5), longest: Duration::from_secs(30) };
        let mut watch = Watch::at_pace(Until::Unlisted, Duration::from_mins(1), pace, &tell);
        while watch.again().await {}
        assert_eq!(watch.ended().at_most, Duration::from_mins(1));
        let told: Vec<u64> = told.lock().expect("no panic").iter().map(Duration::as_secs).collect();
        assert_eq!(told, [60, 55, 45, 25]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_looks_until_it_holds_or_the_time_is_over() {
        let told = std::sync::Mutex::new(0);
        let tell = |_: Wait| *told.lock().expect("no test panics while it holds the lock") += 1;
        for (holds_after, held, pauses) in [(1, true, 0), (3, true, 2), (u32::MAX, false, 5)] {
            *told.lock().expect("no test panics while it holds the lock") = 0;
            let mut looks = 0;
            let mut watch = Watch::new(Until::Unlisted, Duration::from_secs(4), &tell);
            let look = async || {
                looks += 1;
                Ok::<_, ()>(looks >= holds_after)
            };
            assert_eq!(watch.until(look).await, Ok(held));
            assert_eq!((looks, *told.lock().expect("no panic")), (pauses + 1, pauses));
        }
    }
}
