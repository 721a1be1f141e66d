//! The audiences of the observed state: streams of channels, sessions of stages, running compositions, publishers.
//!
//! Never decides what an audience means for a step; `plan/policy.rs` does.

use super::reading::ReadError;
use crate::aws::Clients;
use crate::kinds::{Arn, Audience, Desired, Kind, ObservedState, OnAir, Pointer, Publisher, Spec};
use futures_util::future::try_join_all;
use std::collections::BTreeMap;

/// Records which publishers are connected, where a declared resource needs one and does not run as declared. One call
/// for all that need the same publisher, and none where the stage has no session.
pub(super) async fn note_publishers(
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

/// Records which objects are live: those that listings show, stages with a session, all running compositions, and what
/// AWS created along with a live object.
pub(super) fn note_audience(state: &mut ObservedState, on_air: Vec<(Kind, OnAir)>) {
    let mut audience: BTreeMap<Arn, Audience> = BTreeMap::new();
    for (_, it) in on_air {
        audience.insert(it.arn.clone(), it.audience);
        state.live.insert(it.arn, it.live);
    }
    let told = state.all().filter_map(|it| Some((it.arn.clone(), it.live.clone()?)));
    let told: Vec<_> = told.collect();
    state.live.extend(told);
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
        // A channel must be offline when a composition starts broadcasting to it, so its stream is that of the
        // composition, and its viewers watch the composition.
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
