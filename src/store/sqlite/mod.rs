//! The store on SQLite: one file, in WAL mode, and beside it a directory of lock files.

mod backup;
mod commit;
mod connection;
mod cron;
mod decimal_order;
mod engine;
mod functions;
mod integrity;
mod lock;
mod migrate;
pub(in crate::store) mod records;
mod redactions;
mod runs;
mod store;
mod table;
mod watch;

pub(super) use self::{connection::Durability, store::SqliteStore};
