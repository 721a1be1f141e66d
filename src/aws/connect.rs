//! From a [`Target`] to the clients of a run: configuration, credentials, region, endpoints, pacing.
//!
//! Sends nothing, apart from what a source of credentials needs.

use super::credentials::{self, Chosen};
use super::endpoint::{self, Address, Endpoints, is_loopback, is_server};
use super::role::{self, RoleToAssume};
use super::trust::{self, Https};
use super::turn::InTurn;
use super::{Clients, NoCertificates, PublishedRates, Rates, RequestGate, SharedBuckets};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ivs::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_ivs::config::{Credentials, IdentityCache};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::sdk_config::{SharedTimeSource, StalledStreamProtectionConfig};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// Regions that have Amazon IVS (`docs/service-reference.md` §1.0).
pub const REGIONS: [&str; 7] = [
    "us-east-1",
    "us-west-2",
    "ap-south-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "eu-central-1",
    "eu-west-1",
];

/// Where to connect, and how fast.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// The SDK's configuration as the embedding program made it, with credentials. Without one, profiles, variables
    /// and the sources of the AWS command line decide. The other fields come before what it says.
    pub sdk_config: Option<SdkConfig>,
    /// The region; where there is none, that of the configuration.
    pub region: Option<String>,
    /// Named profile from the command line, which comes before keys in the environment.
    pub profile: Option<String>,
    /// `AWS_PROFILE`, which comes after them.
    pub profile_variable: Option<String>,
    /// Whether keys are in the environment.
    pub keys_in_environment: bool,
    /// The role to assume with the credentials found; without one they are used as they are.
    pub role: Option<RoleToAssume>,
    /// The account of an emulator in this process, where it is not the emulator's own and no role leads there.
    pub emulated_account: Option<String>,
    /// One address for all services, instead of AWS's own.
    pub endpoint_url: Option<String>,
    /// Pacing; `None` means the published rates, or none on a loopback endpoint.
    pub rates: Option<Rates>,
    /// Rate limits that several connections of this process share.
    pub shared: Option<SharedBuckets>,
    /// An emulator in this process, instead of the network.
    pub in_process: Option<SharedHttpClient>,
    /// The clock that requests are signed by; the machine's where none is given.
    pub clock: Option<SharedTimeSource>,
}

/// What went wrong before the first call.
#[derive(Debug, Serialize, thiserror::Error)]
#[serde(tag = "error", content = "detail", rename_all = "camelCase")]
pub enum ConnectError {
    /// No region is configured.
    #[error("no region is configured")]
    NoRegion,
    /// A profile that no file has.
    #[error("profile `{name}` does not exist in the AWS configuration files")]
    UnknownProfile {
        /// The name that was given.
        name: String,
        /// Those that exist.
        known: Vec<String>,
    },
    /// The configuration files of the AWS command line and the SDKs.
    #[error("the AWS configuration files cannot be read: {0}")]
    ConfigurationFiles(String),
    /// An endpoint that is no address of a server.
    #[error("endpoint `{0}` is not a URL of a server")]
    MalformedEndpoint(String),
    /// Amazon IVS does not exist there.
    #[error("Amazon IVS does not exist in region `{0}`")]
    RegionWithoutIvs(String),
    /// A plain-http endpoint on another machine.
    #[error("endpoint `{0}` is not encrypted and not on this machine")]
    PlainHttp(String),
    /// No server can be trusted.
    #[error(transparent)]
    NoCertificates(NoCertificates),
    /// The SDK configuration that was handed in cannot sign requests.
    #[error("the SDK configuration has no credentials provider")]
    NoCredentialsProvider,
    /// This build has no client for S3.
    #[error("this build was made without the cargo feature `lock-s3`")]
    BuiltWithoutObjects,
    /// This build has no client for CloudTrail.
    #[error("this build was made without the cargo feature `blame`")]
    BuiltWithoutTrail,
}

impl ConnectError {
    /// What the reader can do about it.
    pub fn help(&self) -> String {
        match self {
            Self::NoRegion => {
                "give `--region`, set `AWS_REGION`, or put `region` into the profile".to_owned()
            }
            Self::UnknownProfile { known, .. } if known.is_empty() => {
                "no profile exists: create one with `aws configure --profile NAME`".to_owned()
            }
            Self::UnknownProfile { known, .. } => {
                format!("the profiles are {}", known.join(", "))
            }
            Self::ConfigurationFiles(_) => {
                "correct `~/.aws/config` and `~/.aws/credentials`, or the files that \
                 `AWS_CONFIG_FILE` and `AWS_SHARED_CREDENTIALS_FILE` name"
                    .to_owned()
            }
            Self::MalformedEndpoint(_) => {
                "write it as https://HOST or http://127.0.0.1:PORT".to_owned()
            }
            Self::RegionWithoutIvs(_) => format!("use one of {}", REGIONS.join(", ")),
            Self::PlainHttp(_) => "use https, or an address on loopback".to_owned(),
            Self::NoCertificates(_) => {
                "install the system's CA certificates (package `ca-certificates`), or name a bundle in PEM \
                 with `SSL_CERT_FILE` or `AWS_CA_BUNDLE`"
                    .to_owned()
            }
            Self::NoCredentialsProvider => {
                "set `credentials_provider` where the configuration is made".to_owned()
            }
            Self::BuiltWithoutTrail => {
                "use a build made with `--features blame`, or leave `--blame` out".to_owned()
            }
            Self::BuiltWithoutObjects => {
                "use a build made with `--features lock-s3`, or take `lock` out of the Stack"
                    .to_owned()
            }
        }
    }
}

/// The region of an emulated account where none is configured.
const EMULATOR_REGION: &str = "us-west-2";

/// The SDK's configuration in force, and what it was made from.
struct Configuration {
    config: SdkConfig,
    /// The sources of credentials, where the configuration was not handed in.
    chosen: Option<Chosen>,
    /// The client for the network, where the configuration brought none.
    https: Option<Https>,
}

/// The configuration handed in, or that of profiles, variables and the sources of the AWS command line; for an
/// emulated account one that reads nothing of this machine.
async fn configuration(target: &Target) -> Result<Configuration, ConnectError> {
    let mut chosen = None;
    let mut https = None;
    let config = if target.in_process.is_some() {
        // An emulated account takes any signature.
        let region = target.region.clone().unwrap_or_else(|| EMULATOR_REGION.to_owned());
        // To the emulator a key of twelve digits is one of the account with that id.
        let key = target.emulated_account.clone().filter(|_| target.role.is_none());
        let key = key.unwrap_or_else(|| "emulator".to_owned());
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(Credentials::new(key, "emulator", None, None, "emulator"))
            .endpoint_url("http://127.0.0.1")
            .load()
            .await
    } else if let Some(given) = &target.sdk_config {
        if given.credentials_provider().is_none() {
            return Err(ConnectError::NoCredentialsProvider);
        }
        let region = target.region.clone().map(Region::new).or_else(|| given.region().cloned());
        let client = given.http_client().unwrap_or_else(|| https.insert(Https::default()).client());
        let mut own = given.to_builder().region(region).http_client(client);
        if let Some(url) = &target.endpoint_url {
            own = own.endpoint_url(url);
        }
        own.build()
    } else {
        let network = Https::default();
        // Credentials are fetched through it as well.
        let found = credentials::choose(target, network.client()).await?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(profile) = &target.profile {
            loader = loader.profile_name(profile);
        }
        let region = found.region.clone().ok_or(ConnectError::NoRegion)?;
        loader = loader.region(region).credentials_provider(found.chain.clone());
        if let Some(url) = &target.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let config = loader.http_client(network.client()).load().await;
        (chosen, https) = (Some(found), Some(network));
        config
    };
    let mut config = config.into_builder();
    if let Some(clock) = &target.clock {
        config = config.time_source(clock.clone());
    }
    // The gate sees to the other limits of time.
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(3)).build();
    let config = config
        // Reads are safe to repeat; a plan that gave up under a little throttling would be no use.
        .retry_config(RetryConfig::standard().with_max_attempts(8))
        .timeout_config(timeouts)
        .build();
    let config = match &target.role {
        None => config,
        Some(role) => {
            let http = target.in_process.clone().or_else(|| config.http_client());
            let mut asking = config.to_builder();
            asking.set_http_client(http);
            let credentials = role::assumed(role, &asking.build()).await;
            config.into_builder().credentials_provider(credentials).build()
        }
    };
    Ok(Configuration { config, chosen, https })
}

/// Resolves configuration and makes the clients, which keep within the `published` rates. Sends nothing, apart from what
/// a credentials provider needs.
pub async fn connect(target: &Target, published: &PublishedRates) -> Result<Clients, ConnectError> {
    let Configuration { config, chosen, https } = Box::pin(configuration(target)).await?;
    let region = config.region().ok_or(ConnectError::NoRegion)?.to_string();
    if !REGIONS.contains(&region.as_str()) {
        return Err(ConnectError::RegionWithoutIvs(region));
    }
    let Reach { endpoints, local, asks_outside } = reach(target, &config, https.as_ref())?;
    let rates = target.rates.unwrap_or(if local { Rates::Off } else { Rates::Aws { share: 1.0 } });
    let gate = RequestGate::new(rates, published.clone());
    let clients = sdk_clients(target, &config, &gate);
    Ok(Clients {
        ivs: clients.ivs,
        realtime: clients.realtime,
        ivs_once: clients.ivs_once,
        realtime_once: clients.realtime_once,
        sts: clients.sts,
        #[cfg(feature = "blame")]
        cloudtrail: clients.cloudtrail,
        account: Arc::default(),
        asked: Arc::default(),
        asks_outside,
        source_conflict: chosen.as_ref().and_then(|it| it.conflict.clone()),
        credentials: chosen.map(|it| it.chain),
        #[cfg(any(feature = "blame", feature = "lock-s3"))]
        config,
        #[cfg(any(feature = "blame", feature = "lock-s3"))]
        https,
        gate,
        region,
        endpoint: endpoints.shown(),
        endpoints,
        local,
        alone: target.in_process.is_some(),
    })
}

/// Where the requests of a connection go.
struct Reach {
    endpoints: Endpoints,
    /// Whether those to the two services stay on this machine.
    local: bool,
    /// Whether asking for the account leaves this machine.
    asks_outside: bool,
}

/// The endpoints in force, if requests may be sent there: an address that is none, a connection to another machine
/// without TLS, and TLS without a certificate authority to trust are refused.
fn reach(
    target: &Target,
    config: &SdkConfig,
    https: Option<&Https>,
) -> Result<Reach, ConnectError> {
    if target.in_process.is_some() {
        return Ok(Reach { endpoints: Endpoints::Emulator, local: true, asks_outside: false });
    }
    let urls = endpoint::urls(target, config);
    if let Some(url) = urls.iter().flatten().find(|it| !is_server(it)) {
        return Err(ConnectError::MalformedEndpoint(Address::of(url).shown));
    }
    if let Some(url) =
        urls.iter().flatten().find(|url| url.starts_with("http://") && !is_loopback(url))
    {
        return Err(ConnectError::PlainHttp(Address::of(url).shown));
    }
    let encrypted =
        |url: &Option<String>| url.as_deref().is_none_or(|it| !it.starts_with("http://"));
    if let Some(https) = https
        && urls.iter().take(2).any(encrypted)
    {
        https.trusted().map_err(ConnectError::NoCertificates)?;
    }
    // The last one is STS, which changes nothing.
    let here = |url: &Option<String>| url.as_deref().is_some_and(is_loopback);
    Ok(Reach {
        endpoints: Endpoints::from_urls(&urls),
        local: urls.iter().take(2).all(here),
        asks_outside: !urls.iter().skip(2).all(here),
    })
}

/// The SDK's clients of a connection.
struct SdkClients {
    ivs: aws_sdk_ivs::Client,
    realtime: aws_sdk_ivsrealtime::Client,
    ivs_once: aws_sdk_ivs::Client,
    realtime_once: aws_sdk_ivsrealtime::Client,
    sts: aws_sdk_sts::Client,
    #[cfg(feature = "blame")]
    cloudtrail: aws_sdk_cloudtrail::Client,
}

/// Makes the clients, whose requests all pass the gate. Those for writes send each request once.
fn sdk_clients(target: &Target, config: &SdkConfig, gate: &RequestGate) -> SdkClients {
    let http =
        target.in_process.clone().or_else(|| config.http_client()).unwrap_or_else(trust::plain);
    let cache = config.identity_cache().unwrap_or_else(|| IdentityCache::lazy().build());
    let in_turn = InTurn { gate: gate.clone(), cache };
    let config = config
        .to_builder()
        .http_client(gate.in_front_of(http))
        .identity_cache(in_turn)
        // The meter limits how long an answer may take.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    // AWS_MAX_ATTEMPTS and the profile's max_attempts must not bring retries of writes back.
    let retries =
        if mutant!(SdkRetries) { RetryConfig::standard() } else { RetryConfig::disabled() };
    // Most commands can do without the account: STS out of reach must not hold them up for long.
    let hasty = config.to_builder().retry_config(RetryConfig::standard()).build();
    let once = config.to_builder().retry_config(retries).build();
    // The SDK counts retries for the whole process; one connection must not use up those of another.
    let partition =
        RetryPartition::custom("ivs-apply").token_bucket(TokenBucket::default()).build();
    let ivs = |config: &SdkConfig| {
        let config = aws_sdk_ivs::config::Builder::from(config);
        aws_sdk_ivs::Client::from_conf(config.retry_partition(partition.clone()).build())
    };
    let realtime = |config: &SdkConfig| {
        let config = aws_sdk_ivsrealtime::config::Builder::from(config);
        aws_sdk_ivsrealtime::Client::from_conf(config.retry_partition(partition.clone()).build())
    };
    SdkClients {
        ivs: ivs(&config),
        realtime: realtime(&config),
        ivs_once: ivs(&once),
        realtime_once: realtime(&once),
        sts: aws_sdk_sts::Client::new(&hasty),
        #[cfg(feature = "blame")]
        cloudtrail: aws_sdk_cloudtrail::Client::new(&hasty),
    }
}
