//! What a plan is computed from. Every phase may read it, and none changes it.

use super::graph;
use super::policy::{Policy, hold_what_is_protected};
use crate::kinds::rename::{claims, renames};
use crate::kinds::spec::named_targets;
use crate::kinds::{
    Address, Arn, Desired, Edge, Observed, ObservedState, Owner, Pointer, Stack, owner,
    released_keys,
};

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Inputs<'a> {
    pub(super) stack: &'a Stack,
    pub(super) observed: &'a ObservedState,
    pub(super) policy: &'a Policy,
    /// The declared resources that the plan is about, each after those that it refers to.
    pub(super) desired: Vec<&'a Desired>,
    /// The same by address.
    pub(super) manifests: BTreeMap<&'a Address, &'a Desired>,
    /// Objects of which the tags do not tell whether they belong to this stack.
    pub(super) ambiguous: Vec<&'a Observed>,
    /// Objects that are deleted together with a protected one.
    pub(super) holding: BTreeSet<Arn>,
    /// Resources whose object has another name, with that name.
    pub(super) renames: BTreeMap<Address, Address>,
    /// Former names, each with the name of the resource that lists it.
    pub(super) claims: BTreeMap<Address, String>,
    /// Objects that a run left with the tag of a stream key that it had released.
    pub(super) released: BTreeSet<Arn>,
}

impl<'a> Inputs<'a> {
    /// `all` are the declared resources of the stack, since the name of each of them is taken; `scope` are those that
    /// the plan is about.
    pub(super) fn new(
        stack: &'a Stack,
        all: &[Desired],
        scope: &'a [Desired],
        observed: &'a ObservedState,
        policy: &'a Policy,
    ) -> Self {
        let mut renames = renames(observed, all);
        renames.retain(|it, _| policy.is_about(it));
        let is_ambiguous = |it: &&Observed| match it.owner() {
            Owner::Ambiguous => true,
            Owner::CloudFormation(_) => it.tags.get(owner::STACK) == Some(&stack.name),
            Owner::Unowned | Owner::Stack(_) => false,
        };
        Self {
            stack,
            observed,
            policy,
            desired: in_dependency_order(scope),
            manifests: scope.iter().map(|it| (&it.address, it)).collect(),
            ambiguous: observed.others.values().filter(is_ambiguous).collect(),
            holding: hold_what_is_protected(observed),
            renames,
            claims: claims(all),
            released: released_keys(stack, scope, observed),
        }
    }

    /// The ARN of the object that a reference leads to, where there is one.
    pub(super) fn arn(&self, edge: &Edge) -> Option<Arn> {
        edge.to.arn(&self.observed.addresses)
    }
}

/// The declared resources that a plan is about. A reference by ARN to an object of this stack becomes one by name.
pub(super) fn scope<'a>(
    desired: &'a [Desired],
    observed: &ObservedState,
    policy: &Policy,
) -> Cow<'a, [Desired]> {
    let mut scope = Cow::Borrowed(desired);
    if let Some(selected) = &policy.selected {
        scope = desired.iter().filter(|it| selected.has(&it.address)).cloned().collect();
    }
    let is_of_stack = |edge: &Edge| match &edge.to {
        Pointer::Outside(arn) => observed.addresses.address(arn).is_some(),
        Pointer::Named(_) => false,
    };
    if scope.iter().any(|it| it.spec.refs().iter().any(is_of_stack)) {
        for it in scope.to_mut() {
            it.spec = it.spec.renamed(&observed.addresses);
        }
    }
    scope
}

/// The resources, each after those that it refers to, by address among equals.
fn in_dependency_order(desired: &[Desired]) -> Vec<&Desired> {
    let mut order: Vec<&Desired> = desired.iter().collect();
    order.sort_by_key(|it| &it.address);
    // Numbers instead of addresses, which take longer to compare.
    let numbers: BTreeMap<&Address, usize> =
        order.iter().enumerate().map(|(number, it)| (&it.address, number)).collect();
    let edges = order.iter().enumerate().flat_map(|(from, it)| {
        let targets = named_targets(&it.spec).into_iter();
        targets
            .filter_map(|to| numbers.get(&to).copied())
            .map(move |to| (from, to))
            .collect::<Vec<_>>()
    });
    let depths = graph::depths(numbers.values().copied(), edges)
        .expect("no kind refers to itself, not even through others");
    // Compositions come last: the steps that interrupt their channels are drafted by then.
    let last = |it: &Desired| !it.spec.must_be_offline().is_empty();
    order.sort_by_cached_key(|it| (last(it), depths[&numbers[&it.address]]));
    order
}
