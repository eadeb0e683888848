//! PostgreSQL's part of the implementation of the contract in `entities/`.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use jiff_sqlx::ToSqlx;
use sqlx::{
    AssertSqlSafe, PgConnection, Postgres, Transaction,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::{
    PostgresStore,
    connection::quoted,
    migrate::FILES,
    text::{storable, storable_value},
};
use crate::{
    database::RetryPolicy,
    store::{
        IntegrityFinding, MigrationNames, SharedWatch, StoreError,
        outbox::NewEvent,
        row::to_micros,
        sql_store::{OwnStatements, SqlEvents, SqlSession, SqlStore, SqlUpkeep},
        statement::{Argument, Statement},
    },
};

const OWN: OwnStatements = OwnStatements {
    add_run: "
        INSERT INTO metric_collection_log (tenant_id, id, kind, collection_date, collection_end_date, started_at, status,
                                           trigger, actor, host, process_id)
        VALUES ($1, $2, $3, $4, $5, $6, 'running', $7, $8, $9, $10)
        ON CONFLICT (tenant_id, id) DO NOTHING",
    // A trigger counts the run's records, because some of the offered ones may have existed already.
    finish_run: "
        UPDATE metric_collection_log
        SET status = $3, completed_at = $4, error_message = $5, error_details = $6
        WHERE tenant_id = $1 AND id = $2 AND status = 'running'",
    add_job: "
        INSERT INTO jobs (tenant_id, id, kind, spec, trigger, actor, status, created_at, host, process_id)
        VALUES ($1, $2, $3, $4, $5, $6, 'queued', $7, $8, $9)
        ON CONFLICT (tenant_id, id) DO NOTHING",
    add_api_key: "
        INSERT INTO api_keys (tenant_id, id, name, role, scopes, hash, created_at, created_by, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT DO NOTHING",
    add_pause: "
        INSERT INTO schedule_pauses (tenant_id, id, paused_at, paused_by, reason, until_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (tenant_id, id) DO NOTHING",
    lock_definitions: Some("LOCK TABLE metric_definitions IN SHARE ROW EXCLUSIVE MODE"),
    select_span: "
        SELECT min(metric_date) AS first, max(metric_date) AS last FROM daily_metrics
        WHERE tenant_id = $1 AND metric_date BETWEEN '1900-01-01' AND '9998-12-31'",
    change_annotation: "
        UPDATE annotations
        SET first_day = $3, last_day = $4, metric_category = $5, text = $6, changed_at = clock_timestamp(), changed_by = $7
        WHERE tenant_id = $1 AND id = $2",
    add_judgements: "
        INSERT INTO daily_metric_judgements (tenant_id, metric_date, metric_type, metric_category, judge_version, verdict, reason,
            expected_low, expected_high, score, baseline_days, baseline_from, baseline_to)
        SELECT $1, * FROM jsonb_to_recordset($2) AS given (metric_date DATE, metric_type TEXT, metric_category TEXT,
            judge_version INTEGER, verdict TEXT, reason TEXT, expected_low NUMERIC, expected_high NUMERIC, score NUMERIC,
            baseline_days INTEGER, baseline_from DATE, baseline_to DATE)
        WHERE NOT EXISTS (
            SELECT FROM metric_revisions AS later
            WHERE later.tenant_id = $1 AND later.metric_category = given.metric_category AND later.metric_type = given.metric_type
              AND later.metric_date BETWEEN given.metric_date - 57 AND given.metric_date AND later.created_at > $3
        )",
    add_drift_samples: "
        INSERT INTO drift_samples (tenant_id, metric_date, metric_type, metric_category, recorded, recounted, recounted_at)
        SELECT $1, * FROM jsonb_to_recordset($2) AS given (metric_date DATE, metric_type TEXT, metric_category TEXT,
            recorded NUMERIC, recounted NUMERIC, recounted_at TIMESTAMPTZ)",
    // A trigger sets the number of the revision, or compares it with the next one, and its time unless the clock is simulated.
    add_revisions: "
        INSERT INTO metric_revisions (tenant_id, batch_id, reason, author, created_at, revision, metric_date, metric_type,
            metric_category, kind, value, metadata, takes_back, basis, definition_version)
        SELECT $1, $2, $3, $4, $5, given.*
        FROM jsonb_to_recordset($6) AS given (revision INTEGER, metric_date DATE, metric_type TEXT, metric_category TEXT, kind TEXT,
            value NUMERIC, metadata JSONB, takes_back INTEGER, basis TEXT, definition_version INTEGER)
        WHERE NOT EXISTS (SELECT FROM metric_revisions WHERE tenant_id = $1 AND batch_id = $2)
        ORDER BY given.metric_category, given.metric_type, given.metric_date",
    // PostgreSQL warns a role that may not analyze the table, so others do not try.
    analyze_revisions: Some(
        "DO $$ BEGIN
             IF (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'metric_revisions'::REGCLASS) THEN
                 ANALYZE metric_revisions;
             END IF;
         END $$",
    ),
    lock_redactions: Some([
        "SELECT pg_advisory_xact_lock_shared(hashtextextended('daymark:' || current_schema() || ':' || $1 || ':redactions', 0))",
        "SELECT pg_advisory_xact_lock(hashtextextended('daymark:' || current_schema() || ':' || $1 || ':redactions', 0))",
    ]),
    for_update: " FOR UPDATE",
    now: "SELECT clock_timestamp() AS now",
};

/// A trigger numbers the events.
const INSERT_EVENTS: &str = "
    INSERT INTO events (tenant_id, kind, subject)
    SELECT $1, kind, subject FROM UNNEST($2::TEXT[], $3::JSONB[]) WITH ORDINALITY AS given (kind, subject, place)
    ORDER BY place";

fn query(statement: &Statement<'_>) -> Query<'static, Postgres, PgArguments> {
    let query = sqlx::query(AssertSqlSafe(statement.sql.clone()));
    statement.arguments.iter().fold(query, |query, argument| match argument {
        Argument::Text(text) => query.bind(text.as_deref().map(storable)),
        Argument::Integer(number) => query.bind(*number),
        Argument::Boolean(value) => query.bind(*value),
        Argument::Uuid(id) => query.bind(*id),
        Argument::Instant(instant) => query.bind(instant.map(|instant| to_micros(instant).to_sqlx())),
        Argument::Date(date) => query.bind(date.to_sqlx()),
        Argument::Json(value) => query.bind(value.as_ref().map(storable_value)),
        Argument::Bytes(bytes) => query.bind(bytes.to_vec()),
        Argument::Texts(texts) => query.bind(texts.clone()),
        Argument::Names(names) => query.bind(names.clone()),
    })
}

#[async_trait]
impl SqlSession for PgConnection {
    type Row = PgRow;

    async fn fetch(&mut self, statement: &Statement<'_>) -> Result<Vec<PgRow>, sqlx::Error> {
        query(statement).fetch_all(self).await
    }

    async fn execute(&mut self, statement: &Statement<'_>) -> Result<u64, sqlx::Error> {
        Ok(query(statement).execute(self).await?.rows_affected())
    }
}

#[async_trait]
impl SqlStore for PostgresStore {
    type Row = PgRow;
    type Session = PgConnection;
    type Transaction = Transaction<'static, Postgres>;

    const OWN: OwnStatements = OWN;

    fn tenant(&self) -> &str {
        &self.tenant
    }

    fn shown(&self) -> &str {
        &self.location
    }

    fn retry_policy(&self) -> RetryPolicy {
        self.retry
    }

    async fn why_no_session(&self, error: StoreError) -> StoreError {
        // With sessions, those are busy; and further ones are what the limit of the pool is to prevent.
        if self.pool.size() > 0 {
            return error;
        }
        match self.connect().await {
            Err(reason) => reason,
            Ok(session) => {
                let _ = sqlx::Connection::close(session).await;
                error
            }
        }
    }

    fn answer_timeout(&self) -> Option<Duration> {
        Some(self.answer_timeout)
    }

    async fn begin(&self) -> Result<Self::Transaction, StoreError> {
        self.pool().await?.begin().await.map_err(|error| self.failed(error))
    }

    async fn end(&self, transaction: Self::Transaction) -> Result<(), StoreError> {
        transaction.commit().await.map_err(|error| self.failed(error))
    }

    async fn fetch(&self, statement: &Statement<'_>) -> Result<Vec<PgRow>, StoreError> {
        query(statement).fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))
    }

    async fn execute(&self, statement: &Statement<'_>) -> Result<u64, StoreError> {
        let done = query(statement).execute(self.pool().await?).await;
        Ok(done.map_err(|error| self.failed(error))?.rows_affected())
    }
}

#[async_trait]
impl SqlEvents for PostgresStore {
    /// A trigger takes a lock that lets the commits of a tenant's events pass one after another.
    async fn insert_events(
        &self,
        session: &mut PgConnection,
        events: &[NewEvent],
    ) -> Result<(), sqlx::Error> {
        if events.is_empty() {
            return Ok(());
        }
        sqlx::query(INSERT_EVENTS)
            .bind(&self.tenant)
            .bind(events.iter().map(|event| event.kind.name()).collect::<Vec<_>>())
            .bind(events.iter().map(|event| &event.subject).collect::<Vec<_>>())
            .execute(session)
            .await
            .map(drop)
    }
}

#[async_trait]
impl SqlUpkeep for PostgresStore {
    const MIGRATIONS: &'static [(&'static str, &'static str)] = FILES;

    fn script_head(&self) -> String {
        // The server would write the path of each function with further quotation marks, which the check would report.
        format!(
            "SET quote_all_identifiers TO off;\nSET search_path TO {}, pg_temp;\n\n",
            quoted(&self.schema)
        )
    }

    async fn migrate_tables(&self) -> Result<MigrationNames, StoreError> {
        self.apply_migrations().await
    }

    async fn missing_migrations(&self) -> Result<MigrationNames, StoreError> {
        self.unapplied_migrations().await
    }

    async fn differences(&self) -> Result<Vec<IntegrityFinding>, StoreError> {
        self.find_what_differs().await
    }

    async fn absent_privileges(&self) -> Result<Vec<String>, StoreError> {
        let select = sqlx::query_scalar(include_str!("select_missing_privileges.sql"));
        select.fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))
    }

    async fn refused_partition(&self) -> Result<Option<IntegrityFinding>, StoreError> {
        self.try_a_partition().await
    }

    fn local_file(&self) -> Option<&Path> {
        None
    }

    fn listen(&self) -> SharedWatch {
        self.start_watch()
    }
}
