//! Sorts listed objects by their ownership tags: owned, adoptable, of another stack or tool, superseded, duplicate.
//!
//! Never calls AWS, and never decides what becomes of an object.

use crate::kinds::rename::renames;
use crate::kinds::{
    Address, Arn, Desired, Duplicate, Kind, Observed, ObservedState, Owner, OwnershipTags, Stack,
};
use std::collections::{BTreeMap, BTreeSet};

/// Sorts objects into owned, adoptable and others, and of several under one address finds the one that counts.
pub(super) fn sort_by_owner(
    state: &mut ObservedState,
    listings: Vec<Observed>,
    stack: &Stack,
    desired: &[Desired],
) {
    let adopts: BTreeMap<&str, &Address> = desired
        .iter()
        .filter_map(|it| Some((it.lifecycle.adopt.as_deref()?, &it.address)))
        .collect();
    let mut owned: Vec<Observed> = Vec::new();
    // One object on two pages (it moved while we read): the later one is newer.
    let by_arn: BTreeMap<Arn, Observed> =
        listings.into_iter().map(|it| (it.arn.clone(), it)).collect();
    for (arn, observed) in by_arn {
        let owner = observed.owner();
        if let Some(participant) = &observed.participant {
            state.addresses.note_participant(arn.clone(), participant.clone());
        }
        if owner.in_stack(&stack.name).is_some() {
            owned.push(observed);
        } else if let Some(address) = adopts.get(arn.as_str()) {
            let taken =
                if owner == Owner::Unowned { &mut state.adoptable } else { &mut state.foreign };
            taken.insert((*address).clone(), observed);
        } else {
            state.others.insert(arn, observed);
        }
    }
    take_owned(state, owned);
}

/// Sorts the objects of this stack. An object that another one names in `replaces` is superseded, under whatever
/// addresses the two are now; the link cannot break, since the replaced object is deleted first. Of the rest, the one
/// with the least (attempt, ARN) counts under its address, on which all runs agree (`docs/reliability.md` §2); one that
/// AWS failed to create counts only without another.
fn take_owned(state: &mut ObservedState, owned: Vec<Observed>) {
    let ownership = |observed: &Observed| match observed.owner() {
        Owner::Stack(ownership) => ownership,
        _ => unreachable!("only owned objects come here"),
    };
    let mut ours: Vec<(OwnershipTags, Observed)> =
        owned.into_iter().map(|it| (ownership(&it), it)).collect();
    let replaced: BTreeSet<(Kind, String)> = ours
        .iter()
        .filter_map(|(ownership, it)| Some((it.kind, ownership.replaces.clone()?)))
        .collect();
    ours.sort_by(|(one, a), (other, b)| a.standing(one).cmp(&b.standing(other)));
    for (ownership, observed) in ours {
        let address = Address::new(observed.kind, ownership.name);
        if replaced.contains(&(observed.kind, observed.arn.id().to_owned())) {
            state.superseded.push((address, observed));
        } else if let Some(winner) = state.owned.get(&address) {
            let winner = winner.arn.clone();
            state.duplicates.push(Duplicate {
                address,
                observed,
                winner,
                untouched: false,
                winner_untouched: false,
            });
        } else {
            state.addresses.note(address.clone(), observed.arn.clone());
            state.owned.insert(address, observed);
        }
    }
}

/// Enters objects that will be renamed or adopted into the address map under their future name: a reference to them is
/// the same before and after. Returns the renames: for each resource whose object has another name, that address.
pub(super) fn note_future_names(
    state: &mut ObservedState,
    desired: &[Desired],
) -> BTreeMap<Address, Address> {
    let moves = renames(state, desired);
    for it in desired {
        let observed = match moves.get(&it.address) {
            Some(from) => state.owned.get(from),
            None if state.owned.contains_key(&it.address) => None,
            None => state.adoptable.get(&it.address),
        };
        if let Some(observed) = observed {
            state.addresses.note(it.address.clone(), observed.arn.clone());
        }
    }
    // An address that a renamed object leaves has no object until a new one is created.
    for from in moves.values().filter(|from| !moves.contains_key(from)) {
        state.addresses.forget_name(from);
    }
    moves
}

/// Sorts objects of kinds that are listed for each of another kind: a manifest declares one by its identity, where the
/// object is of this stack or unowned.
pub(super) fn take_children(
    state: &mut ObservedState,
    children: Vec<Observed>,
    stack: &Stack,
    desired: &[Desired],
) {
    let addresses = state.addresses.clone();
    let mut declared: BTreeMap<(Kind, Arn), &Desired> = BTreeMap::new();
    for it in desired {
        if let Some(identity) = it.spec.identity(&addresses) {
            declared.insert((it.address.kind, identity), it);
        }
    }
    let mut renamed: Vec<(Address, Observed)> = Vec::new();
    for observed in children {
        let owner = observed.owner();
        // Tags that AWS copied are the parent's.
        let copied = state.is_tagged_as_its_parent(&observed);
        let identity = observed.spec.as_ref().and_then(|it| it.identity(&addresses));
        let wanted = identity.and_then(|it| declared.get(&(observed.kind, it)).copied());
        match (wanted, owner.in_stack(&stack.name).filter(|_| !copied)) {
            // No manifest declares it for the object that it comes with, with which it stays.
            (None, Some(ownership)) if observed.kind.facts().created_by.is_some() => {
                let address = Address::new(observed.kind, ownership.name.clone());
                state.left_behind.push((address, observed));
            }
            (None, Some(_)) => take_owned(state, vec![observed]),
            (None, None) => {
                state.others.insert(observed.arn.clone(), observed);
            }
            (Some(it), Some(ownership)) if it.address.name == ownership.name => {
                take_owned(state, vec![observed]);
            }
            (Some(it), Some(ownership)) if it.previous_names.contains(&ownership.name) => {
                renamed.push((it.address.clone(), observed));
            }
            (Some(it), None) if owner != Owner::Unowned && !copied => {
                state.foreign.insert(it.address.clone(), observed);
            }
            (Some(it), _) => {
                state.adoptable.insert(it.address.clone(), observed);
            }
        }
    }
    // A former name may be the present one of another resource, and two runs at once may leave one name on two
    // objects: each is that of its own manifest.
    for (address, observed) in renamed {
        let owner = observed.owner();
        let name = owner.in_stack(&stack.name).map_or("", |it| it.name.as_str());
        let former = Address::new(address.kind, name.to_owned());
        let known = address.kind.facts().created_by.is_some();
        if known && desired.iter().any(|it| it.address == former)
            || state.owned.contains_key(&former)
        {
            state.adoptable.insert(address, observed);
        } else {
            take_owned(state, vec![observed]);
        }
    }
}
