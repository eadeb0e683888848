//! How many files the system lets this process have open. Each connection is one of them.

/// For whatever is no connection of a client: sessions of store and platform (one of a SQLite file has three), sockets of
/// key sets and of threads.
const OTHERS: u64 = 256;

/// As many of the `wanted` connections as can be open. The limit of this process is raised as far as they need it.
pub fn connections(wanted: usize) -> usize {
    let needed = u64::try_from(wanted).unwrap_or(u64::MAX).saturating_add(OTHERS);
    match rlimit::increase_nofile_limit(needed) {
        Ok(files) if files < needed => {
            let possible = within(files);
            tracing::warn!(
                "{wanted} connections may be open by `http.max_connections`, but only {possible} by the system, which \
                 allows {files} files; `ulimit -n`, or `LimitNOFILE=` of systemd, allows more"
            );
            possible
        }
        Ok(_) => wanted,
        Err(error) => {
            tracing::warn!(%error, "how many files may be open cannot be changed");
            wanted
        }
    }
}

/// The connections for which there is room among so many files.
fn within(files: u64) -> usize {
    let connections = files.saturating_sub(OTHERS).max(files / 2);
    usize::try_from(connections).unwrap_or(usize::MAX)
}
