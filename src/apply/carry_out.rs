//! Carries out the steps of a plan in dependency order, independent ones side by side, each exactly once.
//!
//! Decides nothing that the plan left open: `queue.rs` says which step can start, the file of each action what is
//! sent.

use super::audience::interrupting;
use super::change::change;
use super::create::create;
use super::delete::delete;
use super::event::Event;
use super::failure::Failure;
use super::outcome::StepStatus;
use super::queue::Queue;
use super::ready::{is_changing, usable};
use super::release::release;
use super::run::Run;
use super::stop::{Stop, unless_stopped};
use crate::aws::{Applied, WriteTracker};
use crate::kinds::spec::named_targets;
use crate::kinds::{Address, Freeze, ObservedState};
use crate::plan::{Action, Plan, Step, StepId};
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// After the first signal, calls in flight are given this long (`docs/reliability.md` §4).
const DRAIN: Duration = Duration::from_secs(6);

/// What came of the steps of a plan.
pub(super) struct Carried {
    /// How each step ended.
    pub(super) steps: Vec<(StepId, StepStatus)>,
    /// AWS's id of each step's last write.
    pub(super) requests: BTreeMap<StepId, String>,
    /// The freeze that has begun meanwhile.
    pub(super) frozen: Option<Freeze>,
}

/// Carries out every step that the plan decides to do.
pub(super) async fn carry_out(
    run: &Run<'_>,
    plan: &Plan,
    mut stop: watch::Receiver<Stop>,
) -> Carried {
    let mut queue = Queue::new(plan, run.tell);
    unless_stopped(&stop, settle(run, plan, run.observed)).await;
    let mut running = FuturesUnordered::new();
    let mut writes: BTreeMap<StepId, WriteTracker> = BTreeMap::new();
    let (halt, halted) = watch::channel(false);
    let mut deadline: Option<Instant> = None;
    let mut frozen: Option<Freeze> = None;
    // The freeze for which a step's first write was kept back.
    let mut met: Option<&Freeze> = None;
    loop {
        let stopping = stop.borrow().why().is_some();
        if frozen.is_none()
            && let Some(freeze) = run.freeze().or(met)
        {
            // A step that has sent a write is finished; the others are not started.
            halt.send_replace(true);
            (run.tell)(Event::Frozen { freeze: freeze.clone() });
            frozen = Some(freeze.clone());
        }
        if stopping && mutant!(DroppedOnStop) {
            break;
        }
        if stopping && deadline.is_none() {
            deadline = Some(Instant::now() + DRAIN);
            // A step that waits for its turn, or still reads its object, has no write in flight.
            halt.send_replace(true);
            let in_flight = queue.running().filter(|it| writes[it].begun()).count();
            (run.tell)(Event::Draining { in_flight, at_most: DRAIN });
        }
        let goes_on = !stopping && frozen.is_none();
        let next_freeze = run.next_freeze();
        while let Some(step) = if goes_on { queue.next() } else { None } {
            let write = WriteTracker::unless(&halted, next_freeze.map(|it| it.from));
            writes.insert(step.id, write.clone());
            running.push(async move { (step.id, Box::pin(told(run, step, &write)).await) });
        }
        if running.is_empty() {
            break;
        }
        // Calls in flight are never dropped before the drain is over: a dropped request is a lost reply.
        let signal = async {
            match deadline {
                _ if stop.borrow().now => {}
                Some(deadline) => {
                    let hard = stop.wait_for(|it| it.now);
                    select(pin!(hard), pin!(sleep_until(deadline))).await;
                }
                None => {
                    let stopped = async {
                        if stop.changed().await.is_err() {
                            std::future::pending::<()>().await;
                        }
                    };
                    let begins = async {
                        match run.next_freeze_begins().filter(|_| frozen.is_none()) {
                            Some(begins) => sleep_until(begins).await,
                            None => std::future::pending().await,
                        }
                    };
                    select(pin!(stopped), pin!(begins)).await;
                }
            }
        };
        match select(running.next(), pin!(signal)).await {
            Either::Left((Some((id, status)), _)) => {
                if writes[&id].kept_back() {
                    met = next_freeze;
                }
                queue.end(id, status, writes[&id].request_id());
            }
            Either::Right(_) if deadline.is_some() => break,
            Either::Left((None, _)) | Either::Right(_) => {}
        }
    }
    drop(running);
    if mutant!(DroppedOnStop) && stop.borrow().first.is_some() {
        queue.started.clear();
    }
    queue.started.retain(|it| writes.get(it).is_none_or(WriteTracker::begun));
    let requests = writes.iter().filter_map(|(id, write)| Some((*id, write.request_id()?)));
    let requests = requests.collect();
    Carried { steps: queue.finish(), requests, frozen }
}

/// Waits until objects that AWS is still creating or changing for an earlier run can be used, where this plan
/// refers to them.
async fn settle(run: &Run<'_>, plan: &Plan, observed: &ObservedState) {
    let doing = plan.steps.iter().filter(|it| it.decision.is_do());
    let needed: BTreeSet<Address> =
        doing.flat_map(|it| it.spec.iter().flat_map(named_targets)).collect();
    let waits = needed.iter().filter_map(|address| {
        let it = observed.owned.get(address)?;
        let waiting = run.waiting(address);
        is_changing(it).then_some(async move {
            usable(run.aws, it.clone(), true, run.planned, &waiting).await
        })
    });
    // A failure is reported by the steps that refer to the object: AWS refuses them by name.
    futures_util::future::join_all(waits.collect::<Vec<_>>()).await;
}

/// Carries out one step, and tells when its first write is sent: until then a signal keeps it from starting.
async fn told(run: &Run<'_>, step: &Step, write: &WriteTracker) -> StepStatus {
    let mut work = pin!(write.of(carry_out_step(run, step)));
    let ended = tokio::select! {
        biased;
        status = &mut work => Some(status),
        () = write.begins() => None,
    };
    if write.begun() {
        let (id, address, action) = (step.id, step.address.clone(), step.action);
        (run.tell)(Event::Started { id, address, action });
    }
    let status = match ended {
        Some(status) => status,
        None => work.await,
    };
    if write.kept_back() { StepStatus::NotStarted } else { status }
}

/// Carries out one step.
async fn carry_out_step(run: &Run<'_>, step: &Step) -> StepStatus {
    let done = match step.action {
        Action::Create | Action::Replace => create(run, step).await,
        Action::Adopt if step.arn.is_none() => create(run, step).await,
        Action::Update | Action::Adopt | Action::Rename | Action::Retag => {
            interrupting(run, step, async |detached| change(run, step, detached).await).await
        }
        Action::Delete => {
            interrupting(run, step, async |detached| delete(run, step, detached).await).await
        }
        Action::Release => release(run, step).await,
    };
    done.unwrap_or_else(|failure| match failure {
        Failure::Cloud(error) if error.applied() == Applied::Unknown => {
            StepStatus::Unknown(Failure::Cloud(error))
        }
        failure => StepStatus::Failed(failure),
    })
}
