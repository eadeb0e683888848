//! Finds the tables, triggers and file permissions that immutability needs and that are missing or changed.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{SqliteStore, migrate::FILES};
use crate::store::{IntegrityFinding, StoreError};

/// The permission bits of the group and of others, none of which a file of the store may have.
const OF_OTHERS: u32 = 0o077;
/// The bit of a directory's mode with which every user may make files in it and rename all of them; with [`STICKY`], a user may rename only
/// their own files.
const WRITABLE_BY_OTHERS: u32 = 0o002;
const STICKY: u32 = 0o1000;

impl SqliteStore {
    /// Reads the whole file. The statements that made the tables and triggers are compared with those of the migrations.
    pub(super) async fn find_what_differs(&self) -> Result<Vec<IntegrityFinding>, StoreError> {
        let query = sqlx::query_as("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL");
        let found: Vec<(String, String, String)> =
            query.fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))?;
        let mut findings: Vec<_> = expected()
            .filter_map(|(kind, name, sql)| match found.iter().find(|(_, found, _)| found == name) {
                None => Some(format!("the {kind} {name} is missing")),
                Some((_, _, found)) if found.trim() != sql => Some(format!("the {kind} {name} was changed")),
                Some(_) => None,
            })
            .collect();
        findings.extend(found.iter().filter_map(|(kind, name, sql)| foreign(kind, name, sql)));
        let damage: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(self.pool().await?)
            .await
            .map_err(|error| self.failed(error))?;
        let damage = (damage != "ok").then(|| IntegrityFinding {
            message: format!("the file is damaged: {damage}"),
            remedy: Some("daymark restore BACKUP".to_owned()),
        });
        let of_schema = findings.into_iter().map(|message| IntegrityFinding { message, remedy: None });
        let files = self.files();
        let files = files.iter().filter_map(|path| open_to_others(path));
        Ok(damage
            .into_iter()
            .chain(of_schema)
            .chain(files)
            .chain(replaceable_by_others(&self.path))
            .collect())
    }

    /// Which of the database, its -wal and -shm files and their directory this user may not write to. SQLite gives the files that it makes
    /// beside a database the database's mode, so that a -shm file that was made while the database was read-only stays so. No file is
    /// opened, because closing it would release the locks that SQLite holds on it in this process.
    pub(super) fn unwritable(&self) -> Vec<PathBuf> {
        let is_refused = |path: &PathBuf| {
            let access = rustix::fs::access(path, rustix::fs::Access::WRITE_OK);
            access.is_err_and(|error| error != rustix::io::Errno::NOENT)
        };
        let directory = directory_of(&self.path).to_owned();
        self.files().into_iter().chain([directory]).filter(is_refused).collect()
    }

    /// The database, and the files that SQLite keeps beside it.
    pub(super) fn files(&self) -> [PathBuf; 3] {
        ["", "-wal", "-shm"].map(|suffix| {
            let mut path = self.path.as_os_str().to_owned();
            path.push(suffix);
            PathBuf::from(path)
        })
    }
}

/// A trigger changes what is recorded, and a unique index refuses records. Further tables, views and indexes do neither.
fn foreign(kind: &str, name: &str, sql: &str) -> Option<String> {
    let is_unique = sql.split_whitespace().nth(1).is_some_and(|word| word.eq_ignore_ascii_case("unique"));
    let is_known = expected().any(|(_, expected, _)| expected == name);
    (!is_known && (kind == "trigger" || is_unique))
        .then(|| format!("the {kind} {name} is not of Daymark's migrations"))
}

fn open_to_others(path: &Path) -> Option<IntegrityFinding> {
    let mode = fs::metadata(path).ok()?.permissions().mode();
    (mode & OF_OTHERS != 0).then(|| IntegrityFinding {
        message: format!("{} can be read or written by other users", path.display()),
        remedy: Some(format!("chmod 600 {}", path.display())),
    })
}

fn directory_of(store: &Path) -> &Path {
    store.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A user who may write to a directory may put another database in the place of the store, unless the directory lets only the owner of
/// a file rename it.
fn replaceable_by_others(store: &Path) -> Option<IntegrityFinding> {
    let directory = directory_of(store);
    let mode = fs::metadata(directory).ok()?.permissions().mode();
    (mode & WRITABLE_BY_OTHERS != 0 && mode & STICKY == 0).then(|| IntegrityFinding {
        message: format!(
            "every user can write to the directory {}, and so replace the store in it",
            directory.display()
        ),
        remedy: Some(format!("chmod o-w {}", directory.display())),
    })
}

/// Kind, name and statement of each table, index and trigger that the migrations leave: the last one of each name, because a migration may
/// make a trigger again.
fn expected() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let files = FILES.iter().map(|(_, sql)| *sql);
    let created = files.flat_map(|sql| {
        let starts = sql.match_indices("\nCREATE ").map(|(start, _)| start + 1);
        starts.filter_map(move |start| statement(sql.get(start..)?))
    });
    let created: Vec<_> = created.collect();
    let mut later = BTreeSet::new();
    let mut last: Vec<_> = created.into_iter().rev().filter(|(_, name, _)| later.insert(*name)).collect();
    last.reverse();
    last.into_iter()
}

fn statement(sql: &'static str) -> Option<(&'static str, &'static str, &'static str)> {
    let is_trigger = sql.starts_with("CREATE TRIGGER ");
    let end = if is_trigger { sql.find("\nEND;")? + "\nEND".len() } else { sql.find(";\n")? };
    let statement = sql.get(..end)?;
    let mut words = statement.split_whitespace().skip(1).skip_while(|word| *word == "UNIQUE");
    let kind = match words.next()? {
        "TABLE" => "table",
        "INDEX" => "index",
        "TRIGGER" => "trigger",
        _ => return None,
    };
    Some((kind, words.next()?, statement))
}
