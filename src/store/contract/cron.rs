//! pg_cron, an extension of PostgreSQL that runs statements on a schedule.

use async_trait::async_trait;

use crate::store::StoreError;

/// The state of pg_cron, as far as the store's role can see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CronState {
    /// The newest version whose files the server has; `None` where it has none.
    pub available: Option<String>,
    /// `None` where the role may not see the settings of the server.
    pub is_preloaded: Option<bool>,
    /// The database in which pg_cron looks for jobs, if it is preloaded and the role may see that.
    pub database: Option<String>,
    /// The zone of its schedules. Before version 1.5 that is always GMT.
    pub time_zone: String,
    /// The database of the store.
    pub current_database: String,
    /// The version that is created in this database.
    pub extension: Option<String>,
    pub may_use: bool,
    /// The role of the store, under which its jobs run.
    pub role: String,
    /// The call that a job makes.
    pub command: String,
    /// The jobs that call `collect_daily_metrics`.
    pub jobs: Vec<CronJob>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronJob {
    pub id: i64,
    pub name: Option<String>,
    pub schedule: String,
    pub command: String,
    pub is_active: bool,
    /// What pg_cron says of its newest run, if that failed.
    pub failure: Option<String>,
}

#[async_trait]
pub trait Cron: Send + Sync {
    /// `None` where the store is not on PostgreSQL.
    async fn cron_state(&self) -> Result<Option<CronState>, StoreError>;

    /// Creates the extension in the database of the store.
    ///
    /// # Errors
    /// Also when the role may not.
    async fn create_cron(&self) -> Result<(), StoreError>;

    /// Makes the job, or changes its schedule.
    async fn schedule_cron(&self, name: &str, schedule: &str) -> Result<(), StoreError>;

    /// Removes the job. Returns whether there was one.
    async fn unschedule_cron(&self, name: &str) -> Result<bool, StoreError>;
}
