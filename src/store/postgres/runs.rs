//! The collection log.

use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    PostgresStore,
    text::{storable, storable_object},
};
use crate::store::{Finish, NewRun, Run, RunFilter, RunKind, RunStatus, StoreError, row};

const COLUMNS: &str = "id, kind, collection_date, collection_end_date, started_at, completed_at, status,
    metrics_collected, error_message, error_details, host, process_id";

/// An entry that is there already is an earlier attempt's, whose answer was lost: nobody else makes this random id.
const INSERT: &str = "
    INSERT INTO metric_collection_log (tenant_id, id, kind, collection_date, collection_end_date, started_at, status,
                                       host, process_id)
    VALUES ($1, $2, $3, $4, $5, $6, 'running', $7, $8)
    ON CONFLICT (tenant_id, id) DO NOTHING";

/// What the run has written is counted where it stands: of records offered, some may have been there already.
const FINISH: &str = "
    UPDATE metric_collection_log
    SET status = $3, completed_at = $4, error_message = $5, error_details = $6,
        metrics_collected = (
            SELECT count(*) FROM daily_metrics
            WHERE daily_metrics.tenant_id = $1 AND daily_metrics.collection_id = $2
              AND metric_date BETWEEN collection_date AND collection_end_date
        )
    WHERE tenant_id = $1 AND id = $2 AND status = 'running'";

impl PostgresStore {
    pub(super) async fn start_run(&self, run: &NewRun) -> Result<(), StoreError> {
        sqlx::query(INSERT)
            .bind(&self.tenant)
            .bind(run.id)
            .bind(run.kind.name())
            .bind(run.from.to_sqlx())
            .bind(run.to.to_sqlx())
            .bind(row::to_micros(run.started_at).to_sqlx())
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
            .bind(finish.error_message.as_deref().map(storable))
            .bind(finish.error_details.as_ref().map(storable_object))
            .execute(session)
            .await?;
        Ok(finished.rows_affected() == 1)
    }

    pub(super) async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StoreError> {
        let mut query = QueryBuilder::<Postgres>::new(format!(
            "SELECT {COLUMNS} FROM metric_collection_log WHERE tenant_id = "
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
        let rows = query.build().fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))?;
        rows.iter().map(run).collect::<Result<_, _>>().map_err(|error| self.failed(error))
    }

    pub(super) async fn run(&self, id: Uuid) -> Result<Option<Run>, StoreError> {
        let mut session = self.pool().await?.acquire().await.map_err(|error| self.failed(error))?;
        self.run_in(&mut session, id).await.map_err(|error| self.failed(error))
    }

    pub(super) async fn run_in(
        &self,
        session: &mut PgConnection,
        id: Uuid,
    ) -> Result<Option<Run>, sqlx::Error> {
        let mut query = QueryBuilder::<Postgres>::new(format!(
            "SELECT {COLUMNS} FROM metric_collection_log WHERE tenant_id = "
        ));
        query.push_bind(&self.tenant).push(" AND id = ").push_bind(id);
        query.build().fetch_optional(session).await?.as_ref().map(run).transpose()
    }
}

fn run(columns: &PgRow) -> Result<Run, sqlx::Error> {
    let from: jiff_sqlx::Date = columns.try_get("collection_date")?;
    let to: jiff_sqlx::Date = columns.try_get("collection_end_date")?;
    let started_at: jiff_sqlx::Timestamp = columns.try_get("started_at")?;
    let completed_at: Option<jiff_sqlx::Timestamp> = columns.try_get("completed_at")?;
    let details: Option<Value> = columns.try_get("error_details")?;
    let process_id: i64 = columns.try_get("process_id")?;
    Ok(Run {
        id: columns.try_get("id")?,
        kind: row::word(columns, "kind", RunKind::from_name)?,
        from: from.to_jiff(),
        to: to.to_jiff(),
        started_at: started_at.to_jiff(),
        completed_at: completed_at.map(jiff_sqlx::Timestamp::to_jiff),
        status: row::word(columns, "status", RunStatus::from_name)?,
        metrics_collected: columns.try_get("metrics_collected")?,
        error_message: columns.try_get("error_message")?,
        error_details: details.map(|details| row::object("error_details", details)).transpose()?,
        host: columns.try_get("host")?,
        process_id: u32::try_from(process_id).map_err(|error| row::undecodable("process_id", error))?,
    })
}
