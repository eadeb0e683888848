//! When users last signed out everywhere.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::store::StoreError;

#[async_trait]
pub trait SessionEnds: Send + Sync {
    /// The subjects that signed out everywhere after `since`, each with the latest time.
    async fn session_ends(&self, since: Timestamp) -> Result<Vec<(String, Timestamp)>, StoreError>;

    /// Notes that sessions of `subject`, of 1 to 200 characters, that began until `at` are over, and forgets the ends before
    /// `since`, of which no session is left.
    async fn end_sessions(&self, subject: &str, at: Timestamp, since: Timestamp) -> Result<(), StoreError>;
}
