//! The tags that a step writes: those of the manifest, and the ownership tags with the new digest.
//!
//! Never repeats a write to an object whose ownership tags are neither those of before nor those of after the step.

use super::changed::Changed;
use super::failure::Failure;
use super::tries::Tries;
use super::wait::Tell;
use crate::aws::{Clients, Tags, found};
use crate::kinds::check::MOST_TAGS;
use crate::kinds::{AddressMap, Arn, Owner, OwnershipTags, Spec, owner};
use crate::plan::{Action, Cause, Step};

pub(super) fn all_tags(step: &Step, spec: &Spec, addresses: &AddressMap, attempt_id: &str) -> Tags {
    let mut tags = tags_in(spec);
    let digest = spec.digest(addresses).unwrap_or_default();
    let ownership =
        OwnershipTags { digest, attempt_id: attempt_id.to_owned(), ..step.ownership.clone() };
    tags.extend(ownership.tags());
    tags
}

/// The tags that a spec gives its object.
fn tags_in(spec: &Spec) -> Tags {
    spec.clone().tags_mut().cloned().unwrap_or_default()
}

/// Writes the tags that differ: those of the manifest, and the ownership tags with the new digest.
pub(super) async fn write_tags(
    aws: &Clients,
    step: &Step,
    spec: &Spec,
    arn: &Arn,
    addresses: &AddressMap,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    let kind = step.address.kind;
    // Of the manifest, ignored fields included: it shows whether the manifest changed since.
    let digest = match step.ownership.digest.as_str() {
        "" => step.spec.as_ref().and_then(|it| it.digest(addresses)).unwrap_or_default(),
        kept => kept.to_owned(),
    };
    let mut wanted = tags_in(spec);
    wanted.extend(OwnershipTags { digest, ..step.ownership.clone() }.tags());
    let mut gone: Vec<String> = Vec::new();
    if let Some(before) = &step.before {
        let before = tags_in(before);
        gone.extend(before.into_keys().filter(|key| !wanted.contains_key(key)));
    }
    if let Owner::Stack(then) = &step.owner {
        // An ownership tag of this stack: protection that is lifted.
        gone.extend(then.tags().into_keys().filter(|key| !wanted.contains_key(key)));
    }
    let separate = matches!(&step.owner, Owner::Stack(then) if then.separate);
    if separate {
        gone.extend(owner::SEPARATE.map(ToOwned::to_owned));
    }
    if wanted.len() >= MOST_TAGS || step.because.contains(&Cause::KeyReleased) {
        gone.push(owner::STREAM_KEY.to_owned());
    }
    let write = async || {
        // The record is written before the tags that it replaces are removed: the set is complete at all times.
        if separate {
            let record = Tags::from([(owner::RECORD.to_owned(), wanted[owner::RECORD].clone())]);
            spec.tag(aws, arn, &record, addresses).await?;
        }
        // Removing first keeps an object near the limit of 50 tags within it (rule 5).
        if !gone.is_empty() {
            kind.untag(aws, arn, &gone).await?;
        }
        spec.tag(aws, arn, &wanted, addresses).await
    };
    let mut tries = Tries::new(tell);
    loop {
        let Err(error) = write().await else { return Ok(()) };
        if !tries.after(&error).await {
            return Err(error.into());
        }
        let Some(now) = found(kind.tags_of(aws, arn).await)? else {
            return Err(Failure::ChangedMeanwhile(Changed::Gone));
        };
        let written = wanted.iter().all(|(key, value)| now.get(key) == Some(value));
        if written && gone.iter().all(|key| !now.contains_key(key)) {
            return Ok(());
        }
        let owner = Owner::of(&now);
        if !may_still_be_tagged(step, &owner) {
            return Err(Failure::ChangedMeanwhile(Changed::OwnerChanged {
                owner: Box::new(owner),
            }));
        }
    }
}

/// Reads the ownership tags again after a wait: they must be those of before or after this step.
pub(super) async fn still_to_be_changed(
    aws: &Clients,
    step: &Step,
    arn: &Arn,
) -> Result<(), Failure> {
    let owner = Owner::of(&step.address.kind.tags_of(aws, arn).await?);
    if !may_still_be_tagged(step, &owner) {
        return Err(Failure::ChangedMeanwhile(Changed::OwnerChanged { owner: Box::new(owner) }));
    }
    let protected = matches!(&owner, Owner::Stack(now) if now.protect);
    if step.action == Action::Delete && protected {
        return Err(Failure::ChangedMeanwhile(Changed::ProtectedMeanwhile));
    }
    Ok(())
}

/// Whether the tags of an object are those of before or after a step, or in between.
pub(super) fn may_still_be_tagged(step: &Step, owner: &Owner) -> bool {
    match (owner, &step.owner) {
        (Owner::Stack(now), Owner::Stack(then)) => {
            now.stack == then.stack
                && now.attempt_id == then.attempt_id
                && (now.name == then.name || now.name == step.ownership.name)
        }
        (Owner::Stack(now), Owner::Unowned) => {
            (&now.stack, &now.name) == (&step.ownership.stack, &step.ownership.name)
        }
        (now, then) => now == then,
    }
}
