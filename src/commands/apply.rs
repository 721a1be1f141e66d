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
    let ended = consented(command, &session, consent, global, ui).await;
    // The pretend account keeps what was done to it, whatever came of the run.
    session.connection.close()?;
    ended
}

async fn consented(
    command: &str,
    session: &Session,
    consent: &ConsentArgs,
    global: &Global,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    let text = global.format == Format::Text;
    // A reader that has gone away does not stop a run that was consented to; it only changes its end.
    let shown = if text { session.show(command, global, ui) } else { Ok(()) };
    let blocked = session.blocked(consent.confirm_deletes);
    if let Some(failure) = blocked {
        return refuse(failure, command, session, text, global, ui);
    }
    if !session.plan.has_work() {
        if !text {
            session.show(command, global, ui)?;
        }
        return shown.map(|()| ExitCode::Done);
    }
    if !consent.yes {
        shown?;
        return ask_first(command, session, text, global, ui).await;
    }
    finish(command, session, shown, text, ui).await
}

/// Gets a person's consent.
async fn ask_first(
    command: &str,
    session: &Session,
    text: bool,
    global: &Global,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    if !text && ui.can_ask() {
        // A question about a plan that nobody has seen would be no question.
        let header = session.connection.header(&session.loaded.stack);
        ui.say(&crate::ui::plan::text(&session.plan, &header, &session.loaded.sources));
    }
    let refusal = if !ui.can_ask() {
        Failure::refused(
            "there is no terminal to ask on, so nothing was done",
            "add `--yes` to carry the plan out without asking",
        )
    } else if ui.ask("\nCarry this out? Only `yes` is taken: ") {
        if session.still_holds().await? {
            return finish(command, session, Ok(()), text, ui).await;
        }
        Failure::refused(
            "the account changed since the plan was made, so nothing was done",
            "run the command again and look at the new plan",
        )
    } else {
        Failure::refused("not confirmed, so nothing was done", "answer `yes` next time")
    };
    refuse(refusal, command, session, text, global, ui)
}

/// Says no; a JSON document is whole even where nothing was done.
fn refuse(
    failure: Failure,
    command: &str,
    session: &Session,
    text: bool,
    global: &Global,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    if text {
        return Err(failure);
    }
    session.show_refused(command, Some(&failure), global, ui)?;
    ui.say(&format!("error: {}\n", crate::ui::escape::escape(&failure.message, 2_000)));
    Ok(failure.code)
}

/// Does it, and reports.
async fn finish(
    command: &str,
    session: &Session,
    shown: Result<(), Failure>,
    text: bool,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    let outcome = do_it(session, ui).await;
    let said = if text {
        report(&session.plan, &outcome)
    } else {
        let frame = session.connection.frame(command, &session.loaded);
        pretty(&json::plan(&frame, &session.plan, Some(&outcome), &session.loaded.sources))
    };
    match (exit_code(&outcome), shown, ui.answer(&said)) {
        // What came of the run matters more than who heard of it.
        (ExitCode::Done, Err(_), _) | (ExitCode::Done, _, Err(_)) => {
            ui.say("error: everything was carried out, but the answer could not be written\n");
            Ok(ExitCode::Partly)
        }
        (code, _, _) => Ok(code),
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
