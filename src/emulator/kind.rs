//! The kinds that have an ARN. The emulator has its own list on purpose: it is what the tests of the
//! rest are measured against, so it must not share a mistake with them.

use serde::{Deserialize, Serialize};

use super::model::Service;

/// A kind of object that has an ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Kind {
    Channel,
    StreamKey,
    RecordingConfiguration,
    PlaybackKeyPair,
    PlaybackRestrictionPolicy,
    AdConfiguration,
    FailoverSlateConfiguration,
    Stage,
    EncoderConfiguration,
    StorageConfiguration,
    Composition,
    IngestConfiguration,
    PublicKey,
}

impl Kind {
    pub(crate) const ALL: [Self; 13] = [
        Self::Channel,
        Self::StreamKey,
        Self::RecordingConfiguration,
        Self::PlaybackKeyPair,
        Self::PlaybackRestrictionPolicy,
        Self::AdConfiguration,
        Self::FailoverSlateConfiguration,
        Self::Stage,
        Self::EncoderConfiguration,
        Self::StorageConfiguration,
        Self::Composition,
        Self::IngestConfiguration,
        Self::PublicKey,
    ];

    /// The resource type in its ARNs.
    pub(crate) fn arn_type(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::StreamKey => "stream-key",
            Self::RecordingConfiguration => "recording-configuration",
            Self::PlaybackKeyPair => "playback-key",
            Self::PlaybackRestrictionPolicy => "playback-restriction-policy",
            Self::AdConfiguration => "ad-configuration",
            Self::FailoverSlateConfiguration => "failover-slate-configuration",
            Self::Stage => "stage",
            Self::EncoderConfiguration => "encoder-configuration",
            Self::StorageConfiguration => "storage-configuration",
            Self::Composition => "composition",
            Self::IngestConfiguration => "ingest-configuration",
            Self::PublicKey => "public-key",
        }
    }

    /// The kind of an ARN, `None` if it has none of these types.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        let (head, _) = arn.split_once('/')?;
        let arn_type = head.strip_prefix("arn:aws:ivs:")?.rsplit(':').next()?;
        Self::ALL.into_iter().find(|kind| kind.arn_type() == arn_type)
    }

    pub(crate) fn service(self) -> Service {
        match self {
            Self::Channel
            | Self::StreamKey
            | Self::RecordingConfiguration
            | Self::PlaybackKeyPair
            | Self::PlaybackRestrictionPolicy
            | Self::AdConfiguration
            | Self::FailoverSlateConfiguration => Service::LowLatency,
            Self::Stage
            | Self::EncoderConfiguration
            | Self::StorageConfiguration
            | Self::Composition
            | Self::IngestConfiguration
            | Self::PublicKey => Service::RealTime,
        }
    }

    /// The member of list answers that holds the summaries.
    pub(crate) fn list_member(self) -> &'static str {
        match self {
            Self::Channel => "channels",
            Self::StreamKey => "streamKeys",
            Self::RecordingConfiguration => "recordingConfigurations",
            Self::PlaybackKeyPair => "keyPairs",
            Self::PlaybackRestrictionPolicy => "playbackRestrictionPolicies",
            Self::AdConfiguration => "adConfigurations",
            Self::FailoverSlateConfiguration => "failoverSlateConfigurations",
            Self::Stage => "stages",
            Self::EncoderConfiguration => "encoderConfigurations",
            Self::StorageConfiguration => "storageConfigurations",
            Self::Composition => "compositions",
            Self::IngestConfiguration => "ingestConfigurations",
            Self::PublicKey => "publicKeys",
        }
    }

    /// The member that wraps a single object in answers.
    pub(crate) fn wrapper(self) -> &'static str {
        match self {
            Self::PlaybackRestrictionPolicy => "playbackRestrictionPolicy",
            other => other.list_member().trim_end_matches('s'),
        }
    }

    /// As written in messages, file names and quotas: `Channel`.
    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_tell_their_kind() {
        for kind in Kind::ALL {
            let arn = format!("arn:aws:ivs:us-west-2:000000000000:{}/abc", kind.arn_type());
            assert_eq!(Kind::of_arn(&arn), Some(kind));
        }
        assert_eq!(Kind::of_arn("arn:aws:ivschat:us-west-2:000000000000:room/abc"), None);
        assert_eq!(Kind::of_arn("channel"), None);
        assert_eq!(Kind::PlaybackKeyPair.wrapper(), "keyPair");
    }
}
