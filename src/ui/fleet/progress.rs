//! A fleet as it runs: a bar on a terminal, with a line for each target that needs attention; elsewhere a line for each.

use super::{cause, word};
use crate::fleet::{Outcome, Row};
use crate::ui::Ui;
use crate::ui::escape::escape;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

/// Names of running targets in the bar; there may be many more.
const NAMED: usize = 4;

/// Shows targets as they start and end.
#[derive(Debug)]
pub struct FleetProgress {
    ui: Ui,
    bar: ProgressBar,
    running: Mutex<BTreeSet<String>>,
}

impl FleetProgress {
    /// For so many targets.
    pub fn new(ui: Ui, targets: usize) -> Self {
        let target = if ui.is_watched() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(targets as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos}/{len} {wide_msg}") {
            bar.set_style(style);
        }
        if ui.is_watched() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self { ui, bar, running: Mutex::default() }
    }

    /// A target is started.
    pub fn started(&self, name: &str) {
        self.show(|running| {
            running.insert(name.to_owned());
        });
    }

    /// A target has ended.
    pub fn ended(&self, row: &Row) {
        self.show(|running| {
            running.remove(row.shown());
        });
        self.bar.inc(1);
        if self.ui.is_watched() && matches!(row.outcome, Outcome::Clean) {
            return;
        }
        let mut text = format!("{}: {}", escape(row.shown(), 200), word(row.outcome));
        if let Some(seconds) = row.seconds {
            text.push_str(&format!(", {seconds:.1} s"));
        }
        if row.outcome != Outcome::NotStarted
            && let Some(cause) = cause(row)
        {
            text.push_str(&format!(": {cause}"));
        }
        self.line(&text);
    }

    /// Says something about the whole run.
    pub fn line(&self, text: &str) {
        if self.ui.is_watched() {
            self.bar.suspend(|| self.ui.say(&format!("{text}\n")));
        } else {
            self.ui.say(&format!("{text}\n"));
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, change: impl FnOnce(&mut BTreeSet<String>)) {
        let mut running = self.running.lock().expect("no task panics while it holds the lock");
        change(&mut running);
        let named: Vec<String> = running.iter().take(NAMED).map(|it| escape(it, 60)).collect();
        let more = running.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        self.bar.set_message(format!("{}{more}", named.join(", ")));
    }
}
