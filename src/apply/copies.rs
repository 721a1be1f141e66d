//! Copies of one resource that several runs made at the same time, or one request that was delivered twice.
//!
//! The copy with the least (attempt, ARN) counts, which every run agrees on (`docs/reliability.md` §2). A run that made
//! another copy deletes it before it ends: the name of the attempt in the tags proves whose it is. It never
//! deletes what another run made, and nothing that is live, referred to, or changed since it was made.

use super::wait::Watch;
use super::{BETWEEN_LISTINGS, Event, Outcome, Run, StepStatus, Stop, Until};
use crate::aws::{Class, Clients, CloudError};
use crate::cloud::{ReadError, Reading, look_up_users, read};
use crate::diag::FieldPath;
use crate::kinds::{Address, Arn, Desired, Kind, Lifecycle, Observed, ObservedState, Owner, Spec};
use crate::plan::{Action, Cause, Plan, Policy, Reason, Step, StepId, plan};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;

/// Copies that this run made are deleted within this long. Several runs that delete theirs at the same time, with
/// listings that lag behind, keep one another from reading the account for a while.
const SETTLING: Duration = Duration::from_mins(5);

/// One of several objects of one address that this run made.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// The address they share.
    pub address: Address,
    /// The object.
    pub arn: Arn,
    /// The object that counts.
    pub of: Arn,
    /// Why it was left; `None` where it was deleted.
    pub left: Option<Left>,
}

/// Why a copy is left.
#[derive(Clone, Debug, PartialEq)]
pub enum Left {
    /// Its delete waits for something.
    Waits(Box<Reason>),
    /// It was not deleted before the time for it was over.
    NotInTime,
}

/// A reading of the account that failed after this run had made copies, or may have.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{kind}: {error}")]
pub struct Unread {
    /// The kind that could not be read.
    pub kind: Kind,
    /// What AWS said.
    pub error: CloudError,
}

impl Unread {
    /// The same without AWS's request id, which differs from one try to the next.
    fn without_request_id(&self) -> Self {
        let error = CloudError { request_id: None, ..self.error.clone() };
        Self { kind: self.kind, error }
    }
}

/// What one look at the copies came to.
#[derive(Default)]
struct Round {
    /// This run's copies that are left.
    left: Vec<Copy>,
    /// Those that it deleted.
    deleted: Vec<Arn>,
    /// How many steps it found, whether they could be carried out or not.
    steps: usize,
}

/// The create attempts of one run.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    names: Mutex<BTreeSet<String>>,
    slowest: Mutex<Duration>,
}

impl Attempts {
    /// A name for a new attempt, in the server's time: two machines' clocks never decide which was first. A name
    /// without a time would count as the first of all, so without the server's time nothing is made.
    pub(super) fn begin(&self, aws: &Clients) -> Result<String, CloudError> {
        let time = aws.gate.server_time().ok_or_else(|| CloudError {
            class: Class::NotSent,
            ..CloudError::unusable(
                "create",
                "no answer carried a `Date` header, so nothing is made",
            )
        })?;
        let millis = u64::try_from(time.as_millisecond()).unwrap_or_default();
        let millis = if mutant!(OpWithoutTime) { 0 } else { millis };
        let name = ulid::Ulid::from_parts(millis, fastrand::u128(..)).to_string();
        self.names.lock().expect("noting does not panic").insert(name.clone());
        Ok(name)
    }

    /// Notes how long an attempt took, from its name to its answer.
    pub(super) fn took(&self, time: Duration) {
        let mut slowest = self.slowest.lock().expect("noting does not panic");
        *slowest = slowest.max(time);
    }

    /// The names of all attempts.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.names.lock().expect("noting does not panic").clone()
    }

    /// Whether this run made an object with this owner.
    pub(super) fn made(&self, owner: &Owner) -> bool {
        let names = self.names.lock().expect("noting does not panic");
        matches!(owner, Owner::Stack(ownership) if names.contains(&ownership.attempt_id))
    }

    /// How long after the first listing that shows what this run made a copy may still appear that counts before
    /// it: names are in seconds of the server's `Date`, and the request of another run may have been as slow as
    /// the slowest of this one. Nobody else writes to an emulator in this process, nor under a lock.
    pub(super) fn others_within(&self, run: &Run<'_>) -> Duration {
        let slowest = *self.slowest.lock().expect("noting does not panic");
        if run.aws.alone || run.stack.lock.is_some() {
            return BETWEEN_LISTINGS;
        }
        Duration::from_secs(1) + (slowest * 2).max(Duration::from_millis(500))
    }
}

impl Run<'_> {
    /// Whether a listing shows objects of addresses that this run made, other than those it made and those that
    /// the plan knew.
    pub(super) async fn contested(
        &self,
        listing: &[Observed],
        made: &BTreeMap<StepId, (Arn, String)>,
    ) -> bool {
        let mine: BTreeSet<&Arn> = made.values().map(|(arn, _)| arn).collect();
        let known: BTreeSet<&Arn> = self.observed.all().map(|it| &it.arn).collect();
        let names: BTreeSet<Address> = {
            let addresses = self.addresses.lock().expect("no task panics while it holds the lock");
            mine.iter().filter_map(|it| addresses.address(it).cloned()).collect()
        };
        for it in listing.iter().filter(|it| !mine.contains(&it.arn) && !known.contains(&it.arn)) {
            let owner = if it.tags.is_empty() {
                // One kind is listed without tags; a look that fails is made again by the next run.
                let tags = it.kind.tags_of(self.aws, &it.arn).await;
                tags.map_or(Owner::Unowned, |it| Owner::of(&it))
            } else {
                it.owner()
            };
            let name = owner.in_stack(&self.stack.name).map(|ownership| ownership.name.clone());
            let ended = it.kind.facts().ended;
            let over = it.state.as_deref().is_some_and(|state| ended.contains(&state));
            if !over && name.is_some_and(|name| names.contains(&Address::new(it.kind, name))) {
                return true;
            }
        }
        false
    }

    /// Deletes this run's copies that do not count, once what refers to them refers to the copy that counts.
    pub(super) async fn settle_copies(
        &self,
        plan: &Plan,
        outcome: &mut Outcome,
        stop: &watch::Receiver<Stop>,
    ) {
        let desired = self.desired_again(plan, outcome);
        let tell = |wait| (self.tell)(Event::Waiting { address: None, wait });
        let mut watch = Watch::new(Until::DuplicatesDeleted, SETTLING, &tell);
        let mut left = Vec::new();
        let mut deleted = BTreeSet::new();
        loop {
            let (until, unread) = match self.round(&desired, stop, outcome, &deleted).await {
                Ok(round) => {
                    left = round.left;
                    // Another run may have turned a reference to a copy while that was being deleted: only a look
                    // that finds nothing to do is the last one.
                    if left.is_empty() && round.steps == 0 {
                        return;
                    }
                    deleted.extend(round.deleted);
                    (Until::DuplicatesDeleted, None)
                }
                // Listings may still show what another run has just deleted, which cannot be read.
                Err(unread) => {
                    let unread = Unread { kind: unread.kind, error: unread.source };
                    (Until::AccountRead(Box::new(unread.without_request_id())), Some(unread))
                }
            };
            if stop.borrow().why().is_some() || !watch.again_for(until).await {
                outcome.copies.extend(left);
                outcome.copies_unread = unread;
                return;
            }
        }
    }

    /// What this run has applied, as manifests say it.
    fn desired_again(&self, plan: &Plan, outcome: &Outcome) -> Vec<Desired> {
        let made = self.made.lock().expect("no task panics while it holds the lock");
        let applied = |id: &StepId, status: &StepStatus| status.is_done() || made.contains_key(id);
        let by_id = plan.by_id();
        let steps = outcome.steps.iter().filter(|(id, status)| applied(id, status));
        let desired = |step: &Step| {
            let spec = step.spec.clone()?;
            step.address.kind.facts().listed_under.is_none().then_some(())?;
            let lifecycle = Lifecycle {
                protect: step.ownership.protect,
                ignore_changes: step.ignored.clone(),
                ..Lifecycle::default()
            };
            Some(Desired {
                address: step.address.clone(),
                spec,
                labels: BTreeMap::new(),
                previous_names: Vec::new(),
                lifecycle,
                name_is_default: false,
                origin: step.origin?,
            })
        };
        let by_address: BTreeMap<Address, Desired> = steps
            .filter_map(|(id, _)| desired(by_id[id]))
            .map(|it| (it.address.clone(), it))
            .collect();
        by_address.into_values().collect()
    }

    /// Reads the account again and carries out what makes way for the copies that count, among it what still
    /// refers to copies that were `deleted` by earlier rounds.
    async fn round(
        &self,
        desired: &[Desired],
        stop: &watch::Receiver<Stop>,
        outcome: &mut Outcome,
        deleted: &BTreeSet<Arn>,
    ) -> Result<Round, ReadError> {
        let aws = self.aws;
        let reading = Reading { full: !deleted.is_empty(), ..Reading::default() };
        let mut observed = read(aws, self.stack, desired, reading).await?;
        observed.attempts = self.attempts.names();
        let policy = Policy::default();
        let mut made = plan(self.stack, desired, &observed, &policy);
        if look_up_users(aws, &mut observed, made.doomed()).await? {
            made = plan(self.stack, desired, &observed, &policy);
        }
        let copies = self.own_copies(&made);
        let own: BTreeSet<&Arn> = copies.values().map(|it| &it.arn).chain(deleted).collect();
        let wanted: BTreeSet<StepId> = made
            .steps
            .iter()
            .filter(|it| it.decision.is_do())
            .filter(|it| copies.contains_key(&it.id) || refers_elsewhere(it, &own, &observed))
            .map(|it| it.id)
            .collect();
        // What needs a step that is left out waits for the next round.
        let all = made.by_id();
        let ready = |step: &Step| {
            step.after.iter().all(|it| wanted.contains(it) || !step.stands_on(all[it]))
        };
        let ready: BTreeSet<StepId> = wanted.iter().copied().filter(|it| ready(all[it])).collect();
        made.steps.retain(|it| ready.contains(&it.id));
        let run = Run::new(aws, self.stack, &made, &observed, self.attempts, self.tell);
        let (steps, _) = run.carry_out(&made, stop.clone()).await;
        let ended: BTreeMap<StepId, StepStatus> = steps.into_iter().collect();
        let mut round = Round { steps: wanted.len(), ..Round::default() };
        for (id, copy) in copies {
            if ended.get(&id).is_some_and(StepStatus::is_done) {
                outcome.gave_way(&copy);
                round.deleted.push(copy.arn.clone());
                outcome.copies.push(Copy { left: None, ..copy });
            } else {
                round.left.push(copy);
            }
        }
        Ok(round)
    }

    /// The steps of a plan that delete this run's copies.
    fn own_copies(&self, plan: &Plan) -> BTreeMap<StepId, Copy> {
        let copy = |step: &Step| {
            let of = step.because.iter().find_map(|it| match it {
                Cause::Duplicate { of } => Some(of.clone()),
                _ => None,
            })?;
            self.attempts.made(&step.owner).then_some(())?;
            let left = step.decision.reason().cloned();
            let left = left.map_or(Left::NotInTime, |it| Left::Waits(Box::new(it)));
            let (address, arn) = (step.address.clone(), step.arn.clone()?);
            Some((step.id, Copy { address, arn, of, left: Some(left) }))
        };
        plan.steps.iter().filter_map(copy).collect()
    }
}

/// Whether a step only turns references away from copies that do not count, of this run's at least one. The objects
/// that one object refers to may be copies of several runs.
fn refers_elsewhere(step: &Step, own: &BTreeSet<&Arn>, observed: &ObservedState) -> bool {
    let edges: BTreeMap<FieldPath, Option<Arn>> = step
        .before
        .iter()
        .flat_map(Spec::refs)
        .map(|it| (it.path(), it.to.arn(&observed.addresses)))
        .collect();
    let before = |path: &FieldPath| edges.get(path).and_then(Option::as_ref);
    let copies: BTreeSet<&Arn> = observed.duplicates.iter().map(|it| &it.observed.arn).collect();
    let fields = || step.fields.iter().map(|it| before(&it.path));
    step.action == Action::Update
        && fields().all(|it| it.is_some_and(|arn| own.contains(arn) || copies.contains(arn)))
        && fields().any(|it| it.is_some_and(|arn| own.contains(arn)))
}
