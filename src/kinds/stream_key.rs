//! A stream key: what a broadcaster needs to stream to one channel. Its value is never read.

use super::{
    Address, AddressMap, Arn, Check, DeclaredSet, Desired, Edge, Facts, Kind, Mutable, NamedSecret,
    Observed, ObservedState, Operation, Owner, Pointer, Ref, Replace, Resource, Scope, Secrets,
    Service, Stack, WithSecrets, answered_tags, drain, inside, sent_tags, side_by_side,
};
use crate::aws::{Class, Clients, CloudError, Secret, Sorted, Tags, found, gone};
use crate::diag::{Code, Diagnostic, Place, Report};
use crate::kinds::Channel;
use crate::kinds::check::MOST_TAGS;
use crate::kinds::check::is_tag_character;
use crate::kinds::owner::{self, STREAM_KEY, remembered_key};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most characters of a rotation, which shares a tag of 256 with what else is recorded of a key.
pub const LONGEST_ROTATION: usize = 128;

/// The stream key of a channel. AWS makes it with the channel, so it is taken over, never made beside one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamKey {
    /// The channel of the key.
    pub channel: Ref<Channel>,
    /// Any text; changing it deletes the key and makes a new one, with a gap without a key between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<String>,
    /// Tags of the key.
    #[serde(default)]
    pub tags: Tags,
}

impl Resource for StreamKey {
    const KIND: Kind = Kind::StreamKey;
    const FACTS: Facts = Facts {
        operations: &[
            Operation::list("ListStreamKeys"),
            Operation::reveal("GetStreamKey"),
            Operation::shortcut("BatchGetStreamKey"),
            Operation::create("CreateStreamKey"),
            Operation::delete("DeleteStreamKey"),
        ],
        mutable: Mutable::TagsOnly,
        replace: Replace::DeleteFirst,
        loss: Some("broadcasters need the new stream key"),
        deletion: Some("the stream key is lost for good: broadcasters that have it cannot connect"),
        listed_under: Some(Kind::Channel),
        created_by: Some(Kind::Channel),
        publishes_to: Some(Kind::Channel),
        ..Facts::plain(Service::LowLatency, "stream-key")
    };

    fn name_mut(&mut self) -> Option<&mut Option<String>> {
        None
    }

    fn tags_mut(&mut self) -> Option<&mut Tags> {
        Some(&mut self.tags)
    }

    fn refs(&self) -> Vec<Edge> {
        vec![self.channel.edge("channel")]
    }

    fn check(&self, at: &mut Check<'_>) {
        let Some(rotation) = &self.rotation else { return };
        if rotation.is_empty() || rotation.chars().count() > LONGEST_ROTATION {
            let message = format!("a rotation has 1 to {LONGEST_ROTATION} characters");
            at.report(Code::OutOfRange, "rotation", message);
        }
        if let Some(odd) = rotation.chars().find(|it| !is_tag_character(*it)) {
            at.report(
                Code::PatternMismatch,
                "rotation",
                format!("a rotation is kept as a tag, which cannot contain {odd:?}"),
            );
        }
    }

    fn check_set(set: &DeclaredSet<'_>, report: &mut Report) {
        let mut first_by_channel: BTreeMap<&Pointer, &Desired> = BTreeMap::new();
        for (it, key) in set.of::<Self>() {
            if let Some(first) = first_by_channel.insert(key.channel.pointer(), it) {
                let message = "a channel has exactly one stream key, and this is its second";
                let place = Place::value(it.origin, "spec.channel");
                report.push(
                    Diagnostic::new(Code::DuplicateResource, place, message)
                        .also(Place::value(first.origin, "spec.channel"), "the first one"),
                );
            }
        }
    }

    fn example() -> Self {
        Self {
            channel: Ref::named("main"),
            rotation: Some("2026-11".into()),
            tags: Tags::from([("tier".into(), "gold".into())]),
        }
    }

    fn taken_over(&mut self, wanted: &Self) {
        self.rotation.clone_from(&wanted.rotation);
    }

    fn rotation(&self) -> Option<&str> {
        self.rotation.as_deref()
    }

    /// The key comes with the channel, and opens it.
    fn acts_on(&self) -> Vec<Edge> {
        self.refs()
    }

    /// A channel has one key.
    fn identity(&self, addresses: &AddressMap) -> Option<Arn> {
        self.channel.pointer().arn(addresses)
    }

    /// There is no listing of an account's keys, so those of the declared channels, and those that channels of
    /// the stack remember though no manifest declares them any more: fifty at a time where the channel
    /// remembers its key, otherwise one call each.
    async fn list(aws: &Clients, scope: &Scope<'_>) -> Result<Vec<Observed>, CloudError> {
        let declared = scope.declared.iter().filter_map(|it| it.identity(&scope.addresses));
        let parents = scope.parents.iter();
        let parents = parents.filter(|it| scope.full || remembered_key(&it.tags).is_some());
        let channels: BTreeSet<Arn> = declared.chain(parents.map(|it| it.arn.clone())).collect();
        let mut found = remembered(aws, scope, &channels).await?;
        let known: BTreeSet<Arn> =
            found.iter().filter_map(|it| it.spec.as_ref()?.identity(&scope.addresses)).collect();
        let others = channels.iter().filter(|it| !known.contains(it));
        let lists = others.map(|it| keys_of(aws, it, &scope.addresses)).collect();
        found.extend(side_by_side(lists).await?.into_iter().flatten());
        none_is_missing(aws, scope, &channels, &found).await?;
        Ok(found)
    }

    async fn get(
        aws: &Clients,
        arns: &[Arn],
        addresses: &AddressMap,
    ) -> Result<Vec<Observed>, CloudError> {
        super::each(arns, |arn| async move {
            let answer = aws.ivs.get_stream_key().arn(arn).send().await.sorted("GetStreamKey");
            // The answer carries the key's value: only its address and tags go on from here.
            let key = found(answer)?.and_then(|it| it.stream_key);
            Ok(key.and_then(|it| {
                read(it.arn?, it.channel_arn.as_deref(), answered_tags(it.tags), addresses)
            }))
        })
        .await
    }

    async fn secrets(aws: &Clients, arns: &[Arn]) -> Result<Vec<Secrets>, CloudError> {
        let reads = arns.iter().map(|arn| async move {
            let request = aws.ivs.get_stream_key().arn(arn.as_str());
            let key = found(request.send().await.sorted("GetStreamKey"))?;
            let value = key.and_then(|it| it.stream_key).and_then(|it| it.value);
            Ok(value.map(|it| (arn.clone(), vec![("streamKey", Secret::new(it))])))
        });
        Ok(side_by_side(reads.collect()).await?.into_iter().flatten().collect())
    }

    fn addresses_with_secrets(
        own: &WithSecrets<'_>,
        channel: &WithSecrets<'_>,
    ) -> Vec<NamedSecret> {
        let key = own.secret("streamKey");
        key.map(|key| super::channel::ingest(channel, key)).unwrap_or_default()
    }

    /// Takes the channel's key over; makes one only where the channel has none (after a rotation).
    async fn create(
        &self,
        aws: &Clients,
        tags: &Tags,
        addresses: &AddressMap,
    ) -> Result<Observed, CloudError> {
        let channel = Arn::new(self.channel.arn(addresses));
        let tags_of_channel = tags_of_channel(aws, &channel).await?;
        if let Some(owner) = foreign(&tags_of_channel, tags) {
            return Err(refused(format!("{channel} belongs to {owner}, and so does its key")));
        }
        if let Some(key) = keys_of(aws, &channel, addresses).await?.pop() {
            let owner = key.owner();
            let copied = copied_tags(&tags_of_channel, &key);
            let ours = match (&owner, Owner::of(tags)) {
                (Owner::Unowned, _) => true,
                _ if !copied.is_empty() => true,
                (Owner::Stack(its), Owner::Stack(ours)) => {
                    (&its.stack, &its.name) == (&ours.stack, &ours.name)
                }
                _ => false,
            };
            if !ours {
                return Err(refused(format!("the channel's stream key belongs to {owner}")));
            }
            let gone: Vec<String> =
                copied.into_iter().filter(|it| !tags.contains_key(it)).collect();
            // First what the channel remembers: AWS may refuse that while the channel is live, and without it no plan
            // would find a key of this stack that no manifest declares any more.
            remember(aws, &channel, &tags_of_channel, &key.arn, tags).await?;
            if !gone.is_empty() {
                Self::untag(aws, &key.arn, &gone).await?;
            }
            aws.tag(Self::FACTS.service, key.arn.as_str(), tags).await?;
            let arn = key.arn.as_str().to_owned();
            let kept = key.tags.into_iter().filter(|(key, _)| !gone.contains(key));
            let tags = kept.chain(tags.clone()).collect();
            return inside("TagResource", read(arn, Some(channel.as_str()), tags, addresses));
        }
        let made = aws
            .ivs_once
            .create_stream_key()
            .channel_arn(channel.as_str())
            .set_tags(sent_tags(tags))
            .send()
            .await
            .sorted("CreateStreamKey")?;
        let made = made.stream_key.and_then(|it| {
            read(it.arn?, it.channel_arn.as_deref(), answered_tags(it.tags), addresses)
        });
        let made = inside("CreateStreamKey", made)?;
        // The key is made, so this refusal is none of the whole: the next look finds the key.
        let told = remember(aws, &channel, &tags_of_channel, &made.arn, tags).await;
        told.map_err(|error| CloudError { class: Class::Unknown, ..error })?;
        Ok(made)
    }

    async fn tag(
        &self,
        aws: &Clients,
        arn: &Arn,
        tags: &Tags,
        addresses: &AddressMap,
    ) -> Result<(), CloudError> {
        let Some(channel) = self.channel.pointer().arn(addresses) else {
            return aws.tag(Self::FACTS.service, arn.as_str(), tags).await;
        };
        let its = tags_of_channel(aws, &channel).await?;
        if let Some(owner) = foreign(&its, tags) {
            return Err(refused(format!("{channel} belongs to {owner}, and so does its key")));
        }
        remember(aws, &channel, &its, arn, tags).await?;
        aws.tag(Self::FACTS.service, arn.as_str(), tags).await
    }

    async fn delete(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
        gone(
            aws.ivs_once
                .delete_stream_key()
                .arn(arn.as_str())
                .send()
                .await
                .sorted("DeleteStreamKey"),
        )
    }
}

/// The tags of a key that AWS has copied from its channel, which has the tags `its`, if it has: then the key carries the name of the
/// attempt that made the channel, which nothing else does.
fn copied_tags(its: &Tags, key: &Observed) -> Vec<String> {
    let Owner::Stack(ownership) = key.owner() else { return Vec::new() };
    if ownership.attempt_id.is_empty()
        || owner::attempt_of(its).as_ref() != Some(&ownership.attempt_id)
    {
        return Vec::new();
    }
    let same = key.tags.iter().filter(|(key, value)| its.get(*key) == Some(value));
    same.map(|(key, _)| key.clone()).collect()
}

/// A write to a key that was not made.
fn refused(message: String) -> CloudError {
    CloudError {
        operation: "TagResource",
        class: Class::Conflict,
        code: None,
        message,
        request_id: None,
    }
}

async fn tags_of_channel(aws: &Clients, channel: &Arn) -> Result<Tags, CloudError> {
    Ok(found(aws.tags_of(Service::LowLatency, channel.as_str()).await)?.unwrap_or_default())
}

/// The owner of a channel with the tags `its`, if it is not the stack of `tags`.
fn foreign(its: &Tags, tags: &Tags) -> Option<Owner> {
    let (owner, Owner::Stack(ours)) = (Owner::of(its), Owner::of(tags)) else { return None };
    owner.is_other_than(&ours.stack).then_some(owner)
}

/// Writes the id of the key into a tag of its channel, which has the tags `its`, if the channel is the stack's as
/// well: the next plan then needs no call for this channel alone.
async fn remember(
    aws: &Clients,
    channel: &Arn,
    its: &Tags,
    key: &Arn,
    tags: &Tags,
) -> Result<(), CloudError> {
    let (Owner::Stack(its_marks), Owner::Stack(ownership)) = (Owner::of(its), Owner::of(tags))
    else {
        return Ok(());
    };
    // Where the user's own tags leave no room, the key is looked up by a call of its own instead.
    let full = its.len() >= MOST_TAGS && !its.contains_key(STREAM_KEY);
    let noted = its.get(STREAM_KEY).is_some_and(|it| it == key.id());
    if its_marks.stack != ownership.stack || full || noted {
        return Ok(());
    }
    let tag = Tags::from([(STREAM_KEY.to_owned(), key.id().to_owned())]);
    aws.tag(Service::LowLatency, channel.as_str(), &tag).await
}

/// The keys that tags of their channels name, as far as they still exist. Without the permission to read keys (the
/// answers carry their values, which are dropped here) there are none, and keys are listed per channel.
async fn remembered(
    aws: &Clients,
    scope: &Scope<'_>,
    channels: &BTreeSet<Arn>,
) -> Result<Vec<Observed>, CloudError> {
    let arns: Vec<String> = in_memory(scope, channels).into_values().collect();
    let batches = arns.chunks(50).map(|batch| async move {
        let request = aws.ivs.batch_get_stream_key().set_arns(Some(batch.to_vec()));
        match request.send().await.sorted("BatchGetStreamKey") {
            Ok(answer) => Ok(answer.stream_keys.unwrap_or_default()),
            Err(error) if error.class == Class::Denied => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    });
    let keys = side_by_side(batches.collect()).await?.into_iter().flatten();
    let lives = keys.filter_map(|it| {
        read(it.arn?, it.channel_arn.as_deref(), answered_tags(it.tags), &scope.addresses)
    });
    Ok(lives.collect())
}

/// Channels of the stack whose tags name a stream key that the stack does not own, while no manifest declares a key of
/// the channel: a run that released the key was stopped before it changed these tags.
pub fn released_keys(
    stack: &Stack,
    desired: &[Desired],
    observed: &ObservedState,
) -> BTreeSet<Arn> {
    if !observed.listed.contains(&Kind::StreamKey) {
        return BTreeSet::new();
    }
    let keys = desired.iter().filter_map(|it| <&StreamKey>::try_from(&it.spec).ok());
    let declared: BTreeSet<Arn> =
        keys.filter_map(|it| it.channel.edge("channel").to.arn(&observed.addresses)).collect();
    let owned = observed.all().filter(|it| it.kind == Kind::StreamKey);
    let owned = owned.filter(|it| it.owner().in_stack(&stack.name).is_some());
    let owned: BTreeSet<&str> = owned.map(|it| it.arn.id()).collect();
    let remembering = observed.owned.values().filter(|it| {
        let key = remembered_key(&it.tags).filter(|_| owner::is_key_released(&it.tags));
        key.is_some_and(|id| !owned.contains(id)) && !declared.contains(&it.arn)
    });
    remembering.map(|it| it.arn.clone()).collect()
}

/// Channels of the stack that have a stream key, where stream keys were not read.
pub fn channels_with_unread_keys(observed: &ObservedState) -> impl Iterator<Item = &Address> {
    let unread = !observed.listed.contains(&Kind::StreamKey);
    let owned = observed.owned.iter().filter(move |_| unread);
    owned.filter(|(_, it)| remembered_key(&it.tags).is_some()).map(|(address, _)| address)
}

/// The keys that these channels remember, by channel.
fn in_memory(scope: &Scope<'_>, channels: &BTreeSet<Arn>) -> BTreeMap<Arn, String> {
    let parents = scope.parents.iter().filter(|it| channels.contains(&it.arn));
    parents
        .filter_map(|it| Some((it.arn.clone(), key_of(&it.arn, remembered_key(&it.tags)?))))
        .collect()
}

/// A key that its channel remembers, that no answer showed and that can be read all the same, means that the
/// answers are not complete: a second one would be made.
async fn none_is_missing(
    aws: &Clients,
    scope: &Scope<'_>,
    channels: &BTreeSet<Arn>,
    found: &[Observed],
) -> Result<(), CloudError> {
    let of = |it: &Observed| it.spec.as_ref()?.identity(&scope.addresses);
    let shown: BTreeSet<Arn> = found.iter().filter_map(of).collect();
    let silent = in_memory(scope, channels).into_iter().filter(|(it, _)| !shown.contains(it));
    let keys: Vec<Arn> = silent.map(|(_, key)| Arn::new(key)).collect();
    match StreamKey::get(aws, &keys, &scope.addresses).await {
        Err(error) if error.class == Class::Denied => Ok(()),
        Err(error) => Err(error),
        Ok(there) => there.first().map_or(Ok(()), |key| {
            let message =
                format!("{} can be read, but it is not listed; try again in a minute", key.arn);
            Err(CloudError::unusable("ListStreamKeys", message))
        }),
    }
}

/// The ARN of the key of that id, in the place of its channel.
fn key_of(channel: &Arn, id: &str) -> String {
    channel.sibling(id).as_str().replace(":channel/", ":stream-key/")
}

/// The keys of one channel (AWS allows one); none where the channel is gone.
pub(super) async fn keys_of(
    aws: &Clients,
    channel: &Arn,
    addresses: &AddressMap,
) -> Result<Vec<Observed>, CloudError> {
    let mut keys = Vec::new();
    let drained = drain(
        "ListStreamKeys",
        |token| async move {
            let page = aws.ivs.list_stream_keys().channel_arn(channel.as_str()).max_results(50);
            page.set_next_token(token).send().await.sorted("ListStreamKeys")
        },
        |page| {
            keys.extend(page.stream_keys.into_iter().filter_map(|it| {
                read(it.arn?, it.channel_arn.as_deref(), answered_tags(it.tags), addresses)
            }));
            page.next_token
        },
    )
    .await;
    found(drained)?;
    Ok(keys)
}

/// The answer of AWS as a spec.
fn read(
    arn: String,
    channel: Option<&str>,
    tags: Tags,
    addresses: &AddressMap,
) -> Option<Observed> {
    let rotation = match Owner::of(&tags) {
        Owner::Stack(ownership) => ownership.rotation,
        _ => None,
    };
    let spec = StreamKey { channel: Ref::read(channel, addresses)?, rotation, tags: Tags::new() };
    Some(Observed::listed(Kind::StreamKey, arn, tags).with(spec))
}
