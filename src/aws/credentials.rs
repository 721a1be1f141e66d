//! Where credentials come from: the SDK's own sources, in the order of the AWS command line.
//!
//! They are asked one by one here, and not by the SDK's chain, for three reasons: a profile that the command
//! line names comes before keys in the environment, `-v` says which source answered, and where none did the
//! error names each one that was asked.

use super::role::NotAssumed;
use super::{ConnectError, Target};
use aws_config::Region;
use aws_config::default_provider::region::DefaultRegionChain;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileSet};
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::os_shim_internal::{Env, Fs};
use std::fmt;
use std::sync::{Arc, Mutex};

/// The profile in force where none is named.
const DEFAULT_PROFILE: &str = "default";

/// A place that credentials may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// Keys in variables.
    Environment,
    /// A profile of the AWS configuration files, with all that it may name (SSO, roles, processes).
    Profile(String),
    /// A token file, as Kubernetes and CI systems mount one.
    WebIdentity,
    /// The endpoint of ECS and EKS.
    Container,
    /// The metadata service of EC2.
    Instance,
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => {
                f.write_str("the variables `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`")
            }
            Self::Profile(name) => write!(f, "profile `{name}` of the AWS configuration files"),
            Self::WebIdentity => f.write_str("the token file of `AWS_WEB_IDENTITY_TOKEN_FILE`"),
            Self::Container => f.write_str("the container's credentials endpoint"),
            Self::Instance => f.write_str("the EC2 instance metadata service"),
        }
    }
}

/// Which of two sources counts where both a profile and keys are set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceConflict {
    /// The command line names a profile, and keys are in the environment.
    ProfileBeatsKeys(String),
    /// Keys are in the environment, and `AWS_PROFILE` names a profile.
    KeysBeatProfile(String),
}

impl fmt::Display for SourceConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProfileBeatsKeys(name) => write!(
                f,
                "the credentials of profile `{name}` are used, and not the keys in `AWS_ACCESS_KEY_ID`"
            ),
            Self::KeysBeatProfile(name) => write!(
                f,
                "the keys in `AWS_ACCESS_KEY_ID` are used, and not profile `{name}` of `AWS_PROFILE`: \
                 `--profile` would use the profile"
            ),
        }
    }
}

/// Why there are no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoCredentials {
    /// None of these has any.
    Nowhere(Vec<CredentialSource>),
    /// This source should have had some, and failed.
    Failed(CredentialSource, String),
    /// The role was not assumed.
    Role {
        /// Its ARN.
        arn: String,
        /// Why.
        why: NotAssumed,
    },
}

impl NoCredentials {
    /// A code of this program, where there is more to say about what to do.
    pub(super) const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Nowhere(_) | Self::Failed(..) => None,
            Self::Role { why, .. } => Some(why.code()),
        }
    }
}

impl fmt::Display for NoCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere(sources) => {
                let asked: Vec<String> = sources.iter().map(ToString::to_string).collect();
                write!(f, "no AWS credentials were found; sources tried: {}", asked.join(", "))
            }
            Self::Failed(source, why) => {
                write!(f, "{source} gave no AWS credentials: {why}")
            }
            Self::Role { arn, why } => write!(f, "the role `{arn}` could not be assumed: {why}"),
        }
    }
}

impl std::error::Error for NoCredentials {}

/// The sources of a run, asked in turn.
#[derive(Clone, Debug)]
pub struct CredentialChain(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sources: Vec<(CredentialSource, SharedCredentialsProvider)>,
    answered: Mutex<Option<CredentialSource>>,
}

impl CredentialChain {
    /// The source that the credentials in force came from, once there are any.
    pub fn answered(&self) -> Option<CredentialSource> {
        self.0.answered.lock().expect("noting does not panic").clone()
    }

    async fn ask(&self) -> Result<Credentials, CredentialsError> {
        for (source, provider) in &self.0.sources {
            match provider.provide_credentials().await {
                Ok(credentials) => {
                    *self.0.answered.lock().expect("noting does not panic") = Some(source.clone());
                    return Ok(credentials);
                }
                Err(CredentialsError::CredentialsNotLoaded(_)) => {}
                Err(error) => {
                    let why = super::error::innermost(&error);
                    let failed = NoCredentials::Failed(source.clone(), why);
                    return Err(CredentialsError::provider_error(failed));
                }
            }
        }
        let asked = self.0.sources.iter().map(|(source, _)| source.clone()).collect();
        Err(CredentialsError::not_loaded(NoCredentials::Nowhere(asked)))
    }
}

impl ProvideCredentials for CredentialChain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.ask())
    }
}

/// The credentials for `target`.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) chain: CredentialChain,
    pub(super) region: Option<Region>,
    pub(super) conflict: Option<SourceConflict>,
}

/// The sources and the region in force. A profile that is named, wherever, must exist, as for the AWS command
/// line.
pub(super) async fn choose(
    target: &Target,
    http: SharedHttpClient,
) -> Result<Chosen, ConnectError> {
    let named = target.profile.as_ref().or(target.profile_variable.as_ref());
    if let Some(name) = named {
        let profiles = profiles().await?;
        if profiles.get_profile(name).is_none() {
            let mut known: Vec<String> = profiles.profiles().map(ToOwned::to_owned).collect();
            known.sort();
            return Err(ConnectError::UnknownProfile { name: name.clone(), known });
        }
    }
    let region = match &target.region {
        Some(region) => Some(Region::new(region.clone())),
        None => match &target.profile {
            Some(name) => DefaultRegionChain::builder().profile_name(name).build().region().await,
            None => DefaultRegionChain::builder().build().region().await,
        },
    };
    let config =
        ProviderConfig::without_region().with_region(region.clone()).with_http_client(http);
    let in_force = named.map_or(DEFAULT_PROFILE, String::as_str).to_owned();
    let of_profile =
        ProfileFileCredentialsProvider::builder().configure(&config).profile_name(&in_force);
    let profile =
        (CredentialSource::Profile(in_force), SharedCredentialsProvider::new(of_profile.build()));
    let mut sources = Vec::new();
    if target.profile.is_some() {
        sources.push(profile);
    } else {
        let keys = EnvironmentVariableCredentialsProvider::new();
        sources.push((CredentialSource::Environment, SharedCredentialsProvider::new(keys)));
        sources.push(profile);
        let token = WebIdentityTokenCredentialsProvider::builder().configure(&config).build();
        sources.push((CredentialSource::WebIdentity, SharedCredentialsProvider::new(token)));
    }
    let container = EcsCredentialsProvider::builder().configure(&config).build();
    sources.push((CredentialSource::Container, SharedCredentialsProvider::new(container)));
    let instance = ImdsCredentialsProvider::builder().configure(&config).build();
    sources.push((CredentialSource::Instance, SharedCredentialsProvider::new(instance)));
    let conflict = match (&target.profile, &target.profile_variable) {
        _ if !target.keys_in_environment => None,
        (Some(name), _) => Some(SourceConflict::ProfileBeatsKeys(name.clone())),
        (None, Some(name)) => Some(SourceConflict::KeysBeatProfile(name.clone())),
        (None, None) => None,
    };
    let chain = CredentialChain(Arc::new(Inner { sources, answered: Mutex::default() }));
    Ok(Chosen { chain, region, conflict })
}

/// The profiles of the AWS configuration files.
async fn profiles() -> Result<ProfileSet, ConnectError> {
    #[expect(deprecated, reason = "its successor is in a crate that only the SDK uses")]
    let files = aws_config::profile::profile_file::ProfileFiles::default();
    let loaded = aws_config::profile::load(&Fs::real(), &Env::real(), &files, None).await;
    loaded.map_err(|error| ConnectError::ConfigurationFiles(super::error::innermost(&error)))
}
