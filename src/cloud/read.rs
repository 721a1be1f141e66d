//! One pass over the account: list what matters, tell whose is whose, get only what the listing left open.
//!
//! The order matters: listings fill the address map, stream keys need it to know
//! their channels, specs need it to turn ARNs back into names. Gets that are needed whatever else is listed
//! start while their listing still pages: each operation has a rate of its own, so they cost no time.

use crate::aws::{Class, Clients, CloudError};
use crate::kinds::owner::is_managed_tag;
use crate::kinds::rename::renames;
use crate::kinds::{
    Address, AddressMap, Arn, Audience, Desired, Duplicate, Kind, Mutable, Observed, ObservedState,
    Owner, OwnershipTags, Pointer, Publisher, READS_LAG, Scope, Spec, Stack, streams,
};
use futures_util::future::{try_join, try_join_all};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How far a planted bug puts the clock forward.
const A_DAY: Duration = Duration::from_hours(24);

/// How much to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Every kind, declared or not: for pruning, destroying and exporting.
    pub every_kind: bool,
    /// Every owned object with a get, even where the digest already answers.
    pub full: bool,
    /// What nobody owns with its spec as well: for exporting.
    pub strangers: bool,
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
) -> Result<ObservedState, ReadError> {
    let kinds = kinds_in_play(desired, reading);
    // What was last heard, moved on: a listing is never older than it says.
    let before = aws.gate.server_time();
    let wanted: BTreeMap<&Address, &Desired> = desired.iter().map(|it| (&it.address, it)).collect();
    let (doors, gets) = early_gets(aws, &kinds);
    let listed = async {
        let filter = GetFilter::new(stack, desired, reading);
        let seen = |observed: &Observed| {
            if let Some(door) = doors.get(&observed.kind).filter(|_| filter.needs_a_get(observed)) {
                // The other end is gone only when a get has failed, which ends the reading anyway.
                let _ = door.send(observed.arn.clone());
            }
        };
        let all = try_join(list_all(aws, &kinds, &seen), sweep_streams(aws, &kinds)).await?;
        drop(doors);
        let (listings, streams) = all;
        all_of_one_account(aws, &listings)?;
        let shown: BTreeSet<Arn> = listings.iter().map(|it| it.arn.clone()).collect();
        let observed = streams.iter().map(|(arn, _)| (Kind::Channel, arn.clone()));
        nothing_of_ours_is_missing(aws, stack, &shown, observed).await?;
        let as_of = before.or_else(|| aws.gate.server_time());
        let as_of = if mutant!(PrunedAtOnce) { as_of.map(|it| it + A_DAY) } else { as_of };
        let mut state = ObservedState { listed: kinds.clone(), as_of, ..ObservedState::default() };
        sort_by_owner(&mut state, listings, stack, desired);
        note_future_names(&mut state, desired);
        let children = list_children(aws, &kinds, stack, desired, &state, reading).await?;
        take_children(&mut state, children, stack, desired);
        note_future_names(&mut state, desired);
        Ok((state, streams, shown))
    };
    let ((mut state, streams, shown), early) = try_join(listed, try_join_all(gets)).await?;
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
    look_at_duplicates(aws, &mut state, stack).await?;
    let copied: BTreeSet<Arn> = state
        .adoptable
        .values()
        .filter(|it| state.is_tagged_as_its_parent(it))
        .map(|it| it.arn.clone())
        .collect();
    for (address, observed) in &mut state.adoptable {
        // One that is ours already, under another name, does remember; but a name that asks for no
        // rotation does not destroy a key that somebody streams with.
        let forgets = observed.owner() == Owner::Unowned
            || copied.contains(&observed.arn)
            || wanted.get(address).is_some_and(|it| it.spec.rotation().is_none());
        if forgets && let (Some(spec), Some(desired)) = (&mut observed.spec, wanted.get(address)) {
            spec.taken_over(&desired.spec);
            spec.copy_write_only(&desired.spec);
        }
    }
    // What an object is compared with is the manifest of the name that it gets, not of the one that it gives up.
    let moves = renames(&state, desired);
    let gets: BTreeMap<&Address, &Address> = moves.iter().map(|(to, from)| (from, to)).collect();
    for (address, observed) in &mut state.owned {
        let owner = observed.owner();
        let digest = owner.in_stack(&stack.name).map(|ownership| ownership.digest.as_str());
        let manifest = match gets.get(address) {
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
    note_audience(&mut state, streams);
    note_publishers(aws, &mut state, desired).await?;
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
        kinds.extend(it.spec.refs().iter().map(|edge| edge.kind));
    }
    kinds
}

/// What a listed object tells by itself: whether its spec has to be got, whatever else is listed.
struct GetFilter<'a> {
    stack: &'a str,
    reading: Reading,
    /// Names under which declared objects may be found.
    names: BTreeSet<(Kind, String)>,
    adopts: BTreeSet<&'a str>,
}

impl<'a> GetFilter<'a> {
    fn new(stack: &'a Stack, desired: &'a [Desired], reading: Reading) -> Self {
        let names = desired.iter().flat_map(|it| {
            let names = it.former().map(|it| it.name).chain([it.address.name.clone()]);
            names.map(|name| (it.address.kind, name))
        });
        let adopts = desired.iter().filter_map(|it| it.lifecycle.adopt.as_deref());
        Self { stack: &stack.name, reading, names: names.collect(), adopts: adopts.collect() }
    }

    /// Of kinds that cannot be changed in place the digest may do instead, and only the whole address map tells.
    fn needs_a_get(&self, observed: &Observed) -> bool {
        let by_digest = observed.kind.facts().mutable == Mutable::TagsOnly && !self.reading.full;
        if observed.spec.is_some() || by_digest {
            return false;
        }
        let owner = observed.owner();
        match owner.in_stack(self.stack) {
            Some(ownership) => {
                self.reading.every_kind
                    || self.names.contains(&(observed.kind, ownership.name.clone()))
            }
            None => {
                self.adopts.contains(observed.arn.as_str())
                    || (self.reading.strangers && owner == Owner::Unowned)
            }
        }
    }
}

/// As many as a call takes of those kinds that have a call for many.
const BATCH: usize = 50;

/// Batches of a kind that are asked for at a time; the meter spaces them.
const BATCHES: usize = 8;

/// For each kind a door for what its listing shows, and the gets behind it, which start as soon as a batch is
/// full, while the listing goes on. What they bring knows nothing of the address map yet.
#[expect(clippy::type_complexity, reason = "two halves of one thing, taken apart at once")]
fn early_gets<'a>(
    aws: &'a Clients,
    kinds: &BTreeSet<Kind>,
) -> (
    BTreeMap<Kind, UnboundedSender<Arn>>,
    Vec<impl Future<Output = Result<Vec<Observed>, ReadError>> + use<'a>>,
) {
    let mut doors = BTreeMap::new();
    let mut gets = Vec::new();
    for &kind in kinds {
        let (door, listed) = unbounded_channel();
        doors.insert(kind, door);
        gets.push(get_while_listed(aws, kind, listed));
    }
    (doors, gets)
}

async fn get_while_listed(
    aws: &Clients,
    kind: Kind,
    listed: UnboundedReceiver<Arn>,
) -> Result<Vec<Observed>, ReadError> {
    let batches = stream::unfold(listed, |mut listed| async {
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            let Some(arn) = listed.recv().await else { break };
            batch.push(arn);
        }
        (!batch.is_empty()).then_some((batch, listed))
    });
    let got =
        batches.map(|batch| async move { kind.get(aws, &batch, &AddressMap::default()).await });
    let got: Vec<Vec<Observed>> = got
        .buffer_unordered(BATCHES)
        .try_collect()
        .await
        .map_err(|source| ReadError { kind, source })?;
    Ok(got.into_iter().flatten().collect())
}

/// The listings of all these kinds, without what is over. `seen` is told of each object as its page comes.
async fn list_all(
    aws: &Clients,
    kinds: &BTreeSet<Kind>,
    seen: &(dyn Fn(&Observed) + Sync),
) -> Result<Vec<Observed>, ReadError> {
    let nothing = Scope { seen: Some(seen), ..Scope::default() };
    let listed = kinds.iter().filter(|kind| kind.facts().listed_under.is_none());
    let listings = listed.map(|&kind| {
        let nothing = &nothing;
        async move {
            let listing = kind.list_tagged(aws, nothing).await;
            listing.map_err(|source| ReadError { kind, source })
        }
    });
    let all = try_join_all(listings).await?.into_iter().flatten();
    let over = |observed: &Observed| {
        let ended = observed.kind.facts().ended;
        observed.state.as_deref().is_some_and(|state| ended.contains(&state))
    };
    Ok(all.filter(|observed| !over(observed)).collect())
}

/// Every ARN must be of the region in force and of one account: an answer that leaves one out, or names another
/// place, is not of the account that this run is about, and nothing is planned from it.
fn all_of_one_account(aws: &Clients, listings: &[Observed]) -> Result<(), ReadError> {
    let account = aws.known_account().or_else(|| listings.first().and_then(|it| it.arn.account()));
    let elsewhere = listings
        .iter()
        .find(|it| it.arn.region() != Some(aws.region.as_str()) || it.arn.account() != account);
    let Some(observed) = elsewhere else { return Ok(()) };
    let message = format!(
        "an object is listed as `{}`, which is not of this account and region",
        observed.arn
    );
    Err(ReadError { kind: observed.kind, source: CloudError::unusable("List", message) })
}

/// Objects outside of the address map that something read refers to, of kinds that were listed.
fn referred_to(state: &ObservedState) -> impl Iterator<Item = (Kind, Arn)> {
    let edges = state.all().flat_map(|it| &it.spec).flat_map(Spec::refs);
    edges.filter_map(|edge| match edge.to {
        Pointer::Outside(arn) if state.listed.contains(&edge.kind) => Some((edge.kind, arn)),
        _ => None,
    })
}

/// An object of this stack that something else shows to be in use, and that no listing shows, means that the
/// listing is not complete, whatever it says: what is missing would be created a second time. Costs a call only
/// where something unlisted is in use: it may be of no interest here, or gone.
async fn nothing_of_ours_is_missing(
    aws: &Clients,
    stack: &Stack,
    shown: &BTreeSet<Arn>,
    in_use: impl Iterator<Item = (Kind, Arn)>,
) -> Result<(), ReadError> {
    let mut unlisted: BTreeMap<Kind, BTreeSet<Arn>> = BTreeMap::new();
    for (kind, arn) in in_use {
        if kind.facts().listed_under.is_none() && !shown.contains(&arn) {
            unlisted.entry(kind).or_default().insert(arn);
        }
    }
    let gets = unlisted.into_iter().map(|(kind, arns)| async move {
        let arns: Vec<Arn> = arns.into_iter().collect();
        match kind.get(aws, &arns, &AddressMap::default()).await {
            // Who may not read it does not own it.
            Err(error) if error.class == Class::Denied => Ok(Vec::new()),
            got => got.map_err(|source| ReadError { kind, source }),
        }
    });
    let read = try_join_all(gets).await?;
    let ended = |observed: &Observed| {
        observed.state.as_deref().is_some_and(|state| observed.kind.facts().ended.contains(&state))
    };
    let missing = read
        .into_iter()
        .flatten()
        .find(|observed| observed.owner().in_stack(&stack.name).is_some() && !ended(observed));
    let Some(observed) = missing else { return Ok(()) };
    let message = format!(
        "{} is in use and can be read, but it is not listed; try again in a minute",
        observed.arn
    );
    Err(ReadError { kind: observed.kind, source: CloudError::unusable("List", message) })
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
fn sort_by_owner(
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

/// Sorts what is ours. An object that another one says it replaces is superseded, whatever names the two
/// have by now; links cannot break, since a predecessor is deleted before its successor. Of the rest, the
/// one with the least (op, ARN) counts under its address, which any number of runs agree on
/// (`docs/reliability.md` §2); one that AWS failed to make only where there is no other.
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

/// What will be renamed or taken over goes by its future name at once: a reference to it is the same
/// reference before and after.
fn note_future_names(state: &mut ObservedState, desired: &[Desired]) {
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
    // A freed name that a new object gets is the name of none until then.
    for from in moves.values().filter(|from| !moves.contains_key(from)) {
        state.addresses.forget_name(from);
    }
}

/// Objects of kinds that are listed for each of another kind.
async fn list_children(
    aws: &Clients,
    kinds: &BTreeSet<Kind>,
    stack: &Stack,
    desired: &[Desired],
    state: &ObservedState,
    reading: Reading,
) -> Result<Vec<Observed>, ReadError> {
    let mut all = Vec::new();
    for &kind in kinds {
        let Some(parent) = kind.facts().listed_under else { continue };
        let declared = desired.iter().filter(|it| it.address.kind == kind);
        let scope = Scope {
            stack: &stack.name,
            declared: declared.map(|it| &it.spec).collect(),
            parents: state.owned.values().filter(|it| it.kind == parent).collect(),
            // An export declares nothing for what AWS makes by itself.
            full: reading.full && !reading.strangers,
            addresses: state.addresses.clone(),
            seen: None,
        };
        all.extend(kind.list(aws, &scope).await.map_err(|source| ReadError { kind, source })?);
    }
    Ok(all)
}

/// A child belongs to whoever declares it by what tells it from others, if it is theirs or nobody's.
fn take_children(
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
        // Tags that AWS copied say whose the parent is.
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

/// Reads specs where the listing did not carry them. An object of a kind that cannot be changed in place
/// is what it was made as: where its digest is that of the manifest, the manifest is its spec.
async fn get_specs(
    aws: &Clients,
    state: &mut ObservedState,
    wanted: &BTreeMap<&Address, &Desired>,
    reading: Reading,
    early: Vec<Observed>,
) -> Result<(), ReadError> {
    let mut open: BTreeMap<Kind, Vec<Arn>> = BTreeMap::new();
    let addresses = state.addresses.clone();
    let former: BTreeSet<Address> = wanted.values().flat_map(|it| it.former()).collect();
    // What came with a listing was read before the address map was whole.
    let duplicates = state.duplicates.iter_mut().map(|it| &mut it.observed);
    for observed in state.owned.values_mut().chain(state.adoptable.values_mut()).chain(duplicates) {
        observed.spec = observed.spec.as_ref().map(|it| it.renamed(&addresses));
    }
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
            // One of several with this name is not taken at its digest's word.
            && state.duplicates.iter().all(|it| it.address != *address);
        if let (Some(desired), true, false) = (desired, create_only, reading.full)
            && let Owner::Stack(ownership) = observed.owner()
            && desired.spec.digest(&addresses).as_deref() == Some(ownership.digest.as_str())
        {
            observed.spec = Some(desired.spec.clone());
            continue;
        }
        open.entry(address.kind).or_default().push(observed.arn.clone());
    }
    let nobodys =
        state.others.values().filter(|it| reading.strangers && it.owner() == Owner::Unowned);
    let duplicates = state.duplicates.iter().map(|it| &it.observed);
    let unread = state.adoptable.values().chain(nobodys).chain(duplicates);
    for observed in unread.filter(|it| it.spec.is_none()) {
        open.entry(observed.kind).or_default().push(observed.arn.clone());
    }
    let renamed = |observed: Observed| Observed {
        spec: observed.spec.map(|it| it.renamed(&addresses)),
        ..observed
    };
    let mut read: BTreeMap<Arn, Observed> =
        early.into_iter().map(|it| (it.arn.clone(), renamed(it))).collect();
    let gets = open.iter().map(|(&kind, arns)| {
        let rest = arns.iter().filter(|arn| !read.contains_key(arn)).cloned().collect();
        got(aws, kind, rest, &addresses)
    });
    let late = try_join_all(gets).await?;
    read.extend(late.into_iter().flatten().map(|it| (it.arn.clone(), it)));
    let asked: BTreeSet<Arn> = open.into_values().flatten().collect();
    // What is neither listed nor there any more is gone: the plan sees it as missing.
    let gone =
        |observed: &Observed| asked.contains(&observed.arn) && !read.contains_key(&observed.arn);
    let lost: Vec<Arn> =
        state.owned.values().filter(|it| gone(it)).map(|it| it.arn.clone()).collect();
    for arn in &lost {
        state.addresses.forget(arn);
    }
    state.owned.retain(|_, observed| !gone(observed));
    state.adoptable.retain(|_, observed| !gone(observed));
    state.others.retain(|_, observed| !gone(observed));
    state.duplicates.retain(|it| !gone(&it.observed));
    for observed in state
        .owned
        .values_mut()
        .chain(state.adoptable.values_mut())
        .chain(state.duplicates.iter_mut().map(|it| &mut it.observed))
        .chain(state.others.values_mut())
    {
        if let Some(newer) = read.remove(&observed.arn) {
            let session = observed.session.take().or(newer.session.clone());
            // Whose it is was told by the listing. Where that is over, these tags make its step stale.
            let listed = !is_still_of(&newer.owner(), &observed.owner());
            let tags = if listed { std::mem::take(&mut observed.tags) } else { newer.tags.clone() };
            *observed = Observed { tags, session, ..newer };
        }
    }
    Ok(())
}

/// Whether an object belongs to whom it belonged, under the same name and from the same attempt.
fn is_still_of(now: &Owner, then: &Owner) -> bool {
    match (now, then) {
        (Owner::Stack(now), Owner::Stack(then)) => {
            (&now.stack, &now.name, &now.attempt_id) == (&then.stack, &then.name, &then.attempt_id)
        }
        _ => now == then,
    }
}

/// What must be known of several objects with one address before one of them may go: whether it is still as
/// it was made, and who refers to either. Costs nothing where there are none.
async fn look_at_duplicates(
    aws: &Clients,
    state: &mut ObservedState,
    stack: &Stack,
) -> Result<(), ReadError> {
    // The one that counted may turn out to be gone: then the next one counts.
    for mut it in std::mem::take(&mut state.duplicates) {
        if let Some(winner) = state.owned.get(&it.address) {
            it.winner = winner.arn.clone();
            state.duplicates.push(it);
        } else {
            state.addresses.note(it.address.clone(), it.observed.arn.clone());
            state.owned.insert(it.address, it.observed);
        }
    }
    if state.duplicates.is_empty() {
        return Ok(());
    }
    let addresses = &state.addresses;
    let mut kinds = BTreeSet::new();
    let mut either = BTreeSet::new();
    for it in &mut state.duplicates {
        kinds.insert(it.address.kind);
        either.extend([it.observed.arn.clone(), it.winner.clone()]);
        it.untouched = is_untouched(&it.observed, stack, addresses);
        let winner = state.owned.get(&it.address);
        it.winner_untouched = winner.is_some_and(|it| is_untouched(it, stack, addresses));
    }
    let refers = |kind: &Kind| {
        let alone = kind.facts().listed_under.is_none();
        let mut edges = kind.examples().into_iter().flat_map(|it| it.refs());
        alone && edges.any(|edge| kinds.contains(&edge.kind))
    };
    let referring: BTreeSet<Kind> = Kind::ALL.iter().copied().filter(refers).collect();
    let mut arns: BTreeMap<Kind, Vec<Arn>> = BTreeMap::new();
    for observed in list_all(aws, &referring, &|_| {}).await? {
        arns.entry(observed.kind).or_default().push(observed.arn);
    }
    let gets = arns.into_iter().map(|(kind, arns)| got(aws, kind, arns, addresses));
    let read = try_join_all(gets).await?;
    for observed in read.iter().flatten() {
        for edge in observed.spec.iter().flat_map(Spec::refs) {
            if let Some(to) = edge.to.arn(addresses).filter(|it| either.contains(it)) {
                state.referrers.insert((observed.arn.clone(), to));
            }
        }
    }
    Ok(())
}

/// Whether the spec of an owned object is the one that its digest says was written.
fn is_untouched(observed: &Observed, stack: &Stack, addresses: &AddressMap) -> bool {
    let owner = observed.owner();
    let (Some(ownership), Some(spec)) = (owner.in_stack(&stack.name), &observed.spec) else {
        return false;
    };
    let mut spec = spec.clone();
    spec.restore_write_only(&spec.clone(), Some(&ownership.digest), addresses);
    spec.digest(addresses).as_ref() == Some(&ownership.digest)
}

/// Gets objects that were listed a moment ago. One that cannot be got is absent only when a listing made
/// after that says so too.
async fn got(
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

/// The tags that manifests speak of go into the spec; ours, AWS's and ignored ones do not.
pub fn show_managed_tags(observed: &mut Observed, stack: &Stack) {
    if let Some(spec) = &mut observed.spec {
        let managed =
            observed.tags.iter().filter(|(key, _)| is_managed_tag(key, &stack.ignore_tags));
        if let Some(tags) = spec.tags_mut() {
            *tags = managed.map(|(key, value)| (key.clone(), value.clone())).collect();
        }
    }
}

/// Who publishes, where something declared needs them and does not run as declared. One question for all that
/// need the same publisher, and none where the stage has no session.
async fn note_publishers(
    aws: &Clients,
    state: &mut ObservedState,
    desired: &[Desired],
) -> Result<(), ReadError> {
    let runs = |it: &Desired| {
        state.owned.get(&it.address).is_some_and(|observed| {
            let ending = observed.kind.facts().ending;
            observed.spec.as_ref() == Some(&it.spec)
                && observed.state.as_deref().is_none_or(|state| !ending.contains(&state))
        })
    };
    let missing = desired.iter().filter(|it| !runs(it));
    let needed: BTreeMap<Publisher, Kind> = missing
        .filter_map(|it| Some((it.spec.publisher(&state.addresses)?, it.address.kind)))
        .collect();
    let now = &*state;
    let asked = needed.into_iter().filter_map(|(publisher, kind)| {
        let session = now.session(publisher.stage())?;
        Some(async move {
            let failed = |source| ReadError { kind, source };
            let publishes = kind.publishes(aws, &publisher, session).await.map_err(failed)?;
            Ok(publishes.then_some(publisher))
        })
    });
    let found: Vec<Option<Publisher>> = try_join_all(asked).await?;
    state.publishers.extend(found.into_iter().flatten());
    Ok(())
}

/// Who is live: channels by the sweep, stages by their session, compositions by being there at all, and
/// whatever comes with a live object.
fn note_audience(state: &mut ObservedState, streams: Vec<(Arn, Audience)>) {
    let mut audience: BTreeMap<Arn, Audience> = streams.into_iter().collect();
    for observed in state.all() {
        if let Some(session) = &observed.session {
            audience.insert(observed.arn.clone(), Audience::session(session.clone()));
        }
        let Some(entry) = observed.kind.audience_of(observed) else { continue };
        if entry.composition.is_none() {
            audience.insert(observed.arn.clone(), entry);
            continue;
        }
        let mut entry = entry;
        // A channel must be offline when a composition starts broadcasting to it, so its stream is that, and who
        // watches it watches the composition.
        for edge in observed.spec.iter().flat_map(Spec::refs) {
            if let Some(channel) =
                edge.to.arn(&state.addresses).and_then(|arn| audience.get_mut(&arn))
                && let Some(viewers) = channel.viewers
            {
                channel.composition = Some(observed.arn.clone());
                entry.viewers = Some(entry.viewers.unwrap_or_default().saturating_add(viewers));
            }
        }
        audience.insert(observed.arn.clone(), entry);
    }
    for observed in state.all() {
        let Some(parent) = observed.kind.facts().created_by else { continue };
        let parents = observed.spec.iter().flat_map(Spec::refs);
        for edge in parents.filter(|edge| edge.kind == parent) {
            let arn = match &edge.to {
                Pointer::Outside(arn) => Some(arn),
                Pointer::Named(address) => state.addresses.arn(address),
            };
            if let Some(entry) = arn.and_then(|arn| audience.get(arn)).cloned() {
                audience.insert(observed.arn.clone(), entry);
            }
        }
    }
    state.audience = audience;
}
