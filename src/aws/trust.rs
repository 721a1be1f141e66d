//! The CA certificates that servers are verified with, and the HTTPS client that uses them.
//!
//! The platform's, or those of the bundle that `AWS_CA_BUNDLE` names, as the other tools of AWS have it. Without a
//! single one every connection would fail with an error that does not mention certificates, so that is an error of its own.

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_types::os_shim_internal::Env;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls_native_certs::{CertificateResult, load_certs_from_paths, load_native_certs};
use serde::Serialize;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// There is no CA certificate to verify a server with.
#[derive(Clone, Debug, Serialize, thiserror::Error)]
#[error("no CA certificate was found in {place}, so no server can be trusted{why}")]
pub struct NoCertificates {
    place: String,
    why: String,
}

/// The HTTPS client, which reads the certificates when the first encrypted request is sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Https(Arc<OnceLock<Result<SharedHttpClient, NoCertificates>>>);

impl Https {
    /// The client. Without certificates it connects by plain http only.
    pub(super) fn client(&self) -> SharedHttpClient {
        let (lazy, plain) = (self.clone(), plain());
        http_client_fn(move |settings, components| {
            SharedHttpConnector::new(ByScheme {
                https: lazy.clone(),
                plain: plain.http_connector(settings, components),
                settings: settings.clone(),
                components: components.clone(),
            })
        })
    }

    /// The client with its certificates, or why there are none.
    pub(super) fn trusted(&self) -> Result<SharedHttpClient, NoCertificates> {
        self.0.get_or_init(https).clone()
    }
}

/// Sends a request without encryption or with it, as its address says. The certificates are read for the second alone: a system has
/// some hundred of them.
#[derive(Debug)]
struct ByScheme {
    https: Https,
    plain: SharedHttpConnector,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for ByScheme {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if request.uri().starts_with("https:")
            && let Ok(client) = self.https.trusted()
        {
            return client.http_connector(&self.settings, &self.components).call(request);
        }
        self.plain.call(request)
    }
}

fn https() -> Result<SharedHttpClient, NoCertificates> {
    let env = Env::real();
    let variable = |name: &str| env.get(name).ok().filter(|it| !it.is_empty());
    let bundle = variable("AWS_CA_BUNDLE");
    let CertificateResult { certs, errors, .. } = match &bundle {
        Some(bundle) => load_certs_from_paths(Some(Path::new(bundle)), None),
        None => load_native_certs(),
    };
    let usable: Vec<_> = certs.into_iter().filter(is_usable).collect();
    if usable.is_empty() {
        let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter();
        let named = named.filter_map(|name| Some(format!("`{}` (`{name}`)", variable(name)?)));
        let place = match bundle {
            Some(bundle) => format!("`{bundle}` (`AWS_CA_BUNDLE`)"),
            None => named
                .reduce(|a, b| format!("{a} and {b}"))
                .unwrap_or_else(|| "the usual places of this system".to_owned()),
        };
        let why = errors.first().map(|it| format!(": {it}")).unwrap_or_default();
        return Err(NoCertificates { place, why });
    }
    let store =
        usable.iter().fold(TrustStore::empty(), |store, it| store.with_pem_certificate(pem(it)));
    let context = TlsContext::builder().with_trust_store(store).build();
    let context = context.map_err(|error| NoCertificates {
        place: "the certificates found".to_owned(),
        why: format!(": {error}"),
    })?;
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    Ok(builder.tls_context(context).build_https())
}

/// A client that cannot encrypt, for endpoints on loopback.
pub(super) fn plain() -> SharedHttpClient {
    Builder::new().build_http()
}

/// The SDK's client panics on a certificate that it cannot use.
fn is_usable(certificate: &CertificateDer<'static>) -> bool {
    RootCertStore::empty().add(certificate.clone()).is_ok()
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let body = BASE64_STANDARD.encode(certificate);
    let lines: Vec<&str> =
        (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_sts::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};

    /// A call to a port that nothing listens on.
    async fn call(https: &Https, endpoint: &str) {
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(endpoint)
            .http_client(https.client())
            .region(Region::new("us-west-2"))
            .retry_config(RetryConfig::disabled())
            .build();
        let answer = aws_sdk_sts::Client::from_conf(config).get_caller_identity().send().await;
        assert!(answer.is_err(), "{answer:?}");
    }

    #[tokio::test]
    async fn certificates_are_read_for_the_first_request_that_is_encrypted_and_not_before() {
        let https = Https::default();
        call(&https, "http://127.0.0.1:1").await;
        assert!(https.0.get().is_none(), "nothing was encrypted");
        call(&https, "https://127.0.0.1:1").await;
        assert!(https.0.get().is_some(), "a server had to be verified");
    }
}
