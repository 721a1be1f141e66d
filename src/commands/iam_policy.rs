use super::answer::pretty;
use super::failure::Failure;
use super::session;
use crate::cli::{ExitCode, Global};
use crate::kinds::bucket_fault;
use crate::plan::permission::{self, Purpose};
use crate::ui::Ui;
use crate::ui::events::Events;
use clap::ValueEnum;

/// Print the least-privilege IAM policy that the manifests need
///
/// Made from the table of operations that the program itself uses, without any call. Writes are limited to the
/// stack by its tags, deletes of protected objects are denied; `plan` is read-only and may not read stream
/// keys. The `Sid` of each statement says what it is for. Not covered: the secrets of `output --secrets-to`, and
/// ARNs and buckets that are not in the manifests; name the buckets of objects that are to be replaced or
/// deleted with `--bucket`.
#[derive(Debug, clap::Args)]
pub(crate) struct IamPolicyArgs {
    /// What the policy is for
    #[arg(value_enum, value_name = "COMMAND")]
    command: For,
    /// Allow what `drift --blame` asks CloudTrail
    #[arg(long, env = "IVS_APPLY_BLAME", value_parser = clap::builder::BoolishValueParser::new())]
    blame: bool,
    /// Cover deleting what no manifest declares
    ///
    /// It covers every kind. The default is the Stack's `prune`.
    #[arg(long, value_name = "BOOL", hide_possible_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new(), env = "IVS_APPLY_PRUNE")]
    prune: Option<bool>,
    /// Bucket that no manifest names any more
    ///
    /// It is one of a recording or storage configuration that is to be replaced or deleted.
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ' ',
        value_parser = bucket,
        env = "IVS_APPLY_BUCKET"
    )]
    bucket: Vec<String>,
}

/// Commands that a policy can be for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum For {
    /// `plan`, `drift`, `status`, `graph`, `output` without secrets.
    Plan,
    /// The same as `plan`; with `--blame` what `drift --blame` needs besides.
    Drift,
    /// `apply`; with `--prune` also `destroy`.
    Apply,
}

/// A bucket name by AWS's rules: a policy for anything else would allow more than was meant, or nothing.
fn bucket(text: &str) -> Result<String, String> {
    match bucket_fault(text) {
        Some(why) => Err(why),
        None => Ok(text.to_owned()),
    }
}

pub(super) fn run(
    args: &IamPolicyArgs,
    global: &Global,
    events: &Events,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    let loaded = match session::load("iam-policy", global, events, ui) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let purpose = match args.command {
        For::Plan | For::Drift if args.blame => Purpose::Blame,
        For::Plan | For::Drift => Purpose::Plan,
        For::Apply if args.blame => {
            return Err(Failure::error("`apply` asks CloudTrail nothing")
                .help("use `iam-policy drift --blame`, or leave `--blame` out"));
        }
        For::Apply => Purpose::Apply,
    };
    let prune = args.prune.unwrap_or(loaded.stack.prune);
    let policy = permission::policy(&loaded.stack, &loaded.desired, prune, purpose, &args.bucket);
    for note in permission::notes(&policy) {
        ui.say(&format!("note: {note}\n"));
    }
    ui.answer(&pretty(&policy))?;
    Ok(ExitCode::Done)
}
