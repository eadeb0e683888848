//! The pure domain: days, definitions of metrics, their readings, and the evaluation of tallies into recorded values.
//!
//! **Architecture Invariant:** no SQL, no driver, no HTTP and no clock in here; everything is a function of its arguments.

mod calendar;
mod canonical;
mod cron;
mod decimal;
mod definition;
mod evaluate;
mod filter;
mod measure;
mod reading;
mod record;
mod rows;
mod source;

pub use calendar::{Calendar, CalendarError, DayBounds};
pub use cron::{CronError, CronSchedule};
pub use decimal::{Decimal, DecimalError};
pub use definition::{
    BackfillMode, DashboardPlace, Definition, DefinitionError, ExpectedRange, Kind, MetricKey, MetricType,
    is_name,
};
pub use evaluate::{EvaluationError, Observation};
pub use filter::{Condition, Filter, Literal, Test};
pub use measure::{AddsUp, Breakdown, Measure};
pub use reading::{ColumnSum, Extremes, Moments, QueryShape, Reading, Tally, TopLabels, uses_the_day};
pub use record::{Provenance, Record, has_value};
pub use rows::{Phase, Rows};
pub use source::{JoinedColumn, Source, TimeFormat};

/// The tenant of an installation that has only one.
pub const DEFAULT_TENANT: &str = "default";
