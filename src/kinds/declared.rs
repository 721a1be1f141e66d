//! All declared resources together, as the rules between several of them see them. Has no rule itself; those are in
//! the kind files ([`Resource::check_set`]).

use super::{Address, Desired, Pointer, Resource, Spec};
use std::collections::BTreeMap;

/// The declared resources of a stack.
#[derive(Debug)]
pub struct DeclaredSet<'a> {
    all: &'a [Desired],
    by_address: BTreeMap<&'a Address, &'a Desired>,
}

impl<'a> DeclaredSet<'a> {
    /// The set of these resources. Of several under one address, references point at the first.
    pub fn new(all: &'a [Desired]) -> Self {
        let mut by_address = BTreeMap::new();
        for it in all {
            by_address.entry(&it.address).or_insert(it);
        }
        Self { all, by_address }
    }

    /// The resources of one kind with their specs, in the order of the manifests.
    pub(super) fn of<K: Resource>(&self) -> impl Iterator<Item = (&'a Desired, &'a K)>
    where
        &'a K: TryFrom<&'a Spec>,
    {
        self.all.iter().filter_map(|it| Some((it, <&K>::try_from(&it.spec).ok()?)))
    }

    /// The spec of the resource that a reference points at, where it is declared and of this kind.
    pub(super) fn get<K: Resource>(&self, to: &Pointer) -> Option<&'a K>
    where
        &'a K: TryFrom<&'a Spec>,
    {
        let Pointer::Named(address) = to else { return None };
        <&K>::try_from(&self.by_address.get(address)?.spec).ok()
    }
}
