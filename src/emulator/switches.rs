//! Undocumented behaviour of AWS. Each field is one open question of `docs/service-reference.md` §6 or
//! `docs/reliability.md` §9; its default is the answer that a client finds harder to handle. Set by
//! `POST /_emulator/switches` with any subset of the fields, so tests can run both ways.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to members that a nested update leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Absent {
    /// They keep their value.
    Merge,
    /// They fall back to their default.
    Reset,
}

/// Whether the service accepts a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Stance {
    /// `ConflictException`, or `ValidationException` where no conflict is modelled.
    Refuse,
    /// The request is carried out.
    Accept,
}

/// How `filterByName` compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NameFilter {
    /// The whole name.
    Exact,
    /// Any part of the name.
    Substring,
}

/// The open questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an open question of two answers")]
pub struct Switches {
    /// `UpdateStage` with a partial `autoParticipantRecordingConfiguration`. Default: reset.
    pub stage_update: Absent,
    /// `UpdateFailoverSlateConfiguration` without some of its numbers. Default: reset.
    pub slate_update: Absent,
    /// `UpdateChannel` with `multitrackInputConfiguration: {}`: merge leaves it enabled, reset turns
    /// it off. Default: merge, which catches a client that cannot send an explicit false.
    pub empty_multitrack: Absent,
    /// `UpdateChannel` of the name alone while the channel is live. Default: refuse.
    pub live_rename: Stance,
    /// `TagResource` and `UntagResource` on a live channel. Default: accept, no refusal is documented.
    pub live_tagging: Stance,
    /// `ListChannels` by name. Default: exact.
    pub name_filter: NameFilter,
    /// `ListCompositions` with both filters: accept means both must hold. Default: refuse.
    pub two_composition_filters: Stance,
    /// `DeleteStorageConfiguration` while only a stage records to it. Default: refuse.
    pub storage_used_by_stage: Stance,
    /// `StopComposition` on one that is stopping, stopped or failed. Default: refuse.
    pub stop_ended_composition: Stance,
    /// `StartComposition` with a known idempotency token and other parameters: accept answers with
    /// the known composition. Default: refuse.
    pub idempotency_mismatch: Stance,
    /// How long an idempotency token is valid, and no longer than its composition is visible.
    /// Default: one hour.
    pub idempotency_seconds: u32,
    /// The preset of a channel that leaves ADVANCED_*: reset makes it "", merge keeps it.
    /// Default: reset.
    pub preset_after_advanced: Absent,
    /// A tag call for the other service's ARN, where the host name says which service was called
    /// (`ivs.…` or `ivsrealtime.…`; never on a shared host). Default: refuse.
    pub foreign_service_tags: Stance,
    /// Error bodies without `message`, only `exceptionMessage`. Default: false.
    pub only_exception_message: bool,
    /// The stream key that `CreateChannel` makes carries the channel's tags. Default: false.
    pub stream_key_copies_tags: bool,
    /// Referring to a recording or slate configuration that is still CREATING. Default: refuse.
    pub reference_while_creating: Stance,
    /// Changing or deleting a slate configuration that is CREATING or UPDATING. Default: refuse.
    pub busy_slate: Stance,
    /// Deleting a policy, ad or slate configuration that a channel refers to. Default: refuse.
    pub delete_referenced: Stance,
    /// `DeleteStage` while participants are connected. Default: accept, as documented.
    pub delete_busy_stage: Stance,
    /// Importing key material that the account has already. Default: refuse.
    pub duplicate_key: Stance,
    /// The error of a duplicate key import. Default: `ConflictException`.
    pub duplicate_key_error: String,
    /// `RecordingConfiguration` answers filled with defaults (otherwise only what was sent).
    /// Default: true.
    pub recording_defaults: bool,
    /// The error name of a throttle where the operation models none. Default:
    /// `ThrottlingException`.
    pub throttle_error: String,
    /// The status of a throttle where the operation models none. Default: 429.
    pub throttle_status: u16,
    /// The largest number of items on a page, whatever the request asks for; 0 is no such limit. Default: 0.
    pub largest_page: u32,
    /// How long a page token is accepted. Default: one hour.
    pub page_token_seconds: u32,
    /// A stage's thumbnail interval without `recordingMode: INTERVAL`, even the default of 60 that
    /// `GetStage` shows. Default: refuse.
    pub interval_while_disabled: Stance,
    /// Seconds for which a stage session lasts after the last participant stopped publishing, if none is
    /// connected. The user guide says "a few minutes". Default: 180.
    pub session_linger_seconds: u32,
    /// Seconds for which an ingest configuration stays ACTIVE after `DisconnectParticipant`, which empties its
    /// stage at once. Default: 1.
    pub disconnect_seconds: u32,
    /// `UpdateStage` with an unchanged recording block, while a recording runs.
    /// Default: refuse.
    pub same_recording: Stance,
    /// For how many seconds a channel's stream is still live after `StopStream`, and after the composition that
    /// broadcast it has ended: 0 to 30. Default: 1.
    pub stream_outlives_stop_seconds: u32,
    /// For how many seconds after the end of such a stream its channel cannot be updated, deleted or taken by a
    /// composition, after the end of a composition its encoder and storage configurations cannot be
    /// deleted, and after the end of a participant's recording the recording block of its stage cannot be
    /// updated, although every read says that it is over. Default: 1.
    pub conflict_after_stop_seconds: u32,
    /// For how many seconds an ended stream is still answered, in state OFFLINE. Default: 0, since the API
    /// reference says not to rely on that state.
    pub offline_stream_seconds: u32,
    /// CloudTrail names the resource of an event of IVS, so that events can be looked up by it. Default: false.
    pub trail_names_resources: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            stage_update: Absent::Reset,
            slate_update: Absent::Reset,
            empty_multitrack: Absent::Merge,
            live_rename: Stance::Refuse,
            live_tagging: Stance::Accept,
            name_filter: NameFilter::Exact,
            two_composition_filters: Stance::Refuse,
            storage_used_by_stage: Stance::Refuse,
            stop_ended_composition: Stance::Refuse,
            idempotency_mismatch: Stance::Refuse,
            idempotency_seconds: 3600,
            preset_after_advanced: Absent::Reset,
            foreign_service_tags: Stance::Refuse,
            only_exception_message: false,
            stream_key_copies_tags: false,
            reference_while_creating: Stance::Refuse,
            busy_slate: Stance::Refuse,
            delete_referenced: Stance::Refuse,
            delete_busy_stage: Stance::Accept,
            duplicate_key: Stance::Refuse,
            duplicate_key_error: "ConflictException".to_owned(),
            recording_defaults: true,
            throttle_error: "ThrottlingException".to_owned(),
            throttle_status: 429,
            largest_page: 0,
            page_token_seconds: 3600,
            interval_while_disabled: Stance::Refuse,
            session_linger_seconds: 180,
            disconnect_seconds: 1,
            same_recording: Stance::Refuse,
            stream_outlives_stop_seconds: 1,
            conflict_after_stop_seconds: 1,
            offline_stream_seconds: 0,
            trail_names_resources: false,
        }
    }
}

impl Switches {
    /// How long a session lasts after its last publisher has stopped.
    pub(crate) fn session_lingers(&self) -> Duration {
        Duration::from_secs(self.session_linger_seconds.into())
    }
}
