//! Seeing commits in the times of the database's files: a commit writes to the WAL, a checkpoint to the database.
//!
//! The files are looked at (`stat`) and never opened: a process that closes a file loses all POSIX locks that it holds
//! on it, SQLite's own included.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::SqliteStore;
use crate::store::{SharedWatch, Watch};

/// A commit is seen by readers when it is on the disk, which is after the file's time was set; and file times are as fine
/// as the kernel's tick, 1 to 10 ms. Until the files have been left alone for this long, nothing is kept.
const SETTLED: Duration = Duration::from_secs(2);

struct Files {
    database: PathBuf,
    wal: PathBuf,
}

impl Watch for Files {
    #[expect(
        clippy::disallowed_methods,
        reason = "file times are by the machine's clock, whatever ours says"
    )]
    fn marker(&self) -> Option<u64> {
        let database = last_change(&self.database).ok()?;
        let wal = match last_change(&self.wal) {
            // The last connection to close takes it away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => database,
            other => other.ok()?,
        };
        let latest = database.max(wal);
        SystemTime::now().duration_since(latest).ok().filter(|age| *age > SETTLED)?;
        let mut hasher = DefaultHasher::new();
        // Both: a clock that was set back must not hide the later of them.
        (database, wal).hash(&mut hasher);
        Some(hasher.finish())
    }
}

fn last_change(path: &Path) -> io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

impl SqliteStore {
    pub(super) fn start_watch(&self) -> SharedWatch {
        let mut wal = self.path.as_os_str().to_owned();
        wal.push("-wal");
        Arc::new(Files { database: self.path.clone(), wal: PathBuf::from(wal) })
    }
}
