//! The partitions of the records, one for each year.

use std::collections::BTreeSet;

use sqlx::Executor;

use super::{PostgresStore, connection::quoted, integrity::attach_again};
use crate::{
    database::FaultClass,
    metric::Record,
    store::{IntegrityFinding, StoreError},
};

/// A table with the name of a partition that is not one.
const SELECT_DETACHED: &str = "
    SELECT 'daily_metrics_' || year FROM UNNEST($1::INTEGER[]) AS year
    WHERE NOT EXISTS (
        SELECT FROM pg_inherits
        WHERE inhparent = 'daily_metrics'::REGCLASS AND inhrelid = to_regclass('daily_metrics_' || year)
    )
    ORDER BY year LIMIT 1";

/// The first year that has no partition. `ensure_partition` refuses a year that has not begun, so that the next one cannot be tried.
const SELECT_FREE_YEAR: &str = "
    SELECT year FROM generate_series(1900, extract(YEAR FROM clock_timestamp() AT TIME ZONE 'UTC')::INTEGER) AS year
    WHERE to_regclass('daily_metrics_' || year) IS NULL ORDER BY year LIMIT 1";

/// The statement that gives the owner of `ensure_partition` the privilege to create tables in the schema, if it lacks this.
const SELECT_GRANT: &str = "
    SELECT format('GRANT USAGE, CREATE ON SCHEMA %I TO %s', current_schema, proowner::REGROLE)
    FROM pg_proc
    WHERE oid = 'ensure_partition(integer)'::REGPROCEDURE
      AND NOT (has_schema_privilege(proowner, pronamespace, 'CREATE') AND has_schema_privilege(proowner, pronamespace, 'USAGE'))";

impl PostgresStore {
    /// Partitions are created in separate transactions before that of the records, so that their locks are held briefly.
    ///
    /// # Errors
    /// When the store fails, and when a partition was detached: its records would be refused, and could not be read.
    pub(super) async fn ensure_partitions(&self, records: &[Record]) -> Result<(), StoreError> {
        let mut years: BTreeSet<i16> = records.iter().map(|record| record.metric_date.year()).collect();
        {
            let known = self.partitions.lock();
            years.retain(|year| !known.contains(year));
        }
        if years.is_empty() {
            return Ok(());
        }
        let wanted: Vec<i32> = years.iter().copied().map(i32::from).collect();
        sqlx::query("SELECT ensure_partition(year) FROM UNNEST($1::INTEGER[]) AS year")
            .bind(&wanted)
            .execute(&self.pool)
            .await
            .map_err(|error| in_partition(self.failed(error)))?;
        let detached: Option<String> = sqlx::query_scalar(SELECT_DETACHED)
            .bind(&wanted)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.failed(error))?;
        if let Some(table) = detached {
            let remedy = attach_again(&quoted(&self.schema), &table).unwrap_or_default();
            let what =
                format!("the table {table} is detached from daily_metrics; as the owner, run `{remedy}`");
            return Err(self.fault(FaultClass::Other, what));
        }
        self.partitions.lock().extend(years);
        Ok(())
    }

    /// Makes a partition in a transaction that is rolled back, which also calls the event triggers of the database. It waits for half a
    /// second at most for locks, because writers wait behind it meanwhile.
    pub(super) async fn try_a_partition(&self) -> Result<Option<IntegrityFinding>, StoreError> {
        let failed = |error| self.failed(error);
        let pool = self.pool().await?;
        let grant: Option<String> =
            sqlx::query_scalar(SELECT_GRANT).fetch_optional(pool).await.map_err(failed)?;
        let year: Option<i32> =
            sqlx::query_scalar(SELECT_FREE_YEAR).fetch_optional(pool).await.map_err(failed)?;
        let Some(year) = year else { return Ok(None) };
        let mut transaction = pool.begin().await.map_err(failed)?;
        transaction.execute("SET LOCAL lock_timeout TO 500").await.map_err(failed)?;
        let tried = sqlx::query("SELECT ensure_partition($1)").bind(year).execute(&mut *transaction).await;
        transaction.rollback().await.map_err(failed)?;
        match tried.map_err(failed) {
            Ok(_) => Ok(None),
            Err(error) if error.is_transient() => Ok(None),
            Err(StoreError::Fault { fault, .. }) => {
                let message = format!("the table for the records of a new year cannot be created: {fault}");
                Ok(Some(IntegrityFinding { message, remedy: grant }))
            }
            Err(error) => Err(error),
        }
    }
}

/// An error of the server, with what was being done.
fn in_partition(error: StoreError) -> StoreError {
    match error {
        StoreError::Fault { location, mut fault } if fault.sqlstate.is_some() => {
            fault.message =
                format!("the table for the records of a year cannot be created: {}", fault.message);
            StoreError::Fault { location, fault }
        }
        other => other,
    }
}
