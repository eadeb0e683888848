//! Connections to the file, and the settings of each connection.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, Instant},
};

use log::LevelFilter;
use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::decimal_order::{DECIMAL_COLLATION, compare_decimals};

/// The number of connections: one writes while another reads. Each one costs a thread and a page cache.
const MAX_CONNECTIONS: u32 = 2;
/// The number of rows that the connection's thread may be ahead of the reader; more of them mean fewer changes of thread.
const ROW_BUFFER: usize = 500;
/// How long a statement waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The number of SQLite's virtual machine instructions between checks of the time limit; they take about a millisecond.
const STEPS: i32 = 20_000;

/// The identity of a file: its device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FileId(u64, u64);

impl FileId {
    pub fn of(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        Ok(Self(file.dev(), file.ino()))
    }
}

/// How durable a commit is when it returns.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum Durability {
    /// The disk: a commit survives a power failure.
    Disk,
    /// Nothing: a commit survives the process, but not a power failure.
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
    // A connection to a file does not break, so it is not tested before use. It stays open, because the WAL index, in which commits are detected, exists only while a connection is open.
    let pool = SqlitePoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        // The driver would log each wait of two seconds for a connection, about which an operator can do nothing.
        .acquire_slow_level(LevelFilter::Off)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None);
    pool.after_connect(move |connection, _| Box::pin(interrupt_after(connection, statement_timeout)))
        .before_acquire(move |connection, _| {
            Box::pin(async move {
                // SQLite itself rolls a transaction back when its disk is full, cannot be read or written, or a statement is
                // interrupted. The driver's own ROLLBACK fails then, and the driver counts the transaction as open for as long
                // as the connection lives, so that the connection can begin no other. `false` closes it.
                if connection.is_in_transaction() {
                    return Ok(false);
                }
                interrupt_after(connection, statement_timeout).await.map(|()| true)
            })
        })
        .connect_lazy_with(options)
}

/// Limits the time of what is done until the connection is taken again, which is one statement or one transaction.
async fn interrupt_after(
    connection: &mut SqliteConnection,
    limit: Option<Duration>,
) -> Result<(), sqlx::Error> {
    let Some(limit) = limit else { return Ok(()) };
    let started = Instant::now();
    connection.lock_handle().await?.set_progress_handler(STEPS, move || started.elapsed() < limit);
    Ok(())
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::database::{Fault, FaultClass};

    #[tokio::test]
    async fn a_statement_is_interrupted_at_its_limit_and_its_connection_stays_usable() {
        let directory = tempfile::tempdir().unwrap();
        let options = options(&directory.path().join("store.db"), Durability::Disk).create_if_missing(true);
        let pool = pool(options, Some(Duration::from_millis(300)));
        // The statement takes many seconds and then ends, so that a failing test ends too.
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

    /// Begins and commits as many transactions at once as there are connections, so that each of them is used.
    async fn assert_every_connection_can_write(pool: &SqlitePool) {
        let mut transactions = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            transactions.push(pool.begin_with("BEGIN").await.unwrap());
        }
        for mut transaction in transactions {
            sqlx::query("INSERT INTO note VALUES (zeroblob(1))").execute(&mut *transaction).await.unwrap();
            transaction.commit().await.unwrap();
        }
    }

    async fn pool_with_a_table(
        directory: &tempfile::TempDir,
        statement_timeout: Option<Duration>,
    ) -> SqlitePool {
        let options = options(&directory.path().join("store.db"), Durability::Disk).create_if_missing(true);
        let pool = pool(options, statement_timeout);
        sqlx::query("CREATE TABLE note (body BLOB)").execute(&pool).await.unwrap();
        pool
    }

    /// The statement fails with the error of a full disk, because the connection may add no pages to the file.
    #[tokio::test]
    async fn transactions_work_again_after_one_that_found_the_disk_full() {
        let directory = tempfile::tempdir().unwrap();
        let pool = pool_with_a_table(&directory, None).await;
        for _ in 0..=MAX_CONNECTIONS {
            let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
            sqlx::query("PRAGMA max_page_count = 1").execute(&mut *transaction).await.unwrap();
            let insert = sqlx::query("INSERT INTO note VALUES (zeroblob(100000))");
            let error = insert.execute(&mut *transaction).await.expect_err("the file has grown");
            assert_eq!(error.as_database_error().unwrap().code().unwrap(), "13");
            drop(transaction);
            let rows = sqlx::query_scalar("SELECT count(*) FROM note").fetch_one(&pool).await;
            assert_eq!(rows.ok(), Some(0_i64), "SQLite rolled the transaction back");
        }
        assert_every_connection_can_write(&pool).await;
    }

    #[tokio::test]
    async fn transactions_work_again_after_one_whose_statement_was_interrupted() {
        let directory = tempfile::tempdir().unwrap();
        let pool = pool_with_a_table(&directory, Some(Duration::from_millis(300))).await;
        let long = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000000)
                    INSERT INTO note SELECT count(*) FROM n";
        for _ in 0..=MAX_CONNECTIONS {
            let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
            let error =
                sqlx::query(long).execute(&mut *transaction).await.map(drop).expect_err("nothing ended it");
            assert_eq!(Fault::from(error).class, FaultClass::TimedOut);
        }
        assert_every_connection_can_write(&pool).await;
    }

    /// The driver logs a wait of more than two seconds by default.
    #[tokio::test]
    async fn a_long_wait_for_a_connection_is_not_logged() {
        let (written, lines) = std::sync::mpsc::channel::<String>();
        let written = Mutex::new(written);
        let layer = tracing_subscriber::fmt::layer().with_writer(move || LineSender(written.lock().clone()));
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let directory = tempfile::tempdir().unwrap();
        let options = options(&directory.path().join("store.db"), Durability::Disk).create_if_missing(true);
        let pool = pool(options, None);
        let held = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        let waiting = async { drop(pool.acquire().await.unwrap()) };
        let releasing = async {
            // This wait is what is tested.
            tokio::time::sleep(Duration::from_millis(2100)).await;
            drop(held);
        };
        tokio::join!(waiting, releasing);
        tracing::info!("the end");
        drop(guard);
        let lines: Vec<_> = lines.try_iter().collect();
        assert!(lines.len() == 1 && lines[0].contains("the end"), "{lines:?}");
    }

    struct LineSender(std::sync::mpsc::Sender<String>);

    impl io::Write for LineSender {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(String::from_utf8_lossy(line).into_owned());
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
