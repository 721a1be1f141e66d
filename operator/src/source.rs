//! Sources: the manifests of a Target, from a `ConfigMap` or from an artifact of Flux.
//!
//! Looking at a source costs one request to the API server. Its bytes are fetched only for a run.

use crate::archive::{self, Limits};
use crate::reason::Reason;
use crate::target::Target;
use crate::verdict::Verdict;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use ivs_apply::manifest::target::{SourceKind, SourceRef};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How long fetching an artifact may take.
const FETCH: Duration = Duration::from_mins(1);

/// A source as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Its revision: another one wherever its files are others.
    pub(crate) revision: String,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Files(BTreeMap<String, Vec<u8>>),
    Artifact { url: String, digest: String },
}

/// Looks at the source of a Target.
pub(crate) async fn look(
    client: &Client,
    target: &Target,
    reference: &SourceRef,
    other_namespaces: bool,
) -> Result<Source, Verdict> {
    let namespace = reference.namespace.as_deref().unwrap_or(&target.namespace);
    if namespace != target.namespace && !other_namespaces {
        return Err(Verdict::new(
            Reason::SourceForbidden,
            format!(
                "the source is in namespace {namespace}, and sources of other namespaces need --allow-other-namespaces"
            ),
        ));
    }
    let failed = |error: kube::Error| of_error(&error, reference, namespace);
    if reference.kind == SourceKind::ConfigMap {
        let found = Api::<ConfigMap>::namespaced(client.clone(), namespace)
            .get(&reference.name)
            .await
            .map_err(failed)?;
        return Ok(of_config_map(found));
    }
    let kind = format!("{:?}", reference.kind);
    let resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("source.toolkit.fluxcd.io", "v1", &kind));
    let found = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource)
        .get(&reference.name)
        .await
        .map_err(failed)?;
    of_artifact(&found.data["status"]["artifact"]).ok_or_else(|| {
        Verdict::new(
            Reason::SourceNotReady,
            format!("{kind} {} has no artifact yet", reference.name),
        )
    })
}

fn of_error(error: &kube::Error, reference: &SourceRef, namespace: &str) -> Verdict {
    let what = format!("{:?} {} in namespace {namespace}", reference.kind, reference.name);
    match error {
        kube::Error::Api(status) if status.code == 404 => Verdict::new(
            Reason::SourceMissing,
            format!("{what} does not exist: create it, or install the resource of its kind"),
        ),
        kube::Error::Api(status) if status.code == 403 => Verdict::new(
            Reason::SourceForbidden,
            format!(
                "the operator may not read {what}: bind the ClusterRole ivs-apply-operator-tenant to it in that namespace"
            ),
        ),
        other => Verdict::new(Reason::SourceNotReady, format!("{what} could not be read: {other}")),
    }
}

fn of_config_map(found: ConfigMap) -> Source {
    let mut files: BTreeMap<String, Vec<u8>> = found
        .data
        .unwrap_or_default()
        .into_iter()
        .map(|(name, text)| (name, text.into_bytes()))
        .collect();
    files.extend(
        found.binary_data.unwrap_or_default().into_iter().map(|(name, bytes)| (name, bytes.0)),
    );
    let mut hash = Sha256::new();
    for (name, bytes) in &files {
        for part in [name.as_bytes(), bytes] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    Source {
        revision: format!("sha256:{}", hex::encode(hash.finalize())),
        content: Content::Files(files),
    }
}

fn of_artifact(artifact: &Value) -> Option<Source> {
    let text = |name: &str| artifact[name].as_str().map(str::to_owned);
    let (url, digest) = (text("url")?, text("digest").unwrap_or_default());
    // The digest is in it: a revision may stay where an artifact is built anew.
    let revision = format!("{}@{digest}", text("revision").unwrap_or_default());
    Some(Source { revision, content: Content::Artifact { url, digest } })
}

impl Source {
    /// Writes its files into an empty folder.
    pub(crate) async fn write(&self, folder: &Path, limits: Limits) -> Result<(), Verdict> {
        let unwritable = |error: std::io::Error| {
            Verdict::new(Reason::SourceNotReady, format!("its files could not be written: {error}"))
        };
        match &self.content {
            Content::Files(files) => {
                for (name, bytes) in files {
                    let inside =
                        archive::inside(Path::new(name)).filter(|it| it.components().count() == 1);
                    let inside = inside.ok_or_else(|| {
                        Verdict::new(
                            Reason::ArtifactRefused,
                            "the ConfigMap has a name that is no file name",
                        )
                    })?;
                    tokio::fs::write(folder.join(inside), bytes).await.map_err(unwritable)?;
                }
                Ok(())
            }
            Content::Artifact { url, digest } => {
                let bytes = fetch(url, limits).await?;
                let (digest, folder) = (digest.clone(), folder.to_owned());
                let unpacked = tokio::task::spawn_blocking(move || {
                    archive::verify(&bytes, &digest)?;
                    archive::unpack(&bytes, &folder, limits)
                });
                match unpacked.await {
                    Ok(result) => result.map_err(|refused| {
                        Verdict::new(Reason::ArtifactRefused, refused.to_string())
                    }),
                    Err(error) => Err(Verdict::new(
                        Reason::ArtifactRefused,
                        format!("unpacking the artifact failed: {error}"),
                    )),
                }
            }
        }
    }
}

/// Fetches an artifact, as far as it may be large. Redirections are not followed.
async fn fetch(url: &str, limits: Limits) -> Result<Vec<u8>, Verdict> {
    let not_ready = |what: String| {
        Verdict::new(Reason::SourceNotReady, format!("the artifact could not be fetched: {what}"))
    };
    let uri: http::Uri =
        url.parse().map_err(|error| not_ready(format!("its address is none ({error})")))?;
    if uri.scheme_str() != Some("http") {
        return Err(not_ready(
            "its address is not http, which Flux serves artifacts with in the cluster".to_owned(),
        ));
    }
    let http: Http<_, Empty<Bytes>> = Http::builder(TokioExecutor::new()).build_http();
    let most = usize::try_from(limits.fetched).unwrap_or(usize::MAX);
    let too_large = || {
        Verdict::new(
            Reason::ArtifactRefused,
            archive::Refused::TooLarge(limits.fetched).to_string(),
        )
    };
    let work = async {
        let answer = http.get(uri).await.map_err(|error| not_ready(error.to_string()))?;
        if answer.status() != http::StatusCode::OK {
            return Err(not_ready(format!("the answer is {}", answer.status())));
        }
        let said = answer
            .headers()
            .get(http::header::CONTENT_LENGTH)
            .and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
        if said.is_some_and(|it| it > limits.fetched) {
            return Err(too_large());
        }
        match Limited::new(answer.into_body(), most).collect().await {
            Ok(body) => Ok(body.to_bytes().to_vec()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
            Err(error) => Err(not_ready(error.to_string())),
        }
    };
    tokio::time::timeout(FETCH, work)
        .await
        .unwrap_or_else(|_| Err(not_ready("it took too long".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_revision_of_a_config_map_is_that_of_its_files() {
        let of =
            |it: Value| of_config_map(serde_json::from_value(it).expect("a ConfigMap")).revision;
        let one = of(json!({ "metadata": { "resourceVersion": "1" }, "data": { "a": "bc" } }));
        assert_eq!(
            one,
            of(json!({ "metadata": { "resourceVersion": "2" }, "data": { "a": "bc" } }))
        );
        assert_ne!(one, of(json!({ "metadata": {}, "data": { "ab": "c" } })));
        assert_eq!(one, of(json!({ "metadata": {}, "binaryData": { "a": "YmM=" } })));
    }

    #[test]
    fn an_artifact_has_an_address_and_its_revision_has_the_digest() {
        assert!(of_artifact(&json!({ "revision": "main@sha1:1" })).is_none());
        assert!(of_artifact(&Value::Null).is_none());
        let of = |digest: &str| {
            of_artifact(&json!({ "url": "http://x", "revision": "r", "digest": digest }))
                .expect("one")
                .revision
        };
        assert_ne!(of("sha256:1"), of("sha256:2"));
    }
}
