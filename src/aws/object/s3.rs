//! The object behind the SDK. Its own meter keeps its calls out of the account's, and gives each the same
//! time limit as theirs; the SDK's retries are off.

use super::super::endpoint::{endpoint_of_service, is_loopback};
use super::super::{
    Class, Clients, CloudError, ConnectError, PublishedRates, Rates, RequestGate, Sorted,
};
use super::{Location, Only, Seen};
use aws_sdk_s3::config::{Builder, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_types::retry::RetryConfig;
use jiff::Timestamp;
use std::time::Duration;

/// One object, and a client for it.
#[derive(Debug)]
pub struct Object {
    client: aws_sdk_s3::Client,
    location: Location,
    gate: RequestGate,
}

/// The most that is read of an object: what is meant here has less than one KiB.
const LARGEST: i64 = 64 * 1024;

impl Clients {
    /// An object in the region in force, at the address that the SDK's own chain names for S3; the address
    /// on the command line is that of the account. Sends nothing.
    pub fn object(&self, location: &Location) -> Result<Object, ConnectError> {
        let endpoint = endpoint_of_service(&self.config, "S3");
        if let Some(url) =
            endpoint.as_ref().filter(|it| !it.starts_with("https://") && !is_loopback(it))
        {
            return Err(ConnectError::PlainHttp(url.clone()));
        }
        let gate = RequestGate::new(Rates::Off, PublishedRates::default());
        let is_plain = endpoint.as_ref().is_some_and(|it| it.starts_with("http://"));
        let http = match (self.config.http_client(), &self.https) {
            (Some(given), None) => given,
            (Some(lazy), Some(_)) if is_plain => lazy,
            (_, https) => {
                let https = https.clone().unwrap_or_default();
                https.trusted().map_err(ConnectError::NoCertificates)?
            }
        };
        // Outside of AWS hardly any store gives each bucket a host name.
        let elsewhere = endpoint.is_some();
        let mut config = Builder::from(&self.config)
            .http_client(gate.in_front_of(http))
            .retry_config(RetryConfig::disabled())
            .force_path_style(elsewhere)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        config.set_endpoint_url(endpoint);
        let client = aws_sdk_s3::Client::from_conf(config.build());
        Ok(Object { client, location: location.clone(), gate })
    }
}

impl Object {
    /// The object as it is now, or `None`. Without permission to list the bucket, S3 answers `AccessDenied` for an
    /// object that does not exist.
    pub async fn get(&self) -> Result<Option<Seen>, CloudError> {
        let Location { bucket, key } = &self.location;
        let request = self.client.get_object().bucket(bucket).key(key);
        let answer = match request.send().await.sorted("GetObject") {
            Err(error) if is_missing(&error) => return Ok(None),
            answer => answer?,
        };
        let version = answer.e_tag.ok_or_else(|| unusable("GetObject", "carries no ETag"))?;
        if answer.content_length.is_some_and(|it| it > LARGEST) {
            return Err(CloudError {
                class: Class::Invalid,
                ..unusable("GetObject", "is too large for a lock object")
            });
        }
        let written = answer.last_modified;
        let body = answer.body.collect().await;
        let body = body.map_err(|error| CloudError::unusable("GetObject", error.to_string()))?;
        let body = String::from_utf8_lossy(&body.into_bytes()).into_owned();
        let age = self.server_time().zip(written).map(|(now, written)| {
            let seconds = now.as_second().saturating_sub(written.secs());
            Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
        });
        Ok(Some(Seen { body, version, age }))
    }

    /// Writes it, if the condition holds: its new version, or `None` where the condition does not hold.
    pub async fn put(&self, body: String, only: Only<'_>) -> Result<Option<String>, CloudError> {
        let Location { bucket, key } = &self.location;
        let request = self.client.put_object().bucket(bucket).key(key);
        let request = match only {
            Only::Absent => request.if_none_match("*"),
            Only::Version(version) => request.if_match(version),
        };
        let request =
            request.content_type("application/json").body(ByteStream::from(body.into_bytes()));
        match request.send().await.sorted("PutObject") {
            Err(error) if is_missing(&error) || error.class == Class::Conflict => Ok(None),
            Err(error) => Err(error),
            Ok(answer) => {
                answer.e_tag.map(Some).ok_or_else(|| unusable("PutObject", "carries no ETag"))
            }
        }
    }

    /// Deletes it, if it has this version; false where it has another one or does not exist.
    pub async fn delete(&self, version: &str) -> Result<bool, CloudError> {
        let Location { bucket, key } = &self.location;
        let request = self.client.delete_object().bucket(bucket).key(key).if_match(version);
        match request.send().await.sorted("DeleteObject") {
            Err(error) if is_missing(&error) || error.class == Class::Conflict => Ok(false),
            answer => answer.map(|_| true),
        }
    }

    /// The time of the store, as of its last answer.
    pub fn server_time(&self) -> Option<Timestamp> {
        self.gate.server_time()
    }
}

/// A bucket that does not exist is an error, an object that does not exist is an answer.
fn is_missing(error: &CloudError) -> bool {
    error.class == Class::NotFound && error.code.as_deref() != Some("NoSuchBucket")
}

fn unusable(operation: &'static str, what: &str) -> CloudError {
    CloudError::unusable(operation, format!("the answer {what}"))
}
