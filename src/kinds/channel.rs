//! A channel: the ingest endpoint and playback URL of one live stream.

mod ingest;
mod recording;
mod stream;

pub(super) use ingest::ingest;

use super::wire_enum::sdk_enums;
use super::{
    AddressMap, Arn, Audience, Check, DeclaredSet, Edge, Facts, Interrupted, Interruption, Kind,
    Observed, On, OnAir, Operation, Ref, Resource, Scope, Secrets, Service, WireEnum,
    answered_tags, drain, inside, json, sent_tags, side_by_side,
};
use crate::aws::{Clients, CloudError, Secret, Sorted, Tags, gone, restore_zeros};
use crate::diag::{Code, Report};
use crate::kinds::reference::{arn_or_detach, edge_of};
use crate::kinds::spec::FieldChange;
use crate::kinds::stream_key::keys_of;
use crate::kinds::{
    AdConfiguration, FailoverSlateConfiguration, PlaybackRestrictionPolicy, RecordingConfiguration,
};
use aws_sdk_ivs::operation::list_channels::builders::ListChannelsFluentBuilder;
use aws_sdk_ivs::types::{
    self as sdk, ChannelLatencyMode, ChannelType, ContainerFormat, MultitrackMaximumResolution,
    MultitrackPolicy, TranscodePreset,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

sdk_enums! { ChannelLatencyMode, ChannelType, ContainerFormat, MultitrackMaximumResolution, MultitrackPolicy, TranscodePreset }

/// A low-latency channel. AWS makes its stream key with it; deleting it loses playback URL and key for good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Channel {
    /// Display name; `metadata.name` if absent. Not unique in AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How far behind live a viewer may be: LOW for near-real-time interaction.
    pub latency_mode: WireEnum<ChannelLatencyMode>,
    /// Which resolutions and bitrates the channel takes, and whether it transcodes.
    pub r#type: WireEnum<ChannelType>,
    /// Private channel: viewers need a signed token.
    pub authorized: bool,
    /// Where streams of this channel are recorded; absent means nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording_configuration: Option<Ref<RecordingConfiguration>>,
    /// From where it may be watched; absent means from anywhere. AWS ignores it on a private channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playback_restriction_policy: Option<Ref<PlaybackRestrictionPolicy>>,
    /// What puts ads into the stream; absent means no ads. Needs container TS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_configuration: Option<Ref<AdConfiguration>>,
    /// When viewers are shown a slate because the broadcast broke off; absent means never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failover_slate_configuration: Option<Ref<FailoverSlateConfiguration>>,
    /// Whether RTMP without TLS, and SRT without a passphrase, are taken.
    pub insecure_ingest: bool,
    /// Transcoding preset of the ADVANCED types; `HIGHER_BANDWIDTH_DELIVERY` is their default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<WireEnum<TranscodePreset>>,
    /// Container of the video segments.
    pub container_format: WireEnum<ContainerFormat>,
    /// Several qualities from the broadcaster, instead of transcoding.
    pub multitrack_input_configuration: MultitrackInputConfiguration,
    /// Tags of the channel.
    pub tags: Tags,
}

/// Several qualities from the broadcaster, instead of transcoding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MultitrackInputConfiguration {
    /// Whether multitrack input is taken; needs type STANDARD and container `FRAGMENTED_MP4`.
    pub enabled: bool,
    /// Whether multitrack input is allowed or demanded.
    pub policy: WireEnum<MultitrackPolicy>,
    /// Largest resolution taken.
    pub maximum_resolution: WireEnum<MultitrackMaximumResolution>,
}

impl Default for Channel {
    fn default() -> Self {
        Self {
            name: None,
            latency_mode: WireEnum::of("LOW"),
            r#type: WireEnum::of("STANDARD"),
            authorized: false,
            recording_configuration: None,
            playback_restriction_policy: None,
            ad_configuration: None,
            failover_slate_configuration: None,
            insecure_ingest: false,
            preset: None,
            container_format: WireEnum::of("TS"),
            multitrack_input_configuration: MultitrackInputConfiguration::default(),
            tags: Tags::new(),
        }
    }
}

impl Default for MultitrackInputConfiguration {
    fn default() -> Self {
        Self {
            enabled: false,
            policy: WireEnum::of("ALLOW"),
            maximum_resolution: WireEnum::of("FULL_HD"),
        }
    }
}

impl MultitrackInputConfiguration {
    fn sent(&self) -> sdk::MultitrackInputConfiguration {
        sdk::MultitrackInputConfiguration::builder()
            .enabled(self.enabled)
            .policy(self.policy.0.clone())
            .maximum_resolution(self.maximum_resolution.0.clone())
            .build()
    }
}

impl Channel {
    fn is_advanced(&self) -> bool {
        self.r#type.as_str().starts_with("ADVANCED")
    }
}

impl Resource for Channel {
    const KIND: Kind = Kind::Channel;
    const FACTS: Facts = Facts {
        lists_audiences: true,
        operations: &[
            Operation::list("ListChannels"),
            Operation::list("ListStreams"),
            // Deleting a channel deletes its stream key.
            Operation::list("ListStreamKeys"),
            Operation::read("BatchGetChannel"),
            Operation::read("GetStream"),
            Operation::create("CreateChannel").on(On::OwnAnd(Kind::StreamKey)),
            Operation::change("UpdateChannel"),
            Operation::change("StopStream"),
            Operation::delete("DeleteChannel").on(On::OwnAnd(Kind::StreamKey)),
        ],

        quota: Some(5_000),
        loss: Some("a new channel has another playback URL, ingest endpoint and stream key"),
        deletion: Some(
            "playback URL, ingest endpoint and stream key are lost for good; recordings stay in their bucket",
        ),
        ..Facts::plain(Service::LowLatency, "channel")
    };

    fn name_mut(&mut self) -> Option<&mut Option<String>> {
        Some(&mut self.name)
    }

    fn tags_mut(&mut self) -> Option<&mut Tags> {
        Some(&mut self.tags)
    }

    fn refs(&self) -> Vec<Edge> {
        let policy = self.playback_restriction_policy.as_ref();
        let slate = self.failover_slate_configuration.as_ref();
        [
            edge_of(self.recording_configuration.as_ref(), "recordingConfiguration"),
            edge_of(policy, "playbackRestrictionPolicy"),
            edge_of(self.ad_configuration.as_ref(), "adConfiguration"),
            edge_of(slate, "failoverSlateConfiguration"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Only ADVANCED types have a preset: what an answer says beside another type has no effect. The API has
    /// no value that takes it away, and one that is left over is overwritten when the type is ADVANCED again.
    fn normalise(&mut self) {
        if !self.is_advanced() {
            self.preset = None;
        } else if self.preset.is_none() {
            self.preset = Some(WireEnum::of("HIGHER_BANDWIDTH_DELIVERY"));
        }
    }

    fn check(&self, at: &mut Check<'_>) {
        if self.preset.is_some() && !self.is_advanced() {
            at.report(
                Code::ConflictingFields,
                "preset",
                format!(
                    "`preset` is only for types ADVANCED_SD and ADVANCED_HD, and this channel is {}",
                    self.r#type.as_str()
                ),
            )
            .help("leave `preset` out, or change `type`");
        }
        if self.multitrack_input_configuration.enabled {
            let field = "multitrackInputConfiguration.enabled";
            if self.r#type.as_str() != "STANDARD" {
                at.report(Code::ConflictingFields, field, "multitrack input needs type STANDARD");
            }
            if self.container_format.as_str() != "FRAGMENTED_MP4" {
                at.report(
                    Code::ConflictingFields,
                    field,
                    "multitrack input needs container format FRAGMENTED_MP4",
                )
                .help("add `containerFormat: FRAGMENTED_MP4`");
            }
        }
        if self.ad_configuration.is_some() && self.container_format.as_str() != "TS" {
            at.report(
                Code::ConflictingFields,
                "adConfiguration",
                format!(
                    "ads need container format TS, and this is {}",
                    self.container_format.as_str()
                ),
            )
            .help("leave `containerFormat` out, or the ads");
        }
        if self.authorized && self.playback_restriction_policy.is_some() {
            at.report(
                Code::IneffectiveSetting,
                "playbackRestrictionPolicy",
                "AWS ignores the policy of a private channel (`authorized: true`)",
            );
        }
        if self.insecure_ingest {
            at.report(
                Code::RiskySetting,
                "insecureIngest",
                "plain RTMP is accepted, and SRT passphrases are not enforced",
            );
        }
    }

    fn check_set(set: &DeclaredSet<'_>, report: &mut Report) {
        recording::check(set, report);
    }

    fn example() -> Self {
        Self {
            name: Some("main-stage".into()),
            latency_mode: WireEnum::of("NORMAL"),
            r#type: WireEnum::of("ADVANCED_HD"),
            authorized: true,
            recording_configuration: Some(Ref::named("archive")),
            playback_restriction_policy: Some(Ref::named("home-market")),
            ad_configuration: None,
            failover_slate_configuration: Some(Ref::named("back-soon")),
            insecure_ingest: true,
            preset: Some(WireEnum::of("CONSTRAINED_BANDWIDTH_DELIVERY")),
            container_format: WireEnum::of("FRAGMENTED_MP4"),
            multitrack_input_configuration: MultitrackInputConfiguration {
                enabled: false,
                policy: WireEnum::of("REQUIRE"),
                maximum_resolution: WireEnum::of("HD"),
            },
            tags: Tags::from([("tier".into(), "gold".into())]),
        }
    }

    /// Ads and containers other than TS exclude each other.
    fn further_examples() -> Vec<Self> {
        let ads = Some(Ref::named("breaks"));
        vec![Self {
            ad_configuration: ads,
            container_format: WireEnum::of("TS"),
            ..Self::example()
        }]
    }

    async fn list(aws: &Clients, scope: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
        listed_in(aws, scope, |all| all).await
    }

    async fn get(
        aws: &Clients,
        arns: &[Arn],
        addresses: &AddressMap,
    ) -> Result<Vec<Observed>, CloudError> {
        Ok(answered(aws, arns).await?.into_iter().filter_map(|it| read(it, addresses)).collect())
    }

    async fn secrets(aws: &Clients, arns: &[Arn]) -> Result<Vec<Secrets>, CloudError> {
        let secret = |it: sdk::Channel| {
            let passphrase = Secret::new(it.srt?.passphrase?);
            Some((Arn::new(it.arn?), vec![("srtPassphrase", passphrase)]))
        };
        Ok(answered(aws, arns).await?.into_iter().filter_map(secret).collect())
    }

    async fn create(
        &self,
        aws: &Clients,
        tags: &Tags,
        addresses: &AddressMap,
    ) -> Result<Observed, CloudError> {
        let multitrack = &self.multitrack_input_configuration;
        let made = aws
            .ivs_once
            .create_channel()
            .set_name(self.name.clone())
            .latency_mode(self.latency_mode.0.clone())
            .r#type(self.r#type.0.clone())
            .authorized(self.authorized)
            .set_recording_configuration_arn(
                self.recording_configuration.as_ref().map(|it| it.arn(addresses)),
            )
            .set_playback_restriction_policy_arn(
                self.playback_restriction_policy.as_ref().map(|it| it.arn(addresses)),
            )
            .set_ad_configuration_arn(self.ad_configuration.as_ref().map(|it| it.arn(addresses)))
            .set_failover_slate_configuration_arn(
                self.failover_slate_configuration.as_ref().map(|it| it.arn(addresses)),
            )
            .insecure_ingest(self.insecure_ingest)
            .set_preset(self.preset.as_ref().map(|it| it.0.clone()))
            .container_format(self.container_format.0.clone())
            .multitrack_input_configuration(multitrack.sent())
            .set_tags(sent_tags(tags))
            .customize()
            .mutate_request(restore_zeros(json(self)))
            .send()
            .await
            .sorted("CreateChannel")?;
        inside("CreateChannel", made.channel.and_then(|it| read(it, addresses)))
    }

    async fn update(
        &self,
        aws: &Clients,
        arn: &Arn,
        _: &[FieldChange],
        addresses: &AddressMap,
    ) -> Result<Observed, CloudError> {
        let policy = self.playback_restriction_policy.as_ref();
        let slate = self.failover_slate_configuration.as_ref();
        let updated = aws
            .ivs_once
            .update_channel()
            .arn(arn.as_str())
            .set_name(self.name.clone())
            .latency_mode(self.latency_mode.0.clone())
            .r#type(self.r#type.0.clone())
            .authorized(self.authorized)
            .recording_configuration_arn(arn_or_detach(
                self.recording_configuration.as_ref(),
                addresses,
            ))
            .playback_restriction_policy_arn(arn_or_detach(policy, addresses))
            .ad_configuration_arn(arn_or_detach(self.ad_configuration.as_ref(), addresses))
            .failover_slate_configuration_arn(arn_or_detach(slate, addresses))
            .insecure_ingest(self.insecure_ingest)
            .set_preset(self.preset.as_ref().map(|it| it.0.clone()))
            .container_format(self.container_format.0.clone())
            .multitrack_input_configuration(self.multitrack_input_configuration.sent())
            .customize()
            .mutate_request(restore_zeros(json(self)))
            .send()
            .await
            .sorted("UpdateChannel")?;
        inside("UpdateChannel", updated.channel.and_then(|it| read(it, addresses)))
    }

    /// Its stream keys, which are deleted with it.
    async fn users(aws: &Clients, arn: &Arn) -> Result<Vec<Observed>, CloudError> {
        keys_of(aws, arn, &AddressMap::default()).await
    }

    async fn delete(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
        gone(aws.ivs_once.delete_channel().arn(arn.as_str()).send().await.sorted("DeleteChannel"))
    }

    async fn audiences(aws: &Clients) -> Result<Vec<OnAir>, CloudError> {
        stream::streams(aws).await
    }

    async fn audience(aws: &Clients, arn: &Arn) -> Result<Option<Audience>, CloudError> {
        stream::audience(aws, arn).await
    }

    async fn interrupt(
        aws: &Clients,
        arn: &Arn,
        _: &mut Interruption<'_>,
    ) -> Result<Interrupted, CloudError> {
        stream::stop(aws, arn).await.map(|()| Interrupted::Ended)
    }
}

/// AWS's answers about some. They carry SRT passphrases: only what the callers above take goes on.
async fn answered(aws: &Clients, arns: &[Arn]) -> Result<Vec<sdk::Channel>, CloudError> {
    let batches = arns.chunks(50).map(|batch| async move {
        let arns = batch.iter().map(|arn| arn.as_str().to_owned()).collect();
        let request = aws.ivs.batch_get_channel().set_arns(Some(arns));
        let answer = request.send().await.sorted("BatchGetChannel")?;
        // The code of a batch error is opaque; an object that is merely gone must not look unreadable.
        for error in answer.errors.unwrap_or_default() {
            let code = error.code.unwrap_or_default();
            if !code.contains("NotFound") && code != "404" {
                let arn = error.arn.unwrap_or_default();
                let text = error.message.unwrap_or_default();
                let text = format!("{arn} could not be read: {code} {text}");
                return Err(CloudError::unusable("BatchGetChannel", text));
            }
        }
        Ok(answer.channels.unwrap_or_default())
    });
    Ok(side_by_side(batches.collect()).await?.into_iter().flatten().collect())
}

/// The channels that `narrow` leaves of all of them.
pub(super) async fn listed(
    aws: &Clients,
    narrow: impl Fn(ListChannelsFluentBuilder) -> ListChannelsFluentBuilder,
) -> Result<Vec<Observed>, CloudError> {
    listed_in(aws, &Scope::default(), narrow).await
}

async fn listed_in(
    aws: &Clients,
    scope: &Scope<'_>,
    narrow: impl Fn(ListChannelsFluentBuilder) -> ListChannelsFluentBuilder,
) -> Result<Vec<Observed>, CloudError> {
    let mut found = Vec::new();
    drain(
        "ListChannels",
        |token| {
            let page = narrow(aws.ivs.list_channels().max_results(100).set_next_token(token));
            async move { page.send().await.sorted("ListChannels") }
        },
        |page| {
            found.extend(scope.page(page.channels.into_iter().map(|it| {
                Observed::listed(Kind::Channel, it.arn.unwrap_or_default(), answered_tags(it.tags))
            })));
            page.next_token
        },
    )
    .await?;
    Ok(found)
}

/// The answer of AWS as a spec.
fn read(it: sdk::Channel, addresses: &AddressMap) -> Option<Observed> {
    let default = Channel::default();
    let policy = it.playback_restriction_policy_arn.as_deref();
    let slate = it.failover_slate_configuration_arn.as_deref();
    let mut spec = Channel {
        name: Some(it.name.unwrap_or_default()),
        latency_mode: WireEnum::answered(it.latency_mode).unwrap_or(default.latency_mode),
        r#type: WireEnum::answered(it.r#type).unwrap_or(default.r#type),
        authorized: it.authorized,
        recording_configuration: Ref::read(it.recording_configuration_arn.as_deref(), addresses),
        playback_restriction_policy: Ref::read(policy, addresses),
        ad_configuration: Ref::read(it.ad_configuration_arn.as_deref(), addresses),
        failover_slate_configuration: Ref::read(slate, addresses),
        insecure_ingest: it.insecure_ingest,
        preset: WireEnum::answered(it.preset),
        container_format: WireEnum::answered(it.container_format)
            .unwrap_or(default.container_format),
        multitrack_input_configuration: it
            .multitrack_input_configuration
            .map(|it| {
                let default = MultitrackInputConfiguration::default();
                MultitrackInputConfiguration {
                    enabled: it.enabled,
                    policy: WireEnum::answered(it.policy).unwrap_or(default.policy),
                    maximum_resolution: WireEnum::answered(it.maximum_resolution)
                        .unwrap_or(default.maximum_resolution),
                }
            })
            .unwrap_or_default(),
        tags: Tags::new(),
    };
    spec.normalise();
    let outputs = [
        ("ingestEndpoint", it.ingest_endpoint),
        ("playbackUrl", it.playback_url),
        ("srtEndpoint", it.srt.and_then(|it| it.endpoint)),
    ];
    Some(
        Observed::listed(Kind::Channel, it.arn?, answered_tags(it.tags))
            .with(spec)
            .telling(outputs),
    )
}
