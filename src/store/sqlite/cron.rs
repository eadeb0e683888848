//! SQLite has no pg_cron.

use async_trait::async_trait;

use super::SqliteStore;
use crate::{
    database::FaultClass,
    store::{Cron, CronState, StoreError},
};

#[async_trait]
impl Cron for SqliteStore {
    async fn cron_state(&self) -> Result<Option<CronState>, StoreError> {
        Ok(None)
    }

    async fn create_cron(&self) -> Result<(), StoreError> {
        Err(self.fault(FaultClass::Other, "pg_cron needs a store on PostgreSQL".to_owned()))
    }

    async fn schedule_cron(&self, _: &str, _: &str) -> Result<(), StoreError> {
        self.create_cron().await
    }

    async fn unschedule_cron(&self, _: &str) -> Result<bool, StoreError> {
        Ok(false)
    }
}
