//! A live account as manifests: names for everything, references by name, ready to be taken over.

use crate::diag::{Origin, SourceId};
use crate::kinds::{
    Address, AddressMap, Arn, Desired, Kind, Lifecycle, Observed, ObservedState, Owner, Pointer,
    Spec, Stack,
};
use std::collections::{BTreeMap, BTreeSet};

/// What stays out of an export, and why.
#[derive(Debug, PartialEq)]
pub struct LeftOut<'a> {
    /// The object.
    pub observed: &'a Observed,
    /// Why it is not exported.
    pub why: WhyLeftOut,
}

/// Why an object is not exported.
#[derive(Clone, Debug, PartialEq)]
pub enum WhyLeftOut {
    /// It has another owner.
    Owned(Owner),
    /// Its creation failed at AWS, which says so by this state.
    Failed(&'static str),
    /// It acts on an object of another owner, which a plan refuses.
    ActsOnForeign {
        /// That object.
        target: Arn,
        /// Its owner.
        owner: Owner,
    },
}

/// Gives every object without another owner a logical name: the one it has in this stack, else its display
/// name where that is free, else that with its id.
pub fn names(observed: &ObservedState) -> (AddressMap, Vec<LeftOut<'_>>) {
    let mut addresses = AddressMap::default();
    let mut left_out = Vec::new();
    let mut taken: BTreeSet<Address> = own(observed).map(|it| it.0.clone()).collect();
    for (address, it) in own(observed) {
        addresses.note(address.clone(), it.arn.clone());
    }
    let mut display: BTreeMap<(Kind, String), usize> = BTreeMap::new();
    let strangers: Vec<(&Observed, String)> =
        observed.others.values().map(|it| (it, display_name(it))).collect();
    for (it, name) in &strangers {
        *display.entry((it.kind, name.clone())).or_default() += 1;
    }
    for (it, name) in strangers {
        let owner = it.owner();
        let failed =
            it.kind.facts().ready_state.filter(|(_, failed)| it.state.as_deref() == Some(failed));
        let why = match failed {
            _ if owner != Owner::Unowned => Some(WhyLeftOut::Owned(owner)),
            Some((_, state)) => Some(WhyLeftOut::Failed(state)),
            None => acts_on_foreign(it, observed),
        };
        if let Some(why) = why {
            left_out.push(LeftOut { observed: it, why });
            continue;
        }
        let id = it.arn.id();
        let unique = !name.is_empty() && display[&(it.kind, name.clone())] == 1;
        let mut address = Address::new(it.kind, name.clone());
        if !unique || taken.contains(&address) {
            let short: String = name.chars().take(40).collect();
            let name = if name.is_empty() { id.to_owned() } else { format!("{short}-{id}") };
            address = Address::new(it.kind, name.chars().take(63).collect::<String>());
        }
        taken.insert(address.clone());
        addresses.note(address, it.arn.clone());
    }
    (addresses, left_out)
}

/// The stack's own objects, among them those that come with another object: a manifest declares their settings.
pub fn own(observed: &ObservedState) -> impl Iterator<Item = (&Address, &Observed)> {
    observed.owned.iter().chain(observed.left_behind.iter().map(|(address, it)| (address, it)))
}

/// The object of another owner that this one acts on, if there is one.
fn acts_on_foreign(it: &Observed, observed: &ObservedState) -> Option<WhyLeftOut> {
    let edges = it.spec.iter().flat_map(Spec::acts_on);
    let mut targets = edges.filter_map(|edge| match edge.to {
        Pointer::Outside(arn) => observed.others.get(&arn),
        Pointer::Named(_) => None,
    });
    let foreign = targets.find(|it| it.owner() != Owner::Unowned)?;
    Some(WhyLeftOut::ActsOnForeign { target: foreign.arn.clone(), owner: foreign.owner() })
}

fn display_name(observed: &Observed) -> String {
    let name = observed.spec.clone().and_then(|mut it| it.name_mut().cloned().flatten());
    let name: String = name.unwrap_or_default().chars().take(63).collect();
    let good = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    if name.chars().all(good) { name } else { String::new() }
}

/// Declares every object of `objects`, by the names of `addresses`; what is not ours yet is to be adopted.
pub fn declare<'a>(
    objects: impl IntoIterator<Item = &'a Observed>,
    addresses: &AddressMap,
    stack: &Stack,
) -> Vec<Desired> {
    let mut declared: Vec<Desired> = objects
        .into_iter()
        .filter_map(|it| {
            let address = addresses.address(&it.arn)?.clone();
            let owned = it.owner().in_stack(&stack.name).cloned();
            Some(Desired {
                address,
                spec: it.spec.clone()?,
                labels: BTreeMap::new(),
                previous_names: Vec::new(),
                lifecycle: Lifecycle {
                    protect: owned.as_ref().is_some_and(|it| it.protect),
                    adopt: owned.is_none().then(|| it.arn.as_str().to_owned()),
                    ..Lifecycle::default()
                },
                name_is_default: false,
                origin: Origin { source: SourceId(0), document: 0 },
            })
        })
        .collect();
    declared.sort_by(|a, b| a.address.cmp(&b.address));
    declared
}
