//! The published call rates, and the client's own pacing that keeps within them.
//!
//! One bucket per operation, shared by all tasks of a run. Never retries: a throttled call is the caller's
//! to repeat; it only makes the bucket slower.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Calls a second that AWS allows for an operation, per account and region (`ivs-api.md` §3). Operations
/// whose rate nobody published get the lowest published one.
pub fn calls_per_second(operation: &str) -> f64 {
    match operation {
        "TagResource" | "UntagResource" | "ListTagsForResource" => 10.0,
        "ImportPlaybackKeyPair"
        | "DeletePlaybackKeyPair"
        | "GetPlaybackKeyPair"
        | "ListPlaybackKeyPairs"
        | "CreateRecordingConfiguration"
        | "DeleteRecordingConfiguration"
        | "GetRecordingConfiguration"
        | "ListRecordingConfigurations"
        | "ImportPublicKey"
        | "DeletePublicKey"
        | "GetPublicKey"
        | "ListPublicKeys"
        | "StartParticipantReplication"
        | "StopParticipantReplication"
        | "ListParticipantReplicas" => 3.0,
        name if name.contains("AdConfiguration") || name.contains("FailoverSlate") => 3.0,
        _ => 5.0,
    }
}

/// The least time, in seconds, that a set of calls takes at the published rates: different operations
/// overlap, so the busiest one decides.
pub fn floor_seconds(calls: &BTreeMap<String, u64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "call counts stay far below 2^52")]
    calls
        .iter()
        .map(|(operation, count)| *count as f64 / calls_per_second(operation))
        .fold(0.0, f64::max)
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

/// The buckets of one run. A bucket is the instant at which the next call may leave: calls are spaced
/// evenly, without bursts, since nobody published how large a burst AWS tolerates.
#[derive(Debug)]
pub struct Buckets {
    rates: Rates,
    next: Mutex<BTreeMap<String, Instant>>,
}

/// A throttled bucket pauses this long before its next call.
const PAUSE_AFTER_THROTTLE: Duration = Duration::from_secs(1);

impl Buckets {
    /// Buckets at the given rates.
    pub fn new(rates: Rates) -> Self {
        Self { rates, next: Mutex::new(BTreeMap::new()) }
    }

    /// Waits until a call of `operation` may leave.
    pub async fn wait(&self, operation: &str) {
        let Rates::Aws { share } = self.rates else { return };
        let gap = Duration::from_secs_f64(1.0 / (calls_per_second(operation) * share));
        let slot = {
            let mut next = self.next.lock().expect("no task panics while it holds the buckets");
            let slot =
                next.get(operation).copied().unwrap_or_else(Instant::now).max(Instant::now());
            next.insert(operation.to_owned(), slot + gap);
            slot
        };
        tokio::time::sleep_until(slot).await;
    }

    /// Slows a bucket down after a throttle answer.
    pub fn throttled(&self, operation: &str) {
        if self.rates == Rates::Off {
            return;
        }
        let mut next = self.next.lock().expect("no task panics while it holds the buckets");
        let slot = next.get(operation).copied().unwrap_or_else(Instant::now);
        next.insert(operation.to_owned(), slot.max(Instant::now()) + PAUSE_AFTER_THROTTLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_never_lets_more_calls_out_than_its_rate() {
        let buckets = Buckets::new(Rates::Aws { share: 1.0 });
        let start = Instant::now();
        for _ in 0..26 {
            buckets.wait("CreateChannel").await;
        }
        assert_eq!(start.elapsed().as_millis(), 5_000);
        buckets.wait("ListChannels").await;
        assert_eq!(start.elapsed().as_millis(), 5_000, "another operation has its own bucket");
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttle_answer_slows_its_bucket_down() {
        let buckets = Buckets::new(Rates::Aws { share: 1.0 });
        let start = Instant::now();
        buckets.throttled("CreateChannel");
        buckets.wait("CreateChannel").await;
        assert!(start.elapsed() >= PAUSE_AFTER_THROTTLE);
    }

    #[test]
    fn the_busiest_operation_decides_the_floor() {
        let calls = BTreeMap::from([("ListChannels".to_owned(), 10), ("GetStage".to_owned(), 50)]);
        assert!((floor_seconds(&calls) - 10.0).abs() < 1e-9);
    }
}
