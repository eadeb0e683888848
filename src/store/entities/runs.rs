//! The collection log.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp, civil::Date};
use uuid::Uuid;

use super::{
    commit::commit,
    log_entry::{run, select, select_run},
    orphans::confirm_orphans,
};
use crate::{
    metric::{MetricKey, Record},
    store::{
        Finish, Held, LockName, LoggedRun, NewRun, Run, RunFilter, RunOutcome, RunStatus, Runs, StoreError,
        row::Columns,
        sql_store::{SqlCommits, SqlEvents, SqlRuns, read_rows, retry, write},
    },
};

const TABLE: &str = "metric_collection_log";

const SELECT_OUTCOMES: &str = "
    SELECT kind, status, started_at, completed_at, metrics_collected
    FROM metric_collection_log WHERE tenant_id = $1 AND started_at >= $2
    ORDER BY started_at DESC LIMIT $3";

#[async_trait]
impl<S: SqlRuns + SqlCommits + SqlEvents> Runs for S {
    async fn try_lock(&self, name: &LockName) -> Result<Option<Box<dyn Held>>, StoreError> {
        retry(self, || self.acquire(name)).await
    }

    async fn holder(&self, name: &LockName) -> Result<Option<String>, StoreError> {
        retry(self, || self.name_holder(name)).await
    }

    async fn heartbeat_age(&self, name: &LockName) -> Result<Option<SignedDuration>, StoreError> {
        retry(self, || self.select_heartbeat_age(name)).await
    }

    async fn is_taken(&self, name: &LockName) -> Result<bool, StoreError> {
        retry(self, || self.is_held_by_any(name)).await
    }

    async fn start_run(&self, run: &NewRun) -> Result<(), StoreError> {
        let add = self
            .statement(S::OWN.add_run)
            .bind(run.id)
            .bind(run.kind.name())
            .bind(run.from)
            .bind(run.to)
            .bind(run.started_at)
            .bind(run.trigger.name())
            .bind(&run.actor)
            .bind(&run.host)
            .bind(run.process_id);
        write(self, &add).await.map(drop)
    }

    async fn commit(
        &self,
        records: &[Record],
        finish: Option<&Finish>,
    ) -> Result<Vec<(Date, MetricKey)>, StoreError> {
        retry(self, || commit(self, records, finish)).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StoreError> {
        let mut query = select(self);
        if let Some(status) = filter.status {
            query.push(" AND status = ").push_bind(status.name());
        }
        if let Some((from, to)) = filter.days {
            query.push(" AND collection_end_date >= ").push_bind(from);
            query.push(" AND collection_date <= ").push_bind(to);
        }
        if let Some(kind) = filter.kind {
            query.push(" AND kind = ").push_bind(kind.name());
        }
        if let Some((started_at, id)) = filter.after {
            query.push(" AND (started_at < ").push_bind(started_at);
            query.push(" OR started_at = ").push_bind(started_at);
            query.push(" AND id > ").push_bind(id).push(")");
        }
        query.push(" ORDER BY started_at DESC, id");
        if let Some(limit) = filter.limit {
            query.push(" LIMIT ").push_bind(limit);
        }
        read_rows(self, TABLE, &query, run).await
    }

    async fn run(&self, id: Uuid) -> Result<Option<Run>, StoreError> {
        let query = select_run(self, id);
        let rows = retry(self, || self.fetch(&query)).await?;
        rows.first().map(run).transpose().map_err(|error| self.failed(error))
    }

    async fn incomplete_runs(&self, from: Date, to: Date) -> Result<Vec<LoggedRun>, StoreError> {
        let mut runs = retry(self, || self.select_incomplete_runs(from, to)).await?;
        confirm_orphans(self, &mut runs).await?;
        Ok(runs)
    }

    async fn run_outcomes(&self, since: Timestamp, limit: i64) -> Result<Vec<RunOutcome>, StoreError> {
        let select = self.statement(SELECT_OUTCOMES).bind(since).bind(limit);
        read_rows(self, TABLE, &select, run_outcome).await
    }

    async fn last_run(&self) -> Result<Option<LoggedRun>, StoreError> {
        Ok(last_runs(self).await?.0)
    }
}

/// The newest run, and the newest that completed.
pub(super) async fn last_runs(
    store: &(impl SqlRuns + Runs),
) -> Result<(Option<LoggedRun>, Option<Run>), StoreError> {
    let mut runs = retry(store, || store.select_last_runs()).await?;
    let completed = runs.iter().find(|logged| logged.run.status == RunStatus::Completed);
    let completed = completed.map(|logged| logged.run.clone());
    runs.truncate(1);
    confirm_orphans(store, &mut runs).await?;
    Ok((runs.pop(), completed))
}

fn run_outcome(row: &impl Columns) -> Result<RunOutcome, sqlx::Error> {
    Ok(RunOutcome {
        kind: row.variant("kind")?,
        status: row.variant("status")?,
        started_at: row.instant("started_at")?,
        completed_at: row.optional_instant("completed_at")?,
        metrics_collected: row.get("metrics_collected")?,
    })
}
