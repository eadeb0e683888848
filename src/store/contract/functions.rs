//! SQL functions in the database of the store, which record a day without Daymark's process: for pg_cron, `supabase.rpc` and
//! psql.

use async_trait::async_trait;
use jiff::{SignedDuration, civil::Date};
use serde_json::Value;

use crate::{metric::MetricKey, store::StoreError};

/// Everything that the functions are generated from.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    pub calendar: FunctionCalendar,
    pub settle: SignedDuration,
    pub observed_within: SignedDuration,
    /// Whether a call that names today records the last finished day.
    pub takes_last_finished: bool,
    /// For each window of several days the number of days before the day on which it begins.
    pub days_before: Vec<u32>,
    pub tasks: Vec<RecordingTask>,
    pub first_rows: Vec<FirstRowQuery>,
    pub metrics: Vec<FunctionMetric>,
    /// The schemas in which the platform's tables are looked up.
    pub search_path: Vec<String>,
}

/// The days of the reporting time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionCalendar {
    pub time_zone: String,
    /// The first and the last day that can be recorded.
    pub first_day: Date,
    pub last_day: Date,
    /// From each date on, up to the next entry, the seconds from midnight UTC of a date to the start of that date.
    pub day_starts: Vec<(Date, i64)>,
}

/// A statement that answers readings, which are numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingTask {
    pub readings: Vec<usize>,
    pub is_alone: bool,
    pub purpose: String,
    pub sql: String,
}

/// A statement that finds the earliest row of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstRowQuery {
    pub source_name: String,
    pub sql: String,
    pub is_date: bool,
    pub is_millis: bool,
    pub local_zone: Option<String>,
}

/// A metric that the functions record, or the reason why they cannot.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionMetric {
    pub key: MetricKey,
    pub version: i32,
    /// In the order in which its value is computed of them.
    pub readings: Vec<usize>,
    /// How its value is computed: `number`, `counts`, `ratio`, `moments`, `average` or `labels`.
    pub shape: &'static str,
    pub minimum: Option<String>,
    pub maximum: Option<String>,
    /// What the metadata say of a value outside of the range.
    pub out_of_range: Value,
    /// What a ratio divides.
    pub calculation: Option<String>,
    pub is_reconstructible: bool,
    /// Why the functions do not record it.
    pub reason: Option<String>,
}

/// Where the functions are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionPlace {
    /// The same for a connection to the platform if that is the same database.
    pub identity: String,
    /// The schema of the functions, as SQL.
    pub schema: String,
}

/// The functions as they are installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledFunctions {
    /// The tenant whose days they record.
    pub tenant: String,
    /// The schema that has them too, for clients of an API.
    pub api_schema: Option<String>,
    /// Functions that are missing or are not as Daymark installed them, and privileges that are missing or too many.
    pub problems: Vec<String>,
    /// Whether they are what would be installed now.
    pub is_current: bool,
    /// Whether this role may compare them with the definitions in the store, which a role that only records may not.
    pub may_check: bool,
}

#[async_trait]
pub trait Functions: Send + Sync {
    /// # Errors
    /// Also when the store is not on PostgreSQL.
    async fn function_place(&self) -> Result<FunctionPlace, StoreError>;

    /// The script that [`Self::install_functions`] runs.
    ///
    /// # Errors
    /// As [`Self::function_place`].
    fn function_script(&self, spec: &FunctionSpec, api_schema: Option<&str>) -> Result<String, StoreError>;

    /// Installs the functions, all or none. Returns what an operator should know, a sentence each.
    ///
    /// # Errors
    /// Also when an object of another owner has one of their names.
    async fn install_functions(
        &self,
        spec: &FunctionSpec,
        api_schema: Option<&str>,
    ) -> Result<Vec<String>, StoreError>;

    /// The functions as they are; `None` where none were installed. `spec` is what would be installed now.
    async fn installed_functions(
        &self,
        spec: Option<&FunctionSpec>,
    ) -> Result<Option<InstalledFunctions>, StoreError>;

    /// Removes the functions and the views that were installed with them; records and log stay. Returns whether there were any.
    async fn uninstall_functions(&self) -> Result<bool, StoreError>;
}
