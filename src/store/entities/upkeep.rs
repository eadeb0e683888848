//! The store as a whole.

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::store::{
    IntegrityFinding, MigrationNames, SharedWatch, StoreError, Upkeep,
    row::Columns,
    sql_store::{SqlStore, SqlUpkeep, answered, retry, write},
    statement::Statement,
};

const SIMULATE_CLOCK: &str = "UPDATE store_settings SET simulated_clock = TRUE WHERE NOT simulated_clock";
const SELECT_CLOCK: &str = "SELECT simulated_clock FROM store_settings";
const PING: &str = "SELECT 1 FROM metric_definitions LIMIT 1";

#[async_trait]
impl<S: SqlUpkeep> Upkeep for S {
    fn location(&self) -> String {
        self.shown().to_owned()
    }

    async fn migrate(&self) -> Result<MigrationNames, StoreError> {
        // A migration has no time limit.
        self.retry_policy().run(StoreError::is_transient, || self.migrate_tables()).await
    }

    fn migration_script(&self) -> String {
        let commented = S::MIGRATIONS.iter().map(|(name, sql)| format!("-- {name}\n{}\n", sql.trim_end()));
        self.script_head() + &commented.collect::<Vec<_>>().join("\n")
    }

    async fn pending_migrations(&self) -> Result<MigrationNames, StoreError> {
        retry(self, || self.missing_migrations()).await
    }

    async fn simulate_clock(&self) -> Result<(), StoreError> {
        write(self, &Statement::without_tenant(SIMULATE_CLOCK)).await.map(drop)
    }

    async fn has_simulated_clock(&self) -> Result<bool, StoreError> {
        read_value(self, SELECT_CLOCK, |row| row.get("simulated_clock")).await
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        read_value(self, S::OWN.now, |row| row.instant("now")).await
    }

    async fn integrity(&self) -> Result<Vec<IntegrityFinding>, StoreError> {
        retry(self, || self.differences()).await
    }

    async fn missing_privileges(&self) -> Result<Vec<String>, StoreError> {
        retry(self, || self.absent_privileges()).await
    }

    async fn new_year_problem(&self) -> Result<Option<IntegrityFinding>, StoreError> {
        answered(self, self.refused_partition()).await
    }

    fn file(&self) -> Option<&Path> {
        self.local_file()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        answered(self, self.fetch(&Statement::without_tenant(PING))).await.map(drop)
    }

    fn watch(&self) -> SharedWatch {
        self.listen()
    }
}

/// Reads a value of the only row that a statement selects.
async fn read_value<S: SqlStore, T>(
    store: &S,
    sql: &'static str,
    read: impl Fn(&S::Row) -> Result<T, sqlx::Error>,
) -> Result<T, StoreError> {
    let select = Statement::without_tenant(sql);
    let rows = retry(store, || store.fetch(&select)).await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound);
    row.and_then(read).map_err(|error| store.failed(error))
}
