//! Detects commits in the header of the WAL index, the `-shm` file that all connections of all processes share: readers look
//! there for the end of the last transaction, so that it changes exactly when a commit becomes visible. Its format is
//! described in <https://www.sqlite.org/walformat.html#walidxfmt>.

use std::{
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    mem::ManuallyDrop,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::Arc,
};

use parking_lot::Mutex;

use super::{SqliteStore, connection::FileId};
use crate::store::{SharedWatch, Watch};

/// The WAL index has two copies of the header, so that a reader can detect a write in progress.
const HEADER_BYTES: usize = 48;

struct WalIndex {
    database: PathBuf,
    index: PathBuf,
    open: Mutex<Option<OpenIndex>>,
}

struct OpenIndex {
    id: FileId,
    /// Never closed: a process that closes a file loses all POSIX locks that it holds on it, SQLite's own included. There is
    /// one for as long as a connection of this process is open, which those of the pool are.
    file: ManuallyDrop<File>,
}

impl Watch for WalIndex {
    fn store_version(&self) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        // A file that replaced the original one is a different store.
        FileId::of(&self.database).ok()?.hash(&mut hasher);
        self.header().ok()??.hash(&mut hasher);
        Some(hasher.finish())
    }
}

impl WalIndex {
    /// The header and the file that it is of; `None` while it is being written.
    fn header(&self) -> io::Result<Option<(FileId, [u8; HEADER_BYTES])>> {
        let id = FileId::of(&self.index)?;
        let mut open = self.open.lock();
        let index = match open.take() {
            Some(index) if index.id == id => index,
            _ => OpenIndex { id, file: ManuallyDrop::new(File::open(&self.index)?) },
        };
        let index = open.insert(index);
        let mut both = [0; 2 * HEADER_BYTES];
        index.file.read_exact_at(&mut both, 0)?;
        let (first, second) = both.split_at(HEADER_BYTES);
        let is_whole = first == second && first.iter().any(|byte| *byte != 0);
        Ok(first.try_into().ok().filter(|_| is_whole).map(|header| (id, header)))
    }
}

impl SqliteStore {
    pub(super) fn start_watch(&self) -> SharedWatch {
        let mut index = self.path.as_os_str().to_owned();
        index.push("-shm");
        Arc::new(WalIndex {
            database: self.path.clone(),
            index: PathBuf::from(index),
            open: Mutex::default(),
        })
    }
}
