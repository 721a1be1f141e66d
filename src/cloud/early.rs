//! Gets that start while a listing still pages: each operation has a rate of its own, so they cost no time.
//!
//! Never gets an object whose spec may turn out not to be needed.

use super::reading::{ReadError, Reading};
use crate::aws::Clients;
use crate::kinds::{AddressMap, Arn, Desired, Kind, Mutable, Observed, Owner, Stack};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The most objects in one call, for kinds that have a call for several.
const BATCH: usize = 50;

/// Batches of a kind that are requested at a time; the rate limit spaces them.
const BATCHES: usize = 8;

/// Whether the spec of a listed object is needed, however the rest of the listing turns out.
pub(super) struct GetFilter<'a> {
    stack: &'a str,
    reading: Reading,
    /// Names under which declared objects may be found.
    names: BTreeSet<(Kind, String)>,
    adopts: BTreeSet<&'a str>,
}

impl<'a> GetFilter<'a> {
    pub(super) fn new(stack: &'a Stack, desired: &'a [Desired], reading: Reading) -> Self {
        let names = desired.iter().flat_map(|it| {
            let names = it.former().map(|it| it.name).chain([it.address.name.clone()]);
            names.map(|name| (it.address.kind, name))
        });
        let adopts = desired.iter().filter_map(|it| it.lifecycle.adopt.as_deref());
        Self { stack: &stack.name, reading, names: names.collect(), adopts: adopts.collect() }
    }

    /// For kinds that cannot be changed in place the digest may suffice, which only the complete address map shows.
    pub(super) fn needs_a_get(&self, observed: &Observed) -> bool {
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

/// For each kind a channel that takes the ARNs of its listing, and the gets that read from it, which start as soon as a
/// batch is full, while the listing goes on. Their specs do not have the address map applied yet.
#[expect(clippy::type_complexity, reason = "two halves of one thing, taken apart at once")]
pub(super) fn early_gets<'a>(
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
