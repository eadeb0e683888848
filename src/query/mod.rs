//! Queries about the record, and their responses: series with roll-ups and gaps, the latest values, activity, runs,
//! definitions, exports. The command line and the HTTP API call the same functions, with a [`crate::collect::Context`]
//! and a [`Catalogue`], and get answers that can be serialised as they are documented.
//!
//! **Architecture Invariant:** no SQL and no HTTP in here; nothing is written to the store.
//! **Architecture Invariant:** recorded values are read through `values.rs` only.
//! **Architecture Invariant:** a value is shown with the digits that are stored, and is never made up: a day without a record
//! is a gap with its cause.

mod activity;
mod alerts;
mod anomalies;
mod bucket;
mod catalogue;
mod corrections;
mod cursor;
pub mod day;
mod day_range;
mod decimal_schema;
mod definitions;
mod deliveries;
mod derived;
mod derived_latest;
mod error;
mod export;
mod gap;
mod health;
mod interval;
mod judgement;
mod latest;
mod metadata;
mod parameter_parser;
mod point;
mod provenance_run;
mod recounts;
mod redactions;
mod requested_series;
mod response;
mod rollup;
mod runs;
mod schedule;
mod series;
mod series_builder;
mod series_query;
mod status;
mod values;
mod view;

pub use activity::{ActivityQuery, activity};
pub use alerts::{AlertEntry, AlertsResponse, SilenceEntry, alerts};
pub use anomalies::{AnomaliesQuery, AnomaliesResponse, AnomalyEntry, anomalies};
pub use catalogue::{Catalogue, CatalogueMetric};
pub use corrections::{
    CorrectionEntry, CorrectionsQuery, CorrectionsRequest, CorrectionsResponse, corrections,
};
pub use definitions::{
    DefinitionEntry, DefinitionsResponse, VersionEntry, definition_entry, definitions, derived_entry,
    derived_metric, metric, versions,
};
pub use deliveries::{AttemptEntry, DeliveriesQuery, DeliveriesResponse, DeliveryEntry, deliveries};
pub use error::{ParameterProblem, QueryError, Refusal};
pub use export::{CsvOptions, Export, ExportFormat};
pub use health::{
    AlertsHealth, AnomaliesHealth, CauseCount, DriftHealth, GapsHealth, HealthResponse, MetricGap,
    MetricsPerRun, NotificationsHealth, OwnQueries, PlatformHealth, QueryHealth, RunDurations, RunsHealth,
    RunsWindow, SeverityCount, StateCount, UnknownField, health,
};
pub use interval::{Bucket, Interval};
pub use judgement::ValueJudgement;
pub use latest::{Change, LatestQuery, LatestResponse, LatestValue, latest};
pub use metadata::MetadataText;
pub use parameter_parser::MAX_LIMIT;
pub use point::{Point, PointProvenance};
pub use recounts::{DriftEntry, RecountsResponse, recounts};
pub use redactions::{
    RedactedMetricEntry, RedactedTextsEntry, RedactionEntry, RedactionsResponse, redactions,
};
pub use response::{Fill, ProvenanceRun, Series, SeriesGap, SeriesPart, SeriesResponse, VersionChange};
pub use rollup::RollUp;
pub use runs::{RunEntry, RunsQuery, RunsRequest, RunsResponse, run, runs};
pub use schedule::{LeaderEntry, NextRun, PauseEntry, ScheduleResponse, schedule};
pub use series::series;
pub use series_query::{SeriesQuery, SeriesRequest, weekday};
pub use status::{NextDayEntry, RecordedSpan, StatusResponse, status};
pub use view::{VALUES, View, ViewRequest, settle};
