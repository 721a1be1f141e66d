//! Why the engine did not go on: typed, with what can be done about it.

use crate::apply::lock::Lost;
use crate::aws::object::Location;
use crate::aws::{CloudError, ConnectError};
use crate::cloud::ReadError;
use crate::kinds::{Address, Freeze, Kind};
use crate::plan::Reason;
use serde::Serialize;

/// Why a session was not opened, an account not read, or a plan not applied. Nothing was written.
#[derive(Debug, Serialize, thiserror::Error)]
#[serde(tag = "error", content = "detail", rename_all = "camelCase")]
pub enum Error {
    /// No connection: region, profile, credentials, certificates or endpoint.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The stack is in another region than the one configured.
    #[error("stack `{stack}` is in region `{wanted}`, and the region configured is `{configured}`")]
    WrongRegion {
        /// The stack.
        stack: String,
        /// Its region.
        wanted: String,
        /// The region of the connection.
        configured: String,
    },
    /// The stack is in another account than that of the credentials.
    #[error(
        "stack `{stack}` is in account {wanted}, and the credentials are those of account {configured}"
    )]
    WrongAccount {
        /// The stack.
        stack: String,
        /// Its account.
        wanted: String,
        /// The account of the credentials.
        configured: String,
    },
    /// The account of the credentials is unknown, and has to be known.
    #[error("the account could not be determined")]
    AccountUnknown(#[source] CloudError),
    /// The account could not be read to the end, so there is no plan.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A plan of an unknown account cannot be saved.
    #[error("a plan of an unknown account cannot be saved: {0}")]
    PlaceUnknown(String),
}

/// Why a plan may not be applied as a whole. Nothing was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "refusal", rename_all = "camelCase")]
pub enum Refusal {
    /// The stack does not name account and region, which writing to AWS needs: credentials alone may be those of
    /// another account than was meant.
    PlaceNotNamed,
    /// The stack configures a lock, and the run does not hold it.
    NotLocked {
        /// The lock.
        location: Location,
    },
    /// The account was read before the lock was taken: another run may have changed it in between.
    PlannedBeforeLock {
        /// The lock.
        location: Location,
    },
    /// The run held the lock of the stack and has lost it.
    LockLost {
        /// The lock.
        location: Location,
        /// How it was lost.
        why: Lost,
    },
    /// A step must not be carried out.
    Blocked {
        /// The resource.
        address: Address,
        /// Why.
        reason: Box<Reason>,
    },
    /// The objects do not fit into a quota.
    QuotaExceeded {
        /// The kind.
        kind: Kind,
        /// Objects there would be.
        wanted: u32,
        /// Objects there may be.
        quota: u32,
    },
    /// So many deletes need their exact number.
    UnconfirmedDeletes {
        /// Deletes in the plan.
        deletes: usize,
        /// Resources of the stack.
        of: usize,
    },
    /// A freeze of the stack is active, and the policy of the run does not ignore it.
    Frozen {
        /// The freeze.
        freeze: Freeze,
    },
    /// No answer of the service had a `Date` header, which tells new objects apart.
    NoServerTime,
}
