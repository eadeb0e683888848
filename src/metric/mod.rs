//! The pure domain: days, definitions of metrics, their readings, and the evaluation of tallies into recorded values.
//!
//! **Architecture Invariant:** no SQL, no driver, no HTTP and no clock in here; everything is a function of its arguments.

mod calendar;
mod canonical;
mod cron;
mod decimal;
mod definition;
mod derived;
mod evaluate;
mod filter;
mod formula;
mod fraction;
mod growth;
mod label;
mod label_aggregate;
mod measure;
mod problems;
mod quantile;
mod reading;
mod record;
mod redaction;
mod retention;
mod rows;
mod source;
mod window;

pub use calendar::{Calendar, CalendarError, DayBounds};
pub use cron::{CronError, CronSchedule};
pub use decimal::{Decimal, DecimalError};
pub use definition::{BackfillMode, DashboardPlace, Definition, ExpectedRange, Kind, MetricKey, MetricType};
pub use derived::{Derivation, DerivedMetric, MovingFunction, recorded_inputs};
pub use evaluate::{EvaluationError, Observation};
pub use filter::{Condition, Filter, Literal, Test};
pub use formula::{CompiledFormula, FormulaError, MetricFormula};
pub use fraction::Fraction;
pub use growth::ActorState;
pub use label::{CUT_MARK, MAX_LABEL, recorded_label};
pub use label_aggregate::LabelAggregate;
pub use measure::{AddsUp, Breakdown, Measure};
pub use problems::{DefinitionError, is_name};
pub use quantile::{Quantile, QuantilePosition};
pub use reading::{
    ColumnSum, Extremes, GrowthCounts, Moments, QuantileOfRows, QueryShape, Reading, Tally, TopLabels,
    TopMeans, uses_the_day,
};
pub use record::{Provenance, Record, has_value};
pub use redaction::{
    has_label, has_labels, is_member_name, is_placeholder, placeholder, replace_in_json, replace_in_text,
    replace_labels, texts_beside_labels, texts_of,
};
pub use retention::Retention;
pub use rows::{Phase, Rows};
pub use source::{JoinedColumn, Source, TimeFormat};
pub use window::{CalendarPeriod, Window};

/// The tenant of an installation that has only one.
pub const DEFAULT_TENANT: &str = "default";
