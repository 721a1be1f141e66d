use super::{Failure, pretty, session};
use crate::cli::{ExitCode, Global};
use crate::plan::permission::{self, Purpose};
use crate::ui::Ui;
use clap::ValueEnum;

/// Print the least IAM policy that the manifests need
///
/// Made from the table of operations that the program itself uses, without any call. Writes are held to the
/// stack by its tags, deletes of protected objects are denied; `plan` is read-only and may not read stream
/// keys. Secrets of `output --secrets-to`, and ARNs that are not in the manifests, are left to you.
#[derive(Debug, clap::Args)]
pub(crate) struct IamPolicyArgs {
    /// What the policy is for
    #[arg(value_enum, value_name = "COMMAND")]
    command: For,
    /// Cover deleting what no manifest declares, of every kind; the default is the Stack's `prune`
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new(), env = "IVS_APPLY_PRUNE")]
    prune: Option<bool>,
}

/// Commands that a policy can be for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum For {
    /// `plan`, `drift`, `graph`, `output` without secrets.
    Plan,
    /// `apply`; with `--prune` also `destroy`.
    Apply,
}

pub(super) fn run(args: &IamPolicyArgs, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
    let loaded = match session::load("iam-policy", global, ui) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let purpose = match args.command {
        For::Plan => Purpose::Plan,
        For::Apply => Purpose::Apply,
    };
    let prune = args.prune.unwrap_or(loaded.stack.prune);
    let policy = permission::policy(&loaded.stack, &loaded.desired, prune, purpose);
    for note in permission::notes(&policy) {
        ui.say(&format!("note: {note}\n"));
    }
    ui.answer(&pretty(&policy))?;
    Ok(ExitCode::Done)
}
