//! The store on PostgreSQL 14 or later, in a schema of its own. Every session's search_path is that schema alone, so
//! the statements here name no schema, and nothing of the database around it is touched.

mod api_keys;
mod connection;
mod definitions;
mod lock;
mod migrate;
mod reading;
mod records;
mod runs;
mod series;
mod standing;
mod table;
mod text;
mod watch;

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::sync::OnceCell;
use uuid::Uuid;

use reading::Reading;

use super::{
    DefinitionChange, DefinitionVersion, DefinitionsChanged, Finish, Held, Latest, LockName, MigrationNames,
    NewRun, Origin, RecordedDays, Run, RunFilter, SeriesQuestion, SeriesRows, SharedWatch, Standing, Store,
    StoreError, StoredDefinition, TablePage, TableQuery, row,
};
use crate::identity::ApiKey;
use crate::metric::{MetricKey, Record};

pub(super) struct PostgresStore {
    options: PgConnectOptions,
    pool: PgPool,
    /// Of the pool, for what is asked all the time.
    reading: Reading,
    location: String,
    tenant: String,
    schema: String,
    /// Set in every session.
    settings: String,
    connect_timeout: Duration,
    /// Set once the store has been seen to have exactly the migrations that this binary knows.
    migrated: OnceCell<()>,
    /// Years whose partition is known to exist.
    partitions: Mutex<BTreeSet<i16>>,
}

impl PostgresStore {
    /// `shown` is the URL without its password.
    pub(super) fn new(
        options: &PgConnectOptions,
        shown: &str,
        tenant: String,
        schema: String,
        statement_timeout: Option<Duration>,
    ) -> Self {
        let options = connection::named(options);
        let settings = connection::settings(&schema, statement_timeout);
        let connect_timeout = connection::connect_timeout(statement_timeout);
        Self {
            pool: connection::pool(options.clone(), settings.clone(), connect_timeout),
            reading: Reading::new(connection::MAX_READING, connect_timeout),
            options,
            settings,
            connect_timeout,
            location: format!("{shown} (schema {schema})"),
            tenant,
            schema,
            migrated: OnceCell::new(),
            partitions: Mutex::new(BTreeSet::new()),
        }
    }

    fn failed(&self, error: sqlx::Error) -> StoreError {
        row::failed(&self.location, error)
    }
}

// Each call is made by the method of the same name in one of the files beside this one.
#[async_trait]
impl Store for PostgresStore {
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
