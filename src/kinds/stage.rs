//! A stage: the virtual room in which participants of a real-time session meet.

mod participants;

pub(super) use participants::{any_participant, disconnect};

use super::wire_enum::{sdk_enums, sort_values};
use super::{
    AddressMap, Arn, Audience, Check, Edge, Facts, Interrupted, Interruption, Kind, NextCall,
    Observed, On, Operation, Ref, Resource, Scope, Service, WireEnum, answered_or, answered_tags,
    answered_words, composition, drain, each, ingest_configuration, inside, json, sent_tags,
    sent_words,
};
use crate::aws::{Clients, CloudError, Sorted, Tags, found, gone, restore_zeros};
use crate::diag::Code;
use crate::kinds::StorageConfiguration;
use crate::kinds::reference::{arn_or_detach, edge_of};
use crate::kinds::spec::{FieldChange, spec_path};
use aws_sdk_ivsrealtime::types::{
    self as sdk, ParticipantRecordingMediaType, ThumbnailRecordingMode, ThumbnailStorageType,
};
use participants::{active_session, foreign_source, ingest_of, recorded};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

sdk_enums! { ParticipantRecordingMediaType, ThumbnailRecordingMode, ThumbnailStorageType }

/// The block that AWS refuses while a recording runs.
const RECORDING: &str = "autoParticipantRecordingConfiguration";

/// A stage. Deleting it disconnects all participants, and AWS does not refuse.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Stage {
    /// Display name; `metadata.name` if absent. Not unique in AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Recording of each participant on their own.
    pub auto_participant_recording_configuration: ParticipantRecording,
    /// Tags of the stage.
    pub tags: Tags,
}

/// Recording of each participant on their own; off without a storage configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ParticipantRecording {
    /// Where recordings go; absent means that no participant is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_configuration: Option<Ref<StorageConfiguration>>,
    /// What is recorded: at most one of `AUDIO_VIDEO`, `AUDIO_ONLY`, NONE (thumbnails only).
    pub media_types: Vec<WireEnum<ParticipantRecordingMediaType>>,
    /// Still pictures beside the video.
    pub thumbnail_configuration: ParticipantThumbnails,
    /// Seconds within which a participant who comes back goes on in the same recording, 0 to 300.
    pub recording_reconnect_window_seconds: i32,
    /// HLS settings of the recording.
    pub hls_configuration: ParticipantHls,
    /// Whether replicas of participants from other stages are recorded.
    pub record_participant_replicas: bool,
}

/// Still pictures beside the video of a participant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ParticipantThumbnails {
    /// Whether pictures are taken at an interval or not at all.
    pub recording_mode: WireEnum<ThumbnailRecordingMode>,
    /// Seconds between pictures, 1 to 86400; 60 with INTERVAL if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_interval_seconds: Option<i32>,
    /// Whether pictures are kept one after another, or only the latest.
    pub storage: Vec<WireEnum<ThumbnailStorageType>>,
}

/// HLS settings of a participant's recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ParticipantHls {
    /// Seconds of a segment, 2 to 10.
    pub target_segment_duration_seconds: i32,
}

impl Default for ParticipantRecording {
    fn default() -> Self {
        Self {
            storage_configuration: None,
            media_types: vec![WireEnum::of("AUDIO_VIDEO")],
            thumbnail_configuration: ParticipantThumbnails::default(),
            recording_reconnect_window_seconds: 0,
            hls_configuration: ParticipantHls::default(),
            record_participant_replicas: true,
        }
    }
}

impl Default for ParticipantThumbnails {
    fn default() -> Self {
        Self {
            recording_mode: WireEnum::of("DISABLED"),
            target_interval_seconds: None,
            storage: vec![WireEnum::of("SEQUENTIAL")],
        }
    }
}

impl Default for ParticipantHls {
    fn default() -> Self {
        Self { target_segment_duration_seconds: 6 }
    }
}

impl ParticipantThumbnails {
    fn takes_pictures(&self) -> bool {
        self.recording_mode.as_str() == "INTERVAL"
    }
}

impl ParticipantRecording {
    /// The whole object, always: whether AWS merges or resets a partial one is unknown.
    fn sent(
        &self,
        addresses: &AddressMap,
    ) -> Result<sdk::AutoParticipantRecordingConfiguration, CloudError> {
        let thumbnails = &self.thumbnail_configuration;
        sdk::AutoParticipantRecordingConfiguration::builder()
            .storage_configuration_arn(arn_or_detach(
                self.storage_configuration.as_ref(),
                addresses,
            ))
            .set_media_types(sent_words(&self.media_types))
            .thumbnail_configuration(
                sdk::ParticipantThumbnailConfiguration::builder()
                    .recording_mode(thumbnails.recording_mode.0.clone())
                    .set_target_interval_seconds(thumbnails.target_interval_seconds)
                    .set_storage(sent_words(&thumbnails.storage))
                    .build(),
            )
            .recording_reconnect_window_seconds(self.recording_reconnect_window_seconds)
            .hls_configuration(
                sdk::ParticipantRecordingHlsConfiguration::builder()
                    .target_segment_duration_seconds(
                        self.hls_configuration.target_segment_duration_seconds,
                    )
                    .build(),
            )
            .record_participant_replicas(self.record_participant_replicas)
            .build()
            .map_err(|error| CloudError::unusable("stage recording", error.to_string()))
    }
}

impl Resource for Stage {
    const KIND: Kind = Kind::Stage;
    const FACTS: Facts = Facts {
        operations: &[
            Operation::list("ListStages"),
            Operation::read("GetStage"),
            Operation::read("ListParticipants"),
            Operation::create("CreateStage"),
            Operation::change("UpdateStage"),
            Operation::delete("DeleteStage"),
            Operation::list("ListCompositions"),
            Operation::list("ListIngestConfigurations"),
            Operation::change("DisconnectParticipant"),
            Operation::change("GetIngestConfiguration")
                .on(On::Others(&[Kind::IngestConfiguration])),
            Operation::change("UpdateIngestConfiguration")
                .on(On::Others(&[Kind::IngestConfiguration])),
        ],
        open_endpoints: &["whipEndpoint"],
        unobtrusive: &["name"],
        quota: Some(1_000),
        loss: Some("a new stage has other endpoints, and tokens of the old one are invalid"),
        deletion: Some(
            "its endpoints are lost for good, and all participant tokens become invalid; recordings stay in their \
             bucket",
        ),
        ..Facts::plain(Service::RealTime, "stage")
    };

    fn name_mut(&mut self) -> Option<&mut Option<String>> {
        Some(&mut self.name)
    }

    fn tags_mut(&mut self) -> Option<&mut Tags> {
        Some(&mut self.tags)
    }

    fn refs(&self) -> Vec<Edge> {
        let recording = &self.auto_participant_recording_configuration;
        let field = "autoParticipantRecordingConfiguration.storageConfiguration";
        edge_of(recording.storage_configuration.as_ref(), field).into_iter().collect()
    }

    /// Without a storage configuration nothing is recorded, so the rest has no effect.
    fn normalise(&mut self) {
        let recording = &mut self.auto_participant_recording_configuration;
        if recording.storage_configuration.is_none() {
            *recording = ParticipantRecording::default();
        }
        let default = ParticipantRecording::default();
        if recording.media_types.is_empty() {
            recording.media_types = default.media_types;
        }
        let thumbnails = &mut recording.thumbnail_configuration;
        // What has no effect is its default, whatever a manifest or an answer says.
        if !thumbnails.takes_pictures() {
            thumbnails.storage.clear();
        } else if thumbnails.target_interval_seconds.is_none() {
            thumbnails.target_interval_seconds = Some(60);
        }
        if thumbnails.storage.is_empty() {
            thumbnails.storage = default.thumbnail_configuration.storage;
        }
        sort_values(&mut thumbnails.storage);
    }

    fn check(&self, at: &mut Check<'_>) {
        let recording = &self.auto_participant_recording_configuration;
        let field = |name: &str| format!("autoParticipantRecordingConfiguration.{name}");
        if recording.storage_configuration.is_none()
            && *recording != ParticipantRecording::default()
        {
            at.report(
                Code::MissingCompanion,
                "autoParticipantRecordingConfiguration",
                "nothing here has an effect without `storageConfiguration`: AWS resets it to its defaults",
            )
            .help("name a StorageConfiguration, or leave the whole block out");
        }
        let media = recording.media_types.iter().map(WireEnum::as_str);
        at.unique(&field("mediaTypes"), media, 1);
        let thumbnails = &recording.thumbnail_configuration;
        let interval = field("thumbnailConfiguration.targetIntervalSeconds");
        match thumbnails.target_interval_seconds {
            Some(seconds) if thumbnails.takes_pictures() => at.range(&interval, seconds, 1, 86_400),
            Some(_) => {
                at.report(
                    Code::ConflictingFields,
                    &interval,
                    "an interval is only for recording mode INTERVAL, and this one is DISABLED",
                )
                .help("add `recordingMode: INTERVAL`, or leave `targetIntervalSeconds` out");
            }
            None => {}
        }
        let storage = thumbnails.storage.iter().map(WireEnum::as_str);
        at.unique(&field("thumbnailConfiguration.storage"), storage, 2);
        at.range(
            &field("recordingReconnectWindowSeconds"),
            recording.recording_reconnect_window_seconds,
            0,
            300,
        );
        at.range(
            &field("hlsConfiguration.targetSegmentDurationSeconds"),
            recording.hls_configuration.target_segment_duration_seconds,
            2,
            10,
        );
        match recording.media_types.first().map(WireEnum::as_str) {
            Some("NONE") if !thumbnails.takes_pictures() => {
                at.report(
                    Code::IneffectiveSetting,
                    &field("mediaTypes"),
                    "NONE records thumbnails only, and thumbnails are DISABLED",
                );
            }
            Some("AUDIO_ONLY") if thumbnails.takes_pictures() => {
                at.report(
                    Code::IneffectiveSetting,
                    &field("thumbnailConfiguration.recordingMode"),
                    "AUDIO_ONLY has no pictures to take thumbnails of",
                );
            }
            _ => {}
        }
    }

    fn example() -> Self {
        Self {
            name: Some("green-room".into()),
            auto_participant_recording_configuration: ParticipantRecording {
                storage_configuration: Some(Ref::named("shows")),
                media_types: vec![WireEnum::of("NONE")],
                thumbnail_configuration: ParticipantThumbnails {
                    recording_mode: WireEnum::of("INTERVAL"),
                    target_interval_seconds: Some(30),
                    storage: vec![WireEnum::of("LATEST")],
                },
                recording_reconnect_window_seconds: 60,
                hls_configuration: ParticipantHls { target_segment_duration_seconds: 4 },
                record_participant_replicas: false,
            },
            tags: Tags::from([("tier".into(), "gold".into())]),
        }
    }

    async fn list(aws: &Clients, scope: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
        let mut found = Vec::new();
        drain(
            "ListStages",
            |token| async move {
                let page = aws.realtime.list_stages().max_results(100).set_next_token(token);
                page.send().await.sorted("ListStages")
            },
            |page| {
                found.extend(scope.page(page.stages.into_iter().map(|it| {
                    let mut observed = Observed::listed(Self::KIND, it.arn, answered_tags(it.tags));
                    observed.session = it.active_session_id.filter(|it| !it.is_empty());
                    observed
                })));
                page.next_token
            },
        )
        .await?;
        Ok(found)
    }

    async fn get(
        aws: &Clients,
        arns: &[Arn],
        addresses: &AddressMap,
    ) -> Result<Vec<Observed>, CloudError> {
        each(arns, |arn| async move {
            let request = aws.realtime.get_stage().arn(arn);
            let answer = found(request.send().await.sorted("GetStage"))?;
            Ok(answer.and_then(|it| it.stage).map(|it| read(it, addresses)))
        })
        .await
    }

    /// Never with participant tokens: those are secrets that a run would have nowhere to put.
    async fn create(
        &self,
        aws: &Clients,
        tags: &Tags,
        addresses: &AddressMap,
    ) -> Result<Observed, CloudError> {
        let recording = &self.auto_participant_recording_configuration;
        let sent = match recording.storage_configuration {
            Some(_) => Some(recording.sent(addresses)?),
            None => None,
        };
        let made = aws
            .realtime_once
            .create_stage()
            .set_name(self.name.clone())
            .set_auto_participant_recording_configuration(sent)
            .set_tags(sent_tags(tags))
            .customize()
            .mutate_request(restore_zeros(json(self)))
            .send()
            .await
            .sorted("CreateStage")?;
        inside("CreateStage", made.stage.map(|it| read(it, addresses)))
    }

    async fn update(
        &self,
        aws: &Clients,
        arn: &Arn,
        changes: &[FieldChange],
        addresses: &AddressMap,
    ) -> Result<Observed, CloudError> {
        // While a recording runs, AWS refuses the block, which may not even change.
        let of_recording = spec_path().key(RECORDING);
        let recording = &self.auto_participant_recording_configuration;
        let recording = if changes.iter().any(|it| it.path.starts_with(&of_recording)) {
            Some(recording.sent(addresses)?)
        } else {
            None
        };
        let updated = aws
            .realtime_once
            .update_stage()
            .arn(arn.as_str())
            .set_name(self.name.clone())
            .set_auto_participant_recording_configuration(recording)
            .customize()
            .mutate_request(restore_zeros(json(self)))
            .send()
            .await
            .sorted("UpdateStage")?;
        inside("UpdateStage", updated.stage.map(|it| read(it, addresses)))
    }

    async fn is_connected(aws: &Clients, arn: &Arn, session: &str) -> Result<bool, CloudError> {
        participants::is_connected(aws, arn, session).await
    }

    async fn count_publishers(
        aws: &Clients,
        arn: &Arn,
        session: &str,
    ) -> Result<Option<usize>, CloudError> {
        participants::count_publishers(aws, arn, session).await.map(Some)
    }

    async fn audience(aws: &Clients, arn: &Arn) -> Result<Option<Audience>, CloudError> {
        let Some(session) = active_session(aws, arn).await? else { return Ok(None) };
        let connected = Self::is_connected(aws, arn, &session).await?;
        Ok(connected.then(|| Audience::session(session)))
    }

    /// `DeleteStage` disconnects all participants. `UpdateStage` disconnects none and is refused while one is recorded:
    /// those are disconnected, and other participants stay.
    async fn interrupt(
        aws: &Clients,
        arn: &Arn,
        interruption: &mut Interruption<'_>,
    ) -> Result<Interrupted, CloudError> {
        if interruption.next == NextCall::Delete {
            return Ok(Interrupted::ByNextCall);
        }
        let recorded = recorded(aws, arn).await?;
        // All are looked at before the first is disconnected.
        for participant in &recorded {
            if let Some(source) = foreign_source(aws, participant, interruption.stack).await? {
                return Ok(Interrupted::Foreign { source });
            }
        }
        for participant in recorded {
            if let Some(ingest) = ingest_of(&participant) {
                interruption.detaches(Kind::IngestConfiguration, &ingest, arn);
            }
            if let Some(id) = participant.participant_id {
                disconnect(aws, arn, id).await?;
            }
        }
        Ok(Interrupted::Published)
    }

    async fn is_in_the_way(aws: &Clients, arn: &Arn) -> Result<bool, CloudError> {
        Ok(!recorded(aws, arn).await?.is_empty())
    }

    /// Its end would be that of its compositions, and take the stage of its ingest configurations away.
    async fn users(aws: &Clients, arn: &Arn) -> Result<Vec<Observed>, CloudError> {
        let mut users =
            composition::running(aws, |all| all.filter_by_stage_arn(arn.as_str())).await?;
        users.extend(ingest_configuration::on_stage(aws, arn).await?);
        Ok(users)
    }

    async fn delete(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
        gone(aws.realtime_once.delete_stage().arn(arn.as_str()).send().await.sorted("DeleteStage"))
    }
}

/// The answer of AWS as a spec.
fn read(it: sdk::Stage, addresses: &AddressMap) -> Observed {
    let mut recording = ParticipantRecording::default();
    if let Some(it) = it.auto_participant_recording_configuration {
        recording.storage_configuration = Ref::read(Some(&it.storage_configuration_arn), addresses);
        if let Some(media) = answered_words(it.media_types) {
            recording.media_types = media;
        }
        if let Some(it) = it.thumbnail_configuration {
            let thumbnails = &mut recording.thumbnail_configuration;
            if let Some(mode) = WireEnum::answered(it.recording_mode) {
                thumbnails.recording_mode = mode;
            }
            if thumbnails.takes_pictures() {
                thumbnails.target_interval_seconds = it.target_interval_seconds;
                if let Some(storage) = answered_words(it.storage) {
                    thumbnails.storage = storage;
                }
            }
        }
        recording.recording_reconnect_window_seconds = it.recording_reconnect_window_seconds;
        if let Some(it) = it.hls_configuration {
            let default = ParticipantHls::default().target_segment_duration_seconds;
            recording.hls_configuration.target_segment_duration_seconds =
                answered_or(it.target_segment_duration_seconds, default);
        }
        recording.record_participant_replicas = it.record_participant_replicas;
    }
    let mut spec = Stage {
        name: Some(it.name.unwrap_or_default()),
        auto_participant_recording_configuration: recording,
        tags: Tags::new(),
    };
    spec.normalise();
    let mut observed = Observed::listed(Kind::Stage, it.arn, answered_tags(it.tags)).with(spec);
    observed.session = it.active_session_id.filter(|it| !it.is_empty());
    let Some(it) = it.endpoints else { return observed };
    observed.telling([
        ("eventsEndpoint", it.events),
        ("rtmpEndpoint", it.rtmp),
        ("rtmpsEndpoint", it.rtmps),
        ("whipEndpoint", it.whip),
    ])
}
