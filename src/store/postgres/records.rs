//! Reading records.

use async_trait::async_trait;
use futures_util::TryStreamExt;
use jiff::{Timestamp, civil::Date};
use jiff_sqlx::ToSqlx;
use sqlx::{AssertSqlSafe, postgres::PgRow};

use super::PostgresStore;
use crate::{
    blocking::block_in_place_if_large,
    metric::{MetricKey, Record},
    store::{
        Latest, MOST_SKIPPED, RecordedDays, Records, Runs, SeriesDays, SeriesQuestion, SeriesRows,
        StoreError, StoreSummary,
        from_row::{self, key_and_date, record, record_count},
        row::{self, Columns},
        statements::SELECT_LAST_CUT,
    },
};

/// The CTE from which every statement for values reads: today it selects the records themselves. The statement follows it.
const VALUES_IN_FORCE: &str = "WITH values_in_force AS NOT MATERIALIZED (SELECT * FROM daily_metrics)\n";
const TABLE: &str = "daily_metrics";

const SELECT_KEYS: &str = "
    SELECT metric_date, metric_type, metric_category FROM values_in_force
    WHERE tenant_id = $1 AND metric_date BETWEEN $2 AND $3";

/// Without dates that are none, such as `infinity`.
const SELECT_SPAN: &str = "
    SELECT min(metric_date), max(metric_date) FROM values_in_force
    WHERE tenant_id = $1 AND metric_date BETWEEN '1900-01-01' AND '9998-12-31'";

/// Values as text: the driver's own decimals have their digits in groups of four.
const COLUMNS: &str = "metric_date, metric_type, metric_category, value::TEXT AS value, metadata, provenance, definition_version,
    collection_id, collection_timestamp";

const OF_ALL: &str = "FROM values_in_force WHERE tenant_id = $1 AND metric_date BETWEEN $2 AND $3";

/// A walk along the primary key for each category and type, also in a plan that is made without knowing the categories and
/// days: `OFFSET 0` keeps the planner from reading all metrics of the days instead.
const OF_CATEGORIES: &str = "
    FROM (SELECT DISTINCT category FROM UNNEST($4::TEXT[]) AS category) AS wanted
    CROSS JOIN UNNEST(ARRAY['aggregate', 'average', 'count', 'percentage']) AS known (type)
    CROSS JOIN LATERAL (
        SELECT * FROM values_in_force
        WHERE tenant_id = $1 AND metric_category = wanted.category AND metric_type = known.type
          AND metric_date BETWEEN $2 AND $3
        OFFSET 0
    ) AS of_metric";

/// A statement that reads values.
fn select(question: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("{VALUES_IN_FORCE}{question}"))
}

#[async_trait]
impl Records for PostgresStore {
    async fn recorded(&self, from: Date, to: Date) -> Result<RecordedDays, StoreError> {
        self.retry(|| self.select_keys(from, to)).await
    }

    async fn recorded_span(&self) -> Result<Option<(Date, Date)>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query_as(select(SELECT_SPAN)).bind(&self.tenant);
            let (first, last): (Option<jiff_sqlx::Date>, Option<jiff_sqlx::Date>) =
                query.fetch_one(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(first.zip(last).map(|(first, last)| (first.to_jiff(), last.to_jiff())))
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
        let of = if categories.is_some() { OF_CATEGORIES } else { OF_ALL };
        let question = format!("SELECT {COLUMNS} {of} ORDER BY metric_date, metric_category, metric_type");
        self.retry(|| async {
            let query =
                sqlx::query(select(&question)).bind(&self.tenant).bind(from.to_sqlx()).bind(to.to_sqlx());
            let query = match categories {
                Some(categories) => query.bind(categories),
                None => query,
            };
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
                    .bind(day.to_sqlx())
                    .bind(skipped.iter().map(|date| date.to_sqlx()).collect::<Vec<_>>());
                self.rows(TABLE, query, record_count).await
            })
            .await?;
        Ok(StoreSummary { last_run, last_completed, counts })
    }
}

impl PostgresStore {
    async fn select_keys(&self, from: Date, to: Date) -> Result<RecordedDays, StoreError> {
        // Rows are converted one by one, because a row of the driver is many times as large as the values that are kept.
        let mut rows = sqlx::query(select(SELECT_KEYS))
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

    /// The newest record of each of `metrics` but for `skipped` that are newer.
    async fn select_latest(&self, metrics: &[MetricKey], skipped: i64) -> Result<Vec<PgRow>, StoreError> {
        sqlx::query(select(include_str!("select_latest.sql")))
            .bind(&self.tenant)
            .bind(metrics.iter().map(|key| key.metric_type.name()).collect::<Vec<_>>())
            .bind(metrics.iter().map(|key| key.category.as_str()).collect::<Vec<_>>())
            .bind(skipped)
            .fetch_all(self.pool().await?)
            .await
            .map_err(|error| self.failed(error))
    }

    async fn select_series(&self, question: &SeriesQuestion) -> Result<Vec<PgRow>, StoreError> {
        let metrics = || question.metrics.iter();
        sqlx::query(select(include_str!("select_series.sql")))
            .bind(&self.tenant)
            .bind(question.from.to_sqlx())
            .bind(question.to.to_sqlx())
            .bind(metrics().map(|metric| metric.key.metric_type.name()).collect::<Vec<_>>())
            .bind(metrics().map(|metric| metric.key.category.as_str()).collect::<Vec<_>>())
            .bind(metrics().map(|metric| metric.metadata).collect::<Vec<_>>())
            .fetch_all(self.pool().await?)
            .await
            .map_err(|error| self.failed(error))
    }
}
