use super::answer::printed;
use super::carry_out::carry_out;
use super::connection::{Account, Connection};
use super::events::EventsArgs;
use super::failure::{Failure, refused};
use super::inputs;
use super::lock::Guard;
use super::plan::{PlanningArgs, policy};
use super::reports::ReportsArgs;
use super::rounds;
use super::session::{self, Session};
use super::wait::{self, Waited};
use crate::apply::{Outcome, Signal};
use crate::cli::{ExitCode, Format, Global, not_empty, program};
use crate::diag::Code;
use crate::manifest::envelope::kind_names;
use crate::manifest::source::read_named;
use crate::plan::{Approval, Difference, Policy};
use crate::ui::ci::{Known, Left};
use crate::ui::escape::escape;
use crate::ui::events::Events;
use crate::ui::html::Ran;
use crate::ui::progress::{failures, left, report};
use crate::ui::saved::difference;
use crate::ui::shell::quote;
use crate::ui::{Ui, json};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Apply the manifests to the account
///
/// Plans, asks for confirmation on a terminal, and applies the plan in dependency order. Without a terminal, `--yes` or a
/// saved plan is required. A saved plan is applied without a prompt if a new plan is the same; otherwise it is refused
/// with exit code 5. To continue an interrupted run, run the command again. Deferred steps do not fail the run unless
/// `--fail-on-deferred` is given; `--format json` and `github` report their number.
#[derive(Debug, clap::Args)]
pub(crate) struct ApplyArgs {
    /// Saved plan of `plan --out`; nothing else is applied
    ///
    /// It was saved with its flags.
    #[arg(value_name = "PLAN")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    planning: PlanningArgs,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    pub(super) events: EventsArgs,
    /// Wait up to this long, such as `3h`, to apply deferred steps
    ///
    /// The run ends once every step is applied. Exits 3 if steps are still deferred at the end.
    #[arg(long, value_name = "TIME", value_parser = wait::time, env = "IVS_APPLY_WAIT")]
    wait: Option<Duration>,
    #[command(flatten)]
    pub(super) reports: ReportsArgs,
    /// Repeat after this pause, such as `1m`, until a signal; requires `--yes`
    #[arg(long, value_name = "TIME", value_parser = rounds::interval, conflicts_with_all = ["plan", "wait"], env = "IVS_APPLY_INTERVAL")]
    pub(super) interval: Option<Duration>,
}

impl ApplyArgs {
    /// Whether the run asks nothing.
    pub(super) fn is_confirmed(&self) -> bool {
        self.consent.yes
    }
}

/// What allows a plan to be carried out.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ConsentArgs {
    /// Skip the confirmation prompt
    #[arg(short, long, alias = "auto-approve", env = "IVS_APPLY_YES", value_parser = clap::builder::BoolishValueParser::new())]
    yes: bool,
    /// Confirm a plan with many deletes by their exact number
    #[arg(long, value_name = "N", env = "IVS_APPLY_CONFIRM_DELETES")]
    confirm_deletes: Option<usize>,
    /// Exit 3 where anything was deferred, such as a change to a channel that is live
    #[arg(long, env = "IVS_APPLY_FAIL_ON_DEFERRED", value_parser = clap::builder::BoolishValueParser::new())]
    fail_on_deferred: bool,
    /// Carry on in a freeze of the stack; REASON is written into the output
    #[arg(long, value_name = "REASON", value_parser = not_empty, env = "IVS_APPLY_IGNORE_FREEZE")]
    pub(super) ignore_freeze: Option<String>,
    /// `--wait`, which `apply` alone has.
    #[arg(skip)]
    wait: Option<Duration>,
}

pub(super) async fn run(
    args: &ApplyArgs,
    global: &Global,
    events: &Events,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    let approval = args.plan.as_deref().map(|it| read_approval(it, "apply")).transpose()?;
    let (global, account) = match (&args.plan, &approval) {
        (Some(file), Some(approval)) => {
            let (stack, region) = (approval.place.stack.clone(), approval.place.region.clone());
            events.record.is_about(Known { stack: Some(stack), region: Some(region) });
            let restored = inputs::restored(file, approval, global, ui)?;
            let account = Account::of(&restored, None).await?;
            inputs::at_its_endpoint(file, approval, global, account.endpoints())?;
            (restored, Some(account))
        }
        _ => (global.clone(), None),
    };
    let global = &global;
    let confirmed = args.consent.confirm_deletes;
    let terms = match &approval {
        None => args.planning.terms(confirmed),
        Some(approval) => args.planning.approved(&approval.terms, confirmed)?,
    };
    let loaded = match session::load("apply", global, events, ui) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let policy = policy(&terms, &loaded).map_err(|failure| match &approval {
        Some(_) => Failure::stale(failure.message),
        None => failure,
    })?;
    let policy = Policy { ignore_freeze: args.consent.ignore_freeze.clone(), ..policy };
    let account = match account {
        Some(account) => account,
        None => Account::of(global, Some(&loaded)).await?,
    };
    let connection = Connection::open_at(account, global, &loaded.stack, ui).await?;
    let connection = connection.telling(events, &loaded.stack);
    connection.may_write(&loaded.stack)?;
    rounds::may_repeat(args.interval, &connection)?;
    // The plan that is carried out is made under the lock, so nothing has to be confirmed afterwards.
    let guard = Guard::begin(&connection, &loaded.stack, ui).await?;
    let work = Box::pin(async {
        let session = Session::read(loaded, connection, &policy, terms.refresh_full).await?;
        let consent = ConsentArgs {
            confirm_deletes: terms.confirm_deletes,
            wait: args.wait,
            ..args.consent.clone()
        };
        let Some(approval) = approval else {
            session.say_what_is_not_there(ui);
            return show_and_do("apply", session, &consent, None, &guard, global, ui).await;
        };
        let now = session.approval(terms, inputs::of(global))?;
        let differences = approval.differences(&now);
        show_and_do("apply", session, &consent, Some(&differences), &guard, global, ui).await
    });
    let ended = guard.watch(work).await;
    guard.end(ended).await
}

/// The most that a saved plan may hold: some ten thousand steps.
const SAVED_PLAN_BYTES: u64 = 64 * 1024 * 1024;

/// Reads the file of a saved plan. `reader` is the command that takes manifests, for the message where a manifest was given instead of a plan.
pub(super) fn read_approval(path: &Path, reader: &str) -> Result<Approval, Failure> {
    let name = path.display();
    let command = format!("{} {reader} -f {}", quote(&program()), quote(&name.to_string()));
    let no_plan = |what: &str| {
        Failure::error(format!("`{name}` is {what}, not a saved plan"))
            .help(format!("use `{command}`"))
    };
    if path.is_dir() {
        return Err(no_plan("a folder"));
    }
    let text = read_named(path, SAVED_PLAN_BYTES).map_err(|refused| {
        let message = format!("`{name}` {}", refused.message);
        // What is no text is no plan any more; a file that is not there never was one.
        if refused.code == Code::NotUtf8 {
            return Failure::stale(message);
        }
        Failure::error(message).help(format!(
            "a saved plan is the file of `plan --out FILE`; for manifests use `{command}`"
        ))
    })?;
    let value = serde_json::from_str::<Value>(&text).ok();
    if is_manifest(path, value.as_ref()) {
        return Err(no_plan("a manifest"));
    }
    if let Some(command) = value.as_ref().and_then(answered) {
        let message =
            format!("`{name}` is what `{command} --format json` printed, not a saved plan");
        return Err(Failure::error(message).help(
            "save the plan with `plan --out FILE`, and give that FILE to `apply` or `show`",
        ));
    }
    let has_list = |name: &str| value.as_ref().is_some_and(|it| it[name].is_array());
    if has_list("runs") && has_list("targets") {
        let message = format!("`{name}` has the results of a fleet, and is not a saved plan");
        return Err(Failure::error(message)
            .help("`ivs-apply fleet report FOLDER` shows the results in a folder"));
    }
    Approval::read(&text).map_err(|why| Failure::stale(format!("`{name}` {why}")))
}

/// Whether the path of a saved plan names a manifest.
fn is_manifest(path: &Path, value: Option<&Value>) -> bool {
    let yaml = path.extension().is_some_and(|it| it == "yaml" || it == "yml");
    let kind = value.and_then(|it| it["kind"].as_str());
    yaml || kind.is_some_and(|kind| kind_names().any(|it| it == kind))
}

/// The command that has answered this in JSON.
fn answered(value: &Value) -> Option<&'static str> {
    let is_ours = value["tool"]["name"] == env!("CARGO_PKG_NAME") && value["steps"].is_array();
    let command = value["command"].as_str().filter(|_| is_ours)?;
    ["plan", "apply", "destroy", "drift"].into_iter().find(|it| *it == command)
}

/// Shows the plan, gets consent, and does it. `approved` says in what it differs from a plan that the user
/// has approved already.
pub(super) async fn show_and_do(
    command: &str,
    mut session: Session,
    consent: &ConsentArgs,
    approved: Option<&[Difference]>,
    guard: &Guard,
    global: &Global,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    session.tell();
    let waited = None;
    let mut carrying =
        Carrying { command, session: &mut session, consent, approved, guard, global, ui, waited };
    let ended = carrying.out().await;
    // The emulated account keeps all changes, however the run ended.
    let wrote = session.connection.aws().gate.writes() > 0;
    session.connection.close().map_err(|failure| {
        let code = if wrote { ExitCode::Partly } else { failure.code };
        Failure { code, ..failure }
    })?;
    ended
}

/// A plan on its way to being carried out.
struct Carrying<'a> {
    command: &'a str,
    session: &'a mut Session,
    consent: &'a ConsentArgs,
    approved: Option<&'a [Difference]>,
    guard: &'a Guard,
    global: &'a Global,
    ui: Ui,
    waited: Option<Waited>,
}

impl Carrying<'_> {
    /// Whether the result is one document for a program, which comes at the end, whole.
    fn is_document(&self) -> bool {
        matches!(
            self.global.format,
            Format::Json | Format::Html | Format::Github | Format::Markdown
        )
    }

    async fn out(&mut self) -> Result<ExitCode, Failure> {
        let consent = self.consent;
        // A reader that has gone away does not stop a run that was consented to; it only changes its end.
        let shown = if self.is_document() {
            Ok(())
        } else {
            self.session.show(self.command, self.global, self.ui)
        };
        if let Some(differences) = self.approved.filter(|it| !it.is_empty()) {
            return self.stale(differences, shown);
        }
        if let Some(failure) = self.session.refused(self.guard.lock(), consent.confirm_deletes) {
            return self.refuse(failure);
        }
        if !self.session.planned.plan.has_work() && !self.waits() {
            shown?;
            let nothing = Outcome::default();
            if self.is_document() {
                self.report(&nothing)?;
            }
            return Ok(self.ended(&nothing));
        }
        if !consent.yes && self.approved.is_none() {
            shown?;
            return self.ask_first().await;
        }
        self.finish(shown).await
    }

    /// Whether the run stays for what it defers.
    fn waits(&self) -> bool {
        let deferred = || self.session.planned.plan.summary().deferred > 0;
        self.consent.wait.is_some() && deferred()
    }

    /// Gets a person's consent.
    async fn ask_first(&mut self) -> Result<ExitCode, Failure> {
        if !self.ui.can_ask() {
            return self.refuse(Failure::refused(
                "there is no terminal for the confirmation prompt, so nothing was done",
                "add `--yes` to carry the plan out without asking",
            ));
        }
        if self.is_document() {
            // The plan has to be shown before the question.
            let Session { loaded, connection, planned } = &self.session;
            let header = connection.header(&loaded.stack);
            let places = session::places(self.global);
            self.ui.say(&crate::ui::plan::text(&planned.plan, &header, &loaded.sources, places));
        }
        let ui = self.ui;
        // Ctrl-C must work as an answer to the question.
        let ask = move || ui.ask("\nApply these changes? Type yes to confirm: ");
        if !tokio::task::spawn_blocking(ask).await.unwrap_or(false) {
            return self.refuse(Failure::refused(
                "not confirmed, so nothing was done",
                "type `yes` to confirm",
            ));
        }
        if !self.session.still_holds().await? {
            return self.refuse(Failure::refused(
                "the account changed since the plan was made, so nothing was done",
                "run the command again and look at the new plan",
            ));
        }
        self.finish(Ok(())).await
    }

    /// Says no, since what was approved is not what would be done now.
    fn stale(
        &self,
        differences: &[Difference],
        shown: Result<(), Failure>,
    ) -> Result<ExitCode, Failure> {
        self.session.connection.events.record.is_stale(differences);
        let s = if differences.len() == 1 { "" } else { "s" };
        let message = format!("the saved plan is stale: {} difference{s}", differences.len());
        if !self.is_document() {
            shown?;
            let mut text = "\nThe approved plan differs from the current plan:\n".to_owned();
            for it in differences {
                text.push_str(&format!("  {}\n", escape(&difference(it), 1_000)));
            }
            self.ui.answer(&text)?;
        }
        self.refuse(Failure::stale(message))
    }

    /// Says no; a JSON document is whole even where nothing was done.
    fn refuse(&self, failure: Failure) -> Result<ExitCode, Failure> {
        if !self.is_document() {
            return Err(failure);
        }
        let differences = self.approved.unwrap_or_default();
        let Self { command, global, ui, .. } = self;
        self.session.show_refused(command, Some(&failure), differences, global, *ui)?;
        let message = escape(&failure.message, 2_000);
        self.ui.say(&format!("error: {message}\n"));
        failure.tell(&self.session.connection.events);
        Ok(failure.code)
    }

    /// Does it, and reports.
    async fn finish(&mut self, shown: Result<(), Failure>) -> Result<ExitCode, Failure> {
        let Session { connection, planned, .. } = &*self.session;
        let confirmed = self.consent.confirm_deletes;
        let carried = carry_out(planned, connection, confirmed, self.guard, self.ui).await;
        let mut outcome = carried.map_err(refused)?;
        if let Some(at_most) = self.consent.wait {
            let waits =
                wait::for_deferred(self.session, self.guard, &mut outcome, at_most, self.ui);
            self.waited = Some(Box::pin(waits).await);
        }
        self.session.connection.events.applied(&self.session.planned.plan, &outcome);
        let reported = self.report(&outcome);
        // What went wrong comes last, where a reader of a long log looks.
        self.ui.say(&failures(&self.session.planned.plan, &outcome));
        match (self.ended(&outcome), shown, reported) {
            // What came of the run matters more than who heard of it.
            (ExitCode::Done, Err(_), _) | (ExitCode::Done, _, Err(_)) => {
                self.ui
                    .say("error: all changes were applied, but the result could not be written\n");
                Ok(ExitCode::Partly)
            }
            (code, _, _) => Ok(code),
        }
    }

    fn report(&self, outcome: &Outcome) -> Result<(), Failure> {
        let Session { loaded, connection, planned } = &*self.session;
        let plan = &planned.plan;
        let said = match self.global.format {
            Format::Json => {
                let frame = connection.frame(self.command, loaded);
                let mut document = json::plan(&frame, plan, Some(outcome), &loaded.sources);
                if let Some(Waited { took, rounds }) = &self.waited {
                    let left = wait::left(self.session, outcome);
                    document["waited"] = json::waited(*took, rounds, &left);
                }
                printed(&document, self.global)
            }
            // These are written at the end, from the record of the run.
            Format::Github | Format::Markdown => return Ok(()),
            Format::Html => self.session.page(self.command, Ran::Applied(outcome), &[]),
            _ => report(plan, outcome),
        };
        Ok(self.ui.answer(&said)?)
    }

    /// How a run ends, given what came of its steps; says what it leaves where it must not leave anything.
    fn ended(&self, outcome: &Outcome) -> ExitCode {
        let Session { loaded, connection, planned } = &*self.session;
        let allowed = match () {
            () if self.session.destroys() => Left::Nothing,
            () if self.consent.fail_on_deferred => Left::NotDeferred,
            () => Left::MayBeLeft,
        };
        let (header, sources) = (connection.header(&loaded.stack), &loaded.sources);
        connection.events.record.applied(&planned.plan, outcome, allowed, &header, sources);
        let code = exit_code(outcome);
        if code != ExitCode::Done {
            return code;
        }
        let plan = &self.session.planned.plan;
        let counts = outcome.counts(plan);
        if self.session.destroys() && counts.left() > 0 {
            self.ui.say(&left(plan, outcome, "not deleted"));
            return if counts.carried_out() > 0 { ExitCode::Partly } else { ExitCode::Refused };
        }
        if self.waited.is_some() && counts.deferred > 0 {
            self.ui.say(&left(plan, outcome, "still deferred when the time of `--wait` was up"));
            return ExitCode::Partly;
        }
        if self.consent.fail_on_deferred && counts.deferred > 0 {
            self.ui.say(&left(plan, outcome, "deferred to a later run"));
            return ExitCode::Partly;
        }
        ExitCode::Done
    }
}

fn exit_code(outcome: &Outcome) -> ExitCode {
    match outcome.stopped {
        Some(Signal::Hangup) => ExitCode::HungUp,
        Some(Signal::Interrupt) => ExitCode::Interrupted,
        Some(Signal::Terminate) => ExitCode::Terminated,
        None if outcome.is_well() => ExitCode::Done,
        // A call that was in flight at the end may have been carried out.
        Some(Signal::LockLost | Signal::Frozen) | None if outcome.wrote || outcome.is_unclear() => {
            ExitCode::Partly
        }
        Some(Signal::Frozen) => ExitCode::Refused,
        Some(Signal::LockLost) | None => ExitCode::Error,
    }
}
