//! Deletes the object of a step.
//!
//! Never deletes an object whose ownership tags differ from those that the plan saw, or that is protected.

use super::acted_on::taken_over;
use super::attempts::Attempts;
use super::audience::cut_off;
use super::changed::{Changed, Precondition};
use super::duplicate::not_a_duplicate;
use super::failure::Failure;
use super::outcome::StepStatus;
use super::ready::{LAG, PATIENCE};
use super::run::Run;
use super::tries::Tries;
use super::wait::{Pause, Tell, Until, Watch};
use crate::aws::{Clients, CloudError, found, gone};
use crate::kinds::{
    AddressMap, Arn, Detached, Kind, NextCall, Observed, Owner, Scope, Spec, owner,
};
use crate::plan::{Cause, Step};

/// Carries out a step that deletes an object.
pub(super) async fn delete(
    run: &Run<'_>,
    step: &Step,
    detached: &mut Vec<Detached>,
) -> Result<StepStatus, Failure> {
    let arn = step.arn.clone().expect("a step that deletes something has an object");
    let winner = step.because.iter().find_map(|cause| match cause {
        Cause::Duplicate { of } => Some(of),
        _ => None,
    });
    if let Some(winner) = winner
        && let Some(why) = not_a_duplicate(run, step, winner).await?
    {
        return Ok(StepStatus::Stale(why));
    }
    if step.because.contains(&Cause::Superseded) && !has_successor(run, step, &arn).await? {
        return Ok(StepStatus::Stale(Changed::SuccessorGone));
    }
    // An object is not deleted to make room for one that may not be created. The replacement may act on other objects
    // than this one does.
    if let Some(replacement) = run.replacements.get(&step.id) {
        let addresses = run.addresses(replacement);
        let before = step.before.iter().map(|it| (it, run.planned));
        let specs = before.chain(replacement.spec.iter().map(|it| (it, &addresses)));
        if let Some(why) = taken_over(run, specs).await? {
            return Ok(StepStatus::Stale(why));
        }
    }
    let waiting = run.waiting(&step.address);
    let mut tries = Tries::new(&waiting);
    let mut last = None;
    loop {
        match still_ours(run.aws, step, &arn, run.attempts).await? {
            Precondition::Holds(()) => {}
            Precondition::Gone => break,
            Precondition::Not(why) => return tries.gave_way(why),
        }
        if let Some(why) = cut_off(run, step, &arn, NextCall::Delete, detached).await? {
            return Ok(StepStatus::Deferred(why));
        }
        if let Some(error) = last {
            return Err(Failure::Cloud(error));
        }
        tries.explained = run.is_explained(step);
        match delete_once(run, step, &arn).await {
            Ok(()) => break,
            Err(error) if tries.settled(run.aws, step, &error).await? => {}
            Err(error) if tries.after(&error).await => {}
            // The result of the last try is unknown: one more read shows whether the object is gone.
            Err(error) => last = Some(error),
        }
    }
    wait_for_end(run.aws, step, &arn, run.planned, &waiting).await?;
    if !step.address.kind.facts().ended.is_empty() {
        let used = step.before.iter().flat_map(Spec::refs);
        let used = used.filter_map(|it| it.to.arn(run.planned));
        used.for_each(|it| run.note_stopped(it.clone(), run.observed.audience.get(&it)));
    }
    Ok(StepStatus::Done(Some(arn)))
}

/// Whether an object has the owner, logical name and attempt id that the plan saw, and was not protected meanwhile.
async fn still_ours(
    aws: &Clients,
    step: &Step,
    arn: &Arn,
    attempts: &Attempts,
) -> Result<Precondition<()>, CloudError> {
    let mut pause = Pause::from_millis(500);
    let tags = loop {
        if let Some(tags) = found(step.address.kind.tags_of(aws, arn).await)? {
            break tags;
        }
        // An object that was created a moment ago may only not be visible to every server yet.
        if !is_young(aws, step) {
            return Ok(Precondition::Gone);
        }
        pause.pass().await;
    };
    let owner = Owner::of(&tags);
    if mutant!(TagsIgnoredOnDelete) {
        return Ok(Precondition::Holds(()));
    }
    Ok(match (&owner, &step.owner) {
        (Owner::Stack(now), _) if now.protect && !attempts.made(&step.owner) => {
            Precondition::Not(Changed::ProtectedMeanwhile)
        }
        (Owner::Stack(now), Owner::Stack(then))
            if (&now.stack, &now.name, &now.attempt_id)
                == (&then.stack, &then.name, &then.attempt_id) =>
        {
            match protected_part(aws, step.address.kind, arn, attempts).await? {
                Some(part) => Precondition::Not(Changed::PartProtected { part }),
                None => Precondition::Holds(()),
            }
        }
        _ => Precondition::Not(Changed::OwnerChanged { owner: Box::new(owner) }),
    })
}

/// A protected object that AWS would delete together with this one, such as the stream key of a channel. It is read
/// here because only its own tags show that.
async fn protected_part(
    aws: &Clients,
    kind: Kind,
    arn: &Arn,
    attempts: &Attempts,
) -> Result<Option<Arn>, CloudError> {
    let has_parts = Kind::ALL.iter().any(|it| it.facts().created_by == Some(kind));
    if !has_parts {
        return Ok(None);
    }
    let parts = kind.users(aws, arn).await?.into_iter();
    let parts = parts.filter(|it| it.kind.facts().created_by == Some(kind));
    let mut owners =
        parts.map(|it| (it.arn.clone(), it.owner())).filter(|(_, it)| !attempts.made(it));
    let protected =
        owners.find(|(_, it)| matches!(it, Owner::Stack(ownership) if ownership.protect));
    Ok(protected.map(|(arn, _)| arn))
}

/// Whether reads may still lag behind the create of a step's object.
fn is_young(aws: &Clients, step: &Step) -> bool {
    let Owner::Stack(ownership) = &step.owner else { return false };
    let (Some(made), Some(now)) = (ownership.made(), aws.gate.server_time()) else { return false };
    now.duration_since(made).unsigned_abs() < LAG
}

/// One delete request. The tag of the object that counts protects the address; an IAM policy refuses to delete this
/// run's own duplicate while that carries the tag as well.
async fn delete_once(run: &Run<'_>, step: &Step, arn: &Arn) -> Result<(), CloudError> {
    let kind = step.address.kind;
    let protected = matches!(&step.owner, Owner::Stack(ownership) if ownership.protect);
    if protected && run.attempts.made(&step.owner) {
        let tag = [owner::PROTECT.to_owned()];
        gone(kind.untag(run.aws, arn, &tag).await)?;
    }
    kind.delete(run.aws, arn).await
}

/// Whether the object that replaces this one still exists: the last object of an address is not deleted for having
/// been replaced once.
async fn has_successor(run: &Run<'_>, step: &Step, arn: &Arn) -> Result<bool, CloudError> {
    let replaces = |observed: &&Observed| match observed.owner() {
        Owner::Stack(ownership) => ownership.replaces.as_deref() == Some(arn.id()),
        _ => false,
    };
    let made = run.addresses(step).arn(&step.address).cloned();
    let there = run.observed.all().filter(replaces).map(|it| it.arn.clone());
    for successor in made.into_iter().chain(there) {
        let tags = found(step.address.kind.tags_of(run.aws, &successor).await)?;
        let ownership = tags.map(|it| Owner::of(&it));
        if matches!(ownership, Some(Owner::Stack(it)) if it.replaces.as_deref() == Some(arn.id())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Waits until a delete is over, where other steps depend on that: until a composition has ended, and until a stream
/// key is not listed any more, so that the next one is not confused with it.
async fn wait_for_end(
    aws: &Clients,
    step: &Step,
    arn: &Arn,
    planned: &AddressMap,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    let kind = step.address.kind;
    let facts = kind.facts();
    if !facts.ended.is_empty() {
        let mut watch = Watch::new(Until::Ended { states: facts.ended }, PATIENCE, tell);
        let offline = async || kind.audience(aws, arn).await.map(|it| it.is_none());
        let ended = watch.until(offline).await?;
        return if ended { Ok(()) } else { Err(Failure::timed_out(watch)) };
    }
    if facts.created_by.is_none() || mutant!(DeletedKeyRetaken) {
        return Ok(());
    }
    let Some(spec) = step.before.as_ref() else { return Ok(()) };
    let declared = vec![spec];
    let scope = Scope { declared, addresses: planned.clone(), ..Scope::default() };
    let mut watch = Watch::new(Until::Unlisted, LAG, tell);
    let unlisted =
        async || Ok::<_, CloudError>(kind.list(aws, &scope).await?.iter().all(|it| it.arn != *arn));
    if watch.until(unlisted).await? { Ok(()) } else { Err(Failure::timed_out(watch)) }
}
