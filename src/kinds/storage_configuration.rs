//! A storage configuration: the S3 bucket that compositions and stages record to.

use super::{
    AddressMap, Arn, Check, DeclaredSet, Desired, Elsewhere, Facts, Kind, Mutable, Observed, On,
    Operation, Resource, Scope, Service, answered_tags, drain, each, inside, sent_tags,
};
use crate::aws::{Clients, CloudError, Sorted, Tags, found, gone};
use crate::diag::{Code, Diagnostic, Place, Report};
use crate::kinds::operation::recording_to;
use aws_sdk_ivsrealtime::types as sdk;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An S3 bucket for real-time recordings. Nothing but its tags can be changed. IVS adds a statement to the
/// bucket's policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StorageConfiguration {
    /// Display name; `metadata.name` at the time when the object is made if absent: a default never replaces the
    /// object. Not unique in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The bucket.
    pub s3: StorageBucket,
    /// Tags of the storage configuration.
    #[serde(default)]
    pub tags: Tags,
}

/// An S3 bucket of the same account and region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StorageBucket {
    /// Name of the bucket.
    pub bucket_name: String,
}

impl Resource for StorageConfiguration {
    const KIND: Kind = Kind::StorageConfiguration;
    const FACTS: Facts = Facts {
        operations: &[
            Operation::list("ListStorageConfigurations"),
            Operation::read("GetStorageConfiguration"),
            Operation::create("CreateStorageConfiguration"),
            Operation::delete("DeleteStorageConfiguration"),
            Operation::list("ListStages"),
            Operation::read("GetStage").on(On::Others(&[Kind::Stage])),
            Operation::list("ListCompositions"),
            Operation::read("GetComposition").on(On::Others(&[Kind::Composition])),
        ],

        mutable: Mutable::TagsOnly,
        quota: Some(5),
        loss: Some("recordings made so far stay in their bucket"),
        deletion: Some("recordings made so far stay in their bucket"),
        users_unfiltered: &[Kind::Composition, Kind::Stage],
        ..Facts::plain(Service::RealTime, "storage-configuration")
    };

    fn name_mut(&mut self) -> Option<&mut Option<String>> {
        Some(&mut self.name)
    }

    fn tags_mut(&mut self) -> Option<&mut Tags> {
        Some(&mut self.tags)
    }

    fn elsewhere(&self) -> Vec<(Elsewhere, String)> {
        recording_to(&self.s3.bucket_name)
    }

    fn check(&self, at: &mut Check<'_>) {
        at.bucket("s3.bucketName", &self.s3.bucket_name);
    }

    fn check_set(set: &DeclaredSet<'_>, report: &mut Report) {
        let mut first_by_bucket: BTreeMap<&str, &Desired> = BTreeMap::new();
        for (it, storage) in set.of::<Self>() {
            if let Some(first) = first_by_bucket.insert(&storage.s3.bucket_name, it) {
                let field = "spec.s3.bucketName";
                let message = "two storage configurations share this bucket and its bucket policy, so \
                               deleting one may keep IVS from writing for the other";
                report.push(
                    Diagnostic::new(Code::RiskySetting, Place::value(it.origin, field), message)
                        .also(Place::value(first.origin, field), "the first one")
                        .help("refer to one storage configuration wherever this bucket is meant"),
                );
            }
        }
    }

    fn example() -> Self {
        Self {
            name: Some("shows-eu".into()),
            s3: StorageBucket { bucket_name: "example-shows".into() },
            tags: Tags::from([("tier".into(), "gold".into())]),
        }
    }

    /// The summary is the whole object, so a listing is all that is ever read.
    async fn list(aws: &Clients, _: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
        let mut found = Vec::new();
        drain(
            "ListStorageConfigurations",
            |token| async move {
                let page = aws.realtime.list_storage_configurations().max_results(100);
                page.set_next_token(token).send().await.sorted("ListStorageConfigurations")
            },
            |page| {
                found.extend(
                    page.storage_configurations
                        .into_iter()
                        .map(|it| read(it.arn, it.name, it.s3, answered_tags(it.tags))),
                );
                page.next_token
            },
        )
        .await?;
        Ok(found)
    }

    async fn get(aws: &Clients, arns: &[Arn], _: &AddressMap) -> Result<Vec<Observed>, CloudError> {
        each(arns, |arn| async move {
            let request = aws.realtime.get_storage_configuration().arn(arn);
            let answer = found(request.send().await.sorted("GetStorageConfiguration"))?;
            let answer = answer.and_then(|it| it.storage_configuration);
            Ok(answer.map(|it| read(it.arn, it.name, it.s3, answered_tags(it.tags))))
        })
        .await
    }

    async fn create(
        &self,
        aws: &Clients,
        tags: &Tags,
        _: &AddressMap,
    ) -> Result<Observed, CloudError> {
        let s3 = sdk::S3StorageConfiguration::builder().bucket_name(&self.s3.bucket_name).build();
        let s3 = s3.map_err(|error| {
            CloudError::unusable("CreateStorageConfiguration", error.to_string())
        })?;
        let made = aws
            .realtime_once
            .create_storage_configuration()
            .set_name(self.name.clone())
            .s3(s3)
            .set_tags(sent_tags(tags))
            .send()
            .await
            .sorted("CreateStorageConfiguration")?;
        let made = inside("CreateStorageConfiguration", made.storage_configuration)?;
        Ok(read(made.arn, made.name, made.s3, answered_tags(made.tags)))
    }

    async fn delete(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
        let request = aws.realtime_once.delete_storage_configuration().arn(arn.as_str());
        gone(request.send().await.sorted("DeleteStorageConfiguration"))
    }
}

/// The answer of AWS as a spec.
fn read(
    arn: String,
    name: Option<String>,
    s3: Option<sdk::S3StorageConfiguration>,
    tags: Tags,
) -> Observed {
    let spec = StorageConfiguration {
        name: Some(name.unwrap_or_default()),
        s3: StorageBucket { bucket_name: s3.map(|it| it.bucket_name).unwrap_or_default() },
        tags: Tags::new(),
    };
    Observed::listed(Kind::StorageConfiguration, arn, tags).with(spec)
}
