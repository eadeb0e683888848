//! The store as a whole.

use async_trait::async_trait;
use jiff::Timestamp;

use super::SqliteStore;
use crate::store::{
    IntegrityFinding, MigrationNames, SharedWatch, StoreError, Upkeep, row::Columns, statements::SELECT_CLOCK,
};

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

    async fn simulate_clock(&self) -> Result<(), StoreError> {
        self.retry(|| async {
            let query =
                sqlx::query("UPDATE store_settings SET simulated_clock = 1 WHERE NOT simulated_clock");
            query.execute(self.pool().await?).await.map(drop).map_err(|error| self.failed(error))
        })
        .await
    }

    async fn has_simulated_clock(&self) -> Result<bool, StoreError> {
        self.retry(|| async {
            let query = sqlx::query_scalar(SELECT_CLOCK);
            query.fetch_one(self.pool().await?).await.map_err(|error| self.failed(error))
        })
        .await
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.retry(|| async {
            let query = sqlx::query("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now') AS now");
            let columns = query.fetch_one(self.pool().await?).await.map_err(|error| self.failed(error))?;
            columns.instant("now").map_err(|error| self.failed(error))
        })
        .await
    }

    async fn integrity(&self) -> Result<Vec<IntegrityFinding>, StoreError> {
        self.retry(|| self.find_what_differs()).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let asking = sqlx::query("SELECT 1 FROM metric_definitions LIMIT 1").execute(self.pool().await?);
        asking.await.map(drop).map_err(|error| self.failed(error))
    }

    fn watch(&self) -> SharedWatch {
        self.start_watch()
    }
}
