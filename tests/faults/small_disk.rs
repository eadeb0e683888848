//! A file system of its own that is soon full, where this process may mount one.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Unmounted when this is dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where the system does not let this user mount a file system.
    pub fn mount(kib: usize) -> Option<Self> {
        // Not in this user's own directory for temporary files: a server that runs as another user must get there.
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

    /// To the user that PostgreSQL servers run as.
    pub fn give_to_server(&self) {
        let Ok(user) = std::env::var("DAYMARK_TEST_POSTGRES_USER") else { return };
        let given = Command::new("chown").arg(user).arg(&self.0).status().unwrap();
        assert!(given.success());
    }

    /// As an administrator who makes room.
    pub fn grow(&self, kib: usize) {
        let options = format!("remount,size={kib}k");
        let grown = Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap();
        assert!(grown.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A server that was stopped a moment ago may still be on its way out: `-l` does not wait for it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}
