//! Who still uses what is about to be deleted, whoever they belong to: asked before the first write, so that
//! they are named in the plan instead of in a refusal half-way.

use super::ReadError;
use crate::aws::Clients;
use crate::kinds::{Arn, Kind, LiveState, anybody_connected};
use futures_util::future::try_join_all;

/// Looks up whether anybody is connected to each of these stages, and says whether nobody is to some that have a
/// session: a session lasts for minutes after the last participant has left.
pub async fn look_up_sessions(
    aws: &Clients,
    state: &mut LiveState,
    stages: impl IntoIterator<Item = Arn>,
) -> Result<bool, ReadError> {
    let now = &*state;
    let asked = stages.into_iter().filter_map(|stage| {
        let session = now.session(&stage)?.to_owned();
        Some(async move {
            let failed = |source| ReadError { kind: Kind::Stage, source };
            let connected = anybody_connected(aws, &stage, &session).await.map_err(failed)?;
            Ok((!connected).then_some(stage))
        })
    });
    let empty: Vec<Arn> = try_join_all(asked).await?.into_iter().flatten().collect();
    for stage in &empty {
        state.audience.remove(stage);
    }
    Ok(!empty.is_empty())
}

/// Looks up who refers to each of `doomed`, and says whether anybody does whose references the listings
/// did not tell already.
pub async fn look_up_users(
    aws: &Clients,
    state: &mut LiveState,
    doomed: impl IntoIterator<Item = (Kind, Arn)>,
) -> Result<bool, ReadError> {
    let asked = doomed.into_iter().map(|(kind, arn)| async move {
        let failed = |source| ReadError { kind, source };
        let users = kind.users(aws, &arn).await.map_err(failed)?;
        Ok((arn, users))
    });
    let known: Vec<Arn> =
        state.all().filter(|it| it.body.is_some()).map(|it| it.arn.clone()).collect();
    for (arn, mut users) in try_join_all(asked).await? {
        users.retain(|it| !known.contains(&it.arn));
        if !users.is_empty() {
            state.users.insert(arn, users);
        }
    }
    Ok(!state.users.is_empty())
}
