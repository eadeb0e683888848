//! The collection log.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, types::Json};
use uuid::Uuid;

use super::{SqliteStore, text::text};
use crate::{
    metric::{MetricKey, Record},
    store::{
        Finish, Held, INCOMPLETE_BACKFILLS, INCOMPLETE_PER_DAY, LockName, LoggedRun, NewRun, Run, RunFilter,
        RunOutcome, RunStatus, Runs, StoreError, confirm_orphans,
        from_row::{run, run_outcome},
        statements::{RUN_COLUMNS, SELECT_RUN_OUTCOMES},
    },
};

/// The LIMIT with which SQLite returns all rows.
const ALL: i64 = -1;

/// An entry whose id exists was inserted by an earlier attempt whose answer was lost, because the id is random.
const INSERT: &str = "
    INSERT INTO metric_collection_log (tenant_id, id, kind, collection_date, collection_end_date, started_at, status,
                                       trigger, actor, host, process_id)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'running', ?7, ?8, ?9, ?10
    WHERE NOT EXISTS (SELECT 1 FROM metric_collection_log WHERE tenant_id = ?1 AND id = ?2)";

/// Counts the run's records in the table: of the records offered, some may have been there already.
const FINISH: &str = "
    UPDATE metric_collection_log
    SET status = ?3, completed_at = ?4, error_message = ?5, error_details = ?6,
        metrics_collected = (
            SELECT count(*) FROM daily_metrics
            WHERE daily_metrics.tenant_id = ?1 AND daily_metrics.collection_id = ?2
              AND metric_date BETWEEN collection_date AND collection_end_date
        )
    WHERE tenant_id = ?1 AND id = ?2 AND status = 'running'";

const TABLE: &str = "metric_collection_log";

#[async_trait]
impl Runs for SqliteStore {
    async fn try_lock(&self, name: &LockName) -> Result<Option<Box<dyn Held>>, StoreError> {
        self.retry(|| self.take_lock(name)).await
    }

    async fn is_taken(&self, name: &LockName) -> Result<bool, StoreError> {
        self.is_locked(name)
    }

    async fn start_run(&self, run: &NewRun) -> Result<(), StoreError> {
        self.retry(|| self.insert_run(run)).await
    }

    async fn commit(
        &self,
        records: &[Record],
        finish: Option<&Finish>,
    ) -> Result<Vec<(Date, MetricKey)>, StoreError> {
        self.retry(|| self.commit_records(records, finish)).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StoreError> {
        self.retry(|| self.select_runs(filter)).await
    }

    async fn run(&self, id: Uuid) -> Result<Option<Run>, StoreError> {
        self.retry(|| async {
            let mut session = self.pool().await?.acquire().await.map_err(|error| self.failed(error))?;
            self.run_in(&mut session, id).await.map_err(|error| self.failed(error))
        })
        .await
    }

    async fn incomplete_runs(&self, from: Date, to: Date) -> Result<Vec<LoggedRun>, StoreError> {
        let read = self.retry(|| async {
            let query = sqlx::query(include_str!("select_incomplete_runs.sql"))
                .bind(&self.tenant)
                .bind(from.to_string())
                .bind(to.to_string())
                .bind(INCOMPLETE_PER_DAY)
                .bind(INCOMPLETE_BACKFILLS);
            self.rows(TABLE, query, run).await
        });
        self.logged(read.await?).await
    }

    async fn run_outcomes(&self, since: Timestamp, limit: i64) -> Result<Vec<RunOutcome>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_RUN_OUTCOMES).bind(&self.tenant).bind(text(since)).bind(limit);
            self.rows(TABLE, query, run_outcome).await
        })
        .await
    }

    async fn last_run(&self) -> Result<Option<LoggedRun>, StoreError> {
        let newest = RunFilter { limit: Some(1), ..RunFilter::default() };
        Ok(self.logged(self.runs(&newest).await?).await?.pop())
    }
}

impl SqliteStore {
    async fn insert_run(&self, run: &NewRun) -> Result<(), StoreError> {
        sqlx::query(INSERT)
            .bind(&self.tenant)
            .bind(run.id.to_string())
            .bind(run.kind.name())
            .bind(run.from.to_string())
            .bind(run.to.to_string())
            .bind(text(run.started_at))
            .bind(run.trigger.name())
            .bind(&run.actor)
            .bind(&run.host)
            .bind(i64::from(run.process_id))
            .execute(self.pool().await?)
            .await
            .map(drop)
            .map_err(|error| self.failed(error))
    }

    /// Whether the run was still running until now.
    pub(super) async fn finish_run(
        &self,
        session: &mut SqliteConnection,
        finish: &Finish,
    ) -> Result<bool, sqlx::Error> {
        let finished = sqlx::query(FINISH)
            .bind(&self.tenant)
            .bind(finish.id.to_string())
            .bind(finish.status.name())
            .bind(text(finish.completed_at))
            .bind(finish.short_message().as_deref())
            .bind(finish.bounded_details().as_deref().map(Json))
            .execute(session)
            .await?;
        Ok(finished.rows_affected() == 1)
    }

    async fn select_runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(format!(
            "SELECT {RUN_COLUMNS} FROM metric_collection_log WHERE tenant_id = "
        ));
        query.push_bind(&self.tenant);
        if let Some(status) = filter.status {
            query.push(" AND status = ").push_bind(status.name());
        }
        if let Some((from, to)) = filter.days {
            query.push(" AND collection_end_date >= ").push_bind(from.to_string());
            query.push(" AND collection_date <= ").push_bind(to.to_string());
        }
        if let Some(kind) = filter.kind {
            query.push(" AND kind = ").push_bind(kind.name());
        }
        if let Some((started_at, id)) = filter.after {
            query.push(" AND (started_at < ").push_bind(text(started_at));
            query.push(" OR started_at = ").push_bind(text(started_at));
            query.push(" AND id > ").push_bind(id.to_string()).push(")");
        }
        query.push(" ORDER BY started_at DESC, id LIMIT ").push_bind(filter.limit.unwrap_or(ALL));
        self.rows(TABLE, query.build(), run).await
    }

    /// The newest run, and the newest that completed.
    pub(super) async fn last_runs(&self) -> Result<(Option<LoggedRun>, Option<Run>), StoreError> {
        let newest = RunFilter { limit: Some(1), ..RunFilter::default() };
        let completed = RunFilter { status: Some(RunStatus::Completed), ..newest.clone() };
        let newest = self.runs(&newest).await?;
        let completed = match newest.first() {
            Some(run) if run.status == RunStatus::Completed => Some(run.clone()),
            _ => self.runs(&completed).await?.pop(),
        };
        Ok((self.logged(newest).await?.pop(), completed))
    }

    /// Determines for each run whether its process is alive.
    async fn logged(&self, runs: Vec<Run>) -> Result<Vec<LoggedRun>, StoreError> {
        let logged = |run: Run| {
            let is_alive = run.status == RunStatus::Running && self.is_locked(&run.lock())?;
            Ok(LoggedRun { run, is_alive })
        };
        let mut runs = runs.into_iter().map(logged).collect::<Result<Vec<_>, StoreError>>()?;
        confirm_orphans(self, &mut runs).await?;
        Ok(runs)
    }

    pub(super) async fn run_in(
        &self,
        session: &mut SqliteConnection,
        id: Uuid,
    ) -> Result<Option<Run>, sqlx::Error> {
        let mut query = QueryBuilder::<Sqlite>::new(format!(
            "SELECT {RUN_COLUMNS} FROM metric_collection_log WHERE tenant_id = "
        ));
        query.push_bind(&self.tenant).push(" AND id = ").push_bind(id.to_string());
        query.build().fetch_optional(session).await?.as_ref().map(run).transpose()
    }
}
