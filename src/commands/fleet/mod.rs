mod answer;
mod child;
mod flags;
mod list;
mod read;
mod report;
mod rows;
mod run;
mod schedule;

use super::failure::Failure;
use crate::cli::{ExitCode, Format, Global};
use crate::fleet::{MaxFailures, Selection, Shard};
use crate::ui::Ui;
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
    command: FleetCommand,
}

/// What can be done with a fleet.
#[derive(Debug, Subcommand)]
enum FleetCommand {
    List(ListArgs),
    Validate(RunArgs),
    Plan(RunArgs),
    Apply(ApplyArgs),
    Drift(RunArgs),
    Report(ReportArgs),
}

/// Which targets.
#[derive(Debug, clap::Args)]
struct ChosenArgs {
    /// Only targets that have this label in their metadata
    #[arg(short = 'l', long = "selector", value_name = "KEY=VALUE", value_parser = label, value_delimiter = ',', env = "IVS_APPLY_SELECTOR")]
    labels: Vec<(String, String)>,
    /// Only targets of this wave
    #[arg(long, value_name = "N", env = "IVS_APPLY_WAVE")]
    wave: Option<u32>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE, such as env=prod")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl ChosenArgs {
    fn selection(&self) -> Selection {
        Selection { labels: self.labels.clone(), wave: self.wave }
    }
}

/// List the targets, their queues and their shards
///
/// `--format github` prints lines for `$GITHUB_OUTPUT`; its `matrix` is for `fromJSON` and has a job for each shard that has
/// something to do.
#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    chosen: ChosenArgs,
    /// Deal the targets to at most so many shards, whole queues of account and region to each
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000), env = "IVS_APPLY_SHARDS")]
    shards: Option<u16>,
}

/// Run this command on every target
///
/// Writes `DIR/fleet.json` and for each target `DIR/TARGET/answer.json` and `DIR/TARGET/talk.txt`. Exits 0 where nothing is to
/// be done, 2 with changes or drift, 3 where a target failed, 4 where targets were only refused, and 1 where none was started.
#[derive(Debug, clap::Args)]
struct RunArgs {
    #[command(flatten)]
    chosen: ChosenArgs,
    /// Only this part of the targets, counted from 0, such as `0/8` on the first of eight machines
    #[arg(long, value_name = "I/N", env = "IVS_APPLY_SHARD")]
    shard: Option<Shard>,
    /// Run at most so many targets at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1_000), env = "IVS_APPLY_PARALLEL")]
    parallel: u16,
    /// End a target that takes longer than this: first so that it can come to an orderly end, half a minute later at once
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = timeout, env = "IVS_APPLY_TIMEOUT")]
    timeout: Duration,
    /// Folder for the results; a new or an empty one
    #[arg(long, value_name = "DIR", env = "IVS_APPLY_OUT")]
    out: PathBuf,
    /// Go on with the run whose results are in the folder: only what it has not done is run
    #[arg(long, env = "IVS_APPLY_RESUME", value_parser = clap::builder::BoolishValueParser::new())]
    resume: bool,
    /// Further flags for the command of each target, after `--`
    #[arg(last = true, value_name = "FLAGS")]
    arguments: Vec<OsString>,
}

fn timeout(text: &str) -> Result<Duration, String> {
    crate::cli::time(text, "timeout", Duration::from_secs(1), Duration::from_hours(7 * 24))
}

/// Apply every target, wave by wave
///
/// The targets of the lowest wave come first. The next wave starts only if not more targets failed or were refused than
/// `--max-failures` puts up with.
#[derive(Debug, clap::Args)]
struct ApplyArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Targets of a wave that may fail, or be refused, for the next one to start: a number, or a percentage
    #[arg(long, value_name = "N|P%", default_value = "0", env = "IVS_APPLY_MAX_FAILURES")]
    max_failures: MaxFailures,
    /// Skip the confirmation prompt of every target
    #[arg(short, long, alias = "auto-approve", env = "IVS_APPLY_YES", value_parser = clap::builder::BoolishValueParser::new())]
    yes: bool,
}

/// Report what one or several runs came to
///
/// Reads `fleet.json` of each folder, or of the folders in it. Of a target that several runs of one command have, the latest
/// counts. Exits 0, or 3 where more targets are not done than `--max-failures` puts up with, or where a shard is missing.
#[derive(Debug, clap::Args)]
struct ReportArgs {
    /// Folders with results
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Exit 3 where more targets failed or were refused: a number, or a percentage
    #[arg(long, value_name = "N|P%", env = "IVS_APPLY_MAX_FAILURES")]
    max_failures: Option<MaxFailures>,
}

impl FleetArgs {
    /// The command with its subcommand.
    pub(super) fn name(&self) -> &'static str {
        match self.command {
            FleetCommand::List(_) => "fleet list",
            FleetCommand::Validate(_) => "fleet validate",
            FleetCommand::Plan(_) => "fleet plan",
            FleetCommand::Apply(_) => "fleet apply",
            FleetCommand::Drift(_) => "fleet drift",
            FleetCommand::Report(_) => "fleet report",
        }
    }

    /// The forms of its answer.
    pub(super) fn formats(&self) -> &'static [Format] {
        match self.command {
            FleetCommand::List(_) => &[Format::Text, Format::Json, Format::Github],
            FleetCommand::Report(_) => {
                &[Format::Text, Format::Json, Format::Markdown, Format::Html, Format::Metrics]
            }
            _ => &[Format::Text, Format::Json, Format::Markdown, Format::Html],
        }
    }
}

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
