//! The exit codes of the program. Nothing else in the crate ends the process.

/// How a run ends (`README.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Done, or nothing to do.
    Done,
    /// An error; nothing was written.
    Error,
    /// Changes, or drift.
    Changes,
    /// Partly applied.
    Partly,
    /// Refused by a guard; nothing was written.
    Refused,
    /// A saved plan is not what would be done now; nothing was written.
    Stale,
    /// Stopped by SIGHUP: the terminal was closed.
    HungUp,
    /// Stopped by SIGINT (Ctrl-C).
    Interrupted,
    /// Stopped by SIGTERM.
    Terminated,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(match code {
            ExitCode::Done => 0,
            ExitCode::Error => 1,
            ExitCode::Changes => 2,
            ExitCode::Partly => 3,
            ExitCode::Refused => 4,
            ExitCode::Stale => 5,
            ExitCode::HungUp => 129,
            ExitCode::Interrupted => 130,
            ExitCode::Terminated => 143,
        })
    }
}
