//! The collection log.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use jiff_sqlx::ToSqlx;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, QueryBuilder, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    PostgresStore,
    text::{storable, storable_object},
};
use crate::{
    metric::{MetricKey, Record},
    store::{
        Finish, Held, INCOMPLETE_BACKFILLS, INCOMPLETE_PER_DAY, LockName, LoggedRun, NewRun, Run, RunFilter,
        RunOutcome, RunStatus, Runs, StoreError, confirm_orphans,
        from_row::{run, run_outcome},
        row,
        statements::{RUN_COLUMNS, SELECT_RUN_OUTCOMES},
    },
};

/// An entry whose id exists was inserted by an earlier attempt whose answer was lost, because the id is random.
const INSERT: &str = "
    INSERT INTO metric_collection_log (tenant_id, id, kind, collection_date, collection_end_date, started_at, status,
                                       trigger, actor, host, process_id)
    VALUES ($1, $2, $3, $4, $5, $6, 'running', $7, $8, $9, $10)
    ON CONFLICT (tenant_id, id) DO NOTHING";

/// A trigger counts the run's records, because some of the offered ones may have existed already.
const FINISH: &str = "
    UPDATE metric_collection_log
    SET status = $3, completed_at = $4, error_message = $5, error_details = $6
    WHERE tenant_id = $1 AND id = $2 AND status = 'running'";

/// Whether the process of a run is alive: whether another session holds the lock whose key `lock.rs` makes. The lock of an
/// orphaned run is held, shared, until the statement ends. (A look into pg_locks would take none, but makes each statement
/// 50 µs slower to start.)
const IS_ALIVE: &str = "
    CASE WHEN status = 'running' THEN NOT pg_try_advisory_xact_lock_shared(hashtextextended(
        'daymark:' || current_schema() || ':' || $1 || ':' || CASE kind
            WHEN 'collect' THEN 'day-' || to_char(collection_date, 'YYYY-MM-DD') ELSE kind END, 0
    )) ELSE FALSE END AS is_alive";

const TABLE: &str = "metric_collection_log";

/// The runs that `select` finds, newest first, and whether they are alive.
fn logged(select: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "SELECT {RUN_COLUMNS}, {IS_ALIVE} FROM ({select}) AS runs ORDER BY started_at DESC, id"
    ))
}

#[async_trait]
impl Runs for PostgresStore {
    async fn try_lock(&self, name: &LockName) -> Result<Option<Box<dyn Held>>, StoreError> {
        self.retry(|| self.take_lock(name)).await
    }

    async fn is_taken(&self, name: &LockName) -> Result<bool, StoreError> {
        self.retry(|| self.has_holder(name)).await
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
            let query = sqlx::query(logged(include_str!("select_incomplete_runs.sql")))
                .bind(&self.tenant)
                .bind(from.to_sqlx())
                .bind(to.to_sqlx())
                .bind(INCOMPLETE_PER_DAY)
                .bind(INCOMPLETE_BACKFILLS);
            self.rows(TABLE, query, logged_run).await
        });
        let mut runs = read.await?;
        confirm_orphans(self, &mut runs).await?;
        Ok(runs)
    }

    async fn run_outcomes(&self, since: Timestamp, limit: i64) -> Result<Vec<RunOutcome>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_RUN_OUTCOMES)
                .bind(&self.tenant)
                .bind(row::to_micros(since).to_sqlx())
                .bind(limit);
            self.rows(TABLE, query, run_outcome).await
        })
        .await
    }

    async fn last_run(&self) -> Result<Option<LoggedRun>, StoreError> {
        let read = self.retry(|| async {
            let newest = "SELECT * FROM metric_collection_log WHERE tenant_id = $1 ORDER BY started_at DESC, id LIMIT 1";
            let query = sqlx::query(logged(newest)).bind(&self.tenant);
            self.rows(TABLE, query, logged_run).await
        });
        let mut runs = read.await?;
        confirm_orphans(self, &mut runs).await?;
        Ok(runs.pop())
    }
}

impl PostgresStore {
    async fn insert_run(&self, run: &NewRun) -> Result<(), StoreError> {
        sqlx::query(INSERT)
            .bind(&self.tenant)
            .bind(run.id)
            .bind(run.kind.name())
            .bind(run.from.to_sqlx())
            .bind(run.to.to_sqlx())
            .bind(row::to_micros(run.started_at).to_sqlx())
            .bind(run.trigger.name())
            .bind(storable(&run.actor))
            .bind(storable(&run.host))
            .bind(i64::from(run.process_id))
            .execute(self.pool().await?)
            .await
            .map(drop)
            .map_err(|error| self.failed(error))
    }

    /// Whether the run was still running until now.
    pub(super) async fn finish_run(
        &self,
        session: &mut PgConnection,
        finish: &Finish,
    ) -> Result<bool, sqlx::Error> {
        let finished = sqlx::query(FINISH)
            .bind(&self.tenant)
            .bind(finish.id)
            .bind(finish.status.name())
            .bind(row::to_micros(finish.completed_at).to_sqlx())
            .bind(finish.short_message().as_deref().map(storable))
            .bind(finish.bounded_details().as_deref().map(storable_object))
            .execute(session)
            .await?;
        Ok(finished.rows_affected() == 1)
    }

    async fn select_runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StoreError> {
        let mut query = QueryBuilder::<Postgres>::new(format!(
            "SELECT {RUN_COLUMNS} FROM metric_collection_log WHERE tenant_id = "
        ));
        query.push_bind(&self.tenant);
        if let Some(status) = filter.status {
            query.push(" AND status = ").push_bind(status.name());
        }
        if let Some((from, to)) = filter.days {
            query.push(" AND collection_end_date >= ").push_bind(from.to_sqlx());
            query.push(" AND collection_date <= ").push_bind(to.to_sqlx());
        }
        if let Some(kind) = filter.kind {
            query.push(" AND kind = ").push_bind(kind.name());
        }
        if let Some((started_at, id)) = filter.after {
            query.push(" AND (started_at < ").push_bind(row::to_micros(started_at).to_sqlx());
            query.push(" OR started_at = ").push_bind(row::to_micros(started_at).to_sqlx());
            query.push(" AND id > ").push_bind(id).push(")");
        }
        query.push(" ORDER BY started_at DESC, id LIMIT ").push_bind(filter.limit);
        self.rows(TABLE, query.build(), run).await
    }

    /// The newest run, and the newest that completed.
    pub(super) async fn last_runs(&self) -> Result<(Option<LoggedRun>, Option<Run>), StoreError> {
        let read = self.retry(|| async {
            let query = sqlx::query(logged(include_str!("select_last_runs.sql"))).bind(&self.tenant);
            self.rows(TABLE, query, logged_run).await
        });
        let mut runs = read.await?;
        let completed = runs.iter().find(|logged| logged.run.status == RunStatus::Completed);
        let completed = completed.map(|logged| logged.run.clone());
        runs.truncate(1);
        confirm_orphans(self, &mut runs).await?;
        Ok((runs.pop(), completed))
    }

    pub(super) async fn run_in(
        &self,
        session: &mut PgConnection,
        id: Uuid,
    ) -> Result<Option<Run>, sqlx::Error> {
        let mut query = QueryBuilder::<Postgres>::new(format!(
            "SELECT {RUN_COLUMNS} FROM metric_collection_log WHERE tenant_id = "
        ));
        query.push_bind(&self.tenant).push(" AND id = ").push_bind(id);
        query.build().fetch_optional(session).await?.as_ref().map(run).transpose()
    }
}

fn logged_run(row: &PgRow) -> Result<LoggedRun, sqlx::Error> {
    Ok(LoggedRun { run: run(row)?, is_alive: row.try_get("is_alive")? })
}
