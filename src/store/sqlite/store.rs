//! The store: its file, its pool and its errors.

use std::{
    io,
    path::{Path, PathBuf},
};

use sqlx::SqlitePool;
use tokio::sync::OnceCell;

use super::connection::{self, Durability, FileId};
use crate::{
    database::{Fault, FaultClass, RetryPolicy},
    store::{Store, StoreError, StoreOptions, row},
};

pub struct SqliteStore {
    pub(super) path: PathBuf,
    pub(super) durability: Durability,
    pub(super) pool: SqlitePool,
    pub(super) location: String,
    pub(super) tenant: String,
    pub(super) retry: RetryPolicy,
    /// The file that was seen to have exactly the migrations that this binary knows.
    pub(super) migrated: OnceCell<FileId>,
}

impl Store for SqliteStore {}

impl SqliteStore {
    pub fn new(path: &Path, durability: Durability, options: StoreOptions) -> Self {
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

    /// The error of the store. SQLite does not say which file it may not write to, so the message names it.
    pub(super) fn failed(&self, error: sqlx::Error) -> StoreError {
        let mut failed = row::failed(&self.location, error);
        if let StoreError::Fault { fault, .. } = &mut failed
            && fault.is_read_only_file()
            && let paths = self.unwritable()
            && !paths.is_empty()
        {
            let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
            fault.message += &format!(
                ": this user may not write to {}; run `chmod u+w {}` as their owner",
                paths.join(", "),
                paths.join(" ")
            );
        }
        failed
    }

    pub(super) fn fault(&self, class: FaultClass, message: String) -> StoreError {
        StoreError::Fault { location: self.location.clone(), fault: Fault::new(class, message) }
    }

    /// The pool, once the store is known to be migrated.
    ///
    /// # Errors
    /// Also fails if the file has been removed or replaced since, because the pool then has another file open than the
    /// store.
    pub(super) async fn pool(&self) -> Result<&SqlitePool, StoreError> {
        self.migrated.get_or_try_init(|| self.check_migrated()).await?;
        self.require_same_file()?;
        Ok(&self.pool)
    }

    /// Returns the id of the migrated file.
    async fn check_migrated(&self) -> Result<FileId, StoreError> {
        let opened = FileId::of(&self.path);
        let pending = self.unapplied_migrations().await?;
        if pending.is_empty() {
            return opened.map_err(|error| self.io_failed(&self.path, &error));
        }
        Err(StoreError::NotMigrated { location: self.location.clone(), pending })
    }

    /// # Errors
    /// When the store's path is now another file than the open one, or none. It must also be called after a commit,
    /// which may have been written to a deleted file.
    pub(super) fn require_same_file(&self) -> Result<(), StoreError> {
        let Some(opened) = self.migrated.get() else { return Ok(()) };
        let what = match FileId::of(&self.path) {
            Ok(named) if named == *opened => return Ok(()),
            Ok(_) => "replaced by another one",
            Err(error) if error.kind() == io::ErrorKind::NotFound => "removed",
            Err(error) => return Err(self.io_failed(&self.path, &error)),
        };
        let message = format!("its file was {what} while it was in use: restart Daymark");
        Err(self.fault(FaultClass::Other, message))
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
                let message = "it is a directory; name a file, for example one in that directory".to_owned();
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
