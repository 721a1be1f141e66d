//! One pass over the account: list what matters, tell whose is whose, get only what the listing left open.
//!
//! The order matters: listings make the book (whose ARN is whose name), stream keys need the book to know
//! their channels, gets need it to turn ARNs back into names.

use crate::aws::{Clients, CloudError};
use crate::kinds::owner::is_managed_tag;
use crate::kinds::{
    Address, Arn, Audience, Desired, Edge, Kind, Live, LiveState, Mutable, Owner, Pointer, Scope,
    Stack, streams,
};
use futures_util::future::{try_join, try_join_all};
use std::collections::{BTreeMap, BTreeSet};

/// How much to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Every kind, declared or not: for pruning, destroying and exporting.
    pub every_kind: bool,
    /// Every owned object with a get, even where the digest already answers.
    pub full: bool,
}

/// A kind that could not be read to the end. Nothing is planned from a part.
#[derive(Debug, thiserror::Error)]
#[error("{kind} could not be read to the end, so nothing is planned")]
pub struct ReadError {
    /// The kind that could not be read.
    pub kind: Kind,
    /// What AWS said.
    #[source]
    pub source: CloudError,
}

/// Reads what `desired` needs to be compared with.
pub async fn read(
    aws: &Clients,
    stack: &Stack,
    desired: &[Desired],
    reading: Reading,
) -> Result<LiveState, ReadError> {
    let kinds = kinds_in_play(desired, reading);
    let (listings, streams) = try_join(list_all(aws, &kinds), sweep_streams(aws, &kinds)).await?;
    let mut state = LiveState { listed: kinds.clone(), ..LiveState::default() };
    let wanted: BTreeMap<&Address, &Desired> = desired.iter().map(|it| (&it.address, it)).collect();
    sort_by_owner(&mut state, listings, stack, desired);
    // What is to be taken over has its name already, or references to it would look changed, and taking
    // over would be more than a tag write.
    for (address, live) in &state.adoptable {
        if state.book.arn(address).is_none() {
            state.book.note(address.clone(), live.arn.clone());
        }
    }
    let keys = list_children(aws, &kinds, desired, &state).await?;
    take_children(&mut state, keys, stack, desired);
    get_bodies(aws, &mut state, &wanted, reading).await?;
    for live in state
        .owned
        .values_mut()
        .chain(state.adoptable.values_mut())
        .chain(state.superseded.iter_mut().map(|(_, live)| live))
    {
        show_managed_tags(live, stack);
    }
    for (address, live) in &mut state.adoptable {
        if let (Some(body), Some(desired)) = (&mut live.body, wanted.get(address)) {
            body.taken_over(&desired.body);
            body.unseen(&desired.body);
        }
    }
    for (address, live) in &mut state.owned {
        let owner = live.owner();
        let digest = owner.in_stack(&stack.name).map(|marks| marks.digest.as_str());
        if let Some(body) = &mut live.body {
            let wanted = wanted.get(address).map_or_else(|| body.clone(), |it| it.body.clone());
            body.recall(&wanted, digest, &state.book);
        }
    }
    note_audience(&mut state, streams);
    Ok(state)
}

/// Declared kinds, and those they point at by ARN; all of them for pruning.
fn kinds_in_play(desired: &[Desired], reading: Reading) -> BTreeSet<Kind> {
    if reading.every_kind {
        return Kind::ALL.iter().copied().collect();
    }
    let mut kinds = BTreeSet::new();
    for it in desired {
        kinds.insert(it.address.kind);
        kinds.extend(it.body.refs().iter().map(|edge| edge.kind));
    }
    kinds
}

async fn list_all(aws: &Clients, kinds: &BTreeSet<Kind>) -> Result<Vec<Live>, ReadError> {
    let nothing = Scope::default();
    let listings =
        kinds.iter().filter(|kind| kind.facts().comes_with.is_none()).map(|&kind| {
            let nothing = &nothing;
            async move {
                kind.list_tagged(aws, nothing).await.map_err(|source| ReadError { kind, source })
            }
        });
    let mut all = Vec::new();
    for (kind, listing) in kinds
        .iter()
        .filter(|kind| kind.facts().comes_with.is_none())
        .zip(try_join_all(listings).await?)
    {
        let ended = kind.facts().ended;
        all.extend(
            listing
                .into_iter()
                .filter(|live| live.state.as_deref().is_none_or(|state| !ended.contains(&state))),
        );
    }
    Ok(all)
}

async fn sweep_streams(
    aws: &Clients,
    kinds: &BTreeSet<Kind>,
) -> Result<Vec<(Arn, Audience)>, ReadError> {
    if !kinds.contains(&Kind::Channel) {
        return Ok(Vec::new());
    }
    streams(aws).await.map_err(|source| ReadError { kind: Kind::Channel, source })
}

/// Owned, taken over, somebody else's; of several under one address the one that counts.
fn sort_by_owner(state: &mut LiveState, listings: Vec<Live>, stack: &Stack, desired: &[Desired]) {
    let adopts: BTreeMap<&str, &Address> = desired
        .iter()
        .filter_map(|it| Some((it.lifecycle.adopt.as_deref()?, &it.address)))
        .collect();
    let mut owned: BTreeMap<Address, Vec<Live>> = BTreeMap::new();
    // One object on two pages (it moved while we read): the later one is newer.
    let by_arn: BTreeMap<Arn, Live> = listings.into_iter().map(|it| (it.arn.clone(), it)).collect();
    for (arn, live) in by_arn {
        let owner = live.owner();
        if let Some(marks) = owner.in_stack(&stack.name) {
            owned.entry(Address::new(live.kind, marks.name.clone())).or_default().push(live);
        } else if let (Some(address), Owner::Nobody) = (adopts.get(arn.as_str()), &owner) {
            state.adoptable.insert((*address).clone(), live);
        } else {
            state.others.insert(arn, live);
        }
    }
    for (address, several) in owned {
        take_owned(state, address, several);
    }
}

/// Puts the object that counts under its address: the newest of a chain of replacements; without such a
/// chain the one with the least (op, ARN), which any number of runs agree on (`reliability.md` §2).
fn take_owned(state: &mut LiveState, address: Address, several: Vec<Live>) {
    let marks = |live: &Live| match live.owner() {
        Owner::Stack(marks) => marks,
        _ => unreachable!("only owned objects come here"),
    };
    let replaced: BTreeSet<String> = several.iter().filter_map(|it| marks(it).replaces).collect();
    let (old, mut heads): (Vec<Live>, Vec<Live>) =
        several.into_iter().partition(|it| replaced.contains(it.arn.id()));
    heads.sort_by_key(|it| (marks(it).op, it.arn.clone()));
    let mut heads = heads.into_iter().chain(old);
    let Some(winner) = heads.next() else { return };
    for loser in heads {
        if replaced.contains(loser.arn.id()) {
            state.superseded.push((address.clone(), loser));
        } else {
            state.duplicates.push((address.clone(), loser));
        }
    }
    state.book.note(address.clone(), winner.arn.clone());
    state.owned.insert(address, winner);
}

/// Objects that come with another one, listed for those that a manifest names.
async fn list_children(
    aws: &Clients,
    kinds: &BTreeSet<Kind>,
    desired: &[Desired],
    state: &LiveState,
) -> Result<Vec<Live>, ReadError> {
    let mut all = Vec::new();
    for &kind in kinds.iter().filter(|kind| kind.facts().comes_with.is_some()) {
        let parents =
            desired.iter().filter(|it| it.address.kind == kind).flat_map(|it| it.body.refs());
        let scope = Scope {
            channels: parents.filter_map(|edge| edge.to.arn(&state.book)).collect(),
            book: state.book.clone(),
        };
        all.extend(kind.list(aws, &scope).await.map_err(|source| ReadError { kind, source })?);
    }
    Ok(all)
}

/// A child is whose tags say it is; without tags it is there to be taken over by whoever names its parent.
fn take_children(state: &mut LiveState, children: Vec<Live>, stack: &Stack, desired: &[Desired]) {
    for live in children {
        let owner = live.owner();
        let parents = |edges: &[Edge]| -> Vec<Option<Arn>> {
            edges.iter().map(|edge| edge.to.arn(&state.book)).collect()
        };
        let its = live.body.as_ref().map(|body| parents(&body.refs()));
        let by_parent = desired
            .iter()
            .find(|it| it.address.kind == live.kind && Some(parents(&it.body.refs())) == its)
            .map(|it| it.address.clone());
        if let Some(marks) = owner.in_stack(&stack.name) {
            let address = Address::new(live.kind, marks.name.clone());
            take_owned(state, address, vec![live]);
        } else if let (Some(address), Owner::Nobody) = (by_parent, &owner) {
            state.adoptable.insert(address, live);
        } else {
            state.others.insert(live.arn.clone(), live);
        }
    }
}

/// Reads specs where the listing did not carry them. An object of a kind that cannot be changed in place
/// is what it was made as: where its digest is that of the manifest, the manifest is its spec.
async fn get_bodies(
    aws: &Clients,
    state: &mut LiveState,
    wanted: &BTreeMap<&Address, &Desired>,
    reading: Reading,
) -> Result<(), ReadError> {
    let mut open: BTreeMap<Kind, Vec<Arn>> = BTreeMap::new();
    let book = state.book.clone();
    // What came with a listing was read before the book was whole.
    for live in state.owned.values_mut().chain(state.adoptable.values_mut()) {
        live.body = live.body.as_ref().map(|it| it.renamed(&book));
    }
    for (address, live) in &mut state.owned {
        if live.body.is_some() {
            continue;
        }
        let desired = wanted.get(address);
        if desired.is_none() && !reading.every_kind {
            // Renamed ones are found under their former name.
            let renamed = wanted.values().any(|it| {
                it.address.kind == address.kind && it.previous_names.contains(&address.name)
            });
            if !renamed {
                continue;
            }
        }
        let create_only = address.kind.facts().mutable == Mutable::TagsOnly;
        if let (Some(desired), true, false) = (desired, create_only, reading.full)
            && let Owner::Stack(marks) = live.owner()
            && desired.body.digest(&book).as_deref() == Some(marks.digest.as_str())
        {
            live.body = Some(desired.body.clone());
            continue;
        }
        open.entry(address.kind).or_default().push(live.arn.clone());
    }
    for live in state.adoptable.values().filter(|it| it.body.is_none()) {
        open.entry(live.kind).or_default().push(live.arn.clone());
    }
    let gets = open.iter().map(|(&kind, arns)| {
        let book = &book;
        async move { kind.get(aws, arns, book).await.map_err(|source| ReadError { kind, source }) }
    });
    let mut read: BTreeMap<Arn, Live> =
        try_join_all(gets).await?.into_iter().flatten().map(|it| (it.arn.clone(), it)).collect();
    let asked: BTreeSet<Arn> = open.into_values().flatten().collect();
    // What was listed but is gone by now is gone: the plan sees it as missing.
    let gone = |live: &Live| asked.contains(&live.arn) && !read.contains_key(&live.arn);
    state.owned.retain(|_, live| !gone(live));
    state.adoptable.retain(|_, live| !gone(live));
    for live in state.owned.values_mut().chain(state.adoptable.values_mut()) {
        if let Some(newer) = read.remove(&live.arn) {
            let session = live.session.take().or(newer.session.clone());
            *live = Live { session, ..newer };
        }
    }
    Ok(())
}

/// The tags that manifests speak of go into the spec; ours, AWS's and ignored ones do not.
fn show_managed_tags(live: &mut Live, stack: &Stack) {
    if let Some(body) = &mut live.body {
        let managed = live.tags.iter().filter(|(key, _)| is_managed_tag(key, &stack.ignore_tags));
        *body.tags_mut() = managed.map(|(key, value)| (key.clone(), value.clone())).collect();
    }
}

/// Who is live: channels by the sweep, stages by their session, compositions by being there at all, and
/// whatever comes with a live object.
fn note_audience(state: &mut LiveState, streams: Vec<(Arn, Audience)>) {
    let mut audience: BTreeMap<Arn, Audience> = streams.into_iter().collect();
    for live in state.all() {
        if let Some(session) = &live.session {
            audience.insert(live.arn.clone(), Audience::session(session.clone()));
        }
        if let Some(entry) = live.kind.audience_of(live) {
            audience.insert(live.arn.clone(), entry);
        }
        if live.kind.facts().ended.is_empty() {
            continue;
        }
        audience.insert(live.arn.clone(), Audience::composition(live.arn.clone()));
        // A channel must be offline when a composition starts broadcasting to it, so its stream is that.
        for edge in live.body.iter().flat_map(super::super::kinds::Body::refs) {
            if let Some(entry) = edge.to.arn(&state.book).and_then(|arn| audience.get_mut(&arn))
                && entry.viewers.is_some()
            {
                entry.composition = Some(live.arn.clone());
            }
        }
    }
    for live in state.all() {
        let Some(parent) = live.kind.facts().comes_with else { continue };
        let parents = live.body.iter().flat_map(super::super::kinds::Body::refs);
        for edge in parents.filter(|edge| edge.kind == parent) {
            let arn = match &edge.to {
                Pointer::Outside(arn) => Some(arn),
                Pointer::Named(address) => state.book.arn(address),
            };
            if let Some(entry) = arn.and_then(|arn| audience.get(arn)).cloned() {
                audience.insert(live.arn.clone(), entry);
            }
        }
    }
    state.audience = audience;
}
