//! The trait that combines the traits of all entities.

use super::{
    Alerts, Annotations, Backups, Cron, Definitions, DriftSamples, Events, Functions, Jobs, Judgements, Keys,
    Notifications, Records, Redactions, Revisions, Runs, Schedules, SessionEnds, Tables, Upkeep,
};

/// The whole contract of a store, for one tenant.
///
/// Every call may safely be repeated when its answer was lost, `commit` included, and is repeated by the store itself after a
/// transient failure. Every call but those of [`Upkeep`] fails with [`crate::store::StoreError::NotMigrated`] on a store that lacks
/// its tables.
pub trait Store:
    Records
    + Revisions
    + Redactions
    + Judgements
    + DriftSamples
    + Definitions
    + Runs
    + Keys
    + Tables
    + Jobs
    + Events
    + Functions
    + Schedules
    + Alerts
    + Annotations
    + SessionEnds
    + Notifications
    + Backups
    + Cron
    + Upkeep
{
}
