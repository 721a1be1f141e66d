//! Takes the ownership tags off an object that stays.
//!
//! Never changes anything else about it.

use super::changed::Changed;
use super::failure::Failure;
use super::outcome::StepStatus;
use super::run::Run;
use super::tries::Tries;
use crate::aws::{found, gone};
use crate::kinds::{Arn, Observed, Owner, Spec, owner};
use crate::plan::Step;

/// Carries out a step that takes the ownership tags off an object.
pub(super) async fn release(run: &Run<'_>, step: &Step) -> Result<StepStatus, Failure> {
    let arn = step.arn.clone().expect("a step that releases something has an object");
    let kind = step.address.kind;
    let waiting = run.waiting(&step.address);
    let mut tries = Tries::new(&waiting);
    // The note on the channel is written first: a run that finds the key without tags then knows that this read
    // does not lag behind the tagging of the key.
    for channel in noted_on(run, step, &arn).await? {
        let note = [(owner::STREAM_KEY.to_owned(), owner::released_key(arn.id()))];
        run.aws.tag(channel.kind.facts().service, channel.arn.as_str(), &note.into()).await?;
    }
    loop {
        let Some(tags) = found(kind.tags_of(run.aws, &arn).await)? else { break };
        let owner = Owner::of(&tags);
        if owner == Owner::Unowned {
            break;
        }
        if owner != step.owner {
            return tries.gave_way(Changed::OwnerChanged { owner: Box::new(owner) });
        }
        let ours = tags.into_keys().filter(|it| it.starts_with(owner::PREFIX)).collect::<Vec<_>>();
        match kind.untag(run.aws, &arn, &ours).await {
            Ok(()) => break,
            Err(error) if tries.after(&error).await => {}
            Err(error) => return Err(error.into()),
        }
    }
    for channel in noted_on(run, step, &arn).await? {
        let note = [owner::STREAM_KEY.to_owned()];
        gone(channel.kind.untag(run.aws, &channel.arn, &note).await)?;
    }
    Ok(StepStatus::Done(Some(arn)))
}

/// The objects of this stack along with which the released one was created, where their tags still name it.
async fn noted_on(run: &Run<'_>, step: &Step, arn: &Arn) -> Result<Vec<Observed>, Failure> {
    let mut all = Vec::new();
    for edge in step.before.iter().flat_map(Spec::refs) {
        let parent = edge.to.arn(run.planned);
        let parent = parent.and_then(|parent| run.observed.all().find(|it| it.arn == parent));
        let noted = |it: &&Observed| {
            it.owner().in_stack(&run.stack.name).is_some()
                && owner::remembered_key(&it.tags) == Some(arn.id())
        };
        let Some(parent) = parent.filter(noted) else { continue };
        let tags = found(parent.kind.tags_of(run.aws, &parent.arn).await)?;
        let now = tags.map(|tags| Observed { tags, ..parent.clone() });
        all.extend(now.filter(|now| noted(&now)));
    }
    Ok(all)
}
