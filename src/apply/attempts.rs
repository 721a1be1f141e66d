//! The create attempts of one run: their ids, which prove what this run created, and how long they took.

use crate::aws::{Class, Clients, CloudError};
use crate::kinds::{Owner, Stack};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

/// The pause between the two listings that confirm a create: long enough that another server may answer.
pub(super) const BETWEEN_LISTINGS: Duration = Duration::from_millis(250);

/// The create attempts of one run.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    names: Mutex<BTreeSet<String>>,
    slowest: Mutex<Duration>,
}

impl Attempts {
    /// A name for a new attempt, in the server's time: two machines' clocks never decide which was first. A name
    /// without a time would count as the first of all, so without the server's time nothing is created.
    pub(super) fn begin(&self, aws: &Clients) -> Result<String, CloudError> {
        let time = aws.gate.server_time().ok_or_else(|| CloudError {
            class: Class::NotSent,
            ..CloudError::unusable(
                "create",
                "no answer carried a `Date` header, so nothing is made",
            )
        })?;
        let millis = u64::try_from(time.as_millisecond()).unwrap_or_default();
        let millis = if mutant!(OpWithoutTime) { 0 } else { millis };
        let name = ulid::Ulid::from_parts(millis, fastrand::u128(..)).to_string();
        self.names.lock().expect("noting does not panic").insert(name.clone());
        Ok(name)
    }

    /// Records how long an attempt took, from its name to its answer.
    pub(super) fn took(&self, time: Duration) {
        let mut slowest = self.slowest.lock().expect("noting does not panic");
        *slowest = slowest.max(time);
    }

    /// The names of all attempts.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.names.lock().expect("noting does not panic").clone()
    }

    /// Whether this run created an object with this owner.
    pub(super) fn made(&self, owner: &Owner) -> bool {
        let names = self.names.lock().expect("noting does not panic");
        matches!(owner, Owner::Stack(ownership) if names.contains(&ownership.attempt_id))
    }

    /// How long after the first listing that shows what this run created an object may still appear that counts before
    /// it: names are in seconds of the server's `Date`, and the request of another run may have been as slow as
    /// the slowest of this one. No other run writes to an emulator in this process, or while this run holds a lock.
    pub(super) fn others_within(&self, aws: &Clients, stack: &Stack) -> Duration {
        let slowest = *self.slowest.lock().expect("noting does not panic");
        if aws.alone || stack.lock.is_some() {
            return BETWEEN_LISTINGS;
        }
        Duration::from_secs(1) + (slowest * 2).max(Duration::from_millis(500))
    }
}
