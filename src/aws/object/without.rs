//! The object of a build without the cargo feature `lock-s3`: there is none, and the type says so.

#![expect(clippy::unused_async, reason = "each stands for one that waits for an answer")]

use super::super::{Clients, CloudError, ConnectError};
use super::{Location, Only, Seen};
use jiff::Timestamp;

/// Has no values.
#[derive(Debug)]
pub enum Object {}

impl Object {
    /// Never called, since the type has no values.
    pub async fn get(&self) -> Result<Option<Seen>, CloudError> {
        match *self {}
    }

    /// Would write it.
    pub async fn put(&self, _: String, _: Only<'_>) -> Result<Option<String>, CloudError> {
        match *self {}
    }

    /// Would delete it.
    pub async fn delete(&self, _: &str) -> Result<bool, CloudError> {
        match *self {}
    }

    /// The time at its store.
    pub fn server_time(&self) -> Option<Timestamp> {
        match *self {}
    }
}

impl Clients {
    /// Always refused: this build has no client for S3.
    pub fn object(&self, _: &Location) -> Result<Object, ConnectError> {
        Err(ConnectError::BuiltWithoutObjects)
    }
}
