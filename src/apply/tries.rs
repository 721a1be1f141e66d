//! When a write that failed is sent again: after throttling, a lost reply, or a Conflict that passes.
//!
//! Never sends a request itself; each caller looks at its object again before the next try.

use super::changed::Changed;
use super::failure::Failure;
use super::outcome::StepStatus;
use super::ready::{is_changing, usable};
use super::wait::{Backoff, Tell, Until, Watch};
use crate::aws::{Class, Clients, CloudError};
use crate::kinds::AddressMap;
use crate::plan::Step;
use std::time::Duration;

/// Tries of a call that is safe to repeat.
pub(super) const TRIES: u32 = 6;

/// AWS releases what this run stopped within this long. The API reference gives no time: it says to wait for an event
/// that comes seconds to minutes after `StopStream`.
pub(super) const RELEASE: Duration = Duration::from_mins(3);

/// Tries of one write. Each is preceded by another read of the object: between two tries it may have been changed or
/// adopted by others, or have gone live.
pub(super) struct Tries<'a> {
    /// Requests that failed.
    failed: Backoff,
    /// Whether this run has stopped something that explains a Conflict.
    pub(super) explained: bool,
    /// The wait for the release of that: one, however many Conflicts there are.
    release: Option<Watch<'a>>,
    /// How often the object was in the middle of a change.
    busy: u32,
    pub(super) tell: Tell<'a>,
}

impl<'a> Tries<'a> {
    /// No try so far.
    pub(super) fn new(tell: Tell<'a>) -> Self {
        Self { failed: Backoff::of(TRIES), explained: false, release: None, busy: 0, tell }
    }

    /// Whether a request may have been carried out already. A Conflict while the object is changing can be the
    /// answer to a second delivery of this run's own request.
    pub(super) fn again(&self) -> bool {
        self.failed.has_failed() || self.busy > 0
    }

    /// The end of a step whose object changed: stale, unless an earlier try may have written to it.
    pub(super) fn gave_way(&self, changed: Changed) -> Result<StepStatus, Failure> {
        if self.again() {
            Err(Failure::ChangedMeanwhile(changed))
        } else {
            Ok(StepStatus::Stale(changed))
        }
    }

    /// Waits before the next try; false where it would be no use.
    pub(super) async fn after(&mut self, error: &CloudError) -> bool {
        self.after_if(error, matches!(error.class, Class::Throttled | Class::Unknown)).await
    }

    pub(super) async fn after_if(&mut self, error: &CloudError, passing: bool) -> bool {
        if self.released(error).await {
            return true;
        }
        if passing {
            return self.failed.again().await;
        }
        self.failed.count();
        false
    }

    /// Waits after a Conflict while AWS is still creating or changing the object for another caller. False for any
    /// other error, and where the object is in no such state.
    pub(super) async fn settled(
        &mut self,
        aws: &Clients,
        step: &Step,
        error: &CloudError,
    ) -> Result<bool, Failure> {
        let kind = step.address.kind;
        let (Some(_), Some(arn)) = (kind.facts().ready_state, &step.arn) else { return Ok(false) };
        if error.class != Class::Conflict || self.busy == TRIES {
            return Ok(false);
        }
        self.busy += 1;
        let none = AddressMap::default();
        let read = kind.get(aws, std::slice::from_ref(arn), &none).await?.pop();
        let Some(observed) = read.filter(is_changing) else { return Ok(false) };
        usable(aws, observed, true, &none, self.tell).await?;
        Ok(true)
    }

    /// Waits after a Conflict that this run's own interruption explains: AWS releases what was stopped some time after
    /// it reports the end. False for any other error, and where that lasts too long.
    pub(super) async fn released(&mut self, error: &CloudError) -> bool {
        if error.class != Class::Conflict || !self.explained {
            return false;
        }
        let tell = self.tell;
        let watch = self.release.get_or_insert_with(|| Watch::new(Until::Released, RELEASE, tell));
        watch.again().await
    }
}
