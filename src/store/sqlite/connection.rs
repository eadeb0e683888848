//! Connections to the file, and what every one of them has set.

use std::{io, path::Path, time::Duration};

use sqlx::{
    ConnectOptions, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    SqliteStore,
    table::{DECIMAL_COLLATION, compare_decimals},
};
use crate::{database::FaultClass, store::StoreError};

/// One that writes and one that reads meanwhile; each one is a thread and a page cache.
const MAX_CONNECTIONS: u32 = 2;
/// Rows that the connection's thread may be ahead of whoever reads them: more of them, fewer changes of thread.
const ROW_BUFFER: usize = 500;
/// How long a statement waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a commit waits for.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum Durability {
    /// The disk: what is committed is there, even if the power fails next.
    Disk,
    /// Nothing: it survives the process, but not the power.
    Process,
}

/// Options that open the file but do not create it.
pub(super) fn options(path: &Path, durability: Durability) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(match durability {
            Durability::Disk => SqliteSynchronous::Full,
            Durability::Process => SqliteSynchronous::Off,
        })
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // Journals of single statements; each writes a thousand records at most.
        .pragma("temp_store", "memory")
        .row_buffer_size(ROW_BUFFER)
        .collation(DECIMAL_COLLATION, compare_decimals)
        .disable_statement_logging()
}

pub(super) fn pool(options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        // A file does not hang up.
        .test_before_acquire(false)
        .connect_lazy_with(options)
}

impl SqliteStore {
    /// The pool, once the store is known to be migrated.
    pub(super) async fn pool(&self) -> Result<&SqlitePool, StoreError> {
        self.migrated.get_or_try_init(|| self.check_migrated()).await?;
        Ok(&self.pool)
    }

    async fn check_migrated(&self) -> Result<(), StoreError> {
        let pending = self.pending_migrations().await?;
        if pending.is_empty() {
            return Ok(());
        }
        Err(StoreError::NotMigrated { location: self.location.clone(), pending })
    }

    /// # Errors
    /// When the directory that the file is in, or would be in, does not exist or cannot be looked into, or when it is
    /// a directory itself.
    pub(super) fn file_exists(&self) -> Result<bool, StoreError> {
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        match (directory.is_dir(), self.path.try_exists()) {
            (true, Ok(true)) if self.path.is_dir() => {
                let message = "it is a directory; name a file, which may be in it".to_owned();
                Err(self.fault(FaultClass::Other, message))
            }
            (true, Ok(exists)) => Ok(exists),
            (false, Ok(_)) => {
                let message = format!(
                    "the directory {} does not exist; create it, or name another file",
                    directory.display()
                );
                Err(self.fault(FaultClass::Other, message))
            }
            (_, Err(error)) => Err(self.io_failed(&self.path, &error)),
        }
    }

    pub(super) fn io_failed(&self, path: &Path, error: &io::Error) -> StoreError {
        let class = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => FaultClass::Denied,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FaultClass::Full,
            _ => FaultClass::Other,
        };
        self.fault(class, format!("{}: {error}", path.display()))
    }
}
