//! Reading records.

use async_trait::async_trait;
use futures_util::TryStreamExt;
use jiff::{Timestamp, civil::Date};
use jiff_sqlx::ToSqlx;
use sqlx::{AssertSqlSafe, postgres::PgRow};

use super::PostgresStore;
use crate::{
    metric::MetricKey,
    store::{
        RecordedDays, SeriesQuestion, StoreError, ValuesAsked,
        from_row::key_and_date,
        in_force::{self, values_in_force},
        row,
        sql_store::SqlRecords,
    },
};

const TABLE: &str = "daily_metrics";

const SELECT_KEYS: &str = "
    SELECT metric_date, metric_type, metric_category FROM daily_metrics
    WHERE tenant_id = $1 AND metric_date BETWEEN $2 AND $3";

/// Values as text: the driver's own decimals have their digits in groups of four.
const COLUMNS: &str = "metric_date, metric_type, metric_category, value::TEXT AS value, metadata, provenance, definition_version,
    collection_id, collection_timestamp";

const OF_ALL: &str = "FROM daily_metrics WHERE tenant_id = $1 AND metric_date BETWEEN $2 AND $3";

/// A walk along the primary key for each category and type, also in a plan that is made without knowing the categories and
/// days: `OFFSET 0` keeps the planner from reading all metrics of the days instead.
const OF_CATEGORIES: &str = "
    FROM (SELECT DISTINCT category FROM UNNEST($4::TEXT[]) AS category) AS wanted
    CROSS JOIN UNNEST(ARRAY['aggregate', 'average', 'count', 'percentage']) AS known (type)
    CROSS JOIN LATERAL (
        SELECT * FROM daily_metrics
        WHERE tenant_id = $1 AND metric_category = wanted.category AND metric_type = known.type
          AND metric_date BETWEEN $2 AND $3
        OFFSET 0
    ) AS of_metric";

/// The statement of [`SqlRecords::select_series`].
pub(in crate::store) fn series_statement(values: ValuesAsked) -> String {
    let parts = [include_str!("select_series.sql"), include_str!("select_revised.sql")];
    in_force::series_statement(values, parts, "$8")
}

/// Whether no commit that began at or before the instant `$2` is under way. A commit takes an advisory lock before its rows get a time, and
/// holds it until it has ended: a commit of records takes the lock of redactions, shared, and a commit of revisions takes the lock of
/// revisions. If this role may not see when the transaction of another role began, the transaction is taken for one that began before
/// the instant. Instants of more than a day ago count as settled. This also holds with a simulated clock, whose times say nothing about
/// transactions: a role that only reads may not read the settings, and so cannot know whether the clock is simulated.
const IS_SETTLED: &str = "
    SELECT $2 < clock_timestamp() - INTERVAL '1 day' OR NOT EXISTS (
        SELECT FROM pg_locks AS held LEFT JOIN pg_stat_activity AS holder ON holder.pid = held.pid
        WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
          AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (held.classid::BIGINT << 32) | held.objid::BIGINT IN (
              hashtextextended('daymark:' || current_schema() || ':' || $1 || ':redactions', 0),
              hashtextextended('daymark:' || current_schema() || ':' || $1 || ':revisions', 0))
          AND coalesce(holder.xact_start, '-infinity') <= $2
    )";

#[async_trait]
impl SqlRecords for PostgresStore {
    async fn is_settled(&self, instant: Timestamp) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar(IS_SETTLED).bind(&self.tenant).bind(instant.to_sqlx());
        query.fetch_one(self.pool().await?).await.map_err(|error| self.failed(error))
    }

    async fn select_records(
        &self,
        from: Date,
        to: Date,
        categories: Option<&[String]>,
    ) -> Result<Vec<PgRow>, StoreError> {
        let of = if categories.is_some() { OF_CATEGORIES } else { OF_ALL };
        let question = format!("SELECT {COLUMNS} {of} ORDER BY metric_date, metric_category, metric_type");
        let mut select =
            sqlx::query(AssertSqlSafe(question)).bind(&self.tenant).bind(from.to_sqlx()).bind(to.to_sqlx());
        if let Some(categories) = categories {
            select = select.bind(categories);
        }
        select.fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))
    }

    async fn count_records(&self, day: Date, skipped: &[Date]) -> Result<Vec<PgRow>, StoreError> {
        sqlx::query(include_str!("count_records.sql"))
            .bind(&self.tenant)
            .bind(day.to_sqlx())
            .bind(skipped.iter().map(|date| date.to_sqlx()).collect::<Vec<_>>())
            .fetch_all(self.pool().await?)
            .await
            .map_err(|error| self.failed(error))
    }

    async fn select_keys(&self, from: Date, to: Date) -> Result<RecordedDays, StoreError> {
        // Rows are converted one by one, because a row of the driver is many times as large as the values that are kept.
        let mut rows = sqlx::query(SELECT_KEYS)
            .bind(&self.tenant)
            .bind(from.to_sqlx())
            .bind(to.to_sqlx())
            .fetch(self.pool().await?);
        let mut recorded = RecordedDays::new();
        while let Some(row) = rows.try_next().await.map_err(|error| self.failed(error))? {
            for (date, key) in row::readable(&self.location, TABLE, &[row], key_and_date) {
                recorded.entry(key).or_default().insert(date);
            }
        }
        Ok(recorded)
    }

    async fn select_latest(
        &self,
        metrics: &[MetricKey],
        skipped: i64,
        values: ValuesAsked,
    ) -> Result<Vec<PgRow>, StoreError> {
        let as_of = values.as_of.map(|_| "$5");
        let statement = values_in_force(values, as_of) + include_str!("select_latest.sql");
        let mut select = sqlx::query(AssertSqlSafe(statement))
            .bind(&self.tenant)
            .bind(metrics.iter().map(|key| key.metric_type.name()).collect::<Vec<_>>())
            .bind(metrics.iter().map(|key| key.category.as_str()).collect::<Vec<_>>())
            .bind(skipped);
        if let Some(instant) = values.as_of {
            select = select.bind(row::to_micros(instant).to_sqlx());
        }
        select.fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))
    }

    async fn select_series(&self, question: &SeriesQuestion) -> Result<Vec<PgRow>, StoreError> {
        let metrics = || question.metrics.iter();
        let mut select = sqlx::query(AssertSqlSafe(series_statement(question.values)))
            .bind(&self.tenant)
            .bind(question.from.to_sqlx())
            .bind(question.to.to_sqlx())
            .bind(metrics().map(|metric| metric.key.metric_type.name()).collect::<Vec<_>>())
            .bind(metrics().map(|metric| metric.key.category.as_str()).collect::<Vec<_>>())
            .bind(metrics().map(|metric| metric.metadata).collect::<Vec<_>>())
            .bind(metrics().map(|metric| metric.judgement).collect::<Vec<_>>());
        if let Some(instant) = question.values.as_of {
            select = select.bind(row::to_micros(instant).to_sqlx());
        }
        select.fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))
    }
}
