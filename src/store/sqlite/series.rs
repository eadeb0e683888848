//! Records by metric: series, and the latest of each.

use std::sync::LazyLock;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row, sqlite::SqliteRow};

use super::{SqliteStore, records::record};
use crate::{
    blocking::block_in_place_if_large,
    metric::{Decimal, MetricKey},
    store::{
        Latest, LoggedRun, RunStatus, StoreError,
        packed::Unpacked,
        row,
        series::{SeriesQuestion, SeriesRows, confirm_orphans},
    },
};

/// Keys of a JSON array count from 0.
const FIRST_PLACE: i64 = 0;
static SELECT: LazyLock<String> = LazyLock::new(|| {
    include_str!("select_series.sql").replace("/* packed_run.sql */", include_str!("packed_run.sql"))
});

impl SqliteStore {
    pub(super) async fn series(&self, question: &SeriesQuestion) -> Result<SeriesRows, StoreError> {
        let asked: Vec<_> =
            question.metrics.iter().map(|metric| asked(&metric.key, metric.metadata)).collect();
        let rows = sqlx::query(AssertSqlSafe(SELECT.as_str()))
            .bind(&self.tenant)
            .bind(question.from.to_string())
            .bind(question.to.to_string())
            .bind(Value::Array(asked).to_string())
            .fetch_all(self.pool().await?)
            .await
            .map_err(|error| self.failed(error))?;
        let unpacked = block_in_place_if_large(question.size(), || unpack(question, &rows));
        let mut rows = unpacked.map_err(|error| self.failed(error))?;
        self.look_at_locks(&mut rows.runs).await?;
        Ok(rows)
    }

    /// Finds out which of the runs are alive.
    pub(super) async fn look_at_locks(&self, runs: &mut [LoggedRun]) -> Result<(), StoreError> {
        for logged in runs.iter_mut().filter(|logged| logged.run.status == RunStatus::Running) {
            logged.is_alive = self.is_locked(&logged.run.lock())?;
        }
        confirm_orphans(self, runs).await
    }

    pub(super) async fn latest(&self, metrics: &[MetricKey]) -> Result<Vec<Latest>, StoreError> {
        let asked: Vec<_> = metrics.iter().map(|key| asked(key, true)).collect();
        sqlx::query(include_str!("select_latest.sql"))
            .bind(&self.tenant)
            .bind(Value::Array(asked).to_string())
            .try_map(|columns: SqliteRow| latest(&columns))
            .fetch_all(self.pool().await?)
            .await
            .map_err(|error| self.failed(error))
    }
}

fn asked(key: &MetricKey, metadata: bool) -> Value {
    json!({"metric_type": key.metric_type, "metric_category": key.category, "metadata": metadata})
}

fn unpack(question: &SeriesQuestion, rows: &[SqliteRow]) -> Result<SeriesRows, sqlx::Error> {
    let mut unpacked = Unpacked::default();
    for columns in rows {
        let (packed, metadata) = (columns.try_get("packed")?, columns.try_get("metadata")?);
        unpacked.add(question.from, (columns.try_get("place")?, packed, metadata))?;
    }
    Ok(unpacked.finish(question.metrics.len(), FIRST_PLACE))
}

fn latest(columns: &SqliteRow) -> Result<Latest, sqlx::Error> {
    let before = |column: &'static str| {
        let value: Option<&str> = columns.try_get(column)?;
        value.map(str::parse::<Decimal>).transpose().map_err(|error| row::undecodable(column, error))
    };
    Ok(Latest {
        record: record(columns)?,
        day_before: before("day_before")?,
        week_before: before("week_before")?,
        month_before: before("month_before")?,
    })
}
