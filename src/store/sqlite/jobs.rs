//! Jobs.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{QueryBuilder, Sqlite, types::Json};
use uuid::Uuid;

use super::{SqliteStore, text::text};
use crate::store::{
    Job, JobEnd, JobFilter, Jobs, NewJob, StoreError,
    from_row::job,
    row,
    statements::{FINISH_JOB, SELECT_JOBS, START_JOB},
};

const TABLE: &str = "jobs";
/// The LIMIT with which SQLite returns all rows.
const ALL: i64 = -1;

/// A job whose id exists was inserted by an earlier attempt whose answer was lost, because the id is random.
const INSERT: &str = "
    INSERT INTO jobs (tenant_id, id, kind, spec, trigger, actor, status, created_at, host, process_id)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'queued', ?7, ?8, ?9
    WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE tenant_id = ?1 AND id = ?2)";

#[async_trait]
impl Jobs for SqliteStore {
    async fn add_job(&self, job: &NewJob) -> Result<(), StoreError> {
        self.retry(|| async {
            let query = sqlx::query(INSERT)
                .bind(&self.tenant)
                .bind(job.id.to_string())
                .bind(job.kind.name())
                .bind(Json(&job.spec))
                .bind(job.trigger.name())
                .bind(&job.actor)
                .bind(text(job.created_at))
                .bind(&job.host)
                .bind(i64::from(job.process_id));
            query.execute(self.pool().await?).await.map(drop).map_err(|error| self.failed(error))
        })
        .await
    }

    async fn job(&self, id: Uuid) -> Result<Option<Job>, StoreError> {
        self.retry(|| async {
            let mut query = QueryBuilder::<Sqlite>::new(SELECT_JOBS);
            query.push_bind(&self.tenant).push(" AND id = ").push_bind(id.to_string());
            Ok(self.rows(TABLE, query.build(), job).await?.pop())
        })
        .await
    }

    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>, StoreError> {
        self.retry(|| async {
            let mut query = QueryBuilder::<Sqlite>::new(SELECT_JOBS);
            query.push_bind(&self.tenant);
            if let Some(status) = filter.status {
                query.push(" AND status = ").push_bind(status.name());
            }
            query.push(" ORDER BY created_at DESC, id LIMIT ").push_bind(filter.limit.unwrap_or(ALL));
            self.rows(TABLE, query.build(), job).await
        })
        .await
    }

    async fn start_job(&self, id: Uuid, at: Timestamp) -> Result<bool, StoreError> {
        let at = row::to_micros(at);
        let started = self.retry(|| async {
            let query = sqlx::query(START_JOB).bind(&self.tenant).bind(id.to_string()).bind(text(at));
            let done = query.execute(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(done.rows_affected() == 1)
        });
        // An earlier attempt whose answer was lost may have started it.
        Ok(started.await? || self.job(id).await?.is_some_and(|job| job.is_started_at(at)))
    }

    async fn finish_job(&self, end: &JobEnd) -> Result<bool, StoreError> {
        let at = row::to_micros(end.finished_at);
        let finished = self.retry(|| async {
            let query = sqlx::query(FINISH_JOB)
                .bind(&self.tenant)
                .bind(end.id.to_string())
                .bind(end.status.name())
                .bind(text(at))
                .bind(end.run_id.map(|id| id.to_string()))
                .bind(end.result.as_ref().map(Json));
            let done = query.execute(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(done.rows_affected() == 1)
        });
        Ok(finished.await? || self.job(end.id).await?.is_some_and(|job| job.is_finished_by(end)))
    }
}
