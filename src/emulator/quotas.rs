//! How many objects of a kind an account may hold in a region (`docs/service-reference.md` §3).
//! Numbers nobody has published are set to `UNPUBLISHED`.

use serde::{Deserialize, Serialize};

use super::kind::Kind;

/// Stands in for the quotas that are not published; the smallest round number that the published
/// ones of similar kinds have.
const UNPUBLISHED: u64 = 20;

/// The quotas, settable by `POST /_emulator/quotas` with any subset of the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Quotas {
    /// Channels.
    pub channels: u64,
    /// Stream keys of one channel.
    pub stream_keys_per_channel: u64,
    /// Recording configurations.
    pub recording_configurations: u64,
    /// Playback key pairs.
    pub playback_key_pairs: u64,
    /// Playback restriction policies (unpublished).
    pub playback_restriction_policies: u64,
    /// Ad configurations (unpublished).
    pub ad_configurations: u64,
    /// Failover slate configurations (unpublished).
    pub failover_slate_configurations: u64,
    /// Stages.
    pub stages: u64,
    /// Encoder configurations.
    pub encoder_configurations: u64,
    /// Storage configurations.
    pub storage_configurations: u64,
    /// Ingest configurations.
    pub ingest_configurations: u64,
    /// Public keys.
    pub public_keys: u64,
    /// Compositions that have not ended.
    pub compositions: u64,
    /// Compositions that have not ended on one stage.
    pub compositions_per_stage: u64,
    /// Replications of one participant at a time.
    pub replications_per_participant: u64,
    /// Channels that are live at a time.
    pub concurrent_streams: u64,
    /// Publishers on one stage.
    pub publishers_per_stage: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            channels: 5000,
            stream_keys_per_channel: 1,
            recording_configurations: 20,
            playback_key_pairs: 3,
            playback_restriction_policies: UNPUBLISHED,
            ad_configurations: UNPUBLISHED,
            failover_slate_configurations: UNPUBLISHED,
            stages: 1000,
            encoder_configurations: 20,
            storage_configurations: 5,
            ingest_configurations: 100,
            public_keys: 3,
            compositions: 20,
            compositions_per_stage: 5,
            replications_per_participant: 5,
            concurrent_streams: 100,
            publishers_per_stage: 12,
        }
    }
}

impl Quotas {
    /// The limit of a kind in one region. Stream keys are counted per channel elsewhere.
    pub(crate) fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Channel => self.channels,
            Kind::StreamKey => u64::MAX,
            Kind::RecordingConfiguration => self.recording_configurations,
            Kind::PlaybackKeyPair => self.playback_key_pairs,
            Kind::PlaybackRestrictionPolicy => self.playback_restriction_policies,
            Kind::AdConfiguration => self.ad_configurations,
            Kind::FailoverSlateConfiguration => self.failover_slate_configurations,
            Kind::Stage => self.stages,
            Kind::EncoderConfiguration => self.encoder_configurations,
            Kind::StorageConfiguration => self.storage_configurations,
            Kind::Composition => self.compositions,
            Kind::IngestConfiguration => self.ingest_configurations,
            Kind::PublicKey => self.public_keys,
        }
    }
}
