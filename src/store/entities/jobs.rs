//! Jobs.

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::store::{
    Job, JobEnd, JobFilter, Jobs, NewJob, StoreError,
    row::{self, Columns},
    sql_store::{SqlStore, read_rows, write},
};

const TABLE: &str = "jobs";

const SELECT: &str = "
    SELECT id, kind, spec, trigger, actor, status, created_at, started_at, finished_at, host, process_id, run_id, result
    FROM jobs WHERE tenant_id = $1";

const START: &str = "
    UPDATE jobs SET status = 'running', started_at = $3 WHERE tenant_id = $1 AND id = $2 AND status = 'queued'";

const FINISH: &str = "
    UPDATE jobs SET status = $3, finished_at = $4, run_id = $5, result = $6
    WHERE tenant_id = $1 AND id = $2 AND status IN ('queued', 'running')";

#[async_trait]
impl<S: SqlStore> Jobs for S {
    async fn add_job(&self, job: &NewJob) -> Result<(), StoreError> {
        let add = self
            .statement(S::OWN.add_job)
            .bind(job.id)
            .bind(job.kind.name())
            .bind(&job.spec)
            .bind(job.trigger.name())
            .bind(&job.actor)
            .bind(job.created_at)
            .bind(&job.host)
            .bind(job.process_id);
        write(self, &add).await.map(drop)
    }

    async fn job(&self, id: Uuid) -> Result<Option<Job>, StoreError> {
        let mut select = self.statement(SELECT);
        select.push(" AND id = ").push_bind(id);
        Ok(read_rows(self, TABLE, &select, job).await?.pop())
    }

    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>, StoreError> {
        let mut select = self.statement(SELECT);
        if let Some(status) = filter.status {
            select.push(" AND status = ").push_bind(status.name());
        }
        select.push(" ORDER BY created_at DESC, id");
        if let Some(limit) = filter.limit {
            select.push(" LIMIT ").push_bind(limit);
        }
        read_rows(self, TABLE, &select, job).await
    }

    async fn start_job(&self, id: Uuid, at: Timestamp) -> Result<bool, StoreError> {
        let at = row::to_micros(at);
        let started = write(self, &self.statement(START).bind(id).bind(at)).await? == 1;
        // An earlier attempt whose answer was lost may have started it.
        Ok(started || self.job(id).await?.is_some_and(|job| job.is_started_at(at)))
    }

    async fn finish_job(&self, end: &JobEnd) -> Result<bool, StoreError> {
        let finish = self
            .statement(FINISH)
            .bind(end.id)
            .bind(end.status.name())
            .bind(end.finished_at)
            .bind(end.run_id)
            .bind(end.result.as_ref());
        let finished = write(self, &finish).await? == 1;
        Ok(finished || self.job(end.id).await?.is_some_and(|job| job.is_finished_by(end)))
    }
}

fn job(row: &impl Columns) -> Result<Job, sqlx::Error> {
    Ok(Job {
        id: row.uuid("id")?,
        kind: row.variant("kind")?,
        spec: row.object("spec")?,
        trigger: row.variant("trigger")?,
        actor: row.get("actor")?,
        status: row.variant("status")?,
        created_at: row.instant("created_at")?,
        started_at: row.optional_instant("started_at")?,
        finished_at: row.optional_instant("finished_at")?,
        host: row.get("host")?,
        process_id: row.count("process_id")?,
        run_id: row.optional_uuid("run_id")?,
        result: row.optional_object("result")?,
    })
}
