//! The description of a backup.

use std::{fs, io, path::Path};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{error::BackupError, regular_file::open_regular};
use crate::store::StoreContents;

/// The file of the manifest in a backup's directory.
pub const MANIFEST: &str = "manifest.json";
/// The version of the layout of a backup.
const LAYOUT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub layout: u32,
    pub created_at: Timestamp,
    /// The version of the binary.
    pub made_by: String,
    /// What the copy is: `sqlite`, a file of SQLite, or `postgresql:<schema>`, an archive of pg_dump.
    pub format: String,
    /// The size of the copy.
    pub bytes: u64,
    /// Of the copy, in hexadecimal.
    pub sha256: String,
    pub contents: StoreContents,
}

impl Manifest {
    pub(super) fn new(
        created_at: Timestamp,
        format: String,
        bytes: u64,
        sha256: String,
        contents: StoreContents,
    ) -> Self {
        let made_by = env!("CARGO_PKG_VERSION").to_owned();
        Self { layout: LAYOUT, created_at, made_by, format, bytes, sha256, contents }
    }

    /// Whether a release after this binary's made it.
    pub(super) fn is_of_newer_release(&self) -> bool {
        release(&self.made_by) > release(env!("CARGO_PKG_VERSION"))
    }

    pub(super) fn write(&self, directory: &Path) -> Result<(), BackupError> {
        let path = directory.join(MANIFEST);
        let written = serde_json::to_string_pretty(self).map_err(std::io::Error::from);
        let written = written.and_then(|text| fs::write(&path, text + "\n"));
        let synced = written.and_then(|()| fs::File::open(&path)?.sync_all());
        synced.map_err(|error| BackupError::Io { path: path.display().to_string(), error })
    }

    /// # Errors
    /// When there is none, or one that this version does not know.
    pub fn read(directory: &Path) -> Result<Self, BackupError> {
        let path = || directory.display().to_string();
        let text = open_regular(&directory.join(MANIFEST)).and_then(io::read_to_string);
        let text = text.map_err(|error| BackupError::NoBackup {
            path: path(),
            problem: format!("{MANIFEST} cannot be read ({error})"),
        })?;
        let manifest: Self = serde_json::from_str(&text).map_err(|error| BackupError::Damaged {
            path: path(),
            problem: format!("{MANIFEST}: {error}"),
        })?;
        if manifest.layout > LAYOUT {
            return Err(BackupError::Newer { path: path(), made_by: manifest.made_by });
        }
        Ok(manifest)
    }
}

/// The numbers of a version; none where it is not one of ours.
fn release(version: &str) -> Option<Vec<u64>> {
    version.split('.').map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::release;

    #[test]
    fn releases_are_compared_by_their_numbers() {
        assert!(release("0.10.0") > release("0.9.7"));
        assert!(release("1.0.0") > release("0.10.0"));
        assert!(release("a version") < release("0.0.1"), "what is unknown is not newer");
    }
}
