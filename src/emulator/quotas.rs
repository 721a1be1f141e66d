//! How many objects of a kind an account may hold in a region (`docs/service-reference.md` §3).
//! Quotas that AWS does not publish are set to `UNPUBLISHED`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::Kind;

/// Stands in for the quotas that are not published; the smallest round number that the published
/// ones of similar kinds have.
const UNPUBLISHED: u64 = 20;

macro_rules! quotas {
    (
        of kinds: $( $(#[doc = $doc:literal])+ $kind:ident $field:ident $quota:expr; )+
        further: $( $(#[doc = $other_doc:literal])+ $other:ident $other_quota:expr; )+
    ) => {
        /// The quotas, settable by `POST /_emulator/quotas` with any subset of the fields.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
        pub struct Quotas {
            $( $(#[doc = $doc])+ pub $field: u64, )+
            $( $(#[doc = $other_doc])+ pub $other: u64, )+
        }

        impl Default for Quotas {
            fn default() -> Self {
                Self { $( $field: $quota, )+ $( $other: $other_quota, )+ }
            }
        }

        impl Quotas {
            /// The limit of a kind in one region.
            pub(crate) fn of(&self, kind: Kind) -> u64 {
                match kind {
                    $( Kind::$kind => self.$field, )+
                    // Counted by channel: `stream_keys_per_channel`.
                    Kind::StreamKey => u64::MAX,
                }
            }
        }
    };
}

quotas! {
    of kinds:
    /// Channels.
    Channel channels 5000;
    /// Recording configurations.
    RecordingConfiguration recording_configurations 20;
    /// Playback key pairs.
    PlaybackKeyPair playback_key_pairs 3;
    /// Playback restriction policies (unpublished).
    PlaybackRestrictionPolicy playback_restriction_policies UNPUBLISHED;
    /// Ad configurations (unpublished).
    AdConfiguration ad_configurations UNPUBLISHED;
    /// Failover slate configurations (unpublished).
    FailoverSlateConfiguration failover_slate_configurations UNPUBLISHED;
    /// Stages.
    Stage stages 1000;
    /// Encoder configurations.
    EncoderConfiguration encoder_configurations 20;
    /// Storage configurations.
    StorageConfiguration storage_configurations 5;
    /// Ingest configurations.
    IngestConfiguration ingest_configurations 100;
    /// Public keys.
    PublicKey public_keys 3;
    /// Compositions that have not ended.
    Composition compositions 20;

    further:
    /// Stream keys of one channel.
    stream_keys_per_channel 1;
    /// Compositions that have not ended on one stage.
    compositions_per_stage 5;
    /// Replications of one participant at a time.
    replications_per_participant 5;
    /// Channels that are live at a time.
    concurrent_streams 100;
    /// Publishers on one stage.
    publishers_per_stage 12;
}
