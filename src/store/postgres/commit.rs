//! Committing records, and with them the end of their run.

use std::{collections::BTreeSet, sync::PoisonError};

use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use super::{PostgresStore, records::date, text::storable_object};
use crate::{
    metric::{MetricKey, Record},
    store::{Finish, StoreError, row},
};

impl PostgresStore {
    pub(super) async fn commit_records(
        &self,
        records: &[Record],
        finish: Option<&Finish>,
    ) -> Result<Vec<(Date, MetricKey)>, StoreError> {
        let failed = |error| self.failed(error);
        let pool = self.pool().await?;
        self.ensure_partitions(records).await.map_err(failed)?;
        let mut transaction = pool.begin().await.map_err(failed)?;
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

    /// In transactions of its own, before the records': a new partition's locks are short then.
    async fn ensure_partitions(&self, records: &[Record]) -> Result<(), sqlx::Error> {
        let mut years: BTreeSet<i16> = records.iter().map(|record| record.metric_date.year()).collect();
        {
            let known = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
            years.retain(|year| !known.contains(year));
        }
        if years.is_empty() {
            return Ok(());
        }
        let wanted: Vec<i32> = years.iter().copied().map(i32::from).collect();
        sqlx::query("SELECT ensure_partition(year) FROM UNNEST($1::INTEGER[]) AS year")
            .bind(wanted)
            .execute(&self.pool)
            .await?;
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).extend(years);
        Ok(())
    }

    /// Returns the keys of those that were written: by this attempt, or by an earlier one whose answer was lost.
    async fn insert_records(
        &self,
        session: &mut PgConnection,
        records: &[Record],
    ) -> Result<Vec<(Date, MetricKey)>, sqlx::Error> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let columns = Columns::of(records);
        let inserted = sqlx::query(include_str!("insert_records.sql"))
            .bind(&self.tenant)
            .bind(&columns.dates)
            .bind(&columns.types)
            .bind(&columns.categories)
            .bind(records.iter().map(|record| record.value.inner().clone()).collect::<Vec<_>>())
            .bind(records.iter().map(|record| storable_object(&record.metadata)).collect::<Vec<_>>())
            .bind(records.iter().map(|record| record.provenance.name()).collect::<Vec<_>>())
            .bind(records.iter().map(|record| record.definition_version).collect::<Vec<_>>())
            .bind(&columns.collections)
            .bind(
                records
                    .iter()
                    .map(|record| row::to_micros(record.collection_timestamp).to_sqlx())
                    .collect::<Vec<_>>(),
            )
            .execute(&mut *session)
            .await?;
        if inserted.rows_affected() == records.len() as u64 {
            return Ok(records.iter().map(|record| (record.metric_date, record.key.clone())).collect());
        }
        self.written(session, &columns).await
    }

    async fn written(
        &self,
        session: &mut PgConnection,
        columns: &Columns<'_>,
    ) -> Result<Vec<(Date, MetricKey)>, sqlx::Error> {
        let dates = || columns.dates.iter().map(|date| date.to_jiff());
        let rows = sqlx::query(include_str!("select_written.sql"))
            .bind(&self.tenant)
            .bind(&columns.dates)
            .bind(&columns.types)
            .bind(&columns.categories)
            .bind(&columns.collections)
            .bind(dates().min().map(ToSqlx::to_sqlx))
            .bind(dates().max().map(ToSqlx::to_sqlx))
            .fetch_all(session)
            .await?;
        rows.iter().map(|columns| Ok((date(columns, "metric_date")?, row::metric_key(columns)?))).collect()
    }
}

/// The keys of some records, column by column, as UNNEST takes them.
struct Columns<'a> {
    dates: Vec<jiff_sqlx::Date>,
    types: Vec<&'static str>,
    categories: Vec<&'a str>,
    collections: Vec<uuid::Uuid>,
}

impl<'a> Columns<'a> {
    fn of(records: &'a [Record]) -> Self {
        Self {
            dates: records.iter().map(|record| record.metric_date.to_sqlx()).collect(),
            types: records.iter().map(|record| record.key.metric_type.name()).collect(),
            categories: records.iter().map(|record| record.key.category.as_str()).collect(),
            collections: records.iter().map(|record| record.collection_id).collect(),
        }
    }
}
