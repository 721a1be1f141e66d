//! Desired and observed state: the types that reading, planning and applying share.

use super::address::{Address, AddressMap, Arn};
use super::freeze::{Freeze, OnFreeze};
use super::glob::Glob;
use super::live::Live;
use super::owner::{Owner, OwnershipTags};
use super::reference::Pointer;
use super::{Kind, Spec};
use crate::aws::Tags;
use crate::aws::object::Location;
use crate::diag::{FieldPath, Origin};
use std::collections::{BTreeMap, BTreeSet};

/// One resource as a manifest declares it: spec total, name filled in, stack tags added.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Kind and logical name.
    pub address: Address,
    /// The spec, with every default filled in.
    pub spec: Spec,
    /// For selectors only.
    pub labels: BTreeMap<String, String>,
    /// Names it had before, newest first.
    pub previous_names: Vec<String>,
    /// What its manifest says about changing it.
    pub lifecycle: Lifecycle,
    /// Whether its display name is only the default, `metadata.name`.
    pub name_is_default: bool,
    /// Which document of which file.
    pub origin: Origin,
}

/// The `lifecycle:` block of a manifest.
#[derive(
    Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Lifecycle {
    /// Written as a tag on the live object: deletes and replacements are refused while it is there.
    pub protect: bool,
    /// What to do where a change would cut an audience.
    pub on_live: OnLive,
    /// Fields that others look after, such as `spec.latencyMode`: never compared, never changed.
    pub ignore_changes: Vec<FieldPath>,
    /// Take over this existing object, by a tag write, if nothing is owned under this name.
    pub adopt: Option<String>,
}

/// What to do where a change would cut an audience.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum OnLive {
    /// Leave the change for a later run.
    #[default]
    Defer,
    /// Refuse the whole run, exit 4.
    Fail,
    /// Do it, with `--allow-live KIND/NAME` for each victim.
    Interrupt,
}

/// The `Stack` document of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Its name, the value of the ownership tag.
    pub name: String,
    /// Region that must be in force.
    pub region: Option<String>,
    /// Account that must be in force.
    pub account: Option<String>,
    /// Added to every resource; a resource's own tag wins.
    pub tags: Tags,
    /// Live tags that match are never shown, changed or removed.
    pub ignore_tags: Vec<Glob>,
    /// Delete owned resources that no manifest declares.
    pub prune: bool,
    /// Quotas by kind, where they differ from AWS's defaults.
    pub quotas: BTreeMap<Kind, u32>,
    /// What is locked while something is written.
    pub lock: Option<Location>,
    /// Periods in which nothing is written.
    pub freezes: Vec<Freeze>,
    /// What a run does in one.
    pub on_freeze: OnFreeze,
}

impl Stack {
    /// A stack without a document: nothing but a name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            region: None,
            account: None,
            tags: Tags::new(),
            ignore_tags: Vec::new(),
            prune: false,
            quotas: BTreeMap::new(),
            lock: None,
            freezes: Vec::new(),
            on_freeze: OnFreeze::default(),
        }
    }
}

/// One object as AWS has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Which kind of object.
    pub kind: Kind,
    /// The name AWS gave it.
    pub arn: Arn,
    /// All its tags, ours included.
    pub tags: Tags,
    /// The spec it was last read with; `None` where only the listing was read.
    pub spec: Option<Spec>,
    /// The state word, where the kind has one (`ACTIVE`, `CREATING`, …).
    pub state: Option<String>,
    /// Id of the session in progress on it, of a kind whose listing tells one. A kind whose sessions are asked for by
    /// calls of their own has them in [`Audience::session`].
    pub session: Option<String>,
    /// What of it has failed while the rest of it runs, of a kind with parts that fail by themselves.
    pub degraded: Option<Degraded>,
    /// Its properties while it is on air, where the answer that was read has them.
    pub live: Option<Live>,
    /// Id of the participant who publishes with it, of a kind that AWS gives one at creation: calls about participants
    /// name the object by it.
    pub participant: Option<String>,
    /// Values that AWS assigns and that clients need: URLs, endpoints. Never a secret.
    pub outputs: BTreeMap<&'static str, String>,
}

impl Observed {
    /// An object from a listing.
    pub fn listed(kind: Kind, arn: impl Into<String>, tags: Tags) -> Self {
        let arn = Arn::new(arn.into());
        Self {
            kind,
            arn,
            tags,
            spec: None,
            state: None,
            session: None,
            degraded: None,
            live: None,
            participant: None,
            outputs: BTreeMap::new(),
        }
    }

    /// The same with its spec.
    #[must_use]
    pub fn with(self, spec: impl Into<Spec>) -> Self {
        Self { spec: Some(spec.into()), ..self }
    }

    /// The same in a state.
    #[must_use]
    pub fn in_state(self, state: &str) -> Self {
        Self { state: Some(state.to_owned()), ..self }
    }

    /// The same with so many of so many parts that have failed.
    #[must_use]
    pub fn failing(self, failed: usize, of: usize) -> Self {
        Self { degraded: (failed > 0).then_some(Degraded { failed, of }), ..self }
    }

    /// The same with what AWS tells of it while it is on air.
    #[must_use]
    pub fn on_air(self, live: Live) -> Self {
        Self { live: Some(live), ..self }
    }

    /// The same with the participant who publishes with it.
    #[must_use]
    pub fn publishing_as(self, participant: String) -> Self {
        Self { participant: Some(participant), ..self }
    }

    /// The same with the values that AWS assigns.
    #[must_use]
    pub fn telling(
        self,
        outputs: impl IntoIterator<Item = (&'static str, Option<String>)>,
    ) -> Self {
        let there = |(name, value): (_, Option<String>)| Some((name, value?));
        let outputs = outputs.into_iter().filter_map(there).filter(|(_, it)| !it.is_empty());
        Self { outputs: outputs.collect(), ..self }
    }

    /// The owner according to its tags.
    pub fn owner(&self) -> Owner {
        Owner::of(&self.tags)
    }
}

/// The participant who must publish for a resource to be able to run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Publisher {
    /// Any participant of this stage.
    AnyParticipant {
        /// The stage.
        stage: Arn,
    },
    /// This participant of a stage.
    Participant {
        /// The stage.
        stage: Arn,
        /// The id that AWS gave the participant.
        id: String,
    },
}

impl Publisher {
    /// The stage on which the participant must publish.
    pub fn stage(&self) -> &Arn {
        match self {
            Self::AnyParticipant { stage } | Self::Participant { stage, .. } => stage,
        }
    }
}

/// How many parts of an object have failed while it runs, such as the destinations of a composition.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct Degraded {
    /// Parts that have failed.
    pub failed: usize,
    /// Parts that it has.
    pub of: usize,
}

/// Who would be cut off by a change to an object.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Audience {
    /// Always true: an object without an audience has no entry.
    pub live: bool,
    /// Viewers of a channel's stream, where AWS counted them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub viewers: Option<i64>,
    /// Session of a stage, or the id of a channel's stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The running composition that feeds a channel, or that the object itself is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub composition: Option<Arn>,
    /// Whether an encoder publishes with it, for ingest configurations.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub publishing: bool,
}

impl Audience {
    const EMPTY: Self =
        Self { live: true, viewers: None, session: None, composition: None, publishing: false };

    /// The viewers of a channel's stream; AWS answers -1 where counting took too long.
    pub fn stream(viewers: i64, id: Option<String>) -> Self {
        Self { viewers: Some(viewers).filter(|it| *it >= 0), session: id, ..Self::EMPTY }
    }

    /// The participants of a stage's session.
    pub fn session(id: String) -> Self {
        Self { session: Some(id), ..Self::EMPTY }
    }

    /// The viewers of a running composition.
    pub fn composition(arn: Arn) -> Self {
        Self { composition: Some(arn), ..Self::EMPTY }
    }

    /// The encoder that publishes with an ingest configuration.
    pub fn publisher() -> Self {
        Self { publishing: true, ..Self::EMPTY }
    }
}

impl Observed {
    /// Whether the create attempt of this name made it.
    pub fn made_by(&self, attempt: &str) -> bool {
        matches!(self.owner(), Owner::Stack(ownership) if ownership.attempt_id == attempt)
    }

    /// Whether AWS failed to create it, so that it can never be used.
    pub fn has_failed(&self) -> bool {
        let failed = self.kind.facts().ready_state.map(|(_, failed)| failed);
        failed.is_some() && self.state.as_deref() == failed
    }

    /// Whether it can be referred to.
    pub fn is_ready(&self) -> bool {
        let ready = self.kind.facts().ready_state.map(|(ready, _)| ready);
        ready.is_none() || self.state.is_none() || self.state.as_deref() == ready
    }

    /// The sort key among owned objects of one address, of which the least counts; `ownership` are its own tags. An
    /// object that AWS failed to create comes last, since resources that refer to it could never use it.
    pub fn standing<'a>(&'a self, ownership: &'a OwnershipTags) -> (bool, &'a str, &'a Arn) {
        (self.has_failed(), &ownership.attempt_id, &self.arn)
    }
}

/// One of several owned objects with one address, which is not the one that counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Duplicate {
    /// The address they share.
    pub address: Address,
    /// The object.
    pub observed: Observed,
    /// The one that counts.
    pub winner: Arn,
    /// Whether its spec has the digest in its own tags: it has not been changed since it was written, and the tags
    /// were not copied onto another object.
    pub untouched: bool,
    /// The same of the one that counts.
    pub winner_untouched: bool,
}

/// The account as one run read it. Made by `cloud::read` alone, and only from complete listings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedState {
    /// Kinds that were listed to the end. Absence counts for these only.
    pub listed: BTreeSet<Kind>,
    /// What this stack owns: the object that counts under each address.
    pub owned: BTreeMap<Address, Observed>,
    /// Owned objects that a newer one replaces, and that still exist.
    pub superseded: Vec<(Address, Observed)>,
    /// Owned objects of a kind that AWS creates along with another one (`Facts::created_by`), which no manifest declares
    /// for that one any more. A manifest may have given their address to an object of the same kind that belongs to
    /// another parent.
    pub left_behind: Vec<(Address, Observed)>,
    /// Owned objects that share an address with the one that counts, without either replacing the other.
    pub duplicates: Vec<Duplicate>,
    /// References to a duplicate, or to the object that counts in its place, from objects of any owner: (from, to).
    pub referrers: BTreeSet<(Arn, Arn)>,
    /// Ids of the create attempts of the run that reads: that run may delete the copies that they created.
    pub attempts: BTreeSet<String>,
    /// The server's time when the reading began.
    pub as_of: Option<jiff::Timestamp>,
    /// What a declared resource may take over: the object that its manifest names, or the one that AWS
    /// made for it.
    pub adoptable: BTreeMap<Address, Observed>,
    /// Objects that a declared resource would adopt if they did not have another owner.
    pub foreign: BTreeMap<Address, Observed>,
    /// Everything else that was listed, by ARN.
    pub others: BTreeMap<Arn, Observed>,
    /// The objects that refer to an object that a plan would delete, where they were looked up.
    pub users: BTreeMap<Arn, Vec<Observed>>,
    /// The audiences of live objects, by ARN. A stage with a session counts as live until a lookup shows that no
    /// participant is connected.
    pub audience: BTreeMap<Arn, Audience>,
    /// Properties of the objects on air, by ARN.
    pub live: BTreeMap<Arn, Live>,
    /// Publishers that are connected, of those that a declared resource of any kind needs ([`Spec::publisher`]).
    pub publishers: BTreeSet<Publisher>,
    /// Address to ARN and back, for all that is owned.
    pub addresses: AddressMap,
}

impl ObservedState {
    /// Whether a change to the object that `pointer` points at would cut off an audience.
    pub fn is_live(&self, pointer: &Pointer) -> bool {
        pointer.arn(&self.addresses).is_some_and(|arn| self.audience.contains_key(&arn))
    }

    /// Whether the run that reads made an object with this owner.
    pub fn is_own(&self, owner: &Owner) -> bool {
        matches!(owner, Owner::Stack(ownership) if self.attempts.contains(&ownership.attempt_id))
    }

    /// The session in progress on a stage.
    pub fn session(&self, stage: &Arn) -> Option<&str> {
        self.audience.get(stage)?.session.as_deref()
    }

    /// The viewers of an object, unless another object counts them as well: what comes with an object has the audience of
    /// that, and a composition the audience of its channels.
    pub fn own_viewers(&self, kind: Kind, arn: &Arn) -> Option<i64> {
        let audience = self.audience.get(arn)?;
        let own = kind.facts().created_by.is_none() && audience.composition.as_ref() != Some(arn);
        audience.viewers.filter(|_| own)
    }

    /// Whether the tags of an object are those of the object that it came with, copied by AWS: nothing else has
    /// the name of the create attempt that made that one.
    pub fn is_tagged_as_its_parent(&self, observed: &Observed) -> bool {
        let Some(kind) = observed.kind.facts().created_by else { return false };
        let Owner::Stack(its) = observed.owner() else { return false };
        let edges = observed.spec.iter().flat_map(Spec::refs);
        let mut parents =
            edges.filter(|it| it.kind == kind).filter_map(|it| it.to.arn(&self.addresses));
        let is_of = |arn: Arn| {
            let owned = self.addresses.address(&arn).and_then(|it| self.owned.get(it));
            let known = owned.filter(|it| it.arn == arn).or_else(|| self.others.get(&arn));
            match known.map(Observed::owner) {
                Some(Owner::Stack(ownership)) => {
                    ownership.attempt_id == its.attempt_id && !its.attempt_id.is_empty()
                }
                _ => false,
            }
        };
        parents.any(is_of)
    }

    /// Every object that was read, of any owner.
    pub fn all(&self) -> impl Iterator<Item = &Observed> {
        self.owned
            .values()
            .chain(self.superseded.iter().map(|(_, observed)| observed))
            .chain(self.left_behind.iter().map(|(_, observed)| observed))
            .chain(self.duplicates.iter().map(|it| &it.observed))
            .chain(self.adoptable.values())
            .chain(self.foreign.values())
            .chain(self.others.values())
    }
}
