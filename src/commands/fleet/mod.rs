//! `fleet`: one command on many targets. What is decided about them is in `crate::fleet`.

mod answer;
mod args;
mod child;
mod flags;
mod list;
mod read;
mod report;
mod rows;
mod run;
mod schedule;

pub(super) use args::FleetArgs;

use super::failure::Failure;
use crate::cli::{ExitCode, Global};
use crate::ui::Ui;
use args::FleetCommand;

pub(super) async fn run(args: &FleetArgs, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
    let waves = None;
    match &args.command {
        FleetCommand::List(args) => list::run(args, global, ui),
        FleetCommand::Validate(args) => run::run("validate", args, waves, global, ui).await,
        FleetCommand::Plan(args) => run::run("plan", args, waves, global, ui).await,
        FleetCommand::Drift(args) => run::run("drift", args, waves, global, ui).await,
        FleetCommand::Apply(args) => {
            if !args.yes {
                return Err(Failure::error("`fleet apply` asks no question before a target")
                    .help("see what it would do with `fleet plan`, and add `--yes`"));
            }
            run::run("apply", &args.run, Some(args.max_failures), global, ui).await
        }
        FleetCommand::Report(args) => report::run(args, global, ui),
    }
}
