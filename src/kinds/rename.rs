//! Which objects get another logical name: declared by `previousNames`, decided by who has which name now.
//!
//! A name may be given to another object in the run that takes it from the one that has it, also in a circle. What
//! an object was called before is in its record, so that a rename is carried out once and not again by each run.

use super::owner::{Owner, under_way};
use super::states::{Desired, Observed, ObservedState};
use super::{Address, Spec};
use std::collections::BTreeMap;

impl Desired {
    /// Addresses under which its object may be found besides its own: the one on the way to it, and former ones.
    pub fn former(&self) -> impl Iterator<Item = Address> {
        let kind = self.address.kind;
        let names = std::iter::once(under_way(&self.address.name));
        names.chain(self.previous_names.iter().cloned()).map(move |it| Address::new(kind, it))
    }
}

/// For each declared resource with an object of another name, the address that the object has now.
pub fn renames(observed: &ObservedState, desired: &[Desired]) -> BTreeMap<Address, Address> {
    let owned = &observed.owned;
    let was = |observed: &Observed| match observed.owner() {
        Owner::Stack(ownership) => ownership.was,
        _ => None,
    };
    let declared: BTreeMap<&Address, &Desired> =
        desired.iter().map(|it| (&it.address, it)).collect();
    let settled = |it: &Desired| {
        let before = owned.get(&it.address).and_then(was);
        before.is_some_and(|before| it.previous_names.contains(&before))
    };
    // An object that was created under a name which the claiming resource listed as a former one already is new.
    let is_new = |from: &Address, claiming: &Desired| {
        let stays = declared.get(from).is_some_and(|it| it.previous_names.is_empty());
        stays && owned.get(from).and_then(was) == Some(under_way(&claiming.address.name))
    };
    // An object that AWS creates along with another is identified by that object, not by its name.
    let identity = |spec: &Spec| spec.identity(&observed.addresses);
    let is_its = |from: &Observed, claiming: &Desired| {
        let comes_with_another = from.kind.facts().created_by.is_some();
        !comes_with_another || from.spec.as_ref().and_then(identity) == identity(&claiming.spec)
    };
    let claim = |it: &Desired| {
        let is = |from: &Address| owned.get(from).is_some_and(|observed| is_its(observed, it));
        it.former().find(|from| is(from) && !is_new(from, it))
    };
    let unsettled = desired.iter().filter(|it| !settled(it));
    let mut moves: BTreeMap<Address, Address> =
        unsettled.filter_map(|it| Some((it.address.clone(), claim(it)?))).collect();
    // What has a name that another resource gets moves on, also where it was renamed before.
    loop {
        let owners = moves.values().filter_map(|from| declared.get(from));
        let still = owners.filter(|it| !moves.contains_key(&it.address));
        let more: Vec<(Address, Address)> =
            still.filter_map(|it| Some((it.address.clone(), claim(it)?))).collect();
        if more.is_empty() {
            break;
        }
        moves.extend(more);
    }
    // A resource keeps its name if its own manifest was applied to the object of this name. It does not if its
    // manifest names another, deleted object as the former one.
    loop {
        let kept = |from: &Address| {
            let keeps = declared.get(from).is_some_and(|it| settled(it));
            keeps && !moves.contains_key(from)
        };
        let wrong = moves.iter().find(|(_, from)| kept(from)).map(|(to, _)| to.clone());
        let Some(wrong) = wrong else { return moves };
        moves.remove(&wrong);
    }
}

/// For each former name in the manifests, the resource that lists it.
pub fn claims(desired: &[Desired]) -> BTreeMap<Address, String> {
    let former = |it: &Desired, name: &String| Address::new(it.address.kind, name.clone());
    let claims = desired.iter().flat_map(|it| it.previous_names.iter().map(move |name| (it, name)));
    claims.map(|(it, name)| (former(it, name), it.address.name.clone())).collect()
}

/// What the record of an object that is created under the name of `wanted` says it was called before: its first
/// former name. Where another resource lists this name as a former one, a mark instead that the object is new and
/// not the one which that resource gets.
pub fn called_before(wanted: &Desired, claims: &BTreeMap<Address, String>) -> Option<String> {
    let claimed = || claims.get(&wanted.address).filter(|it| **it != wanted.address.name);
    let former = wanted.previous_names.first().cloned();
    former.or_else(|| claimed().map(|claiming| under_way(claiming)))
}
