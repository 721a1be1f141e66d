//! Carries a plan out: steps in dependency order, independent ones side by side, each exactly once.
//!
//! Decides nothing that the plan left open, and prints nothing: it tells events and returns an outcome.
//! Every run starts from what is live, so a run that was killed is continued by simply running again.

mod ensure;
mod event;

pub use event::{Event, Failure, Outcome, Signal, StepStatus};

use crate::aws::{Clients, CloudError};
use crate::kinds::spec::named_targets;
use crate::kinds::{Address, Arn, Body, Book, Kind, LiveState, Scope, Stack};
use crate::plan::{Action, Decision, Plan, Step, StepId};
use ensure::{Made, Still};
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
    stack: &Stack,
    plan: &Plan,
    live: &LiveState,
    mut stop: watch::Receiver<Stop>,
    tell: &(dyn Fn(Event) + Sync),
) -> Outcome {
    let written = aws.meter.writes();
    let book = Mutex::new(live.book.clone());
    let run = Run { aws, stack, planned: &live.book, book, tell };
    let mut queue = Queue::new(plan, tell);
    unless_stopped(&stop, run.settle(plan, live)).await;
    let mut running = FuturesUnordered::new();
    let mut deadline: Option<Instant> = None;
    loop {
        let stopping = stop.borrow().first.is_some();
        if stopping && deadline.is_none() {
            deadline = Some(Instant::now() + DRAIN);
            tell(Event::Draining { in_flight: running.len(), at_most: DRAIN });
        }
        while !stopping && running.len() < SIDE_BY_SIDE {
            let Some(step) = queue.next() else { break };
            let run = &run;
            running.push(async move { (step.id, run.step(step).await) });
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
            Either::Left((Some((id, status)), _)) => queue.end(id, status),
            Either::Right(_) if deadline.is_some() => break,
            Either::Left((None, _)) | Either::Right(_) => {}
        }
    }
    drop(running);
    let mut outcome = Outcome { steps: queue.finish(), ..Outcome::default() };
    unless_stopped(&stop, run.confirm(plan, &mut outcome)).await;
    outcome.stopped = stop.borrow().first;
    outcome.wrote = aws.meter.writes() > written;
    outcome
}

/// Waits for something that only watches, until the first signal.
async fn unless_stopped(stop: &watch::Receiver<Stop>, work: impl Future<Output = ()>) {
    let mut stop = stop.clone();
    if stop.borrow().first.is_none() {
        let stopped = async {
            if stop.wait_for(|it| it.first.is_some()).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        select(pin!(work), pin!(stopped)).await;
    }
}

/// Which steps can start, and what has become of the others.
struct Queue<'a> {
    steps: BTreeMap<StepId, &'a Step>,
    /// How many steps each one still waits for.
    waits: BTreeMap<StepId, usize>,
    /// Who waits for a step.
    behind: BTreeMap<StepId, Vec<StepId>>,
    ready: VecDeque<StepId>,
    started: BTreeSet<StepId>,
    ended: BTreeMap<StepId, StepStatus>,
    tell: &'a (dyn Fn(Event) + Sync),
}

impl<'a> Queue<'a> {
    fn new(plan: &'a Plan, tell: &'a (dyn Fn(Event) + Sync)) -> Self {
        let steps: BTreeMap<StepId, &Step> =
            plan.steps.iter().filter(|it| it.decision.is_do()).map(|it| (it.id, it)).collect();
        let mut waits = BTreeMap::new();
        let mut behind: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
        let mut ready = VecDeque::new();
        for (id, step) in &steps {
            let needs: Vec<StepId> =
                step.after.iter().copied().filter(|it| steps.contains_key(it)).collect();
            if needs.is_empty() {
                ready.push_back(*id);
            }
            waits.insert(*id, needs.len());
            for needed in needs {
                behind.entry(needed).or_default().push(*id);
            }
        }
        Self { steps, waits, behind, ready, started: BTreeSet::new(), ended: BTreeMap::new(), tell }
    }

    fn next(&mut self) -> Option<&'a Step> {
        let id = self.ready.pop_front()?;
        self.started.insert(id);
        Some(self.steps[&id])
    }

    /// Notes how a step ended. What stands on it and cannot go on ends with it, and so on.
    fn end(&mut self, id: StepId, status: StepStatus) {
        let mut open = vec![(id, status)];
        while let Some((id, status)) = open.pop() {
            let step = self.steps[&id];
            (self.tell)(Event::Ended {
                id,
                address: step.address.clone(),
                action: step.action,
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
                        self.ready.push_back(next);
                    }
                } else if matches!(status, StepStatus::Deferred(_)) {
                    let why = format!("waits for {}", step.address);
                    open.push((next, StepStatus::Deferred(why)));
                } else {
                    open.push((next, StepStatus::Skipped(step.address.clone())));
                }
            }
            self.ended.insert(id, status);
        }
    }

    /// Every step with its status; what was in flight when the run had to end is unknown.
    fn finish(mut self) -> Vec<(StepId, StepStatus)> {
        let status = |id: &StepId, step: &Step| match self.ended.remove(id) {
            Some(status) => status,
            None if self.started.contains(id) => {
                let message = "the run was stopped while the call was in flight";
                StepStatus::Unknown(CloudError::unusable(step.action.word(), message).into())
            }
            None => StepStatus::NotStarted,
        };
        let mut status = status;
        self.steps.iter().map(|(id, step)| (*id, status(id, step))).collect()
    }
}

struct Run<'a> {
    aws: &'a Clients,
    stack: &'a Stack,
    /// The book the plan was made with.
    planned: &'a Book,
    /// The same, with what this run made.
    book: Mutex<Book>,
    tell: &'a (dyn Fn(Event) + Sync),
}

impl Run<'_> {
    /// What a step needs to know of who is who by now.
    fn book(&self, step: &Step) -> Book {
        let book = self.book.lock().expect("nobody panics with the book in hand");
        book.only(step.body.iter().flat_map(named_targets).chain([step.address.clone()]))
    }

    fn note(&self, address: &Address, arn: &Arn) {
        let mut book = self.book.lock().expect("nobody panics with the book in hand");
        book.note(address.clone(), arn.clone());
    }

    /// Waits for what an earlier run made and did not wait for, where this plan refers to it.
    async fn settle(&self, plan: &Plan, live: &LiveState) {
        let doing = plan.steps.iter().filter(|it| it.decision.is_do());
        let needed: BTreeSet<Address> =
            doing.flat_map(|it| it.body.iter().flat_map(named_targets)).collect();
        let waits = needed.iter().filter_map(|address| {
            let it = live.owned.get(address)?;
            let (good, bad) = it.kind.facts().usable?;
            let state = it.state.as_deref()?;
            let passing = state != good && state != bad;
            let waiting = self.waiting(address);
            passing.then(|| ensure::usable(self.aws, it.clone(), self.planned, waiting))
        });
        // One that fails is the business of the steps that need it: AWS refuses them by name.
        futures_util::future::join_all(waits.collect::<Vec<_>>()).await;
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

    fn waiting(&self, address: &Address) -> impl Fn(String) {
        let (address, tell) = (address.clone(), self.tell);
        move |what| tell(Event::Waiting { address: address.clone(), what })
    }

    async fn create(&self, step: &Step) -> Result<StepStatus, Failure> {
        let book = self.book(step);
        let live = match ensure::created(self.aws, step, &book).await? {
            Made::Unknown(error) => return Ok(StepStatus::Unknown(error.into())),
            Made::Live(live) => live,
        };
        let arn = live.arn.clone();
        self.note(&step.address, &arn);
        let body = step.body.as_ref().expect("a step that makes something has a spec");
        let used = match ensure::fits(body, *live, "the create") {
            Ok(live) => ensure::usable(self.aws, live, &book, self.waiting(&step.address)).await,
            Err(failure) => Err(failure),
        };
        used.map_err(|failure| Failure::HalfDone {
            done: format!("making {arn}"),
            failure: Box::new(failure),
        })?;
        Ok(StepStatus::Done(Some(arn)))
    }

    async fn change(&self, step: &Step) -> Result<StepStatus, Failure> {
        let arn = step.arn.clone().expect("a step that changes something has an object");
        let there = match ensure::as_planned(self.aws, self.stack, step, self.planned).await? {
            Still::So(there) => there,
            Still::Gone => return Ok(StepStatus::Stale("it is gone".to_owned())),
            Still::Not(why) => return Ok(StepStatus::Stale(why)),
        };
        if step.writes_spec()
            && let Some(why) = self.cut_off(step, &arn).await?
        {
            return Ok(StepStatus::Deferred(why));
        }
        let book = self.book(step);
        let arn =
            ensure::changed(self.aws, step, &there, &book, self.waiting(&step.address)).await?;
        self.note(&step.address, &arn);
        Ok(StepStatus::Done(Some(arn)))
    }

    async fn delete(&self, step: &Step) -> Result<StepStatus, Failure> {
        let arn = step.arn.clone().expect("a step that deletes something has an object");
        let kind = step.address.kind;
        match ensure::still_ours(self.aws, step, &arn).await? {
            Still::So(()) => {}
            Still::Gone => return Ok(StepStatus::Done(Some(arn))),
            Still::Not(why) => return Ok(StepStatus::Stale(why)),
        }
        if let Some(why) = self.cut_off(step, &arn).await? {
            return Ok(StepStatus::Deferred(why));
        }
        ensure::deleted(self.aws, kind, &arn, self.waiting(&step.address)).await?;
        Ok(StepStatus::Done(Some(arn)))
    }

    /// The last look before a call that could cut somebody off: whoever went live since the plan was made
    /// is left alone, and an audience is sent away only with consent.
    async fn cut_off(&self, step: &Step, arn: &Arn) -> Result<Option<String>, Failure> {
        let kind = step.address.kind;
        // Who uses a stream key is whoever watches its channel.
        let parent = kind.facts().comes_with.and_then(|parent| {
            let edges = step.before.iter().flat_map(Body::refs);
            let arn = edges.into_iter().find(|it| it.kind == parent)?.to.arn(self.planned)?;
            Some((parent, arn))
        });
        let audience = match &parent {
            Some((parent, arn)) => parent.audience(self.aws, arn).await?,
            None => kind.audience(self.aws, arn).await?,
        };
        let Some(audience) = audience else { return Ok(None) };
        if step.decision == Decision::Interrupt {
            ensure::interrupted(self.aws, kind, arn, self.waiting(&step.address)).await?;
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
            let listed_alone = step.address.kind.facts().listed_per.is_none();
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
