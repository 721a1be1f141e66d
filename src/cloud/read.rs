//! One pass over the account: listings first, then the sorting by owner, then only the gets that are still needed.
//!
//! The order matters: listings fill the address map, stream keys need it to know their channels, specs need it to
//! turn ARNs back into names. Never writes to the account.

use super::audience::{note_audience, note_publishers};
use super::duplicates::examine_duplicates;
use super::early::{GetFilter, early_gets};
use super::listing::{
    all_of_one_account, confirm_empty_listings, kinds_in_play, list_all, list_audiences,
    list_children, nothing_of_ours_is_missing, referred_to,
};
use super::ownership::{note_future_names, sort_by_owner, take_children};
use super::reading::{ReadError, Reading};
use super::specs::{get_specs, show_managed_tags};
use crate::aws::Clients;
use crate::kinds::{Address, Arn, Desired, Kind, Observed, ObservedState, OnAir, Owner, Stack};
use futures_util::future::{try_join, try_join_all};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// How far a planted bug puts the clock forward.
const A_DAY: Duration = Duration::from_hours(24);

/// Reads what `desired` needs to be compared with.
pub async fn read(
    aws: &Clients,
    stack: &Stack,
    desired: &[Desired],
    reading: Reading,
) -> Result<ObservedState, ReadError> {
    let kinds = kinds_in_play(desired, reading);
    let wanted: Wanted<'_> = desired.iter().map(|it| (&it.address, it)).collect();
    let (doors, gets) = early_gets(aws, &kinds);
    let listed = Box::pin(list(aws, stack, desired, reading, &kinds, doors));
    let (listed, early) = try_join(listed, try_join_all(gets)).await?;
    let Listed { mut state, moves, live, shown } = listed;
    let early = early.into_iter().flatten().collect();
    get_specs(aws, &mut state, &wanted, reading, early).await?;
    nothing_of_ours_is_missing(aws, stack, &shown, referred_to(&state)).await?;
    for observed in state
        .owned
        .values_mut()
        .chain(state.adoptable.values_mut())
        .chain(state.superseded.iter_mut().map(|(_, observed)| observed))
        .chain(state.duplicates.iter_mut().map(|it| &mut it.observed))
        .chain(state.others.values_mut())
    {
        show_managed_tags(observed, stack);
    }
    examine_duplicates(aws, &mut state, stack).await?;
    take_over_unreturned_fields(&mut state, &wanted);
    restore_write_only_fields(&mut state, stack, &wanted, &moves);
    note_audience(&mut state, live);
    note_publishers(aws, &mut state, desired).await?;
    Ok(state)
}

/// The declared resources by address.
type Wanted<'a> = BTreeMap<&'a Address, &'a Desired>;

/// What the listings of one reading show.
struct Listed {
    /// The objects by owner, without the specs that need a get.
    state: ObservedState,
    /// Objects that the plan may rename: the address of the manifest, and that in the ownership tags.
    moves: BTreeMap<Address, Address>,
    live: Vec<(Kind, OnAir)>,
    /// Every object in a listing, whatever its owner.
    shown: BTreeSet<Arn>,
}

/// Lists the account and sorts the objects by owner. An object whose spec needs a get goes through the door of its kind
/// at once (`early_gets`).
async fn list(
    aws: &Clients,
    stack: &Stack,
    desired: &[Desired],
    reading: Reading,
    kinds: &BTreeSet<Kind>,
    doors: BTreeMap<Kind, UnboundedSender<Arn>>,
) -> Result<Listed, ReadError> {
    // The server's time before the first listing: no listing is older than that.
    let before = aws.gate.server_time();
    let filter = GetFilter::new(stack, desired, reading);
    let seen = |observed: &Observed| {
        if let Some(door) = doors.get(&observed.kind).filter(|_| filter.needs_a_get(observed)) {
            // The receiver is closed only after a get has failed, which ends the reading anyway.
            let _ = door.send(observed.arn.clone());
        }
    };
    let all = try_join(list_all(aws, kinds, &seen), list_audiences(aws, kinds)).await?;
    drop(doors);
    let (mut listings, live) = all;
    confirm_empty_listings(aws, stack, desired, &mut listings).await?;
    all_of_one_account(aws, &listings)?;
    let shown: BTreeSet<Arn> = listings.iter().map(|it| it.arn.clone()).collect();
    let in_use = live.iter().map(|(kind, it)| (*kind, it.arn.clone()));
    nothing_of_ours_is_missing(aws, stack, &shown, in_use).await?;
    let as_of = before.or_else(|| aws.gate.server_time());
    let as_of = if mutant!(PrunedAtOnce) { as_of.map(|it| it + A_DAY) } else { as_of };
    let mut state = ObservedState { listed: kinds.clone(), as_of, ..ObservedState::default() };
    sort_by_owner(&mut state, listings, stack, desired);
    note_future_names(&mut state, desired);
    let children = list_children(aws, kinds, stack, desired, &state, reading).await?;
    take_children(&mut state, children, stack, desired);
    let moves = note_future_names(&mut state, desired);
    Ok(Listed { state, moves, live, shown })
}

/// Fields that AWS does not return, of objects that the plan may adopt: taken as the manifest has them.
fn take_over_unreturned_fields(state: &mut ObservedState, wanted: &Wanted<'_>) {
    let copied: BTreeSet<Arn> = state
        .adoptable
        .values()
        .filter(|it| state.is_tagged_as_its_parent(it))
        .map(|it| it.arn.clone())
        .collect();
    for (address, observed) in &mut state.adoptable {
        // The digest of an object that the stack owns under another name is kept; but a manifest without a
        // rotation does not replace a stream key that is in use.
        let forgets = observed.owner() == Owner::Unowned
            || copied.contains(&observed.arn)
            || wanted.get(address).is_some_and(|it| it.spec.rotation().is_none());
        if forgets && let (Some(spec), Some(desired)) = (&mut observed.spec, wanted.get(address)) {
            spec.taken_over(&desired.spec);
            spec.copy_write_only(&desired.spec);
        }
    }
}

/// Fields that AWS does not return, of owned objects: those of the manifest where the digest in the ownership tags says
/// so. A renamed object is compared with the manifest of its new name.
fn restore_write_only_fields(
    state: &mut ObservedState,
    stack: &Stack,
    wanted: &Wanted<'_>,
    moves: &BTreeMap<Address, Address>,
) {
    let renamed: BTreeMap<&Address, &Address> = moves.iter().map(|(to, from)| (from, to)).collect();
    for (address, observed) in &mut state.owned {
        let owner = observed.owner();
        let digest = owner.in_stack(&stack.name).map(|ownership| ownership.digest.as_str());
        let manifest = match renamed.get(address) {
            Some(to) => wanted.get(*to),
            None if moves.contains_key(address) => None,
            None => wanted.get(address),
        };
        if let Some(spec) = &mut observed.spec {
            match manifest {
                Some(desired) => spec.restore_write_only(&desired.spec, digest, &state.addresses),
                None => spec.restore_write_only(&spec.clone(), digest, &state.addresses),
            }
        }
    }
}
