//! The simulated platform's database: the schema of an ordinary application, without anything of Daymark's.

use std::path::Path;

use sqlx::{
    ConnectOptions, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

const SCHEMA: &str = include_str!("platform.sql");

/// Creates the database file and its tables.
///
/// # Errors
/// When the file cannot be created or already has these tables.
pub async fn create(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        // After a crash the simulation is repeated, so durability is not needed. A WAL would write every page twice.
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off)
        // In KiB, negative by SQLite's convention: 64 MiB hold the whole platform of the default 420 days.
        .pragma("cache_size", "-65536")
        .connect()
        .await?;
    sqlx::raw_sql(SCHEMA).execute(&mut connection).await?;
    Ok(connection)
}
