//! The participants of a stage: who is connected, who is recorded, and the call that disconnects one.
//!
//! Decides nothing about who may be disconnected: callers have the consent of the user.

use crate::aws::{Class, Clients, CloudError, Sorted, found};
use crate::kinds::{Arn, drain, ingest_configuration};
use aws_sdk_ivsrealtime::operation::list_participants::builders::ListParticipantsFluentBuilder;
use aws_sdk_ivsrealtime::types::{self as sdk, ParticipantState};

/// The session of a stage that is in progress.
pub(super) async fn active_session(aws: &Clients, arn: &Arn) -> Result<Option<String>, CloudError> {
    let answer = found(aws.realtime.get_stage().arn(arn.as_str()).send().await.sorted("GetStage"))?;
    let session = answer.and_then(|it| it.stage).and_then(|it| it.active_session_id);
    Ok(session.filter(|it| !it.is_empty()))
}

/// The connected participants of a stage who are recorded.
pub(super) async fn recorded(
    aws: &Clients,
    arn: &Arn,
) -> Result<Vec<sdk::ParticipantSummary>, CloudError> {
    use sdk::ParticipantRecordingState as State;
    let mut recorded = Vec::new();
    let Some(session) = active_session(aws, arn).await? else { return Ok(recorded) };
    let connected = ParticipantState::Connected;
    let narrow = |all: ListParticipantsFluentBuilder| all.filter_by_state(connected.clone());
    each_participant(aws, arn, &session, narrow, |page| {
        let ended = |it: &State| matches!(it, State::Disabled | State::Failed | State::Stopped);
        let is_recorded =
            |it: &sdk::ParticipantSummary| it.recording_state.as_ref().is_some_and(|it| !ended(it));
        recorded.extend(page.into_iter().filter(is_recorded));
        true
    })
    .await?;
    Ok(recorded)
}

/// The ingest configuration with which a participant publishes.
pub(super) fn ingest_of(participant: &sdk::ParticipantSummary) -> Option<Arn> {
    let arn = participant.ingest_configuration_arn.as_deref()?;
    (!arn.is_empty()).then(|| Arn::new(arn))
}

/// Where a participant comes from that a run for this stack may not disconnect: an ingest configuration with another
/// owner or with none, which would stay detached if the run were killed; or the stage of which it is a replica.
pub(super) async fn foreign_source(
    aws: &Clients,
    participant: &sdk::ParticipantSummary,
    stack: &str,
) -> Result<Option<Arn>, CloudError> {
    if let Some(stage) = participant.source_stage_arn.as_deref().filter(|it| !it.is_empty()) {
        return Ok(Some(Arn::new(stage)));
    }
    let Some(ingest) = ingest_of(participant) else { return Ok(None) };
    let ours = match ingest_configuration::owner(aws, &ingest).await {
        Ok(owner) => owner.is_some_and(|it| it.in_stack(stack).is_some()),
        // The policy that `iam-policy` prints allows the call for objects of the stack only.
        Err(error) if error.class == Class::Denied => false,
        Err(error) => return Err(error),
    };
    Ok((!ours).then_some(ingest))
}

/// Disconnects a participant of a stage; one who has left already is no error.
pub(in crate::kinds) async fn disconnect(
    aws: &Clients,
    stage: &Arn,
    participant: String,
) -> Result<(), CloudError> {
    let request = aws.realtime_once.disconnect_participant().stage_arn(stage.as_str());
    let request = request.participant_id(participant).send().await;
    found(request.sorted("DisconnectParticipant")).map(|_| ())
}

/// Whether a participant is connected in a session of a stage. A session lasts for minutes after the last
/// participant has left.
pub(super) async fn is_connected(
    aws: &Clients,
    stage: &Arn,
    session: &str,
) -> Result<bool, CloudError> {
    let connected = ParticipantState::Connected;
    any_participant(aws, stage, session, |all| all.filter_by_state(connected.clone()), |_| true)
        .await
}

/// How many participants publish in a session of a stage. `published` stays true after a participant has stopped
/// publishing, so only connected participants count.
pub(super) async fn count_publishers(
    aws: &Clients,
    stage: &Arn,
    session: &str,
) -> Result<usize, CloudError> {
    let connected = Some(ParticipantState::Connected);
    let mut count = 0;
    let narrow = |all: ListParticipantsFluentBuilder| all.filter_by_published(true);
    each_participant(aws, stage, session, narrow, |page| {
        count += page.iter().filter(|it| it.state == connected).count();
        true
    })
    .await?;
    Ok(count)
}

/// Whether `wanted` is true of any participant of a session, of those that `narrow` leaves. Reads no further
/// than the page with the first of them.
pub(in crate::kinds) async fn any_participant(
    aws: &Clients,
    stage: &Arn,
    session: &str,
    narrow: impl Fn(ListParticipantsFluentBuilder) -> ListParticipantsFluentBuilder,
    wanted: impl Fn(&sdk::ParticipantSummary) -> bool,
) -> Result<bool, CloudError> {
    let mut any = false;
    each_participant(aws, stage, session, narrow, |page| {
        any = page.iter().any(&wanted);
        !any
    })
    .await?;
    Ok(any)
}

/// Reads the participants of a session, of those that `narrow` leaves, page by page while `more` asks for it.
async fn each_participant(
    aws: &Clients,
    stage: &Arn,
    session: &str,
    narrow: impl Fn(ListParticipantsFluentBuilder) -> ListParticipantsFluentBuilder,
    mut more: impl FnMut(Vec<sdk::ParticipantSummary>) -> bool,
) -> Result<(), CloudError> {
    let drained = drain(
        "ListParticipants",
        |token| {
            let page = aws.realtime.list_participants().stage_arn(stage.as_str());
            let page = page.session_id(session).max_results(100).set_next_token(token);
            let page = narrow(page);
            async move { page.send().await.sorted("ListParticipants") }
        },
        |page| if more(page.participants) { page.next_token } else { None },
    )
    .await;
    // With its stage, a session is gone.
    found(drained).map(|_| ())
}
