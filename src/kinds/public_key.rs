//! A public key: with it AWS checks the participant tokens that an account signs by itself.

use super::key_material::{self, FILE_FIELD, canonical, fingerprint};
use super::{
    AddressMap, Arn, Check, Exclusive, Facts, FileSource, Kind, Observed, Operation, Resource,
    Scope, Service, answered_tags, drain, each, inside, sent_tags,
};
use crate::aws::{Clients, CloudError, Sorted, Tags, found, gone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The public half of a key pair that signs participant tokens. Nothing but its tags can be changed; deleting it
/// makes every token signed with it invalid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PublicKey {
    /// Display name; `metadata.name` at the time when the object is made if absent: a default never replaces the
    /// object. Not unique in AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The public key: ECDSA, curve P-384, in PEM. Never a private one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key_material: Option<String>,
    /// Instead: a file with the public key, relative to the manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key_file: Option<String>,
    /// Tags of the public key.
    pub tags: Tags,
}

impl Resource for PublicKey {
    const KIND: Kind = Kind::PublicKey;
    const FACTS: Facts = Facts {
        operations: &[
            Operation::list("ListPublicKeys").rate(3),
            Operation::read("GetPublicKey").rate(3),
            Operation::create("ImportPublicKey").rate(3),
            Operation::delete("DeletePublicKey").rate(3),
        ],

        local: &[FILE_FIELD],
        loss: Some("participant tokens signed with the old key are refused once it is deleted"),
        deletion: Some("participant tokens signed with the key are refused from then on"),
        ..key_material::facts(Service::RealTime, "public-key")
    };

    fn name_mut(&mut self) -> Option<&mut Option<String>> {
        Some(&mut self.name)
    }

    fn tags_mut(&mut self) -> Option<&mut Tags> {
        Some(&mut self.tags)
    }

    fn file_source(&mut self) -> Option<FileSource<'_>> {
        Some(key_material::file_source(&mut self.public_key_file, &mut self.public_key_material))
    }

    /// Line ends differ from one answer of AWS to the next.
    fn normalise(&mut self) {
        if let Some(material) = &mut self.public_key_material
            && let Some(canonical) = canonical(material)
        {
            *material = canonical;
        }
    }

    fn check(&self, at: &mut Check<'_>) {
        let material = self.public_key_material.as_deref();
        key_material::check(at, material, self.public_key_file.is_some());
    }

    fn example() -> Self {
        Self {
            name: Some("signer".into()),
            public_key_material: Some(key_material::EXAMPLE.into()),
            public_key_file: None,
            tags: Tags::from([("tier".into(), "gold".into())]),
        }
    }

    fn further_examples() -> Vec<Self> {
        let file = Some("keys/signer.pem".into());
        vec![Self { public_key_material: None, public_key_file: file, ..Self::example() }]
    }

    fn exclusive(&self) -> Option<Exclusive> {
        key_material::exclusive(self.public_key_material.as_deref().and_then(fingerprint))
    }

    async fn list(aws: &Clients, _: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
        let mut found = Vec::new();
        drain(
            "ListPublicKeys",
            |token| async move {
                let page = aws.realtime.list_public_keys().max_results(100).set_next_token(token);
                page.send().await.sorted("ListPublicKeys")
            },
            |page| {
                found.extend(page.public_keys.into_iter().map(|it| {
                    Observed::listed(Self::KIND, it.arn.unwrap_or_default(), answered_tags(it.tags))
                }));
                page.next_token
            },
        )
        .await?;
        Ok(found)
    }

    async fn get(aws: &Clients, arns: &[Arn], _: &AddressMap) -> Result<Vec<Observed>, CloudError> {
        each(arns, |arn| async move {
            let request = aws.realtime.get_public_key().arn(arn);
            let answer = found(request.send().await.sorted("GetPublicKey"))?;
            Ok(answer.and_then(|it| it.public_key).and_then(read))
        })
        .await
    }

    async fn create(
        &self,
        aws: &Clients,
        tags: &Tags,
        _: &AddressMap,
    ) -> Result<Observed, CloudError> {
        let made = aws
            .realtime_once
            .import_public_key()
            .set_name(self.name.clone())
            .set_public_key_material(self.public_key_material.clone())
            .set_tags(sent_tags(tags))
            .send()
            .await
            .sorted("ImportPublicKey")?;
        inside("ImportPublicKey", made.public_key.and_then(read))
    }

    async fn delete(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
        let request = aws.realtime_once.delete_public_key().arn(arn.as_str());
        gone(request.send().await.sorted("DeletePublicKey"))
    }
}

/// The answer of AWS as a spec.
fn read(it: aws_sdk_ivsrealtime::types::PublicKey) -> Option<Observed> {
    let mut spec = PublicKey {
        name: Some(it.name.unwrap_or_default()),
        public_key_material: it.public_key_material,
        ..PublicKey::default()
    };
    spec.normalise();
    Some(Observed::listed(Kind::PublicKey, it.arn?, answered_tags(it.tags)).with(spec))
}
