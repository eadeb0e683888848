//! A store whose calls are tried again after a passing failure. Every call of [`Store`] may safely be repeated when its
//! answer was lost, `commit` included.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::{
    DefinitionChange, DefinitionVersion, DefinitionsChanged, Finish, Held, Latest, LockName, MigrationNames,
    NewRun, Origin, RecordedDays, Run, RunFilter, SeriesQuestion, SeriesRows, SharedWatch, Standing, Store,
    StoreError, StoredDefinition, TablePage, TableQuery,
};
use crate::{
    database::RetryPolicy,
    identity::ApiKey,
    metric::{MetricKey, Record},
};

pub(super) struct Retrying<S> {
    pub(super) store: S,
    pub(super) policy: RetryPolicy,
}

/// Calls a method of the wrapped store until it succeeds, fails for good, or has been retried often enough.
macro_rules! retry {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        $self.policy.run(StoreError::is_transient, || $self.store.$method($($argument),*)).await
    };
}

#[async_trait]
impl<S: Store> Store for Retrying<S> {
    fn location(&self) -> String {
        self.store.location()
    }

    async fn migrate(&self) -> Result<MigrationNames, StoreError> {
        retry!(self.migrate())
    }

    async fn pending_migrations(&self) -> Result<MigrationNames, StoreError> {
        retry!(self.pending_migrations())
    }

    async fn definitions(&self) -> Result<Vec<StoredDefinition>, StoreError> {
        retry!(self.definitions())
    }

    async fn change_definitions(
        &self,
        changes: &[DefinitionChange],
        by: Origin,
        now: Timestamp,
    ) -> Result<DefinitionsChanged, StoreError> {
        retry!(self.change_definitions(changes, by, now))
    }

    async fn try_lock(&self, name: &LockName) -> Result<Option<Box<dyn Held>>, StoreError> {
        retry!(self.try_lock(name))
    }

    async fn start_run(&self, run: &NewRun) -> Result<(), StoreError> {
        retry!(self.start_run(run))
    }

    async fn commit(
        &self,
        records: &[Record],
        finish: Option<&Finish>,
    ) -> Result<Vec<(Date, MetricKey)>, StoreError> {
        retry!(self.commit(records, finish))
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StoreError> {
        retry!(self.runs(filter))
    }

    async fn recorded(&self, from: Date, to: Date) -> Result<RecordedDays, StoreError> {
        retry!(self.recorded(from, to))
    }

    async fn records(
        &self,
        from: Date,
        to: Date,
        categories: Option<&[String]>,
    ) -> Result<Vec<Record>, StoreError> {
        retry!(self.records(from, to, categories))
    }

    async fn recorded_span(&self) -> Result<Option<(Date, Date)>, StoreError> {
        retry!(self.recorded_span())
    }

    async fn standing(&self, day: Date, never: &[Date]) -> Result<Standing, StoreError> {
        retry!(self.standing(day, never))
    }

    async fn definition_versions(&self) -> Result<Vec<DefinitionVersion>, StoreError> {
        retry!(self.definition_versions())
    }

    async fn series(&self, question: &SeriesQuestion) -> Result<SeriesRows, StoreError> {
        retry!(self.series(question))
    }

    async fn latest(&self, metrics: &[MetricKey]) -> Result<Vec<Latest>, StoreError> {
        retry!(self.latest(metrics))
    }

    async fn run(&self, id: Uuid) -> Result<Option<Run>, StoreError> {
        retry!(self.run(id))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }

    fn watch(&self) -> SharedWatch {
        self.store.watch()
    }

    async fn table(&self, query: &TableQuery) -> Result<TablePage, StoreError> {
        retry!(self.table(query))
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        retry!(self.api_keys())
    }

    async fn api_key(&self, id: Uuid) -> Result<Option<ApiKey>, StoreError> {
        retry!(self.api_key(id))
    }

    async fn add_api_key(&self, key: &ApiKey) -> Result<bool, StoreError> {
        retry!(self.add_api_key(key))
    }

    async fn revoke_api_key(&self, id: Uuid, at: Timestamp) -> Result<bool, StoreError> {
        retry!(self.revoke_api_key(id, at))
    }

    async fn touch_api_keys(&self, uses: &[(Uuid, Timestamp)]) -> Result<(), StoreError> {
        retry!(self.touch_api_keys(uses))
    }
}
