//! Carries a plan out: steps in dependency order, independent ones side by side, each exactly once.
//!
//! Decides nothing that the plan left open, and prints nothing: it tells events and returns an outcome.
//! Every run starts from what is live, so a run that was killed is continued by simply running again.

mod ensure;
mod event;

pub use event::{Event, Failure, Outcome, Signal, StepStatus};

use crate::aws::Clients;
use crate::kinds::{Address, Arn, Book, Kind, Scope};
use crate::plan::{Action, Decision, Plan, Step, StepId};
use ensure::{Made, Still};
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// Steps that run side by side. Each operation has its own rate bucket; more than this only waits there.
const SIDE_BY_SIDE: usize = 32;

/// After the first signal, calls in flight are given this long (`reliability.md` §4).
const DRAIN: Duration = Duration::from_secs(6);

/// At the end, new objects must show up in the listings within this long.
const BARRIER: Duration = Duration::from_mins(1);

/// How many signals a run has had, and which came first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// The first one.
    pub first: Option<Signal>,
    /// Whether another followed: stop now.
    pub now: bool,
}

/// Carries out every step that the plan decides to do.
pub async fn apply(
    aws: &Clients,
    stack: &str,
    plan: &Plan,
    book: Book,
    mut stop: watch::Receiver<Stop>,
    tell: &(dyn Fn(Event) + Sync),
) -> Outcome {
    let run = Run { aws, stack, book: Mutex::new(book), tell };
    let mut ended: BTreeMap<StepId, StepStatus> = BTreeMap::new();
    let steps = plan.by_id();
    let doing: BTreeSet<StepId> =
        steps.values().filter(|it| it.decision.is_do()).map(|it| it.id).collect();
    let mut open = doing.clone();
    let mut running = FuturesUnordered::new();
    let mut deadline: Option<Instant> = None;
    loop {
        let stopping = stop.borrow().first.is_some();
        if stopping && deadline.is_none() {
            deadline = Some(Instant::now() + DRAIN);
            tell(Event::Draining { in_flight: running.len(), at_most: DRAIN });
        }
        if !stopping {
            for id in ready(&mut open, &steps, &doing, &mut ended, tell) {
                if running.len() == SIDE_BY_SIDE {
                    break;
                }
                open.remove(&id);
                let step = steps[&id];
                let run = &run;
                running.push(async move { (id, run.step(step).await) });
            }
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
                    if stop.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            }
        };
        match select(running.next(), pin!(signal)).await {
            Either::Left((Some((id, status)), _)) => {
                let step = steps[&id];
                tell(Event::Ended {
                    id,
                    address: step.address.clone(),
                    action: step.action,
                    status: status.clone(),
                });
                ended.insert(id, status);
            }
            Either::Right(_) if deadline.is_some() => break,
            Either::Left((None, _)) | Either::Right(_) => {}
        }
    }
    let first = stop.borrow().first;
    let mut outcome = Outcome { steps: Vec::new(), stopped: first };
    for id in doing {
        let status = ended.remove(&id).unwrap_or_else(|| {
            if open.contains(&id) { StepStatus::NotStarted } else { dropped(steps[&id]) }
        });
        outcome.steps.push((id, status));
    }
    if first.is_none() {
        run.confirm(plan, &mut outcome).await;
    }
    outcome
}

/// A step whose calls were in flight when the run had to end.
fn dropped(step: &Step) -> StepStatus {
    let operation = step.action.word();
    StepStatus::Unknown(
        crate::aws::CloudError::unusable(
            operation,
            "the run was stopped while the call was in flight",
        )
        .into(),
    )
}

/// Steps whose needs are done. Steps that need something which did not come about end here, as skipped.
fn ready(
    open: &mut BTreeSet<StepId>,
    steps: &BTreeMap<StepId, &Step>,
    doing: &BTreeSet<StepId>,
    ended: &mut BTreeMap<StepId, StepStatus>,
    tell: &(dyn Fn(Event) + Sync),
) -> Vec<StepId> {
    let mut ready = Vec::new();
    // In order of numbers, so that a chain of skipped steps ends in one pass.
    for id in open.clone() {
        let step = steps[&id];
        let needs = step.after.iter().filter(|it| doing.contains(it));
        let mut waits = false;
        let mut missing = None;
        for needed in needs {
            match ended.get(needed) {
                Some(status) if status.is_done() => {}
                Some(_) => missing = Some(steps[needed].address.clone()),
                None => waits = true,
            }
        }
        if let Some(missing) = missing {
            open.remove(&id);
            let status = StepStatus::Skipped(missing);
            tell(Event::Ended {
                id,
                address: step.address.clone(),
                action: step.action,
                status: status.clone(),
            });
            ended.insert(id, status);
        } else if !waits {
            ready.push(id);
        }
    }
    ready
}

struct Run<'a> {
    aws: &'a Clients,
    stack: &'a str,
    book: Mutex<Book>,
    tell: &'a (dyn Fn(Event) + Sync),
}

impl Run<'_> {
    fn book(&self) -> Book {
        self.book.lock().expect("nobody panics with the book in hand").clone()
    }

    fn note(&self, address: &Address, arn: &Arn) {
        let mut book = self.book.lock().expect("nobody panics with the book in hand");
        book.note(address.clone(), arn.clone());
    }

    async fn step(&self, step: &Step) -> StepStatus {
        let (id, address, action) = (step.id, step.address.clone(), step.action);
        (self.tell)(Event::Started { id, address, action });
        let done = match action {
            Action::Create | Action::Replace => self.create(step).await,
            Action::Adopt if step.arn.is_none() => self.create(step).await,
            Action::Update | Action::Adopt | Action::Rename | Action::Retag => {
                self.change(step).await
            }
            Action::Delete => self.delete(step).await,
        };
        done.unwrap_or_else(|failure| match failure {
            Failure::Cloud(error) if error.applied() == crate::aws::Applied::Unknown => {
                StepStatus::Unknown(Failure::Cloud(error))
            }
            failure => StepStatus::Failed(failure),
        })
    }

    fn waiting(&self, step: &Step) -> impl Fn(String) {
        let (id, tell) = (step.id, self.tell);
        move |what| tell(Event::Waiting { id, what })
    }

    async fn create(&self, step: &Step) -> Result<StepStatus, Failure> {
        let book = self.book();
        match ensure::created(self.aws, step, &book).await? {
            Made::Unknown(error) => Ok(StepStatus::Unknown(error.into())),
            Made::Live(live) => {
                let live = ensure::usable(self.aws, *live, &book, self.waiting(step)).await?;
                self.note(&step.address, &live.arn);
                Ok(StepStatus::Done(Some(live.arn)))
            }
        }
    }

    async fn change(&self, step: &Step) -> Result<StepStatus, Failure> {
        let arn = step.arn.clone().expect("a step that changes something has an object");
        let writes_spec = step.fields.iter().any(|it| it.path.starts_with("spec") && !it.is_tag());
        if writes_spec && let Some(why) = self.cut_off(step, &arn).await? {
            return Ok(StepStatus::Deferred(why));
        }
        let book = self.book();
        let arn = ensure::changed(self.aws, step, &book, self.waiting(step)).await?;
        self.note(&step.address, &arn);
        Ok(StepStatus::Done(Some(arn)))
    }

    async fn delete(&self, step: &Step) -> Result<StepStatus, Failure> {
        let arn = step.arn.clone().expect("a step that deletes something has an object");
        let kind = step.address.kind;
        match ensure::still_ours(self.aws, self.stack, &step.address, &arn).await? {
            Still::Ours => {}
            Still::Gone => return Ok(StepStatus::Done(Some(arn))),
            Still::Not(why) => return Ok(StepStatus::Stale(why)),
        }
        if let Some(why) = self.cut_off(step, &arn).await? {
            return Ok(StepStatus::Deferred(why));
        }
        ensure::deleted(self.aws, kind, &arn, self.waiting(step)).await?;
        Ok(StepStatus::Done(Some(arn)))
    }

    /// The last look before a call that could cut somebody off: whoever went live since the plan was made
    /// is left alone, and an audience is sent away only with consent.
    async fn cut_off(&self, step: &Step, arn: &Arn) -> Result<Option<String>, Failure> {
        let kind = step.address.kind;
        let Some(audience) = kind.audience(self.aws, arn).await? else { return Ok(None) };
        if step.decision == Decision::Interrupt {
            ensure::interrupted(self.aws, kind, arn, self.waiting(step)).await?;
            return Ok(None);
        }
        Ok(Some(crate::plan::policy::live(&audience)))
    }

    /// Waits until every object made by this run is listed, so that the next run cannot miss one and make
    /// it again.
    async fn confirm(&self, plan: &Plan, outcome: &mut Outcome) {
        let steps = plan.by_id();
        let mut unlisted: BTreeMap<Kind, BTreeMap<Arn, StepId>> = BTreeMap::new();
        for (id, status) in &outcome.steps {
            let step = steps[id];
            let listed_alone = step.address.kind.facts().comes_with.is_none();
            if let (true, true, StepStatus::Done(Some(arn))) =
                (step.action.makes(), listed_alone, status)
            {
                unlisted.entry(step.address.kind).or_default().insert(arn.clone(), *id);
            }
        }
        let start = Instant::now();
        let mut pause = Duration::from_millis(500);
        while !unlisted.is_empty() {
            for (kind, missing) in &mut unlisted {
                // A listing that fails now is asked again; only time ends this.
                if let Ok(listing) = kind.list(self.aws, &Scope::default()).await {
                    for live in listing {
                        missing.remove(&live.arn);
                    }
                }
            }
            unlisted.retain(|_, missing| !missing.is_empty());
            if unlisted.is_empty() || start.elapsed() > BARRIER {
                break;
            }
            (self.tell)(Event::Confirming { unlisted: unlisted.values().map(BTreeMap::len).sum() });
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
        let late: BTreeMap<StepId, Arn> =
            unlisted.into_values().flatten().map(|(arn, id)| (id, arn)).collect();
        for (id, status) in &mut outcome.steps {
            if let Some(arn) = late.get(id) {
                *status = StepStatus::Unconfirmed(arn.clone());
            }
        }
    }
}
