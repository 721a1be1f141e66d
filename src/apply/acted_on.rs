//! The owner of each object that a step acts on by reference, read again immediately before the write.
//!
//! Between plan and call another stack or tool may have taken such an object over. An object that this run created
//! is not read again.

use super::changed::Changed;
use super::run::Run;
use crate::aws::{CloudError, found};
use crate::kinds::{AddressMap, Owner, Spec};
use std::collections::BTreeSet;

/// How an object that one of these specs acts on differs from the plan, if another stack or tool owns it now. Each spec
/// comes with the addresses that its references mean. One call for each object that existed before this run.
pub(super) async fn taken_over(
    run: &Run<'_>,
    specs: impl IntoIterator<Item = (&Spec, &AddressMap)>,
) -> Result<Option<Changed>, CloudError> {
    let edges = specs.into_iter().flat_map(|(spec, addresses)| {
        spec.acts_on().into_iter().map(move |edge| (edge.to.arn(addresses), edge))
    });
    let mut asked = BTreeSet::new();
    for (arn, edge) in edges {
        let Some(arn) = arn.filter(|it| !run.has_created(it)) else { continue };
        if !asked.insert(arn.clone()) {
            continue;
        }
        // An object that does not exist is left to the call that refers to it, which AWS refuses.
        let Some(tags) = found(edge.kind.tags_of(run.aws, &arn).await)? else { continue };
        let owner = Owner::of(&tags);
        if owner.is_other_than(&run.stack.name) {
            let (field, owner) = (edge.field, Box::new(owner));
            return Ok(Some(Changed::ReferenceOwnerChanged { field, arn, owner }));
        }
    }
    Ok(None)
}
