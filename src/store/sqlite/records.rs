//! Records: written once, and read.

use std::collections::{BTreeSet, HashSet};

use futures_util::future::join;
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use sqlx::{
    AssertSqlSafe, QueryBuilder, Row, Sqlite, SqliteConnection, query_builder::Separated, sqlite::SqliteRow,
    types::Json,
};
use uuid::Uuid;

use super::{SqliteStore, text};
use crate::{
    metric::{MetricKey, Provenance, Record},
    store::{Finish, RecordedDays, StoreError, row},
};

/// How many records one statement writes. The statement of a full batch is kept by its connection, so that a backfill has
/// it parsed once; that of what remains is not, as there may be one of every length.
const BATCH: usize = 50;

/// CROSS JOIN makes SQLite read the wanted categories alone, from the primary key, if the date does not tempt it: by
/// itself it would read every record of the days.
const OF_CATEGORIES: &str = "
    (SELECT DISTINCT value AS category FROM json_each(?4)) AS wanted
    CROSS JOIN daily_metrics ON metric_category = wanted.category";

impl SqliteStore {
    pub(super) async fn commit(
        &self,
        records: &[Record],
        finish: Option<&Finish>,
    ) -> Result<Vec<(Date, MetricKey)>, StoreError> {
        let failed = |error| self.failed(error);
        let mut transaction = self.pool().await?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let written = self.insert_records(&mut transaction, records).await.map_err(failed)?;
        if let Some(finish) = finish
            && !self.finish_run(&mut transaction, finish).await.map_err(failed)?
        {
            let run = self.run_in(&mut transaction, finish.id).await.map_err(failed)?;
            if !run.is_some_and(|run| finish.made(&run)) {
                return Err(StoreError::RunFinished(finish.id));
            }
        }
        transaction.commit().await.map_err(failed)?;
        Ok(written)
    }

    /// Returns the keys of those that were written: by this attempt, or by an earlier one whose answer was lost.
    async fn insert_records(
        &self,
        connection: &mut SqliteConnection,
        records: &[Record],
    ) -> Result<Vec<(Date, MetricKey)>, sqlx::Error> {
        let mut keys = HashSet::new();
        // An INSERT sees no row of its own, so a key that comes twice would be an error.
        let given: Vec<_> =
            records.iter().filter(|record| keys.insert((record.metric_date, &record.key))).collect();
        let mut written = Vec::with_capacity(given.len());
        let mut batches = given.chunks(BATCH).map(|batch| (batch, self.insert_statement(batch)));
        let mut next = batches.next();
        while let Some((batch, insert)) = next {
            // The connection's thread runs this one while the next one is made.
            let running = self.insert_batch(connection, batch, insert);
            let (inserted, following) = join(running, async { batches.next() }).await;
            written.extend(inserted?);
            next = following;
        }
        Ok(written)
    }

    fn insert_statement(&self, batch: &[&Record]) -> QueryBuilder<Sqlite> {
        let (before, after) = include_str!("insert_records.sql").split_once("/* rows */").unwrap_or_default();
        let mut insert = QueryBuilder::new(before);
        insert.push_values(batch, |values, record| self.push_record(values, record));
        insert.push(after);
        insert
    }

    async fn insert_batch(
        &self,
        connection: &mut SqliteConnection,
        batch: &[&Record],
        mut insert: QueryBuilder<Sqlite>,
    ) -> Result<Vec<(Date, MetricKey)>, sqlx::Error> {
        let is_kept = batch.len() == BATCH;
        let inserted = insert.build().persistent(is_kept).execute(&mut *connection).await?;
        if inserted.rows_affected() == batch.len() as u64 {
            return Ok(batch.iter().map(|record| (record.metric_date, record.key.clone())).collect());
        }
        let offered: Vec<_> = batch.iter().map(|record| Offered::new(record)).collect();
        let rows = sqlx::query(include_str!("select_written.sql"))
            .bind(&self.tenant)
            .bind(Json(offered))
            .fetch_all(connection)
            .await?;
        rows.iter()
            .map(|columns| Ok((row::parsed(columns, "metric_date")?, row::metric_key(columns)?)))
            .collect()
    }

    /// In the order of `insert_records.sql`.
    fn push_record(&self, mut values: Separated<'_, Sqlite, &'static str>, record: &Record) {
        values
            .push_bind(Uuid::new_v4().to_string())
            .push_bind(self.tenant.clone())
            .push_bind(record.metric_date.to_string())
            .push_bind(record.key.metric_type.name())
            .push_bind(record.key.category.clone())
            .push_bind(record.value.to_string())
            .push_bind(Json(&record.metadata))
            .push_bind(record.provenance.name())
            .push_bind(record.definition_version)
            .push_bind(record.collection_id.to_string())
            .push_bind(text(record.collection_timestamp));
    }

    pub(super) async fn records(
        &self,
        from: Date,
        to: Date,
        categories: Option<&[String]>,
    ) -> Result<Vec<Record>, StoreError> {
        let (tables, date) = match categories {
            Some(_) => (OF_CATEGORIES, "+metric_date"),
            None => ("daily_metrics", "metric_date"),
        };
        // A row a metric: every row changes threads.
        let select = format!(
            "SELECT metric_type, metric_category, json_group_array(json_array(
                 metric_date, daily_metrics.value, metadata, provenance, definition_version, collection_id,
                 collection_timestamp)) AS days
             FROM {tables}
             WHERE tenant_id = ?1 AND {date} BETWEEN ?2 AND ?3
             GROUP BY metric_category, metric_type"
        );
        let metrics = sqlx::query(AssertSqlSafe(select))
            .bind(&self.tenant)
            .bind(from.to_string())
            .bind(to.to_string())
            .bind(categories.map(Json))
            .try_map(|columns: SqliteRow| packed_records(&columns))
            .fetch_all(self.pool().await?)
            .await
            .map_err(|error| self.failed(error))?;
        let mut records: Vec<_> = metrics.into_iter().flatten().collect();
        records.sort_by(|one, other| in_order(one).cmp(&in_order(other)));
        Ok(records)
    }

    pub(super) async fn recorded(&self, from: Date, to: Date) -> Result<RecordedDays, StoreError> {
        // A row a metric: every row changes threads.
        let rows = sqlx::query(
            "SELECT metric_type, metric_category, json_group_array(metric_date) AS dates FROM daily_metrics
             WHERE tenant_id = ?1 AND metric_date BETWEEN ?2 AND ?3
             GROUP BY metric_category, metric_type",
        )
        .bind(&self.tenant)
        .bind(from.to_string())
        .bind(to.to_string())
        .try_map(|columns: SqliteRow| Ok((row::metric_key(&columns)?, dates(&columns)?)))
        .fetch_all(self.pool().await?)
        .await
        .map_err(|error| self.failed(error))?;
        Ok(rows.into_iter().collect())
    }

    pub(super) async fn recorded_span(&self) -> Result<Option<(Date, Date)>, StoreError> {
        // Two subqueries: SQLite answers min() or max() from an index only when it is alone in its SELECT.
        let columns = sqlx::query(
            "SELECT (SELECT min(metric_date) FROM daily_metrics WHERE tenant_id = ?1) AS first,
                    (SELECT max(metric_date) FROM daily_metrics WHERE tenant_id = ?1) AS last",
        )
        .bind(&self.tenant)
        .fetch_one(self.pool().await?)
        .await
        .map_err(|error| self.failed(error))?;
        let first: Option<&str> = columns.try_get("first").map_err(|error| self.failed(error))?;
        let span = first.map(|_| Ok((row::parsed(&columns, "first")?, row::parsed(&columns, "last")?)));
        span.transpose().map_err(|error| self.failed(error))
    }
}

/// What `select_written.sql` must know of a record.
#[derive(Serialize)]
struct Offered<'a> {
    metric_date: Date,
    metric_type: &'static str,
    metric_category: &'a str,
    collection_id: Uuid,
}

impl<'a> Offered<'a> {
    fn new(record: &'a Record) -> Self {
        Self {
            metric_date: record.metric_date,
            metric_type: record.key.metric_type.name(),
            metric_category: &record.key.category,
            collection_id: record.collection_id,
        }
    }
}

/// A record of a metric, as `records` packs it.
#[derive(Deserialize)]
struct PackedRecord(Date, String, String, String, i32, Uuid, Timestamp);

fn packed_records(columns: &SqliteRow) -> Result<Vec<Record>, sqlx::Error> {
    let key = row::metric_key(columns)?;
    let Json(days): Json<Vec<PackedRecord>> = columns.try_get("days")?;
    days.into_iter().map(|day| day.unpacked(&key)).collect()
}

impl PackedRecord {
    fn unpacked(self, key: &MetricKey) -> Result<Record, sqlx::Error> {
        let Self(metric_date, value, metadata, provenance, definition_version, collection_id, cut_at) = self;
        Ok(Record {
            metric_date,
            key: key.clone(),
            value: value.parse().map_err(|error| row::undecodable("value", error))?,
            metadata: serde_json::from_str(&metadata).map_err(|error| row::undecodable("metadata", error))?,
            provenance: Provenance::from_name(&provenance)
                .ok_or_else(|| row::undecodable("provenance", format!("`{provenance}` is no known word")))?,
            definition_version,
            collection_id,
            collection_timestamp: cut_at,
        })
    }
}

fn in_order(record: &Record) -> (Date, &str, &str) {
    (record.metric_date, &record.key.category, record.key.metric_type.name())
}

fn dates(columns: &SqliteRow) -> Result<BTreeSet<Date>, sqlx::Error> {
    serde_json::from_str(columns.try_get("dates")?).map_err(|error| row::undecodable("dates", error))
}

pub(super) fn record(columns: &SqliteRow) -> Result<Record, sqlx::Error> {
    Ok(Record {
        metric_date: row::parsed(columns, "metric_date")?,
        key: row::metric_key(columns)?,
        value: row::parsed(columns, "value")?,
        metadata: row::object("metadata", columns.try_get("metadata")?)?,
        provenance: row::word(columns, "provenance", Provenance::from_name)?,
        definition_version: columns.try_get("definition_version")?,
        collection_id: row::parsed(columns, "collection_id")?,
        collection_timestamp: row::parsed(columns, "collection_timestamp")?,
    })
}
