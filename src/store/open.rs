//! Opens the store that a URL names.

use std::{path::Path, sync::Arc};

use super::{Store, StoreOptions, postgres, sqlite};
use crate::database::DatabaseUrl;

/// The store at `url`. It neither connects nor creates anything: the first call reports an error of the connection.
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
