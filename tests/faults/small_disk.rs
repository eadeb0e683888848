//! A small file system that fills quickly, where this process may mount one.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A mounted tmpfs, which is unmounted when this value is dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Returns `None` where this user may not mount a file system.
    pub fn mount(kib: usize) -> Option<Self> {
        // A server that runs as another user must reach the path, so it is not in this user's own temporary directory.
        let path = PathBuf::from(format!("/tmp/daymark-disk-{:x}", fastrand::u64(..)));
        std::fs::create_dir(&path).unwrap();
        let options = format!("size={kib}k,mode=755");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(path));
        }
        std::fs::remove_dir(&path).unwrap();
        None
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the user that PostgreSQL servers run as its owner.
    pub fn give_to_server(&self) {
        let Ok(user) = std::env::var("DAYMARK_TEST_POSTGRES_USER") else { return };
        let given = Command::new("chown").arg(user).arg(&self.0).status().unwrap();
        assert!(given.success());
    }

    /// Enlarges the file system, as an administrator would.
    pub fn grow(&self, kib: usize) {
        let options = format!("remount,size={kib}k");
        let grown = Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap();
        assert!(grown.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A server that was stopped a moment ago may still have files open. `-l` does not wait for it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}
