//! What asks the program to stop: SIGINT (Ctrl-C), SIGTERM and SIGHUP; on Windows Ctrl-C, Ctrl-Break and the end of the console.

/// What asks the program to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGHUP, the end of the terminal.
    Hangup,
    /// SIGINT, Ctrl-C.
    Interrupt,
    /// SIGTERM; on Windows Ctrl-Break.
    Terminate,
}

#[cfg(unix)]
mod listening {
    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub(super) type Listener = Signal;

    /// SIGHUP is not listened for where the program was started with that signal ignored, as `nohup` does: such a program
    /// is to survive the end of its terminal.
    pub(super) fn hangup() -> Option<Listener> {
        if hangup_is_ignored() { None } else { signal(SignalKind::hangup()).ok() }
    }

    pub(super) fn interrupt() -> Option<Listener> {
        signal(SignalKind::interrupt()).ok()
    }

    pub(super) fn terminate() -> Option<Listener> {
        signal(SignalKind::terminate()).ok()
    }

    /// What Linux says of this process; where there is no such file the signal is taken as not ignored.
    fn hangup_is_ignored() -> bool {
        let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
        let ignored = status.lines().find_map(|it| it.strip_prefix("SigIgn:"));
        // SIGHUP is signal 1, the lowest bit.
        ignored.and_then(|it| u64::from_str_radix(it.trim(), 16).ok()).is_some_and(|it| it & 1 == 1)
    }

    pub(super) async fn received(listener: &mut Listener) {
        listener.recv().await;
    }
}

#[cfg(windows)]
mod listening {
    use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, ctrl_break, ctrl_c, ctrl_close};

    pub(super) enum Listener {
        Break(CtrlBreak),
        Interrupt(CtrlC),
        Close(CtrlClose),
    }

    pub(super) fn hangup() -> Option<Listener> {
        ctrl_close().ok().map(Listener::Close)
    }

    pub(super) fn interrupt() -> Option<Listener> {
        ctrl_c().ok().map(Listener::Interrupt)
    }

    pub(super) fn terminate() -> Option<Listener> {
        ctrl_break().ok().map(Listener::Break)
    }

    pub(super) async fn received(listener: &mut Listener) {
        match listener {
            Listener::Break(it) => it.recv().await,
            Listener::Interrupt(it) => it.recv().await,
            Listener::Close(it) => it.recv().await,
        };
    }
}

/// The signals that are listened for, as they come.
pub(crate) struct Signals {
    hangup: Option<listening::Listener>,
    interrupt: Option<listening::Listener>,
    terminate: Option<listening::Listener>,
}

impl Signals {
    /// From now on. A signal that cannot be listened for ends the program, as it would have anyway.
    pub(crate) fn listen() -> Self {
        let signals = Self {
            hangup: listening::hangup(),
            interrupt: listening::interrupt(),
            terminate: listening::terminate(),
        };
        if signals.interrupt.is_none() || signals.terminate.is_none() {
            tracing::warn!("signals cannot be listened for");
        }
        signals
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            () = received(&mut self.interrupt) => Signal::Interrupt,
            () = received(&mut self.terminate) => Signal::Terminate,
            () = received(&mut self.hangup) => Signal::Hangup,
        }
    }
}

/// Waits for a signal that is listened for.
async fn received(listener: &mut Option<listening::Listener>) {
    match listener {
        Some(listener) => listening::received(listener).await,
        None => std::future::pending().await,
    }
}
