//! pg_cron: its state, and the job that calls `collect_daily_metrics`.

use async_trait::async_trait;
use sqlx::{Row, postgres::PgRow};

use super::{PostgresStore, connection::quoted};
use crate::store::{Cron, CronJob, CronState, StoreError};

/// Only superusers and members of pg_read_all_settings see the settings of pg_cron, which exist where it is preloaded.
const SELECT_STATE: &str = "
    SELECT (SELECT default_version FROM pg_available_extensions WHERE name = 'pg_cron') AS available,
        (SELECT setting FROM pg_settings WHERE name = 'cron.database_name') AS database,
        pg_has_role(current_user, 'pg_read_all_settings', 'USAGE') AS may_see,
        coalesce((SELECT nullif(setting, '') FROM pg_settings WHERE name = 'cron.timezone'), 'GMT') AS time_zone,
        current_database()::TEXT AS current_database, current_user::TEXT AS role,
        (SELECT extversion FROM pg_extension WHERE extname = 'pg_cron') AS extension,
        coalesce((SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = 'cron'), FALSE) AS may_use";

/// Row level security shows a role its own jobs and runs only, unless it is a superuser.
const SELECT_JOBS: &str = "
    SELECT jobid, jobname::TEXT AS jobname, schedule, command, active,
        CASE last.status WHEN 'failed' THEN coalesce(last.return_message, 'without a message') END AS failure
    FROM cron.job LEFT JOIN LATERAL (
        SELECT status, return_message FROM cron.job_run_details AS run WHERE run.jobid = job.jobid ORDER BY runid DESC LIMIT 1
    ) AS last ON TRUE
    WHERE job.database = current_database() AND job.command ~* 'collect_daily_metrics' ORDER BY jobid";

#[async_trait]
impl Cron for PostgresStore {
    async fn cron_state(&self) -> Result<Option<CronState>, StoreError> {
        let read = || async {
            let pool = self.pool().await?;
            let row = sqlx::query(SELECT_STATE).fetch_one(pool).await.map_err(|error| self.failed(error))?;
            let mut state = self.state(&row).map_err(|error| self.failed(error))?;
            if state.extension.is_some() && state.may_use {
                let jobs =
                    sqlx::query(SELECT_JOBS).fetch_all(pool).await.map_err(|error| self.failed(error))?;
                let jobs = jobs.iter().map(job).collect::<Result<_, _>>();
                state.jobs = jobs.map_err(|error| self.failed(error))?;
            }
            Ok(Some(state))
        };
        self.retry.run(StoreError::is_transient, read).await
    }

    async fn create_cron(&self) -> Result<(), StoreError> {
        let created = sqlx::query("CREATE EXTENSION IF NOT EXISTS pg_cron SCHEMA pg_catalog");
        created.execute(self.pool().await?).await.map(drop).map_err(|error| self.failed(error))
    }

    async fn schedule_cron(&self, name: &str, schedule: &str) -> Result<(), StoreError> {
        let scheduled = sqlx::query("SELECT cron.schedule($1, $2, $3)");
        let scheduled = scheduled.bind(name).bind(schedule).bind(self.call());
        scheduled.execute(self.pool().await?).await.map(drop).map_err(|error| self.failed(error))
    }

    async fn unschedule_cron(&self, name: &str) -> Result<bool, StoreError> {
        let removed =
            sqlx::query("SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname = $1").bind(name);
        let removed = removed.execute(self.pool().await?).await.map_err(|error| self.failed(error))?;
        Ok(removed.rows_affected() > 0)
    }
}

impl PostgresStore {
    fn call(&self) -> String {
        format!("SELECT * FROM {}.collect_daily_metrics()", quoted(&self.schema))
    }

    fn state(&self, row: &PgRow) -> Result<CronState, sqlx::Error> {
        let database: Option<String> = row.try_get("database")?;
        Ok(CronState {
            available: row.try_get("available")?,
            is_preloaded: row.try_get::<bool, _>("may_see")?.then_some(database.is_some()),
            database,
            time_zone: row.try_get("time_zone")?,
            current_database: row.try_get("current_database")?,
            extension: row.try_get("extension")?,
            may_use: row.try_get("may_use")?,
            role: row.try_get("role")?,
            command: self.call(),
            jobs: Vec::new(),
        })
    }
}

fn job(row: &PgRow) -> Result<CronJob, sqlx::Error> {
    Ok(CronJob {
        id: row.try_get("jobid")?,
        name: row.try_get("jobname")?,
        schedule: row.try_get("schedule")?,
        command: row.try_get("command")?,
        is_active: row.try_get("active")?,
        failure: row.try_get("failure")?,
    })
}
