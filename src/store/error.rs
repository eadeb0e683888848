//! The errors of a store.

use jiff::Timestamp;
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
        "run {0} is already finished in the collection log: another process closed it as orphaned, because this process no longer held the lock of the run"
    )]
    RunFinished(Uuid),
    #[error(
        "metric `{category}` is defined in daymark.toml or the preset: change it there and run `daymark apply`"
    )]
    OfFile { category: String },
    #[error("the store {location} holds something that Daymark did not write: {what}")]
    Corrupt { location: String, what: String },
    #[error(
        "a commit that was under way at {instant} has not ended, so the answer about that instant may still change; ask again in a moment"
    )]
    Unsettled { instant: Timestamp },
    #[error("{instant} is in the future; by the clock of the store's database it is {now}")]
    Future { instant: Timestamp, now: Timestamp },
    #[error("the store {location}: {fault}{}", advice(.fault))]
    Fault { location: String, fault: Fault },
}

impl StoreError {
    /// The message of a pool whose time to wait for a session has passed. The pool does not know the reason.
    pub(super) const WITHOUT_SESSION: &str =
        "it accepts no connection, or all connections of this process are busy";

    pub(super) fn is_without_session(&self) -> bool {
        matches!(self, Self::Fault { fault, .. } if fault.message == Self::WITHOUT_SESSION)
    }

    pub fn is_transient(&self) -> bool {
        match self {
            Self::Fault { fault, .. } => fault.is_transient(),
            Self::Unsettled { .. } => true,
            _ => false,
        }
    }

    /// Whether a trigger refused a revision because another one of the same day came first.
    pub fn is_conflict(&self) -> bool {
        // As `0002_immutability.sql` of both stores says it. Their codes are those of every refusal by a trigger.
        const MESSAGES: [&str; 2] = ["another revision of the day came first", "taken back before"];
        matches!(self, Self::Fault { fault, .. } if MESSAGES.iter().any(|message| fault.message.contains(message)))
    }

    /// Whether the role lacks a privilege.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Fault { fault, .. } if fault.class == FaultClass::Denied)
    }
}

/// A hint on how to resolve the failure, if there is one. It is appended to the message.
fn advice(fault: &Fault) -> String {
    let advice = match (fault.class, fault.sqlstate.as_deref()) {
        (_, Some("sqlite:14")) => "let this user write to the file and to its directory",
        _ if fault.is_read_only_file() => {
            "SQLite writes to the database, to its -wal and -shm files and to their directory"
        }
        (_, Some("25006")) => {
            "its database takes no changes: name a primary in its URL, or turn `default_transaction_read_only` off"
        }
        (FaultClass::Full, _) => "free some space and try again; committed records are kept",
        (class, sqlstate) => match (fault.connection_hint(), class, sqlstate) {
            (Some(hint), ..) => hint,
            (None, FaultClass::Denied, _) => {
                "grant the permission, or use a role (or a system user) that has it"
            }
            (None, FaultClass::Unreachable, None) => {
                "check that it is running, and the host and the port in its URL"
            }
            _ => return String::new(),
        },
    };
    format!("; {advice}")
}
