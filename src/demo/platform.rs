//! The database of the simulated platform: the schema of an ordinary application, without tables of Daymark.

use std::path::Path;

use sqlx::{
    ConnectOptions, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

/// Creates the database file and its tables, which the statements in `schema` make.
///
/// # Errors
/// When the file cannot be created or already has these tables.
pub async fn create(path: &Path, schema: &'static str) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        // Durability is not needed, because the simulation can be repeated after a crash. A WAL would write every page
        // twice.
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off)
        // 64 MiB, in KiB and negative by SQLite's convention, contain the whole platform of the default 420 days.
        .pragma("cache_size", "-65536")
        .connect()
        .await?;
    sqlx::raw_sql(schema).execute(&mut connection).await?;
    Ok(connection)
}
