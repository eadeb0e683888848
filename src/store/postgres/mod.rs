//! The store on PostgreSQL 14 or later, in a schema of its own. Every session's search_path is that schema alone, so
//! the statements here name no schema, and nothing of the database around it is touched.

mod backup;
mod commit;
mod connection;
mod cron;
mod engine;
mod functions;
mod integrity;
mod lock;
mod migrate;
mod partitions;
mod programs;
pub(in crate::store) mod records;
mod redactions;
mod runs;
mod session_probe;
mod store;
mod table;
mod text;
mod watch;

pub(super) use store::PostgresStore;
