//! The backups of a directory, as far as they can be found without reading their copies.

use std::{fs, io, path::Path};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use super::{
    error::BackupError,
    layout::{Backup, COPY, NAMED_AT, PREFIX},
    manifest::{MANIFEST, Manifest},
};

/// What a directory of backups holds.
#[derive(Debug)]
pub struct FoundBackups {
    /// The newest one whose copy has the size that its manifest says.
    pub newest: Option<Backup>,
    /// Those that were made later and cannot be restored, newest first.
    pub unusable: Vec<Unusable>,
}

/// A directory with the name of a backup that cannot be restored.
#[derive(Debug)]
pub struct Unusable {
    pub name: String,
    pub problem: String,
    made_at: Timestamp,
}

/// Finds the newest backup in `directory`. Its copy is not read: `restore` compares its hash.
///
/// # Errors
/// When the directory is missing or cannot be listed.
pub fn find(directory: &Path) -> io::Result<FoundBackups> {
    let mut newest: Option<Backup> = None;
    let mut unusable = Vec::new();
    for entry in fs::read_dir(directory)?.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        let Some(time) = name.strip_prefix(PREFIX).filter(|_| path.is_dir()) else { continue };
        let (made_at, problem) = match Manifest::read(&path) {
            Ok(manifest) => match copy_problem(&path, &manifest) {
                Some(problem) => (Some(manifest.created_at), problem),
                None => {
                    if newest.as_ref().is_none_or(|known| known.manifest.created_at <= manifest.created_at) {
                        newest = Some(Backup { path, manifest });
                    }
                    continue;
                }
            },
            // A newer release can restore it.
            Err(BackupError::Newer { .. }) => continue,
            Err(_) => (named_at(time), format!("its {MANIFEST} is missing or cannot be read")),
        };
        // A directory without a manifest and without a time in its name was not made by `daymark backup`.
        unusable.extend(made_at.map(|made_at| Unusable { name, problem, made_at }));
    }
    let since = newest.as_ref().map(|backup| backup.manifest.created_at);
    unusable.retain(|backup| since.is_none_or(|since| backup.made_at > since));
    unusable.sort_by_key(|backup| std::cmp::Reverse(backup.made_at));
    Ok(FoundBackups { newest, unusable })
}

fn copy_problem(path: &Path, manifest: &Manifest) -> Option<String> {
    match fs::metadata(path.join(COPY)) {
        Ok(copy) if copy.len() == manifest.bytes => None,
        Ok(copy) => {
            Some(format!("its copy has {} bytes, and its manifest says {}", copy.len(), manifest.bytes))
        }
        Err(error) => Some(format!("its copy cannot be read ({error})")),
    }
}

fn named_at(time: &str) -> Option<Timestamp> {
    let time = DateTime::strptime(NAMED_AT, time).ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}
