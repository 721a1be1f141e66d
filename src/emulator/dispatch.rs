//! Calls the function that implements an operation, by the operation's name.

use serde_json::{Map, Value};

use super::context::{Answer, OperationContext};
use super::failure::Failure;
use super::kind::Kind;
use super::model::Service;
use super::{
    ad_configuration, channel, composition, encoder_configuration, failover_slate_configuration,
    ingest_configuration, participant, participant_replication, participant_token,
    playback_key_pair, playback_restriction_policy, public_key, recording_configuration, stage,
    storage_configuration, stream, stream_key, tags, viewer_session,
};

/// Carries an operation out. The input has been accepted by the model.
pub(crate) fn operate(context: &mut OperationContext<'_>, input: Map<String, Value>) -> Answer {
    let operation = context.operation;
    if let Some(kind) = Kind::got_by(&operation.name) {
        return context.get(kind, &input);
    }
    match (operation.name.as_str(), operation.service) {
        ("ListTagsForResource", _) => tags::list_for(context, &input),
        ("TagResource", _) => tags::tag(context, &input),
        ("UntagResource", _) => tags::untag(context, &input),
        (_, Service::LowLatency) => low_latency(context, input),
        (_, Service::RealTime) => real_time(context, input),
    }
}

fn low_latency(context: &mut OperationContext<'_>, input: Map<String, Value>) -> Answer {
    match context.operation.name.as_str() {
        "BatchGetChannel" => Ok(channel::batch(context, &input, Kind::Channel)),
        "BatchGetStreamKey" => Ok(channel::batch(context, &input, Kind::StreamKey)),
        "BatchStartViewerSessionRevocation" => Ok(viewer_session::batch_revoke(context, &input)),
        "CreateAdConfiguration" => ad_configuration::create(context, input),
        "CreateChannel" => channel::create(context, input),
        "CreateFailoverSlateConfiguration" => failover_slate_configuration::create(context, input),
        "CreatePlaybackRestrictionPolicy" => playback_restriction_policy::create(context, input),
        "CreateRecordingConfiguration" => recording_configuration::create(context, input),
        "CreateStreamKey" => stream_key::create(context, &input),
        "DeleteAdConfiguration" => ad_configuration::delete(context, &input),
        "DeleteChannel" => channel::delete(context, &input),
        "DeleteFailoverSlateConfiguration" => failover_slate_configuration::delete(context, &input),
        "DeletePlaybackKeyPair" => playback_key_pair::delete(context, &input),
        "DeletePlaybackRestrictionPolicy" => playback_restriction_policy::delete(context, &input),
        "DeleteRecordingConfiguration" => recording_configuration::delete(context, &input),
        "DeleteStreamKey" => stream_key::delete(context, &input),
        "GetStream" => stream::get(context, &input),
        "GetStreamSession" => stream::get_session(context, &input),
        "ImportPlaybackKeyPair" => playback_key_pair::import(context, input),
        "InsertAdBreak" => stream::insert_ad_break(context, &input),
        "ListAdConfigurations" => {
            let page = quota_or_hundred(context, Kind::AdConfiguration);
            context.list(Kind::AdConfiguration, &input, page, |_| true)
        }
        "ListChannels" => channel::list(context, &input),
        "ListFailoverSlateConfigurations" => {
            let page = quota_or_hundred(context, Kind::FailoverSlateConfiguration);
            context.list(Kind::FailoverSlateConfiguration, &input, page, |_| true)
        }
        "ListPlaybackKeyPairs" => {
            let page = quota_or_hundred(context, Kind::PlaybackKeyPair);
            context.list(Kind::PlaybackKeyPair, &input, page, |_| true)
        }
        "ListPlaybackRestrictionPolicies" => {
            context.list(Kind::PlaybackRestrictionPolicy, &input, 1, |_| true)
        }
        "ListRecordingConfigurations" => {
            let page = quota_or_hundred(context, Kind::RecordingConfiguration);
            context.list(Kind::RecordingConfiguration, &input, page, |_| true)
        }
        "ListStreamKeys" => stream_key::list(context, &input),
        "ListStreamSessions" => stream::list_sessions(context, &input),
        "ListStreams" => stream::list(context, &input),
        "PutMetadata" => stream::put_metadata(context, &input),
        "StartViewerSessionRevocation" => viewer_session::revoke(context, &input),
        "StopStream" => stream::stop(context, &input),
        "UpdateAdConfiguration" => ad_configuration::update(context, &input),
        "UpdateChannel" => channel::update(context, &input),
        "UpdateFailoverSlateConfiguration" => failover_slate_configuration::update(context, &input),
        "UpdatePlaybackRestrictionPolicy" => playback_restriction_policy::update(context, &input),
        other => Err(unwritten(other)),
    }
}

fn real_time(context: &mut OperationContext<'_>, input: Map<String, Value>) -> Answer {
    match context.operation.name.as_str() {
        "CreateEncoderConfiguration" => encoder_configuration::create(context, input),
        "CreateIngestConfiguration" => ingest_configuration::create(context, input),
        "CreateParticipantToken" => participant_token::create(context, &input),
        "CreateStage" => stage::create(context, &input),
        "CreateStorageConfiguration" => storage_configuration::create(context, input),
        "DeleteEncoderConfiguration" => encoder_configuration::delete(context, &input),
        "DeleteIngestConfiguration" => ingest_configuration::delete(context, &input),
        "DeletePublicKey" => public_key::delete(context, &input),
        "DeleteStage" => stage::delete(context, &input),
        "DeleteStorageConfiguration" => storage_configuration::delete(context, &input),
        "DisconnectParticipant" => participant::disconnect(context, &input),
        "GetParticipant" => participant::get(context, &input),
        "GetStageSession" => participant::get_session(context, &input),
        "ImportPublicKey" => public_key::import(context, input),
        "ListCompositions" => composition::list(context, &input),
        "ListEncoderConfigurations" => {
            context.list(Kind::EncoderConfiguration, &input, 100, |_| true)
        }
        "ListIngestConfigurations" => ingest_configuration::list(context, &input),
        "ListParticipantEvents" => participant::list_events(context, &input),
        "ListParticipantReplicas" => participant_replication::list(context, &input),
        "ListParticipants" => participant::list(context, &input),
        "ListPublicKeys" => context.list(Kind::PublicKey, &input, 50, |_| true),
        "ListStageSessions" => participant::list_sessions(context, &input),
        "ListStages" => context.list(Kind::Stage, &input, 50, |_| true),
        "ListStorageConfigurations" => {
            let page = quota_or_hundred(context, Kind::StorageConfiguration);
            context.list(Kind::StorageConfiguration, &input, page, |_| true)
        }
        "RevokeConnectionToken" => Ok(participant_token::revoke(context, &input)),
        "StartComposition" => composition::start(context, input),
        "StartParticipantReplication" => participant_replication::start(context, &input),
        "StopComposition" => composition::stop(context, &input),
        "StopParticipantReplication" => participant_replication::stop(context, &input),
        "UpdateIngestConfiguration" => ingest_configuration::update(context, &input),
        "UpdateStage" => stage::update(context, &input),
        other => Err(unwritten(other)),
    }
}

/// The page size of lists documented as "the service quota or 100, whichever is smaller".
fn quota_or_hundred(context: &OperationContext<'_>, kind: Kind) -> usize {
    usize::try_from(context.common.quotas.of(kind).clamp(1, 100)).unwrap_or(100)
}

/// Cannot happen while the test below holds.
fn unwritten(operation: &str) -> Failure {
    Failure::new("InternalServerException", format!("The emulator does not know {operation}"))
}

#[cfg(test)]
mod tests {
    use super::super::kind::Kind;
    use super::super::model::model;

    #[test]
    fn every_operation_has_an_arm() {
        let source = include_str!("dispatch.rs");
        for operation in model().operations() {
            let name = &operation.name;
            let arms = [format!("\"{name}\" =>"), format!("(\"{name}\", _) =>")];
            let has_arm = arms.iter().any(|arm| source.contains(arm));
            assert!(has_arm || Kind::got_by(name).is_some(), "{name}");
        }
    }
}
