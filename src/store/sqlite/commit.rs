//! Committing records, and with them the end of their run.

use std::collections::HashSet;

use futures_util::future::join;
use jiff::civil::Date;
use serde::Serialize;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, query_builder::Separated, types::Json};
use uuid::Uuid;

use super::{SqliteStore, text::text};
use crate::{
    metric::{MetricKey, Record},
    store::{Finish, RunStatus, StoreError, from_row::key_and_date, outbox},
};

/// The number of records that one statement writes. The connection caches the statement of a full batch, so that a
/// backfill has it parsed once; the statement of the remainder is not cached, because there can be one of every length.
const BATCH: usize = 50;

impl SqliteStore {
    pub(super) async fn commit_records(
        &self,
        records: &[Record],
        finish: Option<&Finish>,
    ) -> Result<Vec<(Date, MetricKey)>, StoreError> {
        let failed = |error| self.failed(error);
        let mut transaction = self.pool().await?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        // The run is checked before its records are inserted, because the database refuses records of a finished run.
        if let Some(finish) = finish
            && let Some(run) = self.run_in(&mut transaction, finish.id).await.map_err(failed)?
            && run.status != RunStatus::Running
            && !finish.made(&run)
        {
            return Err(StoreError::RunFinished(finish.id));
        }
        let (written, inserted) = self.insert_records(&mut transaction, records).await.map_err(failed)?;
        // Where nothing was inserted, an earlier attempt whose answer was lost may have written the records and their events.
        let mut events = if inserted > 0 { outbox::of_records(records, &written) } else { Vec::new() };
        if let Some(finish) = finish {
            let is_finished = self.finish_run(&mut transaction, finish).await.map_err(failed)?;
            let run = self.run_in(&mut transaction, finish.id).await.map_err(failed)?;
            match run {
                Some(run) if is_finished => events.extend(outbox::of_run(&run)),
                Some(run) if finish.made(&run) => {}
                _ => return Err(StoreError::RunFinished(finish.id)),
            }
        }
        self.write_events(&mut transaction, &events).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        self.require_same_file()?;
        Ok(written)
    }

    /// Returns the keys of those that were written, by this attempt or by an earlier one whose answer was lost; and how many
    /// this attempt wrote.
    async fn insert_records(
        &self,
        connection: &mut SqliteConnection,
        records: &[Record],
    ) -> Result<(Vec<(Date, MetricKey)>, u64), sqlx::Error> {
        let mut keys = HashSet::new();
        // An INSERT sees no row of its own, so a key that comes twice would be an error.
        let given: Vec<_> =
            records.iter().filter(|record| keys.insert((record.metric_date, &record.key))).collect();
        let (mut written, mut inserted) = (Vec::with_capacity(given.len()), 0);
        let mut batches = given.chunks(BATCH).map(|batch| (batch, self.insert_statement(batch)));
        let mut next = batches.next();
        while let Some((batch, insert)) = next {
            // The connection's thread executes this batch while the next one is built.
            let running = self.insert_batch(connection, batch, insert);
            let (batch, following) = join(running, async { batches.next() }).await;
            let (of_batch, count) = batch?;
            written.extend(of_batch);
            inserted += count;
            next = following;
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
        mut insert: QueryBuilder<Sqlite>,
    ) -> Result<(Vec<(Date, MetricKey)>, u64), sqlx::Error> {
        let is_kept = batch.len() == BATCH;
        let inserted = insert.build().persistent(is_kept).execute(&mut *connection).await?;
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
