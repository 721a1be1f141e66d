//! Which objects, of any owner, still refer to what the plan would delete: looked up before the first write, so that the
//! plan names them instead of a refusal half-way.
//!
//! Never decides what that means for a step.

use super::ReadError;
use crate::aws::Clients;
use crate::kinds::{Arn, Kind, Observed, ObservedState, Scope, Spec};
use futures_util::future::try_join_all;
use std::collections::BTreeSet;

/// Looks up whether a participant is connected to each of these objects; true where one has a session without one: a
/// session may last for minutes after the last participant has left.
pub async fn look_up_sessions(
    aws: &Clients,
    state: &mut ObservedState,
    live: impl IntoIterator<Item = (Kind, Arn)>,
) -> Result<bool, ReadError> {
    let now = &*state;
    let asked = live.into_iter().filter_map(|(kind, arn)| {
        let session = now.session(&arn)?.to_owned();
        Some(async move {
            let failed = |source| ReadError { kind, source };
            let connected = kind.is_connected(aws, &arn, &session).await.map_err(failed)?;
            Ok((!connected).then_some(arn))
        })
    });
    let empty: Vec<Arn> = try_join_all(asked).await?.into_iter().flatten().collect();
    for arn in &empty {
        state.audience.remove(arn);
    }
    Ok(!empty.is_empty())
}

/// Looks up which objects refer to each of `to_delete`; true where the listings did not already show one.
pub async fn look_up_users(
    aws: &Clients,
    state: &mut ObservedState,
    to_delete: impl IntoIterator<Item = (Kind, Arn)>,
) -> Result<bool, ReadError> {
    let to_delete: Vec<(Kind, Arn)> = to_delete.into_iter().collect();
    let asked = to_delete.iter().map(|(kind, arn)| async move {
        let failed = |source| ReadError { kind: *kind, source };
        let users = kind.users(aws, arn).await.map_err(failed)?;
        Ok(users.into_iter().map(|user| (arn.clone(), user)).collect::<Vec<_>>())
    });
    let mut found: Vec<(Arn, Observed)> =
        try_join_all(asked).await?.into_iter().flatten().collect();
    found.extend(read_users(aws, state, &to_delete).await?);
    let known: BTreeSet<Arn> =
        state.all().filter(|it| it.spec.is_some()).map(|it| it.arn.clone()).collect();
    for (arn, user) in found.into_iter().filter(|(_, user)| !known.contains(&user.arn)) {
        state.users.entry(arn).or_default().push(user);
    }
    Ok(!state.users.is_empty())
}

/// Referring objects that no list filter finds: every object of their kinds is read, once for all that is to be
/// deleted.
async fn read_users(
    aws: &Clients,
    state: &ObservedState,
    to_delete: &[(Kind, Arn)],
) -> Result<Vec<(Arn, Observed)>, ReadError> {
    let kinds: BTreeSet<Kind> =
        to_delete.iter().flat_map(|(kind, _)| kind.facts().users_unfiltered).copied().collect();
    let to_delete: BTreeSet<&Arn> = to_delete.iter().map(|(_, arn)| arn).collect();
    let mut users = Vec::new();
    for kind in kinds {
        let failed = |source| ReadError { kind, source };
        let mut arns: BTreeSet<Arn> = if state.listed.contains(&kind) {
            state.all().filter(|it| it.kind == kind).map(|it| it.arn.clone()).collect()
        } else {
            let listing = kind.list(aws, &Scope::default()).await.map_err(failed)?;
            let ended = kind.facts().ended;
            let over = |it: &Observed| it.state.as_deref().is_some_and(|it| ended.contains(&it));
            listing.into_iter().filter(|it| !over(it)).map(|it| it.arn).collect()
        };
        for read in state.all().filter(|it| it.spec.is_some()) {
            arns.remove(&read.arn);
        }
        let arns: Vec<Arn> = arns.into_iter().collect();
        for observed in kind.get(aws, &arns, &state.addresses).await.map_err(failed)? {
            let refs = observed.spec.iter().flat_map(Spec::refs);
            let used = refs.filter_map(|it| it.to.arn(&state.addresses));
            let used: BTreeSet<Arn> = used.filter(|it| to_delete.contains(it)).collect();
            users.extend(used.into_iter().map(|arn| (arn, observed.clone())));
        }
    }
    Ok(users)
}
