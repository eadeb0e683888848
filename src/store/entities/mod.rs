//! The contract of a store, implemented once for both databases: a file for each entity with its statements, the conversion
//! of its rows, and what its trait does. What only one database understands is in `postgres/` and `sqlite/`.

mod alerts;
mod annotations;
mod commit;
mod definitions;
mod events;
mod jobs;
mod judgements;
mod keys;
mod label_places;
mod label_texts;
mod log_entry;
mod notifications;
mod orphans;
mod records;
mod redacted_labels;
mod redactions;
mod revisions;
mod runs;
mod schedule;
mod table_statement;
mod tables;
mod upkeep;

pub(super) use label_places::{ValueTable, values_naming};
pub(super) use log_entry::{RUN_COLUMNS, run};
pub(super) use schedule::schedule_state;
pub(super) use table_statement::TableDialect;
