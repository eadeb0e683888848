//! The platform: an application's database, read and never written. A [`Cut`] is one consistent snapshot of it, in which
//! [`Reading`](crate::metric::Reading)s are answered for any number of days with as few statements as the planner can.
//!
//! **Architecture Invariant:** every statement runs in a read-only transaction, and SELECT is the only permission needed.
//! **Architecture Invariant:** nothing above this layer writes SQL against the platform.

mod contract;
mod detected_format;
mod planner;
mod postgres;
mod schema;
mod sqlite;
mod statistics;
mod unconfigured;

use std::sync::Arc;

pub use contract::{
    Cut, DatabasePlace, FirstRowStatement, Flag, FunctionTask, LostCut, OldStates, PlannedStatement,
    Platform, PlatformOptions, ReadRelations, ReadingResults, Sources, Staleness, WhenStale,
};
pub use detected_format::{DetectedFormat, DetectedFormats};
pub use schema::{Column, ColumnType, DescribedQuery, ForeignKey, Schema, Table, TableKind};
pub use statistics::{PossibleReference, Reference, SampledTable, Statistics, TableStatistics};
pub use unconfigured::UnconfiguredPlatform;

use crate::database::DatabaseUrl;

/// The platform behind `url`. Nothing is connected yet.
pub fn open(url: &DatabaseUrl, options: PlatformOptions) -> Arc<dyn Platform> {
    match url {
        DatabaseUrl::Postgres { options: connect, shown, .. } => {
            Arc::new(postgres::PostgresPlatform::new((**connect).clone(), shown.clone(), options))
        }
        DatabaseUrl::Sqlite(path) => Arc::new(sqlite::SqlitePlatform::new(path.clone(), options)),
    }
}
