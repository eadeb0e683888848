//! The store as a whole: where it is, whether it can be used, its migrations, and noticing commits.

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;

use super::SharedWatch;
use crate::store::StoreError;

/// The result of a migration run: the names of the migrations that it applied or would apply, in order.
pub type MigrationNames = Vec<String>;

/// A trigger, constraint, function, privilege or file mode that immutability depends on and that is missing or changed, or one
/// that Daymark did not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrityFinding {
    /// The problem and its place: `the trigger refuse_truncate on daily_metrics is missing`.
    pub message: String,
    /// The command that restores it, where it is one.
    pub remedy: Option<String>,
}

#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Where the store is, for messages; without credentials.
    fn location(&self) -> String;

    /// Applies the pending migrations and returns them. Several processes may call it at once.
    async fn migrate(&self) -> Result<MigrationNames, StoreError>;

    /// The SQL of all migrations of this kind of store, in order.
    fn migration_script(&self) -> String;

    /// The migrations that [`Upkeep::migrate`] would apply.
    async fn pending_migrations(&self) -> Result<MigrationNames, StoreError>;

    /// Declares that the recording processes use a simulated clock, as in a demonstration, so that the database does not compare
    /// their days with its own clock. Only the owner of the tables may, and only before the first run.
    async fn simulate_clock(&self) -> Result<(), StoreError>;

    /// Whether [`Upkeep::simulate_clock`] was called, so that the database does not judge the days of records by its clock.
    async fn has_simulated_clock(&self) -> Result<bool, StoreError>;

    /// The time by the clock of the store's database: on SQLite, this machine's.
    async fn now(&self) -> Result<Timestamp, StoreError>;

    /// What differs from the migrations among the objects on which the immutability of the record rests, by their definitions:
    /// tables, constraints, triggers, functions, rules, policies, privileges, the modes of files. Empty where nothing differs.
    async fn integrity(&self) -> Result<Vec<IntegrityFinding>, StoreError>;

    /// The privileges that the recording role lacks, in the words of a GRANT. Empty on SQLite, which has no roles.
    async fn missing_privileges(&self) -> Result<Vec<String>, StoreError>;

    /// What will keep the records of the next year from being written: the database refuses a table of their own. `None` on SQLite,
    /// which needs none, and where another session is in the way at this moment.
    async fn new_year_problem(&self) -> Result<Option<IntegrityFinding>, StoreError>;

    /// The file whose file system needs space for the store; `None` where that is another machine's.
    fn file(&self) -> Option<&Path>;

    /// Whether the store can be used at this moment: it is reachable and has its tables. A failure is not retried.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Starts to notice commits. Must be called within a Tokio runtime.
    fn watch(&self) -> SharedWatch;
}
