//! SQLite's part of the implementation of the contract in `entities/`.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use sqlx::{
    AssertSqlSafe, Sqlite, SqliteConnection, Transaction,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
    types::Json,
};

use super::{SqliteStore, migrate::FILES};
use crate::{
    database::RetryPolicy,
    store::{
        IntegrityFinding, MigrationNames, SharedWatch, StoreError,
        instant_text::text,
        outbox::NewEvent,
        sql_store::{OwnStatements, SqlEvents, SqlSession, SqlStore, SqlUpkeep},
        statement::{Argument, Statement},
    },
};

// A trigger refuses an INSERT over an existing row, so ON CONFLICT DO NOTHING would be refused as well.
const OWN: OwnStatements = OwnStatements {
    add_run: "
        INSERT INTO metric_collection_log (tenant_id, id, kind, collection_date, collection_end_date, started_at, status,
                                           trigger, actor, host, process_id)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'running', ?7, ?8, ?9, ?10
        WHERE NOT EXISTS (SELECT 1 FROM metric_collection_log WHERE tenant_id = ?1 AND id = ?2)",
    // Counts the run's records in the table: of the records offered, some may have been there already.
    finish_run: "
        UPDATE metric_collection_log
        SET status = ?3, completed_at = ?4, error_message = ?5, error_details = ?6,
            metrics_collected = (
                SELECT count(*) FROM daily_metrics
                WHERE daily_metrics.tenant_id = ?1 AND daily_metrics.collection_id = ?2
                  AND metric_date BETWEEN collection_date AND collection_end_date
            )
        WHERE tenant_id = ?1 AND id = ?2 AND status = 'running'",
    add_job: "
        INSERT INTO jobs (tenant_id, id, kind, spec, trigger, actor, status, created_at, host, process_id)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'queued', ?7, ?8, ?9
        WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE tenant_id = ?1 AND id = ?2)",
    add_api_key: "
        INSERT INTO api_keys (tenant_id, id, name, role, scopes, hash, created_at, created_by, expires_at)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
        WHERE NOT EXISTS (
            SELECT 1 FROM api_keys WHERE tenant_id = ?1 AND (id = ?2 OR (name = ?3 AND revoked_at IS NULL))
        )",
    add_pause: "
        INSERT INTO schedule_pauses (tenant_id, id, paused_at, paused_by, reason, until_at)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6
        WHERE NOT EXISTS (SELECT 1 FROM schedule_pauses WHERE tenant_id = ?1 AND id = ?2)",
    // A transaction that writes is the only one from its start.
    lock_definitions: None,
    // Two subqueries: SQLite answers min() or max() from an index only when it is alone in its SELECT.
    select_span: "
        SELECT (SELECT min(metric_date) FROM daily_metrics WHERE tenant_id = ?1 AND metric_date = date(metric_date)) AS first,
               (SELECT max(metric_date) FROM daily_metrics WHERE tenant_id = ?1 AND metric_date = date(metric_date)) AS last",
    change_annotation: "
        UPDATE annotations
        SET first_day = ?3, last_day = ?4, metric_category = ?5, text = ?6,
            changed_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'), changed_by = ?7
        WHERE tenant_id = ?1 AND id = ?2",
    // A WHERE separates the SELECT from ON CONFLICT, which SQLite would read as the condition of a join.
    add_judgements: "
        INSERT INTO daily_metric_judgements (tenant_id, metric_date, metric_type, metric_category, judge_version, verdict, reason,
            expected_low, expected_high, score, baseline_days, baseline_from, baseline_to)
        SELECT ?1, value ->> 'metric_date', value ->> 'metric_type', value ->> 'metric_category', value ->> 'judge_version',
            value ->> 'verdict', value ->> 'reason', value ->> 'expected_low', value ->> 'expected_high', value ->> 'score',
            value ->> 'baseline_days', value ->> 'baseline_from', value ->> 'baseline_to'
        FROM json_each(?2) AS given WHERE NOT EXISTS (
            SELECT 1 FROM metric_revisions AS later
            WHERE later.tenant_id = ?1 AND later.metric_category = given.value ->> 'metric_category'
              AND later.metric_type = given.value ->> 'metric_type' AND later.created_at > ?3
              AND later.metric_date BETWEEN date(given.value ->> 'metric_date', '-57 days') AND given.value ->> 'metric_date'
        )",
    add_drift_samples: "
        INSERT INTO drift_samples (tenant_id, metric_date, metric_type, metric_category, recorded, recounted, recounted_at)
        SELECT ?1, value ->> 'metric_date', value ->> 'metric_type', value ->> 'metric_category', value ->> 'recorded',
            value ->> 'recounted', value ->> 'recounted_at'
        FROM json_each(?2) WHERE TRUE",
    // The time of a revision is never before that of an earlier one.
    add_revisions: "
        INSERT INTO metric_revisions (tenant_id, batch_id, reason, author, revision, created_at, metric_date, metric_type,
            metric_category, kind, value, metadata, takes_back, basis, definition_version)
        SELECT ?1, ?2, ?3, ?4,
            coalesce(given.value ->> 'revision', (
                SELECT coalesce(max(revision), 0) + 1 FROM metric_revisions AS before
                WHERE before.tenant_id = ?1 AND before.metric_category = given.value ->> 'metric_category'
                  AND before.metric_type = given.value ->> 'metric_type' AND before.metric_date = given.value ->> 'metric_date'
            )),
            max(iif((SELECT simulated_clock FROM store_settings), ?5, strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')),
                (SELECT coalesce(max(created_at), '') FROM metric_revisions WHERE tenant_id = ?1)),
            given.value ->> 'metric_date', given.value ->> 'metric_type', given.value ->> 'metric_category', given.value ->> 'kind',
            given.value ->> 'value', given.value ->> 'metadata', given.value ->> 'takes_back', given.value ->> 'basis',
            given.value ->> 'definition_version'
        FROM json_each(?6) AS given
        WHERE NOT EXISTS (SELECT 1 FROM metric_revisions WHERE tenant_id = ?1 AND batch_id = ?2)",
    analyze_revisions: None,
    // A transaction that writes is the only one from its start.
    lock_redactions: None,
    for_update: "",
    now: "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now') AS now",
};

/// The transaction holds the write lock, so that ids are in the order of the commits.
const INSERT_EVENTS: &str = "
    INSERT INTO events (tenant_id, id, kind, subject)
    SELECT ?1, (SELECT coalesce(max(id), 0) FROM events WHERE tenant_id = ?1) + key + 1, value ->> 0, value -> 1
    FROM json_each(?2)";

fn query(statement: &Statement<'_>) -> Query<'static, Sqlite, SqliteArguments> {
    let query = sqlx::query(AssertSqlSafe(statement.sql.clone()));
    statement.arguments.iter().fold(query, |query, argument| match argument {
        Argument::Text(text) => query.bind(text.as_deref().map(str::to_owned)),
        Argument::Integer(number) => query.bind(*number),
        Argument::Boolean(value) => query.bind(*value),
        Argument::Uuid(id) => query.bind(id.map(|id| id.to_string())),
        Argument::Instant(instant) => query.bind(instant.map(text)),
        Argument::Date(date) => query.bind(date.to_string()),
        Argument::Json(value) => query.bind(value.clone().map(Json)),
        Argument::Bytes(bytes) => query.bind(bytes.to_vec()),
        Argument::Texts(texts) => query.bind(Json(texts.clone())),
        Argument::Names(names) => query.bind(names.join(" ")),
    })
}

#[async_trait]
impl SqlSession for SqliteConnection {
    type Row = SqliteRow;

    async fn fetch(&mut self, statement: &Statement<'_>) -> Result<Vec<SqliteRow>, sqlx::Error> {
        query(statement).fetch_all(self).await
    }

    async fn execute(&mut self, statement: &Statement<'_>) -> Result<u64, sqlx::Error> {
        Ok(query(statement).execute(self).await?.rows_affected())
    }
}

#[async_trait]
impl SqlStore for SqliteStore {
    type Row = SqliteRow;
    type Session = SqliteConnection;
    type Transaction = Transaction<'static, Sqlite>;

    const OWN: OwnStatements = OWN;

    fn tenant(&self) -> &str {
        &self.tenant
    }

    fn shown(&self) -> &str {
        &self.location
    }

    fn failed(&self, error: sqlx::Error) -> StoreError {
        SqliteStore::failed(self, error)
    }

    fn retry_policy(&self) -> RetryPolicy {
        self.retry
    }

    fn answer_timeout(&self) -> Option<Duration> {
        None
    }

    async fn begin(&self) -> Result<Self::Transaction, StoreError> {
        self.pool().await?.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.failed(error))
    }

    async fn end(&self, transaction: Self::Transaction) -> Result<(), StoreError> {
        transaction.commit().await.map_err(|error| self.failed(error))?;
        self.require_same_file()
    }

    async fn fetch(&self, statement: &Statement<'_>) -> Result<Vec<SqliteRow>, StoreError> {
        query(statement).fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))
    }

    async fn execute(&self, statement: &Statement<'_>) -> Result<u64, StoreError> {
        let done = query(statement).execute(self.pool().await?).await.map_err(|error| self.failed(error))?;
        self.require_same_file()?;
        Ok(done.rows_affected())
    }
}

#[async_trait]
impl SqlEvents for SqliteStore {
    async fn insert_events(
        &self,
        session: &mut SqliteConnection,
        events: &[NewEvent],
    ) -> Result<(), sqlx::Error> {
        if events.is_empty() {
            return Ok(());
        }
        let events: Vec<_> = events.iter().map(|event| (event.kind.name(), &event.subject)).collect();
        sqlx::query(INSERT_EVENTS).bind(&self.tenant).bind(Json(events)).execute(session).await.map(drop)
    }
}

#[async_trait]
impl SqlUpkeep for SqliteStore {
    const MIGRATIONS: &'static [(&'static str, &'static str)] = FILES;

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
        Ok(Vec::new())
    }

    fn local_file(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn listen(&self) -> SharedWatch {
        self.start_watch()
    }
}
