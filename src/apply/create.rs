//! Creates the object of a step once (`docs/reliability.md` §1).
//!
//! In this order: no other run has created the object since the account was read; what it starts on is offline; one
//! request carries the spec and all tags, among them the id of this attempt; after an unknown result a listing is
//! searched for that id; what was created becomes usable, and two reads in a row show it before other steps refer
//! to it. Never sends a second create after a reply was lost without that search.

use super::attempts::Attempts;
use super::audience::target_live;
use super::changed::Changed;
use super::failure::Failure;
use super::outcome::StepStatus;
use super::ready::{LAG, fits, of_another_place, seen_twice, usable};
use super::run::Run;
use super::tags::all_tags;
use super::tries::{TRIES, Tries};
use super::wait::{Backoff, Until, Watch};
use crate::aws::{Applied, Class, Clients, CloudError, Tags};
use crate::kinds::{AddressMap, Arn, Kind, Observed, Scope, Spec, Verb};
use crate::plan::Step;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A listing shows what other runs have created; one older than this is repeated before a create. A shorter time would
/// cost more listings than the request rates allow in a long run: a thousand channels take three minutes and a half.
const FRESH: Duration = Duration::from_mins(1);

/// The pauses before each search of the listings after an unknown result, in milliseconds: 15 seconds in all
/// (`docs/reliability.md` §1).
const LOOKS: [u64; 5] = [500, 1_000, 2_000, 4_000, 8_000];

/// Carries out a step that creates an object.
pub(super) async fn create(run: &Run<'_>, step: &Step) -> Result<StepStatus, Failure> {
    if let Some(arn) = created_by_another_run(run, step).await? {
        return Ok(StepStatus::Stale(Changed::MadeMeanwhile { arn }));
    }
    let addresses = run.addresses(step);
    if let Some(why) = target_live(run, step).await? {
        return Ok(StepStatus::Deferred(why));
    }
    let waiting = run.waiting(&step.address);
    let mut tries = Tries::new(&waiting);
    tries.explained = run.is_explained(step);
    let (observed, attempt_id) =
        match create_once(run.aws, step, &addresses, run.attempts, &mut tries).await {
            Ok(CreateOutcome::Unknown(error)) => return Ok(StepStatus::Unknown(error.into())),
            Ok(CreateOutcome::Observed(observed, attempt_id)) => (observed, attempt_id),
            Err(failure) => {
                // The channel may have got a stream since the check.
                if failure.is_conflict()
                    && let Some(why) = target_live(run, step).await?
                {
                    return Ok(StepStatus::Deferred(why));
                }
                return Err(failure);
            }
        };
    let arn = observed.arn.clone();
    run.note(&step.address, &arn);
    let made = (arn.clone(), attempt_id.clone());
    run.made.lock().expect("no task panics while it holds the lock").insert(step.id, made);
    let spec = step.spec.as_ref().expect("a step that makes something has a spec");
    let used = async {
        let observed = fits(spec, *observed, "the create")?;
        let observed = usable(run.aws, observed, false, &addresses, &waiting).await?;
        // An object that no other step needs is confirmed by the listings at the end.
        if run.needed.contains(&step.id) && !mutant!(UsedTooSoon) {
            seen_twice(run.aws, &observed, &attempt_id, &addresses, &waiting).await?;
        }
        Ok(())
    };
    used.await.map_err(|failure: Failure| {
        // No listing will show an object that was deleted meanwhile.
        if matches!(failure, Failure::Gone { .. }) {
            run.made.lock().expect("no task panics while it holds the lock").remove(&step.id);
        }
        Failure::HalfDone { done: format!("making {arn}"), failure: Box::new(failure) }
    })?;
    Ok(StepStatus::Done(Some(arn)))
}

/// An object with the address of the step that is not in the plan's observed state: another run created it.
async fn created_by_another_run(run: &Run<'_>, step: &Step) -> Result<Option<Arn>, CloudError> {
    let kind = step.address.kind;
    // An object that AWS creates along with another one is searched for by the create call itself.
    if kind.facts().listed_under.is_some() || mutant!(NoLookBeforeCreate) {
        return Ok(None);
    }
    let since = run.now()? - FRESH;
    if run.observed.as_of.is_some_and(|it| it >= since) {
        return Ok(None);
    }
    let listing = run.listing(kind, since).await?;
    let known: BTreeSet<&Arn> = run.observed.all().map(|it| &it.arn).collect();
    let ended = kind.facts().ended;
    let hit = listing.iter().find(|it| {
        let owner = it.owner();
        let same = owner.in_stack(&run.stack.name).is_some_and(|it| it.name == step.address.name);
        let over = it.state.as_deref().is_some_and(|state| ended.contains(&state));
        same && !over && !known.contains(&it.arn)
    });
    Ok(hit.map(|it| it.arn.clone()))
}

/// The result of a create.
enum CreateOutcome {
    /// The object exists; with the id of the attempt that created it.
    Observed(Box<Observed>, String),
    /// The request may have been carried out or not.
    Unknown(CloudError),
}

/// Sends create requests until one is answered, refused, or found in a listing. A request is repeated after a refusal
/// that passes (throttling, a reference that is not visible yet, a Conflict that this run explains), and at most once
/// after an unknown result whose attempt id no listing shows.
async fn create_once(
    aws: &Clients,
    step: &Step,
    addresses: &AddressMap,
    attempts: &Attempts,
    tries: &mut Tries<'_>,
) -> Result<CreateOutcome, Failure> {
    let spec = step.spec.as_ref().expect("a step that makes something has a spec");
    let kind = step.address.kind;
    let comes_along = kind.facts().listed_under.is_some();
    // The ids of attempts with an unknown result.
    let mut lost: Vec<String> = Vec::new();
    let mut throttled = Backoff::of(TRIES);
    let mut young = Backoff::of(TRIES);
    let mut unknown = Backoff::of(TRIES);
    let mut lag = Watch::new(Until::Listed, LAG, tries.tell);
    loop {
        let attempt_id = attempts.begin(aws)?;
        let tags = all_tags(step, spec, addresses, &attempt_id);
        let begun = Instant::now();
        let made = send_create(aws, spec, &tags, addresses).await;
        attempts.took(begun.elapsed());
        let error = match made {
            Ok(observed) => {
                return Ok(match not_of_this_create(aws, &observed, &attempt_id) {
                    None => CreateOutcome::Observed(Box::new(observed), attempt_id),
                    Some(error) => CreateOutcome::Unknown(error),
                });
            }
            Err(error) => error,
        };
        if error.applied() == Applied::Unknown {
            if mutant!(UnknownIsDone) {
                let account = aws.known_account().unwrap_or_default().to_owned();
                let arn = format!("arn:aws:ivs:{}:{account}:nowhere/0", aws.region);
                let nowhere = Observed::listed(kind, arn, tags);
                return Ok(CreateOutcome::Observed(Box::new(nowhere), attempt_id));
            }
            lost.push(attempt_id);
        }
        // Not after an attempt that may have created it: that object may be the reason for the refusal.
        if lost.is_empty() && tries.released(&error).await {
            continue;
        }
        // The object that AWS creates by itself exists and is not listed yet.
        if error.class == Class::Quota && comes_along && lag.again().await {
            continue;
        }
        match error.class {
            Class::Throttled if throttled.again().await => {}
            // What this run created a moment ago may not be visible to every server yet.
            Class::NotFound if !spec.refs().is_empty() && young.again().await => {}
            _ if lost.is_empty() => return Err(error.into()),
            // The create call of such a kind searches for the object first, so it can be repeated.
            Class::Unknown if comes_along && unknown.again().await => {}
            _ => {
                // A refusal does not say that the attempt before it failed: that one may be the reason for it.
                if let Some((observed, attempt_id)) =
                    search_listings(aws, kind, &lost, addresses).await
                {
                    return Ok(CreateOutcome::Observed(Box::new(observed), attempt_id));
                }
                if error.applied() == Applied::No || comes_along || lost.len() > 1 {
                    return Ok(CreateOutcome::Unknown(error));
                }
            }
        }
    }
}

/// One create request, which carries all tags.
async fn send_create(
    aws: &Clients,
    spec: &Spec,
    tags: &Tags,
    addresses: &AddressMap,
) -> Result<Observed, CloudError> {
    if mutant!(TagsAfterCreate) && spec.kind().facts().listed_under.is_none() {
        let observed = spec.create(aws, &Tags::new(), addresses).await?;
        aws.tag(observed.kind.facts().service, observed.arn.as_str(), tags).await?;
        return Ok(observed);
    }
    spec.create(aws, tags, addresses).await
}

/// Why an answer cannot be about the object that this create request made, if so. No read would ever return such an
/// object, so nothing is waited for.
fn not_of_this_create(aws: &Clients, observed: &Observed, attempt_id: &str) -> Option<CloudError> {
    observed.kind.facts().arn_type?;
    let operations = observed.kind.facts().operations.iter();
    let create = operations.into_iter().find(|it| it.verb == Verb::Create);
    let wrong =
        |message| Some(CloudError::unusable(create.map_or("create", |it| it.name), message));
    if !aws.is_in_place(observed.arn.region(), observed.arn.account()) {
        return wrong(of_another_place(&observed.arn));
    }
    // Some answers carry no tags.
    if !observed.tags.is_empty() && !observed.made_by(attempt_id) {
        return wrong(format!("the answer names {} without the tags that were sent", observed.arn));
    }
    None
}

/// Searches the listings for the object that one of these create attempts made; of several the first. A listing that
/// fails counts as not found.
async fn search_listings(
    aws: &Clients,
    kind: Kind,
    attempt_ids: &[String],
    addresses: &AddressMap,
) -> Option<(Observed, String)> {
    // An object that AWS creates along with another one is searched for by the create call itself.
    kind.facts().listed_under.is_none().then_some(())?;
    if mutant!(NoLookAfterUnknown) {
        return None;
    }
    for pause in LOOKS {
        sleep(Duration::from_millis(pause)).await;
        let Ok(listing) = kind.list_tagged(aws, &Scope::default()).await else { continue };
        let hit = attempt_ids.iter().find_map(|attempt_id| {
            let made = listing.iter().find(|it| it.made_by(attempt_id))?;
            Some((made, attempt_id))
        });
        if let Some((observed, attempt_id)) = hit {
            // A listing alone is no proof: a get with the listed ARN must return the object as well.
            let read = kind.get(aws, std::slice::from_ref(&observed.arn), addresses).await;
            let Some(observed) = read.ok().and_then(|mut it| it.pop()) else { continue };
            return Some((observed, attempt_id.clone()));
        }
    }
    None
}
