//! A playback key pair: the public half, with which AWS checks the tokens of viewers of private channels.
//!
//! AWS takes the material and never shows it again, only its fingerprint. So the fingerprint is what is
//! compared and what goes into the digest, and the material is a field that AWS does not have after the
//! import (`local`): [`Resource::normalise`] works the fingerprint out from it.

use super::key_material::{self, FIELD, FILE_FIELD, fingerprint};
use super::{
    AddressMap, Arn, Check, Exclusive, Existence, Facts, FileSource, Kind, Observed, ObservedState,
    Operation, Resource, Scope, Service, answered_tags, drain, each, inside, sent_tags,
};
use crate::aws::{Class, Clients, CloudError, Sorted, Tags, found, gone};
use crate::diag::Code;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The public half of a key pair that signs the tokens of viewers of private channels, all of an account and
/// region. Nothing but its tags can be changed; deleting it makes every token signed with it invalid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PlaybackKeyPair {
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
    /// Instead: the fingerprint of a key that AWS has already, as `export` writes it. Such a key can be kept, and not
    /// made or replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Tags of the playback key pair.
    pub tags: Tags,
}

impl Resource for PlaybackKeyPair {
    const KIND: Kind = Kind::PlaybackKeyPair;
    const FACTS: Facts = Facts {
        operations: &[
            Operation::list("ListPlaybackKeyPairs").rate(3),
            Operation::read("GetPlaybackKeyPair").rate(3),
            Operation::create("ImportPlaybackKeyPair").rate(3),
            Operation::delete("DeletePlaybackKeyPair").rate(3),
        ],

        local: &[FIELD, FILE_FIELD],
        loss: Some("viewer tokens signed with the old key are refused once it is deleted"),
        deletion: Some("viewer tokens signed with the key are refused from then on"),
        ..key_material::facts(Service::LowLatency, "playback-key")
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

    fn normalise(&mut self) {
        if self.fingerprint.is_none() {
            self.fingerprint = self.public_key_material.as_deref().and_then(fingerprint);
        }
    }

    fn check(&self, at: &mut Check<'_>) {
        let material = self.public_key_material.as_deref();
        let is_given_elsewhere = self.public_key_file.is_some() || self.fingerprint.is_some();
        key_material::check(at, material, is_given_elsewhere);
        let its = material.and_then(fingerprint);
        if its.is_some() && self.fingerprint.is_some() && its != self.fingerprint {
            let message = "this is the fingerprint of another key than the one given here";
            at.report(Code::ConflictingFields, "fingerprint", message);
        }
        if let Some(it) = &self.fingerprint {
            let byte = |it: &str| {
                it.len() == 2 && it.chars().all(|it| matches!(it, '0'..='9' | 'a'..='f'))
            };
            if it.split(':').count() != 16 || !it.split(':').all(byte) {
                let message =
                    "a fingerprint is 16 bytes in lower-case hexadecimal, with colons between";
                at.report(Code::PatternMismatch, "fingerprint", message);
            }
        }
    }

    fn example() -> Self {
        Self {
            name: Some("viewers".into()),
            public_key_material: Some(key_material::EXAMPLE.into()),
            public_key_file: None,
            fingerprint: None,
            tags: Tags::from([("tier".into(), "gold".into())]),
        }
    }

    fn further_examples() -> Vec<Self> {
        let none = Self { public_key_material: None, ..Self::example() };
        vec![
            Self { public_key_file: Some("keys/viewers.pem".into()), ..none.clone() },
            Self { fingerprint: fingerprint(key_material::EXAMPLE), ..none },
        ]
    }

    fn presence(&self, _: &ObservedState) -> Existence {
        match self.public_key_material {
            Some(_) => Existence::Wanted,
            None => Existence::Unmakeable,
        }
    }

    fn exclusive(&self) -> Option<Exclusive> {
        key_material::exclusive(self.fingerprint.clone())
    }

    async fn list(aws: &Clients, _: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
        let mut found = Vec::new();
        drain(
            "ListPlaybackKeyPairs",
            |token| async move {
                let page = aws.ivs.list_playback_key_pairs().max_results(100).set_next_token(token);
                page.send().await.sorted("ListPlaybackKeyPairs")
            },
            |page| {
                found.extend(page.key_pairs.into_iter().map(|it| {
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
            let request = aws.ivs.get_playback_key_pair().arn(arn);
            let answer = found(request.send().await.sorted("GetPlaybackKeyPair"))?;
            Ok(answer.and_then(|it| it.key_pair).and_then(read))
        })
        .await
    }

    async fn create(
        &self,
        aws: &Clients,
        tags: &Tags,
        _: &AddressMap,
    ) -> Result<Observed, CloudError> {
        // The plan blocks this; AWS would answer the same.
        let Some(material) = &self.public_key_material else {
            let error = CloudError::unusable("ImportPlaybackKeyPair", "there is no key to import");
            return Err(CloudError { class: Class::Invalid, ..error });
        };
        let made = aws
            .ivs_once
            .import_playback_key_pair()
            .set_name(self.name.clone())
            .public_key_material(material)
            .set_tags(sent_tags(tags))
            .send()
            .await
            .sorted("ImportPlaybackKeyPair")?;
        inside("ImportPlaybackKeyPair", made.key_pair.and_then(read))
    }

    async fn delete(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
        let request = aws.ivs_once.delete_playback_key_pair().arn(arn.as_str());
        gone(request.send().await.sorted("DeletePlaybackKeyPair"))
    }
}

/// The answer of AWS as a spec.
fn read(it: aws_sdk_ivs::types::PlaybackKeyPair) -> Option<Observed> {
    let spec = PlaybackKeyPair {
        name: Some(it.name.unwrap_or_default()),
        fingerprint: it.fingerprint,
        ..PlaybackKeyPair::default()
    };
    Some(Observed::listed(Kind::PlaybackKeyPair, it.arn?, answered_tags(it.tags)).with(spec))
}
