//! Which process runs when: the queues of a wave at the same time, the targets of a queue one after another, and
//! `fleet.json` as it grows. What starts, ends and fails is decided elsewhere.

use super::super::failure::Failure;
use super::child::{self, Stop};
use super::flags::Program;
use super::rows;
use crate::fleet::{Entry, Outcome, Queue, Results, Row, Run};
use crate::ui::file::ResultsFolder;
use crate::ui::fleet::{self, FleetProgress};
use futures_util::StreamExt;
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// `fleet.json` is written at most this often while the fleet runs.
const EVERY: Duration = Duration::from_secs(1);

/// A fleet that runs.
pub(super) struct Schedule<'a> {
    pub(super) program: &'a Program,
    pub(super) folder: &'a ResultsFolder,
    pub(super) progress: &'a FleetProgress,
    pub(super) timeout: Duration,
    pub(super) parallel: usize,
    pub(super) stop: watch::Receiver<Stop>,
    pub(super) state: RefCell<State>,
}

/// What is known so far.
pub(super) struct State {
    pub(super) run: Run,
    /// By `FILE#NAME` and the place of the document.
    pub(super) rows: BTreeMap<(String, String), Row>,
    pub(super) written: Instant,
}

/// What tells a row from others.
pub(super) fn key(row: &Row) -> (String, String) {
    (row.target.clone().unwrap_or_default(), row.place.clone())
}

impl State {
    pub(super) fn results(&self) -> Results {
        Results::new(self.run.clone(), self.rows.values().cloned().collect())
    }
}

impl Schedule<'_> {
    /// Runs these targets.
    pub(super) async fn run(&self, targets: &[&Entry]) {
        let mut queues: BTreeMap<&Queue, Vec<&Entry>> = BTreeMap::new();
        for it in targets {
            queues.entry(&it.queue).or_default().push(it);
        }
        let mut queues: Vec<Vec<&Entry>> = queues.into_values().collect();
        // The longest begins first, so that it does not end alone.
        queues.sort_by_key(|it| std::cmp::Reverse(it.len()));
        let queues = futures_util::stream::iter(queues);
        queues
            .for_each_concurrent(self.parallel, |queue| async move {
                for it in queue {
                    if self.is_stopped() {
                        return;
                    }
                    self.target(it).await;
                }
            })
            .await;
    }

    /// Whether nothing more is started.
    pub(super) fn is_stopped(&self) -> bool {
        *self.stop.borrow() != Stop::GoesOn
    }

    async fn target(&self, it: &Entry) {
        // What the fleet is told from here on reaches the process too.
        let mut stop = self.stop.clone();
        stop.borrow_and_update();
        let before = rows::of_entry(it, self.program.repeat(&it.reference()));
        self.progress.started(&it.name);
        let row = rows::started(&before, Timestamp::now());
        self.note(row.clone());
        let row = match self.folder.streams(&it.name) {
            Err(error) => rows::not_begun(row, error.to_string()),
            Ok((answer, talk)) => {
                let mut command = self.program.of(&it.reference());
                command.stdout(answer).stderr(talk);
                let begun = Instant::now();
                match child::run(command, self.timeout, stop).await {
                    Err(error) => {
                        let message = format!("its process could not be started: {error}");
                        rows::not_begun(row, message)
                    }
                    Ok(how) => rows::ended(row, &it.name, how, begun.elapsed(), self.folder),
                }
            }
        };
        self.progress.ended(&row);
        self.note(row);
    }

    /// Takes a row over. `fleet.json` has it soon.
    fn note(&self, row: Row) {
        let is_due = {
            let mut state = self.state.borrow_mut();
            state.rows.insert(key(&row), row);
            state.written.elapsed() >= EVERY
        };
        if is_due {
            // On a full disk the run goes on: its end tells what could not be written.
            let _ = self.write();
        }
    }

    /// How many of these targets are not done, such as failed or refused.
    pub(super) fn not_done(&self, targets: impl Iterator<Item = (String, String)>) -> usize {
        let state = self.state.borrow();
        let outcome = |it: &(String, String)| state.rows.get(it).map(|it| it.outcome);
        targets.filter(|it| !outcome(it).is_some_and(Outcome::is_done)).count()
    }

    /// Writes `fleet.json`.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let mut state = self.state.borrow_mut();
        state.written = Instant::now();
        self.folder.write(&fleet::json(&state.results())).map_err(Failure::from)
    }
}
