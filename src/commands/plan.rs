use super::session::{self, Session};
use super::{Failure, session::address};
use crate::cli::{ExitCode, Global};
use crate::kinds::Address;
use crate::plan::{Policy, Status};
use crate::ui::Ui;
use clap::ValueEnum;

/// Show what would change
///
/// Reads the account and compares it with the manifests. Writes nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(super) planning: PlanningArgs,
    /// Exit 2 where there are changes
    #[arg(long)]
    detailed_exitcode: bool,
}

/// What decides how a plan comes out.
#[derive(Debug, clap::Args)]
pub(crate) struct PlanningArgs {
    /// Delete owned resources that no manifest declares; `--prune=false` overrides the Stack
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new(), env = "IVS_APPLY_PRUNE")]
    prune: Option<bool>,
    /// Resource whose audience may be cut off
    #[arg(long, value_name = "KIND/NAME", value_parser = address)]
    allow_live: Vec<Address>,
    /// How much to read: `full` reads every object even where its digest already answers
    #[arg(long, value_enum, default_value_t = Refresh::Auto)]
    pub(super) refresh: Refresh,
}

/// How much of the account is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Refresh {
    /// What is needed.
    Auto,
    /// Everything.
    Full,
}

impl PlanningArgs {
    /// The policy of a run. Without a single declared resource nothing is ever pruned: an empty folder
    /// looks just like a wrong one.
    pub(super) fn policy(&self, stack_prunes: bool, declared: usize) -> Policy {
        Policy {
            prune: declared > 0 && self.prune.unwrap_or(stack_prunes),
            destroy: false,
            allow_live: self.allow_live.iter().cloned().collect(),
        }
    }
}

pub(super) async fn run(args: &PlanArgs, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
    let loaded = match session::load("plan", global, ui) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let policy = args.planning.policy(loaded.stack.prune, loaded.desired.len());
    let full = args.planning.refresh == Refresh::Full;
    let session = Session::open(loaded, global, &policy, full, false).await?;
    session.show("plan", global, ui)?;
    session.connection.close()?;
    Ok(match session.plan.status() {
        Status::Blocked => ExitCode::Refused,
        Status::Changes if args.detailed_exitcode => ExitCode::Changes,
        _ => ExitCode::Done,
    })
}
