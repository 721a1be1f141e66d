//! The call rates of `docs/service-reference.md` §3: one token bucket per region, service and operation, as large
//! as one second's worth. Off unless asked for; never saved.

use std::collections::BTreeMap;

use super::clock::Millis;
use super::model::{Operation, Service};
use super::trail;

/// Stands in for the rates that are not published: that of most operations.
const UNPUBLISHED: u32 = 5;

/// Calls a second.
pub(crate) fn rate(operation: &str) -> u32 {
    match operation {
        "StartViewerSessionRevocation"
        | "ListTagsForResource"
        | "TagResource"
        | "UntagResource" => 10,
        "BatchStartViewerSessionRevocation" | trail::OPERATION => 2,
        "PutMetadata" => 155,
        "CreateParticipantToken" => 50,
        name if ["PlaybackKeyPair", "PublicKey", "RecordingConfiguration"]
            .iter()
            .any(|kind| name.contains(kind)) =>
        {
            3
        }
        _ => UNPUBLISHED,
    }
}

/// `PutMetadata` has a second limit for each channel.
const METADATA_PER_CHANNEL: u32 = 5;

/// From so many buckets on, those that are full again are removed. More than there are operations in all
/// regions: only names out of requests come to this.
const BUCKETS: usize = 1000;

/// All buckets.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    buckets: BTreeMap<(String, Service, String), Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// In thousandths of a call, so that a millisecond refills a whole number.
    tokens: i64,
    at: Millis,
}

impl Bucket {
    fn take(&mut self, rate: u32, now: Millis) -> bool {
        let full = i64::from(rate) * 1000;
        let passed = now.0.saturating_sub(self.at.0).clamp(0, 1000);
        self.tokens = (self.tokens + passed * i64::from(rate)).min(full);
        self.at = self.at.max(now);
        let enough = self.tokens >= 1000;
        if enough {
            self.tokens -= 1000;
        }
        enough
    }
}

impl Rates {
    /// Whether a call may pass. `body` only matters for the one limit that is per channel.
    pub(crate) fn admit(
        &mut self,
        region: &str,
        operation: &Operation,
        body: &[u8],
        now: Millis,
    ) -> bool {
        if operation.name == "PutMetadata" {
            let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            let channel = body.get("channelArn").and_then(serde_json::Value::as_str);
            let name = format!("PutMetadata {}", channel.unwrap_or_default());
            if !self.take(region, operation.service, name, METADATA_PER_CHANNEL, now) {
                return false;
            }
        }
        let name = operation.name.clone();
        self.take(region, operation.service, name, rate(&operation.name), now)
    }

    /// Whether a request to CloudTrail may pass.
    pub(crate) fn admit_look_up(&mut self, region: &str, now: Millis) -> bool {
        let name = trail::OPERATION.to_owned();
        self.take(region, Service::LowLatency, name, rate(trail::OPERATION), now)
    }

    fn take(
        &mut self,
        region: &str,
        service: Service,
        name: String,
        rate: u32,
        now: Millis,
    ) -> bool {
        let full = i64::from(rate) * 1000;
        if self.buckets.len() >= BUCKETS {
            // No call has taken from it for a second: it is full, and a new bucket would be full too.
            self.buckets.retain(|_, bucket| now.since(bucket.at).as_secs() == 0);
        }
        self.buckets
            .entry((region.to_owned(), service, name))
            .or_insert(Bucket { tokens: full, at: now })
            .take(rate, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_rate_and_refills_with_time() {
        let mut bucket = Bucket { tokens: 5000, at: Millis(0) };
        let taken =
            |bucket: &mut Bucket, now| (0..20).filter(|_| bucket.take(5, Millis(now))).count();
        assert_eq!(taken(&mut bucket, 0), 5);
        assert_eq!(taken(&mut bucket, 199), 0);
        assert_eq!(taken(&mut bucket, 200), 1);
        assert_eq!(taken(&mut bucket, 60_000), 5);
    }

    #[test]
    fn channels_that_are_not_called_any_more_leave_no_bucket() {
        let metadata = super::super::model::model();
        let metadata = metadata.at(Service::LowLatency, "POST", "/PutMetadata").expect("modelled");
        let mut rates = Rates::default();
        for turn in 0..100_000 {
            let body = format!("{{\"channelArn\": \"channel {turn}\"}}");
            rates.admit("us-west-2", metadata, body.as_bytes(), Millis(turn * 10));
        }
        assert!(rates.buckets.len() <= BUCKETS, "{}", rates.buckets.len());
        let now = Millis(1_000_000);
        let mut admit = || rates.admit("us-west-2", metadata, b"{}", now);
        assert_eq!((0..20).filter(|_| admit()).count(), 5, "the limits still hold");
    }

    #[test]
    fn rates_are_the_published_ones() {
        let table =
            [("ImportPublicKey", 3), ("ListRecordingConfigurations", 3), ("TagResource", 10)];
        for (operation, calls) in table {
            assert_eq!(rate(operation), calls, "{operation}");
        }
        assert_eq!(rate("CreateChannel"), 5);
    }
}
