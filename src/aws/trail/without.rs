//! The trail of a build without the cargo feature `blame`: there is none, and the type says so.

#![expect(clippy::unused_async, reason = "it stands for one that waits for an answer")]

use super::super::{Clients, CloudError, ConnectError};
use super::{By, Page, Window};

/// Has no values.
#[derive(Debug)]
pub enum Trail {}

impl Trail {
    /// Never called, since the type has no values.
    pub async fn look_up(
        &self,
        _: By<'_>,
        _: Option<Window>,
        _: Option<String>,
    ) -> Result<Page, CloudError> {
        match *self {}
    }
}

impl Clients {
    /// Always refused: this build has no client for CloudTrail.
    pub fn trail(&self) -> Result<Trail, ConnectError> {
        Err(ConnectError::BuiltWithoutTrail)
    }
}
