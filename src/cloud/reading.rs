//! What a reading of the account is asked for, and how it fails.
//!
//! Never calls AWS.

use crate::aws::CloudError;
use crate::kinds::Kind;
use serde::Serialize;

/// How much to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Every kind, declared or not: for pruning, destroying and exporting.
    pub every_kind: bool,
    /// Every owned object with a get, even where its digest suffices.
    pub full: bool,
    /// Unowned objects with their specs as well: for exporting.
    pub strangers: bool,
}

/// A kind that could not be read to the end. Nothing is planned from a part.
#[derive(Debug, Serialize, thiserror::Error)]
#[error("{kind} could not be read to the end; an incomplete reading is not used")]
pub struct ReadError {
    /// The kind that could not be read.
    pub kind: Kind,
    /// What AWS said.
    #[source]
    pub source: CloudError,
}
