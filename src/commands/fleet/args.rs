//! The arguments of `fleet` and of its commands.

use crate::fleet::{MaxFailures, Selection, Shard};
use clap::Subcommand;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Run a command on many targets
///
/// A target is a document of kind Target in the files of `-f`: an account, a region, a role and manifests. Each runs as a
/// process of its own, so that nothing of one reaches another. Targets of one account and region run one after another,
/// since they share its rate limits; others run at the same time.
#[derive(Debug, clap::Args)]
pub(crate) struct FleetArgs {
    #[command(subcommand)]
    pub(super) command: FleetCommand,
}

/// What can be done with a fleet.
#[derive(Debug, Subcommand)]
pub(crate) enum FleetCommand {
    List(ListArgs),
    /// Check the manifests of every target offline
    ///
    /// Writes the results into a folder, as `plan` does. Exits 0, or 3 where a target failed.
    Validate(RunArgs),
    /// Show what would change in every target
    ///
    /// Writes `DIR/fleet.json` and for each target `DIR/TARGET/answer.json` and `DIR/TARGET/talk.txt`. Exits 0 where nothing is to
    /// be done, 2 with changes, 3 where a target failed, 4 where targets were only refused, and 1 where none was started.
    Plan(RunArgs),
    Apply(ApplyArgs),
    /// Show changes made outside ivs-apply in every target
    ///
    /// Writes the results into a folder, as `plan` does. Exits 0, 2 on drift, 3 where a target failed, and 1 where none was
    /// started.
    Drift(RunArgs),
    Report(ReportArgs),
}

/// Which targets.
#[derive(Debug, clap::Args)]
pub(crate) struct ChosenArgs {
    /// Only targets that have this label in their metadata
    #[arg(short = 'l', long = "selector", value_name = "KEY=VALUE", value_parser = label, value_delimiter = ',', env = "IVS_APPLY_SELECTOR")]
    pub(super) labels: Vec<(String, String)>,
    /// Only targets of this wave
    #[arg(long, value_name = "N", env = "IVS_APPLY_WAVE")]
    pub(super) wave: Option<u32>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE, such as env=prod")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl ChosenArgs {
    pub(super) fn selection(&self) -> Selection {
        Selection { labels: self.labels.clone(), wave: self.wave }
    }
}

/// List the targets, their queues and their shards
///
/// `--format github` prints lines for `$GITHUB_OUTPUT`; its `matrix` is for `fromJSON` and has a job for each shard that has
/// something to do.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(super) chosen: ChosenArgs,
    /// Deal the targets to at most so many shards, whole queues of account and region to each
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000), env = "IVS_APPLY_SHARDS")]
    pub(super) shards: Option<u16>,
}

/// What every command takes that runs targets.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(super) chosen: ChosenArgs,
    /// Only this part of the targets, such as `0/8`
    ///
    /// Parts are counted from 0: `0/8` is for the first of eight machines.
    #[arg(long, value_name = "I/N", env = "IVS_APPLY_SHARD")]
    pub(super) shard: Option<Shard>,
    /// Most targets at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1_000), env = "IVS_APPLY_PARALLEL")]
    pub(super) parallel: u16,
    /// End a target that takes longer than this
    ///
    /// The target is asked to stop first, and killed if it still runs half a minute later.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = timeout, env = "IVS_APPLY_TIMEOUT")]
    pub(super) timeout: Duration,
    /// Folder for the results; a new or an empty one
    #[arg(long, value_name = "DIR", env = "IVS_APPLY_OUT")]
    pub(super) out: PathBuf,
    /// Resume the run that wrote its results to the folder
    ///
    /// Runs only the targets that are not done.
    #[arg(long, env = "IVS_APPLY_RESUME", value_parser = clap::builder::BoolishValueParser::new())]
    pub(super) resume: bool,
    /// Flags for the command of each target
    #[arg(last = true, value_name = "FLAGS")]
    pub(super) arguments: Vec<OsString>,
}

fn timeout(text: &str) -> Result<Duration, String> {
    crate::cli::time(text, "timeout", Duration::from_secs(1), Duration::from_hours(7 * 24))
}

/// Apply every target, wave by wave
///
/// The targets of the lowest wave come first. The next wave starts only if at most `--max-failures` targets failed or were
/// refused.
#[derive(Debug, clap::Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// Failures that a wave may have before the next starts
    ///
    /// A number of targets, or a percentage of those of the wave. A target that was refused counts as failed.
    #[arg(long, value_name = "N|P%", default_value = "0", env = "IVS_APPLY_MAX_FAILURES")]
    pub(super) max_failures: MaxFailures,
    /// Skip the confirmation prompt of every target
    #[arg(short, long, alias = "auto-approve", env = "IVS_APPLY_YES", value_parser = clap::builder::BoolishValueParser::new())]
    pub(super) yes: bool,
}

/// Report what one or several runs came to
///
/// Reads `fleet.json` of each folder, or of the folders in it. Of a target that several runs of one command have, the latest
/// counts. Exits 0, or 3 where more targets are not done than `--max-failures` allows, or where a shard is missing.
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// Folders with results
    #[arg(required = true, value_name = "DIR")]
    pub(super) folders: Vec<PathBuf>,
    /// Exit 3 where more targets failed or were refused: a number, or a percentage
    #[arg(long, value_name = "N|P%", env = "IVS_APPLY_MAX_FAILURES")]
    pub(super) max_failures: Option<MaxFailures>,
}

impl FleetArgs {
    /// The command with its subcommand.
    pub(crate) fn name(&self) -> &'static str {
        match self.command {
            FleetCommand::List(_) => "fleet list",
            FleetCommand::Validate(_) => "fleet validate",
            FleetCommand::Plan(_) => "fleet plan",
            FleetCommand::Apply(_) => "fleet apply",
            FleetCommand::Drift(_) => "fleet drift",
            FleetCommand::Report(_) => "fleet report",
        }
    }
}
