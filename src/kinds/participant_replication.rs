//! A replication: a participant who publishes on one stage appears on another as well.
//!
//! To AWS it is a relation between two stages, which exists while it runs: it has no ARN and no tags, and AWS does not
//! return the reconnect window and the attributes with which it was started. So its [`Arn`] here is made from the two
//! stages and the participant, and its ownership tags are in one tag of a stage that the stack owns (`memory`). Never
//! looks for replications that are neither declared nor in such a tag.

mod memory;
mod rules;

use super::composition::Run;
use super::{
    AddressMap, Arn, Audience, Check, DeclaredSet, Edge, Existence, Facts, Kind, Mutable, Observed,
    ObservedState, On, Operation, Owner, Pointer, Publisher, Ref, Replace, Resource, Scope,
    Service, drain, each, sent_tags, side_by_side,
};
use crate::aws::{Class, Clients, CloudError, Sorted, Tags, found, gone};
use crate::diag::{Code, Report};
use crate::kinds::reference::edge_of;
use crate::kinds::{Address, IngestConfiguration, Stage};
use aws_sdk_ivsrealtime::types::{ParticipantState, ReplicationState};
use memory::{Memory, Parts, kept, memories, short};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Shows a participant of one stage on another. It lasts until it is stopped, or until the participant has
/// been gone for longer than the reconnect window. Any change is stop, then start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParticipantReplication {
    /// The stage where the participant publishes.
    pub source_stage: Ref<Stage>,
    /// The stage where they appear as well. One of both stages must be the stack's own.
    pub destination_stage: Ref<Stage>,
    /// The participant: an ingest configuration, which always gives its participant the same id. Any other text is taken as
    /// `participantId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<Ref<IngestConfiguration>>,
    /// Instead: the id that AWS gave a participant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant_id: Option<String>,
    /// When it should run.
    #[serde(default)]
    pub run: Run,
    /// Seconds for which it outlasts the participant's absence, 0 to 300.
    #[serde(default)]
    pub reconnect_window_seconds: i32,
    /// Attributes of the participant on the other stage, over those they have; at most 1 KB in all. Never put
    /// secrets here.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// Why one cannot be started.
const NOT_PUBLISHING: &str = "its participant is not publishing";
/// IAM looks at the stages, since a replication has no ARN.
const STAGES: On = On::Others(&[Kind::Stage]);

impl ParticipantReplication {
    /// The three things that tell it from others, as far as they are known yet.
    fn parts(&self, addresses: &AddressMap) -> Option<Parts> {
        let participant = match (&self.participant, &self.participant_id) {
            (Some(ingest), _) => {
                addresses.participant(&ingest.pointer().arn(addresses)?)?.to_owned()
            }
            (None, id) => id.clone()?,
        };
        let source = self.source_stage.pointer().arn(addresses)?;
        let destination = self.destination_stage.pointer().arn(addresses)?;
        Some(Parts { source, destination, participant })
    }

    fn is_possible(&self, now: &ObservedState) -> bool {
        match (&self.participant, self.publisher(&now.addresses)) {
            (Some(ingest), _) => now.is_live(ingest.pointer()),
            (None, Some(participant)) => now.publishers.contains(&participant),
            (None, None) => false,
        }
    }
}

impl Resource for ParticipantReplication {
    const KIND: Kind = Kind::ParticipantReplication;
    const FACTS: Facts = Facts {
        operations: &[
            Operation::read("ListParticipantReplicas").unpublished_rate().on(STAGES),
            Operation::read("GetParticipant").on(STAGES),
            // Its request carries no tags.
            Operation::change("StartParticipantReplication").unpublished_rate().on(STAGES),
            Operation::change("StopParticipantReplication").unpublished_rate().on(STAGES),
        ],
        arn_type: None,
        mutable: Mutable::TagsOnly,
        replace: Replace::DeleteFirst,
        local: &["run"],
        ended: &["STOPPED"],
        listed_under: Some(Kind::Stage),
        no_publisher: Some(NOT_PUBLISHING),
        loss: Some("the participant disappears from the other stage until the new one runs"),
        deletion: Some("the participant disappears from the other stage"),
        ..Facts::plain(Service::RealTime, "")
    };

    fn name_mut(&mut self) -> Option<&mut Option<String>> {
        None
    }

    fn tags_mut(&mut self) -> Option<&mut Tags> {
        None
    }

    fn refs(&self) -> Vec<Edge> {
        let stages = [
            self.source_stage.edge("sourceStage"),
            self.destination_stage.edge("destinationStage"),
        ];
        stages.into_iter().chain(edge_of(self.participant.as_ref(), "participant")).collect()
    }

    fn needs_publisher(&self) -> Vec<Edge> {
        edge_of(self.participant.as_ref(), "participant").into_iter().collect()
    }

    fn check(&self, at: &mut Check<'_>) {
        match (&self.participant, &self.participant_id) {
            (Some(_), Some(_)) => {
                let message = "`participant` and `participantId` are both given";
                at.report(Code::ConflictingFields, "participantId", message);
            }
            (None, None) => {
                at.report(Code::MissingField, "participant", "missing field `participant`")
                    .help("name an IngestConfiguration, or give the id of a participant");
            }
            (None, Some(id)) if !is_participant_id(id) => {
                let message = "a participant id is 1 to 64 of letters, digits, `-` and `_`";
                at.report(Code::PatternMismatch, "participantId", message);
            }
            _ => {}
        }
        if self.source_stage == self.destination_stage {
            let message = "the source and the destination are the same stage";
            at.report(Code::ConflictingFields, "destinationStage", message);
        }
        let outside = |stage: &Ref<Stage>| matches!(stage.pointer(), Pointer::Outside(_));
        if outside(&self.source_stage) && outside(&self.destination_stage) {
            at.report(
                Code::MissingCompanion,
                "sourceStage",
                "neither stage is one of this stack, and a replication is remembered on its stage",
            )
            .help("declare one of the two, with `lifecycle.adopt` if it exists");
        }
        at.range("reconnectWindowSeconds", self.reconnect_window_seconds, 0, 300);
        let bytes: usize = self.attributes.iter().map(|(key, it)| key.len() + it.len()).sum();
        if bytes > 1024 {
            let message = format!("attributes of {bytes} bytes: at most 1024 are allowed in all");
            at.report(Code::OutOfRange, "attributes", message);
        }
    }

    fn check_set(set: &DeclaredSet<'_>, report: &mut Report) {
        rules::check(set, report);
    }

    fn example() -> Self {
        Self {
            source_stage: Ref::named("studio"),
            destination_stage: Ref::named("overflow"),
            participant: Some(Ref::named("camera-1")),
            participant_id: None,
            run: Run::Always,
            reconnect_window_seconds: 30,
            attributes: [("guest".into(), "yes".into())].into(),
        }
    }

    fn further_examples() -> Vec<Self> {
        vec![Self {
            participant: None,
            participant_id: Some("abCD12efGH34".into()),
            ..Self::example()
        }]
    }

    fn comes_and_goes(&self) -> bool {
        self.run != Run::Always
    }

    fn presence(&self, now: &ObservedState) -> Existence {
        match self.run {
            Run::Stopped => Existence::Unwanted,
            _ if self.is_possible(now) => Existence::Wanted,
            // Only what is published can be replicated, so both wait for that alike.
            Run::Always | Run::WhileStageActive => Existence::Dormant,
        }
    }

    fn identity(&self, addresses: &AddressMap) -> Option<Arn> {
        self.parts(addresses).map(|it| it.arn())
    }

    /// A name that no ingest configuration has is the id of a participant.
    fn settle_names(&mut self, is_name: &dyn Fn(&Address) -> bool) {
        let Some(Pointer::Named(address)) = self.participant.as_ref().map(Ref::pointer) else {
            return;
        };
        if self.participant_id.is_none() && is_participant_id(&address.name) && !is_name(address) {
            self.participant_id = Some(address.name.clone());
            self.participant = None;
        }
    }

    fn taken_over(&mut self, wanted: &Self) {
        self.reconnect_window_seconds = wanted.reconnect_window_seconds;
        self.attributes.clone_from(&wanted.attributes);
    }

    /// Those that are declared, and those that the stack's stages remember: one call a participant.
    async fn list(aws: &Clients, scope: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
        let mut remembered: BTreeMap<Arn, (Parts, Tags, Memory)> = BTreeMap::new();
        for stage in &scope.parents {
            for (parts, memory) in memories(&stage.arn, &stage.tags) {
                let tags = memory.tags(scope.stack);
                remembered.insert(parts.arn(), (parts, tags, memory));
            }
        }
        let mut declared: BTreeMap<Arn, (Parts, &Self)> = BTreeMap::new();
        for spec in &scope.declared {
            let Ok(spec) = <&Self>::try_from(*spec) else { continue };
            if let Some(parts) = spec.parts(&scope.addresses) {
                declared.insert(parts.arn(), (parts, spec));
            }
        }
        let all = declared.values().map(|(parts, _)| parts);
        let pairs: BTreeSet<(&Arn, &String)> = all
            .chain(remembered.values().map(|(parts, ..)| parts))
            .map(|it| (&it.source, &it.participant))
            .collect();
        let lists = pairs.into_iter().map(|(source, participant)| active(aws, source, participant));
        // Attributes with the same hash are equal, for whichever replication they are declared now.
        let specs = scope.declared.iter().filter_map(|spec| <&Self>::try_from(*spec).ok());
        let known: Known<'_> = specs.map(|it| (short(&it.attributes), &it.attributes)).collect();
        let mut found = Vec::new();
        for parts in side_by_side(lists.collect()).await?.into_iter().flatten() {
            let arn = parts.arn();
            let spec = declared.get(&arn).map(|(_, spec)| *spec);
            let memory = remembered.get(&arn);
            if spec.is_none() && memory.is_none() {
                continue;
            }
            let tags = memory.map(|(_, tags, _)| tags.clone()).unwrap_or_default();
            let spec = read(&parts, spec, memory.map(|(.., it)| it), &known, &scope.addresses);
            found.push(Observed::listed(Self::KIND, arn.as_str(), tags).with(spec));
        }
        Ok(found)
    }

    async fn get(
        aws: &Clients,
        arns: &[Arn],
        addresses: &AddressMap,
    ) -> Result<Vec<Observed>, CloudError> {
        each(arns, |arn| async move {
            let arn = Arn::new(arn);
            let Some(parts) = Parts::of(&arn) else { return Ok(None) };
            if !active(aws, &parts.source, &parts.participant).await?.contains(&parts) {
                return Ok(None);
            }
            let kept = kept(aws, &parts).await?;
            let (tags, memory) = kept.map(|it| (it.memory.tags(&it.stack), it.memory)).unzip();
            let observed = Observed::listed(Self::KIND, arn.as_str(), tags.unwrap_or_default());
            Ok(Some(observed.with(read(&parts, None, memory.as_ref(), &Known::new(), addresses))))
        })
        .await
    }

    /// Remembers it first, so that nothing of ours ever runs unremembered, then starts it. One that runs
    /// already, after a lost reply, is taken as it is.
    async fn create(
        &self,
        aws: &Clients,
        tags: &Tags,
        addresses: &AddressMap,
    ) -> Result<Observed, CloudError> {
        let parts = self.parts(addresses);
        let parts = parts.ok_or_else(|| refused("StartParticipantReplication", NOT_PUBLISHING))?;
        let arn = parts.arn();
        self.tag(aws, &arn, tags, addresses).await?;
        if !active(aws, &parts.source, &parts.participant).await?.contains(&parts) {
            aws.realtime_once
                .start_participant_replication()
                .source_stage_arn(parts.source.as_str())
                .destination_stage_arn(parts.destination.as_str())
                .participant_id(&parts.participant)
                .reconnect_window_seconds(self.reconnect_window_seconds)
                .set_attributes(sent_tags(&self.attributes))
                .send()
                .await
                .sorted("StartParticipantReplication")?;
        }
        Ok(Observed::listed(Self::KIND, arn.as_str(), tags.clone()).with(self.clone()))
    }

    async fn delete(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
        let Some(parts) = Parts::of(arn) else { return Ok(()) };
        let request = aws
            .realtime_once
            .stop_participant_replication()
            .source_stage_arn(parts.source.as_str())
            .destination_stage_arn(parts.destination.as_str())
            .participant_id(&parts.participant);
        gone(request.send().await.sorted("StopParticipantReplication"))?;
        match kept(aws, &parts).await? {
            Some(kept) => {
                let key = [parts.key()];
                gone(aws.untag(Service::RealTime, kept.stage.as_str(), &key).await)
            }
            None => Ok(()),
        }
    }

    /// Its tags are one tag of a stage: the source, if that is the stack's, or else the destination. What
    /// the stage remembers of another participant under the same name is forgotten.
    async fn tag(
        &self,
        aws: &Clients,
        arn: &Arn,
        tags: &Tags,
        _: &AddressMap,
    ) -> Result<(), CloudError> {
        let parts = Parts::of(arn);
        let parts = parts.ok_or_else(|| refused("TagResource", "not a replication"))?;
        let Owner::Stack(ownership) = Owner::of(tags) else {
            return Err(refused("TagResource", "only a whole set of marks can be remembered"));
        };
        let memory = Memory {
            name: ownership.name,
            attempt_id: ownership.attempt_id,
            digest: ownership.digest,
            protect: ownership.protect,
            window: self.reconnect_window_seconds,
            attributes: short(&self.attributes),
        };
        for stage in [&parts.source, &parts.destination] {
            let its = found(aws.tags_of(Service::RealTime, stage.as_str()).await)?;
            let Some(its) = its else { continue };
            if Owner::of(&its).in_stack(&ownership.stack).is_none() {
                continue;
            }
            let outdated: Vec<String> = memories(stage, &its)
                .into_iter()
                .filter(|(other, it)| it.name == memory.name && *other != parts)
                .map(|(other, _)| other.key())
                .collect();
            if !outdated.is_empty() {
                aws.untag(Service::RealTime, stage.as_str(), &outdated).await?;
            }
            let tag = Tags::from([(parts.key(), memory.to_string())]);
            return aws.tag(Service::RealTime, stage.as_str(), &tag).await;
        }
        Err(refused("TagResource", "neither of its stages belongs to this stack any more"))
    }

    /// [`Resource::tag`] always writes the whole.
    async fn untag(_: &Clients, _: &Arn, _: &[String]) -> Result<(), CloudError> {
        Ok(())
    }

    async fn tags_of(aws: &Clients, arn: &Arn) -> Result<Tags, CloudError> {
        let Some(parts) = Parts::of(arn) else { return Ok(Tags::new()) };
        let kept = kept(aws, &parts).await?;
        Ok(kept.map(|it| it.memory.tags(&it.stack)).unwrap_or_default())
    }

    /// Only for a participant declared by id: the listing has the state of an ingest configuration.
    fn publisher(&self, addresses: &AddressMap) -> Option<Publisher> {
        let id = self.participant_id.clone().filter(|_| self.run != Run::Stopped)?;
        Some(Publisher::Participant { stage: self.source_stage.pointer().arn(addresses)?, id })
    }

    async fn publishes(
        aws: &Clients,
        publisher: &Publisher,
        session: &str,
    ) -> Result<bool, CloudError> {
        let Publisher::Participant { stage, id } = publisher else { return Ok(false) };
        let request = aws
            .realtime
            .get_participant()
            .stage_arn(stage.as_str())
            .session_id(session)
            .participant_id(id);
        let answer = found(request.send().await.sorted("GetParticipant"))?;
        Ok(answer.and_then(|it| it.participant).is_some_and(|it| {
            it.published && it.state.is_some_and(|it| it == ParticipantState::Connected)
        }))
    }

    /// The participant appears on the other stage.
    fn acts_on(&self) -> Vec<Edge> {
        vec![self.destination_stage.edge("destinationStage")]
    }

    fn audience_of(_: &Observed) -> Option<Audience> {
        Some(Audience::publisher())
    }

    async fn audience(aws: &Clients, arn: &Arn) -> Result<Option<Audience>, CloudError> {
        let Some(parts) = Parts::of(arn) else { return Ok(None) };
        let active = active(aws, &parts.source, &parts.participant).await?;
        Ok(active.contains(&parts).then(Audience::publisher))
    }
}

/// Where a participant of a stage is replicated to at the moment; nowhere once the stage is gone.
async fn active(aws: &Clients, source: &Arn, participant: &str) -> Result<Vec<Parts>, CloudError> {
    let mut all = Vec::new();
    let drained = drain(
        "ListParticipantReplicas",
        |token| async move {
            let page = aws
                .realtime
                .list_participant_replicas()
                .source_stage_arn(source.as_str())
                .participant_id(participant)
                .max_results(50);
            page.set_next_token(token).send().await.sorted("ListParticipantReplicas")
        },
        |page| {
            let running = page
                .replicas
                .into_iter()
                .filter(|it| it.replication_state == ReplicationState::Active);
            all.extend(running.map(|it| Parts {
                source: Arn::new(it.source_stage_arn),
                destination: Arn::new(it.destination_stage_arn),
                participant: it.participant_id,
            }));
            page.next_token
        },
    )
    .await;
    found(drained)?;
    Ok(all)
}

/// Attributes that some manifest declares, by their hash.
type Known<'a> = BTreeMap<String, &'a BTreeMap<String, String>>;

/// A running replication as a spec. Attributes that no manifest declares are represented by their hash.
fn read(
    parts: &Parts,
    declared: Option<&ParticipantReplication>,
    memory: Option<&Memory>,
    known: &Known<'_>,
    addresses: &AddressMap,
) -> ParticipantReplication {
    let stage = |arn: &Arn| {
        Ref::read(Some(arn.as_str()), addresses)
            .expect("a reference to what has an ARN is not empty")
    };
    let ingest = addresses.published_with(&parts.participant);
    let mut spec = declared.cloned().unwrap_or_else(|| ParticipantReplication {
        source_stage: stage(&parts.source),
        destination_stage: stage(&parts.destination),
        participant: Ref::read(ingest.map(Arn::as_str), addresses),
        participant_id: ingest.is_none().then(|| parts.participant.clone()),
        run: Run::default(),
        reconnect_window_seconds: 0,
        attributes: BTreeMap::new(),
    });
    if let Some(memory) = memory {
        spec.reconnect_window_seconds = memory.window;
        if memory.attributes != short(&spec.attributes) {
            let other = [("(unreadable)".to_owned(), memory.attributes.clone())];
            let other = || other.into_iter().filter(|(_, it)| !it.is_empty()).collect();
            let known = known.get(&memory.attributes).map(|it| (*it).clone());
            spec.attributes = known.unwrap_or_else(other);
        }
    }
    spec
}

/// AWS's pattern, and more than nothing.
fn is_participant_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.chars().all(|it| it.is_ascii_alphanumeric() || "-_".contains(it))
}

/// A call that was not made.
fn refused(operation: &'static str, message: &str) -> CloudError {
    CloudError {
        operation,
        class: Class::NotSent,
        code: None,
        message: message.to_owned(),
        request_id: None,
    }
}
