//! The AWS SDK clients: configuration, pacing, sorted errors, tags, exact zeros.
//!
//! Knows no kind of resource and prints nothing. Every request of a run passes through one [`RequestGate`],
//! whether it goes to AWS, to a loopback endpoint, or to the emulator in process.

mod answer;
mod connect;
pub mod connection;
pub mod credentials;
pub mod endpoint;
pub mod error;
pub mod object;
pub mod rates;
mod received;
mod role;
pub mod secret;
pub mod tags;
pub mod trail;
mod trust;
mod turn;
pub mod zeros;

pub use connect::{ConnectError, REGIONS, Target, connect};
pub use connection::{RequestGate, WriteTracker};
pub use credentials::{CredentialSource, SourceConflict};
pub use endpoint::Endpoints;
pub use error::{Applied, Class, CloudError, Sorted, found, gone};
pub use rates::{PublishedRates, Rates, SharedBuckets};
pub use received::Received;
pub use role::RoleToAssume;
pub use secret::Secret;
pub use tags::Service;
pub use trust::NoCertificates;
pub use zeros::restore_zeros;

#[cfg(any(feature = "blame", feature = "lock-s3"))]
use aws_config::SdkConfig;
use credentials::CredentialChain;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
#[cfg(any(feature = "blame", feature = "lock-s3"))]
use trust::Https;

/// The clients of one run. `ivs` and `realtime` repeat reads as the SDK sees fit; the `_once` pair never
/// repeats anything and is for writes, since a repeated create makes a second object (`docs/reliability.md`).
#[derive(Clone, Debug)]
pub struct Clients {
    /// Low-latency service, for reads.
    pub ivs: aws_sdk_ivs::Client,
    /// Real-time service, for reads.
    pub realtime: aws_sdk_ivsrealtime::Client,
    /// Low-latency service, for writes: one request a call.
    pub ivs_once: aws_sdk_ivs::Client,
    /// Real-time service, for writes: one request a call.
    pub realtime_once: aws_sdk_ivsrealtime::Client,
    sts: aws_sdk_sts::Client,
    #[cfg(feature = "blame")]
    cloudtrail: aws_sdk_cloudtrail::Client,
    /// The account in force, once it is known.
    account: Arc<OnceLock<String>>,
    /// Whether it was asked for already.
    asked: Arc<AtomicBool>,
    /// Whether asking for the account would leave this machine.
    asks_outside: bool,
    /// Where credentials come from; none for an emulated account.
    credentials: Option<CredentialChain>,
    /// What is to be said about them before anything is done.
    pub source_conflict: Option<SourceConflict>,
    /// As the SDK's chain resolved it, for clients of other services.
    #[cfg(any(feature = "blame", feature = "lock-s3"))]
    config: SdkConfig,
    /// The client for the network, where the configuration brought none.
    #[cfg(any(feature = "blame", feature = "lock-s3"))]
    https: Option<Https>,
    /// What was called, and the server's clock.
    pub gate: RequestGate,
    /// Region in force.
    pub region: String,
    /// Where the requests go.
    pub endpoints: Endpoints,
    /// The same for people to read, where it is not AWS's own endpoints.
    pub endpoint: Option<String>,
    /// Whether requests stay on this machine.
    pub local: bool,
    /// Whether no other process can change the account, which is an emulator in this process.
    pub alone: bool,
}

/// The account and the principal of the credentials in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub account: String,
    /// ARN of the user or of the role's session.
    pub caller: Option<String>,
}

/// The identity of the credentials in force, as far as a run knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedIn {
    /// As STS answered.
    Known(Identity),
    /// STS could not be asked, for this reason.
    Unknown(String),
}

impl SignedIn {
    /// The account, where it is known.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Known(identity) => Some(&identity.account),
            Self::Unknown(_) => None,
        }
    }

    /// ARN of the user or of the role's session, where it is known.
    pub fn caller(&self) -> Option<&str> {
        match self {
            Self::Known(identity) => identity.caller.as_deref(),
            Self::Unknown(_) => None,
        }
    }
}

impl Clients {
    /// The account and the user or role whose credentials are in force (`sts:GetCallerIdentity`).
    pub async fn identity(&self) -> Result<Identity, CloudError> {
        self.asked.store(true, Ordering::Relaxed);
        let answer = self.sts.get_caller_identity().send().await.sorted("GetCallerIdentity")?;
        let account = answer.account.ok_or_else(|| {
            CloudError::unusable("GetCallerIdentity", "the answer does not name an account")
        })?;
        self.account.get_or_init(|| account.clone());
        Ok(Identity { account, caller: answer.arn })
    }

    /// Where the credentials came from, once they were needed; nothing for an emulated account.
    pub fn credential_source(&self) -> Option<CredentialSource> {
        self.credentials.as_ref().and_then(CredentialChain::answered)
    }

    /// The account in force, once it has been asked for.
    pub fn known_account(&self) -> Option<&str> {
        self.account.get().map(String::as_str)
    }

    /// Makes sure that the account is known, where asking for it stays on this machine. Elsewhere the Stack names
    /// it, or nothing is written. A server without STS leaves it unknown, and then nothing is compared with it.
    pub async fn look_for_account(&self) {
        let unknown = self.known_account().is_none() && !self.asks_outside;
        if unknown && !self.asked.load(Ordering::Relaxed) {
            let _ = self.identity().await;
        }
    }

    /// Whether an ARN is of the account and region in force, as far as they are known.
    pub fn is_in_place(&self, region: Option<&str>, account: Option<&str>) -> bool {
        let known = self.known_account();
        region == Some(self.region.as_str()) && (known.is_none() || account == known)
    }
}

/// Tags by key; ordered, so that everything printed from them is.
pub type Tags = BTreeMap<String, String>;
