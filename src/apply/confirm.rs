//! The end of a run: listings must show every object that the run created.
//!
//! Only reads. What listings show of other runs' objects under the same addresses is reported to the caller.

use super::event::Event;
use super::outcome::{Outcome, StepStatus};
use super::ready::in_place;
use super::run::Run;
use super::wait::Pause;
use crate::aws::CloudError;
use crate::kinds::{Address, Arn, Kind, Observed, Owner, Scope};
use crate::plan::{Plan, StepId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The listings must show all new objects within this long.
const BARRIER: Duration = Duration::from_mins(1);

/// Waits until every object that this run created is listed with its tags, in two listings in a row, so that the
/// next run cannot miss one and create it again; also those whose step failed later. Returns whether the listings
/// show duplicates of them.
pub(super) async fn confirm(run: &Run<'_>, plan: &Plan, outcome: &mut Outcome) -> bool {
    if mutant!(NoEndBarrier) {
        return false;
    }
    let steps = plan.by_id();
    let made = run.made.lock().expect("no task panics while it holds the lock").clone();
    let mut unlisted: BTreeMap<Kind, BTreeMap<StepId, u8>> = BTreeMap::new();
    for id in made.keys() {
        let kind = steps[id].address.kind;
        if kind.facts().listed_under.is_none() {
            unlisted.entry(kind).or_default().insert(*id, 0);
        }
    }
    let start = Instant::now();
    let between = run.attempts.others_within(run.aws, run.stack);
    let mut contested: BTreeMap<Kind, bool> = BTreeMap::new();
    let mut pause = Pause::from_millis(500);
    let mut elsewhere: BTreeMap<StepId, CloudError> = BTreeMap::new();
    while !unlisted.is_empty() {
        let begun = start.elapsed();
        let mut all_seen = true;
        for (kind, missing) in &mut unlisted {
            // A listing that fails now is asked again; only time ends this.
            let listing = kind.list(run.aws, &Scope::default()).await.unwrap_or_default();
            contested.insert(*kind, is_contested(run, &listing, &made).await);
            let listed: BTreeMap<&Arn, &Observed> =
                listing.iter().map(|it| (&it.arn, it)).collect();
            missing.retain(|id, seen| {
                let (arn, attempt_id) = &made[id];
                let ours = listed.get(arn).is_some_and(|it| is_of(it, attempt_id));
                *seen = if ours { *seen + 1 } else { 0 };
                all_seen &= ours;
                *seen < 2
            });
            // An object of another account or region would never be listed.
            let unlisted: Vec<StepId> =
                missing.iter().filter(|(_, seen)| **seen == 0).map(|(id, _)| *id).collect();
            for id in unlisted {
                if let Err(error) = in_place(run.aws, &made[&id].0).await {
                    missing.remove(&id);
                    elsewhere.insert(id, error);
                }
            }
        }
        unlisted.retain(|_, missing| !missing.is_empty());
        if unlisted.is_empty() {
            break;
        }
        // However long a listing takes by itself (many pages, and a small share of the rates): one that shows all is
        // repeated once, and only a listing that began too late is the last.
        if all_seen {
            sleep(between).await;
            continue;
        }
        if begun > BARRIER {
            break;
        }
        let unlisted = unlisted.values().map(BTreeMap::len).sum();
        (run.tell)(Event::Confirming { unlisted, at_most: BARRIER });
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

/// Whether a listed object is the one that an attempt created; one kind is listed without tags.
fn is_of(observed: &Observed, attempt_id: &str) -> bool {
    observed.tags.is_empty() || observed.made_by(attempt_id)
}

/// Whether a listing shows other objects under the addresses of what this run created, which the plan did not know.
async fn is_contested(
    run: &Run<'_>,
    listing: &[Observed],
    made: &BTreeMap<StepId, (Arn, String)>,
) -> bool {
    let mine: BTreeSet<&Arn> = made.values().map(|(arn, _)| arn).collect();
    let known: BTreeSet<&Arn> = run.observed.all().map(|it| &it.arn).collect();
    let names: BTreeSet<Address> = {
        let addresses = run.addresses.lock().expect("no task panics while it holds the lock");
        mine.iter().filter_map(|it| addresses.address(it).cloned()).collect()
    };
    for it in listing.iter().filter(|it| !mine.contains(&it.arn) && !known.contains(&it.arn)) {
        let owner = if it.tags.is_empty() {
            // One kind is listed without tags; a read that fails is repeated by the next run.
            let tags = it.kind.tags_of(run.aws, &it.arn).await;
            tags.map_or(Owner::Unowned, |it| Owner::of(&it))
        } else {
            it.owner()
        };
        let name = owner.in_stack(&run.stack.name).map(|ownership| ownership.name.clone());
        let ended = it.kind.facts().ended;
        let over = it.state.as_deref().is_some_and(|state| ended.contains(&state));
        if !over && name.is_some_and(|name| names.contains(&Address::new(it.kind, name))) {
            return true;
        }
    }
    false
}
