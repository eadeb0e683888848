//! Jobs.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::{QueryBuilder, Row, Sqlite, sqlite::SqliteRow, types::Json};
use uuid::Uuid;

use super::{SqliteStore, text::text};
use crate::store::{Job, JobEnd, JobFilter, JobStatus, Jobs, NewJob, RunKind, StoreError, Trigger, row};

const TABLE: &str = "jobs";
/// A LIMIT that is no limit.
const ALL: i64 = -1;

/// A job that is there already is an earlier attempt's, whose answer was lost: the id is random.
const INSERT: &str = "
    INSERT INTO jobs (tenant_id, id, kind, spec, trigger, actor, status, created_at, host, process_id)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'queued', ?7, ?8, ?9
    WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE tenant_id = ?1 AND id = ?2)";

const SELECT: &str = "
    SELECT id, kind, spec, trigger, actor, status, created_at, started_at, finished_at, host, process_id, run_id, result
    FROM jobs WHERE tenant_id = ";

const START: &str = "
    UPDATE jobs SET status = 'running', started_at = ?3 WHERE tenant_id = ?1 AND id = ?2 AND status = 'queued'";

const FINISH: &str = "
    UPDATE jobs SET status = ?3, finished_at = ?4, run_id = ?5, result = ?6
    WHERE tenant_id = ?1 AND id = ?2 AND status IN ('queued', 'running')";

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
            let mut query = QueryBuilder::<Sqlite>::new(SELECT);
            query.push_bind(&self.tenant).push(" AND id = ").push_bind(id.to_string());
            let rows =
                query.build().fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(row::readable(&self.location, TABLE, &rows, job).pop())
        })
        .await
    }

    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>, StoreError> {
        self.retry(|| async {
            let mut query = QueryBuilder::<Sqlite>::new(SELECT);
            query.push_bind(&self.tenant);
            if let Some(status) = filter.status {
                query.push(" AND status = ").push_bind(status.name());
            }
            query.push(" ORDER BY created_at DESC, id LIMIT ").push_bind(filter.limit.unwrap_or(ALL));
            let rows =
                query.build().fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(row::readable(&self.location, TABLE, &rows, job))
        })
        .await
    }

    async fn start_job(&self, id: Uuid, at: Timestamp) -> Result<bool, StoreError> {
        let at = row::to_micros(at);
        let started = self.retry(|| async {
            let query = sqlx::query(START).bind(&self.tenant).bind(id.to_string()).bind(text(at));
            let done = query.execute(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(done.rows_affected() == 1)
        });
        // An earlier attempt whose answer was lost may have started it.
        Ok(started.await? || self.job(id).await?.is_some_and(|job| job.is_started_at(at)))
    }

    async fn finish_job(&self, end: &JobEnd) -> Result<bool, StoreError> {
        let at = row::to_micros(end.finished_at);
        let finished = self.retry(|| async {
            let query = sqlx::query(FINISH)
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

fn job(columns: &SqliteRow) -> Result<Job, sqlx::Error> {
    let instant = |column| -> Result<Option<Timestamp>, sqlx::Error> {
        let text: Option<&str> = columns.try_get(column)?;
        text.map(|_| row::parsed(columns, column)).transpose()
    };
    let run_id: Option<&str> = columns.try_get("run_id")?;
    let result: Option<Value> = columns.try_get("result")?;
    Ok(Job {
        id: row::parsed(columns, "id")?,
        kind: row::word(columns, "kind", RunKind::from_name)?,
        spec: row::object("spec", columns.try_get("spec")?)?,
        trigger: row::word(columns, "trigger", Trigger::from_name)?,
        actor: columns.try_get("actor")?,
        status: row::word(columns, "status", JobStatus::from_name)?,
        created_at: row::parsed(columns, "created_at")?,
        started_at: instant("started_at")?,
        finished_at: instant("finished_at")?,
        host: columns.try_get("host")?,
        process_id: columns.try_get("process_id")?,
        run_id: run_id.map(|_| row::parsed(columns, "run_id")).transpose()?,
        result: result.map(|result| row::object("result", result)).transpose()?,
    })
}
