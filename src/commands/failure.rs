//! What every command answers where it fails or where the engine refuses: a message, help, and the exit code. Prints
//! nothing.

use crate::cli::ExitCode;
use crate::engine::{self, Refusal};
use crate::ui::events::Events;
use crate::ui::file::Refused;
use crate::ui::reason;

/// Why a command stopped: before there was a plan to show, or before a plan was applied.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: ExitCode,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Failure {
    pub(super) fn error(message: impl Into<String>) -> Self {
        Self { code: ExitCode::Error, message: message.into(), help: None }
    }

    pub(super) fn refused(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code: ExitCode::Refused, message: message.into(), help: Some(help.into()) }
    }

    pub(super) fn stale(message: impl Into<String>) -> Self {
        Self {
            code: ExitCode::Stale,
            message: message.into(),
            help: Some(
                "nothing was written; save a new plan with `plan --out` and have it reviewed"
                    .to_owned(),
            ),
        }
    }

    /// Tells other programs why the run does not do its work.
    pub(super) fn tell(&self, events: &Events) {
        let help = self.help.as_deref();
        let is_refusal = matches!(self.code, ExitCode::Refused | ExitCode::Stale);
        events.failed(&self.message, help);
        events.record.failed(&self.message, help, is_refusal);
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With this help where there is none yet.
    pub(super) fn or_help(mut self, help: impl Into<String>) -> Self {
        self.help.get_or_insert_with(|| help.into());
        self
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::error(format!("the result could not be written: {error}"))
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let help = match &refused {
            Refused::InTheWay(_) => "name another folder with `--out`, or move what is in the way",
            _ => "name another file",
        };
        Self::error(refused.to_string()).help(help)
    }
}

/// An error with what caused it, on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

/// What the engine did not do, for the command line.
pub(super) fn failed(error: &engine::Error) -> Failure {
    let failure = Failure::error(chain(error));
    let help = match error {
        engine::Error::Connect(error) => Some(error.help()),
        engine::Error::WrongRegion { wanted, .. } => {
            Some(format!("give `--region {wanted}`, or set `AWS_REGION`"))
        }
        engine::Error::WrongAccount { .. } => {
            Some("use credentials of the stack's account".to_owned())
        }
        engine::Error::AccountUnknown(error) => error.help().map(ToOwned::to_owned),
        engine::Error::Read(error) => error.source.help().map(ToOwned::to_owned),
        engine::Error::PlaceUnknown(_) => {
            Some("plan without `--out`, or make STS reachable".to_owned())
        }
    };
    match help {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// Why the engine does not apply a plan, for the command line.
pub(super) fn refused(refusal: Refusal) -> Failure {
    let see = "nothing was written; see the plan for the whole list";
    match refusal {
        Refusal::PlaceNotNamed => Failure::refused(
            "changing a real account requires `account` and `region` in the Stack manifest or in a Target",
            "add a document of kind Stack with `spec: { region: …, account: \"…\" }`, or run with `--target`",
        ),
        Refusal::NotLocked { location } => Failure::refused(
            format!("the run does not hold the lock {location}, so nothing was written"),
            "run the command again",
        ),
        Refusal::PlannedBeforeLock { location } => Failure::refused(
            format!(
                "the plan was made before the lock {location} was taken, so nothing was written"
            ),
            "run the command again",
        ),
        Refusal::LockLost { location, why } => Failure::error(format!(
            "the lock {location} was lost before anything was written: {why}"
        ))
        .help("run the command again"),
        Refusal::Blocked { address, reason } => Failure::refused(
            format!("the step for {address} is blocked: {}", reason::text(&reason)),
            see,
        ),
        Refusal::QuotaExceeded { kind, wanted, quota } => Failure::refused(
            format!("{wanted} objects of kind {kind} exceed the quota of {quota}"),
            see,
        ),
        Refusal::UnconfirmedDeletes { deletes, of } => Failure::refused(
            format!("this would delete {deletes} of {of} resources of the stack"),
            format!("to confirm, add `--confirm-deletes {deletes}`"),
        ),
        Refusal::Frozen { freeze } => Failure::refused(
            format!(
                "the stack is frozen until {}, so nothing was written: {}",
                reason::moment(freeze.to),
                freeze.reason
            ),
            "run the command again after that; `--ignore-freeze REASON` carries the plan out now",
        ),
        Refusal::NoServerTime => Failure::error(
            "no answer of the service carried a `Date` header, so nothing was written",
        )
        .help(
            "new objects are identified by the service's clock; check the proxies between this \
             machine and the endpoint",
        ),
    }
}
