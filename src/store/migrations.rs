//! Compares the migrations that a store has with those that this binary knows. The migrations are the numbered `.sql`
//! files of each store; the driver's own table `_sqlx_migrations` lists the applied ones.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::{MigrationNames, StoreError};

/// One row of the bookkeeping table: version, description, checksum. A tuple, because `sqlx` reads tuples without its
/// derive macro, and the macro's crate compiles both drivers and SQLite a second time.
pub(super) type Applied = (i64, String, Vec<u8>);

/// The columns of [`Applied`], on either store.
pub(super) const SELECT_APPLIED: &str =
    "SELECT version, description, checksum FROM _sqlx_migrations ORDER BY version";

/// The migrations in `files`: (name as in `0001_tables`, SQL), numbered from 1 in this order.
pub(super) fn migrator(files: &[(&'static str, &'static str)]) -> Migrator {
    let migrations = (1..).zip(files).map(|(version, (name, sql))| {
        let sql = sqlx::SqlSafeStr::into_sql_str(*sql);
        Migration::new(version, Cow::Borrowed(*name), MigrationType::Simple, sql, false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // Each store takes a lock of its own, narrower than the driver's (which is a whole database's, or none).
    migrator.set_locking(false);
    migrator
}

/// The names of the migrations that are known and not applied.
///
/// # Errors
/// [`StoreError::Newer`] when one was applied that is not known, [`StoreError::Corrupt`] when one was applied that
/// reads differently now.
pub(super) fn pending(
    location: &str,
    known: &Migrator,
    applied: &[Applied],
) -> Result<MigrationNames, StoreError> {
    for (version, description, checksum) in applied {
        let Some(migration) = known.iter().find(|migration| migration.version == *version) else {
            return Err(StoreError::Newer { location: location.to_owned(), migration: description.clone() });
        };
        if *migration.checksum != *checksum {
            return Err(StoreError::Corrupt {
                location: location.to_owned(),
                what: format!(
                    "the migration `{}` that was applied differs from the one in this binary",
                    migration.description
                ),
            });
        }
    }
    let is_pending =
        |migration: &&Migration| applied.iter().all(|(version, ..)| *version != migration.version);
    Ok(known.iter().filter(is_pending).map(|migration| migration.description.to_string()).collect())
}
