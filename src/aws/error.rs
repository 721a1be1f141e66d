//! What AWS (or the way to it) answered, sorted by what a caller may do about it.
//!
//! Built in one place from every `SdkError`. Never decides about retries itself; says whether the request
//! may have been carried out (`Applied`), and the engine decides. Never holds a request body.

use super::answer::Refused;
use super::connection::{NoAnswer, REQUEST_ID};
use super::credentials::NoCredentials;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use schemars::JsonSchema;
use serde::Serialize;

/// Why a call did not succeed, by what one may do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Class {
    /// 404: the object does not exist.
    NotFound,
    /// 409: in use, live, or not in a state that allows it.
    Conflict,
    /// Too many requests: not carried out, safe to repeat later.
    Throttled,
    /// Credentials missing, expired, or not allowed.
    Denied,
    /// 400: the service does not take this input.
    Invalid,
    /// 402: a service quota is used up.
    Quota,
    /// The reply was lost, unreadable, or a server error: the request may or may not have been carried out.
    Unknown,
    /// The request never left this machine.
    NotSent,
    /// There are no credentials to sign the request with, so it was not sent.
    NoCredentials,
}

/// Whether a failed request may have changed the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Certainly not.
    No,
    /// Unknown: the caller has to read before it repeats the request.
    Unknown,
}

/// The most characters that are kept of what a server says of an error.
const MOST_MESSAGE: usize = 2_000;

/// The name, in place of AWS's own, of an error that the service would not answer with: a page, a redirect, another
/// API's JSON.
const NOT_THE_SERVICE: &str = "NotTheService";

/// The name of an error of a port that does not speak TLS.
const NOT_TLS: &str = "NotTls";

/// One failed call.
#[derive(Clone, Debug, PartialEq, Serialize, thiserror::Error, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[error("{operation}: {message}{}", request_id.as_ref().map(|id| format!(" (request {id})")).unwrap_or_default())]
pub struct CloudError {
    /// The AWS operation, such as `CreateChannel`.
    pub operation: &'static str,
    /// What one may do about it.
    pub class: Class,
    /// AWS's own error name, such as `ConflictException`, or one of this program where something else than AWS
    /// answered.
    pub code: Option<String>,
    /// AWS's message, or one of this program where there was no answer.
    pub message: String,
    /// AWS's request id, for support cases.
    pub request_id: Option<String>,
}

impl CloudError {
    /// An error of our own making about an answer that cannot be used.
    pub fn unusable(operation: &'static str, message: impl Into<String>) -> Self {
        Self {
            operation,
            class: Class::Unknown,
            code: None,
            message: message.into(),
            request_id: None,
        }
    }

    /// Whether the account may have changed all the same.
    pub fn applied(&self) -> Applied {
        if self.class == Class::Unknown { Applied::Unknown } else { Applied::No }
    }

    /// What the reader can do next, where that can be said.
    pub fn help(&self) -> Option<&'static str> {
        match self.code.as_deref() {
            Some(NOT_THE_SERVICE) => {
                return Some(
                    "the server that answered is probably not Amazon IVS: check the endpoint (`--endpoint-url`, \
                     `AWS_ENDPOINT_URL`) and any proxy before it",
                );
            }
            Some(NOT_TLS) => {
                return Some(
                    "begin the address with `http://` (`--endpoint-url`, `AWS_ENDPOINT_URL`), or name the port \
                     that speaks HTTPS",
                );
            }
            _ => {}
        }
        if let Some(help) = self.code.as_deref().and_then(super::role::help) {
            return Some(help);
        }
        Some(match self.class {
            Class::NoCredentials => {
                "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, name a profile with `--profile`, sign in \
                 with `aws sso login`, or work without an account: `--emulator`"
            }
            Class::Denied
                if self.code.as_deref().is_some_and(|it| it.starts_with("ExpiredToken")) =>
            {
                "the session has expired: sign in again, such as with `aws sso login`"
            }
            Class::Denied => {
                "check the credentials in force (`aws sts get-caller-identity`) and the IAM policy"
            }
            Class::Throttled => "other tools use the same rates; try again or lower `--rate-share`",
            Class::Quota => {
                "raise the quota in the Service Quotas console, or remove what is unused"
            }
            Class::Unknown => "run the same command again: it checks what exists before it creates",
            Class::NotSent => "check the network, the region and the endpoint",
            Class::NotFound | Class::Conflict | Class::Invalid => return None,
        })
    }

    /// Sorts an SDK error. Total over every variant; what is not a modelled refusal is `Unknown`.
    pub fn from_sdk<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let failure = match error {
            SdkError::ConstructionFailure(_) => Failure::NotBuilt,
            SdkError::DispatchFailure(failure) => Failure::NoAnswer { by_user: failure.is_user() },
            SdkError::ServiceError(service) => {
                Failure::Refusal { meta: service.err().meta(), raw: service.raw() }
            }
            SdkError::ResponseError(_) => Failure::NotTheService,
            // Timeout, unreadable reply, and variants that the SDK adds later: the request may have been carried out.
            _ => Failure::Other,
        };
        Self::sort(operation, &failure, error, error.raw_response())
    }

    /// The one body of [`from_sdk`](Self::from_sdk) for the errors of all operations.
    fn sort(
        operation: &'static str,
        failure: &Failure<'_>,
        error: &(dyn std::error::Error + 'static),
        answer: Option<&HttpResponse>,
    ) -> Self {
        let (class, code, message) = match failure {
            // A credentials provider that fails, and a refused connection, surface here.
            Failure::NotBuilt | Failure::NoAnswer { .. } => {
                if let Some(none) = within::<NoCredentials>(error) {
                    (Class::NoCredentials, none.code().map(str::to_owned), none.to_string())
                } else if let (Failure::NoAnswer { .. }, Some(none)) =
                    (failure, within::<NoAnswer>(error))
                {
                    let code = none.speaks_no_tls().then(|| NOT_TLS.to_owned());
                    (none.class(), code, none.to_string())
                } else {
                    let sent = matches!(failure, Failure::NoAnswer { by_user: false });
                    (if sent { Class::Unknown } else { Class::NotSent }, None, chain(error))
                }
            }
            Failure::Refusal { meta, raw } => refusal(meta, raw),
            Failure::NotTheService => {
                (Class::Unknown, Some(NOT_THE_SERVICE.to_owned()), chain(error))
            }
            Failure::Other => (Class::Unknown, None, chain(error)),
        };
        if let Some(Refused { why, request_id }) = within::<Refused>(error) {
            return Self {
                request_id: request_id.clone(),
                code: Some(NOT_THE_SERVICE.to_owned()),
                ..Self::unusable(operation, why.to_string())
            };
        }
        let request_id = answer
            .map(HttpResponse::headers)
            .and_then(|it| it.get(REQUEST_ID).or_else(|| it.get("x-amz-request-id")))
            .map(ToOwned::to_owned);
        Self { operation, class, code, message, request_id }
    }
}

/// An `SdkError`, without the type of the operation's own errors.
enum Failure<'e> {
    /// The request could not be made.
    NotBuilt,
    /// There was no answer.
    NoAnswer {
        /// Whether the request was wrong, and so was not sent.
        by_user: bool,
    },
    /// The service refused.
    Refusal { meta: &'e ErrorMetadata, raw: &'e HttpResponse },
    /// There was an answer that the service does not give.
    NotTheService,
    /// Anything else.
    Other,
}

/// The class, the name and the message of an answer that is an error.
fn refusal(meta: &ErrorMetadata, raw: &HttpResponse) -> (Class, Option<String>, String) {
    let code = meta.code().map(ToOwned::to_owned);
    let status = raw.status().as_u16();
    let class = classify(code.as_deref(), status);
    // Every refusal of AWS has a name; what a gateway says while the service is away has none.
    let foreign = code.is_none() && class == Class::Unknown && status < 500;
    let message = raw
        .body()
        .bytes()
        .and_then(message_of)
        .or_else(|| meta.message().map(ToOwned::to_owned))
        .unwrap_or_else(|| match status {
            300..400 => match redirect(raw) {
                Some(host) => format!("HTTP {status}, a redirect to {host}"),
                None => format!("HTTP {status}, a redirect"),
            },
            404 | 405 | 501 if code.is_none() => {
                format!("HTTP {status} without a message: this endpoint may not know it")
            }
            _ => format!("HTTP {status} without a message"),
        });
    let message: String = message.chars().take(MOST_MESSAGE).collect();
    let message = match &code {
        Some(code) => format!("{code}: {message}"),
        None => message,
    };
    (class, code.or_else(|| foreign.then(|| NOT_THE_SERVICE.to_owned())), message)
}

/// AWS's error name first, its status only where the name is not one of the service's (`docs/service-reference.md` §4:
/// 404, 403 and 503 are shared by several names).
fn classify(code: Option<&str>, status: u16) -> Class {
    match code {
        Some(
            "ResourceNotFoundException" | "ChannelNotBroadcasting" | "NoSuchKey" | "NoSuchBucket",
        ) => Class::NotFound,
        // S3's two are answers to conditional requests.
        Some("ConflictException" | "PreconditionFailed" | "ConditionalRequestConflict") => {
            Class::Conflict
        }
        Some("ThrottlingException" | "TooManyRequestsException" | "Throttling" | "SlowDown") => {
            Class::Throttled
        }
        Some("ServiceQuotaExceededException") => Class::Quota,
        // S3's two: a bucket of another region, a store without conditions.
        Some("ValidationException" | "PermanentRedirect" | "NotImplemented") => Class::Invalid,
        Some(
            "AccessDeniedException"
            | "AccessDenied"
            | "InvalidAccessKeyId"
            | "PendingVerification"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "IncompleteSignatureException"
            | "SignatureDoesNotMatch"
            | "InvalidClientTokenId"
            | "ExpiredTokenException"
            | "ExpiredToken"
            | "MissingAuthenticationTokenException"
            | "OptInRequired",
        ) => Class::Denied,
        _ if status == 429 => Class::Throttled,
        _ => Class::Unknown,
    }
}

/// The host that an answer leads to.
fn redirect(response: &HttpResponse) -> Option<String> {
    let location = response.headers().get("location")?.parse::<http::Uri>().ok()?;
    location.host().map(ToOwned::to_owned)
}

fn message_of(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    ["exceptionMessage", "message", "Message"]
        .iter()
        .find_map(|member| body.get(member)?.as_str().map(ToOwned::to_owned))
}

/// The first error of this type among an error and its sources.
pub(super) fn within<'e, T: std::error::Error + 'static>(
    error: &'e (dyn std::error::Error + 'static),
) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The text of the last source of an error.
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// An error and its sources on one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if parts.last().is_none_or(|last| !last.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}

/// The answer of a call, with every failure sorted.
pub trait Sorted<T> {
    /// Sorts the error side into a [`CloudError`] of `operation`.
    fn sorted(self, operation: &'static str) -> Result<T, CloudError>;
}

impl<T, E> Sorted<T> for Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    fn sorted(self, operation: &'static str) -> Result<T, CloudError> {
        self.map_err(|error| CloudError::from_sdk(operation, &error))
    }
}

/// A delete of an object that does not exist is a success.
pub fn gone<T>(answer: Result<T, CloudError>) -> Result<(), CloudError> {
    match answer {
        Err(error) if error.class != Class::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A read of an object that does not exist is `None`.
pub fn found<T>(answer: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    match answer {
        Err(error) if error.class == Class::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(it) => Ok(Some(it)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_modelled_refusal_counts_as_not_applied() {
        for (code, status, class) in [
            (Some("ResourceNotFoundException"), 404, Class::NotFound),
            (Some("ChannelNotBroadcasting"), 404, Class::NotFound),
            (Some("ConflictException"), 409, Class::Conflict),
            (Some("ThrottlingException"), 429, Class::Throttled),
            (None, 429, Class::Throttled),
            (Some("ServiceQuotaExceededException"), 402, Class::Quota),
            (Some("PendingVerification"), 403, Class::Denied),
            (Some("ExpiredTokenException"), 400, Class::Denied),
            (Some("ValidationException"), 400, Class::Invalid),
            (Some("NoSuchKey"), 404, Class::NotFound),
            (Some("NoSuchBucket"), 404, Class::NotFound),
            (Some("PreconditionFailed"), 412, Class::Conflict),
            (Some("ConditionalRequestConflict"), 409, Class::Conflict),
            (Some("AccessDenied"), 403, Class::Denied),
            (Some("PermanentRedirect"), 301, Class::Invalid),
            (Some("NotImplemented"), 501, Class::Invalid),
            (None, 412, Class::Unknown),
            (Some("InternalServerException"), 500, Class::Unknown),
            (Some("ServiceUnavailable"), 503, Class::Unknown),
            (None, 408, Class::Unknown),
            (None, 403, Class::Unknown),
            (Some("SomethingNew"), 418, Class::Unknown),
        ] {
            assert_eq!(classify(code, status), class, "{code:?} {status}");
        }
    }

    #[test]
    fn the_message_is_found_under_each_of_its_names() {
        assert_eq!(message_of(br#"{"exceptionMessage":"no"}"#).as_deref(), Some("no"));
        assert_eq!(message_of(br#"{"message":"no"}"#).as_deref(), Some("no"));
        assert_eq!(message_of(b"<html>"), None);
    }
}
