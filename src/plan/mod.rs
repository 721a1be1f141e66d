//! The pure heart: what is wanted, what is there, what may be done → what to do, in which order, and why.
//!
//! Takes everything as arguments and returns a value. Knows no clock, no network, no terminal, no SDK.

pub mod graph;
pub mod policy;
pub mod step;

pub use policy::{Policy, Refusal};
pub use step::{Action, Cause, Decision, Note, Plan, Status, Step, StepId, Summary};

use crate::kinds::spec::{FieldChange, difference, named_targets};
use crate::kinds::{
    Address, Arn, Body, Desired, Live, LiveState, Marks, Owner, Pointer, Presence, Replace, Stack,
};
use policy::{on_audience, protected, quotas};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use step::foreign;

/// What makes `live` equal to `desired`, as far as `policy` allows. The same input gives the same plan,
/// whatever the order of the manifests.
///
/// # Panics
/// If `desired` refers in a circle; loading manifests refuses that.
pub fn plan(stack: &Stack, desired: &[Desired], live: &LiveState, policy: &Policy) -> Plan {
    let mut planner =
        Planner { stack, live, policy, drafts: Vec::new(), replaced: BTreeMap::new() };
    let mut plan = Plan::default();
    let mut taken = BTreeSet::new();
    if !policy.destroy {
        for wanted in in_dependency_order(desired) {
            planner.settle(wanted, &mut plan, &mut taken);
        }
    }
    planner.clear_up(&mut plan, &taken);
    planner.order(&mut plan);
    plan.notes.extend(live.duplicates.iter().map(|(address, live)| Note::Duplicate {
        address: address.clone(),
        arn: live.arn.clone(),
    }));
    let notes = quotas(&plan, live, stack);
    plan.notes.extend(notes);
    plan
}

/// Resources with what they refer to first, by address among equals.
fn in_dependency_order(desired: &[Desired]) -> Vec<&Desired> {
    let by_address: BTreeMap<&Address, &Desired> =
        desired.iter().map(|it| (&it.address, it)).collect();
    let targets: Vec<(&Address, Vec<Address>)> =
        desired.iter().map(|it| (&it.address, named_targets(&it.body))).collect();
    let edges = targets.iter().flat_map(|(from, to)| {
        to.iter().filter_map(|to| Some((*from, *by_address.get_key_value(to)?.0)))
    });
    let depths = graph::depths(by_address.keys().copied(), edges)
        .expect("manifests that refer in a circle are refused when they are loaded");
    let mut order: Vec<&Desired> = by_address.into_values().collect();
    order.sort_by_key(|it| depths[&it.address]);
    order
}

/// A step before it has a number; `needs` are indices of other drafts.
struct Draft {
    step: Step,
    needs: BTreeSet<usize>,
}

struct Planner<'a> {
    stack: &'a Stack,
    live: &'a LiveState,
    policy: &'a Policy,
    drafts: Vec<Draft>,
    /// Addresses whose object is replaced, with the draft that makes the new one.
    replaced: BTreeMap<Address, usize>,
}

/// How a declared resource is found in the account.
enum Found<'a> {
    Owned(&'a Live),
    Renamed(&'a Live, String),
    Adoptable(&'a Live),
    Foreign(&'a Live, Owner),
    Missing,
}

impl<'a> Planner<'a> {
    /// Whose turn is `wanted`: what differs, and what follows from that.
    fn settle(&mut self, wanted: &'a Desired, plan: &mut Plan, taken: &mut BTreeSet<Arn>) {
        let found = self.find(wanted);
        let presence = wanted.body.presence(&|stage| self.in_session(stage));
        let marks = self.marks(wanted);
        match found {
            Found::Foreign(live, owner) => {
                let mut step = draft(wanted, Action::Adopt, Some(live), marks);
                step.because = vec![Cause::Adopt];
                step.decision = Decision::Unmanaged(foreign(&owner));
                self.push(step);
            }
            Found::Missing => match presence {
                Presence::Wanted => {
                    // What AWS makes together with something else is taken over as soon as it is there.
                    let comes = wanted.address.kind.facts().comes_with.is_some()
                        && wanted.body.refs().iter().any(|it| it.to.arn(&self.live.book).is_none());
                    let (action, cause) = if comes {
                        (Action::Adopt, Cause::Adopt)
                    } else {
                        (Action::Create, Cause::Missing)
                    };
                    let mut step = draft(wanted, action, None, marks);
                    step.because = vec![cause];
                    self.push(step);
                }
                Presence::Dormant => {
                    let mut step = draft(wanted, Action::Create, None, marks);
                    step.because = vec![Cause::Missing];
                    step.decision = Decision::Dormant("its stage has no session".to_owned());
                    self.push(step);
                }
                Presence::Unmakeable(why) => {
                    let mut step = draft(wanted, Action::Create, None, marks);
                    step.because = vec![Cause::Missing];
                    step.decision = Decision::Blocked(why.to_owned());
                    self.push(step);
                }
                Presence::Unwanted => plan.unchanged.push(wanted.address.clone()),
            },
            Found::Owned(live) | Found::Renamed(live, _) | Found::Adoptable(live) => {
                taken.insert(live.arn.clone());
                if presence == Presence::Unwanted {
                    self.delete(&wanted.address, live, Cause::Stopped, Some(wanted));
                    return;
                }
                self.compare(wanted, live, &found, presence, marks, plan);
            }
        }
    }

    fn find(&self, wanted: &Desired) -> Found<'a> {
        if let Some(live) = self.live.owned.get(&wanted.address) {
            return Found::Owned(live);
        }
        for name in &wanted.previous_names {
            let before = Address::new(wanted.address.kind, name.clone());
            if let Some(live) = self.live.owned.get(&before) {
                return Found::Renamed(live, name.clone());
            }
        }
        if let Some(live) = self.live.adoptable.get(&wanted.address) {
            return Found::Adoptable(live);
        }
        let adopt = wanted.lifecycle.adopt.as_deref().map(Arn::new);
        if let Some(live) = adopt.and_then(|arn| self.live.others.get(&arn)) {
            return Found::Foreign(live, live.owner());
        }
        Found::Missing
    }

    fn marks(&self, wanted: &Desired) -> Marks {
        Marks {
            stack: self.stack.name.clone(),
            name: wanted.address.name.clone(),
            protect: wanted.lifecycle.protect,
            rotation: wanted.body.rotation().map(ToOwned::to_owned),
            ..Marks::default()
        }
    }

    fn in_session(&self, stage: &Pointer) -> bool {
        let arn = stage.arn(&self.live.book);
        arn.and_then(|arn| self.live.audience.get(&arn)).is_some_and(|it| it.session.is_some())
    }

    /// One that is there: unchanged, retagged, updated or replaced.
    fn compare(
        &mut self,
        wanted: &'a Desired,
        live: &'a Live,
        found: &Found<'a>,
        presence: Presence,
        mut marks: Marks,
        plan: &mut Plan,
    ) {
        let before = live.body.as_ref().expect("what is declared and there was read");
        let body = wanted.body.with_ignored(before, &wanted.lifecycle.ignore_changes);
        let mut fields = difference(before, &body, &[]);
        let upstream = self.upstream(&body, &mut fields);
        let owned = match live.owner() {
            Owner::Stack(marks) => Some(marks),
            _ => None,
        };
        if let Some(owned) = &owned {
            marks.op.clone_from(&owned.op);
            marks.replaces.clone_from(&owned.replaces);
            if owned.protect != marks.protect {
                fields.push(FieldChange {
                    path: "lifecycle.protect".to_owned(),
                    before: Value::Bool(owned.protect),
                    after: Value::Bool(marks.protect),
                });
            }
        }
        let kind = wanted.address.kind;
        let spec = |it: &&FieldChange| !it.is_tag() && it.path.starts_with("spec");
        let immutable: Vec<String> = fields
            .iter()
            .filter(spec)
            .filter(|it| !kind.can_update(it))
            .map(|it| it.path.clone())
            .collect();
        let failed =
            kind.facts().usable.filter(|(_, failed)| live.state.as_deref() == Some(failed));
        let mut because = Vec::new();
        if fields.iter().any(|it| !upstream.iter().any(|(path, _)| *path == it.path)) {
            let digest = wanted.body.digest(&self.live.book);
            let as_applied = owned.as_ref().is_some_and(|it| digest.as_deref() == Some(&it.digest));
            because.push(if as_applied { Cause::Drift } else { Cause::Pending });
        }
        because.extend(upstream.into_iter().map(|(_, address)| Cause::Upstream { address }));
        if failed.is_some() || !immutable.is_empty() {
            match failed {
                Some((_, state)) => because.push(Cause::Failed { state: state.to_owned() }),
                None => because.push(Cause::Immutable { fields: immutable }),
            }
            let mut step = draft(wanted, Action::Replace, Some(live), marks);
            step.fields = fields;
            step.because = because;
            step.body = Some(body);
            self.replace(step, live, wanted, presence);
            return;
        }
        let action = match found {
            Found::Renamed(_, from) => {
                because.insert(0, Cause::Rename { from: from.clone() });
                Action::Rename
            }
            Found::Adoptable(_) => {
                because = vec![Cause::Adopt];
                Action::Adopt
            }
            _ if fields.iter().any(|it| spec(&it)) => Action::Update,
            _ if !fields.is_empty() => Action::Retag,
            _ => {
                plan.unchanged.push(wanted.address.clone());
                return;
            }
        };
        let writes_spec = fields.iter().any(|it| spec(&it));
        let mut step = draft(wanted, action, Some(live), marks);
        step.fields = fields;
        step.because = because;
        step.body = Some(body);
        if writes_spec && let Some(audience) = self.live.audience.get(&live.arn) {
            step.impact = Some(audience.clone());
            let on_live = Some(wanted.lifecycle.on_live);
            step.decision = on_audience(&wanted.address, on_live, audience, self.policy);
        }
        self.push(step);
    }

    /// References to something that is replaced: the name stays, the ARN behind it does not.
    fn upstream(&self, body: &Body, fields: &mut Vec<FieldChange>) -> Vec<(String, Address)> {
        let mut upstream = Vec::new();
        for edge in body.refs() {
            let Pointer::Named(address) = &edge.to else { continue };
            if !self.replaced.contains_key(address) {
                continue;
            }
            let path = format!("spec.{}", edge.field);
            if !fields.iter().any(|it| it.path == path) {
                let old = self.live.book.arn(address).map(|arn| arn.as_str().to_owned());
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

    /// Two steps: the new one and the end of the old one, in the order the kind allows.
    fn replace(&mut self, mut new: Step, live: &'a Live, wanted: &'a Desired, presence: Presence) {
        let first = wanted.address.kind.facts().replace;
        let audience = self.live.audience.get(&live.arn);
        let protected = protected(live);
        if let Some(blocked) = protected {
            new.decision = blocked;
            self.push(new);
            return;
        }
        if let Presence::Unmakeable(why) = presence {
            new.decision = Decision::Blocked(why.to_owned());
            self.push(new);
            return;
        }
        if presence == Presence::Dormant {
            // It ends by itself soon; the next start uses the new spec.
            new.decision =
                Decision::Dormant("its stage has no session, so it ends by itself".to_owned());
            self.push(new);
            return;
        }
        new.marks.op = String::new();
        match first {
            Replace::CreateFirst => {
                new.marks.replaces = Some(live.arn.id().to_owned());
                let address = new.address.clone();
                let made = self.push(new);
                self.replaced.insert(address.clone(), made);
                let mut old = draft(wanted, Action::Delete, Some(live), Marks::default());
                old.because = vec![Cause::Superseded];
                old.body = None;
                // The new one is made all the same; the old one goes once nobody is there.
                if let Some(audience) = audience {
                    let on_live = Some(wanted.lifecycle.on_live);
                    old.decision = on_audience(&wanted.address, on_live, audience, self.policy);
                    old.impact = Some(audience.clone());
                }
                let old = self.push(old);
                self.drafts[old].needs.insert(made);
            }
            Replace::DeleteFirst => {
                new.marks.replaces = None;
                let mut old = draft(wanted, Action::Delete, Some(live), Marks::default());
                old.because = vec![Cause::MakesRoom];
                old.body = None;
                if let Some(audience) = audience {
                    let on_live = Some(wanted.lifecycle.on_live);
                    old.decision = on_audience(&wanted.address, on_live, audience, self.policy);
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
        live: &'a Live,
        cause: Cause,
        wanted: Option<&Desired>,
    ) {
        let mut step = Step {
            id: 0,
            address: address.clone(),
            action: Action::Delete,
            arn: Some(live.arn.clone()),
            body: None,
            before: live.body.clone(),
            marks: Marks::default(),
            because: vec![cause],
            fields: Vec::new(),
            after: Vec::new(),
            impact: None,
            decision: Decision::Do,
            origin: wanted.map(|it| it.origin),
        };
        if let Some(audience) = self.live.audience.get(&live.arn) {
            step.impact = Some(audience.clone());
            let on_live = wanted.map(|it| it.lifecycle.on_live);
            step.decision = on_audience(address, on_live, audience, self.policy);
        }
        if let Some(blocked) = protected(live) {
            step.decision = blocked;
        }
        self.push(step);
    }

    /// What is there and not wanted: predecessors of replaced objects always, orphans with prune.
    fn clear_up(&mut self, plan: &mut Plan, taken: &BTreeSet<Arn>) {
        let live = self.live;
        for (address, old) in &live.superseded {
            self.delete(address, old, Cause::Superseded, None);
        }
        for (address, orphan) in &live.owned {
            if taken.contains(&orphan.arn) {
                continue;
            }
            // What comes with something else goes with it too, and is never deleted by itself.
            if orphan.kind.facts().comes_with.is_some() {
                continue;
            }
            if self.policy.destroy {
                self.delete(address, orphan, Cause::Destroy, None);
            } else if self.policy.prune {
                self.delete(address, orphan, Cause::Orphan, None);
            } else {
                plan.orphans.push(address.clone());
            }
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
            if step.body.is_some() && step.action != Action::Retag {
                making.insert(&step.address, index);
            }
            if let Some(arn) = &step.arn {
                touching.entry(arn).or_default().push(index);
            }
        }
        let mut needs: Vec<(usize, usize)> = Vec::new();
        for (index, draft) in self.drafts.iter().enumerate() {
            for target in draft.step.body.iter().flat_map(named_targets) {
                needs.extend(making.get(&target).map(|target| (index, *target)));
            }
        }
        needs.extend(self.after_whoever_has_it());
        needs.extend(self.oldest_first());
        for referrer in self.live.all() {
            let Some(moved) = touching.get(&referrer.arn) else { continue };
            for edge in referrer.body.iter().flat_map(Body::refs) {
                let Some(arn) = edge.to.arn(&self.live.book) else { continue };
                for &deleted in touching.get(&arn).into_iter().flatten() {
                    if self.drafts[deleted].step.action != Action::Delete {
                        continue;
                    }
                    // A delete-first pair is over with its delete; a create-first one with its create,
                    // which does not move the old object's references: only its delete does.
                    let letting_go = moved.iter().copied().filter(|&it| {
                        let action = self.drafts[it].step.action;
                        it != deleted && !matches!(action, Action::Replace | Action::Retag)
                    });
                    needs.extend(letting_go.map(|it| (deleted, it)));
                }
            }
        }
        for (index, needed) in needs {
            if index != needed {
                self.drafts[index].needs.insert(needed);
            }
        }
    }

    /// Of a chain of replacements the oldest goes first: with a link gone from the middle, what came before
    /// it would look like an object of its own, and the older of two counts.
    fn oldest_first(&self) -> Vec<(usize, usize)> {
        let deletes = self.drafts.iter().enumerate();
        let deletes = deletes.filter(|(_, it)| it.step.action == Action::Delete);
        let of: BTreeMap<&Arn, usize> =
            deletes.filter_map(|(index, it)| Some((it.step.arn.as_ref()?, index))).collect();
        let mut needs = Vec::new();
        for (address, older) in &self.live.superseded {
            let owned = self.live.owned.get(address).into_iter();
            let chain = self.live.superseded.iter().filter(|it| it.0 == *address).map(|it| &it.1);
            for newer in owned.chain(chain) {
                let Owner::Stack(marks) = newer.owner() else { continue };
                if marks.replaces.as_deref() == Some(older.arn.id())
                    && let (Some(&newer), Some(&older)) = (of.get(&newer.arn), of.get(&older.arn))
                {
                    needs.push((newer, older));
                }
            }
        }
        needs
    }

    /// What only one object can have is free once the object that has it is deleted: a key that moves to
    /// another name, or two that swap theirs.
    fn after_whoever_has_it(&self) -> Vec<(usize, usize)> {
        let had_by = |step: &Step| {
            let body = step.before.as_ref().filter(|_| step.action == Action::Delete)?;
            Some((body.kind(), body.exclusive()?.value))
        };
        let made_by = |step: &Step| {
            let body = step.body.as_ref().filter(|_| step.action.makes())?;
            Some((body.kind(), body.exclusive()?.value))
        };
        let drafts = || self.drafts.iter().enumerate();
        let freed: BTreeMap<_, usize> =
            drafts().filter_map(|(index, it)| Some((had_by(&it.step)?, index))).collect();
        drafts().filter_map(|(index, it)| Some((index, *freed.get(&made_by(&it.step)?)?))).collect()
    }

    /// A channel whose stream is that of a composition which this plan stops is not live by the time its
    /// own turn comes.
    fn excuse_channels_of_stopped_compositions(&mut self) {
        let stopping: BTreeSet<Arn> = self
            .drafts
            .iter()
            .filter(|it| it.step.action == Action::Delete && it.step.decision.is_do())
            .filter_map(|it| it.step.arn.clone())
            .collect();
        for draft in &mut self.drafts {
            let step = &mut draft.step;
            let feeding = step.impact.as_ref().and_then(|it| it.composition.clone());
            let other = feeding.filter(|arn| step.arn.as_ref() != Some(arn));
            if step.action == Action::Delete
                && matches!(step.decision, Decision::Deferred(_))
                && other.is_some_and(|arn| stopping.contains(&arn))
            {
                step.decision = Decision::Do;
                step.impact = None;
            }
        }
    }

    /// A step whose ground is not laid in this run waits with it; one that only follows an update of what
    /// it refers to does not, since the object is there.
    fn wait_for_the_undone(&mut self, index: usize) {
        let draft = &self.drafts[index];
        if !draft.step.decision.is_do() {
            return;
        }
        let blocking = draft.needs.iter().find(|&&needed| {
            let needed = &self.drafts[needed].step;
            let undone = !needed.decision.is_do();
            let ground = needed.action.makes() || needed.action == Action::Delete;
            undone && (draft.step.action == Action::Delete || ground)
        });
        let Some(&blocking) = blocking else { return };
        let blocking = &self.drafts[blocking].step;
        let waits = format!("waits for {} ({})", blocking.address, blocking.action.word());
        let decision = match &blocking.decision {
            Decision::Dormant(_) => Decision::Dormant(waits),
            _ => Decision::Deferred(waits),
        };
        self.drafts[index].step.decision = decision;
    }
}

fn draft(wanted: &Desired, action: Action, live: Option<&Live>, marks: Marks) -> Step {
    Step {
        id: 0,
        address: wanted.address.clone(),
        action,
        arn: live.map(|it| it.arn.clone()),
        body: Some(wanted.body.clone()),
        before: live.and_then(|it| it.body.clone()),
        marks,
        because: Vec::new(),
        fields: Vec::new(),
        after: Vec::new(),
        impact: None,
        decision: Decision::Do,
        origin: Some(wanted.origin),
    }
}
