//! The pure heart: what is wanted, what is there, what may be done → what to do, in which order, and why.
//!
//! Takes everything as arguments and returns a value. Knows no clock, no network, no terminal, no SDK.

mod action;
pub mod approval;
mod duplicate;
pub mod graph;
pub mod permission;
pub mod policy;
pub mod reason;
pub mod selection;
pub mod step;
mod work;

pub use action::Action;
pub use approval::{Approval, Terms};
pub use policy::{Policy, Refusal};
pub use reason::{Consent, Reason, Referrer};
pub use selection::{Selected, Selection};
pub use step::{
    Attention, Cause, Decision, DuplicateCopy, NotDrift, Note, Plan, Status, Step, StepId, Summary,
};

use crate::kinds::owner::under_way;
use crate::kinds::rename::{called_before, claims, renames};
use crate::kinds::spec::{FieldChange, difference, named_targets};
use crate::kinds::{
    Address, Arn, Audience, Desired, Duplicate, Edge, Existence, Kind, Observed, ObservedState,
    Owner, OwnershipTags, Pointer, Replace, Spec, Stack, owner,
};
use policy::{on_audience, protected, quotas};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What makes `observed` equal to `desired`, as far as `policy` allows. The same input gives the same plan,
/// whatever the order of the manifests.
///
/// # Panics
/// Never: a kind refers only to kinds that do not refer to it, so nothing refers to itself in a circle.
pub fn plan(stack: &Stack, desired: &[Desired], observed: &ObservedState, policy: &Policy) -> Plan {
    // Whose name is free depends on all manifests.
    let mut moves = renames(&observed.owned, desired);
    moves.retain(|it, _| policy.is_about(it));
    let claims = claims(desired);
    let in_scope: Vec<Desired>;
    let desired = match &policy.selected {
        None => desired,
        Some(selected) => {
            in_scope = desired.iter().filter(|it| selected.has(&it.address)).cloned().collect();
            &in_scope
        }
    };
    // A reference by ARN to something of this stack is a reference to it, whatever it is written as.
    let by_name: Vec<Desired>;
    let desired = if desired.iter().any(|it| names_by_arn(it, observed)) {
        let named =
            |it: &Desired| Desired { spec: it.spec.renamed(&observed.addresses), ..it.clone() };
        by_name = desired.iter().map(named).collect();
        &by_name
    } else {
        desired
    };
    let unclear = |it: &&Observed| match it.owner() {
        Owner::Ambiguous => true,
        Owner::CloudFormation(_) => it.tags.get(owner::STACK) == Some(&stack.name),
        Owner::Unowned | Owner::Stack(_) => false,
    };
    let ambiguous: Vec<&Observed> = observed.others.values().filter(unclear).collect();
    plan_named(stack, desired, observed, policy, &ambiguous, moves, claims)
}

fn names_by_arn(wanted: &Desired, observed: &ObservedState) -> bool {
    wanted.spec.refs().iter().any(|edge| match &edge.to {
        Pointer::Outside(arn) => observed.addresses.address(arn).is_some(),
        Pointer::Named(_) => false,
    })
}

fn plan_named(
    stack: &Stack,
    desired: &[Desired],
    observed: &ObservedState,
    policy: &Policy,
    ambiguous: &[&Observed],
    renames: BTreeMap<Address, Address>,
    claims: BTreeMap<Address, String>,
) -> Plan {
    let mut planner = Planner {
        stack,
        manifests: desired.iter().map(|it| (&it.address, it)).collect(),
        ambiguous,
        observed,
        policy,
        holding: policy::hold_what_is_protected(observed),
        renames,
        claims,
        released: released_keys(stack, desired, observed),
        drafts: Vec::new(),
        replaced: BTreeMap::new(),
    };
    let mut plan = Plan::default();
    let mut taken = BTreeSet::new();
    if !policy.destroy {
        for wanted in in_dependency_order(desired) {
            planner.settle(wanted, &mut plan, &mut taken);
        }
    }
    planner.clear_up(&mut plan, &taken);
    planner.refuse_what_acts_on_others();
    planner.order(&mut plan);
    let renames = possible_renames(&plan, observed);
    plan.notes.extend(renames);
    let partial = ambiguous.iter().filter(|it| it.owner() == Owner::Ambiguous);
    plan.notes.extend(partial.map(|it| Note::Ambiguous { arn: it.arn.clone() }));
    plan.notes.extend(duplicate::notes(observed, policy));
    plan.notes.extend(policy.selected.clone().map(Note::Selected));
    let notes = quotas(&plan, observed, stack);
    plan.notes.extend(notes);
    plan.notes.extend(plan.refusal(None).map(|it| {
        let Refusal::UnconfirmedDeletes { deletes, of } = it;
        Note::ManyDeletes { deletes, of }
    }));
    plan
}

/// Objects of the stack whose tags name a stream key that the stack does not own and that no manifest names: a run
/// that released the key was stopped before it changed these tags.
fn released_keys(stack: &Stack, desired: &[Desired], observed: &ObservedState) -> BTreeSet<Arn> {
    if !observed.listed.contains(&Kind::StreamKey) {
        return BTreeSet::new();
    }
    let named = desired.iter().flat_map(|it| {
        let parent = it.address.kind.facts().created_by;
        let edges = it.spec.refs().into_iter().filter(move |edge| parent == Some(edge.kind));
        edges.filter_map(|edge| edge.to.arn(&observed.addresses))
    });
    let named: BTreeSet<Arn> = named.collect();
    let owned = observed.all().filter(|it| it.kind == Kind::StreamKey);
    let owned = owned.filter(|it| it.owner().in_stack(&stack.name).is_some());
    let owned: BTreeSet<&str> = owned.map(|it| it.arn.id()).collect();
    let remembering = observed.owned.values().filter(|it| {
        let key = owner::remembered_key(&it.tags);
        key.is_some_and(|id| !owned.contains(id)) && !named.contains(&it.arn)
    });
    remembering.map(|it| it.arn.clone()).collect()
}

/// Resources with what they refer to first, by address among equals.
fn in_dependency_order(desired: &[Desired]) -> Vec<&Desired> {
    let by_address: BTreeMap<&Address, &Desired> =
        desired.iter().map(|it| (&it.address, it)).collect();
    let targets: Vec<(&Address, Vec<Address>)> =
        desired.iter().map(|it| (&it.address, named_targets(&it.spec))).collect();
    let edges = targets.iter().flat_map(|(from, to)| {
        to.iter().filter_map(|to| Some((*from, *by_address.get_key_value(to)?.0)))
    });
    let depths = graph::depths(by_address.keys().copied(), edges)
        .expect("no kind refers to itself, not even through others");
    let mut order: Vec<&Desired> = by_address.into_values().collect();
    // Compositions come last: the steps that interrupt their channels are drafted by then.
    order.sort_by_key(|it| (!it.spec.must_be_offline().is_empty(), depths[&it.address]));
    order
}

/// A step before it has a number; `needs` are indices of other drafts.
struct Draft {
    step: Step,
    needs: BTreeSet<usize>,
}

struct Planner<'a> {
    stack: &'a Stack,
    /// What the manifests say, also of what is to be destroyed.
    manifests: BTreeMap<&'a Address, &'a Desired>,
    ambiguous: &'a [&'a Observed],
    observed: &'a ObservedState,
    policy: &'a Policy,
    /// Objects that are deleted together with a protected one.
    holding: BTreeSet<Arn>,
    /// Resources whose object has another name, with that.
    renames: BTreeMap<Address, Address>,
    /// Former names, each with the name of the resource that lists it.
    claims: BTreeMap<Address, String>,
    /// Objects whose tags name what came with them, while no manifest names it and the stack does not own it.
    released: BTreeSet<Arn>,
    drafts: Vec<Draft>,
    /// Addresses whose object is replaced, with the draft that makes the new one.
    replaced: BTreeMap<Address, usize>,
}

/// How a declared resource is found in the account.
enum Found<'a> {
    Owned(&'a Observed),
    Renamed(&'a Observed, String),
    Adoptable(&'a Observed),
    Foreign(&'a Observed, Owner),
    /// It is not there; with a reason not to make it.
    Held(Cause, Reason),
    Missing,
}

impl<'a> Planner<'a> {
    /// Whose turn is `wanted`: what differs, and what follows from that.
    fn settle(&mut self, wanted: &'a Desired, plan: &mut Plan, taken: &mut BTreeSet<Arn>) {
        let found = self.find(wanted);
        let presence = wanted.spec.presence(self.observed);
        let ownership = self.ownership(wanted);
        match found {
            Found::Foreign(observed, owner) => {
                let mut step = draft(wanted, Action::Adopt, Some(observed), ownership);
                step.because = vec![Cause::Adopt];
                step.decision = Decision::Unmanaged(Reason::OwnedByAnother { owner });
                self.push(step);
            }
            Found::Held(cause, reason) => {
                let own = std::iter::once(wanted.address.clone()).chain(wanted.former());
                let its = own.filter_map(|it| self.observed.owned.get(&it));
                taken.extend(its.map(|it| it.arn.clone()));
                let mut step = draft(wanted, Action::Create, None, ownership);
                step.because = vec![cause];
                step.decision = Decision::Blocked(reason);
                self.push(step);
            }
            Found::Missing => match presence {
                Existence::Wanted => {
                    // What AWS makes together with something else is taken over as soon as it is there.
                    let comes = wanted.address.kind.facts().created_by.is_some()
                        && wanted
                            .spec
                            .refs()
                            .iter()
                            .any(|it| it.to.arn(&self.observed.addresses).is_none());
                    let (action, cause) = if comes {
                        (Action::Adopt, Cause::Adopt)
                    } else {
                        (Action::Create, Cause::Missing)
                    };
                    let mut step = draft(wanted, action, None, ownership);
                    let gone = self.was_there(wanted, None) || self.was_referred_to(wanted);
                    step.because = vec![if gone { Cause::Gone } else { cause }];
                    self.push(step);
                }
                Existence::Unwanted => plan.unchanged.push(wanted.address.clone()),
                Existence::Dormant | Existence::Unmakeable => {
                    let mut step = draft(wanted, Action::Create, None, ownership);
                    step.because = vec![Cause::Missing];
                    step.decision = not_made(presence, wanted.address.kind);
                    self.push(step);
                }
            },
            Found::Owned(observed) | Found::Renamed(observed, _) | Found::Adoptable(observed) => {
                taken.insert(observed.arn.clone());
                let ending = observed.kind.facts().ending;
                if observed.state.as_deref().is_some_and(|state| ending.contains(&state)) {
                    if presence == Existence::Wanted {
                        let mut step = draft(wanted, Action::Create, None, ownership);
                        step.because = vec![Cause::Missing];
                        step.decision = Decision::Deferred(Reason::PredecessorEnding);
                        self.push(step);
                    } else {
                        plan.unchanged.push(wanted.address.clone());
                    }
                    return;
                }
                if presence == Existence::Unwanted {
                    self.lift_protection(wanted, observed);
                    self.delete(&wanted.address, observed, Cause::Stopped, Some(wanted));
                    return;
                }
                self.compare(wanted, observed, &found, presence, ownership, plan);
            }
        }
    }

    fn find(&self, wanted: &Desired) -> Found<'a> {
        let renamed = self.renames.get(&wanted.address);
        if let Some(from) = renamed
            && let Some(other) = self.other_former(wanted, from)
        {
            let reason = Reason::AmbiguousFormerNames { first: from.clone(), second: other };
            return Found::Held(Cause::Unclear, reason);
        }
        if let Some((from, observed)) = renamed.and_then(|it| self.observed.owned.get_key_value(it))
        {
            return Found::Renamed(observed, from.name.clone());
        }
        // An object that gets another name is not the one of this name.
        let leaves = self.renames.values().any(|it| *it == wanted.address);
        if let Some(observed) = self.observed.owned.get(&wanted.address).filter(|_| !leaves) {
            return match duplicate::unclear(self.observed, observed) {
                Some(reason) => Found::Held(Cause::Unclear, reason),
                None => Found::Owned(observed),
            };
        }
        if let Some(observed) = self.observed.adoptable.get(&wanted.address) {
            return Found::Adoptable(observed);
        }
        if let Some(observed) = self.observed.foreign.get(&wanted.address) {
            return Found::Foreign(observed, observed.owner());
        }
        // What ends by itself is simply made again; anything else that is gone was not meant to be.
        let lasting = wanted.address.kind.facts().ended.is_empty();
        if let Some(arn) = wanted.lifecycle.adopt.as_deref().filter(|_| lasting) {
            let reason = match self.observed.addresses.address(&Arn::new(arn)) {
                Some(address) => {
                    Reason::AlreadyManaged { arn: Arn::new(arn), address: address.clone() }
                }
                None => Reason::AdoptedObjectMissing { arn: arn.to_owned() },
            };
            return Found::Held(Cause::Missing, reason);
        }
        let Some(observed) = self.maybe_it(wanted) else { return Found::Missing };
        let arn = observed.arn.clone();
        let reason = match observed.owner() {
            owner @ Owner::CloudFormation(_) => Reason::ImportedByCloudFormation { arn, owner },
            _ => Reason::IncompleteTags { arn: Some(arn) },
        };
        Found::Held(Cause::Unclear, reason)
    }

    /// Another object than that of `from` with a former name of `wanted`, which no manifest declares.
    fn other_former(&self, wanted: &Desired, from: &Address) -> Option<Address> {
        let mut former = wanted.former();
        former.find(|it| {
            it != from && self.observed.owned.contains_key(it) && !self.manifests.contains_key(it)
        })
    }

    /// An object whose tags were stripped in part may be the one that seems to be missing, and one that
    /// `CloudFormation` imported is; making another would give the audience a second playback URL.
    fn maybe_it(&self, wanted: &Desired) -> Option<&'a Observed> {
        self.ambiguous.iter().copied().find(|it| {
            let tag = |key: &str| it.tags.get(key);
            let its =
                |it: &String| *it == wanted.address.name || wanted.previous_names.contains(it);
            let maybe = match (tag(owner::STACK), tag(owner::NAME)) {
                (Some(stack), name) => *stack == self.stack.name && name.is_none_or(its),
                (None, name) => name.is_some_and(its),
            };
            it.kind == wanted.address.kind && maybe
        })
    }

    /// Whether the object that it comes with remembers another one than is `there` now: somebody swapped or
    /// deleted it. Of anything else nobody can tell whether it was ever made.
    fn was_there(&self, wanted: &Desired, there: Option<&Observed>) -> bool {
        let Some(parent) = wanted.address.kind.facts().created_by else { return false };
        let edges = wanted.spec.refs();
        let Some(edge) = edges.iter().find(|it| it.kind == parent) else { return false };
        let Some(arn) = edge.to.arn(&self.observed.addresses) else { return false };
        let parent =
            self.observed.addresses.address(&arn).and_then(|it| self.observed.owned.get(it));
        parent.and_then(|it| owner::remembered_key(&it.tags)).is_some_and(|id| {
            let ours = |it: &Observed| it.kind == wanted.address.kind && it.arn.id() == id;
            there.is_none_or(|it| it.arn.id() != id) && !self.observed.owned.values().any(ours)
        })
    }

    /// Whether an object of this stack still refers to the object that `wanted` was: its manifest names `wanted`
    /// in a field that holds the ARN of an object which is not there any more, or that AWS has emptied.
    fn was_referred_to(&self, wanted: &Desired) -> bool {
        let complete = self.observed.listed.contains(&wanted.address.kind);
        let of_wanted = |it: &Edge| matches!(&it.to, Pointer::Named(to) if *to == wanted.address);
        complete
            && self.manifests.values().any(|referrer| {
                let edges = referrer.spec.refs();
                let Some(edge) = edges.iter().find(|it| of_wanted(it)) else { return false };
                let Some(observed) = self.observed.owned.get(&referrer.address) else {
                    return false;
                };
                let Some(before) = &observed.spec else { return false };
                match before.refs().into_iter().find(|it| it.field == edge.field).map(|it| it.to) {
                    Some(Pointer::Outside(arn)) => self.is_gone(&arn),
                    Some(Pointer::Named(_)) => false,
                    None => self.was_changed_outside(observed, before, &referrer.spec, &[]),
                }
            })
    }

    fn ownership(&self, wanted: &Desired) -> OwnershipTags {
        OwnershipTags {
            stack: self.stack.name.clone(),
            name: wanted.address.name.clone(),
            protect: wanted.lifecycle.protect,
            rotation: wanted.spec.rotation().map(ToOwned::to_owned),
            was: called_before(wanted, &self.claims),
            ..OwnershipTags::default()
        }
    }

    /// One that is there: unchanged, retagged, updated or replaced.
    fn compare(
        &mut self,
        wanted: &'a Desired,
        observed: &'a Observed,
        found: &Found<'a>,
        presence: Existence,
        mut ownership: OwnershipTags,
        plan: &mut Plan,
    ) {
        let before = observed.spec.as_ref().expect("what is declared and there was read");
        let mut ignored = wanted.lifecycle.ignore_changes.clone();
        let manifest = with_name(wanted, before);
        let mut spec = manifest.with_ignored(before, &ignored);
        let mut fields = Vec::new();
        // Comparing two specs is nothing beside writing both out as JSON, and most are equal.
        if spec != *before {
            fields = difference(before, &spec, &[]);
            // A word from after this program's time is neither drift nor understood.
            let differs = |path: &String| {
                difference(before, &spec, std::slice::from_ref(path)).len() < fields.len()
            };
            let unknown: Vec<String> = before.unknown_words().into_iter().filter(differs).collect();
            if !unknown.is_empty() {
                ignored.extend(unknown.iter().cloned());
                spec = manifest.with_ignored(before, &ignored);
                fields = difference(before, &spec, &[]);
                let address = &wanted.address;
                plan.notes.extend(
                    unknown
                        .into_iter()
                        .map(|path| Note::UnknownWord { address: address.clone(), path }),
                );
            }
        }
        let upstream = self.upstream(&spec, &mut fields);
        let owned = match observed.owner() {
            Owner::Stack(ownership) => Some(ownership),
            _ => None,
        };
        // What AWS copied from another object says nothing of this one.
        let copied = self.observed.is_tagged_as_its_parent(observed);
        let mut renamable = false;
        if let Some(owned) = &owned {
            if !copied {
                ownership.attempt_id.clone_from(&owned.attempt_id);
                ownership.replaces.clone_from(&owned.replaces);
                // A former name that its manifest gave up, and that another resource has, may be given to it again.
                renamable = owned.was.as_ref().is_some_and(|was| {
                    let other = Address::new(observed.kind, was.clone());
                    !wanted.previous_names.contains(was) && self.manifests.contains_key(&other)
                });
                ownership.was = owned.was.clone().filter(|_| !renamable);
            }
            if owned.protect != ownership.protect {
                fields.push(FieldChange {
                    path: "lifecycle.protect".to_owned(),
                    before: Value::Bool(owned.protect),
                    after: Value::Bool(ownership.protect),
                });
            }
        }
        // On the way to its name it keeps the one it had before.
        if let Found::Renamed(_, from) = found
            && *from != under_way(&wanted.address.name)
        {
            ownership.was = Some(from.clone());
        }
        let kind = wanted.address.kind;
        let spec = |it: &&FieldChange| !it.is_tag() && it.path.starts_with("spec");
        let immutable: Vec<String> = fields
            .iter()
            .filter(spec)
            .filter(|it| !kind.can_update(&it.path))
            .map(|it| it.path.clone())
            .collect();
        let failed = observed.state.clone().filter(|_| observed.has_failed());
        let mut because = Vec::new();
        let digest = manifest.digest(&self.observed.addresses);
        let as_applied = owned.as_ref().is_some_and(|it| digest.as_deref() == Some(&it.digest));
        let outside = |it: &FieldChange| upstream.iter().all(|(path, _)| *path != it.path);
        if fields.iter().any(outside) {
            // The digest is of the spec: of what stands beside it, it only says what was meant then.
            let meant = owned.as_ref().is_some_and(|it| it.meant_protected == ownership.protect);
            let outside = |it: &FieldChange| {
                it.path.starts_with("spec") || (it.path == "lifecycle.protect" && meant)
            };
            let as_applied = as_applied && fields.iter().any(outside);
            let of_spec = fields.iter().any(|it| it.path.starts_with("spec"));
            let changed = of_spec
                && (self.was_changed_outside(observed, before, &manifest, &ignored)
                    || digest.is_none() && self.refers_to_a_deleted_object(before));
            // A manifest with a reference to a missing object has no digest, so it cannot be compared with the one
            // last applied; a change outside explains the difference.
            let pending = !(as_applied || digest.is_none() && changed);
            because.extend(pending.then_some(Cause::Pending));
            because.extend((as_applied || changed).then_some(Cause::Drift));
        }
        for (_, address) in upstream {
            let cause = Cause::Upstream { address };
            if !because.contains(&cause) {
                because.push(cause);
            }
        }
        let degraded = observed.degraded.filter(|_| owned.is_some());
        let cut_off = self.cut_off_by(observed).map(|by| Cause::CutOff { by });
        if observed.has_failed() || degraded.is_some() || cut_off.is_some() || !immutable.is_empty()
        {
            match failed {
                Some(state) => because.push(Cause::Failed { state }),
                None if immutable.is_empty() => {}
                None => because.push(Cause::Immutable { fields: immutable }),
            }
            because.extend(degraded.map(Cause::Degraded));
            because.extend(cut_off);
            let mut step = draft(wanted, Action::Replace, Some(observed), ownership);
            step.fields = fields;
            step.because = because;
            if owned.is_none() {
                step.action = Action::Adopt;
                step.decision = Decision::Blocked(Reason::AdoptionReplaces);
                self.push(step);
                return;
            }
            if as_applied && let Some(reason) = self.failed_lately(observed) {
                step.decision = Decision::Deferred(reason);
                self.push(step);
                return;
            }
            self.replace(step, observed, wanted, presence);
            return;
        }
        let released = self.released.contains(&observed.arn);
        because.extend(released.then_some(Cause::KeyReleased));
        let action = match found {
            Found::Renamed(_, from) => {
                let from = ownership.was.clone().unwrap_or_else(|| from.clone());
                because.insert(0, Cause::Rename { from });
                Action::Rename
            }
            Found::Adoptable(_) => {
                because = vec![Cause::Adopt];
                because.extend(self.was_there(wanted, Some(observed)).then_some(Cause::Drift));
                Action::Adopt
            }
            _ if fields.iter().any(|it| spec(&it)) => Action::Update,
            _ if !fields.is_empty() => Action::Retag,
            _ if renamable || digest.is_some() && !as_applied => {
                because.push(Cause::Recorded);
                Action::Retag
            }
            _ if released => Action::Retag,
            _ => {
                plan.unchanged.push(wanted.address.clone());
                return;
            }
        };
        let writes_spec = fields.iter().any(|it| spec(&it));
        let mut step = draft(wanted, action, Some(observed), ownership);
        step.spec = Some(manifest.into_owned());
        step.fields = fields;
        step.because = because;
        step.ignored = ignored;
        if writes_spec
            && step.disturbs()
            && let Some(audience) = self.observed.audience.get(&observed.arn)
        {
            step.impact = Some(audience.clone());
            step.decision = self.consent(&wanted.address, &observed.arn, Some(wanted), audience);
        }
        if matches!(step.decision, Decision::Deferred(_)) {
            self.tags_first(&mut step, observed);
        }
        self.push(step);
    }

    /// The resource whose change in this plan ends the stream that a composition sends.
    fn cut_off_by(&self, observed: &Observed) -> Option<Address> {
        let mut steps = self.drafts.iter().map(|it| &it.step);
        let by = steps.find(|it| {
            let impact = it.impact.as_ref().and_then(|it| it.composition.as_ref());
            it.decision == Decision::Interrupt
                && it.arn.as_ref() != Some(&observed.arn)
                && impact == Some(&observed.arn)
        });
        by.map(|it| it.address.clone())
    }

    /// Whether no object that was read has this ARN.
    fn is_gone(&self, arn: &Arn) -> bool {
        self.observed.all().all(|it| it.arn != *arn)
    }

    /// Whether an object refers to a deleted object.
    fn refers_to_a_deleted_object(&self, before: &Spec) -> bool {
        before.refs().iter().any(|edge| {
            let listed = self.observed.listed.contains(&edge.kind);
            listed && matches!(&edge.to, Pointer::Outside(arn) if self.is_gone(arn))
        })
    }

    /// Whether an object differs from what was last applied to it, whatever its manifest says by now: its digest
    /// is that of the spec as it was last written.
    fn was_changed_outside(
        &self,
        observed: &Observed,
        before: &Spec,
        manifest: &Spec,
        ignored: &[String],
    ) -> bool {
        let owner = observed.owner();
        let Some(ownership) = owner.in_stack(&self.stack.name) else { return false };
        // AWS never shows all of a relation between two objects, so nothing can be told from what it shows.
        if observed.kind.facts().arn_type.is_none() {
            return false;
        }
        // The digest is of what the manifest said, also where the field is left to others or the tag is ignored.
        let mut candidates = vec![before.clone(), before.with_ignored(manifest, ignored)];
        candidates.extend(before.write_only_variants());
        for mut it in candidates.clone() {
            if let Some(tags) = it.tags_mut() {
                *tags = observed.tags.clone();
                tags.retain(|key, _| owner::is_managed_tag(key, &[]));
                candidates.push(it);
            }
        }
        let applied =
            |it: &Spec| it.digest(&self.observed.addresses).as_ref() == Some(&ownership.digest);
        !candidates.iter().any(applied)
    }

    /// Why an object that AWS failed to make a short while ago is not made again yet. Without this every run would
    /// make another one that fails for the same reason.
    fn failed_lately(&self, observed: &Observed) -> Option<Reason> {
        let Owner::Stack(ownership) = observed.owner() else { return None };
        let after = ownership.made().filter(|_| observed.has_failed())? + duplicate::OLD;
        let likely = observed.kind.facts().fails_by;
        (self.observed.as_of? <= after).then_some(Reason::FailedRecently { likely, after })
    }

    /// Whether anything that was read refers to an object.
    fn is_used(&self, observed: &Observed) -> bool {
        let refers = |it: &Observed| {
            let mut edges = it.spec.iter().flat_map(Spec::refs);
            edges.any(|edge| edge.to.arn(&self.observed.addresses).as_ref() == Some(&observed.arn))
        };
        self.observed.all().any(refers)
    }

    /// Tags cut nobody off: where the spec has to wait, they go ahead in a step of their own. Above all
    /// `protect` is wanted just then. The digest says what the object then is; where somebody has changed it, the
    /// digest stays that of what was applied, so that the change still shows.
    fn tags_first(&mut self, step: &mut Step, observed: &Observed) {
        let (spec, tags): (Vec<_>, Vec<_>) = std::mem::take(&mut step.fields)
            .into_iter()
            .partition(|it| it.path.starts_with("spec") && !it.is_tag());
        step.fields = spec;
        let changes = matches!(step.action, Action::Update | Action::Replace);
        if changes && tags.is_empty() {
            return;
        }
        let before = observed.spec.as_ref().expect("what is compared was read");
        let digest = before.digest(&self.observed.addresses);
        let changed = match observed.owner() {
            Owner::Stack(owned) if digest.as_ref() != Some(&owned.digest) => Some(owned.digest),
            _ => None,
        };
        let mut spec = before.clone();
        let wanted = step.spec.as_mut().and_then(Spec::tags_mut);
        if let (Some(tags), Some(wanted)) = (spec.tags_mut(), wanted) {
            tags.clone_from(wanted);
        }
        let mut first = Step {
            action: if changes { Action::Retag } else { step.action },
            spec: Some(spec),
            fields: tags,
            impact: None,
            decision: Decision::Do,
            ..step.clone()
        };
        let digest = changed.or_else(|| first.spec.as_ref()?.digest(&self.observed.addresses));
        first.ownership.digest = digest.unwrap_or_default();
        let of_spec = |it: &Cause| matches!(it, Cause::Immutable { .. } | Cause::Upstream { .. });
        first.because.retain(|it| !of_spec(it));
        // What is left to the later run is told against what this one makes of it.
        step.before.clone_from(&first.spec);
        self.push(first);
        if !changes {
            step.action = Action::Update;
        }
    }

    /// What to do about an audience. One that watches a composition is that composition's as well.
    fn consent(
        &self,
        address: &Address,
        arn: &Arn,
        wanted: Option<&Desired>,
        audience: &Audience,
    ) -> Decision {
        let on_live = wanted.map(|it| it.lifecycle.on_live);
        let decision = on_audience(address, on_live, audience, self.policy);
        let feeding = audience.composition.as_ref().filter(|it| *it != arn);
        let waits = matches!(decision, Decision::Interrupt)
            || matches!(decision, Decision::Deferred(_))
                && on_live != Some(crate::kinds::OnLive::Defer);
        match feeding {
            Some(feeding) if waits => {
                let composition = match self.observed.addresses.address(feeding) {
                    Some(address) if self.policy.allow_live.contains(address) => return decision,
                    Some(address) => Pointer::Named(address.clone()),
                    None => Pointer::Outside(feeding.clone()),
                };
                let audience = audience.clone();
                Decision::Deferred(Reason::LiveThroughComposition { audience, composition })
            }
            _ => decision,
        }
    }

    /// References to something that is replaced: the name stays, the ARN behind it does not.
    fn upstream(&self, spec: &Spec, fields: &mut Vec<FieldChange>) -> Vec<(String, Address)> {
        let mut upstream = Vec::new();
        for edge in spec.refs() {
            let Pointer::Named(address) = &edge.to else { continue };
            let path = format!("spec.{}", edge.field);
            if !self.replaced.contains_key(address) {
                // An earlier run replaced it, and could not move this one yet.
                let was = |it: &&FieldChange| it.path == path && self.was(address, &it.before);
                if fields.iter().any(|it| was(&it)) {
                    upstream.push((path, address.clone()));
                }
                continue;
            }
            if !fields.iter().any(|it| it.path == path) {
                let old = self.observed.addresses.arn(address).map(|arn| arn.as_str().to_owned());
                fields.push(FieldChange {
                    path: path.clone(),
                    before: old.map_or(Value::Null, Value::String),
                    after: Value::String(format!("{} (new)", address.name)),
                });
            }
            upstream.push((path, address.clone()));
        }
        upstream
    }

    /// Whether this is the ARN of a predecessor of `address` that is still there.
    fn was(&self, address: &Address, arn: &Value) -> bool {
        let mut before = self.observed.superseded.iter().filter(|(it, _)| it == address);
        before.any(|(_, observed)| *arn == observed.arn.as_str())
    }

    /// Two steps: the new one and the end of the old one, in the order the kind allows.
    fn replace(
        &mut self,
        mut new: Step,
        observed: &'a Observed,
        wanted: &'a Desired,
        presence: Existence,
    ) {
        // Of what AWS failed to make, one at a time is enough.
        let first = if observed.has_failed() && !self.is_used(observed) {
            Replace::DeleteFirst
        } else {
            wanted.address.kind.facts().replace
        };
        let audience = self.observed.audience.get(&observed.arn);
        let protected = protected(observed, Some(wanted));
        if let Some(blocked) = protected {
            if wanted.lifecycle.protect {
                new.decision = Decision::Blocked(blocked);
            } else {
                // Lifting it is a step of its own, and so is seen and consented to before the change.
                let reason = Reason::ProtectionLifted { then: Action::Replace };
                new.decision = Decision::Deferred(reason);
                self.tags_first(&mut new, observed);
            }
            self.push(new);
            return;
        }
        if presence == Existence::Unmakeable {
            new.decision = not_made(presence, wanted.address.kind);
            self.push(new);
            return;
        }
        if presence == Existence::Dormant {
            // The next start uses the new spec.
            let kind = wanted.address.kind;
            new.decision = Decision::Dormant(Reason::NoPublisher { kind, ends: true });
            self.push(new);
            return;
        }
        if self.observed.duplicates.iter().any(|it| it.winner == observed.arn) {
            // Of three objects with one name, the oldest would count once this one is superseded.
            new.decision = Decision::Deferred(Reason::HasDuplicate);
            self.push(new);
            return;
        }
        new.ownership.attempt_id = String::new();
        match first {
            Replace::CreateFirst => {
                new.ownership.replaces = Some(observed.arn.id().to_owned());
                let address = new.address.clone();
                let made = self.push(new);
                self.replaced.insert(address.clone(), made);
                let mut old =
                    draft(wanted, Action::Delete, Some(observed), OwnershipTags::default());
                old.because = vec![Cause::Superseded];
                old.spec = None;
                // The new one is made all the same; the old one goes once nobody is there.
                if let Some(audience) = audience {
                    old.decision =
                        self.consent(&wanted.address, &observed.arn, Some(wanted), audience);
                    old.impact = Some(audience.clone());
                }
                let old = self.push(old);
                self.drafts[old].needs.insert(made);
            }
            Replace::DeleteFirst => {
                // What it was to replace is still there, and waits for the next one.
                if !observed.has_failed() {
                    new.ownership.replaces = None;
                }
                let mut old =
                    draft(wanted, Action::Delete, Some(observed), OwnershipTags::default());
                old.because = vec![Cause::MakesRoom];
                old.spec = None;
                if let Some(audience) = audience {
                    old.decision =
                        self.consent(&wanted.address, &observed.arn, Some(wanted), audience);
                    old.impact = Some(audience.clone());
                    new.impact = Some(audience.clone());
                }
                let old = self.push(old);
                let made = self.push(new);
                self.drafts[made].needs.insert(old);
                self.replaced.insert(wanted.address.clone(), made);
            }
        }
    }

    fn delete(
        &mut self,
        address: &Address,
        observed: &'a Observed,
        cause: Cause,
        wanted: Option<&Desired>,
    ) {
        let mut step = Step {
            id: 0,
            address: address.clone(),
            action: Action::Delete,
            arn: Some(observed.arn.clone()),
            spec: None,
            before: observed.spec.clone(),
            ignored: Vec::new(),
            owner: observed.owner(),
            ownership: OwnershipTags::default(),
            because: vec![cause],
            fields: Vec::new(),
            after: Vec::new(),
            impact: None,
            decision: Decision::Do,
            origin: wanted.map(|it| it.origin),
        };
        if let Some(audience) = self.observed.audience.get(&observed.arn) {
            step.impact = Some(audience.clone());
            step.decision = self.consent(address, &observed.arn, wanted, audience);
        }
        if self.holding.contains(&observed.arn) {
            step.decision = Decision::Blocked(Reason::HoldsProtectedKey);
        } else if let Some(blocked) = protected(observed, wanted) {
            step.decision =
                if wanted.is_some_and(|it| !it.lifecycle.protect) && !self.policy.destroy {
                    Decision::Deferred(Reason::ProtectionLifted { then: Action::Delete })
                } else {
                    Decision::Blocked(blocked)
                };
        }
        self.push(step);
    }

    /// The tag goes by a step of its own, before what it stood against.
    fn lift_protection(&mut self, wanted: &Desired, observed: &Observed) {
        let Owner::Stack(owned) = observed.owner() else { return };
        if !owned.protect || wanted.lifecycle.protect {
            return;
        }
        let ownership = OwnershipTags { protect: false, ..owned };
        let mut step = draft(wanted, Action::Retag, Some(observed), ownership);
        step.spec.clone_from(&observed.spec);
        step.because = vec![Cause::Pending];
        step.fields = vec![FieldChange {
            path: "lifecycle.protect".to_owned(),
            before: Value::Bool(true),
            after: Value::Bool(false),
        }];
        self.push(step);
    }

    /// What is there and not wanted: predecessors of replaced objects always, orphans with prune.
    fn clear_up(&mut self, plan: &mut Plan, taken: &BTreeSet<Arn>) {
        let observed = self.observed;
        let about = |(address, _): &(&Address, &Observed)| self.policy.is_about(address);
        let superseded = observed.superseded.iter().map(|(address, old)| (address, old));
        for (address, old) in superseded.filter(about).collect::<Vec<_>>() {
            self.delete(address, old, Cause::Superseded, None);
            self.wait_for_a_usable_successor(address);
        }
        for it in observed.duplicates.iter().filter(|it| self.policy.is_about(&it.address)) {
            self.settle_duplicate(it, taken);
        }
        for (address, orphan) in observed.owned.iter().filter(about).collect::<Vec<_>>() {
            if taken.contains(&orphan.arn) {
                continue;
            }
            // What comes with something else goes with it too, and is never deleted by itself.
            if orphan.kind.facts().created_by.is_some() {
                continue;
            }
            if self.policy.destroy {
                let wanted = self.manifests.get(address).copied();
                self.delete(address, orphan, Cause::Destroy, wanted);
                self.block_last(duplicate::unclear(observed, orphan));
            } else if self.policy.selected.is_some() {
                // What is declared and not selected is no orphan, and what is an orphan is not selected.
            } else if self.policy.prune {
                self.delete(address, orphan, Cause::Orphan, None);
                self.block_last(duplicate::unclear(observed, orphan));
            } else {
                plan.orphans.push(address.clone());
            }
        }
        for (address, behind) in &observed.left_behind {
            if self.policy.is_about(address) {
                self.release(address, behind, plan);
            }
        }
        // Keys are read only where one is declared, or orphans are looked for.
        if !observed.listed.contains(&Kind::StreamKey) && self.policy.selected.is_none() {
            let remembering = observed.owned.iter().filter(|(address, it)| {
                owner::remembered_key(&it.tags).is_some() && self.manifests.contains_key(address)
            });
            let channels: Vec<Address> = remembering.map(|(address, _)| address.clone()).collect();
            plan.notes.extend((!channels.is_empty()).then_some(Note::UndeclaredKeys { channels }));
        }
    }

    /// What came with an object stays with it, and is released where its manifest is about another object by
    /// now, or where orphans are pruned. It is deleted with that object.
    fn release(&mut self, address: &'a Address, observed: &'a Observed, plan: &mut Plan) {
        let parent = observed.kind.facts().created_by;
        let edges = observed.spec.iter().flat_map(Spec::refs);
        let parents: Vec<Arn> = edges
            .filter(|it| Some(it.kind) == parent)
            .filter_map(|it| it.to.arn(&self.observed.addresses))
            .collect();
        let goes = |it: &Draft| {
            it.step.action == Action::Delete
                && it.step.arn.as_ref().is_some_and(|arn| parents.contains(arn))
        };
        if self.policy.destroy || self.drafts.iter().any(goes) {
            return;
        }
        let wanted = self.manifests.get(address).copied();
        if wanted.is_none() && !self.policy.prune {
            plan.orphans.push(address.clone());
            return;
        }
        let blocked = match wanted {
            Some(it) if !it.lifecycle.protect => None,
            _ => protected(observed, wanted),
        };
        self.push(Step {
            id: 0,
            address: address.clone(),
            action: Action::Release,
            arn: Some(observed.arn.clone()),
            spec: None,
            before: observed.spec.clone(),
            ignored: Vec::new(),
            owner: observed.owner(),
            ownership: OwnershipTags::default(),
            because: vec![if wanted.is_some() { Cause::Moved } else { Cause::Orphan }],
            fields: Vec::new(),
            after: Vec::new(),
            impact: None,
            decision: blocked.map_or(Decision::Do, Decision::Blocked),
            origin: wanted.map(|it| it.origin),
        });
    }

    /// The predecessor of what AWS failed to make stays until there is one of use.
    fn wait_for_a_usable_successor(&mut self, address: &Address) {
        let Some(successor) = self.observed.owned.get(address).filter(|it| it.has_failed()) else {
            return;
        };
        let made = self.replaced.get(address).copied();
        let Some(old) = self.drafts.last_mut() else { return };
        match made {
            Some(made) => {
                old.needs.insert(made);
            }
            None if old.step.decision.is_do() => {
                let (arn, state) = (successor.arn.clone(), successor.state.clone());
                let state = state.unwrap_or_default();
                old.step.decision = Decision::Deferred(Reason::SuccessorFailed { arn, state });
            }
            None => {}
        }
    }

    /// One that is not the first of its name goes once that is proven; where its name is not declared, it is
    /// an orphan as the first one is.
    fn settle_duplicate(&mut self, it: &'a Duplicate, taken: &BTreeSet<Arn>) {
        let facts = it.observed.kind.facts();
        // What is listed for each of something else is there as often as that is.
        if facts.listed_under.is_some() {
            return;
        }
        let ending = facts.ending;
        if it.observed.state.as_deref().is_some_and(|state| ending.contains(&state)) {
            return;
        }
        if taken.contains(&it.winner) {
            let cause = Cause::Duplicate { of: it.winner.clone() };
            self.delete(&it.address, &it.observed, cause, None);
            let step = &mut self.drafts.last_mut().expect("just pushed").step;
            match duplicate::decide(self.observed, it) {
                Some(decision) => step.decision = decision,
                // What protects the address is the tag of the copy that counts.
                None if self.observed.is_own(&step.owner)
                    && !self.holding.contains(&it.observed.arn) =>
                {
                    step.decision = Decision::Do;
                }
                None => {}
            }
            return;
        }
        // All of a name that is not declared go alike: none of them is the one to stay.
        let cause = match (self.policy.destroy, self.policy.prune) {
            (true, _) => Cause::Destroy,
            (false, true) => Cause::Orphan,
            (false, false) => return,
        };
        self.delete(&it.address, &it.observed, cause, None);
        self.block_last(
            duplicate::unclear_which(self.observed, it).or_else(|| duplicate::not_as_made(it)),
        );
    }

    /// What a resource acts on may not be another stack's or tool's: neither a stream key that comes with a
    /// foreign channel, nor what puts a picture on one.
    fn refuse_what_acts_on_others(&mut self) {
        let observed = self.observed;
        let mut refused: Vec<(usize, Reason)> = Vec::new();
        for (index, draft) in self.drafts.iter().enumerate() {
            let step = &draft.step;
            let acts = match step.action {
                Action::Release => false,
                // Tags of what comes with an object are tags on that owner's object.
                Action::Retag => step.address.kind.facts().created_by.is_some(),
                _ => true,
            };
            let edges = step.spec.iter().filter(|_| acts).flat_map(Spec::acts_on);
            let foreign = edges.filter_map(|edge| {
                let Pointer::Outside(arn) = &edge.to else { return None };
                let owner = observed.all().find(|it| it.arn == *arn)?.owner();
                let ours = owner == Owner::Unowned || owner.in_stack(&self.stack.name).is_some();
                let (field, arn) = (edge.field.clone(), arn.clone());
                (!ours).then_some(Reason::ActsOnForeignObject { field, arn, owner })
            });
            refused.extend(foreign.take(1).map(|reason| (index, reason)));
        }
        for (index, reason) in refused {
            let arn = self.drafts[index].step.arn.clone();
            self.drafts[index].step.decision = Decision::Unmanaged(reason.clone());
            for other in self.drafts.iter_mut().map(|it| &mut it.step) {
                let makes_room = other.because == [Cause::MakesRoom];
                if makes_room && other.arn.is_some() && other.arn == arn {
                    other.decision = Decision::Unmanaged(reason.clone());
                }
            }
        }
    }

    fn block_last(&mut self, reason: Option<Reason>) {
        if let (Some(reason), Some(last)) = (reason, self.drafts.last_mut()) {
            last.step.decision = Decision::Blocked(reason);
        }
    }

    fn push(&mut self, step: Step) -> usize {
        self.drafts.push(Draft { step, needs: BTreeSet::new() });
        self.drafts.len() - 1
    }

    /// Edges, then what follows from them: numbers, and which steps wait for a step that is not done.
    fn order(&mut self, plan: &mut Plan) {
        self.connect();
        self.excuse_channels_of_stopped_compositions();
        self.start_late();
        let edges = self.drafts.iter().enumerate();
        let edges = edges.flat_map(|(index, it)| it.needs.iter().map(move |needs| (index, *needs)));
        let depths = graph::depths(0..self.drafts.len(), edges)
            .expect("references between kinds have no circles, and deletes run against them");
        let mut order: Vec<usize> = (0..self.drafts.len()).collect();
        order.sort_by_key(|&index| {
            let step = &self.drafts[index].step;
            (depths[&index], step.address.clone(), step.action, step.arn.clone())
        });
        for &index in &order {
            self.wait_for_the_undone(index);
        }
        let ids: BTreeMap<usize, StepId> =
            order.iter().enumerate().map(|(position, index)| (*index, position + 1)).collect();
        for &index in &order {
            let draft = &self.drafts[index];
            let mut step = draft.step.clone();
            step.id = ids[&index];
            step.after = draft.needs.iter().map(|needs| ids[needs]).collect();
            step.after.sort_unstable();
            plan.steps.push(step);
        }
        plan.unchanged.sort();
        plan.orphans.sort();
    }

    /// Creates and updates come after what they will refer to, deletes after everything that still
    /// refers to what is deleted: the edges of what is wanted, and the edges of what exists.
    fn connect(&mut self) {
        let mut making: BTreeMap<&Address, usize> = BTreeMap::new();
        let mut touching: BTreeMap<&Arn, Vec<usize>> = BTreeMap::new();
        for (index, draft) in self.drafts.iter().enumerate() {
            let step = &draft.step;
            if step.spec.is_some() && step.action != Action::Retag {
                making.insert(&step.address, index);
            }
            if let Some(arn) = &step.arn {
                touching.entry(arn).or_default().push(index);
            }
        }
        let mut needs: Vec<(usize, usize)> = Vec::new();
        let mut holding: Vec<(usize, &Observed, bool)> = Vec::new();
        for (arn, users) in &self.observed.users {
            let deletes = touching.get(arn).into_iter().flatten();
            let deletes = deletes.filter(|it| self.drafts[**it].step.action == Action::Delete);
            // What comes with an object is deleted with it; where that is protected, the delete is blocked.
            let users = users.iter().filter(|it| it.kind.facts().created_by.is_none());
            holding
                .extend(deletes.flat_map(|it| users.clone().map(move |user| (*it, user, false))));
        }
        for (index, draft) in self.drafts.iter().enumerate() {
            for target in draft.step.spec.iter().flat_map(named_targets) {
                needs.extend(making.get(&target).map(|target| (index, *target)));
            }
        }
        needs.extend(self.after_whoever_has_it());
        for referrer in self.observed.all() {
            let moved = touching.get(&referrer.arn).map_or(&[][..], Vec::as_slice);
            // What comes with something goes with it, so it does not hold it back, unless it is to stay.
            let address = self.observed.addresses.address(&referrer.arn);
            let stays =
                !self.policy.destroy && address.is_some_and(|it| self.manifests.contains_key(it));
            let created_by = referrer.kind.facts().created_by.filter(|_| !stays);
            let edges = referrer.spec.iter().flat_map(Spec::refs);
            for edge in edges.filter(|edge| created_by != Some(edge.kind)) {
                let Some(arn) = edge.to.arn(&self.observed.addresses) else { continue };
                for &deleted in touching.get(&arn).into_iter().flatten() {
                    if self.drafts[deleted].step.action != Action::Delete {
                        continue;
                    }
                    // A delete-first pair is over with its delete; a create-first one with its create,
                    // which does not move the old object's references: only its delete does.
                    let lets_go = |it: &usize| {
                        let step = &self.drafts[*it].step;
                        let moves = !matches!(step.action, Action::Replace | Action::Retag);
                        *it != deleted && moves && !self.still_refers(step, &arn)
                    };
                    if moved.iter().any(lets_go) {
                        needs.extend(moved.iter().copied().filter(lets_go).map(|it| (deleted, it)));
                    } else {
                        // One that is to be replaced, and cannot be in this run, lets go in a later one.
                        let later = moved.iter().any(|it| {
                            let step = &self.drafts[*it].step;
                            let waits = matches!(step.decision, Decision::Deferred(_));
                            *it != deleted && waits && !self.still_refers(step, &arn)
                        });
                        holding.push((deleted, referrer, later));
                    }
                }
            }
        }
        for (index, needed) in needs {
            if index != needed {
                self.drafts[index].needs.insert(needed);
            }
        }
        // All of one kind of answer are named at once, so that nobody meets them one by one.
        let mut held: BTreeMap<usize, (Vec<Referrer>, bool)> = BTreeMap::new();
        for (deleted, referrer, later) in holding {
            let arn = referrer.arn.clone();
            let name = match (self.observed.addresses.address(&arn), referrer.owner()) {
                (Some(address), _) => Referrer::Managed(address.clone()),
                (None, Owner::Stack(ownership)) if ownership.stack == self.stack.name => {
                    Referrer::Managed(Address::new(referrer.kind, ownership.name))
                }
                (None, owner @ (Owner::Stack(_) | Owner::CloudFormation(_))) => {
                    Referrer::Foreign { arn, owner }
                }
                (None, _) => Referrer::Undeclared { arn },
            };
            let held = held.entry(deleted).or_insert_with(|| (Vec::new(), true));
            if !held.0.contains(&name) {
                held.0.push(name);
            }
            held.1 &= later;
        }
        for (deleted, (by, later)) in held {
            let step = &mut self.drafts[deleted].step;
            let reason = Reason::StillReferredTo { by };
            let duplicate = step.because.iter().any(|it| matches!(it, Cause::Duplicate { .. }));
            if duplicate && !later && !matches!(step.decision, Decision::Blocked(_)) {
                step.decision = Decision::Blocked(reason);
            } else if step.decision.is_do() {
                step.decision = Decision::Deferred(reason);
            }
        }
        self.spare_used_duplicates();
        self.make_room_late();
        self.delete_predecessors_first();
        self.free_names();
    }

    /// A name is given to an object only when the object that has it has given it up, so that there are never
    /// two of one name. In a circle of renames one object gets a name of its own in between.
    fn free_names(&mut self) {
        let mut after: BTreeMap<usize, usize> = BTreeMap::new();
        let mut taken: Vec<(usize, Arn)> = Vec::new();
        for (index, draft) in self.drafts.iter().enumerate() {
            let step = &draft.step;
            let names = step.spec.is_some() && step.decision.is_do();
            let Some(holder) = self.observed.owned.get(&step.address).filter(|_| names) else {
                continue;
            };
            if step.arn.as_ref() == Some(&holder.arn) {
                continue;
            }
            let frees = self.drafts.iter().position(|other| {
                let renames = other.step.action == Action::Rename;
                let gives_up = renames && other.step.address != step.address;
                other.step.arn.as_ref() == Some(&holder.arn)
                    && (gives_up || other.step.action == Action::Delete)
            });
            match frees {
                Some(frees) => drop(after.insert(index, frees)),
                None => taken.push((index, holder.arn.clone())),
            }
        }
        for (index, holder) in taken {
            let step = &mut self.drafts[index].step;
            let reason = Reason::NameTaken { address: step.address.clone(), holder };
            step.decision = Decision::Blocked(reason);
        }
        for index in after.keys().copied().collect::<Vec<_>>() {
            if self.comes_before(index, after[&index], &after) {
                self.make_way(index, &mut after);
            }
        }
        for (index, needed) in after {
            self.drafts[index].needs.insert(needed);
        }
    }

    /// Whether draft `first` comes before draft `then`, by what they need and by the names that are freed for them.
    fn comes_before(&self, first: usize, then: usize, after: &BTreeMap<usize, usize>) -> bool {
        let mut open = vec![then];
        let mut seen = BTreeSet::new();
        while let Some(at) = open.pop() {
            if at == first {
                return true;
            }
            if seen.insert(at) {
                open.extend(self.drafts[at].needs.iter().chain(after.get(&at)));
            }
        }
        false
    }

    /// The object of a draft, whose name another draft of the same circle waits for, gets a name in between that
    /// no manifest can have.
    fn make_way(&mut self, index: usize, after: &mut BTreeMap<usize, usize>) {
        let step = &self.drafts[index].step;
        let (Owner::Stack(owned), Some(arn)) = (&step.owner, step.arn.clone()) else { return };
        let ownership = OwnershipTags {
            name: under_way(&step.address.name),
            was: step.ownership.was.clone(),
            meant_protected: owned.protect,
            separate: false,
            ..owned.clone()
        };
        let making_way = Step {
            action: Action::Rename,
            spec: step.before.clone(),
            fields: Vec::new(),
            because: vec![Cause::Rename { from: owned.name.clone() }],
            impact: None,
            decision: Decision::Do,
            ownership: ownership.clone(),
            ..step.clone()
        };
        let way = self.push(making_way);
        for needed in after.values_mut() {
            if self.drafts[*needed].step.arn.as_ref() == Some(&arn) {
                *needed = way;
            }
        }
        for draft in &mut self.drafts[..way] {
            if draft.step.arn.as_ref() == Some(&arn) {
                draft.needs.insert(way);
                draft.step.owner = Owner::Stack(ownership.clone());
            }
        }
    }

    /// Of what was read only to know who refers to a duplicate, no step makes anything let go of it.
    fn spare_used_duplicates(&mut self) {
        let planned: BTreeSet<&Arn> =
            self.observed.all().filter(|it| it.spec.is_some()).map(|it| &it.arn).collect();
        for draft in &mut self.drafts {
            let step = &mut draft.step;
            if !step.because.iter().any(|it| matches!(it, Cause::Duplicate { .. })) {
                continue;
            }
            let users =
                self.observed.referrers.iter().filter(|(_, to)| step.arn.as_ref() == Some(to));
            if let Some((user, _)) = users.into_iter().find(|(user, _)| !planned.contains(user))
                && !matches!(step.decision, Decision::Blocked(_))
            {
                step.decision = Decision::Blocked(Reason::DuplicateReferredTo { by: user.clone() });
            }
        }
    }

    /// Whether an object will refer to `arn` after a step.
    fn still_refers(&self, step: &Step, arn: &Arn) -> bool {
        let spec = step.wanted(step.before.as_ref());
        spec.iter().flat_map(Spec::refs).any(|edge| match &edge.to {
            Pointer::Named(address) => {
                !self.replaced.contains_key(address)
                    && self.observed.addresses.arn(address) == Some(arn)
            }
            Pointer::Outside(outside) => outside == arn,
        })
    }

    /// The tags of a successor are all that says that its predecessor is one, so it stays until that is
    /// gone.
    fn delete_predecessors_first(&mut self) {
        let deletes: BTreeMap<&str, usize> = self
            .drafts
            .iter()
            .enumerate()
            .filter(|(_, it)| it.step.action == Action::Delete)
            .filter_map(|(index, it)| Some((it.step.arn.as_ref()?.id(), index)))
            .collect();
        let mut needs = Vec::new();
        for (index, draft) in self.drafts.iter().enumerate() {
            let Owner::Stack(ownership) = &draft.step.owner else { continue };
            // The successor of one that failed says so as well.
            if draft.step.because.contains(&Cause::MakesRoom) {
                continue;
            }
            let predecessor = ownership.replaces.as_deref().and_then(|id| deletes.get(id));
            if let (Action::Delete, Some(&predecessor)) = (draft.step.action, predecessor) {
                needs.push((index, predecessor));
            }
        }
        for (index, predecessor) in needs {
            if index != predecessor {
                self.drafts[index].needs.insert(predecessor);
            }
        }
    }

    /// Where the old one has to go first, it goes only when all that its successor needs is there: nothing
    /// is off the air because something else failed.
    fn make_room_late(&mut self) {
        for index in 0..self.drafts.len() {
            if self.drafts[index].step.action != Action::Replace {
                continue;
            }
            let arn = self.drafts[index].step.arn.clone();
            let room = self.drafts[index].needs.iter().copied().find(|&it| {
                self.drafts[it].step.action == Action::Delete && self.drafts[it].step.arn == arn
            });
            if let Some(room) = room {
                let needs = self.drafts[index].needs.iter().copied();
                let makes = |it: &usize| self.drafts[*it].step.action.makes();
                let ground: Vec<usize> = needs.filter(makes).collect();
                self.drafts[room].needs.extend(ground);
            }
        }
    }

    /// What only one object can have is free once the object that has it is deleted: a key that moves to
    /// another name, or two that swap theirs.
    fn after_whoever_has_it(&self) -> Vec<(usize, usize)> {
        // One that is to be replaced in a later run has it till then.
        let keeps = |step: &Step| step.action == Action::Replace && !step.decision.is_do();
        let had_by = |step: &Step| {
            let has = step.action == Action::Delete || keeps(step);
            let spec = step.before.as_ref().filter(|_| has)?;
            Some((spec.kind(), spec.exclusive()?.value))
        };
        let made_by = |step: &Step| {
            let spec = step.spec.as_ref().filter(|_| step.action.makes())?;
            Some((spec.kind(), spec.exclusive()?.value))
        };
        let drafts = || self.drafts.iter().enumerate();
        let freed: BTreeMap<_, usize> =
            drafts().filter_map(|(index, it)| Some((had_by(&it.step)?, index))).collect();
        drafts().filter_map(|(index, it)| Some((index, *freed.get(&made_by(&it.step)?)?))).collect()
    }

    /// A channel whose stream is that of a composition which this plan stops is not live by the time its
    /// own turn comes.
    fn excuse_channels_of_stopped_compositions(&mut self) {
        let stopping = self.stopping();
        for draft in &mut self.drafts {
            let step = &mut draft.step;
            let feeding = step.impact.as_ref().and_then(|it| it.composition.clone());
            let other = feeding.filter(|arn| step.arn.as_ref() != Some(arn));
            let Some(&stop) = other.and_then(|arn| stopping.get(&arn)) else { continue };
            if step.action == Action::Delete && matches!(step.decision, Decision::Deferred(_)) {
                step.decision = Decision::Do;
                step.impact = None;
            }
            draft.needs.insert(stop);
        }
    }

    /// What this plan deletes or stops, with the draft that does it.
    fn stopping(&self) -> BTreeMap<Arn, usize> {
        let deletes = self.drafts.iter().enumerate();
        let deletes =
            deletes.filter(|(_, it)| it.step.action == Action::Delete && it.step.decision.is_do());
        deletes.filter_map(|(index, it)| Some((it.step.arn.clone()?, index))).collect()
    }

    /// What starts only where another object is offline, and makes it live, as a composition does its channel:
    /// it comes after all that this plan does to that object and to what comes with it, since that could not be
    /// done later; and it waits while somebody else is live there.
    fn start_late(&mut self) {
        let stopping = self.stopping();
        let mut needs = Vec::new();
        let mut waits = Vec::new();
        for (index, draft) in self.drafts.iter().enumerate() {
            let step = &draft.step;
            let starts = step.action.makes() && step.decision.is_do();
            for edge in step.spec.iter().filter(|_| starts).flat_map(Spec::must_be_offline) {
                let arn = edge.to.arn(&self.observed.addresses);
                needs.extend(self.changes_of_what_comes_with(&edge).map(|it| (index, it)));
                let Some(arn) = arn else { continue };
                let Some(audience) = self.observed.audience.get(&arn) else { continue };
                let feeding = audience.composition.as_ref();
                if feeding.is_some() && feeding == step.arn.as_ref() {
                    continue;
                }
                if let Some(&stop) = feeding.and_then(|it| stopping.get(it)) {
                    needs.push((index, stop));
                } else if !self.is_interrupted(&arn) {
                    let (target, audience) = (edge.to.clone(), audience.clone());
                    waits.push((index, Reason::TargetLive { target, audience }));
                }
            }
        }
        for (index, needed) in needs {
            self.drafts[index].needs.insert(needed);
        }
        for (index, reason) in waits {
            let arn = self.drafts[index].step.arn.clone();
            self.drafts[index].step.decision = Decision::Deferred(reason.clone());
            // What runs is not stopped for a successor that cannot start.
            for draft in &mut self.drafts {
                let step = &mut draft.step;
                let room = step.because.contains(&Cause::MakesRoom) && step.arn == arn;
                if room && step.decision.is_do() {
                    step.decision = Decision::Deferred(reason.clone());
                }
            }
        }
    }

    /// Drafts that change what AWS makes together with the object at the end of `edge`, tags aside.
    fn changes_of_what_comes_with(&self, edge: &Edge) -> impl Iterator<Item = usize> {
        let arn = edge.to.arn(&self.observed.addresses);
        self.drafts.iter().enumerate().filter_map(move |(index, it)| {
            let step = &it.step;
            let changes = matches!(step.action, Action::Delete | Action::Replace | Action::Update);
            let mut edges = step.before.iter().chain(&step.spec).flat_map(Spec::refs);
            let created_by = step.address.kind.facts().created_by == Some(edge.kind);
            let its = created_by
                && changes
                && step.decision.is_do()
                && edges.any(|it| {
                    it.to == edge.to || arn.is_some() && it.to.arn(&self.observed.addresses) == arn
                });
            its.then_some(index)
        })
    }

    /// Whether this plan disconnects those who are live on an object.
    fn is_interrupted(&self, arn: &Arn) -> bool {
        let steps = self.drafts.iter().map(|it| &it.step);
        let mut its = steps.filter(|it| it.arn.as_ref() == Some(arn));
        its.any(|it| it.decision == Decision::Interrupt)
    }

    /// A step whose ground is not laid in this run waits with it; one that only follows an update of what
    /// it refers to does not, since the object is there, nor one that refers to what a later run replaces.
    fn wait_for_the_undone(&mut self, index: usize) {
        let draft = &self.drafts[index];
        if !draft.step.decision.is_do() {
            return;
        }
        let blocking = draft.needs.iter().find(|&&needed| {
            let needed = &self.drafts[needed].step;
            let failed = needed.because.iter().any(|it| matches!(it, Cause::Failed { .. }));
            let stays = needed.action == Action::Replace
                && !failed
                && matches!(needed.decision, Decision::Deferred(_))
                && !self.replaced.contains_key(&needed.address)
                && draft.step.action != Action::Delete;
            !needed.decision.is_do() && draft.step.stands_on(needed) && !stays
        });
        let Some(&blocking) = blocking else { return };
        let blocking = &self.drafts[blocking].step;
        // Two objects of one name would read as one that waits for itself.
        let other = blocking.address != self.drafts[index].step.address;
        let address = other.then(|| blocking.address.clone());
        let waits = Reason::WaitsFor { address, action: blocking.action };
        let decision = match &blocking.decision {
            Decision::Dormant(_) => Decision::Dormant(waits),
            _ => Decision::Deferred(waits),
        };
        self.drafts[index].step.decision = decision;
    }
}

/// Resources that are deleted beside a single one that is created with the same spec, whatever its display
/// name: a manifest that was renamed without `previousNames` looks like that.
fn possible_renames(plan: &Plan, observed: &ObservedState) -> Vec<Note> {
    let orphans =
        plan.orphans.iter().filter_map(|it| Some((it, observed.owned.get(it)?.spec.as_ref()?)));
    let deleted = plan.steps.iter().filter(|it| it.because == [Cause::Orphan]);
    let deleted = deleted.filter_map(|it| Some((&it.address, it.before.as_ref()?)));
    let going: Vec<(&Address, Spec)> =
        deleted.chain(orphans).map(|(address, spec)| (address, nameless(spec))).collect();
    let created = plan.steps.iter().filter(|it| it.action == Action::Create);
    let coming: Vec<(&Address, Spec)> =
        created.filter_map(|it| Some((&it.address, nameless(it.spec.as_ref()?)))).collect();
    let mut notes = Vec::new();
    for (from, spec) in &going {
        // Of several that are alike it is unclear which became which.
        let same = |(_, other): &&(&Address, Spec)| other == spec;
        let mut to = coming.iter().filter(same);
        if let (Some((to, _)), None, 1) = (to.next(), to.next(), going.iter().filter(same).count())
        {
            notes.push(Note::PossibleRename { from: (*from).clone(), to: (*to).clone() });
        }
    }
    notes
}

fn nameless(spec: &Spec) -> Spec {
    let mut spec = spec.clone();
    if let Some(name) = spec.name_mut() {
        *name = None;
    }
    spec
}

/// The spec as its manifest means it for the object that is there. A display name that is only the default
/// follows the logical name, but a rename is no reason to touch, let alone replace, the object: it keeps its
/// name, and its digest is of that one.
fn with_name<'a>(wanted: &'a Desired, before: &Spec) -> Cow<'a, Spec> {
    let mut spec = Cow::Borrowed(&wanted.spec);
    if wanted.name_is_default && wanted.spec != *before {
        let display = before.clone().name_mut().cloned().flatten();
        let create_only = !wanted.address.kind.can_update("spec.name");
        let former = |it: &String| wanted.previous_names.contains(it);
        if (create_only || display.as_ref().is_some_and(former))
            && let Some(name) = spec.to_mut().name_mut()
        {
            *name = display;
        }
    }
    spec
}

/// What becomes of a resource that is not made at the moment.
fn not_made(existence: Existence, kind: Kind) -> Decision {
    match Reason::of(existence, kind) {
        Some(reason) if existence == Existence::Dormant => Decision::Dormant(reason),
        Some(reason) => Decision::Blocked(reason),
        None => Decision::Do,
    }
}

fn draft(
    wanted: &Desired,
    action: Action,
    observed: Option<&Observed>,
    ownership: OwnershipTags,
) -> Step {
    Step {
        id: 0,
        address: wanted.address.clone(),
        action,
        arn: observed.map(|it| it.arn.clone()),
        spec: Some(wanted.spec.clone()),
        before: observed.and_then(|it| it.spec.clone()),
        ignored: Vec::new(),
        owner: observed.map_or(Owner::Unowned, Observed::owner),
        ownership,
        because: Vec::new(),
        fields: Vec::new(),
        after: Vec::new(),
        impact: None,
        decision: Decision::Do,
        origin: Some(wanted.origin),
    }
}
