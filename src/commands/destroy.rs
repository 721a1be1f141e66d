use super::apply::{ConsentArgs, show_and_do};
use super::completions::{addresses, patterns};
use super::connection::Connection;
use super::events::EventsArgs;
use super::failure::Failure;
use super::lock::Guard;
use super::reports::ReportsArgs;
use super::session::{Session, load};
use crate::cli::{ExitCode, Global};
use crate::kinds::Address;
use crate::plan::Policy;
use crate::plan::selection::{Pattern, Selection};
use crate::ui::Ui;
use crate::ui::events::Events;
use clap_complete::ArgValueCompleter;

/// Delete everything the stack owns
///
/// The guards of `apply` hold: a protected resource blocks the run, the delete of a live resource is deferred, and many
/// deletes require `--confirm-deletes`. Exits 3 if resources of the stack remain, and 4 if none could be deleted.
#[derive(Debug, clap::Args)]
pub(crate) struct DestroyArgs {
    #[command(flatten)]
    consent: ConsentArgs,
    /// Resource whose audience may be cut off
    #[arg(long, value_name = "KIND/NAME", value_delimiter = ' ', add = ArgValueCompleter::new(addresses), env = "IVS_APPLY_ALLOW_LIVE")]
    allow_live: Vec<Address>,
    /// Only what matches, such as `Channel/test-*`
    ///
    /// What something else still refers to stays.
    #[arg(long, value_name = "GLOB", value_delimiter = ' ', add = ArgValueCompleter::new(patterns), env = "IVS_APPLY_ONLY")]
    only: Vec<Pattern>,
    /// Keep what matches
    #[arg(long, value_name = "GLOB", value_delimiter = ' ', add = ArgValueCompleter::new(patterns), env = "IVS_APPLY_EXCLUDE")]
    exclude: Vec<Pattern>,
    #[command(flatten)]
    pub(super) events: EventsArgs,
    #[command(flatten)]
    pub(super) reports: ReportsArgs,
}

pub(super) async fn run(
    args: &DestroyArgs,
    global: &Global,
    events: &Events,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    let loaded = match load("destroy", global, events, ui) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let policy = Policy {
        destroy: true,
        prune: false,
        allow_live: args.allow_live.iter().cloned().collect(),
        selected: None,
        ignore_freeze: args.consent.ignore_freeze.clone(),
    };
    let connection = Connection::open(global, &loaded, ui).await?;
    let connection = connection.telling(events, &loaded.stack);
    connection.may_write(&loaded.stack)?;
    let guard = Guard::begin(&connection, &loaded.stack, ui).await?;
    let work = Box::pin(async {
        let mut session = Session::read(loaded, connection, &policy, false).await?;
        session.say_what_is_not_there(ui);
        let (only, exclude) = (args.only.clone(), args.exclude.clone());
        let selection = Selection { only, exclude, labels: Vec::new() };
        if !selection.is_everything() {
            session.planned.narrow(selection.among(session.planned.observed.owned.keys())?);
        }
        show_and_do("destroy", session, &args.consent, None, &guard, global, ui).await
    });
    let ended = guard.watch(work).await;
    guard.end(ended).await
}
