//! Whether an object that AWS created or changed is as the request asked for, and when other steps can use it.
//!
//! Only reads; never writes to an object.

use super::failure::Failure;
use super::wait::{Pause, Tell, Until, Watch};
use crate::aws::{Clients, CloudError};
use crate::kinds::spec::difference;
use crate::kinds::{AddressMap, Arn, Observed, Scope, Spec};
use std::time::Duration;

/// How long an object may take to become usable, or to end. Terraform waits as long for a recording
/// configuration; a composition takes seconds.
pub(super) const PATIENCE: Duration = Duration::from_mins(10);

/// How long reads may lag behind what was just written.
pub(super) const LAG: Duration = Duration::from_mins(1);

/// Compares an answer with the spec that was sent.
pub(super) fn fits(
    spec: &Spec,
    mut observed: Observed,
    operation: &'static str,
) -> Result<Observed, Failure> {
    let Some(answered) = &mut observed.spec else { return Ok(observed) };
    // Tags are written by other calls, and are compared by the next plan.
    if let (Some(tags), Some(wanted)) = (answered.tags_mut(), spec.clone().tags_mut()) {
        tags.clone_from(wanted);
    }
    // AWS never returns write-only fields; they were in the request.
    answered.copy_write_only(spec);
    let fields = difference(spec, answered, &[]);
    if fields.is_empty() {
        return Ok(observed);
    }
    let fields: Vec<String> = fields
        .iter()
        .map(|it| format!("`{}` is {} instead of {}", it.path, it.after, it.before))
        .collect();
    Err(Failure::Inconsistent { operation, fields: fields.join(", ") })
}

/// Whether AWS is still creating or changing an object.
pub(super) fn is_changing(observed: &Observed) -> bool {
    let facts = observed.kind.facts();
    let (Some((good, bad)), Some(state)) = (facts.ready_state, observed.state.as_deref()) else {
        return false;
    };
    state != good && state != bad && !facts.ended.contains(&state) && !facts.ending.contains(&state)
}

/// Waits until an object can be referred to; `known` where it was read or listed before. Fails at once where the object
/// was deleted.
pub(super) async fn usable(
    aws: &Clients,
    mut observed: Observed,
    mut known: bool,
    addresses: &AddressMap,
    tell: Tell<'_>,
) -> Result<Observed, Failure> {
    let facts = observed.kind.facts();
    let Some((good, bad)) = facts.ready_state else { return Ok(observed) };
    if mutant!(UsedTooSoon) {
        return Ok(observed);
    }
    let until = |now: String| Until::Settled { now, good, bad };
    let mut watch = Watch::new(until(String::new()), PATIENCE, tell);
    let mut missed = 0;
    loop {
        let now = match observed.state.as_deref() {
            None => return Ok(observed),
            Some(state) if state == good => return Ok(observed),
            Some(state)
                if state == bad
                    || facts.ended.contains(&state)
                    || facts.ending.contains(&state) =>
            {
                return Err(Failure::State { state: state.to_owned(), likely: facts.fails_by });
            }
            Some(state) => state.to_owned(),
        };
        if !watch.again_for(until(now)).await {
            return Err(Failure::timed_out(watch));
        }
        if let Some(newer) =
            observed.kind.get(aws, std::slice::from_ref(&observed.arn), addresses).await?.pop()
        {
            (observed, known, missed) = (newer, true, 0);
            continue;
        }
        in_place(aws, &observed.arn).await?;
        if known || watch.elapsed() > LAG {
            // New objects become visible with a delay, so one that was never read may still appear; and one server
            // may lag behind another.
            missed = if is_listed(aws, &observed).await? { 0 } else { missed + 1 };
            if missed == 2 {
                return Err(Failure::gone(watch));
            }
        }
    }
}

/// Waits until a new object was read twice in a row with the id of its attempt: only then do requests that refer to it
/// find it on every server.
pub(super) async fn seen_twice(
    aws: &Clients,
    observed: &Observed,
    attempt_id: &str,
    addresses: &AddressMap,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    // Adopted, or of a kind that no other kind refers to.
    if observed.kind.facts().listed_under.is_some() {
        return Ok(());
    }
    // A second read is the rule, and no wait to report.
    let mut quiet = Pause::from_millis(100);
    let mut watch = Watch::new(Until::Readable, LAG, tell);
    let mut seen = 0;
    loop {
        let read =
            observed.kind.get(aws, std::slice::from_ref(&observed.arn), addresses).await?.pop();
        let ours = read.is_some_and(|it| it.made_by(attempt_id));
        seen = if ours { seen + 1 } else { 0 };
        if seen == 2 {
            return Ok(());
        }
        if ours {
            quiet.pass().await;
            continue;
        }
        in_place(aws, &observed.arn).await?;
        if !watch.again().await {
            return Err(Failure::timed_out(watch));
        }
    }
}

/// Whether a listing taken now shows an object: the server that did not return it may only lag behind.
async fn is_listed(aws: &Clients, observed: &Observed) -> Result<bool, Failure> {
    let listing = observed.kind.list(aws, &Scope::default()).await?;
    Ok(listing.iter().any(|it| it.arn == observed.arn))
}

/// Checks that a new object which a read did not return is of the account and region in force; where the account is not
/// known yet, it is looked up now.
pub(super) async fn in_place(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
    Box::pin(aws.look_for_account()).await;
    if aws.is_in_place(arn.region(), arn.account()) {
        return Ok(());
    }
    Err(CloudError::unusable("create", of_another_place(arn)))
}

pub(super) fn of_another_place(arn: &Arn) -> String {
    format!("the answer names {arn}, which belongs to another account or region")
}
