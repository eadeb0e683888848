//! The store on SQLite: one file, in WAL mode, and beside it a directory of lock files.

mod alerts;
mod annotations;
mod backup;
mod commit;
mod connection;
mod decimal_order;
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
mod records;
mod runs;
mod schedule;
mod store;
mod table;
mod text;
mod upkeep;
mod watch;

pub(super) use self::{connection::Durability, store::SqliteStore};
