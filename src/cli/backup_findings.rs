//! The part of `daymark check` for the directory of backups.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use crate::{backup::Manifest, config::Finding, disk::free_bytes};

/// The age from which `check` warns of the newest backup.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(7 * 24);
const MIB: u64 = 1 << 20;

/// Warns of an old backup, or of none, and of a directory into which the next one cannot be written. `newest` is that of the newest
/// one in `directory`.
pub fn backup_findings(directory: &Path, newest: Option<&Manifest>, now: Timestamp) -> Vec<Finding> {
    let old = old(directory, newest.map(|manifest| manifest.created_at), now);
    let full = full(directory, newest.map_or(0, |manifest| manifest.bytes));
    old.into_iter().chain(unwritable(directory)).chain(full).collect()
}

fn old(directory: &Path, newest: Option<Timestamp>, now: Timestamp) -> Option<Finding> {
    let message = match newest {
        None => format!("there is no backup in {}", directory.display()),
        Some(newest) if now.duration_since(newest) > MAX_AGE => {
            format!("the newest backup in {} is of {newest}", directory.display())
        }
        Some(_) => return None,
    };
    Some(Finding::warning("backup", message).hint("run `daymark backup`, from cron for example"))
}

/// The directory is made by the first backup, so that until then its nearest parent is tried.
fn unwritable(directory: &Path) -> Option<Finding> {
    let existing = directory.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
    let error = tempfile::tempfile_in(existing).err()?;
    let message = format!("a backup cannot be written into {}: {error}", existing.display());
    Some(
        Finding::warning("backup", message)
            .hint("give the user that runs `daymark backup` this directory, or set `backup.directory`"),
    )
}

/// Backups are kept, so that the next one needs as much space as the newest has.
fn full(directory: &Path, newest_bytes: u64) -> Option<Finding> {
    let free = free_bytes(directory).ok()?;
    (free < newest_bytes.saturating_add(MIB)).then(|| {
        let message = format!(
            "the file system of {} has {} MiB left, and the newest backup has {} MiB",
            directory.display(),
            free / MIB,
            newest_bytes / MIB
        );
        Finding::warning("backup", message).hint("remove old backups, or free some space")
    })
}
