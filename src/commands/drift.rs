use super::answer::pretty;
use super::events::EventsArgs;
use super::failure::Failure;
use super::selection::{SelectionArgs, select};
use super::session::{self, Session};
use crate::cli::{ExitCode, Format, Global};
use crate::plan::{Cause, Policy};
use crate::ui::events::Events;
use crate::ui::{Ui, drift, html, json};

/// Show changes made outside ivs-apply
///
/// Compares what exists with what was last applied; what is live comes first. Writes nothing. Exits 2 on
/// drift: a field or tag that was changed, also where the manifest changed since; a resource that was deleted, or
/// that is missing while other resources of the stack exist. A manifest that changed, an object that is not adopted
/// yet, a deferred change, a composition that is dormant or runs only while its stage is active and a stack that was
/// never applied are not drift.
#[derive(Debug, clap::Args)]
pub(crate) struct DriftArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Do not count a missing resource as drift, unless something shows that it was applied
    #[arg(long, env = "IVS_APPLY_MISSING_OK", value_parser = clap::builder::BoolishValueParser::new())]
    missing_ok: bool,
    #[command(flatten)]
    pub(super) events: EventsArgs,
}

pub(super) async fn run(
    args: &DriftArgs,
    global: &Global,
    events: &Events,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    let loaded = match session::load("drift", global, ui) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let selected = select(&args.selection.selection(), &loaded)?;
    let policy = Policy { selected, ..Policy::default() };
    let mut session = Session::open(loaded, global, &policy, false, events, ui).await?;
    let missing = session.planned.plan.steps.iter().any(|it| it.because.contains(&Cause::Missing));
    let count_missing = missing && !args.missing_ok && session.was_applied().await?;
    let others = session.planned.plan.keep_drift(&session.planned.observed.audience, count_missing);
    events.planned(&session.planned.plan);
    let drifted = !session.planned.plan.steps.is_empty();
    let text = if global.format == Format::Json {
        let frame = session.connection.frame("drift", &session.loaded);
        let mut document = json::plan(&frame, &session.planned.plan, None, &session.loaded.sources);
        document["notDrift"] = json::not_drift(&others);
        pretty(&document)
    } else if global.format == Format::Html {
        let report = html::Report {
            command: "drift",
            header: &session.connection.header(&session.loaded.stack),
            sources: &session.loaded.sources,
            read_at: session.planned.observed.as_of,
        };
        html::drift(&session.planned.plan, &others, &report)
    } else {
        let header = session.connection.header(&session.loaded.stack);
        drift::text(&session.planned.plan, &others, &header, &session.loaded.sources)
    };
    ui.answer(&text)?;
    session.connection.close()?;
    Ok(if drifted { ExitCode::Changes } else { ExitCode::Done })
}
