//! The free space of a file system.

use std::{io, path::Path};

/// The bytes that a process without privileges may still write to the file system of `path`; 0 also where no file can be made any
/// more. Where `path` does not exist yet, its nearest directory that does is meant.
///
/// # Errors
/// When the file system cannot be asked.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let existing = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let system = rustix::fs::statvfs(existing)?;
    // Some file systems make files without a limit, and say that they have none.
    let has_no_files = system.f_files > 0 && system.f_favail == 0;
    Ok(if has_no_files { 0 } else { system.f_bavail.saturating_mul(system.f_frsize) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_does_not_exist_yet_has_the_space_of_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let there = free_bytes(directory.path()).unwrap();
        assert!(there > 0);
        let later = free_bytes(&directory.path().join("backups/of/the/store")).unwrap();
        assert!(later.abs_diff(there) < 1 << 30, "{there} {later}");
    }
}
