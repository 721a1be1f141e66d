//! The lock of a stack as one session holds it: taken before the account is read, released after the last write.
//!
//! The algorithm is [`crate::apply::lock`]. Never prints: the values have what a caller shows.

use super::Session;
use crate::apply::Stop;
use crate::apply::lock::{
    self, Lock, Look, Lost, Refusal, Released, Unclean, Unlocked, WINDOW, Who,
};
use crate::aws::object::{Location, Object};
use crate::aws::{CloudError, ConnectError};
use crate::kinds::Stack;
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long the release of a lock may take: a person or a CI system waits for the end of the run.
const RELEASE_WITHIN: Duration = Duration::from_secs(5);

/// Why a lock was not taken, looked at or released.
#[derive(Debug, Serialize, thiserror::Error)]
#[serde(tag = "error", rename_all = "camelCase")]
pub enum LockError {
    /// This build or this configuration has no client for the lock's store.
    #[error("the lock {location} cannot be used: {cause}")]
    NoStore {
        /// The lock.
        location: Location,
        /// Why there is no client.
        #[source]
        cause: ConnectError,
    },
    /// A request to the store failed.
    #[error("the lock {location} cannot be used: {cause}")]
    Store {
        /// The lock.
        location: Location,
        /// The error of the store.
        #[source]
        cause: Box<CloudError>,
    },
    /// Another run holds it, or the object is no lock.
    #[error("{location}: {cause}")]
    Refused {
        /// The lock.
        location: Location,
        /// Why it cannot be taken.
        #[source]
        cause: Box<Refusal>,
    },
}

/// The lock of one run, and what stops the run: a signal of the caller, or the loss of the lock.
///
/// [`Session::lock`] takes the lock that the stack configures. [`RunLock::none`] is for a stack without a lock;
/// [`Planned::apply`](super::Planned::apply) refuses it for any other.
#[derive(Debug)]
pub struct RunLock {
    held: Option<Held>,
    stopper: watch::Sender<Stop>,
}

/// A lock that was taken.
#[derive(Debug)]
struct Held {
    location: Location,
    lock: Lock<Object>,
    since: Instant,
}

impl RunLock {
    /// No lock. `stopper` stops the run.
    pub fn none(stopper: watch::Sender<Stop>) -> Self {
        Self { held: None, stopper }
    }

    /// Where the lock is; `None` for a run without a lock.
    pub fn location(&self) -> Option<&Location> {
        self.held.as_ref().map(|it| &it.location)
    }

    /// The run that held the lock before, where it did not release it or left requests whose result is unknown.
    pub fn after(&self) -> Option<&Unclean> {
        self.held.as_ref().and_then(|it| it.lock.after.as_ref())
    }

    /// Waits [`WINDOW`] where the run before left requests whose result is unknown: what they created is listed
    /// by then. Comes before the account is read.
    pub async fn wait_for_predecessor(&self) {
        if self.after().is_some() {
            tokio::time::sleep(WINDOW).await;
        }
    }

    /// Why the lock was lost, if it was. The run it belongs to was stopped then.
    pub fn lost(&self) -> Option<Lost> {
        self.held.as_ref().and_then(|it| it.lock.lost())
    }

    /// What stops the run.
    pub(super) fn stop(&self) -> watch::Receiver<Stop> {
        self.stopper.subscribe()
    }

    /// Releases the lock, if there is one. `unclear` names the steps whose result is unknown: the next run waits for
    /// them.
    pub async fn release(self, unclear: &[String]) -> Option<Released> {
        let Held { lock, .. } = self.held?;
        let late = || CloudError::unusable("DeleteObject", "the store did not answer in time");
        let released = tokio::time::timeout(RELEASE_WITHIN, lock.release(unclear)).await;
        Some(released.unwrap_or_else(|_| Released::Unknown(late())))
    }
}

impl Session {
    /// Where the stack's lock is; `None` where the stack has no lock, and for an emulated account in this process,
    /// which has no other users.
    pub fn lock_of<'s>(&self, stack: &'s Stack) -> Option<&'s Location> {
        stack.lock.as_ref().filter(|_| !self.aws.alone)
    }

    /// Takes the lock of the stack and renews it until it is released. Where it is lost, `stopper` is told to stop
    /// the run. Where there is no lock to take ([`Session::lock_of`]), the result holds none.
    ///
    /// # Errors
    /// Where another run holds the lock, or its store does not work.
    pub async fn lock(
        &self,
        stack: &Stack,
        who: &Who,
        stopper: watch::Sender<Stop>,
    ) -> Result<RunLock, LockError> {
        let Some(location) = self.lock_of(stack) else { return Ok(RunLock::none(stopper)) };
        let taken = Lock::take(self.store(location)?, &stack.name, who).await;
        let mut lock = taken.map_err(|refusal| match refusal {
            Refusal::Store(error) => store_failed(location, error),
            refusal => LockError::Refused { location: location.clone(), cause: Box::new(refusal) },
        })?;
        lock.keep(stopper.clone());
        let held = Held { location: location.clone(), lock, since: Instant::now() };
        Ok(RunLock { held: Some(held), stopper })
    }

    /// Who holds the lock of the stack, without taking it. `None` where there is no lock.
    ///
    /// # Errors
    /// Where the store of the lock does not work.
    pub async fn look_at_lock(&self, stack: &Stack) -> Result<Option<Look>, LockError> {
        let Some(location) = self.lock_of(stack) else { return Ok(None) };
        let looked = lock::look(&self.store(location)?).await;
        looked.map(Some).map_err(|error| store_failed(location, error))
    }

    /// Takes the lock away from a dead run. It is watched for [`WINDOW`] first, in which a run that works renews
    /// it. `None` where there is no lock.
    ///
    /// # Errors
    /// Where the store of the lock does not work.
    pub async fn unlock(&self, stack: &Stack, nonce: &str) -> Result<Option<Unlocked>, LockError> {
        let Some(location) = self.lock_of(stack) else { return Ok(None) };
        let unlocked = lock::unlock(&self.store(location)?, nonce).await;
        unlocked.map(Some).map_err(|error| store_failed(location, error))
    }

    /// Whether the run holds the lock that the stack configures, and has held it since before `read_at`, when the
    /// account was read.
    pub(super) fn holds(
        &self,
        stack: &Stack,
        lock: &RunLock,
        read_at: Instant,
    ) -> Result<(), super::Refusal> {
        let Some(location) = self.lock_of(stack).cloned() else { return Ok(()) };
        let Some(held) = lock.held.as_ref().filter(|it| it.location == location) else {
            return Err(super::Refusal::NotLocked { location });
        };
        match held.lock.lost() {
            Some(why) => Err(super::Refusal::LockLost { location, why }),
            None if held.since > read_at => Err(super::Refusal::PlannedBeforeLock { location }),
            None => Ok(()),
        }
    }

    fn store(&self, location: &Location) -> Result<Object, LockError> {
        let store = self.aws.object(location);
        store.map_err(|cause| LockError::NoStore { location: location.clone(), cause })
    }
}

fn store_failed(location: &Location, error: CloudError) -> LockError {
    LockError::Store { location: location.clone(), cause: Box::new(error) }
}
