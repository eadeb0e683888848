//! Opens the files of a backup, if they are regular files.

use std::{fs::File, io, os::unix::fs::OpenOptionsExt, path::Path};

use rustix::fs::OFlags;

/// Opens a file to read it. Pipes and devices are refused: opening a pipe waits for a writer, and a device may never end.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    // With O_NONBLOCK, opening a pipe returns at once. It means nothing for regular files.
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(nonblock).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
    }
}
