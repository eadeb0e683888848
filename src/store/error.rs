//! What a store can answer instead of a result.

use uuid::Uuid;

use crate::database::{Fault, FaultClass};

#[derive(Debug, thiserror::Error)]
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
    #[error("the store {location} holds something that Daymark did not write: {what}")]
    Corrupt { location: String, what: String },
    #[error("the store {location}: {fault}")]
    Fault { location: String, fault: Fault },
}

impl StoreError {
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Fault { fault, .. } if fault.class.is_passing())
    }

    pub fn fault_class(&self) -> Option<FaultClass> {
        match self {
            Self::Fault { fault, .. } => Some(fault.class),
            _ => None,
        }
    }
}
