//! A run as it happens: a bar on a terminal, one plain line a step elsewhere; and the report at its end.

use super::Ui;
use super::escape::escape;
use super::reason;
use crate::apply::{Event, Failure, Outcome, Signal, StepStatus, Until};
use crate::aws::RequestGate;
use crate::kinds::Address;
use crate::plan::{Action, Plan, StepId};
use anstyle::AnsiColor;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Longest value shown of anything that came from outside.
const CAP: usize = 400;

/// Shows events.
#[derive(Debug)]
pub struct Progress {
    ui: Ui,
    bar: ProgressBar,
    /// Parts of replacements, which are not counted again.
    parts: BTreeSet<StepId>,
    waiting: Mutex<BTreeMap<Option<Address>, Until>>,
    /// Whether the wait for listings was shown.
    confirming: AtomicBool,
}

impl Progress {
    /// For the steps of a plan that are to be done; a replacement is one step.
    pub fn new(ui: Ui, plan: &Plan) -> Self {
        let parts = plan.halves_of_replacements();
        let steps = plan.steps.iter().filter(|it| it.decision.is_do() && !parts.contains(&it.id));
        let steps = steps.count();
        let target = if ui.is_watched() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(steps as u64), target);
        let style = ProgressStyle::with_template("{spinner} {pos}/{len} {wide_msg}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        if ui.is_watched() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self { ui, bar, parts, waiting: Mutex::default(), confirming: AtomicBool::default() }
    }

    /// Shows one event.
    pub fn show(&self, event: &Event) {
        match event {
            Event::Started { address, action, .. } => {
                let address = escape(&address.to_string(), CAP);
                self.bar.set_message(format!("{} {address}", doing(*action)));
            }
            Event::Waiting { address, wait } => {
                let mut waiting =
                    self.waiting.lock().expect("no task panics while it holds the lock");
                // The same wait again, with less time left, is not worth another line.
                let until = &wait.until;
                if waiting.insert(address.clone(), until.clone()).as_ref() != Some(until) {
                    let of = address.as_ref().map(|it| format!("{it}: ")).unwrap_or_default();
                    let wait = escape(&wait.to_string(), CAP);
                    self.line(&format!("  {}{wait}", escape(&of, CAP)));
                }
            }
            Event::Ended { id, address, action, status, .. } => {
                self.bar.inc(u64::from(!self.parts.contains(id)));
                let address = escape(&address.to_string(), CAP);
                self.line(&format!("  {address}: {}", ended(*action, status)));
            }
            Event::Draining { in_flight, at_most } => self.line(&format!(
                "stopping: no new step is started; {in_flight} in flight may take {} s at most; \
                 the same signal again (Ctrl-C) exits immediately",
                at_most.as_secs()
            )),
            Event::Frozen { freeze } => self.line(&format!(
                "a freeze has begun, until {}: {}; no further step is started",
                reason::moment(freeze.to),
                escape(&freeze.reason, CAP)
            )),
            Event::Confirming { unlisted, at_most } => {
                let objects = if *unlisted == 1 { "object" } else { "objects" };
                let text = format!(
                    "waiting at most {} s for listings that show {unlisted} new {objects}",
                    at_most.as_secs()
                );
                // Where no bar is drawn, the first of these events says it for all.
                if !self.ui.is_watched() && !self.confirming.swap(true, Ordering::Relaxed) {
                    self.line(&format!("  {text}"));
                }
                self.bar.set_message(text);
            }
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, text: &str) {
        if self.ui.is_watched() {
            self.bar.suspend(|| self.ui.say(&format!("{text}\n")));
        } else {
            self.ui.say(&format!("{text}\n"));
        }
    }
}

/// Shows that an account is being read: on a terminal the number of calls as it grows, with `-v` a line.
#[derive(Debug)]
pub struct Spinner {
    bar: ProgressBar,
    counting: tokio::task::JoinHandle<()>,
    gate: RequestGate,
}

impl Spinner {
    /// From now on.
    pub fn new(ui: Ui, gate: &RequestGate) -> Self {
        const EVERY: Duration = Duration::from_millis(120);
        let target = if ui.is_watched() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        // The number of calls is not known in advance, so there is no progress bar.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_message("reading the account");
        tracing::info!("reading the account");
        let (shown, counted) = (bar.clone(), gate.clone());
        let watched = ui.is_watched();
        let counting = tokio::spawn(async move {
            if !watched {
                return;
            }
            loop {
                tokio::time::sleep(EVERY).await;
                let calls = counted.calls().values().sum::<u64>();
                shown.set_message(format!("reading the account: {calls} calls"));
                shown.tick();
            }
        });
        Self { bar, counting, gate: gate.clone() }
    }

    /// Takes it away.
    pub fn finish(self) {
        let calls = self.gate.calls().values().sum::<u64>();
        tracing::info!("the account was read with {calls} calls");
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.counting.abort();
        self.bar.finish_and_clear();
    }
}

fn doing(action: Action) -> &'static str {
    match action {
        Action::Create => "creating",
        Action::Replace => "creating the replacement of",
        Action::Update => "updating",
        Action::Adopt => "adopting",
        Action::Rename => "renaming",
        Action::Retag => "retagging",
        Action::Release => "releasing",
        Action::Delete => "deleting",
    }
}

pub(super) fn ended(action: Action, status: &StepStatus) -> String {
    let (green, red, yellow) = (
        AnsiColor::Green.on_default(),
        AnsiColor::Red.on_default(),
        AnsiColor::Yellow.on_default(),
    );
    match status {
        StepStatus::Done(arn) => {
            let arn = arn.as_ref().filter(|_| action.makes());
            let arn = arn.map(|it| format!(" {}", escape(it.as_str(), CAP))).unwrap_or_default();
            format!("{green}{} done{green:#}{arn}", action.as_str())
        }
        StepStatus::Unconfirmed(arn) => {
            let arn = escape(arn.as_str(), CAP);
            format!("{yellow}{} done, but not listed yet{yellow:#} {arn}", action.as_str())
        }
        StepStatus::Failed(failure) => {
            let help = failure.help().map(|it| format!("; {it}")).unwrap_or_default();
            format!(
                "{red}{} failed{red:#}: {}{help}",
                action.as_str(),
                escape(&failure.to_string(), CAP)
            )
        }
        StepStatus::Unknown(failure) => format!(
            "{red}{} is unknown{red:#}: {}; run the same command again: it checks before it creates",
            action.as_str(),
            escape(&failure.to_string(), CAP)
        ),
        StepStatus::Skipped(address) => {
            let address = escape(&address.to_string(), CAP);
            format!("{yellow}{} skipped{yellow:#}: {address} did not succeed", action.as_str())
        }
        StepStatus::Stale(why) => {
            format!("{yellow}{} left{yellow:#}: {}", action.as_str(), escape(&why.to_string(), CAP))
        }
        StepStatus::Deferred(why) => {
            format!(
                "{yellow}{} deferred{yellow:#}: {}",
                action.as_str(),
                escape(&reason::text(why), CAP)
            )
        }
        StepStatus::NotStarted => format!("{yellow}{} not started{yellow:#}", action.as_str()),
    }
}

/// What a run came to: one line, and every step that is not done where there are any.
pub fn report(plan: &Plan, outcome: &Outcome) -> String {
    let mut text = String::new();
    let steps = plan.by_id();
    for (id, status) in &outcome.steps {
        let not_told = matches!(status, StepStatus::NotStarted) || status.is_unlisted();
        let dropped = outcome.stopped.is_some() && matches!(status, StepStatus::Unknown(_));
        if not_told || dropped {
            let step = steps[id];
            let address = escape(&step.address.to_string(), CAP);
            let _ = writeln!(text, "  {address}: {}", ended(step.action, status));
        }
    }
    let _ = writeln!(text, "{}", applied(plan, outcome));
    for line in behind_counts(outcome) {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// How the steps of a run ended, in one line of counts.
pub(super) fn applied(plan: &Plan, outcome: &Outcome) -> String {
    let counts = outcome.counts(plan);
    let steps = counts.steps().into_iter().filter(|(_, count)| *count > 0);
    let unchanged = ("unchanged", counts.unchanged);
    let parts: Vec<String> =
        steps.chain([unchanged]).map(|(word, count)| format!("{count} {word}")).collect();
    format!("Applied: {}", parts.join(", "))
}

/// What a report says beside its counts, a line each: copies of objects, and that a listing lags.
pub(super) fn behind_counts(outcome: &Outcome) -> Vec<String> {
    let copies = outcome.copies.iter().map(|copy| {
        let (address, arn) =
            (escape(&copy.address.to_string(), CAP), escape(copy.arn.as_str(), CAP));
        let of = escape(copy.of.as_str(), CAP);
        match &copy.left {
            None => format!(
                "{address} was created twice at the same time: this run deleted its copy {arn} and kept {of}"
            ),
            Some(why) => format!(
                "{address} was created twice at the same time: {of} is kept, and this run's copy {arn} was not deleted: {}",
                escape(&reason::left(why), CAP)
            ),
        }
    });
    let unlisted = outcome.steps.iter().any(|(_, status)| status.is_unlisted());
    let again =
        unlisted.then(|| "run again in a few minutes to see that everything is listed".to_owned());
    copies.chain(again).collect()
}

/// How many resources of one failure are named.
const NAMED: usize = 3;

/// How a run that did not succeed ends: its failures, causes first, each cause once; and in one line how many
/// steps it did not come to. Empty where everything is done.
pub fn failures(plan: &Plan, outcome: &Outcome) -> String {
    let steps = plan.by_id();
    let mut causes: Vec<Cause> = Vec::new();
    for (id, status) in &outcome.steps {
        let step = steps[id];
        let Some((what, why)) = failed(step.action, status) else { continue };
        // AWS names the object in many of its messages.
        let own = step.arn.as_ref().map_or("", |it| it.as_str());
        let gist = if own.is_empty() { why.gist.clone() } else { why.gist.replace(own, "") };
        match causes.iter_mut().find(|it| it.what == what && it.gist == gist) {
            Some(cause) => cause.of.push(&step.address),
            None => causes.push(Cause { what, gist, why, of: vec![&step.address] }),
        }
    }
    let mut text = String::new();
    for Cause { what, why, of, .. } in &causes {
        let help = why.help.map(|it| format!("; {it}")).unwrap_or_default();
        let said = if let [one] = of[..] {
            format!("{one}: {what}: {}{help}", why.whole)
        } else {
            let named: Vec<String> = of.iter().take(NAMED).map(ToString::to_string).collect();
            let more = match of.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let named = format!("{}{more}", named.join(", "));
            format!("{} resources: {what}: {}{help} ({named})", of.len(), why.gist)
        };
        error(&said, &mut text);
    }
    for copy in &outcome.copies {
        if let Some(why) = copy.left.as_ref().map(reason::left) {
            let (address, arn, of) = (&copy.address, &copy.arn, &copy.of);
            let said = format!(
                "{address}: created twice at the same time; {arn} is left beside {of}: {why}"
            );
            error(&said, &mut text);
        }
    }
    if let Some(unread) = &outcome.copies_unread {
        error(&reason::copies_unread(unread), &mut text);
    }
    let counts = outcome.counts(plan);
    let steps = |count: usize| match count {
        1 => "1 step was".to_owned(),
        many => format!("{many} steps were"),
    };
    let because = match outcome.stopped {
        Some(Signal::LockLost) => " because the lock was lost",
        Some(Signal::Frozen) => " because a freeze of the stack has begun",
        Some(Signal::Hangup | Signal::Interrupt | Signal::Terminate) => {
            " because the run was stopped"
        }
        None => "",
    };
    let skipped = format!("{} skipped because of that", steps(counts.skipped));
    let not_started = format!("{} not started{because}", steps(counts.not_started));
    let uncounted = [(counts.skipped, skipped), (counts.not_started, not_started)];
    let uncounted = uncounted.into_iter().filter(|(count, _)| *count > 0).map(|(_, said)| said);
    let uncounted: Vec<String> = uncounted.collect();
    if !uncounted.is_empty() {
        error(&uncounted.join(", "), &mut text);
    }
    text
}

/// The steps that a run left for a later one, as an error line: for runs that must leave nothing.
pub fn left(plan: &Plan, outcome: &Outcome, what: &str) -> String {
    let parts = plan.halves_of_replacements();
    let planned = plan.steps.iter().filter(|it| !it.decision.is_do() && !parts.contains(&it.id));
    let mut left: Vec<(&Address, String)> =
        planned.filter_map(|it| Some((&it.address, reason::text(it.decision.reason()?)))).collect();
    let steps = plan.by_id();
    left.extend(outcome.steps.iter().filter_map(|(id, status)| match status {
        StepStatus::Deferred(why) => Some((&steps[id].address, reason::text(why))),
        _ => None,
    }));
    let count = left.len();
    let were = if count == 1 { " was" } else { "s were" };
    let named = left.iter().take(NAMED).map(|(address, why)| format!("{address} ({why})"));
    let more = match count.saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = named.collect::<Vec<_>>().join(", ");
    let mut text = String::new();
    error(&format!("{count} resource{were} {what}: {named}{more}"), &mut text);
    text
}

/// One cause of failures, and all that failed of it.
struct Cause<'a> {
    what: String,
    gist: String,
    why: Why,
    of: Vec<&'a Address>,
}

/// Why something failed.
struct Why {
    whole: String,
    /// Without what differs between failures of one cause.
    gist: String,
    help: Option<&'static str>,
}

/// What failed, and why; `None` where nothing did, or something before it.
fn failed(action: Action, status: &StepStatus) -> Option<(String, Why)> {
    let word = action.as_str();
    let of = |failure: &Failure, help| Why {
        whole: failure.to_string(),
        gist: failure.without_request_id().to_string(),
        help,
    };
    let plain = |why: &str| Why { whole: why.to_owned(), gist: why.to_owned(), help: None };
    Some(match status {
        StepStatus::Failed(failure) => (format!("{word} failed"), of(failure, failure.help())),
        StepStatus::Unknown(failure) => (
            format!("the result of the {word} is unknown"),
            of(failure, Some("run the same command again: it checks before it writes")),
        ),
        StepStatus::Stale(why) => (format!("{word} was not carried out"), plain(&why.to_string())),
        StepStatus::Unconfirmed(_) => (
            format!("{word} is done"),
            plain("the listings do not show it yet; run again in a few minutes"),
        ),
        StepStatus::Done(_)
        | StepStatus::Skipped(_)
        | StepStatus::Deferred(_)
        | StepStatus::NotStarted => return None,
    })
}

fn error(said: &str, text: &mut String) {
    let red = AnsiColor::Red.on_default().bold();
    let _ = writeln!(text, "{red}error{red:#}: {}", escape(said, 4 * CAP));
}
