//! A composition: one picture of all participants of a stage, broadcast to a channel, recorded, or both.

use super::wire_enum::{sdk_enums, sorted_words};
use super::{
    AddressMap, Arn, Audience, Check, Edge, Existence, Facts, Kind, Mutable, Observed,
    ObservedState, On, Operation, Publisher, Ref, Replace, Resource, Scope, Service, WireEnum,
    answered_or, answered_tags, answered_words, drain, each, inside, json, owner, sent_tags,
    sent_words, stage,
};
use crate::aws::{Class, Clients, CloudError, Sorted, Tags, found, restore_zeros};
use crate::diag::Code;
use crate::kinds::reference::edge_of;
use crate::kinds::{Channel, EncoderConfiguration, Stage, StorageConfiguration};
use aws_sdk_ivsrealtime::operation::list_compositions::builders::ListCompositionsFluentBuilder;
use aws_sdk_ivsrealtime::types::{
    self as sdk, ParticipantState, PipBehavior, PipPosition, RecordingConfigurationFormat,
    ThumbnailStorageType, VideoAspectRatio, VideoFillMode,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

sdk_enums! { PipBehavior, PipPosition, RecordingConfigurationFormat, VideoAspectRatio, VideoFillMode }

/// A composition. AWS ends it 60 seconds after the last publisher left, and after 24 hours. Any change but
/// of its tags is stop, wait, start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Composition {
    /// The stage that is composed.
    pub stage: Ref<Stage>,
    /// When it should run.
    #[serde(default)]
    pub run: Run,
    /// Where the picture goes: a channel, S3, or one of each.
    pub destinations: Vec<Destination>,
    /// How participants are arranged; a grid if absent.
    #[serde(default)]
    pub layout: Layout,
    /// Tags of the composition.
    #[serde(default)]
    pub tags: Tags,
}

/// When a composition, or a replication, should run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Run {
    /// Start it while somebody publishes on the stage, or the participant publishes; otherwise it is dormant,
    /// which is not drift.
    #[default]
    WhileStageActive,
    /// Start it whenever it is not running.
    Always,
    /// Stop it if it runs.
    Stopped,
}

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

/// How participants are arranged: `grid` or `pip`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Layout {
    /// Side by side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
    /// One large, one small inside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pip: Option<Pip>,
}

/// Participants side by side.
#[expect(clippy::struct_field_names, reason = "the names of the API")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Grid {
    /// Attribute that marks the featured participant.
    pub featured_participant_attribute: String,
    /// Whether participants without video are left out.
    pub omit_stopped_video: bool,
    /// Shape of each picture.
    pub video_aspect_ratio: WireEnum<VideoAspectRatio>,
    /// How a picture fills its place; decided by the aspect ratio if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_fill_mode: Option<WireEnum<VideoFillMode>>,
    /// Pixels between pictures, at least 0.
    pub grid_gap: i32,
    /// Attribute that orders participants.
    pub participant_order_attribute: String,
}

/// One participant large, one small inside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pip {
    /// Attribute that marks the featured participant.
    pub featured_participant_attribute: String,
    /// Whether participants without video are left out.
    pub omit_stopped_video: bool,
    /// How a picture fills its place.
    pub video_fill_mode: WireEnum<VideoFillMode>,
    /// Pixels between pictures, at least 0.
    pub grid_gap: i32,
    /// Attribute that marks the participant inside.
    pub pip_participant_attribute: String,
    /// Whether the inner picture goes when nobody is in it.
    pub pip_behavior: WireEnum<PipBehavior>,
    /// Pixels from the edge, at least 0.
    pub pip_offset: i32,
    /// Corner of the inner picture.
    pub pip_position: WireEnum<PipPosition>,
    /// Width of the inner picture, at least 1; automatic if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pip_width: Option<i32>,
    /// Height of the inner picture, at least 1; automatic if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pip_height: Option<i32>,
    /// Attribute that orders participants.
    pub participant_order_attribute: String,
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

impl Default for Grid {
    fn default() -> Self {
        Self {
            featured_participant_attribute: String::new(),
            omit_stopped_video: false,
            video_aspect_ratio: WireEnum::of("VIDEO"),
            video_fill_mode: None,
            grid_gap: 2,
            participant_order_attribute: String::new(),
        }
    }
}

impl Default for Pip {
    fn default() -> Self {
        Self {
            featured_participant_attribute: String::new(),
            omit_stopped_video: false,
            video_fill_mode: WireEnum::of("COVER"),
            grid_gap: 0,
            pip_participant_attribute: String::new(),
            pip_behavior: WireEnum::of("STATIC"),
            pip_offset: 0,
            pip_position: WireEnum::of("BOTTOM_RIGHT"),
            pip_width: None,
            pip_height: None,
            participant_order_attribute: String::new(),
        }
    }
}

impl Resource for Composition {
    const KIND: Kind = Kind::Composition;
    const FACTS: Facts = Facts {
        operations: &[
            Operation::list("ListCompositions"),
            Operation::read("GetComposition"),
            Operation::read("ListParticipants").on(On::Others(&[Kind::Stage])),
            Operation::create("StartComposition").on(On::Others(&[
                Kind::Stage,
                Kind::EncoderConfiguration,
                Kind::Channel,
                Kind::StorageConfiguration,
            ])),
            Operation::delete("StopComposition"),
        ],

        mutable: Mutable::TagsOnly,
        replace: Replace::DeleteFirst,
        local: &["run"],
        ready_state: Some(("ACTIVE", "FAILED")),
        ended: &["STOPPED", "FAILED"],
        ending: &["STOPPING"],
        quota: Some(20),
        loss: Some("the picture stops until the new composition runs"),
        deletion: Some("the picture stops; recordings stay in their bucket"),
        ..Facts::plain(Service::RealTime, "composition")
    };

    fn name_mut(&mut self) -> Option<&mut Option<String>> {
        None
    }

    fn tags_mut(&mut self) -> Option<&mut Tags> {
        Some(&mut self.tags)
    }

    fn refs(&self) -> Vec<Edge> {
        let mut edges = vec![self.stage.edge("stage")];
        for (index, destination) in self.destinations.iter().enumerate() {
            let at = |field: &str| format!("destinations[{index}].{field}");
            if let Some(it) = &destination.channel {
                edges.push(it.channel.edge(at("channel.channel")));
                let field = at("channel.encoderConfiguration");
                edges.extend(edge_of(it.encoder_configuration.as_ref(), &field));
            }
            if let Some(it) = &destination.s3 {
                edges.push(it.storage_configuration.edge(at("s3.storageConfiguration")));
                edges.extend(
                    it.encoder_configurations.iter().enumerate().map(|(item, it)| {
                        it.edge(at(&format!("s3.encoderConfigurations[{item}]")))
                    }),
                );
            }
        }
        edges
    }

    /// AWS starts a composition only onto a channel that is offline.
    fn must_be_offline(&self) -> Vec<Edge> {
        self.refs().into_iter().filter(|it| it.kind == Kind::Channel).collect()
    }

    fn normalise(&mut self) {
        if self.layout == Layout::default() {
            self.layout.grid = Some(Grid::default());
        }
        for destination in &mut self.destinations {
            for thumbnails in
                destination.s3.iter_mut().flat_map(|it| &mut it.thumbnail_configurations)
            {
                if thumbnails.storage.is_empty() {
                    thumbnails.storage = CompositionThumbnails::default().storage;
                }
                sorted_words(&mut thumbnails.storage);
            }
        }
    }

    fn check(&self, at: &mut Check<'_>) {
        if !(1..=2).contains(&self.destinations.len()) {
            at.report(
                Code::TooManyItems,
                "destinations",
                format!("{} destinations: one or two are allowed", self.destinations.len()),
            );
        }
        let channels = self.destinations.iter().filter(|it| it.channel.is_some()).count();
        let buckets = self.destinations.iter().filter(|it| it.s3.is_some()).count();
        if self.destinations.len() == 2 && (channels > 1 || buckets > 1) {
            at.report(
                Code::ConflictingFields,
                "destinations",
                "two destinations must be one channel and one s3",
            );
        }
        for (index, destination) in self.destinations.iter().enumerate() {
            destination.check(at, &format!("destinations[{index}]"));
        }
        if self.layout.grid.is_some() && self.layout.pip.is_some() {
            at.report(Code::ConflictingFields, "layout", "a layout is `grid` or `pip`, not both");
        }
        if let Some(grid) = &self.layout.grid {
            let attribute = &grid.featured_participant_attribute;
            at.name("layout.grid.featuredParticipantAttribute", attribute);
            let attribute = &grid.participant_order_attribute;
            at.name("layout.grid.participantOrderAttribute", attribute);
            at.range("layout.grid.gridGap", grid.grid_gap, 0, i32::MAX);
        }
        if let Some(pip) = &self.layout.pip {
            let attribute = &pip.featured_participant_attribute;
            at.name("layout.pip.featuredParticipantAttribute", attribute);
            at.name("layout.pip.pipParticipantAttribute", &pip.pip_participant_attribute);
            at.name("layout.pip.participantOrderAttribute", &pip.participant_order_attribute);
            at.range("layout.pip.gridGap", pip.grid_gap, 0, i32::MAX);
            at.range("layout.pip.pipOffset", pip.pip_offset, 0, i32::MAX);
            for (field, value) in [("pipWidth", pip.pip_width), ("pipHeight", pip.pip_height)] {
                if let Some(value) = value {
                    at.range(&format!("layout.pip.{field}"), value, 1, i32::MAX);
                }
            }
        }
    }

    fn example() -> Self {
        Self {
            stage: Ref::named("studio"),
            run: Run::Always,
            destinations: vec![
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
                            hls_configuration: CompositionHls {
                                target_segment_duration_seconds: 4,
                            },
                        },
                        thumbnail_configurations: vec![CompositionThumbnails {
                            target_interval_seconds: 30,
                            storage: vec![WireEnum::of("LATEST")],
                        }],
                    }),
                },
            ],
            layout: Layout {
                grid: None,
                pip: Some(Pip {
                    featured_participant_attribute: "host".into(),
                    omit_stopped_video: true,
                    video_fill_mode: WireEnum::of("CONTAIN"),
                    grid_gap: 4,
                    pip_participant_attribute: "guest".into(),
                    pip_behavior: WireEnum::of("DYNAMIC"),
                    pip_offset: 8,
                    pip_position: WireEnum::of("TOP_LEFT"),
                    pip_width: Some(320),
                    pip_height: Some(180),
                    participant_order_attribute: "order".into(),
                }),
            },
            tags: Tags::from([("tier".into(), "gold".into())]),
        }
    }

    fn comes_and_goes(&self) -> bool {
        self.run != Run::Always
    }

    fn presence(&self, now: &ObservedState) -> Existence {
        match self.run {
            Run::Always => Existence::Wanted,
            Run::Stopped => Existence::Unwanted,
            Run::WhileStageActive => match self.publisher(&now.addresses) {
                Some(it) if now.publishers.contains(&it) => Existence::Wanted,
                _ => Existence::Dormant,
            },
        }
    }

    fn publisher(&self, addresses: &AddressMap) -> Option<Publisher> {
        let stage =
            self.stage.pointer().arn(addresses).filter(|_| self.run == Run::WhileStageActive)?;
        Some(Publisher::Anybody { stage })
    }

    /// `published` stays true of whoever has published once, so only those who are connected count.
    async fn publishes(
        aws: &Clients,
        publisher: &Publisher,
        session: &str,
    ) -> Result<bool, CloudError> {
        let connected =
            |it: &sdk::ParticipantSummary| it.state == Some(ParticipantState::Connected);
        let stage = publisher.stage();
        stage::any_participant(aws, stage, session, |all| all.filter_by_published(true), connected)
            .await
    }

    /// The picture appears on its channels.
    fn acts_on(&self) -> Vec<Edge> {
        self.refs().into_iter().filter(|edge| edge.kind == Kind::Channel).collect()
    }

    fn audience_of(observed: &Observed) -> Option<Audience> {
        Some(Audience::composition(observed.arn.clone()))
    }

    async fn list(aws: &Clients, _: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
        listed(aws, |all| all).await
    }

    async fn get(
        aws: &Clients,
        arns: &[Arn],
        addresses: &AddressMap,
    ) -> Result<Vec<Observed>, CloudError> {
        each(arns, |arn| async move {
            let request = aws.realtime.get_composition().arn(arn);
            let answer = found(request.send().await.sorted("GetComposition"))?;
            Ok(answer.and_then(|it| it.composition).and_then(|it| read(it, addresses)))
        })
        .await
    }

    async fn create(
        &self,
        aws: &Clients,
        tags: &Tags,
        addresses: &AddressMap,
    ) -> Result<Observed, CloudError> {
        let destinations: Result<Vec<_>, _> =
            self.destinations.iter().map(|it| it.sent(addresses)).collect();
        let made = aws
            .realtime_once
            .start_composition()
            .stage_arn(self.stage.arn(addresses))
            .set_destinations(Some(destinations?))
            .layout(self.layout.sent())
            // The op tag is unique to this attempt, and fits AWS's pattern for the token.
            .set_idempotency_token(owner::attempt_of(tags))
            .set_tags(sent_tags(tags))
            .customize()
            .mutate_request(restore_zeros(json(self)))
            .send()
            .await
            .sorted("StartComposition")?;
        inside("StartComposition", made.composition.and_then(|it| read(it, addresses)))
    }

    async fn audience(aws: &Clients, arn: &Arn) -> Result<Option<Audience>, CloudError> {
        let request = aws.realtime.get_composition().arn(arn.as_str());
        let answer = found(request.send().await.sorted("GetComposition"))?;
        let state = answer.and_then(|it| it.composition).map(|it| it.state);
        Ok(state
            .filter(|it| !Self::FACTS.ended.contains(&it.as_str()))
            .map(|_| Audience::composition(arn.clone())))
    }

    /// Asks it to stop; the engine waits for the end.
    async fn delete(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
        let request = aws.realtime_once.stop_composition().arn(arn.as_str());
        match request.send().await.sorted("StopComposition") {
            // Gone, or already stopping: both are what was asked for. The wait that follows makes sure.
            Err(error) if !matches!(error.class, Class::NotFound | Class::Conflict) => Err(error),
            _ => Ok(()),
        }
    }
}

impl Destination {
    fn check(&self, at: &mut Check<'_>, field: &str) {
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

    fn sent(&self, addresses: &AddressMap) -> Result<sdk::DestinationConfiguration, CloudError> {
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

    fn read(it: sdk::DestinationConfiguration, addresses: &AddressMap) -> Option<Self> {
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

impl Layout {
    fn sent(&self) -> sdk::LayoutConfiguration {
        let grid = self.grid.as_ref().map(|it| {
            sdk::GridConfiguration::builder()
                .featured_participant_attribute(&it.featured_participant_attribute)
                .omit_stopped_video(it.omit_stopped_video)
                .video_aspect_ratio(it.video_aspect_ratio.0.clone())
                .set_video_fill_mode(it.video_fill_mode.as_ref().map(|it| it.0.clone()))
                .grid_gap(it.grid_gap)
                .participant_order_attribute(&it.participant_order_attribute)
                .build()
        });
        let pip = self.pip.as_ref().map(|it| {
            sdk::PipConfiguration::builder()
                .featured_participant_attribute(&it.featured_participant_attribute)
                .omit_stopped_video(it.omit_stopped_video)
                .video_fill_mode(it.video_fill_mode.0.clone())
                .grid_gap(it.grid_gap)
                .pip_participant_attribute(&it.pip_participant_attribute)
                .pip_behavior(it.pip_behavior.0.clone())
                .pip_offset(it.pip_offset)
                .pip_position(it.pip_position.0.clone())
                .set_pip_width(it.pip_width)
                .set_pip_height(it.pip_height)
                .participant_order_attribute(&it.participant_order_attribute)
                .build()
        });
        sdk::LayoutConfiguration::builder().set_grid(grid).set_pip(pip).build()
    }
}

/// The compositions that `narrow` leaves of all of them.
async fn listed(
    aws: &Clients,
    narrow: impl Fn(ListCompositionsFluentBuilder) -> ListCompositionsFluentBuilder,
) -> Result<Vec<Observed>, CloudError> {
    let mut found = Vec::new();
    drain(
        "ListCompositions",
        |token| {
            let page = aws.realtime.list_compositions().max_results(100).set_next_token(token);
            let page = narrow(page);
            async move { page.send().await.sorted("ListCompositions") }
        },
        |page| {
            found.extend(page.compositions.into_iter().map(|it| {
                let failed = it.destinations.iter().filter(|it| has_failed(&it.state)).count();
                Observed::listed(Kind::Composition, it.arn, answered_tags(it.tags))
                    .in_state(it.state.as_str())
                    .failing(failed, it.destinations.len())
            }));
            page.next_token
        },
    )
    .await?;
    Ok(found)
}

/// Those of them that are not over.
pub(super) async fn running(
    aws: &Clients,
    narrow: impl Fn(ListCompositionsFluentBuilder) -> ListCompositionsFluentBuilder,
) -> Result<Vec<Observed>, CloudError> {
    let mut all = listed(aws, narrow).await?;
    let ended = |it: &Observed| {
        it.state.as_deref().is_some_and(|it| Composition::FACTS.ended.contains(&it))
    };
    all.retain(|it| !ended(it));
    Ok(all)
}

/// What AWS answered, in the manifest's words.
fn read(it: sdk::Composition, addresses: &AddressMap) -> Option<Observed> {
    let (failed, of) =
        (it.destinations.iter().filter(|it| has_failed(&it.state)).count(), it.destinations.len());
    let destinations: Option<Vec<_>> = it
        .destinations
        .into_iter()
        .map(|it| Destination::read(it.configuration?, addresses))
        .collect();
    // An empty mapping says as little as none.
    let no_grid = sdk::GridConfiguration::builder().build();
    let no_pip = sdk::PipConfiguration::builder().build();
    let layout = it.layout.map_or_else(Layout::default, |it| Layout {
        grid: it.grid.filter(|it| *it != no_grid).map(read_grid),
        pip: it.pip.filter(|it| *it != no_pip).map(read_pip),
    });
    let mut spec = Composition {
        stage: Ref::read(Some(&it.stage_arn), addresses)?,
        run: Run::default(),
        destinations: destinations?,
        layout,
        tags: Tags::new(),
    };
    spec.normalise();
    let observed = Observed::listed(Kind::Composition, it.arn, answered_tags(it.tags));
    Some(observed.in_state(it.state.as_str()).failing(failed, of).with(spec))
}

/// Whether AWS has given a destination up; one in state RECONNECTING may come back by itself.
fn has_failed(state: &sdk::DestinationState) -> bool {
    *state == sdk::DestinationState::Failed
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

fn read_grid(it: sdk::GridConfiguration) -> Grid {
    Grid {
        featured_participant_attribute: it.featured_participant_attribute.unwrap_or_default(),
        omit_stopped_video: it.omit_stopped_video,
        video_aspect_ratio: WireEnum::answered(it.video_aspect_ratio)
            .unwrap_or(Grid::default().video_aspect_ratio),
        video_fill_mode: WireEnum::answered(it.video_fill_mode),
        grid_gap: it.grid_gap,
        participant_order_attribute: it.participant_order_attribute.unwrap_or_default(),
    }
}

fn read_pip(it: sdk::PipConfiguration) -> Pip {
    let default = Pip::default();
    Pip {
        featured_participant_attribute: it.featured_participant_attribute.unwrap_or_default(),
        omit_stopped_video: it.omit_stopped_video,
        video_fill_mode: WireEnum::answered(it.video_fill_mode).unwrap_or(default.video_fill_mode),
        grid_gap: it.grid_gap,
        pip_participant_attribute: it.pip_participant_attribute.unwrap_or_default(),
        pip_behavior: WireEnum::answered(it.pip_behavior).unwrap_or(default.pip_behavior),
        pip_offset: it.pip_offset,
        pip_position: WireEnum::answered(it.pip_position).unwrap_or(default.pip_position),
        pip_width: it.pip_width,
        pip_height: it.pip_height,
        participant_order_attribute: it.participant_order_attribute.unwrap_or_default(),
    }
}
