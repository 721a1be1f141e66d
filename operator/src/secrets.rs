//! The Secret of `spec.writeSecretsTo`: a child reads the stream keys and passphrases of the stack after an apply, and the operator
//! writes them into a Secret that the Target owns.
//!
//! Nothing of them reaches a file, a log, a status or an Event. A Secret that the Target does not own is never written.

use crate::child::Credentials;
use crate::reason::Reason;
use crate::reconcile::{Context, MANAGER};
use crate::target::{self, Target};
use crate::verdict::Verdict;
use ivs_apply::kinds::SECRETS;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, ObjectMeta, PostParams};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The most bytes of the values of a Secret.
const MOST_BYTES: usize = 1 << 20;

/// What `ivs-apply output --secrets-to -` writes. It has no form for people, so that no message can show it.
#[derive(Deserialize)]
pub(crate) struct Secrets {
    kind: String,
    secrets: BTreeMap<String, BTreeMap<String, String>>,
}

impl Secrets {
    /// Reads them; nothing for what is something else.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(bytes).ok().filter(|it| it.kind == SECRETS)
    }

    /// As the data of a Secret: `StreamKey/main` and `streamKey` become `StreamKey.main.streamKey`.
    fn data(&self) -> BTreeMap<String, ByteString> {
        let values = self.secrets.iter().flat_map(|(address, values)| {
            values.iter().map(move |(name, value)| {
                let key = format!("{}.{name}", address.replace('/', "."));
                (key, ByteString(value.clone().into_bytes()))
            })
        });
        values.collect()
    }
}

/// What became of the secrets of a Target.
pub(crate) enum Handover {
    /// They are where the Target wants them.
    Done,
    /// They are not.
    Missing(Verdict),
    /// The operator stops.
    Stopped,
}

/// What is to be done with the Secret.
enum Write {
    Nothing,
    Create(Secret),
    Replace(Secret),
}

/// The Secret with this data. It belongs to the Target alone, or it is not written.
fn write(
    target: &Target,
    name: &str,
    found: Option<Secret>,
    data: BTreeMap<String, ByteString>,
) -> Result<Write, Verdict> {
    let Some(mut found) = found else {
        let owner = OwnerReference {
            api_version: "ivs-apply.dev/v1".to_owned(),
            kind: target::resource().kind,
            name: target.name.clone(),
            uid: target.uid.clone(),
            controller: Some(true),
            block_owner_deletion: None,
        };
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(target.namespace.clone()),
            labels: Some(BTreeMap::from([(
                "app.kubernetes.io/managed-by".to_owned(),
                MANAGER.to_owned(),
            )])),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        };
        let type_ = Some("Opaque".to_owned());
        return Ok(Write::Create(Secret {
            metadata,
            type_,
            data: Some(data),
            ..Secret::default()
        }));
    };
    own(target, name, &found)?;
    if found.data.as_ref() == Some(&data) || data.is_empty() && found.data.is_none() {
        return Ok(Write::Nothing);
    }
    found.data = Some(data);
    found.metadata.managed_fields = None;
    Ok(Write::Replace(found))
}

/// Whether the Target owns a Secret.
fn own(target: &Target, name: &str, found: &Secret) -> Result<(), Verdict> {
    let mut owners = found.metadata.owner_references.iter().flatten();
    if owners.any(|it| it.controller == Some(true) && it.uid == target.uid) {
        return Ok(());
    }
    let message = format!(
        "applied, but Secret {name} belongs to somebody else and is left alone: delete it, or set spec.writeSecretsTo to another name"
    );
    Err(Verdict::new(Reason::SecretTaken, message))
}

/// What the API server's refusal means. Its own words are left out: they may repeat what was sent.
fn refused(target: &Target, name: &str, error: &kube::Error) -> Verdict {
    match error {
        kube::Error::Api(status) if status.code == 403 => Verdict::new(
            Reason::SecretForbidden,
            format!(
                "applied, but the operator may not read or write Secret {name}: bind the ClusterRole ivs-apply-operator-secrets to it in namespace {}",
                target.namespace
            ),
        ),
        kube::Error::Api(status) if status.code == 409 => failed(&format!(
            "somebody else wrote Secret {name} at the same time; it is tried again"
        )),
        kube::Error::Api(status) => failed(&format!(
            "the API server refused Secret {name} ({} {})",
            status.code, status.reason
        )),
        _ => failed(&format!("Secret {name} could not be read or written; it is tried again")),
    }
}

fn failed(why: &str) -> Verdict {
    Verdict::new(Reason::SecretsFailed, format!("applied, but {why}"))
}

impl Context {
    /// Has a child read the secrets of the stack and writes them, where that changes something. Where the Secret cannot be the
    /// Target's own, nothing is read at all.
    pub(crate) async fn hand_over(
        &self,
        target: &Target,
        name: &str,
        folder: &Path,
        credentials: &Credentials,
    ) -> Handover {
        match self.try_to_hand_over(target, name, folder, credentials).await {
            Ok(handover) => handover,
            Err(why) => Handover::Missing(why),
        }
    }

    async fn try_to_hand_over(
        &self,
        target: &Target,
        name: &str,
        folder: &Path,
        credentials: &Credentials,
    ) -> Result<Handover, Verdict> {
        let api = Api::<Secret>::namespaced(self.client.clone(), &target.namespace);
        let refused = |error: kube::Error| refused(target, name, &error);
        let found = api.get_opt(name).await.map_err(refused)?;
        if let Some(found) = &found {
            own(target, name, found)?;
        }
        let handed_over = match self.children.secrets(folder, credentials).await {
            Ok(Some(it)) => it,
            Ok(None) => return Ok(Handover::Stopped),
            Err(error) => {
                tracing::error!(%error, target = target.key(), "the child could not be run");
                return Err(failed("`ivs-apply output` could not be started"));
            }
        };
        self.metrics.ran("output", handed_over.code, 0, Duration::ZERO);
        let Some(secrets) = handed_over.secrets else {
            return Err(failed(
                "the secrets could not be read: the role needs ivs:GetStreamKey and what docs/secrets.md names; the log of the operator \
                 has the messages",
            ));
        };
        let data = secrets.data();
        if data.values().map(|it| it.0.len()).sum::<usize>() > MOST_BYTES {
            return Err(failed(&format!(
                "the secrets have more than the {MOST_BYTES} bytes that a Secret holds: take `ivs-apply output --secrets-to`"
            )));
        }
        let params =
            PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        match write(target, name, found, data)? {
            Write::Nothing => {}
            Write::Create(secret) => drop(api.create(&params, &secret).await.map_err(refused)?),
            Write::Replace(secret) => {
                drop(api.replace(name, &params, &secret).await.map_err(refused)?);
            }
        }
        Ok(Handover::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::api::DynamicObject;
    use serde_json::json;

    fn target() -> Target {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "ivs-apply.dev/v1", "kind": "Target",
            "metadata": { "name": "live", "namespace": "video", "uid": "u-1" }, "spec": {},
        }))
        .expect("an object");
        Target::of(&object)
    }

    fn secrets(key: &str) -> Secrets {
        let text = json!({
            "apiVersion": "ivs-apply.dev/v1", "kind": "Secrets", "stack": "live",
            "secrets": { "StreamKey/main": { "streamKey": key, "rtmpsUrl": "rtmps://x/app/" } },
        });
        Secrets::read(text.to_string().as_bytes()).expect("secrets")
    }

    #[test]
    fn what_is_no_document_of_secrets_is_none() {
        for bad in ["", "{}", "error: x", r#"{"kind":"Channel","secrets":{}}"#] {
            assert!(Secrets::read(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_secret_has_a_key_for_each_value_and_belongs_to_its_target() {
        let Ok(Write::Create(made)) = write(&target(), "keys", None, secrets("k1").data()) else {
            panic!("it is created")
        };
        let data = made.data.as_ref().expect("data");
        let names: Vec<&String> = data.keys().collect();
        assert_eq!(names, ["StreamKey.main.rtmpsUrl", "StreamKey.main.streamKey"]);
        assert_eq!(data["StreamKey.main.streamKey"].0, b"k1");
        // Of the same content nothing is written; another one replaces it, over the version that was read.
        let same = write(&target(), "keys", Some(made.clone()), secrets("k1").data());
        assert!(matches!(same, Ok(Write::Nothing)));
        let mut read = made;
        read.metadata.resource_version = Some("7".to_owned());
        let Ok(Write::Replace(next)) = write(&target(), "keys", Some(read), secrets("k2").data())
        else {
            panic!("it is replaced")
        };
        assert_eq!(next.metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(next.data.expect("data")["StreamKey.main.streamKey"].0, b"k2");
    }

    #[test]
    fn a_secret_of_somebody_else_is_never_written() {
        let Ok(Write::Create(made)) = write(&target(), "keys", None, secrets("k1").data()) else {
            panic!("it is created")
        };
        let mut without = made.clone();
        without.metadata.owner_references = None;
        let mut of_a_namesake = made.clone();
        of_a_namesake.metadata.owner_references.as_mut().expect("one")[0].uid = "u-2".to_owned();
        let mut not_controlled = made;
        not_controlled.metadata.owner_references.as_mut().expect("one")[0].controller = None;
        for other in [without, of_a_namesake, not_controlled] {
            let refused = write(&target(), "keys", Some(other), secrets("k2").data());
            let Err(refused) = refused else { panic!("it is left alone") };
            assert_eq!(refused.reason, Reason::SecretTaken);
        }
    }
}
