//! The properties that AWS reports for an object on air, for a view of the account: start time, health, number of
//! publishers, states of destinations.
//!
//! No decision of a plan depends on it; what a change would cut off is an [`Audience`].

use super::wire_enum::{WireEnum, sdk_enums};
use super::{Arn, Audience};
use aws_sdk_ivs::types::StreamHealth;
use aws_sdk_ivsrealtime::types::{DestinationState, DestinationSummary};
use jiff::Timestamp;
use serde::Serialize;

sdk_enums! { StreamHealth, DestinationState }

/// The properties of an object on air. A kind fills in those that it has.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// When its stream or composition began.
    pub since: Option<Timestamp>,
    /// Health of a channel's stream.
    pub health: Option<WireEnum<StreamHealth>>,
    /// How many participants publish in a stage's session, once that was asked.
    pub publishers: Option<usize>,
    /// Where a composition goes.
    pub destinations: Vec<LiveDestination>,
}

/// One destination of a running composition.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveDestination {
    /// The id that AWS gave it.
    pub id: String,
    /// Its name, which listings leave out.
    pub name: Option<String>,
    /// Its state.
    pub state: WireEnum<DestinationState>,
}

/// An object that is on air.
#[derive(Clone, Debug, PartialEq)]
pub struct OnAir {
    /// The object.
    pub arn: Arn,
    /// Who would be cut off by a change to it.
    pub audience: Audience,
    /// Its other properties while it is on air.
    pub live: Live,
}

impl Live {
    /// Whether something is wrong with what is on air: a stream that starves, a destination that has failed or
    /// reconnects.
    pub fn is_troubled(&self) -> bool {
        self.health.as_ref().is_some_and(|it| it.0 == StreamHealth::Starving)
            || self.destinations.iter().any(LiveDestination::is_troubled)
    }
}

impl LiveDestination {
    /// Whether it has failed or reconnects.
    pub fn is_troubled(&self) -> bool {
        matches!(self.state.0, DestinationState::Failed | DestinationState::Reconnecting)
    }

    /// A destination of a listing.
    pub(super) fn listed(it: DestinationSummary) -> Self {
        Self { id: it.id, name: None, state: WireEnum(it.state) }
    }
}

/// A time of an answer, which the SDK tells in milliseconds of Unix time.
pub(super) fn answered_time(millis: Option<i64>) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis?).ok()
}
