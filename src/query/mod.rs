//! Questions about the record, and their answers: series with roll-ups and gaps, the latest values, activity, runs,
//! definitions, exports. The command line and the HTTP API call the same functions, with a [`crate::collect::Context`]
//! and a [`Catalogue`], and get answers that can be serialised as they are documented.
//!
//! **Architecture Invariant:** no SQL and no HTTP in here; nothing is written to the store.
//! **Architecture Invariant:** a value is shown with the digits that are stored, and is never made up: what is not
//! recorded is a gap with its cause.

mod activity;
mod answer;
mod catalogue;
mod cursor;
pub mod day;
mod decimal_schema;
mod definitions;
mod error;
mod export;
mod gap;
mod interval;
mod latest;
mod question;
mod range;
mod rollup;
mod runs;
mod series;
mod status;
mod stretch;

pub use activity::{ActivityQuestion, activity};
pub use answer::{Fill, Point, PointProvenance, RecordedStretch, Series, SeriesAnswer, SeriesGap};
pub use catalogue::{Catalogue, Metric};
pub use definitions::{
    DefinitionEntry, DefinitionsAnswer, VersionEntry, definition_entry, definitions, metric, versions,
};
pub use error::{Problem, QueryError, Refusal};
pub use export::{Export, ExportFormat, ExportQuestion};
pub use interval::{Bucket, Interval};
pub use latest::{Change, LatestAnswer, LatestQuestion, LatestValue, latest};
pub use question::{Asked, MAX_LIMIT, Question, weekday};
pub use rollup::RollUp;
pub use runs::{AskedRuns, RunEntry, RunsAnswer, RunsQuestion, run, runs};
pub use series::series;
pub use status::{NextDayAnswer, RecordedSpan, StatusAnswer, status};
