//! A composition: one picture of all participants of a stage, broadcast to a channel, recorded, or both.
//! Where it goes is in `destination`, how it is arranged in `layout`.

mod destination;
mod layout;

use super::{
    AddressMap, Arn, Audience, Check, DeclaredSet, Desired, Edge, Existence, Facts, Kind, Mutable,
    Observed, ObservedState, On, Operation, Pointer, Publisher, Ref, Replace, Resource, Scope,
    Service, answered_tags, drain, each, inside, json, owner, sent_tags, stage,
};
use crate::aws::{Class, Clients, CloudError, Sorted, Tags, found, restore_zeros};
use crate::diag::{Code, Diagnostic, FieldPath, Place, Report};
use crate::kinds::live::answered_time;
use crate::kinds::reference::edge_of;
use crate::kinds::{EncoderConfiguration, Live, LiveDestination, Stage, WireEnum};
use aws_sdk_ivsrealtime::operation::list_compositions::builders::ListCompositionsFluentBuilder;
use aws_sdk_ivsrealtime::types::{self as sdk, ParticipantState};
use destination::Destination;
use layout::{Grid, Layout};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Run it while a participant publishes on the stage, or the participant publishes; otherwise it is dormant,
    /// which is not drift.
    #[default]
    WhileStageActive,
    /// Start it whenever it is not running.
    Always,
    /// Stop it if it runs.
    Stopped,
}

/// The most compositions of one stage.
const MOST_ON_A_STAGE: usize = 5;

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
        no_publisher: Some("no participant publishes on its stage"),
        loss: Some("the broadcast is interrupted until the new composition runs"),
        deletion: Some("the broadcast stops; recordings stay in their bucket"),
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
        self.destinations.iter_mut().for_each(Destination::normalise);
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
        self.layout.check(at);
    }

    fn check_set(set: &DeclaredSet<'_>, report: &mut Report) {
        let mut per_stage: BTreeMap<&Pointer, usize> = BTreeMap::new();
        let mut by_channel: BTreeMap<&Pointer, &Desired> = BTreeMap::new();
        for (it, composition) in set.of::<Self>() {
            let on_stage = per_stage.entry(composition.stage.pointer()).or_default();
            *on_stage += 1;
            if *on_stage == MOST_ON_A_STAGE + 1 {
                let place = Place::value(it.origin, "spec.stage");
                let message = "a stage has at most 5 compositions, and this is its sixth";
                report.push(Diagnostic::new(Code::QuotaExceeded, place, message));
            }
            if let Some(pip) = &composition.layout.pip {
                let refs = composition.refs();
                let encoders = refs.iter().filter_map(|it| set.get::<EncoderConfiguration>(&it.to));
                encoders.for_each(|encoder| pip.check_inside(&encoder.video, it.origin, report));
            }
            for (index, destination) in composition.destinations.iter().enumerate() {
                let Some(target) = &destination.channel else { continue };
                let destination = FieldPath::from("spec.destinations").index(index);
                if let Some(first) = by_channel.insert(target.channel.pointer(), it) {
                    let place = Place::value(it.origin, destination.key("channel").key("channel"));
                    let message =
                        "a channel takes one composition at a time, and this is its second";
                    report.push(
                        Diagnostic::new(Code::ConflictingFields, place, message)
                            .also(Place::value(first.origin, "metadata.name"), "the first one"),
                    );
                }
            }
        }
    }

    fn example() -> Self {
        Self {
            stage: Ref::named("studio"),
            run: Run::Always,
            destinations: Destination::examples(),
            layout: Layout::example(),
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
        Some(Publisher::AnyParticipant { stage })
    }

    /// `published` stays true of a participant who has published once, so only connected participants count.
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
                    .on_air(Live {
                        since: answered_time(it.start_time.and_then(|it| it.to_millis().ok())),
                        destinations: it
                            .destinations
                            .into_iter()
                            .map(LiveDestination::listed)
                            .collect(),
                        ..Live::default()
                    })
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

/// The answer of AWS as a spec.
fn read(it: sdk::Composition, addresses: &AddressMap) -> Option<Observed> {
    let (failed, of) =
        (it.destinations.iter().filter(|it| has_failed(&it.state)).count(), it.destinations.len());
    let live = Live {
        since: answered_time(it.start_time.and_then(|it| it.to_millis().ok())),
        destinations: it.destinations.iter().map(live_destination).collect(),
        ..Live::default()
    };
    let destinations: Option<Vec<_>> = it
        .destinations
        .into_iter()
        .map(|it| Destination::read(it.configuration?, addresses))
        .collect();
    let mut spec = Composition {
        stage: Ref::read(Some(&it.stage_arn), addresses)?,
        run: Run::default(),
        destinations: destinations?,
        layout: it.layout.map(Layout::read).unwrap_or_default(),
        tags: Tags::new(),
    };
    spec.normalise();
    let observed = Observed::listed(Kind::Composition, it.arn, answered_tags(it.tags));
    Some(observed.in_state(it.state.as_str()).failing(failed, of).on_air(live).with(spec))
}

/// A destination with its name, which only a get tells.
fn live_destination(it: &sdk::Destination) -> LiveDestination {
    let name = it.configuration.as_ref().and_then(|it| it.name.clone());
    LiveDestination {
        id: it.id.clone(),
        name: name.filter(|it| !it.is_empty()),
        state: WireEnum(it.state.clone()),
    }
}

/// Whether AWS has given a destination up; one in state RECONNECTING may come back by itself.
fn has_failed(state: &sdk::DestinationState) -> bool {
    *state == sdk::DestinationState::Failed
}
