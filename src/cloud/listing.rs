//! Complete listings of the kinds that matter to a run, and the checks that nothing is missing from them.
//!
//! A kind whose listing cannot be read to its end fails the reading; never works with a part of one.

use super::reading::{ReadError, Reading};
use crate::aws::{Class, Clients, CloudError};
use crate::kinds::{
    AddressMap, Arn, Desired, Kind, Observed, ObservedState, OnAir, OwnershipTags, Pointer, Scope,
    Spec, Stack,
};
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Declared kinds, and those that they refer to; all kinds for pruning.
pub(super) fn kinds_in_play(desired: &[Desired], reading: Reading) -> BTreeSet<Kind> {
    if reading.every_kind {
        return Kind::ALL.iter().copied().collect();
    }
    let mut kinds = BTreeSet::new();
    for it in desired {
        kinds.insert(it.address.kind);
        kinds.extend(it.spec.refs().iter().map(|edge| edge.kind));
    }
    kinds
}

/// The listings of all these kinds, without objects that have ended. `seen` is called for each object as its page
/// arrives.
pub(super) async fn list_all(
    aws: &Clients,
    kinds: &BTreeSet<Kind>,
    seen: &(dyn Fn(&Observed) + Sync),
) -> Result<Vec<Observed>, ReadError> {
    let nothing = Scope { seen: Some(seen), ..Scope::default() };
    let listed = kinds.iter().filter(|kind| kind.facts().listed_under.is_none());
    let listings = listed.map(|&kind| {
        let nothing = &nothing;
        async move {
            let listing = kind.list_tagged(aws, nothing).await;
            listing.map_err(|source| ReadError { kind, source })
        }
    });
    let all = try_join_all(listings).await?.into_iter().flatten();
    let over = |observed: &Observed| {
        let ended = observed.kind.facts().ended;
        observed.state.as_deref().is_some_and(|state| ended.contains(&state))
    };
    Ok(all.filter(|observed| !over(observed)).collect())
}

/// Objects of the stack that are this old are listed, or their listing is incomplete.
const LISTED_AFTER: Duration = Duration::from_mins(1);

/// Asks a second time for each declared kind of which the account lists no object, where it does list objects of the
/// stack: a listing that is empty by mistake would have all its objects created anew. Costs a call for a kind that the
/// stack is about to create its first object of, and none otherwise. Kinds whose objects end by themselves are often
/// empty, and are not asked for again.
///
/// What the second listing shows is added to `listings`: another run may have created it since. An object of the stack
/// that is older than that refuses the reading.
pub(super) async fn confirm_empty_listings(
    aws: &Clients,
    stack: &Stack,
    desired: &[Desired],
    listings: &mut Vec<Observed>,
) -> Result<(), ReadError> {
    if !listings.iter().any(|it| it.owner().in_stack(&stack.name).is_some()) {
        return Ok(());
    }
    let listed: BTreeSet<Kind> = listings.iter().map(|it| it.kind).collect();
    let empty = desired.iter().map(|it| it.address.kind).filter(|kind| {
        let facts = kind.facts();
        !listed.contains(kind) && facts.listed_under.is_none() && facts.ended.is_empty()
    });
    let empty: BTreeSet<Kind> = empty.collect();
    let again = list_all(aws, &empty, &|_| {}).await?;
    let now = aws.gate.server_time();
    let old = again.iter().find(|it| {
        let owner = it.owner();
        let created = owner.in_stack(&stack.name).and_then(OwnershipTags::made);
        now.zip(created).is_some_and(|(now, created)| created + LISTED_AFTER < now)
    });
    if let Some(observed) = old {
        let message = format!(
            "the listing was empty, and a moment later it showed {}; try again in a minute",
            observed.arn
        );
        return Err(unusable_listing(observed.kind, message));
    }
    listings.extend(again);
    Ok(())
}

/// A listing of a kind that nothing may be planned from.
fn unusable_listing(kind: Kind, message: String) -> ReadError {
    ReadError { kind, source: CloudError::unusable(kind.facts().list_operation(), message) }
}

/// The live objects of these kinds, as far as listings of their own tell that.
pub(super) async fn list_audiences(
    aws: &Clients,
    kinds: &BTreeSet<Kind>,
) -> Result<Vec<(Kind, OnAir)>, ReadError> {
    let listings = kinds.iter().map(|&kind| async move {
        let live = kind.audiences(aws).await.map_err(|source| ReadError { kind, source })?;
        Ok(live.into_iter().map(move |it| (kind, it)))
    });
    Ok(try_join_all(listings).await?.into_iter().flatten().collect())
}

/// Objects of kinds that are listed for each of another kind.
pub(super) async fn list_children(
    aws: &Clients,
    kinds: &BTreeSet<Kind>,
    stack: &Stack,
    desired: &[Desired],
    state: &ObservedState,
    reading: Reading,
) -> Result<Vec<Observed>, ReadError> {
    let mut all = Vec::new();
    for &kind in kinds {
        let Some(parent) = kind.facts().listed_under else { continue };
        let declared = desired.iter().filter(|it| it.address.kind == kind);
        let scope = Scope {
            stack: &stack.name,
            declared: declared.map(|it| &it.spec).collect(),
            parents: state.owned.values().filter(|it| it.kind == parent).collect(),
            // An export declares nothing for what AWS makes by itself.
            full: reading.full && !reading.strangers,
            addresses: state.addresses.clone(),
            seen: None,
        };
        all.extend(kind.list(aws, &scope).await.map_err(|source| ReadError { kind, source })?);
    }
    Ok(all)
}

/// Every ARN must be of the region in force and of one account: an answer that leaves one out, or names another
/// place, is not of the account that this run is about, and nothing is planned from it.
pub(super) fn all_of_one_account(aws: &Clients, listings: &[Observed]) -> Result<(), ReadError> {
    let account = aws.known_account().or_else(|| listings.first().and_then(|it| it.arn.account()));
    let elsewhere = listings
        .iter()
        .find(|it| it.arn.region() != Some(aws.region.as_str()) || it.arn.account() != account);
    let Some(observed) = elsewhere else { return Ok(()) };
    let message = format!(
        "an object is listed as `{}`, which is not of this account and region",
        observed.arn
    );
    Err(unusable_listing(observed.kind, message))
}

/// An object of this stack that something else shows to be in use, and that no listing shows, means that the
/// listing is incomplete even without an error: a missing object would be created a second time. Costs a call only
/// where something unlisted is in use: it may be of no interest here, or gone.
pub(super) async fn nothing_of_ours_is_missing(
    aws: &Clients,
    stack: &Stack,
    shown: &BTreeSet<Arn>,
    in_use: impl Iterator<Item = (Kind, Arn)>,
) -> Result<(), ReadError> {
    let mut unlisted: BTreeMap<Kind, BTreeSet<Arn>> = BTreeMap::new();
    for (kind, arn) in in_use {
        if kind.facts().listed_under.is_none() && !shown.contains(&arn) {
            unlisted.entry(kind).or_default().insert(arn);
        }
    }
    let gets = unlisted.into_iter().map(|(kind, arns)| async move {
        let arns: Vec<Arn> = arns.into_iter().collect();
        match kind.get(aws, &arns, &AddressMap::default()).await {
            // An object that these credentials may not read is not of this stack.
            Err(error) if error.class == Class::Denied => Ok(Vec::new()),
            got => got.map_err(|source| ReadError { kind, source }),
        }
    });
    let read = try_join_all(gets).await?;
    let ended = |observed: &Observed| {
        observed.state.as_deref().is_some_and(|state| observed.kind.facts().ended.contains(&state))
    };
    let missing = read
        .into_iter()
        .flatten()
        .find(|observed| observed.owner().in_stack(&stack.name).is_some() && !ended(observed));
    let Some(observed) = missing else { return Ok(()) };
    let message = format!(
        "{} is in use and can be read, but it is not listed; try again in a minute",
        observed.arn
    );
    Err(unusable_listing(observed.kind, message))
}

/// Objects outside of the address map that something read refers to, of kinds that were listed.
pub(super) fn referred_to(state: &ObservedState) -> impl Iterator<Item = (Kind, Arn)> {
    let edges = state.all().flat_map(|it| &it.spec).flat_map(Spec::refs);
    edges.filter_map(|edge| match edge.to {
        Pointer::Outside(arn) if state.listed.contains(&edge.kind) => Some((edge.kind, arn)),
        _ => None,
    })
}
