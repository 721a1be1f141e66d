//! The lock of the stack around a run that writes, and the signals that stop the run.
//!
//! The lock is taken before the account is read and released at the end, however the run ended. Commands that only
//! read never take it: they warn that another run holds it. Whether a plan may be applied without it, the engine decides.

use super::connection::Connection;
use super::failure::Failure;
use crate::apply::lock::{Look, Refusal, Released, WINDOW};
use crate::apply::{Signal, Stop};
use crate::cli::{ExitCode, who};
use crate::engine::{LockError, RunLock};
use crate::kinds::Stack;
use crate::system::signals::{self, Signals};
use crate::ui::Ui;
use crate::ui::escape::escape;
use futures_util::future::{Either, select};
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A run that writes, from before it reads until after it has written.
pub(super) struct Guard {
    ui: Ui,
    lock: RunLock,
    stop: watch::Receiver<Stop>,
    signals: JoinHandle<()>,
    /// Whether the plan is being carried out, which stops in its own way.
    carrying: AtomicBool,
    unclear: Mutex<Vec<String>>,
}

impl Guard {
    /// Listens for signals and takes the lock of the stack, if it has one.
    pub(super) async fn begin(
        connection: &Connection,
        stack: &Stack,
        ui: Ui,
    ) -> Result<Self, Failure> {
        let (stopper, mut stop) = watch::channel(Stop::default());
        let signals = tokio::spawn(listen(stopper.clone()));
        let mut guard = Self {
            ui,
            lock: RunLock::none(stopper.clone()),
            stop: stop.clone(),
            signals,
            carrying: AtomicBool::new(false),
            unclear: Mutex::default(),
        };
        if stack.lock.is_some() && connection.session.lock_of(stack).is_none() {
            ui.say(
                "note: no lock is taken: an emulated account in this process has no other users\n",
            );
        }
        let who = who();
        let taking = connection.session.lock(stack, &who, stopper);
        let stopped = stop.wait_for(|it| it.now);
        // One signal waits for what is under way, so that no lock is left behind.
        guard.lock = match select(pin!(taking), pin!(stopped)).await {
            Either::Left((taken, _)) => taken.map_err(|error| refused(&error))?,
            Either::Right(_) => return Err(stopped_early(guard.stop.borrow().why())),
        };
        Ok(guard)
    }

    /// Does the work of a run. Until it carries something out it is simply dropped when it has to stop.
    pub(super) async fn watch(
        &self,
        work: impl Future<Output = Result<ExitCode, Failure>>,
    ) -> Result<ExitCode, Failure> {
        let work = async {
            self.wait_for_predecessor().await;
            work.await
        };
        let mut stop = self.stop.clone();
        let early = async {
            let stopped = stop.wait_for(|it| it.first.is_some()).await.is_ok();
            if !stopped || self.carrying.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        match select(pin!(work), pin!(early)).await {
            Either::Left((ended, _)) => ended,
            Either::Right(_) => Err(stopped_early(self.stop.borrow().why())),
        }
    }

    /// What the holder before this one has sent must be listed before the account is read.
    async fn wait_for_predecessor(&self) {
        let Some(after) = self.lock.after() else { return };
        let unclear = match after.intents.as_slice() {
            [] => String::new(),
            some => format!(", with unknown results for {}", some.join(", ")),
        };
        let text = format!(
            "the last run that held the lock did not end normally{unclear}: {}",
            after.holder
        );
        let (text, seconds) = (escape(&text, 2_000), WINDOW.as_secs());
        self.ui.say(&format!(
            "note: {text}; waiting {seconds} s for requests that it may have sent\n"
        ));
        self.lock.wait_for_predecessor().await;
    }

    /// The lock of the run.
    pub(super) fn lock(&self) -> &RunLock {
        &self.lock
    }

    /// What stopped the run, if anything did.
    pub(super) fn stopped(&self) -> Option<Signal> {
        self.stop.borrow().why()
    }

    /// Does work that only reads, until the run has to stop.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        let stopped = async {
            if stop.wait_for(|it| it.first.is_some()).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        match select(pin!(work), pin!(stopped)).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }

    /// The lock to apply the plan under. From here on the engine decides how to stop.
    pub(super) fn carry_out(&self) -> &RunLock {
        self.carrying.store(true, Ordering::Relaxed);
        &self.lock
    }

    /// Addresses whose last request may still be carried out after the run.
    pub(super) fn leaves_unclear(&self, addresses: impl Iterator<Item = String>) {
        self.unclear.lock().expect("no task panics while it holds the lock").extend(addresses);
    }

    /// Releases the lock.
    pub(super) async fn end(self, ended: Result<ExitCode, Failure>) -> Result<ExitCode, Failure> {
        self.signals.abort();
        let ui = self.ui;
        let Some(location) = self.lock.location().cloned() else { return ended };
        let unclear = self.unclear.into_inner().expect("no task panics while it holds the lock");
        let lost = self.lock.lost();
        if let Some(why) = &lost {
            let why = escape(&why.to_string(), 1_000);
            ui.say(&format!(
                "error: the lock {location} was lost, so nothing new was started: {why}\n"
            ));
        }
        match self.lock.release(&unclear).await {
            Some(Released::NotOurs) if lost.is_none() => ui.say(&format!(
                "warning: {location} was released before this run ended: another run may be in progress\n"
            )),
            None | Some(Released::Free | Released::NotOurs) => {}
            Some(Released::Marked) => ui.say(&format!(
                "note: {location} is released; the next run waits for requests with an unknown result\n"
            )),
            Some(Released::Unknown(error)) => ui.say(&format!(
                "warning: it is unknown whether {location} was released: {}\n",
                escape(&error.to_string(), 1_000)
            )),
        }
        ended
    }
}

/// Warns that another run holds the lock, for commands that do not need it.
pub(super) async fn look(connection: &Connection, stack: &Stack, ui: Ui) {
    let Some(location) = connection.session.lock_of(stack) else { return };
    let warning = match connection.session.look_at_lock(stack).await {
        Ok(None | Some(Look::Free)) => return,
        Ok(Some(Look::Held(holder))) => {
            format!(
                "another run is in progress, so the result may change: {location} is held by {holder}"
            )
        }
        Ok(Some(Look::NotALock)) => {
            format!("{location} is not a lock object: `apply` will refuse")
        }
        Err(error) => format!("{error}; `apply` will refuse"),
    };
    ui.say(&format!("warning: {}\n", escape(&warning, 2_000)));
}

/// Why there is no lock, for the command line.
pub(super) fn refused(error: &LockError) -> Failure {
    match error {
        LockError::NoStore { cause, .. } => Failure::error(error.to_string()).help(cause.help()),
        LockError::Store { cause, .. } => {
            let help =
                cause.help().unwrap_or("check that the bucket exists in the configured region");
            Failure::error(error.to_string()).help(help)
        }
        LockError::Refused { location, cause } => match &**cause {
            Refusal::Held(holder) => Failure::refused(
                format!("{location} is held by {holder}; nothing was done"),
                format!(
                    "wait for that run; if it was killed: `ivs-apply unlock --nonce {}` with the same manifests",
                    holder.nonce
                ),
            ),
            Refusal::IgnoresConditions(_) => Failure::error(error.to_string()).help(
                "use a bucket of Amazon S3, or take `lock` out of the Stack; nothing was done",
            ),
            Refusal::NotALock => Failure::refused(
                format!("{error}; nothing was done"),
                "check the object, and delete it by hand or name another key",
            ),
            Refusal::Crossed | Refusal::Store(_) => {
                Failure::refused(format!("{error}; nothing was done"), "run the command again")
            }
        },
    }
}

/// How a run ends that had to stop before anything was written.
fn stopped_early(why: Option<Signal>) -> Failure {
    let code = match why {
        Some(Signal::Hangup) => ExitCode::HungUp,
        Some(Signal::Interrupt) => ExitCode::Interrupted,
        Some(Signal::Terminate) => ExitCode::Terminated,
        Some(Signal::LockLost | Signal::Frozen) | None => ExitCode::Error,
    };
    Failure { code, message: "stopped before anything was written".to_owned(), help: None }
}

/// How the program ends that a signal stops.
pub(super) fn ends(signal: signals::Signal) -> ExitCode {
    match signal {
        signals::Signal::Hangup => ExitCode::HungUp,
        signals::Signal::Interrupt => ExitCode::Interrupted,
        signals::Signal::Terminate => ExitCode::Terminated,
    }
}

/// Waits for SIGINT (Ctrl-C), SIGTERM or SIGHUP, for commands that go on until one comes: how they end then.
pub(super) async fn stopped() -> ExitCode {
    ends(Signals::listen().next().await)
}

/// Turns signals into wishes: the first to stop soon, the second to stop now.
async fn listen(stopper: watch::Sender<Stop>) {
    let mut signals = Signals::listen();
    loop {
        let got = match signals.next().await {
            signals::Signal::Hangup => Signal::Hangup,
            signals::Signal::Interrupt => Signal::Interrupt,
            signals::Signal::Terminate => Signal::Terminate,
        };
        stopper.send_modify(|stop| match stop.first {
            None => stop.first = Some(got),
            Some(_) => stop.now = true,
        });
    }
}
