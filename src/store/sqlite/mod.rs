//! The store on SQLite: one file, in WAL mode, and beside it a directory of lock files.

mod api_keys;
mod connection;
mod definitions;
mod lock;
mod migrate;
mod records;
mod runs;
mod series;
mod standing;
mod table;
mod watch;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

pub(super) use connection::Durability;

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use sqlx::SqlitePool;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{
    DefinitionChange, DefinitionVersion, DefinitionsChanged, Finish, Held, Latest, LockName, MigrationNames,
    NewRun, Origin, RecordedDays, Run, RunFilter, SeriesQuestion, SeriesRows, SharedWatch, Standing, Store,
    StoreError, StoredDefinition, TablePage, TableQuery, row,
};
use crate::identity::ApiKey;
use crate::{
    database::{Fault, FaultClass},
    metric::{MetricKey, Record},
};

pub(super) struct SqliteStore {
    path: PathBuf,
    durability: Durability,
    pool: SqlitePool,
    location: String,
    tenant: String,
    /// Set once the store has been seen to have exactly the migrations that this binary knows.
    migrated: OnceCell<()>,
}

impl SqliteStore {
    pub(super) fn new(
        path: &Path,
        tenant: String,
        durability: Durability,
        statement_timeout: Option<Duration>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            durability,
            pool: connection::pool(connection::options(path, durability), statement_timeout),
            location: format!("sqlite:{}", path.display()),
            tenant,
            migrated: OnceCell::new(),
        }
    }

    fn failed(&self, error: sqlx::Error) -> StoreError {
        row::failed(&self.location, error)
    }

    fn fault(&self, class: FaultClass, message: String) -> StoreError {
        StoreError::Fault { location: self.location.clone(), fault: Fault::new(class, message) }
    }
}

/// An instant as the tables hold it: UTC, of one fixed width, so that text order is time order.
fn text(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

// Each call is made by the method of the same name in one of the files beside this one.
#[async_trait]
impl Store for SqliteStore {
    fn location(&self) -> String {
        self.location.clone()
    }

    async fn migrate(&self) -> Result<MigrationNames, StoreError> {
        self.migrate().await
    }

    async fn pending_migrations(&self) -> Result<MigrationNames, StoreError> {
        self.pending_migrations().await
    }

    async fn definitions(&self) -> Result<Vec<StoredDefinition>, StoreError> {
        self.definitions().await
    }

    async fn change_definitions(
        &self,
        changes: &[DefinitionChange],
        by: Origin,
        now: Timestamp,
    ) -> Result<DefinitionsChanged, StoreError> {
        self.change_definitions(changes, by, row::to_micros(now)).await
    }

    async fn try_lock(&self, name: &LockName) -> Result<Option<Box<dyn Held>>, StoreError> {
        self.try_lock(name).await
    }

    async fn start_run(&self, run: &NewRun) -> Result<(), StoreError> {
        self.start_run(run).await
    }

    async fn commit(
        &self,
        records: &[Record],
        finish: Option<&Finish>,
    ) -> Result<Vec<(Date, MetricKey)>, StoreError> {
        self.commit(records, finish).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StoreError> {
        self.runs(filter).await
    }

    async fn recorded(&self, from: Date, to: Date) -> Result<RecordedDays, StoreError> {
        self.recorded(from, to).await
    }

    async fn records(
        &self,
        from: Date,
        to: Date,
        categories: Option<&[String]>,
    ) -> Result<Vec<Record>, StoreError> {
        self.records(from, to, categories).await
    }

    async fn recorded_span(&self) -> Result<Option<(Date, Date)>, StoreError> {
        self.recorded_span().await
    }

    async fn standing(&self, day: Date, never: &[Date]) -> Result<Standing, StoreError> {
        self.standing(day, never).await
    }

    async fn definition_versions(&self) -> Result<Vec<DefinitionVersion>, StoreError> {
        self.definition_versions().await
    }

    async fn series(&self, question: &SeriesQuestion) -> Result<SeriesRows, StoreError> {
        self.series(question).await
    }

    async fn latest(&self, metrics: &[MetricKey]) -> Result<Vec<Latest>, StoreError> {
        self.latest(metrics).await
    }

    async fn run(&self, id: Uuid) -> Result<Option<Run>, StoreError> {
        self.run(id).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let asking = sqlx::query("SELECT 1 FROM metric_definitions LIMIT 1").execute(self.pool().await?);
        asking.await.map(drop).map_err(|error| self.failed(error))
    }

    fn watch(&self) -> SharedWatch {
        self.start_watch()
    }

    async fn table(&self, query: &TableQuery) -> Result<TablePage, StoreError> {
        self.table(query).await
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.api_keys().await
    }

    async fn api_key(&self, id: Uuid) -> Result<Option<ApiKey>, StoreError> {
        self.api_key(id).await
    }

    async fn add_api_key(&self, key: &ApiKey) -> Result<bool, StoreError> {
        self.add_api_key(key).await
    }

    async fn revoke_api_key(&self, id: Uuid, at: Timestamp) -> Result<bool, StoreError> {
        self.revoke_api_key(id, at).await
    }

    async fn touch_api_keys(&self, uses: &[(Uuid, Timestamp)]) -> Result<(), StoreError> {
        self.touch_api_keys(uses).await
    }
}
