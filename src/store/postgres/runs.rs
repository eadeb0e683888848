//! The locks of runs, and the runs of the log with whether their processes are alive.

use async_trait::async_trait;
use jiff::{SignedDuration, civil::Date};
use sqlx::postgres::PgRow;

use super::PostgresStore;
use crate::store::{
    Held, INCOMPLETE_BACKFILLS, INCOMPLETE_PER_DAY, LockName, LoggedRun, ScheduleState, StoreError,
    entities::{RUN_COLUMNS, run, schedule_state},
    row::{self, Columns},
    sql_store::{SqlRuns, SqlStore},
    statement::Statement,
};

/// Whether the process of a run is alive: whether another session holds the lock whose key `lock.rs` makes. The lock of an
/// orphaned run is held, shared, until the statement ends. (A look into pg_locks would take none, but makes each statement
/// 50 µs slower to start.)
const IS_ALIVE: &str = "
    CASE WHEN status = 'running' THEN NOT pg_try_advisory_xact_lock_shared(hashtextextended(
        'daymark:' || current_schema() || ':' || $1 || ':' || CASE kind
            WHEN 'collect' THEN 'day-' || to_char(collection_date, 'YYYY-MM-DD') ELSE kind END, 0
    )) ELSE FALSE END AS is_alive";

impl PostgresStore {
    /// The runs that `select` finds, newest first, and whether they are alive.
    fn select_logged(&self, select: &str) -> Statement<'_> {
        self.statement(format!(
            "SELECT {RUN_COLUMNS}, {IS_ALIVE} FROM ({select}) AS runs ORDER BY started_at DESC, id"
        ))
    }

    async fn logged(&self, select: &Statement<'_>) -> Result<Vec<LoggedRun>, StoreError> {
        let rows = self.fetch(select).await?;
        let logged = |row: &PgRow| Ok(LoggedRun { run: run(row)?, is_alive: row.get("is_alive")? });
        Ok(row::readable(&self.location, "metric_collection_log", &rows, logged))
    }
}

#[async_trait]
impl SqlRuns for PostgresStore {
    async fn acquire(&self, name: &LockName) -> Result<Option<Box<dyn Held>>, StoreError> {
        self.lock_named(name).await
    }

    async fn select_heartbeat_age(&self, name: &LockName) -> Result<Option<SignedDuration>, StoreError> {
        self.session_age(name).await
    }

    async fn name_holder(&self, name: &LockName) -> Result<Option<String>, StoreError> {
        self.holding_session(name).await
    }

    async fn is_held_by_any(&self, name: &LockName) -> Result<bool, StoreError> {
        self.has_holder(name).await
    }

    async fn select_incomplete_runs(&self, from: Date, to: Date) -> Result<Vec<LoggedRun>, StoreError> {
        let select = self
            .select_logged(include_str!("select_incomplete_runs.sql"))
            .bind(from)
            .bind(to)
            .bind(INCOMPLETE_PER_DAY)
            .bind(INCOMPLETE_BACKFILLS);
        self.logged(&select).await
    }

    async fn select_last_runs(&self) -> Result<Vec<LoggedRun>, StoreError> {
        self.logged(&self.select_logged(include_str!("select_last_runs.sql"))).await
    }

    async fn select_schedule(&self) -> Result<ScheduleState, StoreError> {
        let leader = LockName::Leader.to_string();
        let select = self.statement(include_str!("select_schedule.sql")).bind(&leader);
        let rows = self.fetch(&select).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound);
        let state = row.and_then(|row| schedule_state(row, row.get("is_led")?));
        state.map_err(|error| self.failed(error))
    }
}
