use super::plan::{PlanningArgs, Refresh};
use super::session::{self, Session};
use super::{Failure, pretty};
use crate::apply::{Event, Outcome, Signal, Stop, apply};
use crate::cli::{ExitCode, Format, Global};
use crate::ui::progress::{Progress, report};
use crate::ui::{Ui, json};
use tokio::sync::watch;

/// Make the account equal to the manifests
///
/// Plans, asks on a terminal, and carries the plan out in dependency order. Elsewhere `--yes` is needed.
/// A run that was stopped or killed is continued by running it again.
#[derive(Debug, clap::Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    planning: PlanningArgs,
    #[command(flatten)]
    consent: ConsentArgs,
}

/// What allows a plan to be carried out.
#[derive(Debug, clap::Args)]
pub(crate) struct ConsentArgs {
    /// Do not ask
    #[arg(short, long, env = "IVS_APPLY_YES", value_parser = clap::builder::FalseyValueParser::new())]
    yes: bool,
    /// The exact number of deletes, where a plan has many
    #[arg(long, value_name = "N")]
    confirm_deletes: Option<usize>,
}

pub(super) async fn run(args: &ApplyArgs, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
    let loaded = match session::load("apply", global, ui) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let policy = args.planning.policy(loaded.stack.prune, loaded.desired.len());
    let full = args.planning.refresh == Refresh::Full;
    let session = Session::open(loaded, global, &policy, full, true).await?;
    carry_out("apply", session, &args.consent, global, ui).await
}

/// Shows the plan, gets consent, and does it.
pub(super) async fn carry_out(
    command: &str,
    session: Session,
    consent: &ConsentArgs,
    global: &Global,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    let ended = Carrying { command, session: &session, global, ui }.out(consent).await;
    // The pretend account keeps what was done to it, whatever came of the run.
    session.connection.close()?;
    ended
}

/// A plan on its way to being carried out.
struct Carrying<'a> {
    command: &'a str,
    session: &'a Session,
    global: &'a Global,
    ui: Ui,
}

impl Carrying<'_> {
    fn in_json(&self) -> bool {
        self.global.format == Format::Json
    }

    async fn out(&self, consent: &ConsentArgs) -> Result<ExitCode, Failure> {
        // A reader that has gone away does not stop a run that was consented to; it only changes its end.
        // A JSON document comes at the end, whole.
        let shown = if self.in_json() {
            Ok(())
        } else {
            self.session.show(self.command, self.global, self.ui)
        };
        if let Some(failure) = self.session.blocked(consent.confirm_deletes) {
            return self.refuse(failure);
        }
        if !self.session.plan.has_work() {
            shown?;
            if self.in_json() {
                self.report(&Outcome::default())?;
            }
            return Ok(ExitCode::Done);
        }
        if !consent.yes {
            shown?;
            return self.ask_first().await;
        }
        self.finish(shown).await
    }

    /// Gets a person's consent.
    async fn ask_first(&self) -> Result<ExitCode, Failure> {
        if !self.ui.can_ask() {
            return self.refuse(Failure::refused(
                "there is no terminal to ask on, so nothing was done",
                "add `--yes` to carry the plan out without asking",
            ));
        }
        if self.in_json() {
            // A question about a plan that nobody has seen would be no question.
            let header = self.session.connection.header(&self.session.loaded.stack);
            let sources = &self.session.loaded.sources;
            self.ui.say(&crate::ui::plan::text(&self.session.plan, &header, sources));
        }
        if !self.ui.ask("\nCarry this out? Only `yes` is taken: ") {
            return self.refuse(Failure::refused(
                "not confirmed, so nothing was done",
                "answer `yes` next time",
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

    /// Says no; a JSON document is whole even where nothing was done.
    fn refuse(&self, failure: Failure) -> Result<ExitCode, Failure> {
        if !self.in_json() {
            return Err(failure);
        }
        self.session.show_refused(self.command, Some(&failure), self.global, self.ui)?;
        let message = crate::ui::escape::escape(&failure.message, 2_000);
        self.ui.say(&format!("error: {message}\n"));
        Ok(failure.code)
    }

    /// Does it, and reports.
    async fn finish(&self, shown: Result<(), Failure>) -> Result<ExitCode, Failure> {
        let outcome = do_it(self.session, self.ui).await;
        match (exit_code(&outcome), shown, self.report(&outcome)) {
            // What came of the run matters more than who heard of it.
            (ExitCode::Done, Err(_), _) | (ExitCode::Done, _, Err(_)) => {
                self.ui.say(
                    "error: everything was carried out, but the answer could not be written\n",
                );
                Ok(ExitCode::Partly)
            }
            (code, _, _) => Ok(code),
        }
    }

    fn report(&self, outcome: &Outcome) -> Result<(), Failure> {
        let Session { loaded, connection, plan, .. } = self.session;
        let said = if self.in_json() {
            let frame = connection.frame(self.command, loaded);
            pretty(&json::plan(&frame, plan, Some(outcome), &loaded.sources))
        } else {
            report(plan, outcome)
        };
        Ok(self.ui.answer(&said)?)
    }
}

async fn do_it(session: &Session, ui: Ui) -> Outcome {
    let (stopper, stop) = watch::channel(Stop::default());
    let signals = tokio::spawn(listen(stopper));
    let doing = session.plan.steps.iter().filter(|it| it.decision.is_do()).count();
    let progress = Progress::new(ui, doing);
    let tell = |event: Event| progress.show(&event);
    let outcome = apply(
        &session.connection.aws,
        &session.loaded.stack,
        &session.plan,
        &session.live,
        stop,
        &tell,
    )
    .await;
    progress.finish();
    signals.abort();
    outcome
}

fn exit_code(outcome: &Outcome) -> ExitCode {
    match outcome.stopped {
        Some(Signal::Interrupt) => ExitCode::Interrupted,
        Some(Signal::Terminate) => ExitCode::Terminated,
        None if outcome.is_well() => ExitCode::Done,
        None if outcome.wrote => ExitCode::Partly,
        None => ExitCode::Error,
    }
}

/// Turns signals into wishes: the first to stop soon, the second to stop now.
async fn listen(stopper: watch::Sender<Stop>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the process simply ends on a signal, as it would have anyway.
        tracing::warn!("signals cannot be listened for");
        std::future::pending::<()>().await;
        return;
    };
    loop {
        let got = tokio::select! {
            _ = interrupt.recv() => Signal::Interrupt,
            _ = terminate.recv() => Signal::Terminate,
        };
        stopper.send_modify(|stop| match stop.first {
            None => stop.first = Some(got),
            Some(_) => stop.now = true,
        });
    }
}
