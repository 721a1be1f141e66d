//! The role that a run assumes with the credentials it has, and why it got none.
//!
//! The SDK's provider asks STS and its cache renews the session; here a failure of it becomes one of a few that a reader
//! can do something about.

use super::credentials::NoCredentials;
use super::error::{chain, within};
use aws_config::SdkConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use std::fmt;

/// A role to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleToAssume {
    /// Its ARN.
    pub arn: String,
    /// The name of the session.
    pub session_name: String,
    /// The external id that its trust policy asks for.
    pub external_id: Option<String>,
}

/// Why a role was not assumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotAssumed {
    /// There are no credentials to ask with.
    NoBase(String),
    /// The credentials to ask with have expired, or are none.
    BaseRefused(String),
    /// STS does not let these credentials assume the role; `true`: with the external id that was given.
    Denied(String, bool),
    /// STS refuses the request itself, or the region.
    Refused(String),
    /// STS gave no answer that can be used.
    NoAnswer(String),
}

impl NotAssumed {
    /// Its code, by which `CloudError` tells what to do about it.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::NoBase(_) => NO_BASE,
            Self::BaseRefused(_) => BASE_REFUSED,
            Self::Denied(_, false) => DENIED,
            Self::Denied(_, true) => DENIED_WITH_ID,
            Self::Refused(_) => REFUSED,
            Self::NoAnswer(_) => NO_ANSWER,
        }
    }
}

const NO_BASE: &str = "RoleWithoutBase";
const BASE_REFUSED: &str = "RoleBaseRefused";
const DENIED: &str = "RoleDenied";
const DENIED_WITH_ID: &str = "RoleDeniedWithExternalId";
const REFUSED: &str = "RoleRefused";
const NO_ANSWER: &str = "RoleWithoutAnswer";

/// What to do about a failure of this code, if it is one of a role.
pub(super) fn help(code: &str) -> Option<&'static str> {
    Some(match code {
        NO_BASE => {
            "a role is assumed with other credentials: set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, name a \
             profile with `--profile`, or sign in with `aws sso login`"
        }
        BASE_REFUSED => {
            "the credentials that the role is assumed with are not valid any more: sign in again, such as with \
             `aws sso login`, or check the keys"
        }
        DENIED => {
            "check that the role exists, that its trust policy names these credentials, that they may call \
             `sts:AssumeRole`, and whether the trust policy asks for an external id (`spec.role.externalId`)"
        }
        DENIED_WITH_ID => {
            "check that the role exists, that its trust policy names these credentials and the external id of \
             `spec.role.externalId`, and that they may call `sts:AssumeRole`"
        }
        REFUSED => "check `spec.role` and `spec.region` of the Target",
        NO_ANSWER => {
            "check the network and the endpoint of STS (`--endpoint-url`, `AWS_ENDPOINT_URL_STS`)"
        }
        _ => return None,
    })
}

impl fmt::Display for NotAssumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBase(why)
            | Self::BaseRefused(why)
            | Self::Refused(why)
            | Self::Denied(why, _) => f.write_str(why),
            Self::NoAnswer(why) => write!(f, "STS gave no answer: {why}"),
        }
    }
}

/// Credentials of a role, asked for with those of `config`.
pub(super) async fn assumed(role: &RoleToAssume, config: &SdkConfig) -> SharedCredentialsProvider {
    // Credentials are asked for before anything is done: a few tries are enough.
    let config = config.to_builder().retry_config(RetryConfig::standard()).build();
    let mut builder =
        AssumeRoleProvider::builder(&role.arn).session_name(&role.session_name).configure(&config);
    if let Some(id) = &role.external_id {
        builder = builder.external_id(id);
    }
    SharedCredentialsProvider::new(Assumed { role: role.clone(), provider: builder.build().await })
}

/// The SDK's provider, with its failures sorted.
#[derive(Debug)]
struct Assumed {
    role: RoleToAssume,
    provider: AssumeRoleProvider,
}

impl ProvideCredentials for Assumed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            self.provider.provide_credentials().await.map_err(|error| {
                let why = sorted(&error, self.role.external_id.is_some());
                let failed = NoCredentials::Role { arn: self.role.arn.clone(), why };
                CredentialsError::provider_error(failed)
            })
        })
    }
}

fn sorted(error: &CredentialsError, with_id: bool) -> NotAssumed {
    if let Some(none) = within::<NoCredentials>(error) {
        return NotAssumed::NoBase(none.to_string());
    }
    let answer = within::<SdkError<AssumeRoleError, HttpResponse>>(error);
    let Some(SdkError::ServiceError(service)) = answer else {
        return NotAssumed::NoAnswer(chain(error));
    };
    let code = service.err().code();
    let message = service.err().message().unwrap_or_default();
    let told = match code {
        Some(code) => format!("{code}: {message}"),
        None => format!("HTTP {} without an error code", service.raw().status().as_u16()),
    };
    match code {
        Some("AccessDenied" | "AccessDeniedException") => NotAssumed::Denied(told, with_id),
        Some(
            "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidClientTokenId"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "UnrecognizedClientException"
            | "MissingAuthenticationToken",
        ) => NotAssumed::BaseRefused(told),
        Some(_) => NotAssumed::Refused(told),
        None => NotAssumed::NoAnswer(told),
    }
}
