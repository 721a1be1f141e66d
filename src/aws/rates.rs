//! The client's own pacing, which keeps within the call rates that AWS publishes. The table of those comes from the
//! caller: this module knows no operation.
//!
//! One bucket per operation, shared by all tasks of a run. Never retries: a throttled call is the caller's
//! to repeat; it only makes the bucket slower.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// The rate, in calls a second, of an operation that the table does not have, such as those of STS.
const OTHER_OPERATIONS: u32 = 5;

/// The rates that AWS publishes, in calls a second per account and region, by operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishedRates(Arc<BTreeMap<&'static str, u32>>);

impl FromIterator<(&'static str, u32)> for PublishedRates {
    fn from_iter<T: IntoIterator<Item = (&'static str, u32)>>(rates: T) -> Self {
        Self(Arc::new(rates.into_iter().collect()))
    }
}

impl PublishedRates {
    /// Every operation of the table with its rate.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u32)> {
        self.0.iter().map(|(operation, rate)| (*operation, *rate))
    }

    /// Calls a second that AWS allows for an operation.
    pub fn calls_per_second(&self, operation: &str) -> f64 {
        f64::from(self.0.get(operation).copied().unwrap_or(OTHER_OPERATIONS))
    }

    /// The least time, in seconds, that a set of calls takes at these rates: different operations
    /// overlap, so the busiest one decides.
    pub fn least_seconds(&self, calls: &BTreeMap<String, u64>) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "call counts stay far below 2^52")]
        calls
            .iter()
            .map(|(operation, count)| *count as f64 / self.calls_per_second(operation))
            .fold(0.0, f64::max)
    }
}

/// How fast this run may call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rates {
    /// As fast as the other side answers: for loopback endpoints.
    Off,
    /// The published rates times this share (0 < share ≤ 1); the rest is left to the live product.
    Aws {
        /// Part of the published rate this run may use.
        share: f64,
    },
}

/// The buckets of one run, one for each operation.
#[derive(Debug)]
pub struct Buckets {
    rates: Rates,
    published: PublishedRates,
    by_operation: Mutex<BTreeMap<String, Arc<Bucket>>>,
}

/// Buckets by account and region.
type ByPlace = BTreeMap<(String, String), Arc<Buckets>>;

/// Buckets of several connections of one process. AWS counts per account, region and operation, so connections to
/// the same account and region share theirs.
#[derive(Clone, Debug, Default)]
pub struct SharedBuckets(Arc<Mutex<ByPlace>>);

impl SharedBuckets {
    /// The buckets of an account and region, created at the rates of `like` for the first connection.
    pub fn of(&self, account: &str, region: &str, like: &Buckets) -> Arc<Buckets> {
        let key = (account.to_owned(), region.to_owned());
        let mut all = self.0.lock().expect("no task panics while it holds the buckets");
        let fresh = || Arc::new(Buckets::new(like.rates, like.published.clone()));
        all.entry(key).or_insert_with(fresh).clone()
    }
}

/// When calls of one operation may leave. They are spaced evenly, without bursts, since AWS does not publish how
/// large a burst it tolerates.
#[derive(Debug)]
struct Bucket {
    /// The queue, in order of arrival. Only the first call computes when it may leave, so that a throttle answer
    /// delays all calls behind it.
    turn: tokio::sync::Mutex<()>,
    pace: Mutex<Pace>,
}

#[derive(Debug)]
struct Pace {
    /// When the next call may leave.
    next: Instant,
    /// Part of the allowed rate that is used: less after a throttle answer, more with each other one.
    part: f64,
    /// When the last throttle answer came.
    throttled: Option<Instant>,
}

/// A throttled bucket pauses this long before its next call.
const PAUSE_AFTER_THROTTLE: Duration = Duration::from_secs(1);

/// A throttle answer halves the rate of its bucket, down to this part: another client is using the rest.
const LEAST_PART: f64 = 1.0 / 16.0;

/// Each answer that is no throttle gives this part of the rate back.
const RECOVERY: f64 = 1.0 / 16.0;

impl Buckets {
    /// Buckets at the given rates.
    pub fn new(rates: Rates, published: PublishedRates) -> Self {
        Self { rates, published, by_operation: Mutex::default() }
    }

    fn of(&self, operation: &str) -> Arc<Bucket> {
        let mut buckets =
            self.by_operation.lock().expect("no task panics while it holds the buckets");
        let fresh = || {
            let pace = Pace { next: Instant::now(), part: 1.0, throttled: None };
            Arc::new(Bucket { turn: tokio::sync::Mutex::default(), pace: Mutex::new(pace) })
        };
        buckets.entry(operation.to_owned()).or_insert_with(fresh).clone()
    }

    /// Waits until a call of `operation` may leave, and returns the time.
    pub async fn wait(&self, operation: &str) -> Instant {
        let Rates::Aws { share } = self.rates else { return Instant::now() };
        let bucket = self.of(operation);
        let _turn = bucket.turn.lock().await;
        loop {
            let next = {
                let mut pace = bucket.pace();
                let now = Instant::now();
                if pace.next <= now {
                    let rate = self.published.calls_per_second(operation) * share * pace.part;
                    let gap = Duration::from_secs_f64(1.0 / rate);
                    // A timer that fires a little late must not add up to a slower rate.
                    let late = now.duration_since(pace.next);
                    pace.next = if late < gap { pace.next + gap } else { now + gap };
                    return now;
                }
                pace.next
            };
            tokio::time::sleep_until(next).await;
        }
    }

    /// Slows a bucket down after a throttle answer to a call that left at `left`; once for all the calls
    /// that were on their way together.
    pub fn throttled(&self, operation: &str, left: Instant) {
        if self.rates == Rates::Off {
            return;
        }
        let bucket = self.of(operation);
        let mut pace = bucket.pace();
        if pace.throttled.is_some_and(|at| left <= at) {
            return;
        }
        let now = Instant::now();
        pace.throttled = Some(now);
        pace.part = (pace.part / 2.0).max(LEAST_PART);
        pace.next = pace.next.max(now) + PAUSE_AFTER_THROTTLE;
    }

    /// Lets a bucket that was slowed down recover, after an answer that is no throttle.
    pub fn answered(&self, operation: &str) {
        if self.rates == Rates::Off {
            return;
        }
        let bucket = self.of(operation);
        let mut pace = bucket.pace();
        pace.part = (pace.part + RECOVERY).min(1.0);
    }
}

impl Bucket {
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().expect("no task panics while it holds the pace")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Buckets at a share of five calls a second for every operation.
    fn buckets(share: f64) -> Buckets {
        Buckets::new(Rates::Aws { share }, PublishedRates::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_has_the_published_rate_of_its_operation() {
        let published = PublishedRates::from_iter([("TagResource", 10)]);
        let buckets = Buckets::new(Rates::Aws { share: 1.0 }, published);
        let taken = seconds(&buckets, "TagResource", 21).await;
        assert!((taken - 2.0).abs() < 0.01, "{taken}");
        let taken = seconds(&buckets, "GetCallerIdentity", 11).await;
        assert!((taken - 2.0).abs() < 0.01, "{taken}: an operation that the table does not have");
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_never_lets_more_calls_out_than_its_rate() {
        let buckets = buckets(1.0);
        let start = Instant::now();
        for _ in 0..26 {
            buckets.wait("CreateChannel").await;
        }
        assert_eq!(start.elapsed().as_millis(), 5_000);
        buckets.wait("ListChannels").await;
        assert_eq!(start.elapsed().as_millis(), 5_000, "another operation has its own bucket");
    }

    /// Seconds that some calls of an operation take, one after the other.
    async fn seconds(buckets: &Buckets, operation: &str, calls: usize) -> f64 {
        let start = Instant::now();
        for _ in 0..calls {
            buckets.wait(operation).await;
            buckets.answered(operation);
        }
        start.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttle_answer_slows_exactly_its_own_bucket_and_that_recovers() {
        let buckets = buckets(1.0);
        let left = buckets.wait("CreateChannel").await;
        buckets.throttled("CreateChannel", left);
        let other = seconds(&buckets, "CreateStage", 6).await;
        assert!((other - 1.0).abs() < 0.01, "{other}: another operation goes on as before");
        let slow = seconds(&buckets, "CreateChannel", 8).await;
        assert!(slow > 1.5, "{slow}: eight calls at full speed take 1.4 s after the pause");
        seconds(&buckets, "CreateChannel", 1).await;
        let recovered = seconds(&buckets, "CreateChannel", 25).await;
        assert!((recovered - 5.0).abs() < 0.01, "{recovered}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttle_answer_holds_up_calls_that_wait_already() {
        let buckets = buckets(1.0);
        let left = buckets.wait("CreateChannel").await;
        let start = Instant::now();
        let waiting = async { buckets.wait("CreateChannel").await };
        let answer = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            buckets.throttled("CreateChannel", left);
        };
        futures_util::future::join(waiting, answer).await;
        assert!(start.elapsed() >= PAUSE_AFTER_THROTTLE, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_were_throttled_together_slow_their_bucket_once() {
        let slowed = async |answers: usize| {
            let buckets = buckets(1.0);
            let left = buckets.wait("CreateChannel").await;
            for _ in 0..answers {
                buckets.throttled("CreateChannel", left);
            }
            seconds(&buckets, "CreateChannel", 5).await
        };
        let (one, all) = (slowed(1).await, slowed(10).await);
        assert!((one - all).abs() < 0.01, "{one} {all}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_of_the_rate_is_that_share() {
        let buckets = buckets(0.5);
        let taken = seconds(&buckets, "CreateChannel", 26).await;
        assert!((taken - 10.0).abs() < 0.01, "{taken}");
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_share_a_bucket_and_take_turns() {
        let buckets = buckets(1.0);
        let start = Instant::now();
        let task = || seconds(&buckets, "CreateChannel", 13);
        futures_util::future::join(task(), task()).await;
        assert_eq!(start.elapsed().as_millis(), 5_000);
    }

    #[test]
    fn the_busiest_operation_determines_the_lower_bound() {
        let calls = BTreeMap::from([("ListChannels".to_owned(), 10), ("GetStage".to_owned(), 50)]);
        assert!((PublishedRates::default().least_seconds(&calls) - 10.0).abs() < 1e-9);
    }
}
