//! Records by metric: series, and the latest of each.

use std::sync::LazyLock;

use bigdecimal::BigDecimal;
use jiff::civil::{Date, date};
use jiff_sqlx::ToSqlx;
use sqlx::{AssertSqlSafe, Row, postgres::PgRow};

use super::{PostgresStore, records::record};
use crate::{
    blocking::block_in_place_if_large,
    metric::{Decimal, MetricKey},
    store::{
        Latest, StoreError,
        packed::Unpacked,
        row,
        series::{SeriesQuestion, SeriesRows, confirm_orphans},
    },
};

/// Ordinality counts from 1.
const FIRST_PLACE: i64 = 1;
/// From this many days on, looking for packed months is faster than reading rows.
const LONG_DAYS: i32 = 90;
/// Day 0 of packed months, and of what is sent with them.
const DAY_ZERO: Date = date(2000, 1, 1);
static SELECT: LazyLock<String> = LazyLock::new(|| with_open_runs(include_str!("select_series.sql")));
static SELECT_LONG: LazyLock<String> =
    LazyLock::new(|| with_open_runs(include_str!("select_long_series.sql")));

fn with_open_runs(series: &str) -> String {
    let runs = include_str!("select_open_runs.sql");
    series.to_owned() + &runs.replace("/* packed_run.sql */", include_str!("packed_run.sql"))
}

impl PostgresStore {
    pub(super) async fn series(&self, question: &SeriesQuestion) -> Result<SeriesRows, StoreError> {
        let metrics = || question.metrics.iter();
        let is_long = (question.to - question.from).get_days() + 1 >= LONG_DAYS
            && metrics().any(|metric| !metric.metadata);
        let (select, first) = if is_long { (&*SELECT_LONG, DAY_ZERO) } else { (&*SELECT, question.from) };
        let mut session = self.reading.begin(self.pool().await?).await.map_err(|error| self.failed(error))?;
        let rows = sqlx::query(AssertSqlSafe(select.as_str()))
            .bind(&self.tenant)
            .bind(question.from.to_sqlx())
            .bind(question.to.to_sqlx())
            .bind(metrics().map(|metric| metric.key.metric_type.name()).collect::<Vec<_>>())
            .bind(metrics().map(|metric| metric.key.category.as_str()).collect::<Vec<_>>())
            .bind(metrics().map(|metric| metric.metadata).collect::<Vec<_>>())
            .fetch_all(&mut *session)
            .await
            .map_err(|error| self.failed(error))?;
        self.reading.end(session);
        let unpacked = block_in_place_if_large(question.size(), || unpack(question, first, &rows));
        let mut rows = unpacked.map_err(|error| self.failed(error))?;
        confirm_orphans(self, &mut rows.runs).await?;
        Ok(rows)
    }

    pub(super) async fn latest(&self, metrics: &[MetricKey]) -> Result<Vec<Latest>, StoreError> {
        let mut session = self.reading.begin(self.pool().await?).await.map_err(|error| self.failed(error))?;
        let latest = sqlx::query(include_str!("select_latest.sql"))
            .bind(&self.tenant)
            .bind(metrics.iter().map(|key| key.metric_type.name()).collect::<Vec<_>>())
            .bind(metrics.iter().map(|key| key.category.as_str()).collect::<Vec<_>>())
            .try_map(|columns: PgRow| latest(&columns))
            .fetch_all(&mut *session)
            .await
            .map_err(|error| self.failed(error))?;
        self.reading.end(session);
        Ok(latest)
    }
}

fn unpack(question: &SeriesQuestion, first: Date, rows: &[PgRow]) -> Result<SeriesRows, sqlx::Error> {
    let mut unpacked = Unpacked::default();
    for columns in rows {
        let (packed, metadata) = (columns.try_get("packed")?, columns.try_get("metadata")?);
        unpacked.add(first, (columns.try_get("place")?, packed, metadata))?;
    }
    Ok(unpacked.finish(question.metrics.len(), FIRST_PLACE))
}

fn latest(columns: &PgRow) -> Result<Latest, sqlx::Error> {
    let before = |column: &'static str| {
        let value: Option<BigDecimal> = columns.try_get(column)?;
        value.map(Decimal::try_from).transpose().map_err(|error| row::undecodable(column, error))
    };
    Ok(Latest {
        record: record(columns)?,
        day_before: before("day_before")?,
        week_before: before("week_before")?,
        month_before: before("month_before")?,
    })
}
