//! A recording configuration: where, and how, streams of channels are recorded.

use super::wire_enum::{sdk_enums, sort_values};
use super::{
    AddressMap, Arn, Check, Elsewhere, Facts, Kind, Mutable, Observed, Operation, Resource, Scope,
    Service, WireEnum, answered_tags, answered_words, channel, drain, each, inside, json,
    sent_tags, sent_words,
};
use crate::aws::{Clients, CloudError, Sorted, Tags, found, gone, restore_zeros};
use crate::diag::Code;
use crate::kinds::operation::recording_to;
use aws_sdk_ivs::types::{
    self as sdk, RecordingMode, RenditionConfigurationRendition,
    RenditionConfigurationRenditionSelection, ThumbnailConfigurationResolution,
    ThumbnailConfigurationStorage,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

sdk_enums! { RecordingMode, RenditionConfigurationRendition, RenditionConfigurationRenditionSelection, ThumbnailConfigurationResolution, ThumbnailConfigurationStorage }

/// Recording to Amazon S3. Nothing but its tags can be changed: any other change makes a new one, moves
/// the channels, and deletes the old one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordingConfiguration {
    /// Display name; `metadata.name` at the time when the object is made if absent: a default never replaces the
    /// object. Not unique in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where recordings go.
    pub destination_configuration: RecordingDestination,
    /// Still pictures beside the video.
    #[serde(default)]
    pub thumbnail_configuration: Thumbnails,
    /// Seconds within which a stream that comes back goes on in the same recording, 0 to 300.
    #[serde(default)]
    pub recording_reconnect_window_seconds: i32,
    /// Which qualities are recorded.
    #[serde(default)]
    pub rendition_configuration: Renditions,
    /// Tags of the recording configuration.
    #[serde(default)]
    pub tags: Tags,
}

/// Where recordings go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordingDestination {
    /// An S3 bucket, the only destination there is.
    pub s3: S3Destination,
}

/// An S3 bucket of the same account and region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct S3Destination {
    /// Name of the bucket.
    pub bucket_name: String,
}

/// Still pictures beside the video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Thumbnails {
    /// Whether pictures are taken at an interval or not at all.
    pub recording_mode: WireEnum<RecordingMode>,
    /// Seconds between pictures, 1 to 60; 60 with INTERVAL if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_interval_seconds: Option<i64>,
    /// Resolution of the pictures; that of the source if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<WireEnum<ThumbnailConfigurationResolution>>,
    /// Whether pictures are kept one after another, or only the latest.
    pub storage: Vec<WireEnum<ThumbnailConfigurationStorage>>,
}

/// Which qualities are recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Renditions {
    /// All, none, or those of `renditions`.
    pub rendition_selection: WireEnum<RenditionConfigurationRenditionSelection>,
    /// The qualities of CUSTOM.
    pub renditions: Vec<WireEnum<RenditionConfigurationRendition>>,
}

impl Default for Thumbnails {
    fn default() -> Self {
        Self {
            recording_mode: WireEnum::of("INTERVAL"),
            target_interval_seconds: None,
            resolution: None,
            storage: vec![WireEnum::of("SEQUENTIAL")],
        }
    }
}

impl Default for Renditions {
    fn default() -> Self {
        Self { rendition_selection: WireEnum::of("ALL"), renditions: Vec::new() }
    }
}

impl Thumbnails {
    fn takes_pictures(&self) -> bool {
        self.recording_mode.as_str() == "INTERVAL"
    }
}

impl Renditions {
    fn is_custom(&self) -> bool {
        self.rendition_selection.as_str() == "CUSTOM"
    }
}

impl Resource for RecordingConfiguration {
    const KIND: Kind = Kind::RecordingConfiguration;
    const FACTS: Facts = Facts {
        operations: &[
            Operation::list("ListRecordingConfigurations").rate(3),
            Operation::read("GetRecordingConfiguration").rate(3),
            Operation::create("CreateRecordingConfiguration").rate(3),
            Operation::delete("DeleteRecordingConfiguration").rate(3),
            Operation::list("ListChannels"),
        ],

        mutable: Mutable::TagsOnly,
        ready_state: Some(("ACTIVE", "CREATE_FAILED")),
        fails_by: Some(
            "probably its bucket is in another region than the recording configuration, or does not exist",
        ),
        quota: Some(20),
        loss: Some("recordings made so far stay in their bucket"),
        deletion: Some("recordings made so far stay in their bucket"),
        ..Facts::plain(Service::LowLatency, "recording-configuration")
    };

    fn name_mut(&mut self) -> Option<&mut Option<String>> {
        Some(&mut self.name)
    }

    fn tags_mut(&mut self) -> Option<&mut Tags> {
        Some(&mut self.tags)
    }

    fn normalise(&mut self) {
        let thumbnails = &mut self.thumbnail_configuration;
        // What has no effect is its default, whatever a manifest or an answer says.
        if !thumbnails.takes_pictures() {
            thumbnails.storage.clear();
            thumbnails.resolution = None;
        } else if thumbnails.target_interval_seconds.is_none() {
            thumbnails.target_interval_seconds = Some(60);
        }
        if thumbnails.storage.is_empty() {
            thumbnails.storage = Thumbnails::default().storage;
        }
        sort_values(&mut thumbnails.storage);
        let renditions = &mut self.rendition_configuration;
        if !renditions.is_custom() {
            renditions.renditions.clear();
        }
        sort_values(&mut renditions.renditions);
    }

    /// An answer may name the resolution that a manifest leaves to the source.
    fn copy_write_only(&mut self, from: &Self) {
        if from.thumbnail_configuration.resolution.is_none() {
            self.thumbnail_configuration.resolution = None;
        }
    }

    fn write_only_variants(&self) -> Vec<Self> {
        if !self.thumbnail_configuration.takes_pictures() {
            return Vec::new();
        }
        let words =
            ThumbnailConfigurationResolution::values().iter().map(|it| Some(WireEnum::of(it)));
        let others =
            words.chain([None]).filter(|it| *it != self.thumbnail_configuration.resolution);
        let with = |resolution| {
            let mut other = self.clone();
            other.thumbnail_configuration.resolution = resolution;
            other
        };
        others.map(with).collect()
    }

    fn elsewhere(&self) -> Vec<(Elsewhere, String)> {
        recording_to(&self.destination_configuration.s3.bucket_name)
    }

    fn check(&self, at: &mut Check<'_>) {
        at.bucket(
            "destinationConfiguration.s3.bucketName",
            &self.destination_configuration.s3.bucket_name,
        );
        let thumbnails = &self.thumbnail_configuration;
        let field = "thumbnailConfiguration.targetIntervalSeconds";
        match thumbnails.target_interval_seconds {
            Some(seconds) if thumbnails.takes_pictures() => at.range(field, seconds, 1, 60),
            Some(_) => {
                at.report(
                    Code::ConflictingFields,
                    field,
                    "an interval is only for recording mode INTERVAL, and this one is DISABLED",
                )
                .help("leave `targetIntervalSeconds` out");
            }
            None => {}
        }
        let words = thumbnails.storage.iter().map(WireEnum::as_str);
        at.unique("thumbnailConfiguration.storage", words, 2);
        at.range(
            "recordingReconnectWindowSeconds",
            self.recording_reconnect_window_seconds,
            0,
            300,
        );
        let renditions = &self.rendition_configuration;
        let custom = renditions.is_custom();
        let words = renditions.renditions.iter().map(WireEnum::as_str);
        at.unique("renditionConfiguration.renditions", words, 4);
        if custom && renditions.renditions.is_empty() {
            at.report(
                Code::MissingCompanion,
                "renditionConfiguration.renditionSelection",
                "CUSTOM needs at least one of `renditions`",
            )
            .help("list some of SD, HD, FULL_HD, LOWEST_RESOLUTION");
        }
        if !custom && !renditions.renditions.is_empty() {
            at.report(
                Code::IneffectiveSetting,
                "renditionConfiguration.renditions",
                format!(
                    "`renditions` has no effect with selection {}",
                    renditions.rendition_selection.as_str()
                ),
            );
        }
    }

    fn example() -> Self {
        Self {
            name: Some("archive-eu".into()),
            destination_configuration: RecordingDestination {
                s3: S3Destination { bucket_name: "example-recordings".into() },
            },
            thumbnail_configuration: Thumbnails {
                recording_mode: WireEnum::of("INTERVAL"),
                target_interval_seconds: Some(30),
                resolution: Some(WireEnum::of("HD")),
                storage: vec![WireEnum::of("LATEST"), WireEnum::of("SEQUENTIAL")],
            },
            recording_reconnect_window_seconds: 60,
            rendition_configuration: Renditions {
                rendition_selection: WireEnum::of("CUSTOM"),
                renditions: vec![WireEnum::of("FULL_HD"), WireEnum::of("HD")],
            },
            tags: Tags::from([("tier".into(), "gold".into())]),
        }
    }

    async fn list(aws: &Clients, _: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
        let mut found = Vec::new();
        drain(
            "ListRecordingConfigurations",
            |token| async move {
                let page = aws.ivs.list_recording_configurations().max_results(100);
                page.set_next_token(token).send().await.sorted("ListRecordingConfigurations")
            },
            |page| {
                found.extend(page.recording_configurations.into_iter().map(|it| {
                    Observed::listed(Self::KIND, it.arn, answered_tags(it.tags))
                        .in_state(it.state.as_str())
                }));
                page.next_token
            },
        )
        .await?;
        Ok(found)
    }

    async fn get(aws: &Clients, arns: &[Arn], _: &AddressMap) -> Result<Vec<Observed>, CloudError> {
        each(arns, |arn| async move {
            let request = aws.ivs.get_recording_configuration().arn(arn);
            let answer = found(request.send().await.sorted("GetRecordingConfiguration"))?;
            Ok(answer.and_then(|it| it.recording_configuration).and_then(read))
        })
        .await
    }

    async fn create(
        &self,
        aws: &Clients,
        tags: &Tags,
        _: &AddressMap,
    ) -> Result<Observed, CloudError> {
        let bucket = &self.destination_configuration.s3.bucket_name;
        let s3 = sdk::S3DestinationConfiguration::builder().bucket_name(bucket).build();
        let s3 = s3.map_err(|error| {
            CloudError::unusable("CreateRecordingConfiguration", error.to_string())
        })?;
        let thumbnails = &self.thumbnail_configuration;
        let renditions = &self.rendition_configuration;
        let made = aws
            .ivs_once
            .create_recording_configuration()
            .set_name(self.name.clone())
            .destination_configuration(sdk::DestinationConfiguration::builder().s3(s3).build())
            .thumbnail_configuration(
                sdk::ThumbnailConfiguration::builder()
                    .recording_mode(thumbnails.recording_mode.0.clone())
                    .set_target_interval_seconds(thumbnails.target_interval_seconds)
                    .set_resolution(thumbnails.resolution.as_ref().map(|it| it.0.clone()))
                    .set_storage(sent_words(&thumbnails.storage))
                    .build(),
            )
            .recording_reconnect_window_seconds(self.recording_reconnect_window_seconds)
            .rendition_configuration(
                sdk::RenditionConfiguration::builder()
                    .rendition_selection(renditions.rendition_selection.0.clone())
                    .set_renditions(
                        sent_words(&renditions.renditions).filter(|list| !list.is_empty()),
                    )
                    .build(),
            )
            .set_tags(sent_tags(tags))
            .customize()
            .mutate_request(restore_zeros(json(self)))
            .send()
            .await
            .sorted("CreateRecordingConfiguration")?;
        inside("CreateRecordingConfiguration", made.recording_configuration.and_then(read))
    }

    async fn users(aws: &Clients, arn: &Arn) -> Result<Vec<Observed>, CloudError> {
        channel::listed(aws, |all| all.filter_by_recording_configuration_arn(arn.as_str())).await
    }

    async fn delete(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
        let request = aws.ivs_once.delete_recording_configuration().arn(arn.as_str());
        gone(request.send().await.sorted("DeleteRecordingConfiguration"))
    }
}

/// The answer of AWS as a spec.
fn read(it: sdk::RecordingConfiguration) -> Option<Observed> {
    let bucket_name = it.destination_configuration?.s3?.bucket_name;
    let mut thumbnails = Thumbnails::default();
    if let Some(it) = it.thumbnail_configuration {
        if let Some(mode) = WireEnum::answered(it.recording_mode) {
            thumbnails.recording_mode = mode;
        }
        if thumbnails.takes_pictures() {
            thumbnails.target_interval_seconds = it.target_interval_seconds;
            thumbnails.resolution = WireEnum::answered(it.resolution);
            if let Some(storage) = answered_words(it.storage) {
                thumbnails.storage = storage;
            }
        }
    }
    let mut renditions = Renditions::default();
    if let Some(it) = it.rendition_configuration {
        if let Some(selection) = WireEnum::answered(it.rendition_selection) {
            renditions.rendition_selection = selection;
        }
        if let Some(list) = answered_words(it.renditions).filter(|_| renditions.is_custom()) {
            renditions.renditions = list;
        }
    }
    let mut spec = RecordingConfiguration {
        name: Some(it.name.unwrap_or_default()),
        destination_configuration: RecordingDestination { s3: S3Destination { bucket_name } },
        thumbnail_configuration: thumbnails,
        recording_reconnect_window_seconds: it.recording_reconnect_window_seconds,
        rendition_configuration: renditions,
        tags: Tags::new(),
    };
    spec.normalise();
    let observed = Observed::listed(Kind::RecordingConfiguration, it.arn, answered_tags(it.tags));
    Some(observed.in_state(it.state.as_str()).with(spec))
}
