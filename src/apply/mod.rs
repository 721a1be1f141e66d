//! Carries a plan out: steps in dependency order, independent ones side by side, each exactly once.
//!
//! Decides nothing that the plan left open, and prints nothing: it tells events and returns an outcome.
//! Every run starts from what is live, so a run that was killed is continued by simply running again.

mod changed;
mod copies;
mod ensure;
mod event;
pub mod lock;
mod wait;

pub use changed::Changed;
pub use copies::{Copy, Left, Unread};
pub use event::{Counts, Event, Failure, Outcome, Signal, StepStatus};
pub use wait::{Until, Wait};

use crate::aws::{Class, Clients, CloudError, WriteTracker, found, gone};
use crate::cloud::show_managed_tags;
use crate::kinds::spec::named_targets;
use crate::kinds::{
    Address, AddressMap, Arn, Audience, Kind, Observed, ObservedState, Owner, Scope, Spec, Stack,
    owner,
};
use crate::plan::{Action, Cause, Consent, Decision, Plan, Reason, Step, StepId};
use copies::Attempts;
use ensure::{CreateOutcome, Precondition, Tries};
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use wait::{Pause, Watch};

/// Steps of one kind and action that run side by side: they call the same operations, and more than this
/// only wait for the rate of those. Others never wait for them.
const SIDE_BY_SIDE: usize = 16;

/// After the first signal, calls in flight are given this long (`docs/reliability.md` §4).
const DRAIN: Duration = Duration::from_secs(6);

/// At the end, new objects must show up in the listings within this long.
const BARRIER: Duration = Duration::from_mins(1);

/// Between the two listings that both show what was made: long enough to be answered from elsewhere.
const BETWEEN_LISTINGS: Duration = Duration::from_millis(250);

/// A listing shows what others have made; one this old is taken again before something is made. Shorter would
/// cost more listings than a long run has rates for: a thousand channels take three minutes and a half.
const FRESH: Duration = Duration::from_mins(1);

/// Two listings that prove a duplicate lie at least so far apart (`docs/reliability.md` §2).
const APART: Duration = Duration::from_secs(15);

/// How many signals a run has had, and which came first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// The first one.
    pub first: Option<Signal>,
    /// Whether another followed: stop now.
    pub now: bool,
    /// How long the lock is ours, if nothing is heard of it: a run that was suspended may wake up long after
    /// that, before anybody could tell it so.
    pub until: Option<Instant>,
}

impl Stop {
    /// Why nothing new may be started, if so.
    pub fn why(&self) -> Option<Signal> {
        let over = self.until.is_some_and(|it| Instant::now() >= it);
        self.first.or(over.then_some(Signal::LockLost))
    }
}

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
    let (steps, requests) = run.carry_out(plan, stop.clone()).await;
    let mut outcome = Outcome { steps, requests, ..Outcome::default() };
    let mut contested = false;
    unless_stopped(&stop, async { contested = run.confirm(plan, &mut outcome).await }).await;
    if contested && stop.borrow().why().is_none() {
        Box::pin(run.settle_copies(plan, &mut outcome, &stop)).await;
    }
    outcome.stopped = stop.borrow().why();
    outcome.wrote = aws.gate.writes() > written;
    outcome
}

/// How each step of a plan ended, and AWS's id of each step's last write.
type Carried = (Vec<(StepId, StepStatus)>, BTreeMap<StepId, String>);

/// Waits for something that only watches, until the first signal.
async fn unless_stopped(stop: &watch::Receiver<Stop>, work: impl Future<Output = ()>) {
    let mut stop = stop.clone();
    if stop.borrow().why().is_none() {
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
    lines: BTreeMap<(Kind, Action), Line>,
    started: BTreeSet<StepId>,
    ended: BTreeMap<StepId, StepStatus>,
    tell: &'a (dyn Fn(Event) + Sync),
}

/// Steps of one kind and action that nothing holds up.
#[derive(Default)]
struct Line {
    ready: VecDeque<StepId>,
    running: usize,
}

impl<'a> Queue<'a> {
    fn new(plan: &'a Plan, tell: &'a (dyn Fn(Event) + Sync)) -> Self {
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
                line.ready.push_back(*id);
            }
            waits.insert(*id, needs.len());
            for needed in needs {
                behind.entry(needed).or_default().push(*id);
            }
        }
        Self { steps, waits, behind, lines, started: BTreeSet::new(), ended: BTreeMap::new(), tell }
    }

    fn next(&mut self) -> Option<&'a Step> {
        let free = |line: &&mut Line| line.running < SIDE_BY_SIDE && !line.ready.is_empty();
        let line = self.lines.values_mut().find(free)?;
        let id = line.ready.pop_front()?;
        line.running += 1;
        self.started.insert(id);
        Some(self.steps[&id])
    }

    fn line(&mut self, id: StepId) -> &mut Line {
        let step = self.steps[&id];
        self.lines.entry((step.address.kind, step.action)).or_default()
    }

    /// Notes how a step ended. What stands on it and cannot go on ends with it, and so on.
    fn end(&mut self, id: StepId, status: StepStatus) {
        self.line(id).running -= 1;
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
                        self.line(next).ready.push_back(next);
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
    fn running(&self) -> impl Iterator<Item = &StepId> {
        self.started.iter().filter(|it| !self.ended.contains_key(it))
    }

    /// Every step with its status; what was in flight when the run had to end is unknown.
    fn finish(mut self) -> Vec<(StepId, StepStatus)> {
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

/// A complete listing of one kind, and the server's time when it was begun.
type Listing = (Timestamp, Arc<Vec<Observed>>);

struct Run<'a> {
    aws: &'a Clients,
    stack: &'a Stack,
    /// What the plan was made from.
    observed: &'a ObservedState,
    /// The address map that the plan was made with.
    planned: &'a AddressMap,
    /// The same, with what this run made.
    addresses: Mutex<AddressMap>,
    /// Steps that others come after.
    needed: BTreeSet<StepId>,
    /// Listings that this run took, one lock a kind: who needs one waits for who is taking it.
    listings: BTreeMap<Kind, tokio::sync::Mutex<Option<Listing>>>,
    /// What this run made, with the name of the attempt, whatever became of the step afterwards.
    made: Mutex<BTreeMap<StepId, (Arn, String)>>,
    attempts: &'a Attempts,
    /// What this run has stopped, and what that used: AWS may go on for a while as if it were not so. With the id of
    /// the stream that a channel had.
    stopped: Mutex<BTreeMap<Arn, Option<String>>>,
    tell: &'a (dyn Fn(Event) + Sync),
}

impl<'a> Run<'a> {
    fn new(
        aws: &'a Clients,
        stack: &'a Stack,
        plan: &Plan,
        observed: &'a ObservedState,
        attempts: &'a Attempts,
        tell: &'a (dyn Fn(Event) + Sync),
    ) -> Self {
        let doing = plan.steps.iter().filter(|it| it.decision.is_do());
        Self {
            aws,
            stack,
            observed,
            planned: &observed.addresses,
            addresses: Mutex::new(observed.addresses.clone()),
            needed: doing.flat_map(|it| it.after.iter().copied()).collect(),
            listings: Kind::ALL.iter().map(|kind| (*kind, tokio::sync::Mutex::default())).collect(),
            made: Mutex::default(),
            attempts,
            stopped: Mutex::default(),
            tell,
        }
    }

    /// Carries out every step that the plan decides to do.
    async fn carry_out(&self, plan: &Plan, mut stop: watch::Receiver<Stop>) -> Carried {
        let mut queue = Queue::new(plan, self.tell);
        unless_stopped(&stop, self.settle(plan, self.observed)).await;
        let mut running = FuturesUnordered::new();
        let mut writes: BTreeMap<StepId, WriteTracker> = BTreeMap::new();
        let (halt, halted) = watch::channel(false);
        let mut deadline: Option<Instant> = None;
        loop {
            let stopping = stop.borrow().why().is_some();
            if stopping && mutant!(DroppedOnStop) {
                break;
            }
            if stopping && deadline.is_none() {
                deadline = Some(Instant::now() + DRAIN);
                // What waits for its turn, or still looks at its object, is no call in flight.
                halt.send_replace(true);
                let in_flight = queue.running().filter(|it| writes[it].begun()).count();
                (self.tell)(Event::Draining { in_flight, at_most: DRAIN });
            }
            while let Some(step) = if stopping { None } else { queue.next() } {
                let write = WriteTracker::unless(&halted);
                writes.insert(step.id, write.clone());
                running.push(async move {
                    let status = write.of(self.step(step)).await;
                    (step.id, if write.kept_back() { StepStatus::NotStarted } else { status })
                });
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
        if mutant!(DroppedOnStop) && stop.borrow().first.is_some() {
            queue.started.clear();
        }
        queue.started.retain(|it| writes.get(it).is_none_or(WriteTracker::begun));
        let requests = writes.iter().filter_map(|(id, write)| Some((*id, write.request_id()?)));
        let requests = requests.collect();
        (queue.finish(), requests)
    }

    /// The server's time. Every run has had answers by the time it changes something.
    fn now(&self) -> Result<Timestamp, CloudError> {
        let unsaid = || CloudError {
            class: Class::NotSent,
            ..CloudError::unusable("apply", "no answer carried a `Date` header")
        };
        self.aws.gate.server_time().ok_or_else(unsaid)
    }

    /// A complete listing of a kind, begun no earlier than `since`. One listing serves all who wait for it.
    async fn listing(
        &self,
        kind: Kind,
        since: Timestamp,
    ) -> Result<Arc<Vec<Observed>>, CloudError> {
        let mut last = self.listings[&kind].lock().await;
        if let Some((begun, listing)) = &*last
            && *begun >= since
        {
            return Ok(listing.clone());
        }
        let begun = self.now()?;
        let listing = Arc::new(kind.list_tagged(self.aws, &Scope::default()).await?);
        *last = Some((begun, listing.clone()));
        Ok(listing)
    }

    /// An object that has come to carry a step's name since the plan was read: another run made it.
    async fn made_meanwhile(&self, step: &Step) -> Result<Option<Arn>, CloudError> {
        let kind = step.address.kind;
        // What comes with something else is looked for by the create itself.
        if kind.facts().listed_under.is_some() || mutant!(NoLookBeforeCreate) {
            return Ok(None);
        }
        let since = self.now()? - FRESH;
        if self.observed.as_of.is_some_and(|it| it >= since) {
            return Ok(None);
        }
        let listing = self.listing(kind, since).await?;
        let known: BTreeSet<&Arn> = self.observed.all().map(|it| &it.arn).collect();
        let ended = kind.facts().ended;
        let hit = listing.iter().find(|it| {
            let owner = it.owner();
            let same =
                owner.in_stack(&self.stack.name).is_some_and(|it| it.name == step.address.name);
            let over = it.state.as_deref().is_some_and(|state| ended.contains(&state));
            same && !over && !known.contains(&it.arn)
        });
        Ok(hit.map(|it| it.arn.clone()))
    }

    /// What a step needs to know of who is who by now.
    fn addresses(&self, step: &Step) -> AddressMap {
        let addresses = self.addresses.lock().expect("no task panics while it holds the lock");
        addresses.only(step.spec.iter().flat_map(named_targets).chain([step.address.clone()]))
    }

    fn note(&self, address: &Address, arn: &Arn) {
        let mut addresses = self.addresses.lock().expect("no task panics while it holds the lock");
        addresses.note(address.clone(), arn.clone());
    }

    /// Waits for what an earlier run made and did not wait for, where this plan refers to it.
    async fn settle(&self, plan: &Plan, observed: &ObservedState) {
        let doing = plan.steps.iter().filter(|it| it.decision.is_do());
        let needed: BTreeSet<Address> =
            doing.flat_map(|it| it.spec.iter().flat_map(named_targets)).collect();
        let waits = needed.iter().filter_map(|address| {
            let it = observed.owned.get(address)?;
            let waiting = self.waiting(address);
            ensure::is_changing(it).then_some(async move {
                ensure::usable(self.aws, it.clone(), true, self.planned, &waiting).await
            })
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
                self.interrupting(step, async |taken| self.change(step, taken).await).await
            }
            Action::Delete => {
                self.interrupting(step, async |taken| self.delete(step, taken).await).await
            }
            Action::Release => self.release(step).await,
        };
        done.unwrap_or_else(|failure| match failure {
            Failure::Cloud(error) if error.applied() == crate::aws::Applied::Unknown => {
                StepStatus::Unknown(Failure::Cloud(error))
            }
            failure => StepStatus::Failed(failure),
        })
    }

    fn waiting(&self, address: &Address) -> impl Fn(Wait) + Sync + use<'a> {
        let (address, tell) = (Some(address.clone()), self.tell);
        move |wait| tell(Event::Waiting { address: address.clone(), wait })
    }

    /// Notes that this run has stopped something, or what used it.
    fn note_stopped(&self, arn: Arn, audience: Option<&Audience>) {
        let stream = audience.and_then(|it| it.session.clone());
        self.stopped.lock().expect("no task panics while it holds the lock").insert(arn, stream);
    }

    /// Whether something that this run has stopped explains that AWS refuses a step.
    fn is_explained(&self, step: &Step) -> bool {
        let addresses = self.addresses(step);
        let taken =
            step.spec.iter().filter(|_| step.action.makes()).flat_map(Spec::must_be_offline);
        let taken = taken.filter_map(|it| it.to.arn(&addresses));
        let stopped = self.stopped.lock().expect("no task panics while it holds the lock");
        step.arn.iter().cloned().chain(taken).any(|it| stopped.contains_key(&it))
    }

    /// Who would be cut off by a change to an object at this moment. A stream that this run has stopped already is
    /// waited for; whoever comes after it counts.
    async fn audience(
        &self,
        step: &Step,
        kind: Kind,
        arn: &Arn,
    ) -> Result<Option<Audience>, Failure> {
        let waiting = self.waiting(&step.address);
        let mut watch =
            Watch::new(Until::Offline { channel: arn.clone() }, ensure::RELEASE, &waiting);
        loop {
            let Some(audience) = kind.audience(self.aws, arn).await? else { return Ok(None) };
            let stopped = {
                let stopped = self.stopped.lock().expect("no task panics while it holds the lock");
                stopped.get(arn).is_some_and(|id| id.is_some() && *id == audience.session)
            };
            if !stopped || !watch.again().await {
                return Ok(Some(audience));
            }
        }
    }

    /// Why an object cannot be made now, if it takes a channel that somebody else is live on.
    async fn taken(&self, step: &Step) -> Result<Option<Reason>, Failure> {
        let addresses = self.addresses(step);
        for edge in step.spec.iter().flat_map(Spec::must_be_offline) {
            let Some(arn) = edge.to.arn(&addresses) else { continue };
            if let Some(audience) = self.audience(step, edge.kind, &arn).await? {
                return Ok(Some(Reason::TargetLive { target: edge.to, audience }));
            }
        }
        Ok(None)
    }

    async fn create(&self, step: &Step) -> Result<StepStatus, Failure> {
        if let Some(arn) = self.made_meanwhile(step).await? {
            return Ok(StepStatus::Stale(Changed::MadeMeanwhile { arn }));
        }
        let addresses = self.addresses(step);
        if let Some(why) = self.taken(step).await? {
            return Ok(StepStatus::Deferred(why));
        }
        let waiting = self.waiting(&step.address);
        let mut tries = Tries::new(&waiting);
        tries.explained = self.is_explained(step);
        let (observed, attempt_id) =
            match ensure::created(self.aws, step, &addresses, self.attempts, &mut tries).await {
                Ok(CreateOutcome::Unknown(error)) => return Ok(StepStatus::Unknown(error.into())),
                Ok(CreateOutcome::Observed(observed, attempt_id)) => (observed, attempt_id),
                Err(failure) => {
                    // Somebody may have gone live since the look.
                    if failure.is_conflict()
                        && let Some(why) = self.taken(step).await?
                    {
                        return Ok(StepStatus::Deferred(why));
                    }
                    return Err(failure);
                }
            };
        let arn = observed.arn.clone();
        self.note(&step.address, &arn);
        let made = (arn.clone(), attempt_id.clone());
        self.made.lock().expect("no task panics while it holds the lock").insert(step.id, made);
        let spec = step.spec.as_ref().expect("a step that makes something has a spec");
        let used = async {
            let observed = ensure::fits(spec, *observed, "the create")?;
            let observed = ensure::usable(self.aws, observed, false, &addresses, &waiting).await?;
            // What nobody refers to is confirmed by the listings at the end.
            if self.needed.contains(&step.id) && !mutant!(UsedTooSoon) {
                ensure::seen_twice(self.aws, &observed, &attempt_id, &addresses, &waiting).await?;
            }
            Ok(())
        };
        used.await.map_err(|failure: Failure| {
            // No listing will show what was deleted meanwhile.
            if matches!(failure, Failure::Gone { .. }) {
                self.made.lock().expect("no task panics while it holds the lock").remove(&step.id);
            }
            Failure::HalfDone { done: format!("making {arn}"), failure: Box::new(failure) }
        })?;
        Ok(StepStatus::Done(Some(arn)))
    }

    /// Carries out a step that may send an audience away. Where the change does not follow, what AWS took from
    /// the object with the audience is given back.
    async fn interrupting(
        &self,
        step: &Step,
        change: impl AsyncFnOnce(&mut Option<Arn>) -> Result<StepStatus, Failure>,
    ) -> Result<StepStatus, Failure> {
        let mut taken = None;
        let ended = change(&mut taken).await;
        let (Some(taken), Some(arn)) = (taken, &step.arn) else { return ended };
        if matches!(ended, Ok(StepStatus::Done(_))) {
            return ended;
        }
        let waiting = self.waiting(&step.address);
        match ensure::put_back(self.aws, step, arn, &taken, &waiting).await {
            Ok(()) => ended,
            Err(failure) => {
                let after = match ended {
                    Err(ended) => format!("the change failed ({ended})"),
                    Ok(_) => "the change was not made".to_owned(),
                };
                Err(Failure::NotPutBack { taken, after, failure: Box::new(failure) })
            }
        }
    }

    async fn change(&self, step: &Step, taken: &mut Option<Arn>) -> Result<StepStatus, Failure> {
        let arn = step.arn.clone().expect("a step that changes something has an object");
        let addresses = self.addresses(step);
        let waiting = self.waiting(&step.address);
        let mut tries = Tries::new(&waiting);
        loop {
            let (aws, stack) = (self.aws, self.stack);
            let (planned, cut) = (self.planned, taken.is_some());
            let still =
                ensure::as_planned(aws, stack, step, planned, &addresses, &tries, cut).await?;
            let (there, as_wanted) = match still {
                Precondition::So(there) => there,
                Precondition::Gone => return tries.gave_way(Changed::Gone),
                Precondition::Not(why) => return tries.gave_way(why),
            };
            let spec = step.wanted(there.spec.as_ref());
            let spec = spec.expect("a step that changes something has a spec");
            if !step.writes_spec() {
                ensure::tagged(aws, step, &spec, &arn, &addresses, &waiting).await?;
                break;
            }
            if ensure::is_changing(&there) {
                ensure::usable(aws, *there, true, planned, &waiting).await?;
                continue;
            }
            let disturbs = step.disturbs() && !as_wanted;
            if disturbs && let Some(why) = self.cut_off(step, &arn, taken).await? {
                return Ok(StepStatus::Deferred(why));
            }
            tries.explained = self.is_explained(step);
            let observed = if as_wanted {
                Some(*there)
            } else {
                ensure::updated(aws, step, &spec, &arn, &addresses, &mut tries).await?
            };
            if let Some(observed) = observed {
                // The change is made, so this is not what the audience took along any more.
                *taken = None;
                ensure::update_finished(aws, step, &spec, observed, &addresses, &waiting).await?;
                break;
            }
        }
        self.note(&step.address, &arn);
        Ok(StepStatus::Done(Some(arn)))
    }

    /// Takes the ownership tags off an object, and leaves everything else about it.
    async fn release(&self, step: &Step) -> Result<StepStatus, Failure> {
        let arn = step.arn.clone().expect("a step that releases something has an object");
        let kind = step.address.kind;
        let waiting = self.waiting(&step.address);
        let mut tries = Tries::new(&waiting);
        // The note on the channel says first that the key is released: a run that finds the key without tags then
        // knows that this is no reading from before the key was tagged.
        for channel in self.noted_on(step, &arn).await? {
            let note = [(owner::STREAM_KEY.to_owned(), owner::released_key(arn.id()))];
            self.aws.tag(channel.kind.facts().service, channel.arn.as_str(), &note.into()).await?;
        }
        loop {
            let Some(tags) = found(kind.tags_of(self.aws, &arn).await)? else { break };
            let owner = Owner::of(&tags);
            if owner == Owner::Unowned {
                break;
            }
            if owner != step.owner {
                return tries.gave_way(Changed::OwnerChanged { owner: Box::new(owner) });
            }
            let ours =
                tags.into_keys().filter(|it| it.starts_with(owner::PREFIX)).collect::<Vec<_>>();
            match kind.untag(self.aws, &arn, &ours).await {
                Ok(()) => break,
                Err(error) if tries.after(&error).await => {}
                Err(error) => return Err(error.into()),
            }
        }
        for channel in self.noted_on(step, &arn).await? {
            let note = [owner::STREAM_KEY.to_owned()];
            gone(channel.kind.untag(self.aws, &channel.arn, &note).await)?;
        }
        Ok(StepStatus::Done(Some(arn)))
    }

    /// The objects of this stack that what is released came with, as far as their tags still name it.
    async fn noted_on(&self, step: &Step, arn: &Arn) -> Result<Vec<Observed>, Failure> {
        let mut all = Vec::new();
        for edge in step.before.iter().flat_map(Spec::refs) {
            let parent = edge.to.arn(self.planned);
            let parent = parent.and_then(|parent| self.observed.all().find(|it| it.arn == parent));
            let noted = |it: &&Observed| {
                it.owner().in_stack(&self.stack.name).is_some()
                    && owner::remembered_key(&it.tags) == Some(arn.id())
            };
            let Some(parent) = parent.filter(noted) else { continue };
            let tags = found(parent.kind.tags_of(self.aws, &parent.arn).await)?;
            let now = tags.map(|tags| Observed { tags, ..parent.clone() });
            all.extend(now.filter(|now| noted(&now)));
        }
        Ok(all)
    }

    async fn delete(&self, step: &Step, taken: &mut Option<Arn>) -> Result<StepStatus, Failure> {
        let arn = step.arn.clone().expect("a step that deletes something has an object");
        let winner = step.because.iter().find_map(|cause| match cause {
            Cause::Duplicate { of } => Some(of),
            _ => None,
        });
        if let Some(winner) = winner
            && let Some(why) = self.not_a_duplicate(step, winner).await?
        {
            return Ok(StepStatus::Stale(why));
        }
        if step.because.contains(&Cause::Superseded) && !self.has_successor(step, &arn).await? {
            return Ok(StepStatus::Stale(Changed::SuccessorGone));
        }
        let waiting = self.waiting(&step.address);
        let mut tries = Tries::new(&waiting);
        let mut last = None;
        loop {
            match ensure::still_ours(self.aws, step, &arn, self.attempts).await? {
                Precondition::So(()) => {}
                Precondition::Gone => break,
                Precondition::Not(why) => return tries.gave_way(why),
            }
            if let Some(why) = self.cut_off(step, &arn, taken).await? {
                return Ok(StepStatus::Deferred(why));
            }
            if let Some(error) = last {
                return Err(Failure::Cloud(error));
            }
            tries.explained = self.is_explained(step);
            match self.deleted(step, &arn).await {
                Ok(()) => break,
                Err(error) if tries.settled(self.aws, step, &error).await? => {}
                Err(error) if tries.after(&error).await => {}
                // Nobody knows what became of the last try: one more look tells.
                Err(error) => last = Some(error),
            }
        }
        ensure::over(self.aws, step, &arn, self.planned, &waiting).await?;
        if !step.address.kind.facts().ended.is_empty() {
            let used = step.before.iter().flat_map(Spec::refs);
            let used = used.filter_map(|it| it.to.arn(self.planned));
            used.for_each(|it| self.note_stopped(it.clone(), self.observed.audience.get(&it)));
        }
        Ok(StepStatus::Done(Some(arn)))
    }

    /// One try of a delete. What protects the address is the tag of the copy that counts; a policy of IAM refuses
    /// to delete this run's own copy while it carries that tag as well.
    async fn deleted(&self, step: &Step, arn: &Arn) -> Result<(), CloudError> {
        let kind = step.address.kind;
        let protected = matches!(&step.owner, Owner::Stack(ownership) if ownership.protect);
        if protected && self.attempts.made(&step.owner) {
            let tag = [owner::PROTECT.to_owned()];
            gone(kind.untag(self.aws, arn, &tag).await)?;
        }
        kind.delete(self.aws, arn).await
    }

    /// Whether what replaces an object is still there: the last of a name is not deleted for having been
    /// replaced once.
    async fn has_successor(&self, step: &Step, arn: &Arn) -> Result<bool, CloudError> {
        let replaces = |observed: &&Observed| match observed.owner() {
            Owner::Stack(ownership) => ownership.replaces.as_deref() == Some(arn.id()),
            _ => false,
        };
        let made = self.addresses(step).arn(&step.address).cloned();
        let there = self.observed.all().filter(replaces).map(|it| it.arn.clone());
        for successor in made.into_iter().chain(there) {
            let tags = found(step.address.kind.tags_of(self.aws, &successor).await)?;
            let ownership = tags.map(|it| Owner::of(&it));
            if matches!(ownership, Some(Owner::Stack(it)) if it.replaces.as_deref() == Some(arn.id()))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The second look at a duplicate, some time after the plan's: both objects must still be listed, the one
    /// that counts must still be there to be read, and the duplicate must be as it was.
    async fn not_a_duplicate(
        &self,
        step: &Step,
        winner: &Arn,
    ) -> Result<Option<Changed>, CloudError> {
        let kind = step.address.kind;
        if mutant!(PrunedAtOnce) {
            return Ok(None);
        }
        let Some(first) = self.observed.as_of else {
            return Ok(Some(Changed::PlanOfUnknownAge));
        };
        // What another run made may be seen by listings of different age; what this run made was waited for.
        let own = self.attempts.made(&step.owner);
        let since = first + if own { BETWEEN_LISTINGS } else { APART };
        let early = since.duration_since(self.now()?);
        if early.is_positive() {
            let at_most = early.unsigned_abs();
            self.waiting(&step.address)(Wait { until: Until::SecondListing, at_most });
            sleep(at_most).await;
        }
        let listing = self.listing(kind, since).await?;
        let found = |arn: &Arn| {
            let observed = listing.iter().find(|it| it.arn == *arn)?;
            match observed.owner() {
                Owner::Stack(ownership) if ownership.name == step.address.name => {
                    Some((observed, ownership))
                }
                _ => None,
            }
        };
        let arn = step.arn.as_ref().expect("a step that deletes something has an object");
        let (Some((one, first)), Some((other, second))) = (found(winner), found(arn)) else {
            return Ok(Some(Changed::NoDuplicate));
        };
        let still = first.stack == second.stack
            && one.standing(&first) < other.standing(&second)
            && Owner::Stack(second) == step.owner;
        let read = kind.get(self.aws, std::slice::from_ref(winner), self.planned).await?;
        let there = read.first().is_some_and(|it| it.owner() == Owner::Stack(first));
        if own && self.was_changed(step, arn).await? {
            return Ok(Some(Changed::DuplicateChanged));
        }
        Ok((!still || !there).then_some(Changed::DuplicateTagsChanged))
    }

    /// Whether the object of a step differs from what the plan saw.
    async fn was_changed(&self, step: &Step, arn: &Arn) -> Result<bool, CloudError> {
        let read = step.address.kind.get(self.aws, std::slice::from_ref(arn), self.planned).await?;
        let Some(mut now) = read.into_iter().next() else { return Ok(false) };
        show_managed_tags(&mut now, self.stack);
        let (Some(before), Some(mut spec)) = (&step.before, now.spec) else { return Ok(true) };
        spec.copy_write_only(before);
        Ok(spec != *before)
    }

    /// The last look before a call that could cut somebody off: whoever went live since the plan was made
    /// is left alone, and an audience is sent away only with consent.
    async fn cut_off(
        &self,
        step: &Step,
        arn: &Arn,
        taken: &mut Option<Arn>,
    ) -> Result<Option<Reason>, Failure> {
        let kind = step.address.kind;
        if mutant!(NoLookForAudience) {
            return Ok(None);
        }
        // Who uses a stream key is whoever watches its channel.
        let parent = kind.facts().created_by.and_then(|parent| {
            let edges = step.before.iter().flat_map(Spec::refs);
            let arn = edges.into_iter().find(|it| it.kind == parent)?.to.arn(self.planned)?;
            Some((parent, arn))
        });
        let audience = match &parent {
            Some((parent, arn)) => self.audience(step, *parent, arn).await?,
            None => self.audience(step, kind, arn).await?,
        };
        let Some(audience) = audience else { return Ok(None) };
        if step.decision == Decision::Interrupt {
            let waiting = self.waiting(&step.address);
            if ensure::interrupted(self.aws, kind, arn, taken, &waiting).await? {
                self.note_stopped(arn.clone(), Some(&audience));
            }
            // That took its time, and somebody else may have come.
            ensure::still_to_be_changed(self.aws, step, arn).await.map_err(|failure| {
                let done = "sending its audience away".to_owned();
                Failure::HalfDone { done, failure: Box::new(failure) }
            })?;
            return Ok(None);
        }
        Ok(Some(Reason::LiveAudience { audience, needs: Consent::Wait }))
    }

    /// Waits until every object made by this run is listed with its tags, in two listings in a row, so that
    /// the next run cannot miss one and make it again: those too that came to be of no use. Returns whether the
    /// listings show other copies of what this run made.
    async fn confirm(&self, plan: &Plan, outcome: &mut Outcome) -> bool {
        if mutant!(NoEndBarrier) {
            return false;
        }
        let steps = plan.by_id();
        let made = self.made.lock().expect("no task panics while it holds the lock").clone();
        let mut unlisted: BTreeMap<Kind, BTreeMap<StepId, u8>> = BTreeMap::new();
        for id in made.keys() {
            let kind = steps[id].address.kind;
            if kind.facts().listed_under.is_none() {
                unlisted.entry(kind).or_default().insert(*id, 0);
            }
        }
        let start = Instant::now();
        let between = self.attempts.others_within(self);
        let mut contested: BTreeMap<Kind, bool> = BTreeMap::new();
        let mut pause = Pause::from_millis(500);
        let mut elsewhere: BTreeMap<StepId, CloudError> = BTreeMap::new();
        while !unlisted.is_empty() {
            let begun = start.elapsed();
            let mut all_seen = true;
            for (kind, missing) in &mut unlisted {
                // A listing that fails now is asked again; only time ends this.
                let listing = kind.list(self.aws, &Scope::default()).await.unwrap_or_default();
                contested.insert(*kind, self.contested(&listing, &made).await);
                let listed: BTreeMap<&Arn, &Observed> =
                    listing.iter().map(|it| (&it.arn, it)).collect();
                missing.retain(|id, seen| {
                    let (arn, attempt_id) = &made[id];
                    let ours = listed.get(arn).is_some_and(|it| is_of(it, attempt_id));
                    *seen = if ours { *seen + 1 } else { 0 };
                    all_seen &= ours;
                    *seen < 2
                });
                // What cannot be of this account is not waited for.
                let unlisted: Vec<StepId> =
                    missing.iter().filter(|(_, seen)| **seen == 0).map(|(id, _)| *id).collect();
                for id in unlisted {
                    if let Err(error) = ensure::in_place(self.aws, &made[&id].0).await {
                        missing.remove(&id);
                        elsewhere.insert(id, error);
                    }
                }
            }
            unlisted.retain(|_, missing| !missing.is_empty());
            if unlisted.is_empty() {
                break;
            }
            // However long a listing takes by itself (many pages, and a small share of the rates): what it shows is
            // looked at once more, and only one that was begun too late is the last.
            if all_seen {
                sleep(between).await;
                continue;
            }
            if begun > BARRIER {
                break;
            }
            let unlisted = unlisted.values().map(BTreeMap::len).sum();
            (self.tell)(Event::Confirming { unlisted, at_most: BARRIER });
            pause.pass().await;
        }
        let late: BTreeSet<StepId> = unlisted.into_values().flatten().map(|(id, _)| id).collect();
        for (id, status) in &mut outcome.steps {
            if let Some(error) = elsewhere.remove(id) {
                *status = StepStatus::Unknown(error.into());
            } else if late.contains(id) {
                status.not_listed(&made[id].0);
            }
        }
        contested.values().any(|it| *it)
    }
}

/// Whether a listed object is the one that an attempt made; one kind is listed without tags.
fn is_of(observed: &Observed, attempt_id: &str) -> bool {
    observed.tags.is_empty() || observed.made_by(attempt_id)
}
