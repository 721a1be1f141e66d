//! What the lock needs of a store: four requests to one object, three of them under conditions.
//!
//! Never repeats a request; the algorithm in `lock.rs` does.

use crate::aws::CloudError;
use crate::aws::object::{Object, Only, Seen};
use jiff::Timestamp;

/// Requests to the one object that is the lock. Each is sent once.
pub trait Store: Send + Sync + 'static {
    /// The object, or `None`.
    fn get(&self) -> impl Future<Output = Result<Option<Seen>, CloudError>> + Send;
    /// Writes it under a condition: its new version, or `None` where the condition does not hold.
    fn put(
        &self,
        body: String,
        only: Only<'_>,
    ) -> impl Future<Output = Result<Option<String>, CloudError>> + Send;
    /// Deletes the object if it has this version; false where it has another version or does not exist.
    fn delete(&self, version: &str) -> impl Future<Output = Result<bool, CloudError>> + Send;
    /// The store's time.
    fn server_time(&self) -> Option<Timestamp>;
}

impl Store for Object {
    async fn get(&self) -> Result<Option<Seen>, CloudError> {
        Self::get(self).await
    }

    async fn put(&self, body: String, only: Only<'_>) -> Result<Option<String>, CloudError> {
        Self::put(self, body, only).await
    }

    async fn delete(&self, version: &str) -> Result<bool, CloudError> {
        Self::delete(self, version).await
    }

    fn server_time(&self) -> Option<Timestamp> {
        Self::server_time(self)
    }
}
