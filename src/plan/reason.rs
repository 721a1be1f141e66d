//! Why a step is not carried out: typed facts with stable codes, never sentences (`ui::reason` writes those).

use super::action::Action;
use crate::diag::FieldPath;
use crate::kinds::{Address, Arn, Audience, Kind, Owner, Pointer};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Why a step is not carried out in this run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "reason", rename_all_fields = "camelCase")]
pub enum Reason {
    /// The change would cut off an audience.
    LiveAudience {
        /// The audience.
        audience: Audience,
        /// What would allow it.
        needs: Consent,
    },
    /// The stream that the change would end is that of a running composition.
    LiveThroughComposition {
        /// Who watches it.
        audience: Audience,
        /// The composition; named where it is one of the stack.
        composition: Pointer,
    },
    /// An object on which this starts has to be offline, and is not.
    TargetLive {
        /// The object.
        target: Pointer,
        /// The audience.
        audience: Audience,
    },
    /// A participant who is recorded is in the way of the change, and is published by an object that this stack does
    /// not manage.
    ForeignPublisher {
        /// The ingest configuration, or the stage of which the participant is a replica.
        source: Arn,
    },
    /// The object belongs to another stack or tool.
    OwnedByAnother {
        /// The owner.
        owner: Owner,
    },
    /// The resource acts on an object of another stack or tool.
    ActsOnForeignObject {
        /// The field that refers to it.
        field: FieldPath,
        /// The object.
        arn: Arn,
        /// The owner.
        owner: Owner,
    },
    /// The object to adopt is managed under another name.
    AlreadyManaged {
        /// The object.
        arn: Arn,
        /// The name.
        address: Address,
    },
    /// The object to adopt does not exist.
    AdoptedObjectMissing {
        /// The ARN of `lifecycle.adopt`.
        arn: String,
    },
    /// An object with the tags of this resource belongs to `CloudFormation`.
    ImportedByCloudFormation {
        /// The object.
        arn: Arn,
        /// Its stack.
        owner: Owner,
    },
    /// An object that may be the one of this resource carries only some of the ownership tags.
    IncompleteTags {
        /// The object, unless it is the step's own.
        arn: Option<Arn>,
    },
    /// Two objects have the same ownership tags, and it cannot be determined which is the copy.
    SameTags {
        /// The one that counts now.
        first: Arn,
        /// The other one.
        second: Arn,
    },
    /// Two objects have former names of this resource.
    AmbiguousFormerNames {
        /// The name of one.
        first: Address,
        /// The name of the other.
        second: Address,
    },
    /// Another object has the name, and keeps it.
    NameTaken {
        /// The name.
        address: Address,
        /// The object.
        holder: Arn,
        /// What would free the name.
        freed_by: NameFreedBy,
    },
    /// Adopting the object would replace it.
    AdoptionReplaces,
    /// No participant publishes, so it cannot run.
    NoPublisher {
        /// What would start.
        kind: Kind,
        /// Whether the object of before still runs, and ends by itself.
        ends: bool,
    },
    /// AWS never shows a public key, so the object cannot be made from its fingerprint.
    PublicKeyRequired,
    /// The object of before has not ended yet.
    PredecessorEnding,
    /// AWS failed to make the object a short while ago.
    FailedRecently {
        /// The likely cause, where the kind knows one.
        likely: Option<Cow<'static, str>>,
        /// When a run may try again.
        #[schemars(with = "String")]
        after: Timestamp,
    },
    /// The object is protected.
    Protected {
        /// Whether it has a manifest.
        declared: bool,
    },
    /// The object is protected, and this run lifts the protection.
    ProtectionLifted {
        /// What a later run does.
        then: Action,
    },
    /// The stream key that is deleted with the object is protected.
    HoldsProtectedKey,
    /// A duplicate of the object has to go first.
    HasDuplicate,
    /// The successor of the object failed.
    SuccessorFailed {
        /// The successor.
        arn: Arn,
        /// Its state.
        state: String,
    },
    /// Other objects refer to the object.
    StillReferredTo {
        /// By which.
        by: Vec<Referrer>,
    },
    /// The duplicate is live.
    DuplicateLive {
        /// The object that counts.
        winner: Arn,
        /// The audience.
        audience: Audience,
    },
    /// The duplicate was changed since it was made.
    DuplicateChanged {
        /// The object that counts.
        winner: Arn,
    },
    /// The age of the duplicate is unknown.
    DuplicateOfUnknownAge {
        /// The object that counts.
        winner: Arn,
    },
    /// An object that no step changes refers to the duplicate.
    DuplicateReferredTo {
        /// The object.
        by: Arn,
    },
    /// The duplicate may be that of a run in progress.
    DuplicateTooYoung {
        /// When it may be deleted.
        #[schemars(with = "String")]
        after: Timestamp,
    },
    /// The object that counts is not ready for use.
    WinnerNotReady {
        /// That object.
        winner: Arn,
    },
    /// The stack is not changed until a freeze is over.
    Frozen {
        /// When it is over.
        #[schemars(with = "String")]
        until: Timestamp,
        /// The reason of the freeze.
        why: String,
    },
    /// The step waits for another one that is not carried out.
    WaitsFor {
        /// The resource of that step, unless it is about another object of the same name.
        address: Option<Address>,
        /// What that step does.
        action: Action,
    },
}

/// What would free the name of an object for another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NameFreedBy {
    /// `--prune`: no manifest declares the object.
    Prune,
    /// `--prune` in a run without a selection: nothing is pruned under one.
    PruneWithoutSelection,
    /// The step of this resource, which takes the object over and is not carried out.
    StepOf(Address),
}

/// What would allow a step to cut off an audience.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Consent {
    /// Nothing: `onLive: defer`, so it waits until there is no audience.
    Wait,
    /// `--allow-live` of this address.
    Flag(Address),
    /// `onLive: interrupt` in its manifest; the flag is given.
    Manifest,
    /// Another manifest of this address: this one says `onLive: fail`.
    Never(Address),
}

/// An object that refers to one which is to be deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Referrer {
    /// One of the stack.
    Managed(Address),
    /// One of another stack or tool.
    Foreign {
        /// The object.
        arn: Arn,
        /// The owner.
        owner: Owner,
    },
    /// One that no manifest declares.
    Undeclared {
        /// The object.
        arn: Arn,
    },
}

/// Gives an enum of reasons its stable codes: the names of its variants.
macro_rules! codes {
    ($type:ident: $($name:ident),* $(,)?) => {
        impl $type {
            /// All codes.
            pub const CODES: &[&str] = &[$(stringify!($name)),*];

            /// The stable code: `reason` in JSON.
            pub fn code(&self) -> &'static str {
                match self { $(Self::$name { .. } => stringify!($name)),* }
            }
        }
    };
}
pub(crate) use codes;

codes! { Reason: LiveAudience, LiveThroughComposition, TargetLive, ForeignPublisher, OwnedByAnother, ActsOnForeignObject, AlreadyManaged, AdoptedObjectMissing, ImportedByCloudFormation, IncompleteTags, SameTags, AmbiguousFormerNames, NameTaken, AdoptionReplaces, NoPublisher, PublicKeyRequired, PredecessorEnding, FailedRecently, Protected, ProtectionLifted, HoldsProtectedKey, HasDuplicate, SuccessorFailed, StillReferredTo, DuplicateLive, DuplicateChanged, DuplicateOfUnknownAge, DuplicateReferredTo, DuplicateTooYoung, WinnerNotReady, Frozen, WaitsFor }
