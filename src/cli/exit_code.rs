//! The exit codes of the program. Nothing else in the crate ends the process.

/// How a run ends (`docs/commands.md`).
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

impl ExitCode {
    /// The number that the process ends with.
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Changes => 2,
            Self::Partly => 3,
            Self::Refused => 4,
            Self::Stale => 5,
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}
