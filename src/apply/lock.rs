//! The lock around a run that writes: one object in a store that keeps conditions (`docs/reliability.md` §5).
//!
//! It keeps two runs of one stack apart. The safety of two runs at once does not rest on it: no call to IVS carries a
//! version, so no lock can stop a request that is already under way. Knows nothing of S3: the algorithm uses
//! [`Store`], four requests under conditions. Never prints, and reads no clock of this machine but the monotonic one:
//! the age of another run's heartbeat is the difference of two times of the store's clock.
//!
//! A holder renews its lock every [`BEAT`]. One that could not do so for [`TTL`] starts no further step;
//! only after [`STEAL_AFTER`] without a heartbeat, and none while it was watched for [`WINDOW`], the next run may
//! take it over. That run waits for another [`WINDOW`] before it reads the account, so that the
//! listings show what that holder's last requests created; the check before each create does the rest. A run that
//! releases its lock after a request with an unknown result writes the addresses into the lock, and the
//! next run takes it at once and waits in the same way. So nothing has to be written before each create.

mod body;
mod heartbeat;
mod store;

pub use body::{Holder, STEAL_AFTER, TTL, Who};
pub use heartbeat::{BEAT, Lost};
pub use store::Store;

use super::stop::Stop;
use super::wait::Backoff;
use crate::aws::object::{Only, Seen};
use crate::aws::{Class, CloudError};
use body::Body;
use heartbeat::{Renewal, State, beat, extend, lock, renew};
use serde::Serialize;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

/// How long an object that an ended run has created may take until it is listed.
pub const WINDOW: Duration = Duration::from_secs(15);

/// Tries of a request that failed with an error that may pass.
const TRIES: u32 = 4;

/// The pause after another run took the lock between this run's read and write.
const CROSSED_PAUSE: Duration = Duration::from_millis(500);

/// Two runs may cross each other so often before one of them gives way.
const CROSSINGS: u32 = 4;

/// No object has ever had this version.
const NO_VERSION: &str = "\"00000000000000000000000000000000\"";

/// Why the lock cannot be taken.
#[derive(Debug, Serialize, thiserror::Error)]
#[serde(tag = "refusal", content = "detail", rename_all = "camelCase")]
pub enum Refusal {
    /// Another run holds it.
    #[error("the lock is held by {0}")]
    Held(Box<Holder>),
    /// The object was not written by this program, and is left alone.
    #[error("the lock object has unexpected content")]
    NotALock,
    /// Other runs took it or released it during each try.
    #[error("other runs took and released the lock repeatedly")]
    Crossed,
    /// A store in which the second of two runs would overwrite the first one's lock.
    #[error("the store ignores conditions ({0}), so it cannot hold a lock")]
    IgnoresConditions(&'static str),
    /// A request to the store failed.
    #[error("the lock's store: {0}")]
    Store(#[from] CloudError),
}

/// The holder before this run, which did not release the lock or left requests with an unknown result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclean {
    /// The holder.
    pub holder: Holder,
    /// The addresses with an unknown result when it released the lock; empty for a run that was killed.
    pub intents: Vec<String>,
}

/// A lock that this run holds.
#[derive(Debug)]
pub struct Lock<S> {
    store: Arc<S>,
    state: Arc<Mutex<State>>,
    /// The holder before this one, where it did not end normally: [`WINDOW`] must pass before the account is read.
    pub after: Option<Unclean>,
    beating: Option<JoinHandle<()>>,
}

/// The result of a release.
#[derive(Debug)]
pub enum Released {
    /// It is free.
    Free,
    /// It is free, and its text names what this run left with an unknown result.
    Marked,
    /// This run did not hold it any more; it was left alone.
    NotOurs,
    /// The result is unknown; if the lock is still held, other runs can take it over after [`STEAL_AFTER`].
    Unknown(CloudError),
}

/// The state of the lock, as another run sees it.
#[derive(Debug)]
pub enum Look {
    /// No run holds it, or the credentials do not allow to list the bucket, which hides whether it exists.
    Free,
    /// A run holds it.
    Held(Box<Holder>),
    /// The object was not written by this program.
    NotALock,
}

/// The result of a forced unlock.
#[derive(Debug)]
pub enum Unlocked {
    /// The lock was deleted.
    Done,
    /// No run held it.
    WasFree,
    /// It has another nonce.
    Other(Box<Holder>),
    /// It was renewed while it was watched.
    Alive(Box<Holder>),
    /// The object was not written by this program.
    NotALock,
}

/// Reads the lock, and changes nothing.
pub async fn look<S: Store>(store: &S) -> Result<Look, CloudError> {
    let mut failures = Backoff::of(TRIES);
    let seen = loop {
        if let Some(seen) = again_if_it_may_pass(read(store).await, &mut failures).await? {
            break seen;
        }
    };
    Ok(match seen {
        None => Look::Free,
        Some(seen) => match Body::read(&seen.body) {
            None => Look::NotALock,
            Some(body) if body.released => Look::Free,
            Some(body) => Look::Held(Box::new(body.holder(seen.age))),
        },
    })
}

/// Deletes the lock of a run that has ended without releasing it. It is watched for [`WINDOW`] first: a run that still
/// works renews it in that time, and what an ended one has created is listed after that.
pub async fn unlock<S: Store>(store: &S, nonce: &str) -> Result<Unlocked, CloudError> {
    let mut watched = Watched::default();
    let mut failures = Backoff::of(TRIES);
    loop {
        let seen = match again_if_it_may_pass(read(store).await, &mut failures).await? {
            None => continue,
            Some(None) if watched.has_begun() => return Ok(Unlocked::Done),
            Some(None) => return Ok(Unlocked::WasFree),
            Some(Some(seen)) => seen,
        };
        let Some(body) = Body::read(&seen.body) else { return Ok(Unlocked::NotALock) };
        let holder = Box::new(body.holder(seen.age));
        if body.nonce != nonce {
            return Ok(if body.released { Unlocked::WasFree } else { Unlocked::Other(holder) });
        }
        if watched.was_renewed(&seen) {
            return Ok(Unlocked::Alive(holder));
        }
        if watched.wait(&seen).await {
            continue;
        }
        // A store that ignores this condition does no harm: the lock was the same a moment ago, and its holder has
        // ended.
        if again_if_it_may_pass(store.delete(&seen.version).await, &mut failures).await?
            == Some(true)
        {
            return Ok(Unlocked::Done);
        }
    }
}

/// The version of another run's lock that is watched for [`WINDOW`], in which a holder that still works renews it.
#[derive(Default)]
struct Watched(Option<(String, Instant)>);

impl Watched {
    /// Whether a lock has been read before.
    fn has_begun(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the lock has another version than the first time.
    fn was_renewed(&self, seen: &Seen) -> bool {
        self.0.as_ref().is_some_and(|(version, _)| *version != seen.version)
    }

    /// Waits until [`WINDOW`] is over since the first time; false where it was over already.
    async fn wait(&mut self, seen: &Seen) -> bool {
        let (_, since) = self.0.get_or_insert_with(|| (seen.version.clone(), Instant::now()));
        let early = since.elapsed() < WINDOW;
        if early {
            sleep_until(*since + WINDOW).await;
        }
        early
    }
}

/// Reads the lock. S3 answers that access is denied for an object that does not exist, where the credentials do not
/// allow to list the bucket.
async fn read<S: Store>(store: &S) -> Result<Option<Seen>, CloudError> {
    match store.get().await {
        Err(error) if error.class == Class::Denied => Ok(None),
        answer => answer,
    }
}

/// The answer; or `None` after a pause, where the error may pass: the caller reads the lock again first.
async fn again_if_it_may_pass<T>(
    answer: Result<T, CloudError>,
    failures: &mut Backoff,
) -> Result<Option<T>, CloudError> {
    let error = match answer {
        Ok(it) => return Ok(Some(it)),
        Err(error) => error,
    };
    let may_pass = matches!(error.class, Class::Unknown | Class::Throttled | Class::NotSent);
    if may_pass && failures.again().await { Ok(None) } else { Err(error) }
}

impl<S: Store> Lock<S> {
    /// Takes the lock, or says why not. The store must prove that it keeps conditions.
    pub async fn take(store: S, stack: &str, who: &Who) -> Result<Self, Refusal> {
        let nonce = format!("{:032x}", fastrand::u128(..));
        let mut body = Body::new(nonce, stack, who);
        let mut after = None;
        let mut watched = Watched::default();
        let (mut failures, mut crossings) = (Backoff::of(TRIES), 0);
        let (version, sent) = loop {
            let Some(seen) = again_if_it_may_pass(read(&store).await, &mut failures).await? else {
                continue;
            };
            body.taken_at = store.server_time().map(|it| it.to_string());
            let only = match &seen {
                None => Only::Absent,
                Some(seen) => {
                    let there = Body::read(&seen.body).ok_or(Refusal::NotALock)?;
                    if there.nonce == body.nonce {
                        // The reply to the request that took it was lost.
                        body = there;
                        break (seen.version.clone(), Instant::now());
                    }
                    let holder = there.holder(seen.age);
                    if !there.released {
                        if watched.was_renewed(seen) || seen.age.is_none_or(|it| it < STEAL_AFTER) {
                            return Err(Refusal::Held(Box::new(holder)));
                        }
                        // The store's clock may have jumped; a holder that still works renews its lock meanwhile.
                        if watched.wait(seen).await {
                            continue;
                        }
                    }
                    after = Some(Unclean { holder, intents: there.intents });
                    Only::Version(&seen.version)
                }
            };
            let sent = Instant::now();
            match again_if_it_may_pass(store.put(body.text(), only).await, &mut failures).await? {
                Some(Some(version)) => break (version, sent),
                None => {}
                Some(None) => {
                    crossings += 1;
                    if crossings >= CROSSINGS {
                        return Err(Refusal::Crossed);
                    }
                    sleep(CROSSED_PAUSE).await;
                }
            }
        };
        let state = State { body, version, renewed: sent, lost: None };
        let state = Arc::new(Mutex::new(state));
        let lock = Self { store: Arc::new(store), state, after, beating: None };
        match lock.prove().await {
            Ok(()) => Ok(lock),
            Err(refusal) => {
                // No other run can have taken over the lock that was just written.
                lock.release(&[]).await;
                Err(refusal)
            }
        }
    }

    /// A store that keeps conditions refuses two writes that must not happen, and takes one that may.
    async fn prove(&self) -> Result<(), Refusal> {
        let mut failures = Backoff::of(TRIES);
        // A probe that is written all the same must carry this run's nonce, so that it can be deleted.
        let probe = |state: &Mutex<State>| lock(state).body.text();
        for (only, name) in
            [(Only::Absent, "If-None-Match"), (Only::Version(NO_VERSION), "If-Match")]
        {
            loop {
                let answer = self.store.put(probe(&self.state), only).await;
                match again_if_it_may_pass(answer, &mut failures).await? {
                    None => {}
                    Some(None) => break,
                    Some(Some(_)) => return Err(Refusal::IgnoresConditions(name)),
                }
            }
        }
        loop {
            match again_if_it_may_pass(renew(&*self.store, &self.state).await, &mut failures)
                .await?
            {
                None | Some(Renewal::Moved) => {}
                Some(Renewal::Done) => return Ok(()),
                Some(Renewal::Lost(_)) => return Err(Refusal::Crossed),
            }
        }
    }

    /// Keeps the lock alive from here on, and stops the run where that does not work.
    pub fn keep(&mut self, stopper: watch::Sender<Stop>) {
        let (store, state) = (self.store.clone(), self.state.clone());
        extend(&stopper, lock(&state).renewed + TTL);
        self.beating = Some(tokio::spawn(async move { beat(&*store, &state, &stopper).await }));
    }

    /// Why this run does not hold the lock any more, if so. A run that was suspended gets the answer here before its
    /// heartbeat has noticed.
    pub fn lost(&self) -> Option<Lost> {
        let state = lock(&self.state);
        let lapsed = || (state.renewed.elapsed() >= TTL).then_some(Lost::NotRenewed);
        state.lost.clone().or_else(lapsed)
    }

    /// Releases the lock, however the run ended. `unclear` names the addresses with an unknown result.
    ///
    /// Only a lock that still has this run's nonce is written or deleted. The delete carries its version as well. A
    /// store may keep conditions on writes, as this one has proved, and ignore them on deletes: so nothing is
    /// deleted at a time when another run may have taken it over; then it is marked as released by a write.
    pub async fn release(mut self, unclear: &[String]) -> Released {
        if let Some(beating) = self.beating.take() {
            beating.abort();
        }
        let (ours, renewed) = {
            let state = lock(&self.state);
            (state.body.nonce.clone(), state.renewed)
        };
        let mut failures = Backoff::of(TRIES);
        loop {
            let seen = match again_if_it_may_pass(read(&*self.store).await, &mut failures).await {
                Ok(Some(seen)) => seen,
                Ok(None) => continue,
                Err(error) => return Released::Unknown(error),
            };
            let Some(seen) = seen else {
                return if failures.has_failed() { Released::Free } else { Released::NotOurs };
            };
            let Some(mut body) = Body::read(&seen.body).filter(|it| it.nonce == ours) else {
                return Released::NotOurs;
            };
            if body.released {
                return Released::Marked;
            }
            let not_taken_over = renewed.elapsed() + TTL < STEAL_AFTER;
            let done = if unclear.is_empty() && not_taken_over {
                self.store.delete(&seen.version).await.map(|it| it.then_some(Released::Free))
            } else {
                body.released = true;
                body.intents = unclear.to_vec();
                let put = self.store.put(body.text(), Only::Version(&seen.version)).await;
                put.map(|it| it.map(|_| Released::Marked))
            };
            match again_if_it_may_pass(done, &mut failures).await {
                Ok(Some(Some(released))) => return released,
                // A heartbeat that was in flight has changed it, or the result is unknown: read it again.
                Ok(Some(None)) => {
                    if !failures.count() {
                        let why = "it changes whenever it is touched";
                        return Released::Unknown(CloudError::unusable("DeleteObject", why));
                    }
                }
                Ok(None) => {}
                Err(error) => return Released::Unknown(error),
            }
        }
    }
}

impl<S> Drop for Lock<S> {
    fn drop(&mut self) {
        if let Some(beating) = &self.beating {
            beating.abort();
        }
    }
}

#[cfg(test)]
mod tests;
