use super::connection::Connection;
use super::failure::Failure;
use super::lock::refused;
use super::session::load;
use crate::apply::lock::{Unlocked, WINDOW};
use crate::cli::{ExitCode, Global};
use crate::ui::Ui;
use crate::ui::events::Events;

/// Release a stale lock
///
/// The nonce is that of the message which refused a run. The lock is watched for 15 s first: a run
/// in progress renews it in that time and keeps it; requests of a killed run are complete after that time.
#[derive(Debug, clap::Args)]
pub(crate) struct UnlockArgs {
    /// Nonce of the lock to release
    ///
    /// A lock that was taken since then stays.
    #[arg(long, env = "IVS_APPLY_NONCE")]
    nonce: String,
}

pub(super) async fn run(
    args: &UnlockArgs,
    global: &Global,
    events: &Events,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    let loaded = match load("unlock", global, events, ui) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    if loaded.stack.lock.is_none() {
        return Err(Failure::error(format!("stack `{}` has no lock", loaded.stack.name))
            .help("the lock is `spec.lock` of the Stack manifest"));
    }
    let connection = Connection::open(global, &loaded, ui).await?;
    let in_process = || {
        Failure::error("an emulated account in this process has no lock")
            .help("leave `--emulator` out")
    };
    let location = connection.session.lock_of(&loaded.stack).ok_or_else(in_process)?;
    ui.say(&format!("watching {location} for {} s\n", WINDOW.as_secs()));
    let unlocked = connection.session.unlock(&loaded.stack, &args.nonce).await;
    match unlocked.map_err(|error| refused(&error))?.ok_or_else(in_process)? {
        Unlocked::Done => ui.answer(&format!("{location} is free\n"))?,
        Unlocked::WasFree => ui.answer(&format!("{location} is not locked\n"))?,
        Unlocked::Other(holder) => {
            return Err(Failure::refused(
                format!("{location} has another nonce: it is held by {holder}"),
                "wait for that run, or give its nonce if it was killed",
            ));
        }
        Unlocked::Alive(holder) => {
            return Err(Failure::refused(
                format!("{location} was renewed just now: its holder is alive: {holder}"),
                "stop that run first; it releases the lock by itself",
            ));
        }
        Unlocked::NotALock => {
            return Err(Failure::refused(
                format!("{location} is not a lock object"),
                "check the object, and delete it by hand or name another key",
            ));
        }
    }
    Ok(ExitCode::Done)
}
