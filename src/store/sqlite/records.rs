//! Reading records.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, sqlite::SqliteRow, types::Json};

use super::SqliteStore;
use crate::{
    blocking::block_in_place_if_large,
    metric::{MetricKey, Record},
    store::{
        Latest, MOST_SKIPPED, RecordedDays, Records, Runs, SeriesDays, SeriesQuestion, SeriesRows,
        StoreError, StoreSummary,
        from_row::{self, key_and_date, record, record_count},
        row::Columns,
        statements::SELECT_LAST_CUT,
    },
};

/// The CTE from which every statement for values reads: today it selects the records themselves. The statement follows it.
const VALUES_IN_FORCE: &str = "WITH values_in_force AS NOT MATERIALIZED (SELECT * FROM daily_metrics)\n";
const TABLE: &str = "daily_metrics";

const SELECT_KEYS: &str = "
    SELECT metric_date, metric_type, metric_category FROM values_in_force
    WHERE tenant_id = ?1 AND metric_date BETWEEN ?2 AND ?3";

/// Two subqueries: SQLite answers min() or max() from an index only when it is alone in its SELECT.
/// Texts that are no dates are left out.
const SELECT_SPAN: &str = "
    SELECT (SELECT min(metric_date) FROM values_in_force WHERE tenant_id = ?1 AND metric_date = date(metric_date)) AS first,
           (SELECT max(metric_date) FROM values_in_force WHERE tenant_id = ?1 AND metric_date = date(metric_date)) AS last";

const COLUMNS: &str =
    "metric_date, metric_type, metric_category, values_in_force.value AS value, metadata, provenance,
    definition_version, collection_id, collection_timestamp";

/// CROSS JOIN makes SQLite read only the requested categories, from the primary key. Without it, the planner would use
/// the index on the date and read every record of the days.
const OF_CATEGORIES: &str = "
    (SELECT DISTINCT value AS category FROM json_each(?4)) AS wanted
    CROSS JOIN values_in_force ON metric_category = wanted.category";

/// A statement that reads values.
fn select(question: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("{VALUES_IN_FORCE}{question}"))
}

#[async_trait]
impl Records for SqliteStore {
    async fn recorded(&self, from: Date, to: Date) -> Result<RecordedDays, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(select(SELECT_KEYS)).bind(&self.tenant);
            let query = query.bind(from.to_string()).bind(to.to_string());
            let mut recorded = RecordedDays::new();
            for (date, key) in self.rows(TABLE, query, key_and_date).await? {
                recorded.entry(key).or_default().insert(date);
            }
            Ok(recorded)
        })
        .await
    }

    async fn recorded_span(&self) -> Result<Option<(Date, Date)>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(select(SELECT_SPAN)).bind(&self.tenant);
            let columns = query.fetch_one(self.pool().await?).await.map_err(|error| self.failed(error))?;
            let day = |column| columns.optional_date(column).map_err(|error| self.failed(error));
            Ok(day("first")?.zip(day("last")?))
        })
        .await
    }

    async fn last_cut(&self) -> Result<Option<Timestamp>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_LAST_CUT).bind(&self.tenant);
            let columns = query.fetch_one(self.pool().await?).await.map_err(|error| self.failed(error))?;
            columns.optional_instant("last_cut").map_err(|error| self.failed(error))
        })
        .await
    }

    async fn records(
        &self,
        from: Date,
        to: Date,
        categories: Option<&[String]>,
    ) -> Result<Vec<Record>, StoreError> {
        let (tables, date) = match categories {
            Some(_) => (OF_CATEGORIES, "+metric_date"),
            None => ("values_in_force", "metric_date"),
        };
        let question = format!(
            "SELECT {COLUMNS} FROM {tables} WHERE tenant_id = ?1 AND {date} BETWEEN ?2 AND ?3
             ORDER BY metric_date, metric_category, metric_type"
        );
        self.retry(|| async {
            let query = sqlx::query(select(&question))
                .bind(&self.tenant)
                .bind(from.to_string())
                .bind(to.to_string())
                .bind(categories.map(Json));
            self.rows(TABLE, query, record).await
        })
        .await
    }

    async fn series(&self, question: &SeriesQuestion) -> Result<SeriesRows, StoreError> {
        // Runs are read first, so that the records of a run that has ended by then are in the records that are read
        // afterwards.
        let runs = self.incomplete_runs(question.from, question.to).await?;
        let series = self.series_days(question).await?;
        Ok(SeriesRows { series, runs })
    }

    async fn series_days(&self, question: &SeriesQuestion) -> Result<Vec<SeriesDays>, StoreError> {
        let rows = self.retry(|| self.select_series(question)).await?;
        Ok(block_in_place_if_large(question.size(), || {
            from_row::series(&self.location, TABLE, question, &rows)
        }))
    }

    async fn latest(&self, metrics: &[MetricKey]) -> Result<Vec<Latest>, StoreError> {
        let (mut found, mut asked) = (Vec::with_capacity(metrics.len()), metrics.to_vec());
        let mut skipped = 0;
        while !asked.is_empty() && skipped <= MOST_SKIPPED {
            let rows = self.retry(|| self.select_latest(&asked, skipped)).await?;
            let (read, unreadable) = from_row::latest(&self.location, TABLE, &rows);
            found.extend(read);
            (asked, skipped) = (unreadable, skipped + 1);
        }
        found.sort_by_cached_key(|Latest { record, .. }| {
            (record.key.category.clone(), record.key.metric_type.name())
        });
        Ok(found)
    }

    async fn summary(&self, day: Date, skipped: &[Date]) -> Result<StoreSummary, StoreError> {
        let (last_run, last_completed) = self.last_runs().await?;
        let counts = self
            .retry(|| async {
                let query = sqlx::query(select(include_str!("count_records.sql")))
                    .bind(&self.tenant)
                    .bind(day.to_string())
                    .bind(Json(skipped));
                self.rows(TABLE, query, record_count).await
            })
            .await?;
        Ok(StoreSummary { last_run, last_completed, counts })
    }
}

impl SqliteStore {
    /// The newest record of each of `metrics` but for `skipped` that are newer.
    async fn select_latest(&self, metrics: &[MetricKey], skipped: i64) -> Result<Vec<SqliteRow>, StoreError> {
        sqlx::query(select(include_str!("select_latest.sql")))
            .bind(&self.tenant)
            .bind(metrics.iter().map(|key| asked(key, true)).collect::<Value>())
            .bind(skipped)
            .fetch_all(self.pool().await?)
            .await
            .map_err(|error| self.failed(error))
    }

    async fn select_series(&self, question: &SeriesQuestion) -> Result<Vec<SqliteRow>, StoreError> {
        let metrics = question.metrics.iter().map(|metric| asked(&metric.key, metric.metadata));
        sqlx::query(select(include_str!("select_series.sql")))
            .bind(&self.tenant)
            .bind(question.from.to_string())
            .bind(question.to.to_string())
            .bind(metrics.collect::<Value>())
            .fetch_all(self.pool().await?)
            .await
            .map_err(|error| self.failed(error))
    }
}

fn asked(key: &MetricKey, metadata: bool) -> Value {
    json!({"metric_type": key.metric_type, "metric_category": key.category, "metadata": metadata})
}
