//! Which steps of a plan can start, in dependency order, and how the others ended.
//!
//! Never starts a step itself, and never waits.

use super::event::Event;
use super::outcome::StepStatus;
use crate::aws::CloudError;
use crate::kinds::Kind;
use crate::plan::{Action, Plan, Reason, Step, StepId};
use std::collections::{BTreeMap, BTreeSet};

/// Steps of one kind and action that run side by side: they call the same operations, and more of them would only wait
/// for the rate limit. Steps of other kinds and actions never wait for them.
const SIDE_BY_SIDE: usize = 16;

/// Which steps can start, and how the others ended.
pub(super) struct Queue<'a> {
    steps: BTreeMap<StepId, &'a Step>,
    /// How many steps each one still waits for.
    waits: BTreeMap<StepId, usize>,
    /// The steps that wait for each one.
    behind: BTreeMap<StepId, Vec<StepId>>,
    lines: BTreeMap<(Kind, Action), Line>,
    pub(super) started: BTreeSet<StepId>,
    ended: BTreeMap<StepId, StepStatus>,
    tell: &'a (dyn Fn(Event) + Sync),
}

/// Steps of one kind and action whose predecessors are done.
#[derive(Default)]
struct Line {
    /// With the viewers that each step would cut off, or that it has waited for: the smallest audience comes first.
    ready: BTreeSet<(i64, StepId)>,
    running: usize,
}

impl Line {
    fn add(&mut self, step: &Step) {
        let viewers = step.impact.as_ref().and_then(|it| it.viewers).unwrap_or_default();
        self.ready.insert((viewers, step.id));
    }
}

impl<'a> Queue<'a> {
    pub(super) fn new(plan: &'a Plan, tell: &'a (dyn Fn(Event) + Sync)) -> Self {
        let steps: BTreeMap<StepId, &Step> =
            plan.steps.iter().filter(|it| it.decision.is_do()).map(|it| (it.id, it)).collect();
        let mut waits = BTreeMap::new();
        let mut behind: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
        let mut lines: BTreeMap<(Kind, Action), Line> = BTreeMap::new();
        for (id, step) in &steps {
            let needs: Vec<StepId> =
                step.after.iter().copied().filter(|it| steps.contains_key(it)).collect();
            let line = lines.entry((step.address.kind, step.action)).or_default();
            if needs.is_empty() {
                line.add(step);
            }
            waits.insert(*id, needs.len());
            for needed in needs {
                behind.entry(needed).or_default().push(*id);
            }
        }
        Self { steps, waits, behind, lines, started: BTreeSet::new(), ended: BTreeMap::new(), tell }
    }

    pub(super) fn next(&mut self) -> Option<&'a Step> {
        let free = |line: &&mut Line| line.running < SIDE_BY_SIDE && !line.ready.is_empty();
        let line = self.lines.values_mut().find(free)?;
        let (_, id) = line.ready.pop_first()?;
        line.running += 1;
        self.started.insert(id);
        Some(self.steps[&id])
    }

    fn line(&mut self, id: StepId) -> &mut Line {
        let step = self.steps[&id];
        self.lines.entry((step.address.kind, step.action)).or_default()
    }

    /// Records how a step ended, and the id of its last write. Steps that depend on it and cannot go on end with it, and
    /// so on.
    pub(super) fn end(&mut self, id: StepId, status: StepStatus, mut written: Option<String>) {
        self.line(id).running -= 1;
        let mut open = vec![(id, status)];
        while let Some((id, status)) = open.pop() {
            let step = self.steps[&id];
            let failed = || status.request_id().map(ToOwned::to_owned);
            let request_id = written.take().or_else(failed);
            (self.tell)(Event::Ended {
                id,
                address: step.address.clone(),
                action: step.action,
                request_id,
                status: status.clone(),
            });
            for next in self.behind.get(&id).cloned().unwrap_or_default() {
                if self.ended.contains_key(&next) || open.iter().any(|(it, _)| *it == next) {
                    continue;
                }
                if status.is_done() || !self.steps[&next].stands_on(step) {
                    let waits = self.waits.get_mut(&next).expect("every step has a count");
                    *waits -= 1;
                    if *waits == 0 {
                        let step = self.steps[&next];
                        self.line(next).add(step);
                    }
                } else if matches!(status, StepStatus::NotStarted) {
                    open.push((next, StepStatus::NotStarted));
                } else if matches!(status, StepStatus::Deferred(_)) {
                    let address = Some(step.address.clone());
                    let waits = Reason::WaitsFor { address, action: step.action };
                    open.push((next, StepStatus::Deferred(waits)));
                } else {
                    open.push((next, StepStatus::Skipped(step.address.clone())));
                }
            }
            self.ended.insert(id, status);
        }
    }

    /// Steps that were started and have not ended.
    pub(super) fn running(&self) -> impl Iterator<Item = &StepId> {
        self.started.iter().filter(|it| !self.ended.contains_key(it))
    }

    /// Every step with its status; a step with a call in flight when the run had to end is unknown.
    pub(super) fn finish(mut self) -> Vec<(StepId, StepStatus)> {
        let status = |id: &StepId, step: &Step| match self.ended.remove(id) {
            Some(status) => status,
            None if self.started.contains(id) => {
                let message = "the run was stopped while the call was in flight";
                StepStatus::Unknown(CloudError::unusable(step.action.as_str(), message).into())
            }
            None => StepStatus::NotStarted,
        };
        let mut status = status;
        self.steps.iter().map(|(id, step)| (*id, status(id, step))).collect()
    }
}
