//! The store on SQLite: one file, in WAL mode, and beside it a directory of lock files.

mod commit;
mod connection;
mod definitions;
mod events;
mod integrity;
mod jobs;
mod keys;
mod lock;
mod migrate;
mod records;
mod runs;
mod table;
mod upkeep;
mod watch;

use std::path::{Path, PathBuf};

pub(super) use connection::Durability;

use jiff::Timestamp;
use sqlx::SqlitePool;
use tokio::sync::OnceCell;

use super::{StoreError, StoreOptions, row};
use crate::database::{Fault, FaultClass, RetryPolicy};

pub(super) struct SqliteStore {
    path: PathBuf,
    durability: Durability,
    pool: SqlitePool,
    location: String,
    tenant: String,
    retry: RetryPolicy,
    /// The file that was seen to have exactly the migrations that this binary knows.
    migrated: OnceCell<connection::FileId>,
}

impl SqliteStore {
    pub(super) fn new(path: &Path, durability: Durability, options: StoreOptions) -> Self {
        Self {
            path: path.to_owned(),
            durability,
            pool: connection::pool(connection::options(path, durability), options.statement_timeout),
            location: format!("sqlite:{}", path.display()),
            tenant: options.tenant,
            retry: options.retry,
            migrated: OnceCell::new(),
        }
    }

    /// Repeats `attempt` after a transient failure, as often as the store's options say.
    async fn retry<T, F>(&self, attempt: impl FnMut() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.retry.run(StoreError::is_transient, attempt).await
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
