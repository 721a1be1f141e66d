//! Gets the specs that the listings left open.
//!
//! Never takes an object that a get does not return for absent before a later listing says so too.

use super::reading::{ReadError, Reading};
use crate::aws::{Clients, CloudError};
use crate::kinds::owner::is_managed_tag;
use crate::kinds::{
    Address, AddressMap, Arn, Desired, Kind, Mutable, Observed, ObservedState, Owner, READS_LAG,
    Scope, Stack,
};
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Reads specs where the listing did not carry them. `early` has the objects that were got while the listings went on.
pub(super) async fn get_specs(
    aws: &Clients,
    state: &mut ObservedState,
    wanted: &BTreeMap<&Address, &Desired>,
    reading: Reading,
    early: Vec<Observed>,
) -> Result<(), ReadError> {
    // Specs that a listing or an early get carried were read before the address map was complete.
    let addresses = state.addresses.clone();
    let renamed = |observed: Observed| Observed {
        spec: observed.spec.map(|it| it.renamed(&addresses)),
        ..observed
    };
    let duplicates = state.duplicates.iter_mut().map(|it| &mut it.observed);
    for observed in state.owned.values_mut().chain(state.adoptable.values_mut()).chain(duplicates) {
        observed.spec = observed.spec.as_ref().map(|it| it.renamed(&addresses));
    }
    let open = without_spec(state, wanted, reading);
    let mut read: BTreeMap<Arn, Observed> =
        early.into_iter().map(|it| (it.arn.clone(), renamed(it))).collect();
    let gets = open.iter().map(|(&kind, arns)| {
        let rest = arns.iter().filter(|arn| !read.contains_key(arn)).cloned().collect();
        get_listed(aws, kind, rest, &addresses)
    });
    let late = try_join_all(gets).await?;
    read.extend(late.into_iter().flatten().map(|it| (it.arn.clone(), it)));
    let asked: BTreeSet<Arn> = open.into_values().flatten().collect();
    remove_deleted(state, |it| asked.contains(&it.arn) && !read.contains_key(&it.arn));
    take_read(state, read);
    Ok(())
}

/// The objects whose spec is needed and not known. An object of a kind that cannot be changed in place is as it was
/// created: where its digest is that of the manifest, it gets the spec of the manifest here.
fn without_spec(
    state: &mut ObservedState,
    wanted: &BTreeMap<&Address, &Desired>,
    reading: Reading,
) -> BTreeMap<Kind, Vec<Arn>> {
    let mut open: BTreeMap<Kind, Vec<Arn>> = BTreeMap::new();
    let former: BTreeSet<Address> = wanted.values().flat_map(|it| it.former()).collect();
    for (address, observed) in &mut state.owned {
        if observed.spec.is_some() {
            continue;
        }
        let desired = wanted.get(address);
        // Renamed ones are found under their former name.
        if desired.is_none() && !reading.every_kind && !former.contains(address) {
            continue;
        }
        let create_only = address.kind.facts().mutable == Mutable::TagsOnly
            // The digest of one of several objects with this name is not relied on.
            && state.duplicates.iter().all(|it| it.address != *address);
        if let (Some(desired), true, false) = (desired, create_only, reading.full)
            && let Owner::Stack(ownership) = observed.owner()
            && desired.spec.digest(&state.addresses).as_deref() == Some(ownership.digest.as_str())
        {
            observed.spec = Some(desired.spec.clone());
            continue;
        }
        open.entry(address.kind).or_default().push(observed.arn.clone());
    }
    let unowned =
        state.others.values().filter(|it| reading.strangers && it.owner() == Owner::Unowned);
    let duplicates = state.duplicates.iter().map(|it| &it.observed);
    let unread = state.adoptable.values().chain(unowned).chain(duplicates);
    for observed in unread.filter(|it| it.spec.is_none()) {
        open.entry(observed.kind).or_default().push(observed.arn.clone());
    }
    open
}

/// An object that is neither listed nor returned any more was deleted: the plan sees it as missing.
fn remove_deleted(state: &mut ObservedState, deleted: impl Fn(&Observed) -> bool) {
    let lost: Vec<Arn> =
        state.owned.values().filter(|it| deleted(it)).map(|it| it.arn.clone()).collect();
    for arn in &lost {
        state.addresses.forget(arn);
    }
    state.owned.retain(|_, observed| !deleted(observed));
    state.adoptable.retain(|_, observed| !deleted(observed));
    state.others.retain(|_, observed| !deleted(observed));
    state.duplicates.retain(|it| !deleted(&it.observed));
}

/// Puts what the gets returned in the place of what was listed.
fn take_read(state: &mut ObservedState, mut read: BTreeMap<Arn, Observed>) {
    for observed in state
        .owned
        .values_mut()
        .chain(state.adoptable.values_mut())
        .chain(state.duplicates.iter_mut().map(|it| &mut it.observed))
        .chain(state.others.values_mut())
    {
        if let Some(newer) = read.remove(&observed.arn) {
            let session = observed.session.take().or(newer.session.clone());
            // The owner is that of the listing. Where it has changed, the listed tags make the step stale.
            let listed = !is_still_of(&newer.owner(), &observed.owner());
            let tags = if listed { std::mem::take(&mut observed.tags) } else { newer.tags.clone() };
            *observed = Observed { tags, session, ..newer };
        }
    }
}

/// Whether an object has the same owner, under the same name and from the same attempt.
fn is_still_of(now: &Owner, then: &Owner) -> bool {
    match (now, then) {
        (Owner::Stack(now), Owner::Stack(then)) => {
            (&now.stack, &now.name, &now.attempt_id) == (&then.stack, &then.name, &then.attempt_id)
        }
        _ => now == then,
    }
}

/// Gets objects that were listed a moment ago. One that no get returns is absent only if a listing after that does not
/// show it either.
pub(super) async fn get_listed(
    aws: &Clients,
    kind: Kind,
    arns: Vec<Arn>,
    addresses: &AddressMap,
) -> Result<Vec<Observed>, ReadError> {
    let failed = |source| ReadError { kind, source };
    let mut all = kind.get(aws, &arns, addresses).await.map_err(failed)?;
    for lag in READS_LAG {
        let there: BTreeSet<&Arn> = all.iter().map(|it| &it.arn).collect();
        let missing: Vec<Arn> = arns.iter().filter(|it| !there.contains(it)).cloned().collect();
        if missing.is_empty() {
            return Ok(all);
        }
        tokio::time::sleep(Duration::from_millis(lag)).await;
        all.extend(kind.get(aws, &missing, addresses).await.map_err(failed)?);
    }
    if kind.facts().listed_under.is_none() {
        let there: BTreeSet<&Arn> = all.iter().map(|it| &it.arn).collect();
        let listed = kind.list(aws, &Scope::default()).await.map_err(failed)?;
        let lost = listed.iter().find(|it| arns.contains(&it.arn) && !there.contains(&it.arn));
        if let Some(lost) = lost {
            let message =
                format!("{} is listed, but cannot be read; try again in a minute", lost.arn);
            return Err(failed(CloudError::unusable("Get", message)));
        }
    }
    Ok(all)
}

/// Copies the tags that manifests declare into the spec, without ownership tags, tags of AWS and ignored ones.
pub fn show_managed_tags(observed: &mut Observed, stack: &Stack) {
    if let Some(spec) = &mut observed.spec {
        let managed =
            observed.tags.iter().filter(|(key, _)| is_managed_tag(key, &stack.ignore_tags));
        if let Some(tags) = spec.tags_mut() {
            *tags = managed.map(|(key, value)| (key.clone(), value.clone())).collect();
        }
    }
}
