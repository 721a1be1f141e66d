//! An ingest configuration: a stream key with which an encoder publishes on a stage. The key is never read.

use super::wire_enum::sdk_enums;
use super::{
    AddressMap, Arn, Audience, Check, Detached, Edge, Facts, Interrupted, Interruption, Kind,
    Mutable, NamedSecret, Observed, On, Operation, Owner, READS_LAG, Ref, Resource, Scope, Secrets,
    Service, WireEnum, WithSecrets, answered_tags, drain, each, handover, inside, sent_tags,
    side_by_side, stage,
};
use crate::aws::{Clients, CloudError, Secret, Sorted, Tags, found, gone};
use crate::diag::Code;
use crate::kinds::Stage;
use crate::kinds::reference::{arn_or_detach, edge_of};
use crate::kinds::spec::FieldChange;
use aws_sdk_ivsrealtime::types::{self as sdk, IngestConfigurationState, IngestProtocol};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

sdk_enums! { IngestProtocol }

/// How an encoder publishes on a stage by RTMP(S). Only `stage` and `redundantIngest` can be changed, and only
/// while no encoder publishes with it; AWS detaches it from the stage when the stage is deleted or the publisher
/// disconnected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IngestConfiguration {
    /// Display name; `metadata.name` if absent. Not unique in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How the encoder connects; RTMP, without TLS, needs `insecureIngest: true`.
    pub ingest_protocol: WireEnum<IngestProtocol>,
    /// The stage that is published on; without one the key is of no use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Ref<Stage>>,
    /// Whether a second encoder can publish the same at the same time, with a key of its own.
    #[serde(default)]
    pub redundant_ingest: bool,
    /// Name of the participant for the application, at most 128 characters.
    #[serde(default)]
    pub user_id: String,
    /// Attributes of the participant for the application, at most 1 KB in all. Never put secrets here.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Whether RTMP without TLS is taken. AWS never returns it.
    #[serde(default)]
    pub insecure_ingest: bool,
    /// Tags of the ingest configuration.
    #[serde(default)]
    pub tags: Tags,
}

impl IngestConfiguration {
    fn is_plain(&self) -> bool {
        self.ingest_protocol.as_str() == "RTMP"
    }
}

impl Resource for IngestConfiguration {
    const KIND: Kind = Kind::IngestConfiguration;
    const FACTS: Facts = Facts {
        operations: &[
            Operation::list("ListIngestConfigurations"),
            Operation::read("GetIngestConfiguration"),
            Operation::create("CreateIngestConfiguration"),
            Operation::change("UpdateIngestConfiguration"),
            Operation::change("DisconnectParticipant").on(On::Others(&[Kind::Stage])),
            Operation::delete("DeleteIngestConfiguration"),
        ],

        mutable: Mutable::Only(&["stage", "redundantIngest"]),
        emptied: &["stage"],
        quota: Some(100),
        loss: Some("the encoder needs the new stream key"),
        deletion: Some("stream key and participant id are lost for good"),
        publishes_to: Some(Kind::Stage),
        ..Facts::plain(Service::RealTime, "ingest-configuration")
    };

    fn name_mut(&mut self) -> Option<&mut Option<String>> {
        Some(&mut self.name)
    }

    fn tags_mut(&mut self) -> Option<&mut Tags> {
        Some(&mut self.tags)
    }

    fn refs(&self) -> Vec<Edge> {
        edge_of(self.stage.as_ref(), "stage").into_iter().collect()
    }

    fn check(&self, at: &mut Check<'_>) {
        if self.is_plain() && !self.insecure_ingest {
            at.report(
                Code::MissingCompanion,
                "ingestProtocol",
                "RTMP goes without TLS, which needs `insecureIngest: true`",
            )
            .help("use RTMPS, or add `insecureIngest: true`");
        }
        if !self.is_plain() && self.insecure_ingest {
            at.report(
                Code::IneffectiveSetting,
                "insecureIngest",
                "what this does with RTMPS is not documented: RTMP without TLS needs protocol RTMP",
            );
        }
        if self.user_id.chars().count() > 128 {
            at.report(Code::OutOfRange, "userId", "a user id has at most 128 characters");
        }
        let bytes: usize = self.attributes.iter().map(|(key, it)| key.len() + it.len()).sum();
        if bytes > 1024 {
            let message = format!("attributes of {bytes} bytes: at most 1024 are allowed in all");
            at.report(Code::OutOfRange, "attributes", message);
        }
    }

    fn example() -> Self {
        Self {
            name: Some("camera-1".into()),
            ingest_protocol: WireEnum::of("RTMP"),
            stage: Some(Ref::named("studio")),
            redundant_ingest: true,
            user_id: "camera".into(),
            attributes: [("side".into(), "left".into())].into(),
            insecure_ingest: true,
            tags: Tags::from([("tier".into(), "gold".into())]),
        }
    }

    /// With RTMP there is no choice, and nothing to recall.
    fn copy_write_only(&mut self, from: &Self) {
        self.insecure_ingest = self.is_plain() || from.insecure_ingest;
    }

    fn write_only_variants(&self) -> Vec<Self> {
        let other = Self { insecure_ingest: !self.insecure_ingest, ..self.clone() };
        if self.is_plain() { Vec::new() } else { vec![other] }
    }

    async fn list(aws: &Clients, _: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
        listed(aws, None).await
    }

    /// The only kind with a listing that leaves the tags out: one get each. Without its tags a listed object would
    /// be a stranger, or not there at all, so one that cannot be got makes the listing incomplete.
    async fn list_tagged(aws: &Clients, scope: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
        let mut lags = READS_LAG.iter();
        loop {
            let listed = Self::list(aws, scope).await?;
            let arns: Vec<Arn> = listed.into_iter().map(|observed| observed.arn).collect();
            let got = Self::get(aws, &arns, &scope.addresses).await?;
            let unread = arns.iter().find(|arn| got.iter().all(|observed| observed.arn != **arn));
            let Some(unread) = unread else { return Ok(got) };
            let Some(lag) = lags.next() else {
                let message =
                    format!("{unread} is listed, but cannot be read; try again in a minute");
                return Err(CloudError::unusable("ListIngestConfigurations", message));
            };
            tokio::time::sleep(std::time::Duration::from_millis(*lag)).await;
        }
    }

    async fn get(
        aws: &Clients,
        arns: &[Arn],
        addresses: &AddressMap,
    ) -> Result<Vec<Observed>, CloudError> {
        each(
            arns,
            |arn| async move { Ok(answered(aws, &arn).await?.map(|it| read(it, addresses))) },
        )
        .await
    }

    async fn secrets(aws: &Clients, arns: &[Arn]) -> Result<Vec<Secrets>, CloudError> {
        let reads = arns.iter().map(|arn| async move {
            let Some(it) = answered(aws, arn.as_str()).await? else { return Ok(None) };
            let second = it.redundant_ingest_credentials.unwrap_or_default();
            let second = second.into_iter().filter_map(|it| it.stream_key);
            let second = second.map(|it| ("redundantStreamKey", Secret::new(it)));
            let first = ("streamKey", Secret::new(it.stream_key));
            Ok(Some((arn.clone(), std::iter::once(first).chain(second).collect())))
        });
        Ok(side_by_side(reads.collect()).await?.into_iter().flatten().collect())
    }

    fn addresses_with_secrets(own: &WithSecrets<'_>, stage: &WithSecrets<'_>) -> Vec<NamedSecret> {
        let spec = own.observed.spec.as_ref().map(<&Self>::try_from);
        let is_plain = matches!(spec, Some(Ok(it)) if it.is_plain());
        let (endpoint, names, second_names) = if is_plain {
            ("rtmpEndpoint", ["rtmpServer", "rtmpUrl"], ["rtmpServer", "redundantRtmpUrl"])
        } else {
            ("rtmpsEndpoint", ["rtmpsServer", "rtmpsUrl"], ["rtmpsServer", "redundantRtmpsUrl"])
        };
        let Some(server) = stage.output(endpoint) else { return Vec::new() };
        let first = own.secret("streamKey").map(|key| handover::rtmp(names, server, key));
        let second = own.secret("redundantStreamKey");
        let second = second.map(|key| handover::rtmp(second_names, server, key));
        // Both keys are for one server.
        let second = second.into_iter().flatten().skip(1);
        first.into_iter().flatten().chain(second).collect()
    }

    async fn create(
        &self,
        aws: &Clients,
        tags: &Tags,
        addresses: &AddressMap,
    ) -> Result<Observed, CloudError> {
        let made = aws
            .realtime_once
            .create_ingest_configuration()
            .set_name(self.name.clone())
            .ingest_protocol(self.ingest_protocol.0.clone())
            .set_stage_arn(self.stage.as_ref().map(|it| it.arn(addresses)))
            .redundant_ingest(self.redundant_ingest)
            .user_id(&self.user_id)
            .set_attributes(sent_tags(&self.attributes))
            .insecure_ingest(self.insecure_ingest)
            .set_tags(sent_tags(tags))
            .send()
            .await
            .sorted("CreateIngestConfiguration")?;
        let made = made.ingest_configuration.map(|it| read(it, addresses));
        inside("CreateIngestConfiguration", made)
    }

    async fn update(
        &self,
        aws: &Clients,
        arn: &Arn,
        _: &[FieldChange],
        addresses: &AddressMap,
    ) -> Result<Observed, CloudError> {
        let updated = aws
            .realtime_once
            .update_ingest_configuration()
            .arn(arn.as_str())
            .stage_arn(arn_or_detach(self.stage.as_ref(), addresses))
            .redundant_ingest(self.redundant_ingest)
            .send()
            .await
            .sorted("UpdateIngestConfiguration")?;
        let updated = updated.ingest_configuration.map(|it| read(it, addresses));
        inside("UpdateIngestConfiguration", updated)
    }

    /// Never by force: the publisher is disconnected first, and only with consent.
    async fn delete(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
        let request = aws.realtime_once.delete_ingest_configuration().arn(arn.as_str());
        gone(request.send().await.sorted("DeleteIngestConfiguration"))
    }

    /// The publisher appears on the stage.
    fn acts_on(&self) -> Vec<Edge> {
        self.refs()
    }

    fn audience_of(observed: &Observed) -> Option<Audience> {
        let active = IngestConfigurationState::Active;
        (observed.state.as_deref() == Some(active.as_str())).then(Audience::publisher)
    }

    async fn audience(aws: &Clients, arn: &Arn) -> Result<Option<Audience>, CloudError> {
        let state = answered(aws, arn.as_str()).await?.map(|it| it.state);
        let active = state.filter(|it| *it == IngestConfigurationState::Active);
        Ok(active.map(|_| Audience::publisher()))
    }

    /// Disconnects its publisher, and a second one of a redundant ingest. AWS detaches it from its stage with that, so
    /// where a try is repeated only `interruption` has the stage; the next call attaches it again, or
    /// [`Resource::attach_again`] does.
    async fn interrupt(
        aws: &Clients,
        arn: &Arn,
        interruption: &mut Interruption<'_>,
    ) -> Result<Interrupted, CloudError> {
        let Some(it) = answered(aws, arn.as_str()).await? else { return Ok(Interrupted::Ended) };
        if !it.stage_arn.is_empty() {
            interruption.detaches(Self::KIND, arn, &Arn::new(it.stage_arn));
        }
        // Without a stage no encoder can connect: the one that was disconnected is about to leave.
        let Some(stage) = interruption.detached.iter().find(|it| it.arn == *arn) else {
            return Ok(Interrupted::Ended);
        };
        let second = it.redundant_ingest_credentials.unwrap_or_default();
        let second = second.into_iter().filter_map(|it| it.participant_id);
        for participant in std::iter::once(it.participant_id).chain(second) {
            stage::disconnect(aws, &stage.from, participant).await?;
        }
        Ok(Interrupted::Ended)
    }

    async fn attach_again(aws: &Clients, detached: &Detached) -> Result<(), CloudError> {
        let now = answered(aws, detached.arn.as_str()).await?;
        if now.is_none_or(|it| !it.stage_arn.is_empty()) {
            return Ok(());
        }
        let request = aws.realtime_once.update_ingest_configuration().arn(detached.arn.as_str());
        let request = request.stage_arn(detached.from.as_str()).send().await;
        request.sorted("UpdateIngestConfiguration").map(|_| ())
    }
}

/// Those of a stage.
pub(super) async fn on_stage(aws: &Clients, stage: &Arn) -> Result<Vec<Observed>, CloudError> {
    listed(aws, Some(stage.as_str().to_owned())).await
}

/// The owner of one, by its tags; `None` if it does not exist.
pub(super) async fn owner(aws: &Clients, arn: &Arn) -> Result<Option<Owner>, CloudError> {
    let answer = answered(aws, arn.as_str()).await?;
    Ok(answer.map(|it| Owner::of(&answered_tags(it.tags))))
}

async fn listed(aws: &Clients, stage: Option<String>) -> Result<Vec<Observed>, CloudError> {
    let mut found = Vec::new();
    drain(
        "ListIngestConfigurations",
        |token| {
            let page = aws.realtime.list_ingest_configurations().max_results(100);
            let page = page.set_filter_by_stage_arn(stage.clone()).set_next_token(token);
            async move { page.send().await.sorted("ListIngestConfigurations") }
        },
        |page| {
            found.extend(page.ingest_configurations.into_iter().map(|it| {
                let observed = Observed::listed(Kind::IngestConfiguration, it.arn, Tags::new());
                observed.in_state(it.state.as_str()).publishing_as(it.participant_id)
            }));
            page.next_token
        },
    )
    .await?;
    Ok(found)
}

/// AWS's answer about one. It carries stream keys: only what [`read`] and the callers above take goes on.
async fn answered(
    aws: &Clients,
    arn: &str,
) -> Result<Option<sdk::IngestConfiguration>, CloudError> {
    let request = aws.realtime.get_ingest_configuration().arn(arn);
    let answer = found(request.send().await.sorted("GetIngestConfiguration"))?;
    Ok(answer.and_then(|it| it.ingest_configuration))
}

/// The answer of AWS as a spec.
fn read(it: sdk::IngestConfiguration, addresses: &AddressMap) -> Observed {
    let mut spec = IngestConfiguration {
        name: Some(it.name.unwrap_or_default()),
        ingest_protocol: WireEnum(it.ingest_protocol),
        stage: Ref::read(Some(&it.stage_arn), addresses),
        redundant_ingest: it.redundant_ingest,
        user_id: it.user_id.unwrap_or_default(),
        attributes: answered_tags(it.attributes),
        insecure_ingest: false,
        tags: Tags::new(),
    };
    spec.insecure_ingest = spec.is_plain();
    let observed = Observed::listed(Kind::IngestConfiguration, it.arn, answered_tags(it.tags));
    let observed = observed.telling([("participantId", Some(it.participant_id.clone()))]);
    observed.in_state(it.state.as_str()).publishing_as(it.participant_id).with(spec)
}
