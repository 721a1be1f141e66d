//! The heartbeat of a held lock: it is written anew every [`BEAT`], and the run stops where that fails for too long.
//!
//! Never takes a lock that another run holds by now.

use super::body::{Body, Holder, TTL};
use super::store::Store;
use crate::apply::stop::{Signal, Stop};
use crate::aws::CloudError;
use crate::aws::object::Only;
use serde::Serialize;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

/// How often a holder renews its lock. Less than `WINDOW`, so that a run that watches the lock for that long sees a
/// renewal.
pub const BEAT: Duration = Duration::from_secs(10);

/// Between two tries of a heartbeat.
const AGAIN: Duration = Duration::from_secs(2);

/// Why a run does not hold its lock any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "lost", rename_all = "camelCase")]
pub enum Lost {
    /// The lock object was deleted.
    #[error("another run released it")]
    Released,
    /// Another run holds it.
    #[error("it was taken over by {0}")]
    TakenOver(Box<Holder>),
    /// The object is no lock any more.
    #[error("the lock object was overwritten")]
    Replaced,
    /// The heartbeat failed for longer than [`TTL`].
    #[error("it could not be renewed for {} s", TTL.as_secs())]
    NotRenewed,
}

/// What a lock and its heartbeat share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) body: Body,
    pub(super) version: String,
    /// When the last renewal that worked was sent.
    pub(super) renewed: Instant,
    pub(super) lost: Option<Lost>,
}

/// The result of a renewal.
pub(super) enum Renewal {
    Done,
    /// This run holds it, in a version that it did not know: an earlier reply was lost.
    Moved,
    Lost(Lost),
}

pub(super) async fn renew<S: Store>(
    store: &S,
    state: &Mutex<State>,
) -> Result<Renewal, CloudError> {
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
        return Ok(Renewal::Lost(Lost::Released));
    };
    match Body::read(&seen.body) {
        Some(there) if there.nonce == body.nonce && !there.released => {
            let mut state = lock(state);
            (state.body, state.version) = (there, seen.version);
            Ok(Renewal::Moved)
        }
        Some(there) => Ok(Renewal::Lost(Lost::TakenOver(Box::new(there.holder(seen.age))))),
        None => Ok(Renewal::Lost(Lost::Replaced)),
    }
}

/// Renews a lock until that fails for good.
pub(super) async fn beat<S: Store>(store: &S, state: &Mutex<State>, stopper: &watch::Sender<Stop>) {
    loop {
        let until = lock(state).renewed + TTL;
        extend(stopper, until);
        let mut next = lock(state).renewed + BEAT;
        let lost = loop {
            sleep_until(next.min(until)).await;
            if Instant::now() >= until {
                break Some(Lost::NotRenewed);
            }
            match timeout_at(until, renew(store, state)).await {
                Err(_) => break Some(Lost::NotRenewed),
                Ok(Ok(Renewal::Done)) => break None,
                Ok(Ok(Renewal::Lost(why))) => break Some(why),
                Ok(Ok(Renewal::Moved)) => next = Instant::now(),
                Ok(Err(error)) => {
                    tracing::info!("the lock could not be renewed; the run tries again: {error}");
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

/// Sets how long the lock is held, without waking up the tasks that wait for a signal.
pub(super) fn extend(stopper: &watch::Sender<Stop>, until: Instant) {
    stopper.send_if_modified(|stop| {
        stop.until = Some(until);
        false
    });
}

pub(super) fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().expect("no task panics while it holds the lock")
}
