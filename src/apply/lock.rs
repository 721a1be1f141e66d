//! The lock around a run that writes: one object in a store that keeps conditions (`docs/reliability.md` §5).
//!
//! It keeps two runs from each other's way. What keeps two runs from harm is elsewhere: no call to IVS carries
//! a version, so no lock can stop a request that is already under way. Knows nothing of S3: the algorithm is
//! over [`Store`], four requests under conditions. Prints nothing, and asks no clock of this machine but the
//! monotonic one: whether somebody else is still alive is told by the store's clock, both ends of it.
//!
//! A holder writes its lock anew every [`BEAT`]. One that could not do so for [`TTL`] starts nothing any more;
//! only after [`STEAL_AFTER`] without a heartbeat, and none while it was watched for [`WINDOW`], the next run may
//! take it over. That run waits for another [`WINDOW`] before it reads the account, so that a create which was
//! on its way is listed by then; from there on the engine's own looks before each create do the rest. A run that
//! gives its lock back not knowing what became of a request says so in the lock, with the addresses, and the
//! next run takes it at once and waits in the same way. So nothing has to be written before each create.

mod body;

pub use body::{Holder, Who};

use super::{Signal, Stop};
use crate::aws::object::{Object, Only, Seen};
use crate::aws::{Class, CloudError};
use body::Body;
use jiff::Timestamp;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// A holder that could not renew its lock for so long starts nothing any more.
pub const TTL: Duration = Duration::from_mins(1);

/// How often a holder renews it. Less than [`WINDOW`], so that whoever watches for that long sees a living one.
pub const BEAT: Duration = Duration::from_secs(10);

/// A lock may be taken over after so long without a heartbeat: its holder has long stopped by then.
pub const STEAL_AFTER: Duration = Duration::from_mins(6);

/// How long what a dead holder has sent may take until it is listed (W in `docs/reliability.md` §1).
pub const WINDOW: Duration = Duration::from_secs(15);

/// Tries of a request that may have failed by chance, and the pause before the second; it doubles.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Between two tries of a heartbeat.
const AGAIN: Duration = Duration::from_secs(2);

/// Two runs may cross each other so often before one of them gives way.
const CROSSINGS: u32 = 4;

/// No object has ever had this version.
const NO_VERSION: &str = "\"00000000000000000000000000000000\"";

/// Requests to the one object that is the lock. Each is sent once.
pub trait Store: Send + Sync + 'static {
    /// The object, or `None`.
    fn get(&self) -> impl Future<Output = Result<Option<Seen>, CloudError>> + Send;
    /// Writes it under a condition: its new version, or `None` where the condition does not hold.
    fn put(
        &self,
        body: String,
        only: Only<'_>,
    ) -> impl Future<Output = Result<Option<String>, CloudError>> + Send;
    /// Deletes it if it has this version; false where it has not, or is not there.
    fn delete(&self, version: &str) -> impl Future<Output = Result<bool, CloudError>> + Send;
    /// The store's time.
    fn server_time(&self) -> Option<Timestamp>;
}

impl Store for Object {
    async fn get(&self) -> Result<Option<Seen>, CloudError> {
        Self::get(self).await
    }

    async fn put(&self, body: String, only: Only<'_>) -> Result<Option<String>, CloudError> {
        Self::put(self, body, only).await
    }

    async fn delete(&self, version: &str) -> Result<bool, CloudError> {
        Self::delete(self, version).await
    }

    fn server_time(&self) -> Option<Timestamp> {
        Self::server_time(self)
    }
}

/// Why there is no lock to be had.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Somebody has it.
    #[error("the lock is held by {0}")]
    Held(Box<Holder>),
    /// What is there was not written by this program, and is left alone.
    #[error("the lock object has unexpected content")]
    NotALock,
    /// Somebody took it or gave it back whenever it was tried.
    #[error("others took the lock and gave it back all the time")]
    Crossed,
    /// A store where the second of two runs would simply write over the first one's lock.
    #[error("the store ignores conditions ({0}), so it cannot hold a lock")]
    IgnoresConditions(&'static str),
    /// The store could not be asked.
    #[error("the lock's store: {0}")]
    Store(#[from] CloudError),
}

/// What a run must know of the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclean {
    /// Who it was.
    pub holder: Holder,
    /// What it was doing when it gave the lock back; nothing is known of one that was killed.
    pub intents: Vec<String>,
}

/// What the holder of a lock and its heartbeat share.
#[derive(Debug)]
struct State {
    body: Body,
    version: String,
    /// When the last renewal that worked was sent.
    renewed: Instant,
    lost: Option<String>,
}

/// A lock that this run holds.
#[derive(Debug)]
pub struct Lock<S> {
    store: Arc<S>,
    state: Arc<Mutex<State>>,
    /// The holder before this one, where it did not end well: [`WINDOW`] must pass before the account is read.
    pub after: Option<Unclean>,
    beating: Option<JoinHandle<()>>,
}

/// What became of a lock that was given back.
#[derive(Debug)]
pub enum Released {
    /// It is free.
    Free,
    /// It is free, and says what this run left undone.
    Marked,
    /// It was somebody else's by then, or nobody's; nothing was done to it.
    NotOurs,
    /// Nobody knows; if it is still there, others may take it after [`STEAL_AFTER`].
    Unknown(CloudError),
}

/// A look at the lock from outside.
#[derive(Debug)]
pub enum Look {
    /// Nobody holds it, or whoever may not list the bucket cannot tell.
    Free,
    /// Somebody does.
    Held(Box<Holder>),
    /// There is something else.
    NotALock,
}

/// What became of asking for somebody else's lock to be taken away.
#[derive(Debug)]
pub enum Unlocked {
    /// It is gone.
    Done,
    /// Nobody held it.
    WasFree,
    /// It has another nonce.
    Other(Box<Holder>),
    /// It was renewed while it was watched.
    Alive(Box<Holder>),
    /// There is something else.
    NotALock,
}

/// Looks, and touches nothing.
pub async fn look<S: Store>(store: &S) -> Result<Look, CloudError> {
    let mut failed = 0;
    let seen = loop {
        if let Some(seen) = again_if_by_chance(read(store).await, &mut failed).await? {
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

/// Takes a dead holder's lock away. It is watched for [`WINDOW`] first: a living holder renews it in that time,
/// and what a dead one has sent is listed after that.
pub async fn unlock<S: Store>(store: &S, nonce: &str) -> Result<Unlocked, CloudError> {
    let mut first: Option<(String, Instant)> = None;
    let mut failed = 0;
    loop {
        let seen = match again_if_by_chance(read(store).await, &mut failed).await? {
            None => continue,
            Some(None) if first.is_some() => return Ok(Unlocked::Done),
            Some(None) => return Ok(Unlocked::WasFree),
            Some(Some(seen)) => seen,
        };
        let Some(body) = Body::read(&seen.body) else { return Ok(Unlocked::NotALock) };
        let holder = Box::new(body.holder(seen.age));
        if body.nonce != nonce {
            return Ok(if body.released { Unlocked::WasFree } else { Unlocked::Other(holder) });
        }
        let (version, since) = first.get_or_insert((seen.version.clone(), Instant::now()));
        if *version != seen.version {
            return Ok(Unlocked::Alive(holder));
        }
        if since.elapsed() < WINDOW {
            sleep_until(*since + WINDOW).await;
            continue;
        }
        // Where the store ignored this condition, it still was the same a moment ago, with nobody alive to
        // change it.
        if again_if_by_chance(store.delete(&seen.version).await, &mut failed).await? == Some(true) {
            return Ok(Unlocked::Done);
        }
    }
}

/// What is there. Who may not list a bucket is told of what is not there that it may not be read.
async fn read<S: Store>(store: &S) -> Result<Option<Seen>, CloudError> {
    match store.get().await {
        Err(error) if error.class == Class::Denied => Ok(None),
        answer => answer,
    }
}

/// The answer, or after a failure by chance a pause and `None`: the caller looks anew before anything else.
async fn again_if_by_chance<T>(
    answer: Result<T, CloudError>,
    failed: &mut u32,
) -> Result<Option<T>, CloudError> {
    let error = match answer {
        Ok(it) => return Ok(Some(it)),
        Err(error) => error,
    };
    let by_chance = matches!(error.class, Class::Unknown | Class::Throttled | Class::NotSent);
    *failed += 1;
    if !by_chance || *failed >= TRIES {
        return Err(error);
    }
    sleep(FIRST_PAUSE * 2_u32.pow(*failed - 1)).await;
    Ok(None)
}

impl<S: Store> Lock<S> {
    /// Takes the lock, or says why not. The store must prove that it keeps conditions.
    pub async fn take(store: S, stack: &str, who: &Who) -> Result<Self, Refusal> {
        let nonce = format!("{:032x}", fastrand::u128(..));
        let mut body = Body::new(nonce, stack, who);
        let mut after = None;
        let mut watched: Option<(String, Instant)> = None;
        let (mut failed, mut crossings) = (0, 0);
        let (version, sent) = loop {
            let Some(seen) = again_if_by_chance(read(&store).await, &mut failed).await? else {
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
                        let alive = watched.as_ref().is_some_and(|it| it.0 != seen.version);
                        if alive || seen.age.is_none_or(|it| it < STEAL_AFTER) {
                            return Err(Refusal::Held(Box::new(holder)));
                        }
                        // The store's clock may have jumped; a living holder renews its lock meanwhile.
                        let watched =
                            watched.get_or_insert_with(|| (seen.version.clone(), Instant::now()));
                        if watched.1.elapsed() < WINDOW {
                            sleep_until(watched.1 + WINDOW).await;
                            continue;
                        }
                    }
                    after = Some(Unclean { holder, intents: there.intents });
                    Only::Version(&seen.version)
                }
            };
            let sent = Instant::now();
            match again_if_by_chance(store.put(body.text(), only).await, &mut failed).await? {
                Some(Some(version)) => break (version, sent),
                None => {}
                Some(None) => {
                    crossings += 1;
                    if crossings >= CROSSINGS {
                        return Err(Refusal::Crossed);
                    }
                    sleep(FIRST_PAUSE).await;
                }
            }
        };
        let state = State { body, version, renewed: sent, lost: None };
        let state = Arc::new(Mutex::new(state));
        let lock = Self { store: Arc::new(store), state, after, beating: None };
        match lock.prove().await {
            Ok(()) => Ok(lock),
            Err(refusal) => {
                // What was just written is nobody else's business.
                lock.release(&[]).await;
                Err(refusal)
            }
        }
    }

    /// A store that keeps conditions refuses two writes that must not happen, and takes one that may.
    async fn prove(&self) -> Result<(), Refusal> {
        let mut failed = 0;
        // A probe that is written all the same must still be known for ours, so that it can be taken away.
        let probe = |state: &Mutex<State>| lock(state).body.text();
        for (only, name) in
            [(Only::Absent, "If-None-Match"), (Only::Version(NO_VERSION), "If-Match")]
        {
            loop {
                let answer = self.store.put(probe(&self.state), only).await;
                match again_if_by_chance(answer, &mut failed).await? {
                    None => {}
                    Some(None) => break,
                    Some(Some(_)) => return Err(Refusal::IgnoresConditions(name)),
                }
            }
        }
        loop {
            match again_if_by_chance(renew(&*self.store, &self.state).await, &mut failed).await? {
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

    /// Why the lock is not ours any more, if so.
    pub fn lost(&self) -> Option<String> {
        lock(&self.state).lost.clone()
    }

    /// Gives the lock back, whatever became of the run. `unclear` names what may still come about.
    ///
    /// Only a lock that still has our nonce is touched. The delete carries its version as well. A store may
    /// keep conditions on writes, as this one has proved, and ignore them on deletes: so nothing is deleted
    /// at a time when somebody else may have taken it over; then it is marked by a write.
    pub async fn release(mut self, unclear: &[String]) -> Released {
        if let Some(beating) = self.beating.take() {
            beating.abort();
        }
        let (ours, renewed) = {
            let state = lock(&self.state);
            (state.body.nonce.clone(), state.renewed)
        };
        let mut failed = 0;
        loop {
            let seen = match again_if_by_chance(read(&*self.store).await, &mut failed).await {
                Ok(Some(seen)) => seen,
                Ok(None) => continue,
                Err(error) => return Released::Unknown(error),
            };
            let Some(seen) = seen else {
                return if failed > 0 { Released::Free } else { Released::NotOurs };
            };
            let Some(mut body) = Body::read(&seen.body).filter(|it| it.nonce == ours) else {
                return Released::NotOurs;
            };
            if body.released {
                return Released::Marked;
            }
            let nobody_else = renewed.elapsed() + TTL < STEAL_AFTER;
            let done = if unclear.is_empty() && nobody_else {
                self.store.delete(&seen.version).await.map(|it| it.then_some(Released::Free))
            } else {
                body.released = true;
                body.intents = unclear.to_vec();
                let put = self.store.put(body.text(), Only::Version(&seen.version)).await;
                put.map(|it| it.map(|_| Released::Marked))
            };
            match again_if_by_chance(done, &mut failed).await {
                Ok(Some(Some(released))) => return released,
                // A heartbeat that was on its way has come in between, or nobody knows: look again.
                Ok(Some(None)) => {
                    failed += 1;
                    if failed >= TRIES {
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

/// How a try to renew a lock ended.
enum Renewal {
    Done,
    /// It is ours, in a version that we did not know of: an earlier reply was lost.
    Moved,
    Lost(String),
}

async fn renew<S: Store>(store: &S, state: &Mutex<State>) -> Result<Renewal, CloudError> {
    let (mut body, version) = {
        let state = lock(state);
        (state.body.clone(), state.version.clone())
    };
    // Another text makes another version, also where versions are digests.
    body.heartbeat += 1;
    let sent = Instant::now();
    if let Some(version) = store.put(body.text(), Only::Version(&version)).await? {
        let mut state = lock(state);
        (state.body, state.version, state.renewed) = (body, version, sent);
        return Ok(Renewal::Done);
    }
    let Some(seen) = store.get().await? else {
        return Ok(Renewal::Lost("another run released it".to_owned()));
    };
    match Body::read(&seen.body) {
        Some(there) if there.nonce == body.nonce && !there.released => {
            let mut state = lock(state);
            (state.body, state.version) = (there, seen.version);
            Ok(Renewal::Moved)
        }
        Some(there) => {
            Ok(Renewal::Lost(format!("it was taken over by {}", there.holder(seen.age))))
        }
        None => Ok(Renewal::Lost("something else was put in its place".to_owned())),
    }
}

/// Renews a lock until that fails for good.
async fn beat<S: Store>(store: &S, state: &Mutex<State>, stopper: &watch::Sender<Stop>) {
    loop {
        let until = lock(state).renewed + TTL;
        extend(stopper, until);
        let mut next = lock(state).renewed + BEAT;
        let lost = loop {
            sleep_until(next.min(until)).await;
            if Instant::now() >= until {
                break Some(too_long());
            }
            match timeout_at(until, renew(store, state)).await {
                Err(_) => break Some(too_long()),
                Ok(Ok(Renewal::Done)) => break None,
                Ok(Ok(Renewal::Lost(why))) => break Some(why),
                Ok(Ok(Renewal::Moved)) => next = Instant::now(),
                Ok(Err(error)) => {
                    tracing::info!("the lock could not be renewed, and is tried again: {error}");
                    next = Instant::now() + AGAIN;
                }
            }
        };
        if let Some(why) = lost {
            lock(state).lost = Some(why);
            stopper.send_modify(|stop| {
                stop.first.get_or_insert(Signal::LockLost);
            });
            return;
        }
    }
}

/// Nobody needs to wake up for that.
fn extend(stopper: &watch::Sender<Stop>, until: Instant) {
    stopper.send_if_modified(|stop| {
        stop.until = Some(until);
        false
    });
}

fn too_long() -> String {
    format!("it could not be renewed for {} s", TTL.as_secs())
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().expect("no task panics while it holds the lock")
}

#[cfg(test)]
mod tests;
