//! Connections to the file, and what every one of them has set.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use log::LevelFilter;
use sqlx::{
    ConnectOptions, SqliteConnection, SqlitePool,
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

/// How many instructions of SQLite's machine are run, in about a millisecond, between looks at the time limit.
const STEPS: i32 = 20_000;

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
        // Journals of single statements; each writes a few records.
        .pragma("temp_store", "memory")
        .row_buffer_size(ROW_BUFFER)
        .collation(DECIMAL_COLLATION, compare_decimals)
        .log_statements(LevelFilter::Trace)
        .log_slow_statements(LevelFilter::Off, Duration::MAX)
}

pub(super) fn pool(options: SqliteConnectOptions, statement_timeout: Option<Duration>) -> SqlitePool {
    // A file does not hang up.
    let pool = SqlitePoolOptions::new().max_connections(MAX_CONNECTIONS).test_before_acquire(false);
    let pool = match statement_timeout {
        None => pool,
        // A connection is taken for one statement or one transaction.
        Some(limit) => pool
            .after_connect(move |connection, _| Box::pin(interrupt_after(connection, limit)))
            .before_acquire(move |connection, _| {
                Box::pin(async move { interrupt_after(connection, limit).await.map(|()| true) })
            }),
    };
    pool.connect_lazy_with(options)
}

async fn interrupt_after(connection: &mut SqliteConnection, limit: Duration) -> Result<(), sqlx::Error> {
    let started = Instant::now();
    connection.lock_handle().await?.set_progress_handler(STEPS, move || started.elapsed() < limit);
    Ok(())
}

impl SqliteStore {
    /// The pool, once the store is known to be migrated.
    pub(super) async fn pool(&self) -> Result<&SqlitePool, StoreError> {
        self.migrated.get_or_try_init(|| self.check_migrated()).await?;
        Ok(&self.pool)
    }

    async fn check_migrated(&self) -> Result<(), StoreError> {
        let pending = self.unapplied_migrations().await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Fault;

    #[tokio::test]
    async fn a_statement_is_ended_after_its_time_and_its_connection_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let options = options(&directory.path().join("store.db"), Durability::Disk).create_if_missing(true);
        let pool = pool(options, Some(Duration::from_millis(300)));
        // Takes many seconds and comes to an end: where nothing ends it, the answer says so.
        let long = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000000)
                    SELECT count(*) FROM n";
        // As often as there are connections, and once more: in each, new or used before, the time starts again.
        for _ in 0..=MAX_CONNECTIONS {
            let error = sqlx::query(long).fetch_all(&pool).await.map(drop).expect_err("nothing ended it");
            assert_eq!(Fault::from(error).class, FaultClass::TimedOut);
            let answer: i64 = sqlx::query_scalar("SELECT 7").fetch_one(&pool).await.unwrap();
            assert_eq!(answer, 7);
        }
    }
}
