//! The lock of a stack as one session holds it: taken before the account is read, released after the last write.
//!
//! The algorithm is [`crate::apply::lock`]. Never tells anybody: what a caller shows is in the values.

use super::Session;
use crate::apply::Stop;
use crate::apply::lock::{self, Lock, Look, Refusal, Released, Unclean, Unlocked, WINDOW, Who};
use crate::aws::object::{Location, Object};
use crate::aws::{CloudError, ConnectError};
use crate::kinds::Stack;
use std::time::Duration;
use tokio::sync::watch;

/// How long the release of a lock may take: a person or a CI system waits for the end of the run.
const RELEASE_WITHIN: Duration = Duration::from_secs(5);

/// Why a lock was not taken, looked at or released.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// This build or this configuration has no client for the lock's store.
    #[error("the lock {0} cannot be used: {1}")]
    NoStore(Location, #[source] ConnectError),
    /// The store failed.
    #[error("the lock {0} cannot be used: {1}")]
    Store(Location, #[source] Box<CloudError>),
    /// Another run holds it, or the object is no lock.
    #[error("{0}: {1}")]
    Refused(Location, #[source] Box<Refusal>),
}

/// The lock of a stack, held by this session.
#[derive(Debug)]
pub struct StackLock {
    lock: Lock<Object>,
    location: Location,
}

impl StackLock {
    /// Where the lock is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The run that held the lock before, where it did not release it or left requests whose result is unknown.
    pub fn after(&self) -> Option<&Unclean> {
        self.lock.after.as_ref()
    }

    /// Waits [`WINDOW`] where the run before left requests whose result is unknown: what they created is listed
    /// by then. Comes before the account is read.
    pub async fn wait_for_predecessor(&self) {
        if self.lock.after.is_some() {
            tokio::time::sleep(WINDOW).await;
        }
    }

    /// Why the lock was lost, if it was. The run it belongs to was stopped then.
    pub fn lost(&self) -> Option<String> {
        self.lock.lost()
    }

    /// Releases the lock. `unclear` names the steps whose result is unknown: the next run waits for them.
    pub async fn release(self, unclear: &[String]) -> Released {
        let late = || CloudError::unusable("DeleteObject", "the store did not answer in time");
        let released = tokio::time::timeout(RELEASE_WITHIN, self.lock.release(unclear)).await;
        released.unwrap_or_else(|_| Released::Unknown(late()))
    }
}

impl Session {
    /// Where the stack's lock is; `None` where the stack has no lock, and for an emulated account in this process,
    /// which has no other users.
    pub fn lock_of<'s>(&self, stack: &'s Stack) -> Option<&'s Location> {
        stack.lock.as_ref().filter(|_| !self.aws.alone)
    }

    /// Takes the lock of the stack and renews it until it is released. Where it is lost, `stopper` is told to stop
    /// the run. `None` where there is no lock to take.
    ///
    /// # Errors
    /// Where another run holds the lock, or its store does not work.
    pub async fn lock(
        &self,
        stack: &Stack,
        who: &Who,
        stopper: watch::Sender<Stop>,
    ) -> Result<Option<StackLock>, LockError> {
        let Some(location) = self.lock_of(stack) else { return Ok(None) };
        let taken = Lock::take(self.store(location)?, &stack.name, who).await;
        let mut lock = taken.map_err(|refusal| match refusal {
            Refusal::Store(error) => LockError::Store(location.clone(), Box::new(error)),
            refusal => LockError::Refused(location.clone(), Box::new(refusal)),
        })?;
        lock.keep(stopper);
        Ok(Some(StackLock { lock, location: location.clone() }))
    }

    /// Who holds the lock of the stack, without taking it. `None` where there is no lock.
    ///
    /// # Errors
    /// Where the store of the lock does not work.
    pub async fn look_at_lock(&self, stack: &Stack) -> Result<Option<Look>, LockError> {
        let Some(location) = self.lock_of(stack) else { return Ok(None) };
        let looked = lock::look(&self.store(location)?).await;
        looked.map(Some).map_err(|error| LockError::Store(location.clone(), Box::new(error)))
    }

    /// Takes the lock away from a dead run. It is watched for [`WINDOW`] first, in which a run that works renews
    /// it. `None` where there is no lock.
    ///
    /// # Errors
    /// Where the store of the lock does not work.
    pub async fn unlock(&self, stack: &Stack, nonce: &str) -> Result<Option<Unlocked>, LockError> {
        let Some(location) = self.lock_of(stack) else { return Ok(None) };
        let unlocked = lock::unlock(&self.store(location)?, nonce).await;
        unlocked.map(Some).map_err(|error| LockError::Store(location.clone(), Box::new(error)))
    }

    fn store(&self, location: &Location) -> Result<Object, LockError> {
        self.aws.object(location).map_err(|error| LockError::NoStore(location.clone(), error))
    }
}
