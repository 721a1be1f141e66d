//! Creates the object of a step once (`docs/reliability.md` §1).
//!
//! In this order: no other run has created the object (listed again where the plan's read is older than [`FRESH`]); the
//! channel it starts on is offline; the objects that it acts on have the owner that the plan saw; one request carries
//! the spec and all tags, among them the id of this attempt; after an unknown result the listings are searched for that
//! id; the object becomes ready, and two reads in a row show it before a dependent step uses it. After an unknown result
//! no second request is sent without that search; a kind that is listed under a parent has no such listing, and its
//! create call reads under the parent first instead.

use super::acted_on::taken_over;
use super::attempts::Attempts;
use super::audience::target_live;
use super::changed::Changed;
use super::failure::Failure;
use super::outcome::StepStatus;
use super::ready::{LAG, fits, of_another_place, seen_twice, usable};
use super::run::Run;
use super::tags::all_tags;
use super::tries::{TRIES, Tries};
use super::wait::{Backoff, Tell, Until, Watch};
use crate::aws::{Applied, Class, Clients, CloudError, Tags};
use crate::kinds::{AddressMap, Arn, Kind, Observed, Scope, Spec};
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
    // The create call of a stream key reads the owner of its channel itself.
    let comes_with_parent = step.address.kind.facts().created_by.is_some();
    let spec = step.spec.iter().filter(|_| !comes_with_parent);
    if let Some(why) = taken_over(run, spec.map(|it| (it, &addresses))).await? {
        return Ok(StepStatus::Stale(why));
    }
    let waiting = run.waiting(&step.address);
    let mut tries = Tries::new(&waiting);
    // Whether this run stopped something that AWS still holds: then a Conflict is transient.
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
        // Before a dependent step uses it; an object without dependents is confirmed at the end of the run (`confirm`).
        if run.needed.contains(&step.id) && !mutant!(UsedTooSoon) {
            seen_twice(run.aws, &observed, &attempt_id, &addresses, &waiting).await?;
        }
        Ok(())
    };
    used.await.map_err(|failure: Failure| {
        // Deleted by another client meanwhile: `confirm` must not wait for a listing that shows it.
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
    // The create call of a kind that is listed under a parent (stream key, replication) reads first, and keeps the
    // object that it finds.
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

/// Sends create requests until one succeeds, is refused for good, or its object is found in a listing. Repeated: a
/// transient refusal (throttled, a reference that is not visible yet, a Conflict that this run explains). After an
/// unknown result whose attempt id no listing shows, one more attempt is made; if that is unknown too, so is the step.
/// Kinds whose create call adopts what exists are repeated up to [`TRIES`] times instead, without the listings.
async fn create_once(
    aws: &Clients,
    step: &Step,
    addresses: &AddressMap,
    attempts: &Attempts,
    tries: &mut Tries<'_>,
) -> Result<CreateOutcome, Failure> {
    let spec = step.spec.as_ref().expect("a step that makes something has a spec");
    let kind = step.address.kind;
    // The ids of attempts with an unknown result.
    let mut lost: Vec<String> = Vec::new();
    let mut pauses = Pauses::new(tries.tell);
    loop {
        let attempt = async {
            let attempt_id = attempts.begin(aws)?;
            let tags = all_tags(step, spec, addresses, &attempt_id);
            let begun = Instant::now();
            let created = send_create(aws, spec, &tags, addresses).await;
            attempts.took(begun.elapsed());
            Ok::<_, CloudError>((attempt_id, tags, created))
        };
        // The id has the time of the attempt: one that waited for its turn after that would keep every run waiting at
        // its end for requests that are as slow (`Attempts::others_within`).
        let create = kind.facts().create_operation();
        let (attempt_id, tags, created) = aws.gate.in_turn(create, attempt).await?;
        let error = match created {
            Ok(observed) => {
                return Ok(match not_of_this_create(aws, spec, &observed, &attempt_id) {
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
        // Waits out a Conflict that this run's own stop explains. Not once an attempt is unknown: the object that it
        // may have created can be the reason for the Conflict.
        let released = lost.is_empty() && tries.released(&error).await;
        if released || pauses.again_after(&error, spec).await {
            continue;
        }
        if lost.is_empty() {
            return Err(error.into());
        }
        // A refusal is about this attempt only: an earlier one with an unknown result may have created the object, and
        // may be why this one is refused.
        if let Some((observed, attempt_id)) = search_listings(aws, kind, &lost, addresses).await {
            return Ok(CreateOutcome::Observed(Box::new(observed), attempt_id));
        }
        // No further attempt after a refusal, for a create call that adopts, or after a second unknown result. The step
        // stays unknown because of the earlier attempt, even where the last one was refused.
        if error.applied() == Applied::No || create_adopts(kind) || lost.len() > 1 {
            return Ok(CreateOutcome::Unknown(error));
        }
    }
}

/// Whether the create call of a kind reads under the parent first and keeps what it finds, so that it is safe to repeat
/// after an unknown result.
fn create_adopts(kind: Kind) -> bool {
    kind.facts().listed_under.is_some()
}

/// The pauses between the create requests of one step, a series for each cause that may pass.
struct Pauses<'a> {
    throttled: Backoff,
    /// An object that the spec refers to: what this run created a moment ago may not be visible to every server yet.
    not_visible: Backoff,
    /// An unknown result of a create call that adopts.
    unknown: Backoff,
    /// A quota error of a stream key: AWS has created the channel's key, and reads do not show it yet.
    unlisted: Watch<'a>,
}

impl<'a> Pauses<'a> {
    fn new(tell: Tell<'a>) -> Self {
        Self {
            throttled: Backoff::of(TRIES),
            not_visible: Backoff::of(TRIES),
            unknown: Backoff::of(TRIES),
            unlisted: Watch::new(Until::Listed, LAG, tell),
        }
    }

    /// Waits before the next request; false where it would be no use.
    async fn again_after(&mut self, error: &CloudError, spec: &Spec) -> bool {
        let kind = spec.kind();
        match error.class {
            Class::Throttled => self.throttled.again().await,
            Class::NotFound if !spec.refs().is_empty() => self.not_visible.again().await,
            Class::Unknown if create_adopts(kind) => self.unknown.again().await,
            Class::Quota if kind.facts().created_by.is_some() => self.unlisted.again().await,
            _ => false,
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

/// Checks a successful reply: the error where it names an object that this request cannot have created (another
/// account or region, other tags, another name). The result is unknown then, and the listings are not searched.
fn not_of_this_create(
    aws: &Clients,
    spec: &Spec,
    observed: &Observed,
    attempt_id: &str,
) -> Option<CloudError> {
    // AWS gives no ARN to a relation between two objects (replication).
    observed.kind.facts().arn_type?;
    let create = observed.kind.facts().create_operation();
    let wrong = |message| Some(CloudError::unusable(create, message));
    if !aws.is_in_place(observed.arn.region(), observed.arn.account()) {
        return wrong(of_another_place(&observed.arn));
    }
    // Some answers carry no tags.
    if !observed.tags.is_empty() && !observed.made_by(attempt_id) {
        return wrong(format!("the answer names {} without the tags that were sent", observed.arn));
    }
    let name = |spec: &Spec| spec.clone().name_mut().cloned().flatten().filter(|it| !it.is_empty());
    if let (Some(sent), Some(answered)) = (name(spec), observed.spec.as_ref().and_then(name))
        && sent != answered
    {
        return wrong(format!(
            "the answer names {} `{answered}` instead of `{sent}`",
            observed.arn
        ));
    }
    None
}

/// Searches the listings for the object that one of these create attempts made; of several, that of the earliest. A
/// listing that fails counts as not found.
async fn search_listings(
    aws: &Clients,
    kind: Kind,
    attempt_ids: &[String],
    addresses: &AddressMap,
) -> Option<(Observed, String)> {
    // The create call of a kind that is listed under a parent (stream key, replication) reads first, and keeps the
    // object that it finds.
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
