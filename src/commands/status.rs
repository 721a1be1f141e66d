use super::answer::{frame_of, pretty};
use super::connection::Connection;
use super::events::MetricsArgs;
use super::failure::{Failure, failed};
use super::lock;
use super::plan::policy;
use super::selection::SelectionArgs;
use super::session;
use crate::aws::Class;
use crate::cli::{ExitCode, Format, Global, variable};
use crate::diag::{Report, SourceMap};
use crate::engine;
use crate::kinds::{ObservedState, Stack};
use crate::manifest::Loaded;
use crate::manifest::envelope::StackSpec;
use crate::plan::{
    Note, Policy, ResourceState, ResourceStatus, Selection, Status, recorded_states,
};
use crate::ui::escape::escape;
use crate::ui::events::Events;
use crate::ui::plan::Header;
use crate::ui::progress::Spinner;
use crate::ui::screen::{self, Parts, Screen};
use crate::ui::status;
use crate::ui::{Ui, html, json};
use futures_util::future::{Either, select as either};
use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

/// Show the state of each resource, and what is on air
///
/// Reads what `plan` reads, and of each stage with a session who publishes. What needs attention comes first: what
/// `drift` reports, what waits and for what, what is orphaned; then channels with their viewers, stages with their
/// publishers, compositions with their destinations, and ingest configurations. Writes nothing, and exits 0 whatever
/// it shows.
///
/// With `--stack NAME` and without `-f` no manifests are read: the ownership tags show what the stack owns, and whether
/// that is as it was applied. That reads every kind, as `plan --prune` does.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Read the account again after each pause, until Ctrl-C
    ///
    /// The pause is 5s if no time is given. Manifests are read once.
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "5s", value_parser = interval, conflicts_with = "metrics", env = "IVS_APPLY_WATCH")]
    watch: Option<Duration>,
    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
}

/// The longest pause.
const LONGEST: Duration = Duration::from_hours(24);

fn interval(text: &str) -> Result<Duration, String> {
    crate::cli::time(text, "pause", Duration::from_secs(1), LONGEST)
}

/// What the view is of.
struct Subject {
    loaded: Loaded,
    /// What a plan may do, where there are manifests.
    policy: Policy,
    /// The part of what the stack owns, where there are none.
    selection: Selection,
    declared: bool,
}

impl Subject {
    /// Manifests, or the name of a stack. Manifests that are not in order have been told about.
    fn of(
        args: &StatusArgs,
        global: &Global,
        events: &Events,
        ui: Ui,
    ) -> Result<Result<Self, ExitCode>, Failure> {
        let selection = args.selection.selection();
        if let (Some(name), true) = (&global.stack, global.filename.is_empty()) {
            if !selection.labels.is_empty() {
                return Err(Failure::error(
                    "`-l` needs manifests, since labels are not in the account",
                )
                .help("name the manifests with `-f`, or use `--only` and `--exclude`"));
            }
            let loaded = Loaded {
                sources: SourceMap::default(),
                report: Report::new(),
                stack: Stack::named(name),
                is_stack_known: true,
                stack_at: None,
                stack_spec: StackSpec::default(),
                desired: Vec::new(),
            };
            let policy = Policy::default();
            return Ok(Ok(Self { loaded, policy, selection, declared: false }));
        }
        let loaded = match session::load("status", global, events, ui) {
            Ok(loaded) => loaded,
            Err(code) => return Ok(Err(code)),
        };
        let policy = policy(&args.selection.terms(), &loaded)?;
        Ok(Ok(Self { loaded, policy, selection, declared: true }))
    }

    /// Reads the account.
    async fn view(&self, connection: &Connection) -> Result<View, Unread> {
        let engine = &connection.session;
        let before = connection.aws().gate.calls();
        let calls = || {
            let mut calls = connection.aws().gate.calls();
            for (operation, count) in &mut calls {
                *count -= before.get(operation).copied().unwrap_or_default();
            }
            calls.retain(|_, count| *count > 0);
            calls
        };
        let Loaded { stack, desired, .. } = &self.loaded;
        if self.declared {
            let planned =
                engine.plan(stack.clone(), desired.clone(), self.policy.clone(), false).await;
            let mut planned = planned.map_err(Unread::Account)?;
            let is_about = |it: &_| self.policy.is_about(it);
            engine.look_up_live(&mut planned.observed, &is_about).await.map_err(Unread::Account)?;
            let resources = planned.plan.resource_states(&planned.observed);
            connection.events.compared(&planned.plan, &planned.observed);
            connection.events.viewed(&resources, &planned.observed);
            let came_to = planned.plan.status();
            let engine::Planned { observed, plan, .. } = planned;
            return Ok(View { resources, observed, notes: plan.notes, came_to, calls: calls() });
        }
        let mut observed = engine.survey(stack).await.map_err(Unread::Account)?;
        let mut policy = Policy::default();
        if !self.selection.is_everything() {
            let left = observed.left_behind.iter().map(|(address, _)| address);
            let owned = observed.owned.keys().chain(left);
            let selected = self.selection.among(owned);
            policy.selected = Some(selected.map_err(|it| Unread::Selection(it.into()))?);
        }
        engine
            .look_up_live(&mut observed, &|it| policy.is_about(it))
            .await
            .map_err(Unread::Account)?;
        let resources = recorded_states(stack, &observed, &policy);
        connection.events.viewed(&resources, &observed);
        let differs = |it: &ResourceStatus| {
            !matches!(it.state, ResourceState::InSync | ResourceState::NotCompared)
        };
        let came_to = if resources.iter().any(differs) { Status::Changes } else { Status::Clean };
        let notes = policy.selected.map(Note::Selected).into_iter().collect();
        Ok(View { resources, observed, notes, came_to, calls: calls() })
    }
}

/// Why there is nothing to show this time.
enum Unread {
    Account(engine::Error),
    Selection(Failure),
    Connection(Failure),
}

impl Unread {
    /// Whether a watch that begins with it ends: it is about the command line, the credentials or their permissions.
    fn ends_a_watch(&self) -> bool {
        let refused = |class| matches!(class, Class::Denied | Class::NoCredentials);
        match self {
            Self::Account(engine::Error::Read(error)) => refused(error.source.class),
            Self::Account(engine::Error::AccountUnknown(error)) => refused(error.class),
            Self::Account(_) | Self::Connection(_) => true,
            // Its objects may appear.
            Self::Selection(_) => false,
        }
    }

    fn into_failure(self) -> Failure {
        match self {
            Self::Account(error) => failed(&error),
            Self::Selection(failure) | Self::Connection(failure) => failure,
        }
    }
}

/// The state of a stack as it was read once.
struct View {
    resources: Vec<ResourceStatus>,
    observed: ObservedState,
    notes: Vec<Note>,
    came_to: Status,
    /// The calls that this reading took.
    calls: BTreeMap<String, u64>,
}

impl View {
    fn status<'a>(
        &'a self,
        subject: &'a Subject,
        connection: &'a Connection,
    ) -> status::Status<'a> {
        status::Status {
            header: Header {
                calls: self.calls.clone(),
                ..connection.header(&subject.loaded.stack)
            },
            resources: &self.resources,
            observed: &self.observed,
            notes: &self.notes,
            declared: subject.declared,
        }
    }
}

pub(super) async fn run(
    args: &StatusArgs,
    global: &Global,
    events: &Events,
    ui: Ui,
) -> Result<ExitCode, Failure> {
    let subject = match Subject::of(args, global, events, ui)? {
        Ok(subject) => subject,
        Err(code) => return Ok(code),
    };
    if let Some(pause) = args.watch {
        if global.format == Format::Html {
            return Err(Failure::error(
                "`--format html` writes one page, and `--watch` many views",
            )
            .help("leave out one of them"));
        }
        let stopped = pin!(lock::stopped());
        return Box::pin(watch(&subject, pause, global, ui, stopped)).await;
    }
    let connection = Connection::open(global, &subject.loaded, ui).await?;
    let connection = connection.telling(events, &subject.loaded.stack);
    lock::look(&connection, &subject.loaded.stack, ui).await;
    let spinner = Spinner::new(ui, &connection.aws().gate);
    let view = subject.view(&connection).await;
    spinner.finish();
    let view = view.map_err(Unread::into_failure)?;
    let shown = view.status(&subject, &connection);
    events.record.shown(|| status::document(&shown));
    match global.format {
        // It is written at the end, from the record of the run.
        Format::Markdown => {}
        Format::Json => ui.answer(&pretty(&document(&subject, &connection, &view)))?,
        Format::Html => ui.answer(&html::status(&shown))?,
        _ => ui.answer(&status::parts(&shown, screen::width(), None).text())?,
    }
    connection.close()?;
    Ok(ExitCode::Done)
}

fn document(subject: &Subject, connection: &Connection, view: &View) -> serde_json::Value {
    let frame = connection.frame("status", &subject.loaded);
    let frame = json::Frame { calls: view.calls.clone(), ..frame };
    let shown = view.status(subject, connection);
    json::status(&frame, &shown, view.came_to, &subject.loaded.sources)
}

/// Shows the view again and again, until a signal comes or the reader of the answer has gone.
async fn watch(
    subject: &Subject,
    pause: Duration,
    global: &Global,
    ui: Ui,
    mut stopped: Pin<&mut impl Future<Output = ExitCode>>,
) -> Result<ExitCode, Failure> {
    let mut output = Output::new(global, ui, pause);
    let mut kept: Option<Connection> = None;
    let mut is_first = true;
    loop {
        let read = {
            let round = pin!(round(subject, &mut kept, global, ui, is_first, &output));
            match either(round, stopped.as_mut()).await {
                Either::Left((read, _)) => read,
                Either::Right((code, _)) => return Ok(code),
            }
        };
        match read {
            Ok(shown) => output.show(shown)?,
            Err(unread) => {
                // Later an operator may sign in again, or a permission come back, while the last view stays.
                if is_first && unread.ends_a_watch() {
                    return Err(unread.into_failure());
                }
                output.show_failure(&unread.into_failure(), &subject.loaded.stack.name)?;
            }
        }
        if ui.reader_is_gone() {
            return Ok(ExitCode::Done);
        }
        is_first = false;
        let waited = pin!(tokio::time::sleep(pause));
        if let Either::Right((code, _)) = either(waited, stopped.as_mut()).await {
            return Ok(code);
        }
    }
}

/// Reads the account once. An emulated account in this process is closed in between, so that other commands can use it;
/// any other connection is kept, with its credentials and rates.
async fn round(
    subject: &Subject,
    kept: &mut Option<Connection>,
    global: &Global,
    ui: Ui,
    is_first: bool,
    output: &Output,
) -> Result<Shown, Unread> {
    let stack = &subject.loaded.stack;
    let connection = match kept.take() {
        Some(connection) => connection,
        None => Connection::open(global, &subject.loaded, ui).await.map_err(Unread::Connection)?,
    };
    let spinner = is_first.then(|| Spinner::new(ui, &connection.aws().gate));
    if is_first {
        lock::look(&connection, stack, ui).await;
    }
    let view = subject.view(&connection).await;
    drop(spinner);
    let shown = view.map(|it| output.rendered(subject, &connection, &it));
    if global.emulator_file().is_some() {
        connection.close().map_err(Unread::Connection)?;
    } else {
        *kept = Some(connection);
    }
    shown
}

/// A view in the form in which it is shown.
enum Shown {
    Text(String),
    Screen(Parts),
}

/// Where a watch shows what it reads: one block in its place on a terminal, else one after the other.
struct Output {
    ui: Ui,
    pause: Duration,
    format: Format,
    markdown_limit: usize,
    screen: Option<Screen>,
    /// What was shown last on a terminal, and when.
    last: Parts,
    shown: Instant,
}

impl Output {
    fn new(global: &Global, ui: Ui, pause: Duration) -> Self {
        // A terminal that cannot move its cursor gets one block after the other.
        let redraws = global.format == Format::Text
            && screen::width().is_some()
            && variable("TERM").is_some_and(|it| it != "dumb");
        let screen = redraws.then(|| Screen::new(ui));
        let Global { format, markdown_limit, .. } = *global;
        let (last, shown) = (Parts::default(), Instant::now());
        Self { ui, pause, format, markdown_limit, screen, last, shown }
    }

    fn rendered(&self, subject: &Subject, connection: &Connection, view: &View) -> Shown {
        let shown = view.status(subject, connection);
        match (self.format, &self.screen) {
            // One document a line: a reader of the stream knows where each one ends.
            (Format::Json, _) => {
                let document = document(subject, connection, view);
                Shown::Text(crate::ui::escape::json(&format!("{document}\n")))
            }
            (Format::Markdown, _) => {
                Shown::Text(format!("{}\n", status::document(&shown).text(self.markdown_limit)))
            }
            (_, Some(screen)) => {
                let (_, columns) = screen.size();
                Shown::Screen(status::parts(&shown, Some(columns), Some(self.pause)))
            }
            _ => Shown::Text(format!("{}\n", status::parts(&shown, screen::width(), None).text())),
        }
    }

    /// Shows a view.
    fn show(&mut self, shown: Shown) -> Result<(), Failure> {
        match shown {
            Shown::Text(text) => Ok(self.ui.answer(&text)?),
            Shown::Screen(parts) => {
                (self.last, self.shown) = (parts, Instant::now());
                self.draw(&self.last.clone())
            }
        }
    }

    /// Says why there is no new view.
    fn show_failure(&mut self, failure: &Failure, stack: &str) -> Result<(), Failure> {
        let help = failure.help.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
        let again = self.pause.as_secs();
        let said = format!("error: {}{help}; trying again in {again} s", failure.message);
        let said = escape(&said, 2_000);
        if let Some(screen) = &self.screen {
            // What was read last stays, with the error below it.
            let mut parts = self.last.clone().out_of_date(self.shown.elapsed());
            parts.foot.extend(status::error(&said, screen.size().1));
            return self.draw(&parts);
        }
        self.ui.say(&format!("{said}\n"));
        if self.format != Format::Json {
            return Ok(());
        }
        let frame = json::Frame { stack: Some(stack), ..frame_of("status") };
        let document = json::failure(&frame, &failure.message, failure.help.as_deref());
        let text = crate::ui::escape::json(&format!("{document}\n"));
        Ok(self.ui.answer(&text)?)
    }

    fn draw(&mut self, parts: &Parts) -> Result<(), Failure> {
        if let Some(screen) = &mut self.screen {
            let rows = screen.size().0.saturating_sub(1);
            screen.draw(&parts.within(rows))?;
        }
        Ok(())
    }
}
