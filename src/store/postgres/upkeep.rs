//! The store as a whole.

use async_trait::async_trait;
use jiff::Timestamp;

use super::PostgresStore;
use crate::store::{IntegrityFinding, MigrationNames, SharedWatch, StoreError, Upkeep};

#[async_trait]
impl Upkeep for PostgresStore {
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
                sqlx::query("UPDATE store_settings SET simulated_clock = TRUE WHERE NOT simulated_clock");
            query.execute(self.pool().await?).await.map(drop).map_err(|error| self.failed(error))
        })
        .await
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.retry(|| async {
            let query = sqlx::query_scalar::<_, jiff_sqlx::Timestamp>("SELECT clock_timestamp()");
            let now = query.fetch_one(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(now.to_jiff())
        })
        .await
    }

    async fn integrity(&self) -> Result<Vec<IntegrityFinding>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query_scalar(include_str!("integrity.sql"));
            let messages: Vec<String> =
                query.fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(messages.into_iter().map(|message| IntegrityFinding { message }).collect())
        })
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let asking = sqlx::query("SELECT 1 FROM metric_definitions LIMIT 1").execute(self.pool().await?);
        asking.await.map(drop).map_err(|error| self.failed(error))
    }

    fn watch(&self) -> SharedWatch {
        self.start_watch()
    }
}
