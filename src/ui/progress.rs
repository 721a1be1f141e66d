//! A run as it happens: a bar on a terminal, one plain line a step elsewhere; and the report at its end.

use super::Ui;
use super::escape::escape;
use crate::apply::{Event, Outcome, StepStatus};
use crate::aws::Meter;
use crate::kinds::Address;
use crate::plan::{Action, Plan};
use anstyle::AnsiColor;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::time::Duration;

/// Longest value shown of anything that came from outside.
const CAP: usize = 400;

/// Shows events.
#[derive(Debug)]
pub struct Progress {
    ui: Ui,
    bar: ProgressBar,
    waiting: Mutex<BTreeMap<Address, String>>,
}

impl Progress {
    /// For a plan with so many steps to do.
    pub fn new(ui: Ui, steps: usize) -> Self {
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
        Self { ui, bar, waiting: Mutex::default() }
    }

    /// Shows one event.
    pub fn show(&self, event: &Event) {
        match event {
            Event::Started { address, action, .. } => {
                let address = escape(&address.to_string(), CAP);
                self.bar.set_message(format!("{} {address}", doing(*action)));
            }
            Event::Waiting { address, what } => {
                let mut waiting = self.waiting.lock().expect("nobody panics while showing");
                // The same wait again is not worth another line.
                if waiting.insert(address.clone(), what.clone()).as_deref() != Some(what) {
                    let address = escape(&address.to_string(), CAP);
                    self.line(&format!("  {address}: {}", escape(what, CAP)));
                }
            }
            Event::Ended { address, action, status, .. } => {
                self.bar.inc(1);
                let address = escape(&address.to_string(), CAP);
                self.line(&format!("  {address}: {}", ended(*action, status)));
            }
            Event::Draining { in_flight, at_most } => self.line(&format!(
                "stopping: nothing new is started, {in_flight} in flight are waited for, at most {} s; \
                 the same signal again stops now",
                at_most.as_secs()
            )),
            Event::Confirming { unlisted } => {
                self.bar.set_message(format!("waiting until {unlisted} new objects are listed"));
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
    meter: Meter,
    before: u64,
}

impl Spinner {
    /// From now on.
    pub fn new(ui: Ui, meter: &Meter) -> Self {
        const EVERY: Duration = Duration::from_millis(120);
        let target = if ui.is_watched() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_message("reading the account");
        tracing::info!("reading the account");
        let (shown, counted) = (bar.clone(), meter.clone());
        let watched = ui.is_watched();
        let counting = tokio::spawn(async move {
            while watched {
                tokio::time::sleep(EVERY).await;
                let calls = counted.calls().values().sum::<u64>();
                shown.set_message(format!("reading the account: {calls} calls"));
                shown.tick();
            }
        });
        Self { bar, counting, meter: meter.clone(), before: meter.calls().values().sum() }
    }

    /// Takes it away.
    pub fn finish(self) {
        let calls = self.meter.calls().values().sum::<u64>() - self.before;
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
        Action::Replace => "making the successor of",
        Action::Update => "updating",
        Action::Adopt => "adopting",
        Action::Rename => "renaming",
        Action::Retag => "retagging",
        Action::Delete => "deleting",
    }
}

fn ended(action: Action, status: &StepStatus) -> String {
    let (green, red, yellow) = (
        AnsiColor::Green.on_default(),
        AnsiColor::Red.on_default(),
        AnsiColor::Yellow.on_default(),
    );
    match status {
        StepStatus::Done(arn) => {
            let arn = arn.as_ref().filter(|_| action.makes());
            let arn = arn.map(|it| format!(" {}", escape(it.as_str(), CAP))).unwrap_or_default();
            format!("{green}{} done{green:#}{arn}", action.word())
        }
        StepStatus::Unconfirmed(arn) => {
            let arn = escape(arn.as_str(), CAP);
            format!("{yellow}{} done, but not listed yet{yellow:#} {arn}", action.word())
        }
        StepStatus::Failed(failure) => {
            let help = failure.help().map(|it| format!("; {it}")).unwrap_or_default();
            format!(
                "{red}{} failed{red:#}: {}{help}",
                action.word(),
                escape(&failure.to_string(), CAP)
            )
        }
        StepStatus::Unknown(failure) => format!(
            "{red}{} is unknown{red:#}: {}; run the same command again, it looks first",
            action.word(),
            escape(&failure.to_string(), CAP)
        ),
        StepStatus::Skipped(address) => {
            let address = escape(&address.to_string(), CAP);
            format!("{yellow}{} skipped{yellow:#}: {address} did not come about", action.word())
        }
        StepStatus::Stale(why) => {
            format!("{yellow}{} left{yellow:#}: {}", action.word(), escape(why, CAP))
        }
        StepStatus::Deferred(why) => {
            format!("{yellow}{} deferred{yellow:#}: {}", action.word(), escape(why, CAP))
        }
        StepStatus::NotStarted => format!("{yellow}{} not started{yellow:#}", action.word()),
    }
}

/// What a run came to: one line, and every step that is not done where there are any.
pub fn report(plan: &Plan, outcome: &Outcome) -> String {
    let mut text = String::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let steps = plan.by_id();
    for (id, status) in &outcome.steps {
        let word =
            if matches!(status, StepStatus::NotStarted) { "not started" } else { status.word() };
        *counts.entry(word).or_default() += 1;
        let not_told = matches!(status, StepStatus::NotStarted) || status.is_unlisted();
        let dropped = outcome.stopped.is_some() && matches!(status, StepStatus::Unknown(_));
        if not_told || dropped {
            let step = steps[id];
            let address = escape(&step.address.to_string(), CAP);
            let _ = writeln!(text, "  {address}: {}", ended(step.action, status));
        }
    }
    for step in plan.steps.iter().filter(|it| !it.decision.is_do()) {
        *counts.entry(step.decision.word()).or_default() += 1;
    }
    let parts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let unchanged = plan.unchanged.len();
    let _ = writeln!(text, "Applied: {}, {unchanged} unchanged", parts.join(", "));
    if outcome.steps.iter().any(|(_, status)| status.is_unlisted()) {
        text.push_str("run again in a few minutes to see that everything is listed\n");
    }
    text
}
