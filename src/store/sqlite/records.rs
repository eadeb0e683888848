//! Reading records.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, sqlite::SqliteRow, types::Json};

use super::SqliteStore;
use crate::{
    database::FaultClass,
    metric::MetricKey,
    store::{
        RecordedDays, SeriesQuestion, StoreError, ValuesAsked,
        from_row::key_and_date,
        in_force::{self, values_in_force},
        instant_text::text,
        row,
        sql_store::{SqlRecords, SqlStore},
    },
};

const TABLE: &str = "daily_metrics";

const SELECT_KEYS: &str = "
    SELECT metric_date, metric_type, metric_category FROM daily_metrics
    WHERE tenant_id = ?1 AND metric_date BETWEEN ?2 AND ?3";

const COLUMNS: &str =
    "metric_date, metric_type, metric_category, daily_metrics.value AS value, metadata, provenance,
    definition_version, collection_id, collection_timestamp";

/// CROSS JOIN makes SQLite read only the requested categories, from the primary key. Without it, the planner would use
/// the index on the date and read every record of the days.
const OF_CATEGORIES: &str = "
    (SELECT DISTINCT value AS category FROM json_each(?4)) AS wanted
    CROSS JOIN daily_metrics ON metric_category = wanted.category";

/// The statement of [`SqlRecords::select_series`].
pub(in crate::store) fn series_statement(values: ValuesAsked) -> String {
    let parts = [include_str!("select_series.sql"), include_str!("select_revised.sql")];
    in_force::series_statement(values, parts, "?5")
}

#[async_trait]
impl SqlRecords for SqliteStore {
    /// A commit takes the write lock before its rows get a time and holds it until it has ended. When this transaction gets the lock,
    /// every earlier commit has therefore ended. A user who may not write the file reads without the lock.
    async fn is_settled(&self, _: Timestamp) -> Result<bool, StoreError> {
        match self.begin().await {
            Ok(_) => Ok(true),
            Err(error) if error.is_denied() => Ok(true),
            Err(StoreError::Fault { fault, .. }) if fault.class == FaultClass::Contention => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn select_keys(&self, from: Date, to: Date) -> Result<RecordedDays, StoreError> {
        let select = sqlx::query(SELECT_KEYS).bind(&self.tenant).bind(from.to_string()).bind(to.to_string());
        let rows = select.fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))?;
        let mut recorded = RecordedDays::new();
        for (date, key) in row::readable(&self.location, TABLE, &rows, key_and_date) {
            recorded.entry(key).or_default().insert(date);
        }
        Ok(recorded)
    }

    async fn select_records(
        &self,
        from: Date,
        to: Date,
        categories: Option<&[String]>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let (tables, date) = match categories {
            Some(_) => (OF_CATEGORIES, "+metric_date"),
            None => ("daily_metrics", "metric_date"),
        };
        let question = format!(
            "SELECT {COLUMNS} FROM {tables} WHERE tenant_id = ?1 AND {date} BETWEEN ?2 AND ?3
             ORDER BY metric_date, metric_category, metric_type"
        );
        sqlx::query(AssertSqlSafe(question))
            .bind(&self.tenant)
            .bind(from.to_string())
            .bind(to.to_string())
            .bind(categories.map(Json))
            .fetch_all(self.pool().await?)
            .await
            .map_err(|error| self.failed(error))
    }

    async fn count_records(&self, day: Date, skipped: &[Date]) -> Result<Vec<SqliteRow>, StoreError> {
        sqlx::query(include_str!("count_records.sql"))
            .bind(&self.tenant)
            .bind(day.to_string())
            .bind(Json(skipped))
            .fetch_all(self.pool().await?)
            .await
            .map_err(|error| self.failed(error))
    }

    async fn select_latest(
        &self,
        metrics: &[MetricKey],
        skipped: i64,
        values: ValuesAsked,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let as_of = values.as_of.map(|_| "?4");
        let statement = values_in_force(values, as_of) + include_str!("select_latest.sql");
        let mut select = sqlx::query(AssertSqlSafe(statement))
            .bind(&self.tenant)
            .bind(metrics.iter().map(|key| asked(key, true, true)).collect::<Value>())
            .bind(skipped);
        if let Some(instant) = values.as_of {
            select = select.bind(text(instant));
        }
        select.fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))
    }

    async fn select_series(&self, question: &SeriesQuestion) -> Result<Vec<SqliteRow>, StoreError> {
        let metrics =
            question.metrics.iter().map(|metric| asked(&metric.key, metric.metadata, metric.judgement));
        let mut select = sqlx::query(AssertSqlSafe(series_statement(question.values)))
            .bind(&self.tenant)
            .bind(question.from.to_string())
            .bind(question.to.to_string())
            .bind(metrics.collect::<Value>());
        if let Some(instant) = question.values.as_of {
            select = select.bind(text(instant));
        }
        select.fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))
    }
}

fn asked(key: &MetricKey, metadata: bool, judgement: bool) -> Value {
    json!({
        "metric_type": key.metric_type, "metric_category": key.category, "metadata": metadata, "judgement": judgement,
    })
}
