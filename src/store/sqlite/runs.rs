//! The locks of runs, and the runs of the log with whether their processes are alive.

use async_trait::async_trait;
use jiff::{SignedDuration, civil::Date};

use super::SqliteStore;
use crate::store::{
    Held, INCOMPLETE_BACKFILLS, INCOMPLETE_PER_DAY, LockName, LoggedRun, Run, RunFilter, RunStatus, Runs,
    ScheduleState, StoreError,
    entities::{run, schedule_state},
    row,
    sql_store::{SqlRuns, SqlStore},
};

const SELECT_SCHEDULE: &str = "
    SELECT leaders.host, leaders.process_id, leaders.since, leaders.seen_at,
        pause.id, pause.paused_at, pause.paused_by, pause.reason, pause.until_at, pause.resumed_at, pause.resumed_by
    FROM (SELECT ?1 AS id) AS tenant
    LEFT JOIN leaders ON leaders.tenant_id = tenant.id
    LEFT JOIN schedule_pauses AS pause ON pause.tenant_id = tenant.id AND pause.id = (
        SELECT id FROM schedule_pauses WHERE tenant_id = ?1 ORDER BY paused_at DESC, id LIMIT 1
    )";

impl SqliteStore {
    /// Determines whether the process of the run is alive.
    fn logged(&self, run: Run) -> Result<LoggedRun, StoreError> {
        let is_alive = run.status == RunStatus::Running && self.is_locked(&run.lock())?;
        Ok(LoggedRun { run, is_alive })
    }
}

#[async_trait]
impl SqlRuns for SqliteStore {
    async fn acquire(&self, name: &LockName) -> Result<Option<Box<dyn Held>>, StoreError> {
        self.lock_named(name).await
    }

    async fn select_heartbeat_age(&self, name: &LockName) -> Result<Option<SignedDuration>, StoreError> {
        self.lock_file_age(name)
    }

    async fn name_holder(&self, name: &LockName) -> Result<Option<String>, StoreError> {
        self.locking_process(name)
    }

    async fn is_held_by_any(&self, name: &LockName) -> Result<bool, StoreError> {
        self.is_locked(name)
    }

    async fn select_incomplete_runs(&self, from: Date, to: Date) -> Result<Vec<LoggedRun>, StoreError> {
        let select = self
            .statement(include_str!("select_incomplete_runs.sql"))
            .bind(from)
            .bind(to)
            .bind(INCOMPLETE_PER_DAY)
            .bind(INCOMPLETE_BACKFILLS);
        let rows = self.fetch(&select).await?;
        let runs = row::readable(&self.location, "metric_collection_log", &rows, run);
        runs.into_iter().map(|run| self.logged(run)).collect()
    }

    async fn select_last_runs(&self) -> Result<Vec<LoggedRun>, StoreError> {
        let newest = RunFilter { limit: Some(1), ..RunFilter::default() };
        let completed = RunFilter { status: Some(RunStatus::Completed), ..newest.clone() };
        let mut runs = self.runs(&newest).await?;
        if runs.first().is_some_and(|run| run.status != RunStatus::Completed) {
            runs.extend(self.runs(&completed).await?);
        }
        runs.into_iter().map(|run| self.logged(run)).collect()
    }

    async fn select_schedule(&self) -> Result<ScheduleState, StoreError> {
        let is_led = self.is_locked(&LockName::Leader)?;
        let rows = self.fetch(&self.statement(SELECT_SCHEDULE)).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound);
        row.and_then(|row| schedule_state(row, is_led)).map_err(|error| self.failed(error))
    }
}
