//! The owner of each object that a step acts on by reference, read again immediately before the write.
//!
//! Between plan and call another stack or tool may have taken such an object over. An object that this run created
//! is not read again.

use super::changed::Changed;
use super::run::Run;
use crate::aws::{CloudError, found};
use crate::kinds::{AddressMap, Owner, Spec};

/// How an object that `spec` acts on differs from the plan, if another stack or tool owns it now. One call for each
/// object that existed before this run.
pub(super) async fn taken_over(
    run: &Run<'_>,
    spec: Option<&Spec>,
    addresses: &AddressMap,
) -> Result<Option<Changed>, CloudError> {
    for edge in spec.into_iter().flat_map(Spec::acts_on) {
        let Some(arn) = edge.to.arn(addresses).filter(|it| !run.has_created(it)) else { continue };
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
