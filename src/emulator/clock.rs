//! Time as the emulator sees it: milliseconds since 1970, never read inside the pure core.
//! `Clock` says where the fronts read `now`; the core only ever receives a `Millis`.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// This moment plus a duration, saturating.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let step = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(step))
    }

    /// This moment plus whole seconds, saturating.
    #[must_use]
    pub fn after_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// How long ago `earlier` was, zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// As the service writes timestamps: `2023-11-01T06:25:37Z`, without a fraction.
    pub fn to_iso(self) -> String {
        self.timestamp().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// As HTTP writes dates.
    pub fn to_http_date(self) -> String {
        // Fails only for years before 0.
        DateTimePrinter::new().timestamp_to_rfc9110_string(&self.timestamp()).unwrap_or_default()
    }

    /// From the text of a request, `None` if it is not a timestamp.
    pub fn from_iso(text: &str) -> Option<Self> {
        text.parse::<Timestamp>().ok().map(|at| Self(at.as_millisecond()))
    }

    fn timestamp(self) -> Timestamp {
        // Out of jiff's range only after an absurd `advanceSeconds`; show the end of time then.
        let seconds = self.0.div_euclid(1000);
        Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
    }
}

/// How `now` is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// tokio's clock, counted from 2026-01-01, which a test can pause.
    Tokio,
}

/// A clock that has been started.
#[derive(Debug)]
pub(crate) struct Watch {
    clock: Clock,
    /// What tokio's clock started from.
    origin: Millis,
    started: tokio::time::Instant,
}

impl Watch {
    /// Where tokio time starts: 2026-01-01T00:00:00Z.
    const ORIGIN: Millis = Millis(1_767_225_600_000);

    /// Starts at the latest time of an account that is read from a file, so that time never goes back.
    pub(crate) fn start(clock: Clock, not_before: Millis) -> Self {
        let origin = Self::ORIGIN.max(not_before);
        Self { clock, origin, started: tokio::time::Instant::now() }
    }

    pub(crate) fn now(&self) -> Millis {
        match self.clock {
            Clock::System => Millis(Timestamp::now().as_millisecond()),
            Clock::Tokio => self.origin.after(self.started.elapsed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_have_no_fraction_and_read_back() {
        let at = Millis(1_698_819_937_123);
        assert_eq!(at.to_iso(), "2023-11-01T06:25:37Z");
        assert_eq!(at.to_http_date(), "Wed, 01 Nov 2023 06:25:37 GMT");
        assert_eq!(Millis::from_iso("2023-11-01T06:25:37.5Z"), Some(Millis(1_698_819_937_500)));
        assert_eq!(Millis::from_iso("yesterday"), None);
        assert!(!Millis(i64::MAX).to_iso().is_empty());
    }
}
