//! The phases of one run: carry out the steps, confirm what they created, delete duplicates of the run's own making.
//!
//! Never starts the next phase after the run was stopped.

use super::attempts::Attempts;
use super::carry_out::{Carried, carry_out};
use super::confirm::confirm;
use super::copies::settle_copies;
use super::event::Event;
use super::outcome::{Outcome, StepStatus};
use super::run::Run;
use super::stop::{Signal, Stop, unless_stopped};
use crate::aws::Clients;
use crate::kinds::{Freeze, ObservedState, OnFreeze, Stack};
use crate::plan::{Plan, Reason};
use tokio::sync::watch;

/// Carries out every step that the plan decides to do.
pub async fn apply(
    aws: &Clients,
    stack: &Stack,
    plan: &Plan,
    observed: &ObservedState,
    stop: watch::Receiver<Stop>,
    tell: &(dyn Fn(Event) + Sync),
) -> Outcome {
    let written = aws.gate.writes();
    let attempts = Attempts::default();
    let run = Run::new(aws, stack, plan, observed, &attempts, tell);
    let Carried { steps, requests, frozen } = carry_out(&run, plan, stop.clone()).await;
    let mut outcome = Outcome { steps, requests, ..Outcome::default() };
    let mut contested = false;
    unless_stopped(&stop, async { contested = confirm(&run, plan, &mut outcome).await }).await;
    if contested && stop.borrow().why().is_none() && run.freeze().is_none() {
        Box::pin(settle_copies(&run, plan, &mut outcome, &stop)).await;
    }
    outcome.stopped = stop.borrow().why();
    if let (None, Some(freeze)) = (outcome.stopped, frozen) {
        hold_back(&mut outcome, stack.on_freeze, &freeze);
    }
    outcome.wrote = aws.gate.writes() > written;
    outcome
}

/// Ends the steps that a freeze kept from being started.
fn hold_back(outcome: &mut Outcome, on_freeze: OnFreeze, freeze: &Freeze) {
    let kept = |status: &StepStatus| matches!(status, StepStatus::NotStarted);
    for (_, status) in outcome.steps.iter_mut().filter(|(_, status)| kept(status)) {
        match on_freeze {
            OnFreeze::Defer => *status = StepStatus::Deferred(Reason::frozen(freeze)),
            OnFreeze::Refuse => outcome.stopped = Some(Signal::Frozen),
        }
    }
}
