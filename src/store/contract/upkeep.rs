//! The store as a whole: where it is, whether it can be used, its migrations, and noticing commits.

use async_trait::async_trait;

use super::SharedWatch;
use crate::store::StoreError;

/// What a migration run did or would do: the names of the migrations, in order.
pub type MigrationNames = Vec<String>;

#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Where the store is, for messages; without credentials.
    fn location(&self) -> String;

    /// Brings the tables up to date. Several processes may do so at once. Returns what was applied.
    async fn migrate(&self) -> Result<MigrationNames, StoreError>;

    /// What [`Upkeep::migrate`] would apply.
    async fn pending_migrations(&self) -> Result<MigrationNames, StoreError>;

    /// Whether the store can be used at this moment: reachable, with its tables. It is not tried again.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Starts to notice commits. Must be called within a Tokio runtime.
    fn watch(&self) -> SharedWatch;
}
