//! Who is live on an object immediately before a write, and the end of a stream or session with consent.
//!
//! Never ends a stream or session without the plan's consent to it.

use super::changed::Changed;
use super::failure::Failure;
use super::outcome::StepStatus;
use super::run::Run;
use super::tags::{may_still_be_tagged, still_to_be_changed};
use super::tries::{RELEASE, Tries};
use super::wait::{Until, Watch};
use crate::aws::{Class, CloudError, found};
use crate::kinds::{
    Arn, Audience, Detached, Interrupted, Interruption, Kind, NextCall, Owner, Spec,
};
use crate::plan::{Consent, Decision, Reason, Step};
use std::time::Duration;

/// A stream or session that was ended is gone within this long; after that, the encoder has connected again.
const GOES_WITHIN: Duration = Duration::from_secs(45);

/// How often the stream of an encoder that connects again is ended before the step fails.
const STOPS: u32 = 4;

/// The audience that a change to an object would cut off at this moment. The end of a stream that this run has
/// stopped is waited for; a stream that started after it counts.
pub(super) async fn audience_now(
    run: &Run<'_>,
    step: &Step,
    kind: Kind,
    arn: &Arn,
) -> Result<Option<Audience>, Failure> {
    let waiting = run.waiting(&step.address);
    let mut watch = Watch::new(Until::Offline { channel: arn.clone() }, RELEASE, &waiting);
    loop {
        let Some(audience) = kind.audience(run.aws, arn).await? else { return Ok(None) };
        let stopped = {
            let stopped = run.stopped.lock().expect("no task panics while it holds the lock");
            stopped.get(arn).is_some_and(|id| id.is_some() && *id == audience.session)
        };
        if !stopped || !watch.again().await {
            return Ok(Some(audience));
        }
    }
}

/// Why an object cannot be created now: it starts on a channel that has a stream already.
pub(super) async fn target_live(run: &Run<'_>, step: &Step) -> Result<Option<Reason>, Failure> {
    let addresses = run.addresses(step);
    for edge in step.spec.iter().flat_map(Spec::must_be_offline) {
        let Some(arn) = edge.to.arn(&addresses) else { continue };
        if let Some(audience) = audience_now(run, step, edge.kind, &arn).await? {
            return Ok(Some(Reason::TargetLive { target: edge.to, audience }));
        }
    }
    Ok(None)
}

/// The last check before a call that could cut off an audience: one that went live since the plan was made defers
/// the step, and a stream or session is ended only with consent.
pub(super) async fn cut_off(
    run: &Run<'_>,
    step: &Step,
    arn: &Arn,
    next: NextCall,
    detached: &mut Vec<Detached>,
) -> Result<Option<Reason>, Failure> {
    let kind = step.address.kind;
    if mutant!(NoLookForAudience) {
        return Ok(None);
    }
    // The audience of a stream key is that of its channel.
    let parent = kind.facts().created_by.and_then(|parent| {
        let edges = step.before.iter().flat_map(Spec::refs);
        let arn = edges.into_iter().find(|it| it.kind == parent)?.to.arn(run.planned)?;
        Some((parent, arn))
    });
    let audience = match &parent {
        Some((parent, arn)) => audience_now(run, step, *parent, arn).await?,
        None => audience_now(run, step, kind, arn).await?,
    };
    let Some(audience) = audience else { return Ok(None) };
    if step.decision == Decision::Interrupt {
        match interrupt_audience(run, step, arn, next, detached).await? {
            Interrupted::ByNextCall => {}
            Interrupted::Ended => run.note_stopped(arn.clone(), Some(&audience)),
            Interrupted::Published => run.note_stopped(arn.clone(), None),
            Interrupted::Foreign { source } => {
                return Ok(Some(Reason::ForeignPublisher { source }));
            }
        }
        // Meanwhile another run or tool may have changed the ownership tags.
        still_to_be_changed(run.aws, step, arn).await.map_err(|failure| {
            let done = "disconnecting its viewers or participants".to_owned();
            Failure::HalfDone { done, failure: Box::new(failure) }
        })?;
        return Ok(None);
    }
    Ok(Some(Reason::LiveAudience { audience, needs: Consent::Wait }))
}

/// Ends the stream or session of an object and waits until it is over, where the kind has a call for that. An encoder
/// that connects again is disconnected again, at most [`STOPS`] times. Objects that AWS detaches with that are recorded
/// in `detached`.
async fn interrupt_audience(
    run: &Run<'_>,
    step: &Step,
    arn: &Arn,
    next: NextCall,
    detached: &mut Vec<Detached>,
) -> Result<Interrupted, Failure> {
    let (aws, kind) = (run.aws, step.address.kind);
    let tell = run.waiting(&step.address);
    for _ in 0..STOPS {
        let mut tries = Tries::new(&tell);
        let interrupted = loop {
            let interruption =
                &mut Interruption { next, stack: &run.stack.name, detached: &mut *detached };
            match kind.interrupt(aws, arn, interruption).await {
                Ok(interrupted) => break interrupted,
                Err(error) if tries.after(&error).await => {}
                Err(error) => return Err(error.into()),
            }
        };
        let mut watch = Watch::new(Until::Disconnected, GOES_WITHIN, &tell);
        let waits = matches!(interrupted, Interrupted::Ended | Interrupted::Published);
        if !waits || watch.until(async || kind.is_in_the_way(aws, arn).await.map(|it| !it)).await? {
            return Ok(interrupted);
        }
    }
    Err(Failure::Reconnects { times: STOPS })
}

/// Carries out a step that may end a stream or session. Objects that AWS detached from others with that are attached
/// again: the object of the step where its own change does not follow, others always.
pub(super) async fn interrupting(
    run: &Run<'_>,
    step: &Step,
    change: impl AsyncFnOnce(&mut Vec<Detached>) -> Result<StepStatus, Failure>,
) -> Result<StepStatus, Failure> {
    let mut detached = Vec::new();
    let mut ended = change(&mut detached).await;
    if matches!(ended, Ok(StepStatus::Done(_))) {
        detached.retain(|it| Some(&it.arn) != step.arn.as_ref());
    }
    for it in detached {
        let Err(failure) = attach_again(run, step, &it).await else { continue };
        let after = match ended {
            Err(ended) => format!("the change failed ({ended})"),
            Ok(StepStatus::Done(_)) => "the change was made".to_owned(),
            Ok(_) => "the change was not made".to_owned(),
        };
        // The other objects are attached again all the same.
        ended = Err(Failure::NotRestored { detached: it, after, failure: Box::new(failure) });
    }
    ended
}

/// Attaches an object again to the one that the end of a stream or session detached it from. An object that another
/// stack or tool owns by now is not written to.
async fn attach_again(run: &Run<'_>, step: &Step, detached: &Detached) -> Result<(), Failure> {
    let aws = run.aws;
    let attempt = async || -> Result<Option<Owner>, CloudError> {
        let Some(tags) = found(detached.kind.tags_of(aws, &detached.arn).await)? else {
            return Ok(None);
        };
        let owner = Owner::of(&tags);
        let ours = if step.arn.as_ref() == Some(&detached.arn) {
            may_still_be_tagged(step, &owner)
        } else {
            owner.in_stack(&run.stack.name).is_some()
        };
        if !ours {
            return Ok(Some(owner));
        }
        detached.attach_again(aws).await.map(|()| None)
    };
    let tell = run.waiting(&step.address);
    let mut tries = Tries::new(&tell);
    loop {
        match attempt().await {
            Ok(None) => return Ok(()),
            Ok(Some(owner)) => {
                return Err(Failure::ChangedMeanwhile(Changed::OwnerChanged {
                    owner: Box::new(owner),
                }));
            }
            // AWS refuses while it still closes the connection.
            Err(error) => {
                let passing =
                    matches!(error.class, Class::Throttled | Class::Unknown | Class::Conflict);
                if !tries.after_if(&error, passing).await {
                    return Err(error.into());
                }
            }
        }
    }
}
