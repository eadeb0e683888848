//! The part of `daymark check` for the directory of backups.

use std::{io, path::Path};

use jiff::{SignedDuration, Timestamp};

use crate::{
    backup::{Backup, FoundBackups, Unusable},
    config::Finding,
    disk::free_bytes,
    pluralize::pluralize,
};

/// The age from which `check` warns of the newest backup.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(7 * 24);
const MIB: u64 = 1 << 20;

/// Warns of an old backup, of one that cannot be restored, or of none, and of a directory into which the next one cannot be written.
pub fn backup_findings(directory: &Path, found: &io::Result<FoundBackups>, now: Timestamp) -> Vec<Finding> {
    let newest = found.as_ref().ok().and_then(|found| found.newest.as_ref()).map(|backup| &backup.manifest);
    let missing = match found {
        Ok(found) => {
            let unusable = found.unusable.first().map(|unusable| cannot_be_restored(directory, unusable));
            unusable
                .into_iter()
                .chain(old(directory, newest.map(|manifest| manifest.created_at), now))
                .collect()
        }
        Err(error) => vec![unlisted(directory, error)],
    };
    let full = full(directory, newest.map_or(0, |manifest| manifest.bytes));
    missing.into_iter().chain(unwritable(directory)).chain(full).collect()
}

fn cannot_be_restored(directory: &Path, unusable: &Unusable) -> Finding {
    let place = directory.join(&unusable.name);
    let message = format!("the newest backup, {}, cannot be restored: {}", place.display(), unusable.problem);
    Finding::warning("backup", message)
        .hint("run `daymark backup`, and find out what removed or shortened the copy")
}

/// The directory of backups cannot be listed.
fn unlisted(directory: &Path, error: &io::Error) -> Finding {
    let place = directory.display();
    let (message, hint) = match error.kind() {
        io::ErrorKind::NotFound => (
            format!("there is no backup in {place}: the directory does not exist"),
            "correct `backup.directory`, or mount its file system; otherwise run `daymark backup`, which makes the directory",
        ),
        io::ErrorKind::NotADirectory => (
            format!("there is no backup in {place}: this is not a directory"),
            "set `backup.directory` to a directory",
        ),
        _ => (
            format!("the backups in {place} cannot be listed: {error}"),
            "let the user that runs `daymark check` read the directory",
        ),
    };
    Finding::warning("backup", message).hint(hint)
}

/// Warns where `findings` say that the store has no tables at all, and `newest` has records: an operator whose file is gone would make
/// a new store and begin again.
pub fn lost_store(newest: Option<&Backup>, findings: &[Finding]) -> Option<Finding> {
    let is_empty = |finding: &Finding| {
        finding.place == "store" && finding.message.starts_with("not migrated (pending: 0001")
    };
    let Backup { manifest, path } = newest.filter(|_| findings.iter().any(is_empty))?;
    let records = manifest.contents.records();
    (records > 0).then(|| {
        let message =
            format!("the store is empty, and the newest backup has {}", pluralize(records, "record"));
        let hint = format!(
            "to have them back, run `daymark restore {}` instead of `daymark migrate`",
            path.display()
        );
        Finding::warning("backup", message).hint(hint)
    })
}

fn old(directory: &Path, newest: Option<Timestamp>, now: Timestamp) -> Option<Finding> {
    let message = match newest {
        None => format!("there is no backup in {}", directory.display()),
        Some(newest) if now.duration_since(newest) > MAX_AGE => {
            format!("the newest backup in {} is of {}", directory.display(), shown(newest))
        }
        Some(_) => return None,
    };
    Some(Finding::warning("backup", message).hint("run `daymark backup`, from cron for example"))
}

/// To the minute; the reporting time zone is not known where the configuration is wrong.
pub fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
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
