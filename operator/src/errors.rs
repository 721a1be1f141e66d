//! When a reconcile that the API server failed is tried again: later with each failure in a row. Knows no Target and no reason.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The wait after the first failure.
const FIRST: Duration = Duration::from_secs(5);

/// The longest wait.
const LONGEST: Duration = Duration::from_mins(5);

/// The failures in a row of each object, by its uid.
#[derive(Debug, Default)]
pub(crate) struct Errors(Mutex<BTreeMap<String, u32>>);

impl Errors {
    /// Counts a failure. Answers how long after it the next attempt comes: 5, 10, 20 … seconds, at most 5 minutes.
    pub(crate) fn one_more(&self, uid: &str) -> Duration {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(uid.to_owned()).or_default();
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(*count));
        *count = count.saturating_add(1);
        wait.min(LONGEST)
    }

    /// It ended well.
    pub(crate) fn none(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_in_a_row_waits_twice_as_long_and_a_good_end_begins_anew() {
        let errors = Errors::default();
        let waits: Vec<u64> = (0..9).map(|_| errors.one_more("a").as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(errors.one_more("b").as_secs(), 5, "another object has failures of its own");
        errors.none("a");
        assert_eq!(errors.one_more("a").as_secs(), 5);
        for _ in 0..100 {
            assert!(errors.one_more("b") <= LONGEST);
        }
    }
}
