//! The identity of a replication, and the tag of a stage with its ownership tags: a replication has neither ARN nor tags
//! of its own. Writes no tag.

use crate::aws::{Clients, CloudError, Tags, found};
use crate::kinds::spec::short_hash;
use crate::kinds::{Arn, Owner, OwnershipTags, Service, json};
use std::collections::BTreeMap;

/// Start of the keys of the tags of a stage that record replications.
const REPLICA: &str = "ivs-apply:replica:";

/// The identity of a replication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) source: Arn,
    pub(super) destination: Arn,
    pub(super) participant: String,
}

impl Parts {
    /// The three in one text. The separator cannot occur in an id.
    pub(super) fn arn(&self) -> Arn {
        let Self { source, destination, participant } = self;
        Arn::new(format!("{source}:{}:{participant}", destination.id()))
    }

    pub(super) fn of(arn: &Arn) -> Option<Self> {
        let (rest, participant) = arn.as_str().rsplit_once(':')?;
        let (source, destination) = rest.rsplit_once(':')?;
        Some(Self::between(&Arn::new(source), destination, participant))
    }

    /// Stages of one replication are in one region and account, so the destination's id says enough.
    pub(super) fn between(source: &Arn, destination: &str, participant: &str) -> Self {
        let destination = source.sibling(destination);
        Self { source: source.clone(), destination, participant: participant.to_owned() }
    }

    /// Of the tag that remembers it.
    pub(super) fn key(&self) -> String {
        let Self { source, destination, participant } = self;
        format!("{REPLICA}{}:{}:{participant}", source.id(), destination.id())
    }
}

/// What a stage remembers of a replication, in the value of one tag.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Memory {
    pub(super) name: String,
    pub(super) attempt_id: String,
    pub(super) digest: String,
    pub(super) protect: bool,
    pub(super) window: i32,
    /// Short hash of the attributes; `""` for none.
    pub(super) attributes: String,
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, attempt_id, digest, protect, window, attributes } = self;
        write!(f, "{name}:{attempt_id}:{digest}:{window}:{attributes}:{}", u8::from(*protect))
    }
}

impl Memory {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let [name, attempt_id, digest, window, attributes, protect] = parts[..] else {
            return None;
        };
        Some(Self {
            name: name.to_owned(),
            attempt_id: attempt_id.to_owned(),
            digest: digest.to_owned(),
            protect: protect == "1",
            window: window.parse().ok()?,
            attributes: attributes.to_owned(),
        })
    }

    /// The tags that the replication would carry, could it carry any.
    pub(super) fn tags(&self, stack: &str) -> Tags {
        let ownership = OwnershipTags {
            stack: stack.to_owned(),
            name: self.name.clone(),
            digest: self.digest.clone(),
            attempt_id: self.attempt_id.clone(),
            protect: self.protect,
            ..OwnershipTags::default()
        };
        ownership.tags()
    }
}

/// All that a stage with these tags remembers.
pub(super) fn memories(stage: &Arn, tags: &Tags) -> Vec<(Parts, Memory)> {
    let one = |(key, value): (&String, &String)| {
        let mut ids = key.strip_prefix(REPLICA)?.split(':');
        let (source, destination, participant) = (ids.next()?, ids.next()?, ids.next()?);
        let parts = Parts::between(&stage.sibling(source), destination, participant);
        Some((parts, Memory::parse(value)?))
    };
    tags.iter().filter_map(one).collect()
}

/// Where a replication is remembered, and what.
pub(super) struct Kept {
    pub(super) stage: Arn,
    pub(super) stack: String,
    pub(super) memory: Memory,
}

pub(super) async fn kept(aws: &Clients, parts: &Parts) -> Result<Option<Kept>, CloudError> {
    for stage in [&parts.source, &parts.destination] {
        let tags = found(aws.tags_of(Service::RealTime, stage.as_str()).await)?.unwrap_or_default();
        let memory = tags.get(&parts.key()).and_then(|it| Memory::parse(it));
        if let (Owner::Stack(ownership), Some(memory)) = (Owner::of(&tags), memory) {
            return Ok(Some(Kept { stage: stage.clone(), stack: ownership.stack, memory }));
        }
    }
    Ok(None)
}

/// Short hash of attributes, `""` for none.
pub(super) fn short(attributes: &BTreeMap<String, String>) -> String {
    if attributes.is_empty() { String::new() } else { short_hash(&json(attributes).to_string()) }
}
