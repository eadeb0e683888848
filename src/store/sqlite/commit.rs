//! Inserting records.

use std::collections::HashSet;

use async_trait::async_trait;
use jiff::civil::Date;
use serde::Serialize;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, query_builder::Separated, types::Json};
use uuid::Uuid;

use super::SqliteStore;
use crate::{
    metric::{MetricKey, Record},
    store::{StoreError, from_row::key_and_date, instant_text::text, sql_store::SqlCommits},
};

/// The number of records that one statement writes. The connection caches the statement of a full batch, so that a
/// backfill has it parsed once; the statement of the remainder is not cached, because there can be one of every length.
const BATCH: usize = 50;

#[async_trait]
impl SqlCommits for SqliteStore {
    async fn prepare_for(&self, _: &[Record]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn insert_records(
        &self,
        session: &mut SqliteConnection,
        records: &[Record],
    ) -> Result<(Vec<(Date, MetricKey)>, u64), sqlx::Error> {
        self.insert_batches(session, records).await
    }
}

impl SqliteStore {
    async fn insert_batches(
        &self,
        connection: &mut SqliteConnection,
        records: &[Record],
    ) -> Result<(Vec<(Date, MetricKey)>, u64), sqlx::Error> {
        let mut keys = HashSet::new();
        // An INSERT sees no row of its own, so a key that comes twice would be an error.
        let given: Vec<_> =
            records.iter().filter(|record| keys.insert((record.metric_date, &record.key))).collect();
        let (mut written, mut inserted) = (Vec::with_capacity(given.len()), 0);
        for batch in given.chunks(BATCH) {
            let (of_batch, count) = self.insert_batch(connection, batch).await?;
            written.extend(of_batch);
            inserted += count;
        }
        Ok((written, inserted))
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
    ) -> Result<(Vec<(Date, MetricKey)>, u64), sqlx::Error> {
        let is_kept = batch.len() == BATCH;
        let inserted =
            self.insert_statement(batch).build().persistent(is_kept).execute(&mut *connection).await?;
        let inserted = inserted.rows_affected();
        if inserted == batch.len() as u64 {
            let written = batch.iter().map(|record| (record.metric_date, record.key.clone()));
            return Ok((written.collect(), inserted));
        }
        let offered: Vec<_> = batch.iter().map(|record| Offered::new(record)).collect();
        let rows = sqlx::query(include_str!("select_written.sql"))
            .bind(&self.tenant)
            .bind(Json(offered))
            .fetch_all(connection)
            .await?;
        let written = rows.iter().map(key_and_date).collect::<Result<_, _>>()?;
        Ok((written, inserted))
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
}

/// The members of a record that `select_written.sql` reads.
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
