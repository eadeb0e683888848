//! The part of `check` for the disk that the store writes to. That of a PostgreSQL server is not seen from here.

use crate::{collect::Context, config::Finding, disk::free_bytes};

const MIB: u64 = 1 << 20;
/// With less than this a commit may fail.
const NEEDED_BYTES: u64 = 16 * MIB;
/// With less than this space may run out before it is noticed: some months of 200 metrics with long breakdowns.
const COMFORTABLE_BYTES: u64 = 256 * MIB;

pub(super) fn check_disk(context: &Context) -> Option<Finding> {
    let free = free_bytes(context.tenant.store.file()?).ok()?;
    if free >= COMFORTABLE_BYTES {
        return None;
    }
    let finding = if free < NEEDED_BYTES { Finding::error } else { Finding::warning };
    let message =
        format!("the file system of {} has {} MiB left", context.tenant.store.location(), free / MIB);
    Some(
        finding("disk", message)
            .hint("free some space: a commit fails when the disk is full, and the day is missing"),
    )
}
