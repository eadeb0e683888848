//! Locks: locked files in a directory beside the store. The kernel releases them when their process ends.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use jiff::SignedDuration;
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};

use super::SqliteStore;
use crate::store::{Held, LockName, StoreError};

/// Lock files and the store are for the user who runs Daymark: another user could hold a lock for ever, or read the hashes of keys.
pub(super) const OF_OWNER: u32 = 0o600;

struct HeldFile {
    path: PathBuf,
    /// The file, which is locked as long as it is open.
    file: File,
}

#[async_trait]
impl Held for HeldFile {
    async fn is_held(&self) -> bool {
        is_still_at(&self.file, &self.path).unwrap_or(false)
    }

    /// The time of the file's last change is the heartbeat.
    async fn beat(&self) {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let _ = futimens(&self.file, &Timestamps { last_access: now, last_modification: now });
    }
}

impl Drop for HeldFile {
    /// The file goes while it is still locked, so that no other process's is removed. If it cannot be removed it stays,
    /// which does no harm.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl SqliteStore {
    pub(super) async fn lock_named(&self, name: &LockName) -> Result<Option<Box<dyn Held>>, StoreError> {
        self.pool().await?;
        let path = self.created_lock_directory()?.join(self.lock_file(name));
        match try_lock(&path) {
            Ok(held) => Ok(held.map(|held| Box::new(held) as Box<dyn Held>)),
            Err(error) => Err(self.io_failed(&path, &error)),
        }
    }

    /// Whether a process holds the lock. The check creates no file, and takes a shared lock, so that concurrent checks do not
    /// report each other.
    pub(super) fn is_locked(&self, name: &LockName) -> Result<bool, StoreError> {
        let path = self.lock_directory()?.join(self.lock_file(name));
        is_locked(&path).map_err(|error| self.io_failed(&path, &error))
    }

    /// How long ago the file of the lock was changed, if it is locked.
    pub(super) fn lock_file_age(&self, name: &LockName) -> Result<Option<SignedDuration>, StoreError> {
        let path = self.lock_directory()?.join(self.lock_file(name));
        let age = is_locked(&path).and_then(|is_locked| match is_locked {
            true => fs::metadata(&path)?.modified().map(Some),
            false => Ok(None),
        });
        match age {
            // A time in the future is that of a clock that was set back.
            Ok(changed_at) => {
                Ok(changed_at.map(|at| at.elapsed().unwrap_or_default()).and_then(|age| age.try_into().ok()))
            }
            // Its holder has removed it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.io_failed(&path, &error)),
        }
    }

    /// The process whose number is in the lock's file, if it is locked.
    pub(super) fn locking_process(&self, name: &LockName) -> Result<Option<String>, StoreError> {
        let path = self.lock_directory()?.join(self.lock_file(name));
        if !is_locked(&path).map_err(|error| self.io_failed(&path, &error))? {
            return Ok(None);
        }
        // Its holder may be about to write the number, or have removed the file.
        let number = fs::read_to_string(&path).ok().filter(|number| !number.is_empty());
        Ok(number.map(|number| format!("process {number} on this machine")))
    }

    fn lock_file(&self, name: &LockName) -> String {
        format!("{}.{name}", file_name(&self.tenant))
    }

    pub(super) fn created_lock_directory(&self) -> Result<PathBuf, StoreError> {
        let directory = self.lock_directory()?;
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&directory).map_err(|error| self.io_failed(&directory, &error))?;
        Ok(directory)
    }

    /// `<store>-locks`; the same one however the store's path is written.
    fn lock_directory(&self) -> Result<PathBuf, StoreError> {
        let path = settled(&self.path).map_err(|error| self.io_failed(&self.path, &error))?;
        let mut name = path.into_os_string();
        name.push("-locks");
        Ok(PathBuf::from(name))
    }
}

/// `path` without symbolic links and relative parts. The file need not exist yet; its directory must.
fn settled(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        settled => return settled,
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = fs::canonicalize(directory.unwrap_or(Path::new(".")))?;
    Ok(path.file_name().map_or_else(|| directory.clone(), |name| directory.join(name)))
}

fn try_lock(path: &Path) -> io::Result<Option<HeldFile>> {
    loop {
        let file = File::options().create(true).truncate(false).write(true).mode(OF_OWNER).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Its last holder may have removed the file after it was opened here. A lock on it would exclude no other process.
        if is_still_at(&file, path)? {
            // For the message of a process that finds it locked. Not even a full disk keeps the lock from being held.
            let _ =
                file.set_len(0).and_then(|()| (&file).write_all(std::process::id().to_string().as_bytes()));
            return Ok(Some(HeldFile { path: path.to_owned(), file }));
        }
    }
}

fn is_locked(path: &Path) -> io::Result<bool> {
    loop {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        match file.try_lock_shared() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if is_still_at(&file, path)? {
            return Ok(false);
        }
    }
}

fn is_still_at(file: &File, path: &Path) -> io::Result<bool> {
    let opened = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// `tenant` encoded so that any text can be part of a file name.
fn file_name(tenant: &str) -> String {
    tenant
        .chars()
        .map(
            |c| {
                if c.is_ascii_alphanumeric() || c == '_' { c.to_string() } else { format!("%{:x}", c as u32) }
            },
        )
        .collect()
}
