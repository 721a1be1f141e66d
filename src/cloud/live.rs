//! What a view of the account shows of what is on air, and no plan needs: the publishers of stages, and which destination
//! of a composition has failed.
//!
//! Never called for a plan.

use super::reading::ReadError;
use crate::aws::Clients;
use crate::kinds::{Address, Arn, Kind, Live, Observed, ObservedState};
use futures_util::future::{try_join, try_join_all};
use std::collections::BTreeMap;

/// Adds it to what was read of the owned objects that `is_about` selects.
pub async fn look_up_live(
    aws: &Clients,
    state: &mut ObservedState,
    is_about: &(dyn Fn(&Address) -> bool + Sync),
) -> Result<(), ReadError> {
    let now = &*state;
    let owned = || now.owned.iter().filter(|(it, _)| is_about(it)).map(|(_, observed)| observed);
    let sessions = owned().filter_map(|it| Some((it.kind, &it.arn, now.session(&it.arn)?)));
    let counts = sessions.map(|(kind, arn, session)| async move {
        let counted = kind.count_publishers(aws, arn, session).await;
        Ok((arn.clone(), counted.map_err(|source| ReadError { kind, source })?))
    });
    let mut unnamed: BTreeMap<Kind, Vec<Arn>> = BTreeMap::new();
    for it in owned().filter(|it| it.degraded.is_some() && !is_named(it)) {
        unnamed.entry(it.kind).or_default().push(it.arn.clone());
    }
    let gets = unnamed.iter().map(|(&kind, arns)| async move {
        let got = kind.get(aws, arns, &now.addresses).await;
        got.map_err(|source| ReadError { kind, source })
    });
    let (counts, got): (Vec<_>, Vec<_>) =
        try_join(try_join_all(counts), try_join_all(gets)).await?;
    for (arn, publishers) in counts.into_iter().filter(|(_, it)| it.is_some()) {
        state.live.insert(arn, Live { publishers, ..Live::default() });
    }
    for it in got.into_iter().flatten() {
        state.live.extend(it.live.map(|live| (it.arn, live)));
    }
    Ok(())
}

/// Whether a get has told the names of the destinations already.
fn is_named(observed: &Observed) -> bool {
    let destinations = observed.live.iter().flat_map(|it| &it.destinations);
    destinations.clone().count() > 0 && destinations.clone().all(|it| it.name.is_some())
}
