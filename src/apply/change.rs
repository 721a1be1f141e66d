//! Changes the object of a step in place: its spec, its tags, or both.
//!
//! Each try begins with another read of the object; never writes to one that differs from what the plan saw.

use super::acted_on::taken_over;
use super::audience::cut_off;
use super::changed::{Changed, Precondition};
use super::failure::Failure;
use super::outcome::StepStatus;
use super::ready::{fits, is_changing, usable};
use super::run::Run;
use super::tags::{still_to_be_changed, write_tags};
use super::tries::Tries;
use super::wait::Tell;
use crate::aws::{Class, Clients, CloudError, found};
use crate::cloud::show_managed_tags;
use crate::kinds::spec::{difference, field_of_spec};
use crate::kinds::{AddressMap, Arn, Detached, NextCall, Observed, Owner, Spec, Stack};
use crate::plan::Step;

/// Carries out a step that changes an object in place.
pub(super) async fn change(
    run: &Run<'_>,
    step: &Step,
    detached: &mut Vec<Detached>,
) -> Result<StepStatus, Failure> {
    let arn = step.arn.clone().expect("a step that changes something has an object");
    let addresses = run.addresses(step);
    let waiting = run.waiting(&step.address);
    let mut tries = Tries::new(&waiting);
    loop {
        let (aws, stack) = (run.aws, run.stack);
        let (planned, cut) = (run.planned, !detached.is_empty());
        let still = still_as_planned(aws, stack, step, planned, &addresses, &tries, cut).await?;
        let (there, as_wanted) = match still {
            Precondition::Holds(there) => there,
            Precondition::Gone => return tries.gave_way(Changed::Gone),
            Precondition::Not(why) => return tries.gave_way(why),
        };
        let spec = step.wanted(there.spec.as_ref());
        let spec = spec.expect("a step that changes something has a spec");
        if !step.writes_spec() {
            write_tags(aws, step, &spec, &arn, &addresses, &waiting).await?;
            break;
        }
        if is_changing(&there) {
            usable(aws, *there, true, planned, &waiting).await?;
            continue;
        }
        if !as_wanted && let Some(why) = taken_over(run, [(&spec, &addresses)]).await? {
            return tries.gave_way(why);
        }
        let disturbs = step.disturbs() && !as_wanted;
        if disturbs && let Some(why) = cut_off(run, step, &arn, NextCall::Update, detached).await? {
            return Ok(StepStatus::Deferred(why));
        }
        // A session outlasts its participants by minutes, and AWS may still close their recordings.
        tries.explained = run.is_explained(step) || there.session.is_some();
        let observed = if as_wanted {
            Some(*there)
        } else {
            send_update(aws, step, &spec, &arn, &addresses, &mut tries).await?
        };
        if let Some(observed) = observed {
            // The change is made: the object has the reference that its spec says.
            detached.retain(|it| it.arn != arn);
            finish_update(aws, step, &spec, observed, &addresses, &waiting).await?;
            break;
        }
    }
    run.note(&step.address, &arn);
    Ok(StepStatus::Done(Some(arn)))
}

/// The object of a step as it is now, if that is what the plan saw; or, after a try with an unknown result, if it is
/// what that try was to make of it. A field that AWS emptied when this step `interrupted` the audience is no change
/// by others.
async fn still_as_planned(
    aws: &Clients,
    stack: &Stack,
    step: &Step,
    planned: &AddressMap,
    addresses: &AddressMap,
    tries: &Tries<'_>,
    interrupted: bool,
) -> Result<Precondition<(Box<Observed>, bool)>, CloudError> {
    let arn = step.arn.clone().expect("a step that changes something has an object");
    let there = if step.writes_spec() {
        step.address.kind.get(aws, &[arn], planned).await?.pop()
    } else {
        // Tags alone say whether tags may be changed.
        let tags = found(step.address.kind.tags_of(aws, &arn).await)?;
        let listed = |tags| Observed::listed(step.address.kind, arn.as_str(), tags);
        tags.map(|tags| Observed { spec: step.before.clone(), ..listed(tags) })
    };
    let Some(mut there) = there else { return Ok(Precondition::Gone) };
    if mutant!(NoLookBeforeUpdate) {
        return Ok(Precondition::Holds((Box::new(there), false)));
    }
    if there.owner() != step.owner {
        return Ok(Precondition::Not(Changed::OwnerChanged { owner: Box::new(there.owner()) }));
    }
    show_managed_tags(&mut there, stack);
    let (Some(before), Some(now)) = (&step.before, &mut there.spec) else {
        return Ok(Precondition::Holds((Box::new(there), false)));
    };
    if step.owner == Owner::Unowned {
        now.taken_over(before);
    }
    now.copy_write_only(before);
    let mut fields = difference(before, now, &step.ignored);
    let emptied = step.address.kind.facts().emptied;
    fields.retain(|it| {
        let field = field_of_spec(&it.path).unwrap_or_default();
        !(interrupted && emptied.contains(&field) && it.removes())
    });
    if fields.is_empty() {
        return Ok(Precondition::Holds((Box::new(there), false)));
    }
    if tries.again() && step.writes_spec() && is_as_wanted(step, now, planned, addresses) {
        return Ok(Precondition::Holds((Box::new(there), true)));
    }
    let fields = fields.into_iter().map(|it| it.path).collect();
    Ok(Precondition::Not(Changed::FieldsChanged { fields }))
}

/// Whether an object has the spec that the step is to write, tags aside. By digest, since a reference that
/// keeps its name may be to another object.
fn is_as_wanted(step: &Step, now: &Spec, planned: &AddressMap, addresses: &AddressMap) -> bool {
    let bare = |mut spec: Spec| {
        if let Some(tags) = spec.tags_mut() {
            tags.clear();
        }
        spec
    };
    let Some(wanted) = step.wanted(Some(now)) else { return false };
    let mut now = now.clone();
    now.copy_write_only(&wanted);
    let digest = bare(wanted).digest(addresses);
    digest.is_some() && digest == bare(now).digest(planned)
}

/// Sends one update of the spec; `None` where the caller tries again.
async fn send_update(
    aws: &Clients,
    step: &Step,
    spec: &Spec,
    arn: &Arn,
    addresses: &AddressMap,
    tries: &mut Tries<'_>,
) -> Result<Option<Observed>, Failure> {
    let error = match spec.update(aws, arn, &step.fields, addresses).await {
        Ok(observed) => return fits(spec, observed, "the update").map(Some),
        Err(error) => error,
    };
    let passing = match error.class {
        Class::Throttled | Class::Unknown => true,
        // What this run created a moment ago may not be visible to every server yet; the object itself was just read.
        Class::NotFound => !spec.refs().is_empty(),
        _ => false,
    };
    let again = tries.settled(aws, step, &error).await? || tries.after_if(&error, passing).await;
    if again { Ok(None) } else { Err(error.into()) }
}

/// What follows an update of the spec: it takes effect, and the tags are written.
async fn finish_update(
    aws: &Clients,
    step: &Step,
    spec: &Spec,
    observed: Observed,
    addresses: &AddressMap,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    let arn = observed.arn.clone();
    // While AWS still carries the update out, the object takes no other.
    let waits = observed.kind.facts().ready_state.is_some();
    let rest = async {
        usable(aws, observed, true, addresses, tell).await?;
        // Meanwhile another run or tool may have changed the ownership tags.
        if waits {
            still_to_be_changed(aws, step, &arn).await?;
        }
        write_tags(aws, step, spec, &arn, addresses, tell).await
    };
    rest.await.map_err(|failure| Failure::HalfDone {
        done: "the update".to_owned(),
        failure: Box::new(failure),
    })
}
