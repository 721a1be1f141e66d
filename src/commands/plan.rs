use super::completions::addresses;
use super::events::EventsArgs;
use super::failure::Failure;
use super::inputs::{self, Naming};
use super::reports::ReportsArgs;
use super::selection::{SelectionArgs, select};
use super::session::{self, Session};
use crate::cli::{ExitCode, Global};
use crate::kinds::{Address, is_saved_plan};
use crate::plan::{Approval, Policy, Status, Terms};
use crate::ui::Ui;
use crate::ui::escape::escape;
use crate::ui::events::Events;
use crate::ui::file::{self, Sort};
use clap::ValueEnum;
use clap_complete::ArgValueCompleter;
use std::path::PathBuf;

/// Show what would change
///
/// Reads the account and compares it with the manifests. Writes nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(super) planning: PlanningArgs,
    /// Exit 2 where there are changes
    #[arg(long, env = "IVS_APPLY_DETAILED_EXITCODE", value_parser = clap::builder::BoolishValueParser::new())]
    detailed_exitcode: bool,
    /// Save the plan, to be approved and given to `apply`
    #[arg(long, value_name = "FILE", env = "IVS_APPLY_OUT")]
    out: Option<PathBuf>,
    /// Confirm the exact number of deletes of a plan to be saved
    #[arg(long, value_name = "N", env = "IVS_APPLY_CONFIRM_DELETES")]
    confirm_deletes: Option<usize>,
    #[command(flatten)]
    pub(super) events: EventsArgs,
    #[command(flatten)]
    pub(super) reports: ReportsArgs,
}

/// What decides how a plan comes out.
#[derive(Debug, clap::Args)]
pub(crate) struct PlanningArgs {
    /// Delete orphaned resources (in no manifest)
    ///
    /// Only resources that the stack owns. `--prune=false` overrides the Stack.
    #[arg(long, value_name = "BOOL", hide_possible_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new(), env = "IVS_APPLY_PRUNE")]
    prune: Option<bool>,
    /// Resource whose audience may be cut off
    #[arg(long, value_name = "KIND/NAME", value_delimiter = ' ', add = ArgValueCompleter::new(addresses), env = "IVS_APPLY_ALLOW_LIVE")]
    allow_live: Vec<Address>,
    #[command(flatten)]
    selection: SelectionArgs,
    /// How much of the account is read [default: auto]
    #[arg(long, value_enum, env = "IVS_APPLY_REFRESH")]
    refresh: Option<Refresh>,
}

/// How much of the account is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Refresh {
    /// What is needed.
    Auto,
    /// Every object, even where its digest already answers.
    Full,
}

impl PlanningArgs {
    /// What was said, in the form that a saved plan keeps.
    pub(super) fn terms(&self, confirm_deletes: Option<usize>) -> Terms {
        Terms {
            prune: self.prune,
            allow_live: self.allow_live.iter().map(ToString::to_string).collect(),
            refresh_full: self.refresh == Some(Refresh::Full),
            confirm_deletes,
            ..self.selection.terms()
        }
    }

    /// The terms of a saved plan. What is said beside it must be what it was saved with.
    pub(super) fn approved(
        &self,
        saved: &Terms,
        confirm_deletes: Option<usize>,
    ) -> Result<Terms, Failure> {
        let said = self.terms(confirm_deletes);
        let conflicts = [
            ("--prune", said.prune.is_some() && said.prune != saved.prune),
            ("--allow-live", !said.allow_live.is_empty() && said.allow_live != saved.allow_live),
            ("--only", !said.only.is_empty() && said.only != saved.only),
            ("--exclude", !said.exclude.is_empty() && said.exclude != saved.exclude),
            ("-l", !said.labels.is_empty() && said.labels != saved.labels),
            ("--refresh", self.refresh.is_some() && said.refresh_full != saved.refresh_full),
            (
                "--confirm-deletes",
                saved.confirm_deletes.is_some()
                    && said.confirm_deletes.is_some_and(|it| saved.confirm_deletes != Some(it)),
            ),
        ];
        if let Some((flag, _)) = conflicts.iter().find(|(_, conflict)| *conflict) {
            return Err(Failure::error(format!(
                "`{flag}` differs from the flags of the saved plan"
            ))
            .help("leave the flag out, or save another plan with it"));
        }
        Ok(Terms { confirm_deletes: saved.confirm_deletes.or(confirm_deletes), ..saved.clone() })
    }
}

/// The policy of a run under `terms`.
pub(super) fn policy(terms: &Terms, loaded: &crate::manifest::Loaded) -> Result<Policy, Failure> {
    let selected = select(&terms.selection().map_err(Failure::error)?, loaded)?;
    terms.policy(loaded.stack.prune, loaded.desired.len(), selected).map_err(Failure::error)
}

/// What may be written over.
const SAVED: Sort = Sort { what: "a saved plan", is: is_saved_plan };

pub(super) async fn run(
    args: &PlanArgs,
    global: &Global,
    events: &Events,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    if let Some(out) = &args.out {
        file::may_write(out, SAVED)?;
    }
    let loaded = match session::load("plan", global, events, ui) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let terms = args.planning.terms(args.confirm_deletes);
    let policy = policy(&terms, &loaded)?;
    let session = Session::open(loaded, global, &policy, terms.refresh_full, events, ui).await?;
    session.tell();
    session.say_what_is_not_there(ui);
    let approval = match &args.out {
        Some(_) => Some(session.approval(terms, inputs::of(global))?),
        None => None,
    };
    session.show("plan", global, ui)?;
    session.connection.close()?;
    let status = session.planned.plan.status();
    if let (Some(out), Some(approval)) = (&args.out, approval) {
        let naming = Naming::of(global, &session.connection.aws().endpoints);
        if save(out, &approval, status, &inputs::command(out, global, &naming), &naming, ui)? {
            events.record.saved(out);
        }
    }
    Ok(match status {
        Status::Blocked => ExitCode::Refused,
        Status::Changes if args.detailed_exitcode => ExitCode::Changes,
        _ => ExitCode::Done,
    })
}

/// Saves the plan; whether it was saved, since a plan that must not be carried out cannot be approved.
fn save(
    out: &std::path::Path,
    approval: &Approval,
    status: Status,
    command: &str,
    naming: &Naming,
    ui: Ui,
) -> Result<bool, Failure> {
    let name = escape(&out.display().to_string(), 200);
    if status == Status::Blocked {
        ui.say(&format!("not saved: a blocked plan cannot be approved; {name} is unchanged\n"));
        return Ok(false);
    }
    file::write(out, &crate::ui::escape::json(&approval.text()), SAVED)?;
    let command = escape(command, 2_000);
    let whole = if naming.has_placeholder {
        ", where `URL` is the full address of the endpoint,"
    } else {
        ","
    };
    ui.say(&format!(
        "saved: `{command}` applies it{whole} provided that neither the manifests nor the account \
         change\n"
    ));
    Ok(true)
}
