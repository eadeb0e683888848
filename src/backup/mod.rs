//! Backups of the store: a directory for each, with a copy of the store and a manifest that says what the copy holds. A copy is
//! read back before its backup gets its name, and compared with the manifest before and after it is restored.

mod error;
mod layout;
mod manifest;
mod newest;
mod regular_file;

use std::{
    fs::{self, File, Permissions},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

pub use self::{
    error::BackupError,
    layout::Backup,
    manifest::{MANIFEST, Manifest},
    newest::{FoundBackups, Unusable, find},
};
use self::{
    layout::{COPY, NAMED_AT, PREFIX},
    regular_file::open_regular,
};
use crate::store::{MigrationNames, Store, StoreContents};

/// How much of a file is read at once.
const CHUNK_BYTES: usize = 1 << 20;
/// A store that was made of a backup.
#[derive(Debug, Clone)]
pub struct Restored {
    pub manifest: Manifest,
    /// The migrations that the store of the backup did not have yet.
    pub migrated: MigrationNames,
}

/// Copies the store into a new directory in `directory`, which is created where it is missing. The directory gets its name when
/// the copy has been read back; an incomplete one begins with a dot, and is removed unless the process is killed.
///
/// # Errors
/// When the store fails, the copy is not what the store holds, or the disk is full.
pub async fn back_up(store: &dyn Store, directory: &Path, now: Timestamp) -> Result<Backup, BackupError> {
    // The error of the next line would say that the file exists.
    if directory.exists() && !directory.is_dir() {
        return Err(io_error(directory)(io::ErrorKind::NotADirectory.into()));
    }
    fs::create_dir_all(directory).map_err(io_error(directory))?;
    // Only its owner may read it, whatever the umask: it has hashes of API keys.
    let mut builder = tempfile::Builder::new();
    builder.prefix(".daymark-").permissions(Permissions::from_mode(0o700));
    let work = builder.tempdir_in(directory).map_err(io_error(directory))?;
    let copy = work.path().join(COPY);
    let contents = store.copy_to(&copy).await?;
    fs::set_permissions(&copy, Permissions::from_mode(0o600)).map_err(io_error(&copy))?;
    let (bytes, sha256) = fingerprint(&copy).await?;
    let format = store.copy_format();
    let manifest = Manifest::new(now, format, bytes, sha256, contents);
    manifest.write(work.path())?;
    let described = work.path().join(MANIFEST);
    fs::set_permissions(&described, Permissions::from_mode(0o600)).map_err(io_error(&described))?;
    let name = format!("{PREFIX}{}", now.strftime(NAMED_AT));
    let path = directory.join(name);
    if path.exists() {
        let error = io::Error::new(io::ErrorKind::AlreadyExists, "there is a backup of this second already");
        return Err(BackupError::Io { path: path.display().to_string(), error });
    }
    fs::rename(work.path(), &path).map_err(io_error(&path))?;
    // It has another name now, so there is nothing left to remove.
    let _ = work.keep();
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(io_error(directory))?;
    Ok(Backup { path, manifest })
}

/// Creates the store, which must not exist yet, from the backup in `path`, and migrates it, because an earlier release may have
/// made the backup.
///
/// # Errors
/// When the backup is damaged, there is a store already, or what was restored differs from the backup.
pub async fn restore(store: &dyn Store, path: &Path) -> Result<Restored, BackupError> {
    let manifest = Manifest::read(path)?;
    let shown = || path.display().to_string();
    // Before anything is made: the store might have migrations that this binary does not know.
    if manifest.is_of_newer_release() {
        return Err(BackupError::Newer { path: shown(), made_by: manifest.made_by });
    }
    let wanted = store.copy_format();
    if manifest.format != wanted {
        return Err(BackupError::OtherFormat { path: shown(), of: manifest.format, wanted });
    }
    let copy = path.join(COPY);
    let (bytes, sha256) = fingerprint(&copy).await?;
    if (bytes, &sha256) != (manifest.bytes, &manifest.sha256) {
        let problem = format!(
            "its copy has {bytes} bytes with another hash than its manifest ({} bytes)",
            manifest.bytes
        );
        return Err(BackupError::Damaged { path: shown(), problem });
    }
    store.restore_from(&copy).await?;
    let migrated = store.migrate().await?;
    match store.contents().await? {
        restored if restored == manifest.contents => Ok(Restored { manifest, migrated }),
        restored => Err(BackupError::Differs(difference(&manifest.contents, &restored))),
    }
}

fn difference(of_backup: &StoreContents, restored: &StoreContents) -> String {
    let counts = |contents: &StoreContents| {
        [contents.records(), contents.runs, contents.definition_versions, contents.revisions]
    };
    let changed = of_backup.metrics.iter().find(|metric| !restored.metrics.contains(metric));
    match changed {
        Some(metric) => format!("the records of {} `{}`", metric.metric_type, metric.metric_category),
        None => format!(
            "records, runs, versions and revisions are {:?} in the backup and {:?} in the store",
            counts(of_backup),
            counts(restored)
        ),
    }
}

/// The size and the hash of a file.
async fn fingerprint(file: &Path) -> Result<(u64, String), BackupError> {
    let path = file.to_owned();
    let hashing = tokio::task::spawn_blocking(move || -> io::Result<(u64, String)> {
        let (mut file, mut hash, mut bytes) = (open_regular(&path)?, Sha256::new(), 0);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = file.read(&mut chunk)?;
            if read == 0 {
                return Ok((bytes, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()));
            }
            hash.update(&chunk[..read]);
            bytes += read as u64;
        }
    });
    hashing.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(io_error(file))
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> BackupError + use<'_> {
    move |error| BackupError::Io { path: path.display().to_string(), error }
}
