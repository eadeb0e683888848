//! Bringing the file and its tables up to date. This is the only place where the file is created.

use std::{fs::File, io, os::unix::fs::OpenOptionsExt};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection,
    migrate::{MigrateError, Migrator},
};

use super::{SqliteStore, connection::options, lock::OF_OWNER};
use crate::{
    database::FaultClass,
    store::{
        MigrationNames, StoreError,
        migrations::{Applied, SELECT_APPLIED, migrator, pending},
    },
};

/// The migrations in the order of their application. A released file is never changed, because its checksum is stored.
pub(super) const FILES: &[(&str, &str)] = &[
    ("0001_tables", include_str!("migrations/0001_tables.sql")),
    ("0002_immutability", include_str!("migrations/0002_immutability.sql")),
    ("0003_access", include_str!("migrations/0003_access.sql")),
    ("0004_alerts", include_str!("migrations/0004_alerts.sql")),
    ("0005_old_events", include_str!("migrations/0005_old_events.sql")),
];

impl SqliteStore {
    pub(super) async fn unapplied_migrations(&self) -> Result<MigrationNames, StoreError> {
        let known = migrator(FILES);
        if !self.file_exists()? {
            return pending(&self.location, &known, &[]);
        }
        let mut connection = self.pool.acquire().await.map_err(|error| self.failed(error))?;
        self.pending_in(&mut connection, &known).await
    }

    pub(super) async fn apply_migrations(&self) -> Result<MigrationNames, StoreError> {
        self.file_exists()?;
        let _turn = self.await_turn().await?;
        self.create_file()?;
        let mut connection = options(&self.path, self.durability)
            .create_if_missing(true)
            .connect()
            .await
            .map_err(|error| self.failed(error))?;
        let known = migrator(FILES);
        let applied = self.pending_in(&mut connection, &known).await?;
        known.run_direct(None, &mut connection, false).await.map_err(|error| self.migration_failed(error))?;
        connection.close().await.map_err(|error| self.failed(error))?;
        Ok(applied)
    }

    /// Creates the file where it is missing, for its owner alone. SQLite gives the files beside it the same mode.
    fn create_file(&self) -> Result<(), StoreError> {
        let mut options = File::options();
        options.create_new(true).write(true).mode(OF_OWNER);
        match options.open(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(self.io_failed(&self.path, &error))
            }
            _ => Ok(()),
        }
    }

    /// Waits until no other process migrates this file; dropping the result lets the next one have its turn. The lock
    /// file stays: a process that waits for it has it open.
    async fn await_turn(&self) -> Result<File, StoreError> {
        let path = self.created_lock_directory()?.join("migrate");
        let mut options = File::options();
        options.create(true).truncate(false).write(true).mode(OF_OWNER);
        let file = options.open(&path).map_err(|error| self.io_failed(&path, &error))?;
        let waiting = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
        let failed = |error| self.io_failed(&path, &error);
        waiting.await.map_err(|error| failed(error.into()))?.map_err(failed)
    }

    async fn pending_in(
        &self,
        connection: &mut SqliteConnection,
        known: &Migrator,
    ) -> Result<MigrationNames, StoreError> {
        let applied = applied(connection).await.map_err(|error| self.failed(error))?;
        pending(&self.location, known, &applied)
    }

    fn migration_failed(&self, error: MigrateError) -> StoreError {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => self.failed(error),
            other => self.fault(FaultClass::Other, other.to_string()),
        }
    }
}

async fn applied(connection: &mut SqliteConnection) -> Result<Vec<Applied>, sqlx::Error> {
    let exists: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')")
            .fetch_one(&mut *connection)
            .await?;
    if !exists {
        return Ok(Vec::new());
    }
    sqlx::query_as(SELECT_APPLIED).fetch_all(connection).await
}
