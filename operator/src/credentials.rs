//! Whose credentials the child of a Target has: by the token of its service account, or the operator's own.
//!
//! Never passes on a credential of the operator to a namespace that it was not started with.

use crate::child::Credentials;
use crate::reason::Reason;
use crate::reconcile::{Context, unwritable};
use crate::target::Target;
use crate::verdict::Verdict;
use ivs_apply::manifest::target::TargetSpec;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};

/// The audience of tokens for AWS.
const AUDIENCE: &str = "sts.amazonaws.com";

impl Context {
    /// Whose credentials the child of a Target has: those that its service account leads to, and the operator's own only in
    /// namespaces that the operator was started with.
    pub(crate) async fn credentials(
        &self,
        target: &Target,
        spec: &TargetSpec,
        folder: &std::path::Path,
    ) -> Result<Credentials, Verdict> {
        let refused = |message: String| Verdict::new(Reason::NoCredentials, message);
        let (Some(account), Some(role)) = (&spec.service_account_name, &spec.role) else {
            if self.own_credentials.iter().any(|it| it == "*" || *it == target.namespace) {
                return Ok(Credentials::Own);
            }
            return Err(refused(format!(
                "spec.serviceAccountName is missing, and namespace {} is not in --own-credentials: name a service account and a role \
                 that trusts it",
                target.namespace
            )));
        };
        let seconds =
            i64::try_from(self.children.timeout.as_secs().saturating_add(600)).unwrap_or(i64::MAX);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![AUDIENCE.to_owned()],
                expiration_seconds: Some(seconds.clamp(600, 86_400)),
                bound_object_ref: None,
            },
            ..TokenRequest::default()
        };
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), &target.namespace);
        let answer = accounts.create_token_request(account, &PostParams::default(), &request).await;
        let token = match answer {
            Ok(answer) => answer.status.map(|it| it.token).unwrap_or_default(),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                return Err(refused(format!(
                    "the service account {account} does not exist: create it"
                )));
            }
            Err(kube::Error::Api(status)) if status.code == 403 => {
                return Err(refused(format!(
                    "the operator may not request a token of {account}: bind the ClusterRole ivs-apply-operator-tenant to it in that namespace"
                )));
            }
            Err(error) => {
                return Err(refused(format!(
                    "a token of {account} could not be requested: {error}"
                )));
            }
        };
        let file = folder.join("token");
        write_private(&file, token).await.map_err(|error| unwritable(&error))?;
        let session =
            role.session_name.clone().unwrap_or_else(|| format!("ivs-apply-{}", target.name));
        Ok(Credentials::Token {
            file,
            role: role.arn.clone(),
            session: session.chars().take(64).collect(),
        })
    }
}

/// Writes a file that only the operator may read.
async fn write_private(file: &std::path::Path, text: String) -> std::io::Result<()> {
    use tokio::io::AsyncWriteExt as _;
    let mut options = tokio::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(file).await?;
    file.write_all(text.as_bytes()).await?;
    file.flush().await
}
