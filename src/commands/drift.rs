use super::answer::printed;
use super::events::EventsArgs;
use super::failure::Failure;
use super::reports::ReportsArgs;
use super::rounds;
use super::selection::{SelectionArgs, select};
use super::session::{self, Session};
use crate::aws::trail::Trail;
use crate::cli::{ExitCode, Format, Global};
use crate::cloud::{self, Question};
use crate::plan::{Attention, Cause, Note, Policy, Step};
use crate::ui::blame::Blamed;
use crate::ui::events::Events;
use crate::ui::{self, Ui, drift, html, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Show changes made outside ivs-apply
///
/// Compares what exists with what was last applied; what is live comes first. Writes nothing. Exits 2 on
/// drift: a field or tag that was changed, also where the manifest changed since; a resource that was deleted, or
/// that is missing while other resources of the stack exist. A manifest that changed, an object that is not adopted
/// yet, a deferred change, a composition that is dormant or runs only while its stage is active and a stack that was
/// never applied are not drift. If no resource of the stack exists, `drift` cannot tell a deleted stack from one that was
/// never applied: it exits 0 with a warning, and in JSON with the note `nothingExists`.
#[derive(Debug, clap::Args)]
pub(crate) struct DriftArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Do not count a missing resource as drift
    ///
    /// By default a missing resource is drift if anything shows that it was applied, such as another resource of the
    /// stack.
    #[arg(long, env = "IVS_APPLY_MISSING_OK", value_parser = clap::builder::BoolishValueParser::new())]
    missing_ok: bool,
    /// Ask CloudTrail who changed the drifted resources
    ///
    /// The answer is the principal, the time and the operation of the last writes. CloudTrail answers two requests a second, keeps 90 days, and records a write within about 15 minutes. Needs
    /// `cloudtrail:LookupEvents`: `iam-policy drift --blame` prints it. The answer is the same drift where CloudTrail
    /// does not answer.
    #[arg(long, env = "IVS_APPLY_BLAME", value_parser = clap::builder::BoolishValueParser::new())]
    blame: bool,
    #[command(flatten)]
    pub(super) events: EventsArgs,
    #[command(flatten)]
    pub(super) reports: ReportsArgs,
    /// Repeat after this pause, such as `1h`, until a signal
    #[arg(long, value_name = "TIME", value_parser = rounds::interval, env = "IVS_APPLY_INTERVAL")]
    pub(super) interval: Option<Duration>,
}

pub(super) async fn run(
    args: &DriftArgs,
    global: &Global,
    events: &Events,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    let loaded = match session::load("drift", global, events, ui) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let selected = select(&args.selection.selection(), &loaded)?;
    let policy = Policy { selected, ..Policy::default() };
    let mut session = Session::open(loaded, global, &policy, false, events, ui).await?;
    // A build without it refuses before anything is told.
    let trail = if args.blame { Some(trail(&session)?) } else { None };
    events.compared(&session.planned.plan, &session.planned.observed);
    rounds::may_repeat(args.interval, &session.connection)?;
    let missing = session.planned.plan.steps.iter().any(|it| it.because.contains(&Cause::Missing));
    let count_missing = missing && !args.missing_ok && session.was_applied().await?;
    let others = session.planned.plan.keep_drift(&session.planned.observed.audience, count_missing);
    let nothing_exists = missing && !args.missing_ok && !count_missing;
    if nothing_exists && !others.missing.is_empty() {
        session.planned.plan.notes.push(Note::NothingExists { missing: others.missing.len() });
    }
    events.planned(&session.planned.plan);
    events.drifted(&session.planned.plan);
    let drifted = !session.planned.plan.steps.is_empty();
    let blamed = match &trail {
        Some(trail) => Some(blame(trail, &session).await),
        None => None,
    };
    let blamed = blamed.as_ref();
    let header = session.connection.header(&session.loaded.stack);
    let Session { planned, loaded, .. } = &session;
    events.record.drifted(&planned.plan, &others, blamed, &header, &loaded.sources);
    let text = if matches!(global.format, Format::Github | Format::Markdown) {
        String::new()
    } else if global.format == Format::Json {
        let frame = session.connection.frame("drift", &session.loaded);
        let mut document = json::plan(&frame, &session.planned.plan, None, &session.loaded.sources);
        document["notDrift"] = json::not_drift(&others);
        if let Some(blamed) = blamed {
            document["blame"] = ui::blame::json(blamed);
        }
        printed(&document, global)
    } else if global.format == Format::Html {
        let desired = policy.in_scope(&session.planned.desired);
        let report = html::Report {
            command: "drift",
            header: &header,
            sources: &session.loaded.sources,
            read_at: session.planned.observed.as_of,
        };
        html::drift(&session.planned.plan, &others, blamed, &report, &desired)
    } else {
        drift::text(&session.planned.plan, &others, blamed, &header, &session.loaded.sources)
    };
    ui.answer(&text)?;
    // The text has it as a note.
    if global.format != Format::Text
        && let Some(warning) = drift::warning(&session.planned.plan)
    {
        ui.say(&warning);
    }
    session.connection.close()?;
    Ok(if drifted { ExitCode::Changes } else { ExitCode::Done })
}

/// The events that are recorded of the account in force.
fn trail(session: &Session) -> Result<Trail, Failure> {
    let trail = session.connection.aws().trail();
    trail.map_err(|error| Failure::error(error.to_string()).help(error.help()))
}

/// Who wrote to what has drifted, as CloudTrail has it.
async fn blame(trail: &Trail, session: &Session) -> Blamed {
    let observed = &session.planned.observed;
    let question = |step: &Step| match step.attention() {
        Attention::Gone | Attention::Missing => Some(Question::Deleted(step.address.kind)),
        // AWS itself did this.
        Attention::Degraded | Attention::Failed => None,
        // Something without an ARN is a part of something else.
        _ => step.arn.clone().filter(|_| has_arn(step)).map(Question::Changed),
    };
    let steps = &session.planned.plan.steps;
    let (addresses, questions): (Vec<_>, Vec<_>) =
        steps.iter().filter_map(|it| Some((it.address.clone(), question(it)?))).unzip();
    let exists: BTreeSet<&str> =
        observed.owned.values().chain(observed.others.values()).map(|it| it.arn.as_str()).collect();
    let now = session.connection.aws().gate.server_time();
    let answer = cloud::blame(trail, &questions, now, &|arn| exists.contains(arn)).await;
    Blamed { addresses, answer }
}

fn has_arn(step: &Step) -> bool {
    step.address.kind.facts().arn_type.is_some()
}
