//! A reading of the account that failed while a run looked for its own duplicates.

use crate::aws::CloudError;
use crate::kinds::Kind;
use schemars::JsonSchema;
use serde::Serialize;

/// A reading of the account that failed after this run had created duplicates, or may have.
#[derive(Clone, Debug, PartialEq, Serialize, thiserror::Error, JsonSchema)]
#[error("{kind}: {error}")]
pub struct Unread {
    /// The kind that could not be read.
    pub kind: Kind,
    /// What AWS said.
    pub error: CloudError,
}

impl Unread {
    /// The same without AWS's request id, which differs from one try to the next.
    pub(super) fn without_request_id(&self) -> Self {
        let error = CloudError { request_id: None, ..self.error.clone() };
        Self { kind: self.kind, error }
    }
}
