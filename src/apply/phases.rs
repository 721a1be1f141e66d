//! The phases of one run: carry out the steps, confirm what they created, delete duplicates of the run's own making.
//!
//! Never starts the next phase after the run was stopped.

use super::attempts::Attempts;
use super::carry_out::carry_out;
use super::confirm::confirm;
use super::copies::settle_copies;
use super::event::Event;
use super::outcome::Outcome;
use super::run::Run;
use super::stop::{Stop, unless_stopped};
use crate::aws::Clients;
use crate::kinds::{ObservedState, Stack};
use crate::plan::Plan;
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
    let (steps, requests) = carry_out(&run, plan, stop.clone()).await;
    let mut outcome = Outcome { steps, requests, ..Outcome::default() };
    let mut contested = false;
    unless_stopped(&stop, async { contested = confirm(&run, plan, &mut outcome).await }).await;
    if contested && stop.borrow().why().is_none() {
        Box::pin(settle_copies(&run, plan, &mut outcome, &stop)).await;
    }
    outcome.stopped = stop.borrow().why();
    outcome.wrote = aws.gate.writes() > written;
    outcome
}
