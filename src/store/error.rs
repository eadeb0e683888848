//! The errors of a store.

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
    #[error("the store {location}: {fault}{}", advice(.fault))]
    Fault { location: String, fault: Fault },
}

impl StoreError {
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Fault { fault, .. } if fault.is_transient())
    }

    /// Whether a trigger or a unique key refused a row: another one of the same day came first.
    pub fn is_conflict(&self) -> bool {
        // SQLite's codes are those of a trigger's RAISE and of a constraint.
        const CODES: [&str; 4] = ["23001", "23505", "sqlite:1811", "sqlite:19"];
        matches!(self, Self::Fault { fault, .. } if fault.sqlstate.as_deref().is_some_and(|code| CODES.contains(&code)))
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
