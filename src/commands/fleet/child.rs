//! The process of one target: started in a process group of its own, watched, and ended where it takes too long or the
//! fleet has to stop. Knows nothing of what it does.

use crate::system::process::{apart, kill, pass_on, signal_of};
use crate::system::signals::Signal;
use std::io;
use std::pin::pin;
use std::process::Command;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// How long a process that was told to end because of its time may take over it.
const GRACE: Duration = Duration::from_secs(30);

/// What the fleet was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nothing: it goes on.
    #[default]
    GoesOn,
    /// To stop: the signal is passed on.
    Signal(Signal),
    /// To stop now.
    Now,
}

/// How a process ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// Its exit code.
    pub(super) code: Option<i32>,
    /// The signal that ended it.
    pub(super) signal: Option<i32>,
    /// Whether it was told to end because it took too long.
    pub(super) is_late: bool,
    /// Whether it was told to end because the fleet stopped.
    pub(super) is_stopped: bool,
}

/// Runs a process until it ends.
pub(super) async fn run(
    command: Command,
    limit: Duration,
    mut stop: watch::Receiver<Stop>,
) -> io::Result<Ended> {
    let mut command = tokio::process::Command::from(command);
    // A signal of the terminal reaches the fleet alone, which passes it on.
    let mut child = apart(&mut command).kill_on_drop(true).spawn()?;
    let mut deadline = pin!(sleep(limit));
    let (mut is_late, mut is_stopped) = (false, false);
    loop {
        tokio::select! {
            biased;
            status = child.wait() => {
                let status = status?;
                return Ok(Ended { code: status.code(), signal: signal_of(status), is_late, is_stopped });
            }
            () = &mut deadline => {
                // Where no signal can be passed on, its time ends it as well.
                if is_late || cfg!(windows) {
                    kill(&mut child);
                } else {
                    pass_on(&child, Signal::Terminate);
                }
                is_late = true;
                deadline.as_mut().reset(Instant::now() + GRACE);
            }
            () = told(&mut stop) => {
                match *stop.borrow_and_update() {
                    Stop::GoesOn => continue,
                    Stop::Signal(signal) => pass_on(&child, signal),
                    Stop::Now => kill(&mut child),
                }
                is_stopped = true;
            }
        }
    }
}

/// Waits until the fleet is told something new.
async fn told(stop: &mut watch::Receiver<Stop>) {
    if stop.changed().await.is_err() {
        // Nobody is left who could stop it.
        std::future::pending::<()>().await;
    }
}
