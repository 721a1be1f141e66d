//! What must be known of several objects with one address before one of them can be deleted.
//!
//! Costs no call where there are none.

use super::listing::list_all;
use super::reading::ReadError;
use super::specs::get_listed;
use crate::aws::Clients;
use crate::kinds::{AddressMap, Arn, Kind, Observed, ObservedState, Spec, Stack};
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};

/// Records for each duplicate whether it and the object that counts are as they were created, and which objects refer
/// to either. Makes no call where there are none.
pub(super) async fn examine_duplicates(
    aws: &Clients,
    state: &mut ObservedState,
    stack: &Stack,
) -> Result<(), ReadError> {
    // The object that counted may have been deleted meanwhile: then the next one counts.
    for mut it in std::mem::take(&mut state.duplicates) {
        if let Some(winner) = state.owned.get(&it.address) {
            it.winner = winner.arn.clone();
            state.duplicates.push(it);
        } else {
            state.addresses.note(it.address.clone(), it.observed.arn.clone());
            state.owned.insert(it.address, it.observed);
        }
    }
    if state.duplicates.is_empty() {
        return Ok(());
    }
    let addresses = &state.addresses;
    let mut kinds = BTreeSet::new();
    let mut either = BTreeSet::new();
    for it in &mut state.duplicates {
        kinds.insert(it.address.kind);
        either.extend([it.observed.arn.clone(), it.winner.clone()]);
        it.untouched = is_untouched(&it.observed, stack, addresses);
        let winner = state.owned.get(&it.address);
        it.winner_untouched = winner.is_some_and(|it| is_untouched(it, stack, addresses));
    }
    let refers = |kind: &Kind| {
        let alone = kind.facts().listed_under.is_none();
        let mut edges = kind.examples().into_iter().flat_map(|it| it.refs());
        alone && edges.any(|edge| kinds.contains(&edge.kind))
    };
    let referring: BTreeSet<Kind> = Kind::ALL.iter().copied().filter(refers).collect();
    let mut arns: BTreeMap<Kind, Vec<Arn>> = BTreeMap::new();
    for observed in list_all(aws, &referring, &|_| {}).await? {
        arns.entry(observed.kind).or_default().push(observed.arn);
    }
    let gets = arns.into_iter().map(|(kind, arns)| get_listed(aws, kind, arns, addresses));
    let read = try_join_all(gets).await?;
    for observed in read.iter().flatten() {
        for edge in observed.spec.iter().flat_map(Spec::refs) {
            if let Some(to) = edge.to.arn(addresses).filter(|it| either.contains(it)) {
                state.referrers.insert((observed.arn.clone(), to));
            }
        }
    }
    Ok(())
}

/// Whether the spec of an owned object has the digest in its ownership tags.
fn is_untouched(observed: &Observed, stack: &Stack, addresses: &AddressMap) -> bool {
    let owner = observed.owner();
    let (Some(ownership), Some(spec)) = (owner.in_stack(&stack.name), &observed.spec) else {
        return false;
    };
    let mut spec = spec.clone();
    spec.restore_write_only(&spec.clone(), Some(&ownership.digest), addresses);
    spec.digest(addresses).as_ref() == Some(&ownership.digest)
}
