//! The store as a whole.

use async_trait::async_trait;

use super::SqliteStore;
use crate::store::{MigrationNames, SharedWatch, StoreError, Upkeep};

#[async_trait]
impl Upkeep for SqliteStore {
    fn location(&self) -> String {
        self.location.clone()
    }

    async fn migrate(&self) -> Result<MigrationNames, StoreError> {
        self.retry(|| self.apply_migrations()).await
    }

    async fn pending_migrations(&self) -> Result<MigrationNames, StoreError> {
        self.retry(|| self.unapplied_migrations()).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let asking = sqlx::query("SELECT 1 FROM metric_definitions LIMIT 1").execute(self.pool().await?);
        asking.await.map(drop).map_err(|error| self.failed(error))
    }

    fn watch(&self) -> SharedWatch {
        self.start_watch()
    }
}
