//! Periods in which a stack is not changed: `freeze` of its document.
//!
//! Compares moments that it is given, by the service's clock; never reads a clock.

use super::Stack;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A period in which nothing of a stack is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Freeze {
    /// Its first moment.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// The first moment after it.
    #[schemars(with = "String")]
    pub to: Timestamp,
    /// Why there is one; never empty.
    pub reason: String,
}

/// What `apply` and `destroy` do in a freeze.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFreeze {
    /// Nothing is written, and the run ends with exit code 4.
    #[default]
    Refuse,
    /// Each step is deferred to a run after the freeze.
    Defer,
}

impl Stack {
    /// The freeze that is active at a moment; of several, the one that ends last.
    pub fn freeze_at(&self, moment: Timestamp) -> Option<&Freeze> {
        let active = self.freezes.iter().filter(|it| it.from <= moment && moment < it.to);
        active.max_by_key(|it| it.to)
    }

    /// The first freeze that begins after a moment.
    pub fn next_freeze(&self, moment: Timestamp) -> Option<&Freeze> {
        self.freezes.iter().filter(|it| moment < it.from).min_by_key(|it| it.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freeze_is_active_from_its_first_moment_until_before_its_last() {
        let freeze = |from: &str, to: &str| Freeze {
            from: from.parse().expect("a moment"),
            to: to.parse().expect("a moment"),
            reason: "show".to_owned(),
        };
        let day = freeze("2026-06-01T10:00:00Z", "2026-06-01T20:00:00Z");
        let evening = freeze("2026-06-01T20:00:00+02:00", "2026-06-01T23:00:00+02:00");
        let stack = Stack { freezes: vec![day.clone(), evening.clone()], ..Stack::named("tests") };
        let at = |text: &str| stack.freeze_at(text.parse().expect("a moment"));
        assert_eq!(at("2026-06-01T09:59:59.999Z"), None);
        assert_eq!(at("2026-06-01T10:00:00Z"), Some(&day));
        assert_eq!(at("2026-06-01T18:30:00Z"), Some(&evening), "it ends later");
        assert_eq!(at("2026-06-01T21:00:00Z"), None);
        let next = |text: &str| stack.next_freeze(text.parse().expect("a moment"));
        assert_eq!(next("2026-06-01T09:00:00Z"), Some(&day));
        assert_eq!(next("2026-06-01T10:00:00Z"), Some(&evening));
        assert_eq!(next("2026-06-01T18:00:00Z"), None);
    }
}
