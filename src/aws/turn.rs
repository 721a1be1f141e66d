//! Where a request waits for its turn at the rate: before it is signed.
//!
//! A request that waited after that would carry an old signature, and the SDK would take the wait for a stall of
//! the connection. The SDK asks for credentials just before it signs each attempt, and waits for them without a
//! limit of its own: that is where this stands. Credentials themselves are kept by the SDK's own cache behind it.

use super::connection::RequestGate;
use aws_smithy_runtime_api::client::identity::{
    IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// A cache of credentials that hands them out when it is a request's turn.
#[derive(Debug)]
pub(super) struct InTurn {
    pub(super) gate: RequestGate,
    pub(super) cache: SharedIdentityCache,
}

impl ResolveCachedIdentity for InTurn {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        config: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(async move {
            let operation = config.load::<Metadata>().map(|it| it.name().to_owned());
            let credentials =
                || self.cache.resolve_cached_identity(resolver.clone(), components, config);
            // Fetched before the turn, so that waiting for them delays no other call and does not count as a begun write.
            credentials().await?;
            let turn = self.gate.turn(&operation.unwrap_or_default()).await;
            if turn.is_none() {
                return Err(ConnectorError::user("the run is stopping".into()).into());
            }
            // They may have expired during the wait.
            credentials().await
        })
    }
}
