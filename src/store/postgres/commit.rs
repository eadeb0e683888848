//! Inserting records.

use async_trait::async_trait;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use super::{PostgresStore, text::storable_object};
use crate::{
    metric::{MetricKey, Record},
    store::{StoreError, from_row::key_and_date, row, sql_store::SqlCommits},
};

#[async_trait]
impl SqlCommits for PostgresStore {
    async fn prepare_for(&self, records: &[Record]) -> Result<(), StoreError> {
        self.pool().await?;
        self.ensure_partitions(records).await
    }

    async fn insert_records(
        &self,
        session: &mut PgConnection,
        records: &[Record],
    ) -> Result<(Vec<(Date, MetricKey)>, u64), sqlx::Error> {
        self.insert_columns(session, records).await
    }
}

impl PostgresStore {
    async fn insert_columns(
        &self,
        session: &mut PgConnection,
        records: &[Record],
    ) -> Result<(Vec<(Date, MetricKey)>, u64), sqlx::Error> {
        if records.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let columns = RecordKeys::of(records);
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
        let inserted = inserted.rows_affected();
        let written = match inserted == records.len() as u64 {
            true => records.iter().map(|record| (record.metric_date, record.key.clone())).collect(),
            false => self.written(session, &columns).await?,
        };
        Ok((written, inserted))
    }

    async fn written(
        &self,
        session: &mut PgConnection,
        columns: &RecordKeys<'_>,
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
        rows.iter().map(key_and_date).collect()
    }
}

/// The keys of some records, column by column, as UNNEST takes them.
struct RecordKeys<'a> {
    dates: Vec<jiff_sqlx::Date>,
    types: Vec<&'static str>,
    categories: Vec<&'a str>,
    collections: Vec<uuid::Uuid>,
}

impl<'a> RecordKeys<'a> {
    fn of(records: &'a [Record]) -> Self {
        Self {
            dates: records.iter().map(|record| record.metric_date.to_sqlx()).collect(),
            types: records.iter().map(|record| record.key.metric_type.name()).collect(),
            categories: records.iter().map(|record| record.key.category.as_str()).collect(),
            collections: records.iter().map(|record| record.collection_id).collect(),
        }
    }
}
