//! The contents of one region of the account: objects by kind, live streams, and the participants of stages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::Common;
use super::clock::Millis;
use super::kind::Kind;
use super::objects::ObjectStore;
use super::participant::StageActivity;
use super::participant_replication::Replication;
use super::stream::Stream;

/// The regions that have the service (`docs/service-reference.md` §1.0).
pub(crate) const REGIONS: [&str; 7] = [
    "us-east-1",
    "us-west-2",
    "ap-south-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "eu-central-1",
    "eu-west-1",
];

/// Durations of states that end with time, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lags {
    /// Passing states such as CREATING, STOPPING and RECONNECTING.
    pub(crate) settle: i64,
    /// A stream that was stopped, or that belongs to a composition that has ended.
    pub(crate) stream: i64,
    /// How long changes to objects that such a stream or composition used are refused.
    pub(crate) conflict: i64,
}

/// One region.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Region {
    #[serde(rename = "shelves")]
    stores: BTreeMap<Kind, ObjectStore>,
    /// Live streams by channel ARN.
    pub(crate) streams: BTreeMap<String, Stream>,
    /// Streams that have ended by channel ARN, oldest first.
    pub(crate) past_streams: BTreeMap<String, Vec<Stream>>,
    /// Sessions, participants and tokens by stage ARN.
    #[serde(rename = "floors")]
    pub(crate) stage_activity: BTreeMap<String, StageActivity>,
    pub(crate) replications: Vec<Replication>,
    /// Until when changes to an object are refused because of the stream or composition that used it, by ARN.
    held: BTreeMap<String, Millis>,
}

impl Region {
    pub(crate) fn objects(&self, kind: Kind) -> &ObjectStore {
        static NOTHING: std::sync::LazyLock<ObjectStore> =
            std::sync::LazyLock::new(ObjectStore::default);
        self.stores.get(&kind).unwrap_or(&NOTHING)
    }

    pub(crate) fn objects_mut(&mut self, kind: Kind) -> &mut ObjectStore {
        self.stores.entry(kind).or_default()
    }

    pub(crate) fn stores(&self) -> &BTreeMap<Kind, ObjectStore> {
        &self.stores
    }

    /// Whether any channel has `arn` in `member`.
    pub(crate) fn a_channel_has(&self, member: &str, arn: &str) -> bool {
        self.objects(Kind::Channel).iter().any(|channel| channel.text(member) == arn)
    }

    /// Refuses changes of an object until a moment.
    pub(crate) fn hold(&mut self, arn: &str, until: Millis) {
        self.held.insert(arn.to_owned(), until);
    }

    /// Whether changes to an object are still refused after the end of the stream or composition that used it.
    pub(crate) fn is_held(&self, arn: &str, now: Millis) -> bool {
        self.held.get(arn).is_some_and(|until| now < *until)
    }

    /// Lets time pass up to `now`: every state machine takes the steps that are due.
    pub(crate) fn advance(&mut self, now: Millis, common: &Common) {
        self.settle(Kind::RecordingConfiguration, "ACTIVE", now);
        self.settle(Kind::FailoverSlateConfiguration, "CREATED", now);
        self.settle(Kind::IngestConfiguration, "INACTIVE", now);
        // Replications before compositions: the end of a replication may leave a stage without a publisher.
        super::participant_replication::advance(self, now);
        let lags = common.lags();
        super::participant::advance(self, now, common.switches.session_lingers());
        super::composition::advance(self, now, lags);
        super::stream::advance(self, now, lags);
        self.held.retain(|_, until| now < *until);
    }

    /// CREATING and UPDATING end in `done`, or in the state that a fault forces.
    fn settle(&mut self, kind: Kind, done: &str, now: Millis) {
        if !self.stores.contains_key(&kind) {
            return;
        }
        for object in self.objects_mut(kind).iter_mut() {
            if object.hidden.due.is_some_and(|due| due <= now) {
                object.hidden.due = None;
                let state = object.hidden.forced_state.take().unwrap_or_else(|| done.to_owned());
                object.wire.insert("state".to_owned(), Value::String(state));
            }
        }
    }
}
