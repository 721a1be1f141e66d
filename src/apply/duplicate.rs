//! Whether an object is still a duplicate, as of a second listing (`docs/reliability.md` §2).
//!
//! Only reads; `delete.rs` deletes it.

use super::attempts::BETWEEN_LISTINGS;
use super::changed::Changed;
use super::run::Run;
use super::wait::{Until, Wait};
use crate::aws::CloudError;
use crate::cloud::show_managed_tags;
use crate::kinds::{Arn, Owner};
use crate::plan::Step;
use std::time::Duration;
use tokio::time::sleep;

/// The least time between the two listings that prove a duplicate (`docs/reliability.md` §2).
const APART: Duration = Duration::from_secs(15);

/// Compares a second listing with the plan's: both objects must still be listed, a get must return the one that
/// counts, and the duplicate must be unchanged.
pub(super) async fn not_a_duplicate(
    run: &Run<'_>,
    step: &Step,
    winner: &Arn,
) -> Result<Option<Changed>, CloudError> {
    let kind = step.address.kind;
    if mutant!(PrunedAtOnce) {
        return Ok(None);
    }
    let Some(first) = run.observed.as_of else {
        return Ok(Some(Changed::PlanOfUnknownAge));
    };
    // Listings of different age may show what another run created; what this run created has been confirmed.
    let own = run.attempts.made(&step.owner);
    let since = first + if own { BETWEEN_LISTINGS } else { APART };
    let early = since.duration_since(run.now()?);
    if early.is_positive() {
        let at_most = early.unsigned_abs();
        run.waiting(&step.address)(Wait { until: Until::SecondListing, at_most });
        sleep(at_most).await;
    }
    let listing = run.listing(kind, since).await?;
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
    let read = kind.get(run.aws, std::slice::from_ref(winner), run.planned).await?;
    let there = read.first().is_some_and(|it| it.owner() == Owner::Stack(first));
    if own && was_changed(run, step, arn).await? {
        return Ok(Some(Changed::DuplicateChanged));
    }
    Ok((!still || !there).then_some(Changed::DuplicateTagsChanged))
}

/// Whether the object of a step differs from what the plan saw.
async fn was_changed(run: &Run<'_>, step: &Step, arn: &Arn) -> Result<bool, CloudError> {
    let read = step.address.kind.get(run.aws, std::slice::from_ref(arn), run.planned).await?;
    let Some(mut now) = read.into_iter().next() else { return Ok(false) };
    show_managed_tags(&mut now, run.stack);
    let (Some(before), Some(mut spec)) = (&step.before, now.spec) else { return Ok(true) };
    spec.copy_write_only(before);
    Ok(spec != *before)
}
