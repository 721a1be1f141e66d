//! Deletes duplicates that this run created, since several runs created one resource at the same time or a request
//! was delivered twice.
//!
//! The object with the least (attempt, ARN) counts, on which all runs agree (`docs/reliability.md` §2). A run that
//! created another one deletes it before it ends: the attempt id in the tags proves which run created it. Never
//! deletes an object that another run created, or one that is live, referred to, or changed since its creation.

use super::carry_out::{Carried, carry_out};
use super::event::Event;
use super::failure::Failure;
use super::outcome::{Copy, Left, Outcome, StepStatus};
use super::run::Run;
use super::stop::Stop;
use super::unread::Unread;
use super::wait::{Until, Wait, Watch};
use crate::aws::CloudError;
use crate::cloud::{ReadError, Reading, look_up_users, read};
use crate::diag::FieldPath;
use crate::kinds::{Address, Arn, Desired, Lifecycle, ObservedState, Spec};
use crate::plan::{Action, Cause, Plan, Policy, Step, StepId, plan};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::watch;

/// Duplicates that this run created are deleted within this long. Several runs that delete theirs at the same time,
/// with listings that lag behind, keep one another from reading the account for a while.
const SETTLING: Duration = Duration::from_mins(5);

/// The result of one reading of the account for duplicates.
#[derive(Default)]
struct Round {
    /// This run's duplicates that are left.
    left: Vec<Copy>,
    /// Those that it deleted.
    deleted: Vec<Arn>,
    /// How many steps it found, whether they could be carried out or not.
    steps: usize,
}

/// Deletes this run's duplicates, once what refers to them refers to the object that counts.
pub(super) async fn settle_copies(
    run: &Run<'_>,
    plan: &Plan,
    outcome: &mut Outcome,
    stop: &watch::Receiver<Stop>,
) {
    let desired = desired_again(run, plan, outcome);
    let tell = |wait| (run.tell)(Event::Waiting { address: None, wait });
    let nothing_refused = Until::DuplicatesDeleted { refused: None };
    let mut watch = Watch::new(nothing_refused.clone(), SETTLING, &tell);
    let mut left = Vec::new();
    let mut deleted = BTreeSet::new();
    loop {
        let (until, unread) = match round(run, &desired, stop, outcome, &deleted).await {
            Ok(round) => {
                left = round.left;
                // Another run may have turned a reference to a duplicate while that was being deleted: only a
                // reading that finds nothing to do is the last one.
                if left.is_empty() && round.steps == 0 {
                    return;
                }
                deleted.extend(round.deleted);
                (nothing_refused.clone(), None)
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

/// The desired state of what this run has applied.
fn desired_again(run: &Run<'_>, plan: &Plan, outcome: &Outcome) -> Vec<Desired> {
    let made = run.made.lock().expect("no task panics while it holds the lock");
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
    let by_address: BTreeMap<Address, Desired> =
        steps.filter_map(|(id, _)| desired(by_id[id])).map(|it| (it.address.clone(), it)).collect();
    by_address.into_values().collect()
}

/// Reads the account again, turns references to this run's duplicates to the objects that count, among them references
/// to duplicates that earlier rounds have `deleted`, and deletes the duplicates that are left.
async fn round(
    run: &Run<'_>,
    desired: &[Desired],
    stop: &watch::Receiver<Stop>,
    outcome: &mut Outcome,
    deleted: &BTreeSet<Arn>,
) -> Result<Round, ReadError> {
    let aws = run.aws;
    let reading = Reading { full: !deleted.is_empty(), ..Reading::default() };
    let mut observed = read(aws, run.stack, desired, reading).await?;
    observed.attempts = run.attempts.names();
    let policy = Policy::default();
    let mut made = plan(run.stack, desired, &observed, &policy);
    if look_up_users(aws, &mut observed, made.doomed()).await? {
        made = plan(run.stack, desired, &observed, &policy);
    }
    let copies = own_copies(run, &made);
    let own: BTreeSet<&Arn> = copies.values().map(|it| &it.arn).chain(deleted).collect();
    let wanted: BTreeSet<StepId> = made
        .steps
        .iter()
        .filter(|it| it.decision.is_do())
        .filter(|it| copies.contains_key(&it.id) || refers_elsewhere(it, &own, &observed))
        .map(|it| it.id)
        .collect();
    // A step that depends on one that is left out waits for the next round.
    let all = made.by_id();
    let ready =
        |step: &Step| step.after.iter().all(|it| wanted.contains(it) || !step.stands_on(all[it]));
    let ready: BTreeSet<StepId> = wanted.iter().copied().filter(|it| ready(all[it])).collect();
    made.steps.retain(|it| ready.contains(&it.id));
    let tell = |event| {
        if let Some(event) = tried_again(event) {
            (run.tell)(event);
        }
    };
    let again = Run::new(aws, run.stack, &made, &observed, run.attempts, &tell);
    let Carried { steps, .. } = carry_out(&again, &made, stop.clone()).await;
    let ended: BTreeMap<StepId, StepStatus> = steps.into_iter().collect();
    let mut round = Round { steps: wanted.len(), ..Round::default() };
    for (id, mut copy) in copies {
        if let Some(refused @ Some(_)) = ended.get(&id).map(refused) {
            copy.left = Some(Left::NotInTime { refused });
        }
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

/// The events of one round: what was not done is tried again in the next round, so its end is no failure, and the run
/// waits. Steps that depend on it are tried again with it.
fn tried_again(event: Event) -> Option<Event> {
    match event {
        Event::Ended { address, status, .. }
            if matches!(status, StepStatus::Failed(_) | StepStatus::Unknown(_)) =>
        {
            let until = Until::DuplicatesDeleted { refused: refused(&status) };
            Some(Event::Waiting { address: Some(address), wait: Wait { until, at_most: SETTLING } })
        }
        Event::Ended { status: StepStatus::Skipped(_), .. } => None,
        other => Some(other),
    }
}

/// The error of a step that AWS refused, without the request id, which differs from one try to the next.
fn refused(status: &StepStatus) -> Option<Box<CloudError>> {
    let (StepStatus::Failed(failure) | StepStatus::Unknown(failure)) = status else { return None };
    match failure.without_request_id() {
        Failure::Cloud(error) => Some(Box::new(error)),
        _ => None,
    }
}

/// The steps of a plan that delete this run's duplicates.
fn own_copies(run: &Run<'_>, plan: &Plan) -> BTreeMap<StepId, Copy> {
    let copy = |step: &Step| {
        let of = step.because.iter().find_map(|it| match it {
            Cause::Duplicate { of } => Some(of.clone()),
            _ => None,
        })?;
        run.attempts.made(&step.owner).then_some(())?;
        let left = step.decision.reason().cloned();
        let left = left.map_or(Left::NotInTime { refused: None }, |it| Left::Waits(Box::new(it)));
        let (address, arn) = (step.address.clone(), step.arn.clone()?);
        Some((step.id, Copy { address, arn, of, left: Some(left) }))
    };
    plan.steps.iter().filter_map(copy).collect()
}

/// Whether a step only turns references away from duplicates, at least one of them created by this run. One object may
/// refer to duplicates of several runs.
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
