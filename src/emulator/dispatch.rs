//! From the name of an operation to the file that knows it. Nothing else happens here.

use serde_json::{Map, Value};

use super::failure::Failure;
use super::kind::Kind;
use super::model::Service;
use super::scene::{Answer, Scene};
use super::{
    ad_configuration, channel, composition, encoder_configuration, failover_slate_configuration,
    ingest_configuration, participant, participant_replication, participant_token,
    playback_key_pair, playback_restriction_policy, public_key, recording_configuration, stage,
    storage_configuration, stream, stream_key, tags, viewer_session,
};

/// Carries an operation out. The input has been accepted by the model.
pub(crate) fn operate(scene: &mut Scene<'_>, input: Map<String, Value>) -> Answer {
    match scene.operation.service {
        Service::LowLatency => low_latency(scene, input),
        Service::RealTime => real_time(scene, input),
    }
}

fn low_latency(scene: &mut Scene<'_>, input: Map<String, Value>) -> Answer {
    match scene.operation.name.as_str() {
        "BatchGetChannel" => Ok(channel::batch(scene, &input, Kind::Channel)),
        "BatchGetStreamKey" => Ok(channel::batch(scene, &input, Kind::StreamKey)),
        "BatchStartViewerSessionRevocation" => Ok(viewer_session::batch_revoke(scene, &input)),
        "CreateAdConfiguration" => ad_configuration::create(scene, input),
        "CreateChannel" => channel::create(scene, input),
        "CreateFailoverSlateConfiguration" => failover_slate_configuration::create(scene, input),
        "CreatePlaybackRestrictionPolicy" => playback_restriction_policy::create(scene, input),
        "CreateRecordingConfiguration" => recording_configuration::create(scene, input),
        "CreateStreamKey" => stream_key::create(scene, &input),
        "DeleteAdConfiguration" => ad_configuration::delete(scene, &input),
        "DeleteChannel" => channel::delete(scene, &input),
        "DeleteFailoverSlateConfiguration" => failover_slate_configuration::delete(scene, &input),
        "DeletePlaybackKeyPair" => playback_key_pair::delete(scene, &input),
        "DeletePlaybackRestrictionPolicy" => playback_restriction_policy::delete(scene, &input),
        "DeleteRecordingConfiguration" => recording_configuration::delete(scene, &input),
        "DeleteStreamKey" => stream_key::delete(scene, &input),
        "GetAdConfiguration" => scene.get(Kind::AdConfiguration, &input),
        "GetChannel" => scene.get(Kind::Channel, &input),
        "GetFailoverSlateConfiguration" => scene.get(Kind::FailoverSlateConfiguration, &input),
        "GetPlaybackKeyPair" => scene.get(Kind::PlaybackKeyPair, &input),
        "GetPlaybackRestrictionPolicy" => scene.get(Kind::PlaybackRestrictionPolicy, &input),
        "GetRecordingConfiguration" => scene.get(Kind::RecordingConfiguration, &input),
        "GetStream" => stream::get(scene, &input),
        "GetStreamKey" => scene.get(Kind::StreamKey, &input),
        "GetStreamSession" => stream::get_session(scene, &input),
        "ImportPlaybackKeyPair" => playback_key_pair::import(scene, input),
        "InsertAdBreak" => stream::insert_ad_break(scene, &input),
        "ListAdConfigurations" => {
            let page = quota_or_hundred(scene, Kind::AdConfiguration);
            scene.list(Kind::AdConfiguration, &input, page, |_| true)
        }
        "ListChannels" => channel::list(scene, &input),
        "ListFailoverSlateConfigurations" => {
            let page = quota_or_hundred(scene, Kind::FailoverSlateConfiguration);
            scene.list(Kind::FailoverSlateConfiguration, &input, page, |_| true)
        }
        "ListPlaybackKeyPairs" => {
            let page = quota_or_hundred(scene, Kind::PlaybackKeyPair);
            scene.list(Kind::PlaybackKeyPair, &input, page, |_| true)
        }
        "ListPlaybackRestrictionPolicies" => {
            scene.list(Kind::PlaybackRestrictionPolicy, &input, 1, |_| true)
        }
        "ListRecordingConfigurations" => {
            let page = quota_or_hundred(scene, Kind::RecordingConfiguration);
            scene.list(Kind::RecordingConfiguration, &input, page, |_| true)
        }
        "ListStreamKeys" => stream_key::list(scene, &input),
        "ListStreamSessions" => stream::list_sessions(scene, &input),
        "ListStreams" => stream::list(scene, &input),
        "ListTagsForResource" => tags::list_for(scene, &input),
        "PutMetadata" => stream::put_metadata(scene, &input),
        "StartViewerSessionRevocation" => viewer_session::revoke(scene, &input),
        "StopStream" => stream::stop(scene, &input),
        "TagResource" => tags::tag(scene, &input),
        "UntagResource" => tags::untag(scene, &input),
        "UpdateAdConfiguration" => ad_configuration::update(scene, &input),
        "UpdateChannel" => channel::update(scene, &input),
        "UpdateFailoverSlateConfiguration" => failover_slate_configuration::update(scene, &input),
        "UpdatePlaybackRestrictionPolicy" => playback_restriction_policy::update(scene, &input),
        other => Err(unwritten(other)),
    }
}

fn real_time(scene: &mut Scene<'_>, input: Map<String, Value>) -> Answer {
    match scene.operation.name.as_str() {
        "CreateEncoderConfiguration" => encoder_configuration::create(scene, input),
        "CreateIngestConfiguration" => ingest_configuration::create(scene, input),
        "CreateParticipantToken" => participant_token::create(scene, &input),
        "CreateStage" => stage::create(scene, &input),
        "CreateStorageConfiguration" => storage_configuration::create(scene, input),
        "DeleteEncoderConfiguration" => encoder_configuration::delete(scene, &input),
        "DeleteIngestConfiguration" => ingest_configuration::delete(scene, &input),
        "DeletePublicKey" => public_key::delete(scene, &input),
        "DeleteStage" => stage::delete(scene, &input),
        "DeleteStorageConfiguration" => storage_configuration::delete(scene, &input),
        "DisconnectParticipant" => participant::disconnect(scene, &input),
        "GetComposition" => scene.get(Kind::Composition, &input),
        "GetEncoderConfiguration" => scene.get(Kind::EncoderConfiguration, &input),
        "GetIngestConfiguration" => scene.get(Kind::IngestConfiguration, &input),
        "GetParticipant" => participant::get(scene, &input),
        "GetPublicKey" => scene.get(Kind::PublicKey, &input),
        "GetStage" => scene.get(Kind::Stage, &input),
        "GetStageSession" => participant::get_session(scene, &input),
        "GetStorageConfiguration" => scene.get(Kind::StorageConfiguration, &input),
        "ImportPublicKey" => public_key::import(scene, input),
        "ListCompositions" => composition::list(scene, &input),
        "ListEncoderConfigurations" => {
            scene.list(Kind::EncoderConfiguration, &input, 100, |_| true)
        }
        "ListIngestConfigurations" => ingest_configuration::list(scene, &input),
        "ListParticipantEvents" => participant::list_events(scene, &input),
        "ListParticipantReplicas" => participant_replication::list(scene, &input),
        "ListParticipants" => participant::list(scene, &input),
        "ListPublicKeys" => scene.list(Kind::PublicKey, &input, 50, |_| true),
        "ListStageSessions" => participant::list_sessions(scene, &input),
        "ListStages" => scene.list(Kind::Stage, &input, 50, |_| true),
        "ListStorageConfigurations" => {
            let page = quota_or_hundred(scene, Kind::StorageConfiguration);
            scene.list(Kind::StorageConfiguration, &input, page, |_| true)
        }
        "ListTagsForResource" => tags::list_for(scene, &input),
        "RevokeConnectionToken" => Ok(participant_token::revoke(scene, &input)),
        "StartComposition" => composition::start(scene, input),
        "StartParticipantReplication" => participant_replication::start(scene, &input),
        "StopComposition" => composition::stop(scene, &input),
        "StopParticipantReplication" => participant_replication::stop(scene, &input),
        "TagResource" => tags::tag(scene, &input),
        "UntagResource" => tags::untag(scene, &input),
        "UpdateIngestConfiguration" => ingest_configuration::update(scene, &input),
        "UpdateStage" => stage::update(scene, &input),
        other => Err(unwritten(other)),
    }
}

/// The page size of lists documented as "the service quota or 100, whichever is smaller".
fn quota_or_hundred(scene: &Scene<'_>, kind: Kind) -> usize {
    usize::try_from(scene.common.quotas.of(kind).clamp(1, 100)).unwrap_or(100)
}

/// Cannot happen while the test below holds.
fn unwritten(operation: &str) -> Failure {
    Failure::new("InternalServerException", format!("The emulator does not know {operation}"))
}

#[cfg(test)]
mod tests {
    use super::super::model::model;

    #[test]
    fn every_operation_has_an_arm() {
        let source = include_str!("dispatch.rs");
        for operation in model().operations() {
            let arm = format!("\"{}\" =>", operation.name);
            assert!(source.contains(&arm), "{}", operation.name);
        }
    }
}
