//! Daymark's own tables: definitions, the collection log and the records. One contract, [`Store`] in `contract/`,
//! which `entities/` implements, and two stores, in `postgres/` and `sqlite/`, that pass the same conformance suite.
//!
//! **Architecture Invariant:** nothing above this layer writes SQL against Daymark's tables.
//! **Architecture Invariant:** the contract has no way to change or delete a record or a finished log entry, and the
//! databases refuse it too. The one exception is [`Redactions::redact`], which replaces a label by a placeholder.

mod contract;
mod definition_writes;
mod entities;
mod error;
mod from_row;
mod in_force;
mod instant_text;
mod migrations;
mod open;
mod options;
mod outbox;
mod postgres;
mod row;
mod series_plan;
mod sought_label;
mod sql_store;
mod sqlite;
mod statement;

pub use contract::*;
pub use error::StoreError;
pub use open::{open, open_without_waiting};
pub use options::{DEFAULT_SCHEMA, StoreOptions};
pub use series_plan::series_statement;
