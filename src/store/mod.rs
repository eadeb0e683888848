//! Daymark's own tables: definitions, the collection log and the records. One contract, [`Store`], and two stores
//! that pass the same conformance suite.
//!
//! **Architecture Invariant:** nothing above this layer writes SQL against Daymark's tables.
//! **Architecture Invariant:** the contract has no way to change or delete a record or a finished log entry, and the
//! databases refuse it too.

mod definitions;
mod error;
mod log;
mod migrations;
mod packed;
mod postgres;
mod retrying;
mod row;
mod series;
mod sqlite;
mod standing;
pub mod table;
mod watch;

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

pub use definitions::{DefinitionChange, DefinitionVersion, DefinitionsChanged, Origin, StoredDefinition};
pub use error::StoreError;
pub use log::{Finish, LockName, NewRun, Run, RunKind, RunStatus};
pub use series::{AskedMetric, Latest, LoggedRun, RecordedDay, SeriesQuestion, SeriesRows};
pub use standing::{RecordCount, Standing};
pub use table::{TablePage, TableQuery};
pub use watch::{SharedWatch, Watch};

use crate::{
    database::{DatabaseUrl, RetryPolicy},
    identity::ApiKey,
    metric::{MetricKey, Record},
};

/// The PostgreSQL schema that holds Daymark's tables unless another one is configured.
pub const DEFAULT_SCHEMA: &str = "daymark";

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Whose records these are. Satisfies [`crate::metric::is_name`].
    pub tenant: String,
    /// The PostgreSQL schema of the tables; SQLite has none.
    pub schema: String,
    /// How often a call is tried again after a passing failure.
    pub retry: RetryPolicy,
    /// How long a statement may take. Who stops waiting for an answer does not stop the statement. Where there is a limit
    /// somebody waits: connecting to a server that is away is given up soon, too.
    pub statement_timeout: Option<Duration>,
}

/// The store at `url`. Nothing is connected to or created yet: whatever is wrong with it is the first call's error.
/// Must be called within a Tokio runtime.
pub fn open(url: &DatabaseUrl, options: StoreOptions) -> Arc<dyn Store> {
    let StoreOptions { tenant, schema, retry: policy, statement_timeout } = options;
    match url {
        DatabaseUrl::Postgres { options, shown, .. } => {
            let store = postgres::PostgresStore::new(options, shown, tenant, schema, statement_timeout);
            Arc::new(retrying::Retrying { store, policy })
        }
        DatabaseUrl::Sqlite(path) => {
            let store = sqlite::SqliteStore::new(path, tenant, sqlite::Durability::Disk, statement_timeout);
            Arc::new(retrying::Retrying { store, policy })
        }
    }
}

/// The store in the SQLite file at `path`, as [`open`] opens it but for one thing: its commits do not wait for the disk, and
/// the power may take them away. For a store that can be made again, such as a demonstration's.
pub fn open_without_waiting(path: &Path, options: StoreOptions) -> Arc<dyn Store> {
    let store = sqlite::SqliteStore::new(
        path,
        options.tenant,
        sqlite::Durability::Process,
        options.statement_timeout,
    );
    Arc::new(retrying::Retrying { store, policy: options.retry })
}

/// Which records are there: the dates of each metric.
pub type RecordedDays = HashMap<MetricKey, BTreeSet<Date>>;

/// What a migration run did or would do: the names of the migrations, in order.
pub type MigrationNames = Vec<String>;

/// A lock held until this is dropped or its process dies.
pub trait Held: Send + Sync {}

/// Which log entries to look at; newest first.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    pub status: Option<RunStatus>,
    pub kind: Option<RunKind>,
    /// Only runs whose range of days overlaps `from..=to`.
    pub days: Option<(Date, Date)>,
    /// Only runs that come after the one with this start and id.
    pub after: Option<(Timestamp, Uuid)>,
    pub limit: Option<i64>,
}

/// The contract of a store, for one tenant.
#[async_trait]
pub trait Store: Send + Sync {
    /// Where the store is, for messages; without credentials.
    fn location(&self) -> String;

    /// Brings the tables up to date. Several processes may do so at once. Returns what was applied.
    async fn migrate(&self) -> Result<MigrationNames, StoreError>;

    /// What [`Store::migrate`] would apply. Every other call below fails with [`StoreError::NotMigrated`] on a store
    /// that lacks its tables.
    async fn pending_migrations(&self) -> Result<MigrationNames, StoreError>;

    /// The current version of every metric, active or not, by category.
    async fn definitions(&self) -> Result<Vec<StoredDefinition>, StoreError>;

    /// Every version of every metric, by category and version.
    async fn definition_versions(&self) -> Result<Vec<DefinitionVersion>, StoreError>;

    /// Applies all changes or none. What they make or switch on belongs to `by` from then on.
    ///
    /// # Errors
    /// [`StoreError::OfFile`] when the API is to change an active definition that is the file's.
    async fn change_definitions(
        &self,
        changes: &[DefinitionChange],
        by: Origin,
        now: Timestamp,
    ) -> Result<DefinitionsChanged, StoreError>;

    /// Takes the lock if nobody holds it, in this process or any other; does not wait.
    async fn try_lock(&self, name: &LockName) -> Result<Option<Box<dyn Held>>, StoreError>;

    /// Writes a log entry with status `running`, committed before this returns.
    async fn start_run(&self, run: &NewRun) -> Result<(), StoreError>;

    /// Commits `records` and, with them, the end of the run. A record whose day and metric are already there is left
    /// out: the first write wins. Returns the keys that were written.
    ///
    /// # Errors
    /// [`StoreError::RunFinished`] when `finish` names an entry that is no longer running; nothing is written then.
    async fn commit(
        &self,
        records: &[Record],
        finish: Option<&Finish>,
    ) -> Result<Vec<(Date, MetricKey)>, StoreError>;

    /// Log entries, newest first; of those that started at once, by id.
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StoreError>;

    /// Which records exist in `from..=to`.
    async fn recorded(&self, from: Date, to: Date) -> Result<RecordedDays, StoreError>;

    /// The records in `from..=to`, by date and category; of all metrics, or only of `categories`.
    async fn records(
        &self,
        from: Date,
        to: Date,
        categories: Option<&[String]>,
    ) -> Result<Vec<Record>, StoreError>;

    /// The records of some metrics in a range of days, and the runs that did not complete them; in one statement. Where
    /// a run seems to have died, a second one makes sure.
    async fn series(&self, question: &SeriesQuestion) -> Result<SeriesRows, StoreError>;

    /// The newest record of each of `metrics` that has one, by category, in one statement.
    async fn latest(&self, metrics: &[MetricKey]) -> Result<Vec<Latest>, StoreError>;

    /// The first and the last recorded day.
    async fn recorded_span(&self) -> Result<Option<(Date, Date)>, StoreError>;

    /// Where things stand, in one statement, which takes time with every record. Some records are counted up to and on
    /// `day`; those of dates that `never` were are not. Where the newest run seems to have died, a second statement makes
    /// sure.
    async fn standing(&self, day: Date, never: &[Date]) -> Result<Standing, StoreError>;

    /// The log entry, if there is one.
    async fn run(&self, id: Uuid) -> Result<Option<Run>, StoreError>;

    /// Whether the store can be used at this moment: reachable, with its tables. Fails at once rather than try again.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Starts to notice commits. Must be called within a Tokio runtime.
    fn watch(&self) -> SharedWatch;

    /// Rows of one of the tables as JSON; the same text, up to white space and the order of keys within a column's
    /// object, whichever database it is. One statement.
    async fn table(&self, query: &TableQuery) -> Result<TablePage, StoreError>;

    /// Every API key, revoked ones included, oldest first.
    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError>;

    /// The API key, if this tenant has it.
    async fn api_key(&self, id: Uuid) -> Result<Option<ApiKey>, StoreError>;

    /// Adds a key. `false`, and nothing is added, when a key that is not revoked has its name already.
    async fn add_api_key(&self, key: &ApiKey) -> Result<bool, StoreError>;

    /// Revokes a key; one that is revoked already stays so since then. `false` when there is no such key.
    async fn revoke_api_key(&self, id: Uuid, at: Timestamp) -> Result<bool, StoreError>;

    /// Notes when keys were used, each named once; of several times the latest is kept. Ids of no keys are passed over.
    async fn touch_api_keys(&self, uses: &[(Uuid, Timestamp)]) -> Result<(), StoreError>;
}
