//! Where the picture of a composition goes: to a channel or to S3, with the rules for each.

use crate::aws::CloudError;
use crate::diag::Code;
use crate::kinds::wire_enum::{sdk_enums, sort_values};
use crate::kinds::{
    AddressMap, Channel, Check, EncoderConfiguration, Ref, StorageConfiguration, WireEnum,
    answered_or, answered_words, sent_words,
};
use aws_sdk_ivsrealtime::types::{self as sdk, RecordingConfigurationFormat, ThumbnailStorageType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

sdk_enums! { RecordingConfigurationFormat }

/// One place the picture goes; exactly one of `channel` and `s3`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Destination {
    /// Display name of the destination.
    pub name: String,
    /// Broadcast to a channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelDestination>,
    /// Record to S3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<RecordDestination>,
}

/// Broadcast to a channel, which must be offline at the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChannelDestination {
    /// The channel.
    pub channel: Ref<Channel>,
    /// The video to make; AWS's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder_configuration: Option<Ref<EncoderConfiguration>>,
}

/// Record to S3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordDestination {
    /// The bucket.
    pub storage_configuration: Ref<StorageConfiguration>,
    /// The video to make: exactly one.
    pub encoder_configurations: Vec<Ref<EncoderConfiguration>>,
    /// Format of the recording.
    #[serde(default)]
    pub recording_configuration: CompositionRecording,
    /// Still pictures beside the video: at most one set, none if absent.
    #[serde(default)]
    pub thumbnail_configurations: Vec<CompositionThumbnails>,
}

/// Format of a composition's recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CompositionRecording {
    /// HLS, the only format there is.
    pub format: WireEnum<RecordingConfigurationFormat>,
    /// HLS settings.
    pub hls_configuration: CompositionHls,
}

/// HLS settings of a composition's recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CompositionHls {
    /// Seconds of a segment, 2 to 10.
    pub target_segment_duration_seconds: i32,
}

/// Still pictures beside the video of a composition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CompositionThumbnails {
    /// Seconds between pictures, 1 to 86400.
    pub target_interval_seconds: i32,
    /// Whether pictures are kept one after another, or only the latest.
    pub storage: Vec<WireEnum<ThumbnailStorageType>>,
}

impl Default for CompositionRecording {
    fn default() -> Self {
        Self { format: WireEnum::of("HLS"), hls_configuration: CompositionHls::default() }
    }
}

impl Default for CompositionHls {
    fn default() -> Self {
        Self { target_segment_duration_seconds: 2 }
    }
}

impl Default for CompositionThumbnails {
    fn default() -> Self {
        Self { target_interval_seconds: 60, storage: vec![WireEnum::of("SEQUENTIAL")] }
    }
}

impl Destination {
    /// Every field set, over two of them.
    pub(super) fn examples() -> Vec<Self> {
        vec![
            Destination {
                name: "air".into(),
                channel: Some(ChannelDestination {
                    channel: Ref::named("main"),
                    encoder_configuration: Some(Ref::named("hd")),
                }),
                s3: None,
            },
            Destination {
                name: "tape".into(),
                channel: None,
                s3: Some(RecordDestination {
                    storage_configuration: Ref::named("shows"),
                    encoder_configurations: vec![Ref::named("hd")],
                    recording_configuration: CompositionRecording {
                        format: WireEnum::of("HLS"),
                        hls_configuration: CompositionHls { target_segment_duration_seconds: 4 },
                    },
                    thumbnail_configurations: vec![CompositionThumbnails {
                        target_interval_seconds: 30,
                        storage: vec![WireEnum::of("LATEST")],
                    }],
                }),
            },
        ]
    }

    /// Brings equal destinations to one form.
    pub(super) fn normalise(&mut self) {
        for thumbnails in self.s3.iter_mut().flat_map(|it| &mut it.thumbnail_configurations) {
            if thumbnails.storage.is_empty() {
                thumbnails.storage = CompositionThumbnails::default().storage;
            }
            sort_values(&mut thumbnails.storage);
        }
    }

    /// AWS's rules for the destination at `field`.
    pub(super) fn check(&self, at: &mut Check<'_>, field: &str) {
        let inside = |name: &str| format!("{field}.{name}");
        at.name(&inside("name"), &self.name);
        if self.channel.is_some() == self.s3.is_some() {
            at.report(
                Code::ConflictingFields,
                field,
                "a destination is exactly one of `channel` and `s3`",
            );
        }
        let Some(s3) = &self.s3 else { return };
        if s3.encoder_configurations.len() != 1 {
            at.report(
                Code::TooManyItems,
                &inside("s3.encoderConfigurations"),
                format!(
                    "{} encoder configurations: exactly one is allowed",
                    s3.encoder_configurations.len()
                ),
            );
        }
        at.range(
            &inside("s3.recordingConfiguration.hlsConfiguration.targetSegmentDurationSeconds"),
            s3.recording_configuration.hls_configuration.target_segment_duration_seconds,
            2,
            10,
        );
        if s3.thumbnail_configurations.len() > 1 {
            at.report(
                Code::TooManyItems,
                &inside("s3.thumbnailConfigurations"),
                "at most one set of thumbnails is allowed",
            );
        }
        for (index, thumbnails) in s3.thumbnail_configurations.iter().enumerate() {
            let field = inside(&format!("s3.thumbnailConfigurations[{index}]"));
            let interval = thumbnails.target_interval_seconds;
            at.range(&format!("{field}.targetIntervalSeconds"), interval, 1, 86_400);
            let storage = thumbnails.storage.iter().map(WireEnum::as_str);
            at.unique(&format!("{field}.storage"), storage, 2);
        }
    }

    /// The destination as the SDK takes it.
    pub(super) fn sent(
        &self,
        addresses: &AddressMap,
    ) -> Result<sdk::DestinationConfiguration, CloudError> {
        let wrong = |error: aws_smithy_types::error::operation::BuildError| {
            CloudError::unusable("StartComposition", error.to_string())
        };
        let mut sent = sdk::DestinationConfiguration::builder().name(&self.name);
        if let Some(it) = &self.channel {
            let encoder = it.encoder_configuration.as_ref().map(|it| it.arn(addresses));
            let channel = sdk::ChannelDestinationConfiguration::builder()
                .channel_arn(it.channel.arn(addresses))
                .set_encoder_configuration_arn(encoder);
            sent = sent.channel(channel.build().map_err(wrong)?);
        }
        if let Some(it) = &self.s3 {
            let encoders = it.encoder_configurations.iter().map(|it| it.arn(addresses)).collect();
            let seconds =
                it.recording_configuration.hls_configuration.target_segment_duration_seconds;
            let hls = sdk::CompositionRecordingHlsConfiguration::builder()
                .target_segment_duration_seconds(seconds)
                .build();
            let recording = sdk::RecordingConfiguration::builder()
                .format(it.recording_configuration.format.0.clone())
                .hls_configuration(hls)
                .build();
            let thumbnails: Vec<_> = it
                .thumbnail_configurations
                .iter()
                .map(|it| {
                    sdk::CompositionThumbnailConfiguration::builder()
                        .target_interval_seconds(it.target_interval_seconds)
                        .set_storage(sent_words(&it.storage))
                        .build()
                })
                .collect();
            let s3 = sdk::S3DestinationConfiguration::builder()
                .storage_configuration_arn(it.storage_configuration.arn(addresses))
                .set_encoder_configuration_arns(Some(encoders))
                .recording_configuration(recording)
                .set_thumbnail_configurations(Some(thumbnails).filter(|it| !it.is_empty()));
            sent = sent.s3(s3.build().map_err(wrong)?);
        }
        Ok(sent.build())
    }

    /// The destination as AWS answered it.
    pub(super) fn read(it: sdk::DestinationConfiguration, addresses: &AddressMap) -> Option<Self> {
        let channel = match it.channel {
            Some(it) => Some(ChannelDestination {
                channel: Ref::read(Some(&it.channel_arn), addresses)?,
                encoder_configuration: Ref::read(
                    it.encoder_configuration_arn.as_deref(),
                    addresses,
                ),
            }),
            None => None,
        };
        let s3 = match it.s3 {
            Some(it) => Some(RecordDestination {
                storage_configuration: Ref::read(Some(&it.storage_configuration_arn), addresses)?,
                encoder_configurations: it
                    .encoder_configuration_arns
                    .iter()
                    .filter_map(|arn| Ref::read(Some(arn), addresses))
                    .collect(),
                recording_configuration: it
                    .recording_configuration
                    .map(read_recording)
                    .unwrap_or_default(),
                thumbnail_configurations: it
                    .thumbnail_configurations
                    .unwrap_or_default()
                    .into_iter()
                    .map(read_thumbnails)
                    .collect(),
            }),
            None => None,
        };
        Some(Self { name: it.name.unwrap_or_default(), channel, s3 })
    }
}

fn read_recording(it: sdk::RecordingConfiguration) -> CompositionRecording {
    let default = CompositionRecording::default();
    let seconds = default.hls_configuration.target_segment_duration_seconds;
    CompositionRecording {
        format: WireEnum::answered(it.format).unwrap_or(default.format),
        hls_configuration: CompositionHls {
            target_segment_duration_seconds: answered_or(
                it.hls_configuration.and_then(|it| it.target_segment_duration_seconds),
                seconds,
            ),
        },
    }
}

fn read_thumbnails(it: sdk::CompositionThumbnailConfiguration) -> CompositionThumbnails {
    let default = CompositionThumbnails::default();
    CompositionThumbnails {
        target_interval_seconds: answered_or(
            it.target_interval_seconds,
            default.target_interval_seconds,
        ),
        storage: answered_words(it.storage).unwrap_or(default.storage),
    }
}
