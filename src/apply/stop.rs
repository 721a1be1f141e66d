//! What makes a run stop: signals, and a lock that is not this run's any more.
//!
//! Never listens for a signal itself: the caller of `apply` does, and sends what it heard.

use futures_util::future::select;
use serde::Serialize;
use std::pin::pin;
use tokio::sync::watch;
use tokio::time::Instant;

/// What makes a run stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Signal {
    /// SIGHUP: the terminal was closed.
    Hangup,
    /// SIGINT (Ctrl-C).
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// The lock is not this run's any more.
    LockLost,
    /// A freeze of the stack has begun.
    Frozen,
}

/// The signals that a run has had, and for how long it holds its lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// The first one.
    pub first: Option<Signal>,
    /// Whether another followed: stop now.
    pub now: bool,
    /// How long this run holds the lock without another renewal: a run that was suspended may wake up long after
    /// that, before the heartbeat has reported the loss.
    pub until: Option<Instant>,
}

impl Stop {
    /// Why nothing new may be started, if so.
    pub fn why(&self) -> Option<Signal> {
        let over = self.until.is_some_and(|it| Instant::now() >= it);
        self.first.or(over.then_some(Signal::LockLost))
    }
}

/// Waits for work that only reads, until the first signal.
pub(super) async fn unless_stopped(stop: &watch::Receiver<Stop>, work: impl Future<Output = ()>) {
    let mut stop = stop.clone();
    if stop.borrow().why().is_none() {
        let stopped = async {
            if stop.wait_for(|it| it.first.is_some()).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        select(pin!(work), pin!(stopped)).await;
    }
}
