//! Waits until a step that a run has deferred can be carried out, by reads of live state alone.
//!
//! Decides nothing: the plan that is made after a wait does.

use super::stop::Stop;
use super::wait::{Pace, Until, Wait, Watch};
use crate::aws::{Clients, CloudError};
use crate::kinds::{Address, AddressMap, Arn, Kind, Spec};
use crate::plan::{Reason, Step, StepId};
use futures_util::future::{Either, select};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;

/// A step that a run has deferred.
#[derive(Clone, Debug)]
pub struct Deferred {
    /// Its number in the plan of the run.
    pub id: StepId,
    /// Its resource.
    pub address: Address,
    /// Why it was deferred.
    pub reason: Reason,
    awaits: Awaits,
}

/// What shows that a step need not be deferred any more.
#[derive(Clone, Debug, PartialEq)]
enum Awaits {
    /// The object has no audience.
    NoAudience(Kind, Arn),
    /// It is this time at the service.
    Moment(Timestamp),
    /// A new plan alone shows it.
    Plan,
}

impl Deferred {
    /// A step of a plan, with the reason for which it was deferred.
    pub fn new(step: &Step, reason: &Reason, addresses: &AddressMap) -> Self {
        let awaits = Awaits::of(step, reason, addresses).unwrap_or(Awaits::Plan);
        Self { id: step.id, address: step.address.clone(), reason: reason.clone(), awaits }
    }
}

impl Awaits {
    fn of(step: &Step, reason: &Reason, addresses: &AddressMap) -> Option<Self> {
        match reason {
            Reason::LiveAudience { .. } | Reason::LiveThroughComposition { .. } => {
                // The audience of a stream key is that of its channel.
                let parent = step.address.kind.facts().created_by.and_then(|parent| {
                    let edges = step.before.iter().flat_map(Spec::refs);
                    let arn = edges.into_iter().find(|it| it.kind == parent)?.to.arn(addresses)?;
                    Some(Self::NoAudience(parent, arn))
                });
                let own = || Some(Self::NoAudience(step.address.kind, step.arn.clone()?));
                parent.or_else(own)
            }
            Reason::TargetLive { target, .. } => {
                let mut edges = step.spec.iter().flat_map(Spec::must_be_offline);
                let edge = edges.find(|it| it.to == *target)?;
                Some(Self::NoAudience(edge.kind, edge.to.arn(addresses)?))
            }
            Reason::Frozen { until, .. } => Some(Self::Moment(*until)),
            Reason::FailedRecently { after, .. } | Reason::DuplicateTooYoung { after } => {
                Some(Self::Moment(*after))
            }
            _ => None,
        }
    }
}

/// The pause before the first look, and the longest one between two.
const LOOKS: Pace = Pace { first: Duration::from_secs(5), longest: Duration::from_secs(30) };

/// The pauses where only a new plan shows whether anything can be carried out, and after plans that had nothing to do.
const PLANS: Pace = Pace { first: Duration::from_secs(30), longest: Duration::from_mins(5) };

/// Waits until one of the steps can probably be carried out: true then, and false where the time is over or the run
/// was stopped. `fruitless` plans before this wait had nothing to do.
///
/// # Errors
/// Where a read fails.
pub async fn until_free(
    aws: &Clients,
    deferred: &[Deferred],
    at_most: Duration,
    fruitless: u32,
    stop: &watch::Receiver<Stop>,
    tell: &(dyn Fn(Wait) + Sync),
) -> Result<bool, CloudError> {
    let resources = deferred.iter().map(|it| it.address.clone()).collect::<BTreeSet<_>>();
    let until = Until::CarriedOut { resources: resources.into_iter().collect() };
    let planned = deferred.iter().all(|it| it.awaits == Awaits::Plan);
    let pace = if planned || fruitless > 0 { PLANS.after(fruitless) } else { LOOKS };
    let mut watch = Watch::at_pace(until, at_most, pace, tell);
    let mut stopper = stop.clone();
    loop {
        let stopped = stopper.wait_for(|it| it.first.is_some());
        let pause = watch.again();
        let goes_on = match select(pin!(pause), pin!(stopped)).await {
            Either::Left((goes_on, _)) => goes_on,
            Either::Right((stopped, pause)) if stopped.is_err() => pause.await,
            Either::Right(_) => false,
        };
        if !goes_on || stop.borrow().why().is_some() {
            return Ok(false);
        }
        if planned || one_is_free(aws, deferred).await? {
            return Ok(true);
        }
    }
}

/// Whether what one of the steps waits for has come about. One call shows the audiences of all objects of a kind that
/// AWS lists by them; others are asked for one by one.
async fn one_is_free(aws: &Clients, deferred: &[Deferred]) -> Result<bool, CloudError> {
    let now = aws.gate.server_time();
    let mut objects: BTreeMap<Kind, BTreeSet<&Arn>> = BTreeMap::new();
    for it in deferred {
        match &it.awaits {
            Awaits::Moment(moment) if now.is_some_and(|now| *moment <= now) => return Ok(true),
            Awaits::NoAudience(kind, arn) => drop(objects.entry(*kind).or_default().insert(arn)),
            Awaits::Moment(_) | Awaits::Plan => {}
        }
    }
    for (kind, arns) in objects {
        if kind.facts().lists_audiences && arns.len() > 1 {
            let live: BTreeSet<Arn> =
                kind.audiences(aws).await?.into_iter().map(|it| it.arn).collect();
            if arns.into_iter().any(|it| !live.contains(it)) {
                return Ok(true);
            }
            continue;
        }
        for arn in arns {
            if kind.audience(aws, arn).await?.is_none() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
