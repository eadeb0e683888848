//! The store on PostgreSQL 14 or later, in a schema of its own. Every session's search_path is that schema alone, so
//! the statements here name no schema, and nothing of the database around it is touched.

mod alerts;
mod annotations;
mod backup;
mod commit;
mod connection;
mod definitions;
mod events;
mod functions;
mod integrity;
mod jobs;
mod judgements;
mod keys;
mod lock;
mod migrate;
mod notifications;
mod programs;
mod records;
mod runs;
mod schedule;
mod session_probe;
mod store;
mod table;
mod text;
mod upkeep;
mod watch;

pub(super) use store::PostgresStore;
