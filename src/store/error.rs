//! What a store can answer instead of a result.

use uuid::Uuid;

use crate::database::{Fault, FaultClass};

#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("the store {location} is not migrated (pending: {}); run `daymark migrate`", pending.join(", "))]
    NotMigrated { location: String, pending: Vec<String> },
    #[error(
        "the store {location} was migrated by a newer Daymark (it has `{migration}`); update this binary"
    )]
    Newer { location: String, migration: String },
    #[error(
        "run {0} is already finished in the collection log: another process took it for dead and closed it"
    )]
    RunFinished(Uuid),
    #[error("metric `{category}` is of daymark.toml or the preset: change it there and run `daymark apply`")]
    OfFile { category: String },
    #[error("the store {location} holds something that Daymark did not write: {what}")]
    Corrupt { location: String, what: String },
    #[error("the store {location}: {fault}{}", advice(.fault))]
    Fault { location: String, fault: Fault },
}

impl StoreError {
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Fault { fault, .. } if fault.class.is_transient())
    }

    /// Whether the role lacks a privilege.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Fault { fault, .. } if fault.class == FaultClass::Denied)
    }
}

/// What to do about a failure, where that can be said; to be appended to it.
fn advice(fault: &Fault) -> &'static str {
    match (fault.class, fault.sqlstate.as_deref()) {
        (_, Some("28P01" | "28000")) => "; check the user and the password in its URL",
        (_, Some("3D000")) => "; create the database, or name another one in its URL",
        (_, Some("sqlite:26")) => "; name another file: this one is not an SQLite database",
        (_, Some("sqlite:11")) => "; restore the file from a backup",
        (_, Some("sqlite:14")) => "; let this user write to the file and to its directory",
        (FaultClass::Denied, _) => "; grant the permission, or use a role (or a system user) that has it",
        (FaultClass::Full, _) => "; free some space: nothing was lost, and it can be tried again",
        (FaultClass::Unreachable, None) => "; check that it runs, and the host and the port in its URL",
        _ => "",
    }
}
