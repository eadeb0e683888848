//! The simulated platform's database: an ordinary application's schema, which knows nothing of Daymark.

use std::path::Path;

use sqlx::{
    ConnectOptions, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

const SCHEMA: &str = include_str!("platform.sql");

/// Makes the database file and its tables.
///
/// # Errors
/// When the file cannot be made or already has these tables.
pub async fn create(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        // A simulation that is lost in a crash is simulated again. A WAL would write every page twice.
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off)
        // In KiB, negative by SQLite's convention: all of the platform stays in memory while it is made.
        .pragma("cache_size", "-65536")
        .connect()
        .await?;
    sqlx::raw_sql(SCHEMA).execute(&mut connection).await?;
    Ok(connection)
}
