//! Daymark's own tables: definitions, the collection log and the records. One contract, [`Store`] in `contract/`, and two
//! stores, in `postgres/` and `sqlite/`, that pass the same conformance suite.
//!
//! **Architecture Invariant:** nothing above this layer writes SQL against Daymark's tables.
//! **Architecture Invariant:** the contract has no way to change or delete a record or a finished log entry, and the
//! databases refuse it too.

mod contract;
mod definition_writes;
mod error;
mod migrations;
mod outbox;
mod postgres;
mod row;
mod sqlite;

use std::{path::Path, sync::Arc, time::Duration};

pub use contract::*;
use contract::{confirm_orphans, record_count};
pub use error::StoreError;

use crate::database::{DatabaseUrl, RetryPolicy};

/// The PostgreSQL schema that holds Daymark's tables unless another one is configured.
pub const DEFAULT_SCHEMA: &str = "daymark";

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Whose records these are. Satisfies [`crate::metric::is_name`].
    pub tenant: String,
    /// The PostgreSQL schema of the tables; SQLite has none.
    pub schema: String,
    /// How often a call is tried again after a transient failure.
    pub retry: RetryPolicy,
    /// How long a statement may take. Where there is a limit a client waits for the answer, so that connecting to a server
    /// that is away is given up sooner, too.
    pub statement_timeout: Option<Duration>,
}

/// The store at `url`. Nothing is connected to or created yet: the first call reports what is wrong with it.
/// Must be called within a Tokio runtime.
pub fn open(url: &DatabaseUrl, options: StoreOptions) -> Arc<dyn Store> {
    match url {
        DatabaseUrl::Postgres { options: connection, shown, .. } => {
            Arc::new(postgres::PostgresStore::new(connection, shown, options))
        }
        DatabaseUrl::Sqlite(path) => {
            Arc::new(sqlite::SqliteStore::new(path, sqlite::Durability::Disk, options))
        }
    }
}

/// The store in the SQLite file at `path`, as [`open`] opens it, except that its commits do not wait for the disk and are
/// lost when the power fails. For a store that can be made again, such as a demonstration's.
pub fn open_without_waiting(path: &Path, options: StoreOptions) -> Arc<dyn Store> {
    Arc::new(sqlite::SqliteStore::new(path, sqlite::Durability::Process, options))
}
