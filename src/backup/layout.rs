//! Where the files of a backup are.

use std::path::PathBuf;

use super::manifest::Manifest;

/// The file of the copy in a backup's directory.
pub(super) const COPY: &str = "store";
/// The beginning of the names of backups.
pub(super) const PREFIX: &str = "daymark-";
/// The time in the name of a backup, in UTC.
pub(super) const NAMED_AT: &str = "%Y%m%dT%H%M%SZ";

/// A backup that is complete.
#[derive(Debug, Clone)]
pub struct Backup {
    pub path: PathBuf,
    pub manifest: Manifest,
}
