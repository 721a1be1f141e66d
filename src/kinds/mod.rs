//! The vocabulary, and every resource type: one file a kind, one line a kind in `registry.rs`.
//!
//! A kind file says what a resource is (fields, defaults, rules, references) and how AWS makes it (typed
//! SDK calls). Schema, parsing, checks, reading, diff, create, update, delete and export derive from it.
//! Decides nothing about what to do; that is `plan`.

pub mod address;
pub mod check;
pub mod glob;
pub mod operation;
pub mod owner;
pub mod reference;
pub mod rename;
pub mod spec;
pub mod states;
pub mod wire_enum;

mod calls;
mod declared;
mod document;
mod facts;
mod freeze;
mod handover;
mod live;
mod pages;
mod registry;
mod resource;

mod ad_configuration;
mod channel;
mod composition;
mod encoder_configuration;
mod failover_slate_configuration;
mod ingest_configuration;
mod key_material;
mod participant_replication;
mod playback_key_pair;
mod playback_restriction_policy;
mod public_key;
mod recording_configuration;
mod stage;
mod storage_configuration;
mod stream_key;

pub use address::{Address, AddressMap, Arn};
pub use calls::READS_LAG;
pub use check::{Check, MOST_USER_TAGS, bucket_fault};
pub use declared::DeclaredSet;
pub use document::{
    API_VERSION, CHECK, SAVED_PLAN, SECRETS, begins_document, is_code_quality, is_events_file,
    is_our_own, is_saved_plan,
};
pub use facts::{Facts, Mutable, Replace};
pub use freeze::{Freeze, OnFreeze};
pub use glob::Glob;
pub use handover::{NamedSecret, WithSecrets};
pub use live::{Live, LiveDestination, OnAir};
pub use operation::{Elsewhere, On, Operation, Verb};
pub use owner::{Owner, OwnershipTags};
pub use reference::{Edge, Pointer, Ref};
pub use registry::*;
pub use resource::{
    Detached, Exclusive, Existence, FileSource, Interrupted, Interruption, NextCall, ParseSpec,
    Resource, Scope, Secrets,
};
pub use states::{
    Audience, Degraded, Desired, Duplicate, Lifecycle, Observed, ObservedState, OnLive, Publisher,
    Stack,
};
pub use stream_key::{LONGEST_ROTATION, channels_with_unread_keys, released_keys};
pub use wire_enum::WireEnum;

pub use crate::aws::Service;
pub(crate) use spec::json;

use calls::{
    answered_or, answered_tags, answered_words, each, inside, sent_tags, sent_words, side_by_side,
};
use pages::drain;
