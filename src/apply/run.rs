//! One run: what its steps share, from the plan's observed state to the objects that it has created.
//!
//! Never writes to the account; the files of the actions do.

use super::attempts::Attempts;
use super::event::Event;
use super::wait::Wait;
use crate::aws::{Class, Clients, CloudError};
use crate::kinds::spec::named_targets;
use crate::kinds::{
    Address, AddressMap, Arn, Audience, Freeze, Kind, Observed, ObservedState, Scope, Spec, Stack,
};
use crate::plan::{Cause, Plan, Step, StepId};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// A complete listing of one kind, and the server's time when it was begun.
type Listing = (Timestamp, Arc<Vec<Observed>>);

/// What the steps of one run share.
pub(super) struct Run<'a> {
    pub(super) aws: &'a Clients,
    pub(super) stack: &'a Stack,
    /// The observed state that the plan was made from.
    pub(super) observed: &'a ObservedState,
    /// The address map that the plan was made with.
    pub(super) planned: &'a AddressMap,
    /// The same, with what this run created.
    pub(super) addresses: Mutex<AddressMap>,
    /// Steps that other steps depend on.
    pub(super) needed: BTreeSet<StepId>,
    /// Listings that this run took; a step that needs one waits where another step is taking it.
    pub(super) listings: BTreeMap<Kind, tokio::sync::Mutex<Option<Listing>>>,
    /// What this run created, with the id of the attempt, however the step ended afterwards.
    pub(super) made: Mutex<BTreeMap<StepId, (Arn, String)>>,
    pub(super) attempts: &'a Attempts,
    /// What this run has stopped, and what that used, since AWS releases it with a delay. With the id of the stream
    /// that a channel had.
    pub(super) stopped: Mutex<BTreeMap<Arn, Option<String>>>,
    /// For each step that deletes an object to make room for its replacement: the step that creates that.
    pub(super) replacements: BTreeMap<StepId, Step>,
    pub(super) tell: &'a (dyn Fn(Event) + Sync),
}

impl<'a> Run<'a> {
    pub(super) fn new(
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
            replacements: replacements(plan),
            tell,
        }
    }

    /// The server's time. Every run has had an answer before its first write.
    pub(super) fn now(&self) -> Result<Timestamp, CloudError> {
        let unsaid = || CloudError {
            class: Class::NotSent,
            ..CloudError::unusable("apply", "no answer carried a `Date` header")
        };
        self.aws.gate.server_time().ok_or_else(unsaid)
    }

    /// The freeze of the stack that is active now.
    pub(super) fn freeze(&self) -> Option<&Freeze> {
        self.stack.freeze_at(self.aws.gate.server_time()?)
    }

    /// The next freeze of the stack.
    pub(super) fn next_freeze(&self) -> Option<&Freeze> {
        self.stack.next_freeze(self.aws.gate.server_time()?)
    }

    /// When the next freeze of the stack begins, on the clock of this process.
    pub(super) fn next_freeze_begins(&self) -> Option<Instant> {
        let now = self.aws.gate.server_time()?;
        let next = self.stack.next_freeze(now)?;
        let left = Duration::try_from(next.from.duration_since(now)).ok()?;
        // A freeze that begins in years is no reason to watch the clock.
        Instant::now().checked_add(left)
    }

    /// A complete listing of a kind, begun no earlier than `since`. One listing serves all steps that wait for it.
    pub(super) async fn listing(
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

    /// The part of the address map that a step needs, as of now.
    pub(super) fn addresses(&self, step: &Step) -> AddressMap {
        let addresses = self.addresses.lock().expect("no task panics while it holds the lock");
        addresses.only(step.spec.iter().flat_map(named_targets).chain([step.address.clone()]))
    }

    pub(super) fn note(&self, address: &Address, arn: &Arn) {
        let mut addresses = self.addresses.lock().expect("no task panics while it holds the lock");
        addresses.note(address.clone(), arn.clone());
    }

    /// Whether this run created the object.
    pub(super) fn has_created(&self, arn: &Arn) -> bool {
        let made = self.made.lock().expect("no task panics while it holds the lock");
        made.values().any(|(it, _)| it == arn)
    }

    pub(super) fn waiting(&self, address: &Address) -> impl Fn(Wait) + Sync + use<'a> {
        let (address, tell) = (Some(address.clone()), self.tell);
        move |wait| tell(Event::Waiting { address: address.clone(), wait })
    }

    /// Records that this run has stopped an object, or another one that used it.
    pub(super) fn note_stopped(&self, arn: Arn, audience: Option<&Audience>) {
        let stream = audience.and_then(|it| it.session.clone());
        self.stopped.lock().expect("no task panics while it holds the lock").insert(arn, stream);
    }

    /// Whether an object that this run has stopped explains that AWS refuses a step.
    pub(super) fn is_explained(&self, step: &Step) -> bool {
        let addresses = self.addresses(step);
        let taken =
            step.spec.iter().filter(|_| step.action.makes()).flat_map(Spec::must_be_offline);
        let taken = taken.filter_map(|it| it.to.arn(&addresses));
        let stopped = self.stopped.lock().expect("no task panics while it holds the lock");
        step.arn.iter().cloned().chain(taken).any(|it| stopped.contains_key(&it))
    }
}

/// The steps that create what other steps make room for.
fn replacements(plan: &Plan) -> BTreeMap<StepId, Step> {
    let steps = plan.by_id();
    let of = plan.replacements().into_iter();
    of.filter(|(part, _)| steps[part].because == [Cause::MakesRoom])
        .map(|(part, whole)| (part, steps[&whole].clone()))
        .collect()
}
