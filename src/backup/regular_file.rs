//! Opening the files of a backup, which may be other than what a backup has.

use std::{fs::File, io, os::unix::fs::OpenOptionsExt, path::Path};

use rustix::fs::OFlags;

/// Opens a file to read it. What is no regular file is refused: a pipe would be waited for, and a device might never end.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    // With O_NONBLOCK, opening a pipe returns at once. It means nothing for regular files.
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(nonblock).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
    }
}
