//! The declarations of a file, before they are checked against a platform: sources and metrics, with the places of all
//! values for messages.

use strum::{EnumIter, IntoStaticStr};

use crate::{
    config::{
        alerting::{AlertRule, Channel, built_in_rules},
        finding::Located,
    },
    metric::{
        ActorState, AddsUp, BackfillMode, CalendarPeriod, Condition, DashboardPlace, Derivation,
        ExpectedRange, MetricType, Phase, Quantile, TimeFormat,
    },
};

/// All sources, metrics, channels and rules of alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declarations {
    pub sources: Vec<SourceDeclaration>,
    pub metrics: Vec<MetricDeclaration>,
    pub derived: Vec<DerivedDeclaration>,
    pub channels: Vec<Channel>,
    /// Those of the file, and the built-in ones that it does not turn off.
    pub alerts: Vec<AlertRule>,
}

impl Default for Declarations {
    /// Those of an empty file.
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            metrics: Vec::new(),
            derived: Vec::new(),
            channels: Vec::new(),
            alerts: built_in_rules(),
        }
    }
}

/// A `[sources.…]` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceDeclaration {
    pub name: String,
    pub place: String,
    pub schema: Option<Located<String>>,
    /// With a query: the name of the source.
    pub table: Located<String>,
    /// The query that is read instead of a table.
    pub query: Option<Located<String>>,
    pub time_column: Located<String>,
    pub time_format: Option<Located<TimeFormat>>,
    pub time_zone: Option<String>,
    pub deleted_column: Option<Located<String>>,
    pub actor_column: Option<Located<String>>,
    pub tenant_column: Option<Located<String>>,
    pub filter: Vec<Located<Condition>>,
    /// Columns that look like flags but whose flagged rows are meant to count.
    pub include_flagged: Option<Located<Vec<String>>>,
}

/// A `[metrics.…]` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricDeclaration {
    pub category: String,
    pub place: String,
    pub metric_type: Option<Located<MetricType>>,
    pub display_name: Option<String>,
    pub description: Option<String>,
    pub unit: Option<String>,
    pub format_pattern: Option<String>,
    pub dashboard: Option<DashboardPlace>,
    pub expected: Option<ExpectedRange>,
    pub active: Option<Located<bool>>,
    pub backfill: Option<BackfillMode>,
    pub formula: Formula,
}

/// A `[derived.…]` section that says how the metric is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DerivedDeclaration {
    pub category: String,
    pub place: String,
    pub metric_type: Option<MetricType>,
    pub display_name: Option<String>,
    pub description: Option<String>,
    pub unit: Option<String>,
    pub format_pattern: Option<String>,
    pub derivation: Derivation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum MeasureName {
    Created,
    Existing,
    DistinctActors,
    Distinct,
    Average,
    Sum,
    Minimum,
    Maximum,
    Median,
    Quantile,
    Ratio,
    Retention,
    Growth,
    Breakdown,
    Sql,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Returns {
    Value,
    Average,
    Ratio,
    Labels,
}

/// The keys that determine how a metric is computed. Whether they belong to the measure is checked when the measure is
/// built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Formula {
    pub place: String,
    pub measure: Option<Located<MeasureName>>,
    /// The value of `source` or `sources`.
    pub sources: Option<Located<Vec<String>>>,
    pub filter: Option<Located<Vec<Located<Condition>>>>,
    pub column: Option<Located<String>>,
    pub of: Option<Located<Phase>>,
    pub top: Option<Located<usize>>,
    pub window_days: Option<Located<u32>>,
    /// The calendar's period to date.
    pub window: Option<Located<CalendarPeriod>>,
    pub quantile: Option<Located<Quantile>>,
    pub after_days: Option<Located<u32>>,
    pub cohort: Option<Located<CohortDeclaration>>,
    pub state: Option<Located<ActorState>>,
    /// The columns of a breakdown's `sum`, `average` and `distinct`.
    pub sum: Option<Located<String>>,
    pub average: Option<Located<String>>,
    pub distinct: Option<Located<String>>,
    pub numerator: Option<Located<RatioSide>>,
    pub denominator: Option<Located<RatioSide>>,
    pub query: Option<Located<String>>,
    pub returns: Option<Located<Returns>>,
    pub adds_up: Option<Located<AddsUp>>,
    pub signed: Option<Located<bool>>,
    /// Keys that are present but could not be read. They have been reported, and must not be reported as missing.
    pub unreadable: Vec<&'static str>,
}

/// One side of a ratio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RatioSide {
    /// The measure of another metric.
    Metric(String),
    Measure(Box<Formula>),
}

/// The rows that cohorts are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CohortDeclaration {
    pub source: Located<String>,
    pub filter: Vec<Located<Condition>>,
}

/// The values of `window`. A week begins on the day that a setting names.
pub const PERIODS: [(&str, CalendarPeriod); 2] =
    [("week", CalendarPeriod::Week), ("month", CalendarPeriod::Month)];

impl MeasureName {
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The keys that the measure accepts.
    pub fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Created | Self::Existing => &["source", "filter"],
            Self::DistinctActors => &["source", "filter", "window_days", "window"],
            Self::Distinct => &["source", "filter", "column", "window_days", "window"],
            Self::Average | Self::Minimum | Self::Maximum => &["source", "filter", "column"],
            Self::Median => &["source", "filter", "column", "window_days"],
            Self::Quantile => &["source", "filter", "column", "quantile", "window_days"],
            Self::Sum => &["source", "filter", "column", "of"],
            Self::Breakdown => &["source", "filter", "column", "of", "top", "sum", "average", "distinct"],
            Self::Ratio => &["numerator", "denominator"],
            Self::Retention => &["source", "filter", "after_days", "window_days", "cohort"],
            Self::Growth => &["source", "filter", "state", "window_days"],
            Self::Sql => &["query", "returns", "adds_up", "signed", "top"],
        }
    }
}

impl MetricDeclaration {
    /// Returns this declaration with missing keys taken from `base`.
    pub fn over(&self, base: &Self) -> Self {
        let or = |own: &Option<String>, base: &Option<String>| own.clone().or_else(|| base.clone());
        Self {
            category: self.category.clone(),
            place: self.place.clone(),
            metric_type: self.metric_type.clone().or_else(|| base.metric_type.clone()),
            display_name: or(&self.display_name, &base.display_name),
            description: or(&self.description, &base.description),
            unit: or(&self.unit, &base.unit),
            format_pattern: or(&self.format_pattern, &base.format_pattern),
            dashboard: self.dashboard.clone().or_else(|| base.dashboard.clone()),
            expected: self.expected.clone().or_else(|| base.expected.clone()),
            active: self.active.clone().or_else(|| base.active.clone()),
            backfill: self.backfill.or(base.backfill),
            formula: self.formula.over(&base.formula),
        }
    }
}

impl Formula {
    fn over(&self, base: &Self) -> Self {
        fn or<T: Clone>(own: &Option<T>, base: &Option<T>) -> Option<T> {
            own.clone().or_else(|| base.clone())
        }
        Self {
            place: self.place.clone(),
            measure: or(&self.measure, &base.measure),
            sources: or(&self.sources, &base.sources),
            filter: or(&self.filter, &base.filter),
            column: or(&self.column, &base.column),
            of: or(&self.of, &base.of),
            top: or(&self.top, &base.top),
            window_days: or(&self.window_days, &base.window_days),
            window: or(&self.window, &base.window),
            quantile: or(&self.quantile, &base.quantile),
            after_days: or(&self.after_days, &base.after_days),
            cohort: or(&self.cohort, &base.cohort),
            state: or(&self.state, &base.state),
            sum: or(&self.sum, &base.sum),
            average: or(&self.average, &base.average),
            distinct: or(&self.distinct, &base.distinct),
            numerator: or(&self.numerator, &base.numerator),
            denominator: or(&self.denominator, &base.denominator),
            query: or(&self.query, &base.query),
            returns: or(&self.returns, &base.returns),
            adds_up: or(&self.adds_up, &base.adds_up),
            signed: or(&self.signed, &base.signed),
            unreadable: self.unreadable.clone(),
        }
    }

    /// Returns the keys that are present, with their places.
    pub fn given_keys(&self) -> Vec<(&'static str, &str)> {
        fn present<'a, T>(
            key: &'static str,
            value: &'a Option<Located<T>>,
        ) -> Option<(&'static str, &'a str)> {
            value.as_ref().map(|value| (key, value.place.as_str()))
        }
        [
            present("source", &self.sources),
            present("filter", &self.filter),
            present("column", &self.column),
            present("of", &self.of),
            present("top", &self.top),
            present("window_days", &self.window_days),
            present("window", &self.window),
            present("quantile", &self.quantile),
            present("after_days", &self.after_days),
            present("cohort", &self.cohort),
            present("state", &self.state),
            present("sum", &self.sum),
            present("average", &self.average),
            present("distinct", &self.distinct),
            present("numerator", &self.numerator),
            present("denominator", &self.denominator),
            present("query", &self.query),
            present("returns", &self.returns),
            present("adds_up", &self.adds_up),
            present("signed", &self.signed),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
