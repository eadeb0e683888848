//! The schema of the body of `PUT /api/v1/definitions/{category}`, for the OpenAPI document. The body itself is parsed by
//! the parser of daymark.toml, which reports all errors at once, so these types are used for nothing else.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{Object, ObjectBuilder, Type},
};

use super::enum_schemas::one_of;
use crate::{
    config::{ADDS_UP, BACKFILL_MODES, MeasureName, PERIODS, PHASES, Returns},
    metric::Decimal,
};

/// A metric, by the measure that computes it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is read by the derive macro only")]
#[schema(as = MetricDeclaration)]
pub enum MetricSchema {
    Created(CreatedMetric),
    Existing(ExistingMetric),
    DistinctActors(DistinctActorsMetric),
    Distinct(DistinctMetric),
    Average(AverageMetric),
    Sum(SumMetric),
    Minimum(MinimumMetric),
    Maximum(MaximumMetric),
    Median(MedianMetric),
    Quantile(QuantileMetric),
    Ratio(RatioMetric),
    Breakdown(BreakdownMetric),
    Sql(SqlMetric),
}

/// A metric of one measure: the keys of the measure, and those that all metrics have.
macro_rules! metric {
    ($(#[$about:meta])* $name:ident, $measure:ident, $types:ident { $($(#[$of_key:meta])* $key:ident: $kind:ty,)* }) => {
        $(#[$about])*
        #[derive(Serialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            #[schema(schema_with = $measure)]
            measure: String,
            $($(#[$of_key])* $key: $kind,)*
            /// By default the type of the measure.
            #[schema(schema_with = $types, required = false)]
            r#type: String,
            /// The name that dashboards show; by default the name of the metric with spaces.
            #[schema(required = false, min_length = 1, max_length = 1000)]
            display_name: String,
            #[schema(required = false, max_length = 10_000)]
            description: String,
            /// The unit of the value; by default `count`, `average`, `percentage` or `labels`, depending on the type.
            #[schema(required = false, max_length = 1000)]
            unit: String,
            /// The number format for dashboards, as in `0,0`.
            #[schema(required = false, max_length = 1000)]
            format_pattern: String,
            #[schema(required = false)]
            dashboard: DashboardSchema,
            #[schema(required = false)]
            expected: ExpectedValues,
            /// How the days before the metric was defined are recorded: by a request, or by the scheduler.
            #[schema(schema_with = backfill_modes, required = false)]
            backfill: String,
            /// True, if it is said at all: DELETE switches a metric off.
            #[schema(schema_with = yes, required = false)]
            active: bool,
        }
    };
}

metric! {
    /// The number of rows whose time is in the day.
    CreatedMetric, created, a_count {
        /// A source of daymark.toml or the preset.
        source: String,
        #[schema(required = false)]
        filter: FilterSchema,
    }
}

metric! {
    /// The number of rows created before the end of the day and not soft-deleted by then.
    ExistingMetric, existing, a_count {
        /// A source of daymark.toml or the preset.
        source: String,
        #[schema(required = false)]
        filter: FilterSchema,
    }
}

metric! {
    /// The number of distinct actors of the sources in the `window_days` days that end with the day. Give either
    /// `source` or `sources`.
    DistinctActorsMetric, distinct_actors, a_count {
        #[schema(required = false)]
        source: String,
        #[schema(min_items = 1, required = false)]
        sources: Vec<String>,
        #[schema(required = false)]
        filter: FilterSchema,
        /// By default 1.
        #[schema(minimum = 1, maximum = 366, required = false)]
        window_days: u16,
        /// Instead of a number of days: the calendar's week or month to date.
        #[schema(schema_with = periods, required = false)]
        window: String,
    }
}

metric! {
    /// The number of distinct values of a column of the sources in the `window_days` days that end with the day. Give either
    /// `source` or `sources`.
    DistinctMetric, distinct, a_count {
        #[schema(required = false)]
        source: String,
        #[schema(min_items = 1, required = false)]
        sources: Vec<String>,
        #[schema(required = false)]
        filter: FilterSchema,
        column: String,
        /// By default 1.
        #[schema(minimum = 1, maximum = 366, required = false)]
        window_days: u16,
        /// Instead of a number of days: the calendar's week or month to date.
        #[schema(schema_with = periods, required = false)]
        window: String,
    }
}

metric! {
    /// The mean of a column of numbers over the rows created in the day.
    AverageMetric, average, an_average {
        source: String,
        #[schema(required = false)]
        filter: FilterSchema,
        column: String,
    }
}

metric! {
    /// The sum of a column of numbers over the rows created in the day, or existing at its end.
    SumMetric, sum, an_aggregate {
        source: String,
        #[schema(required = false)]
        filter: FilterSchema,
        column: String,
        /// Which rows; by default those created in the day.
        #[schema(schema_with = phases, required = false)]
        of: String,
    }
}

metric! {
    /// The least value of a column of numbers among the rows created in the day.
    MinimumMetric, minimum, an_average {
        source: String,
        #[schema(required = false)]
        filter: FilterSchema,
        column: String,
    }
}

metric! {
    /// The largest value of a column of numbers among the rows created in the day.
    MaximumMetric, maximum, an_average {
        source: String,
        #[schema(required = false)]
        filter: FilterSchema,
        column: String,
    }
}

metric! {
    /// The median of a column of numbers over the rows created in the `window_days` days that end with the day.
    MedianMetric, median, an_average {
        source: String,
        #[schema(required = false)]
        filter: FilterSchema,
        column: String,
        /// By default 1.
        #[schema(minimum = 1, maximum = 366, required = false)]
        window_days: u16,
    }
}

metric! {
    /// A quantile of a column of numbers over the rows created in the `window_days` days that end with the day.
    QuantileMetric, quantile, an_average {
        source: String,
        #[schema(required = false)]
        filter: FilterSchema,
        column: String,
        /// The share of the values that are less, with at most six decimal places: 0.95 for the 95th percentile.
        #[schema(minimum = 0, maximum = 1)]
        quantile: Decimal,
        /// By default 1.
        #[schema(minimum = 1, maximum = 366, required = false)]
        window_days: u16,
    }
}

metric! {
    /// One count divided by another.
    RatioMetric, ratio, percentage_or_average {
        numerator: Operand,
        denominator: Operand,
    }
}

metric! {
    /// The number of rows for each value of a column; or what `sum`, `average` or `distinct` says of them.
    BreakdownMetric, breakdown, an_aggregate {
        source: String,
        #[schema(required = false)]
        filter: FilterSchema,
        column: String,
        /// Which rows; by default those created in the day.
        #[schema(schema_with = phases, required = false)]
        of: String,
        /// How many labels are recorded by name; by default 10.
        #[schema(minimum = 1, maximum = 1000, required = false)]
        top: u16,
        /// A column of numbers, whose sum is recorded for each label.
        #[schema(required = false)]
        sum: String,
        /// A column of numbers, whose mean is recorded for each label.
        #[schema(required = false)]
        average: String,
        /// A column, whose number of distinct values is recorded for each label. Of rows created in the day.
        #[schema(required = false)]
        distinct: String,
    }
}

metric! {
    /// A query in the platform's SQL: one SELECT that can use `{day_start}`, `{day_end}` and `{day}`.
    SqlMetric, sql, any_type {
        query: String,
        /// The columns that the query gives.
        #[schema(schema_with = returned)]
        returns: String,
        /// How days make a week; of a query that returns `value`, which needs it.
        #[schema(schema_with = adding_up, required = false)]
        adds_up: String,
        /// Whether values may be negative: of labels, or of a `value`, which is then of type `aggregate`.
        #[schema(required = false)]
        signed: bool,
        /// Of a query that returns `labels`; by default 10.
        #[schema(minimum = 1, maximum = 1000, required = false)]
        top: u16,
    }
}

/// Where dashboards show the metric.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DashboardPlace)]
pub struct DashboardSchema {
    /// Whether the overview shows it; by default it does not.
    #[schema(required = false)]
    headline: bool,
    /// The heading under which it is listed.
    #[schema(required = false, min_length = 1, max_length = 100)]
    group: String,
}

/// The range of plausible values. Values outside it are recorded too, and flagged.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedValues {
    #[schema(required = false)]
    min: Decimal,
    #[schema(required = false)]
    max: Decimal,
}

/// One side of a ratio.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is read by the derive macro only")]
pub enum Operand {
    /// A metric of daymark.toml or the preset.
    Metric(String),
    Count(CountMeasure),
}

/// A count. Either `source` or `sources`.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CountMeasure {
    #[schema(schema_with = counts)]
    measure: String,
    #[schema(required = false)]
    source: String,
    #[schema(min_items = 1, required = false)]
    sources: Vec<String>,
    #[schema(required = false)]
    filter: FilterSchema,
    /// Of distinct values.
    #[schema(required = false)]
    column: String,
    /// Of distinct actors or values.
    #[schema(minimum = 1, maximum = 366, required = false)]
    window_days: u16,
    /// Of distinct actors or values, instead of a number of days.
    #[schema(schema_with = periods, required = false)]
    window: String,
}

/// A condition for each of these columns; a row must meet all of them.
#[derive(Serialize, ToSchema)]
#[schema(as = Filter)]
pub struct FilterSchema(HashMap<String, ConditionSchema>);

/// A value, one of several values, or comparisons that must all hold.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is read by the derive macro only")]
#[schema(as = Condition)]
pub enum ConditionSchema {
    Equals(LiteralSchema),
    In(Literals),
    Comparisons(Box<Comparisons>),
}

#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
pub struct Comparisons {
    #[schema(required = false)]
    equals: LiteralSchema,
    #[schema(required = false)]
    not_equals: LiteralSchema,
    #[schema(required = false)]
    r#in: Literals,
    #[schema(required = false)]
    not_in: Literals,
    #[schema(required = false)]
    less_than: LiteralSchema,
    #[schema(required = false)]
    at_most: LiteralSchema,
    #[schema(required = false)]
    greater_than: LiteralSchema,
    #[schema(required = false)]
    at_least: LiteralSchema,
    #[schema(required = false)]
    is_null: bool,
    /// None of these values; unlike with `not_in`, NULL passes.
    #[schema(required = false)]
    is_not: Literals,
}

/// One of several values.
#[derive(Serialize, ToSchema)]
#[schema(min_items = 1)]
pub struct Literals(Vec<LiteralSchema>);

/// Dates and times are strings.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is read by the derive macro only")]
#[schema(as = Literal)]
pub enum LiteralSchema {
    Text(String),
    Number(Decimal),
    Boolean(bool),
}

/// Functions that say which words a key may be.
macro_rules! words {
    ($($name:ident: $words:expr,)*) => { $(fn $name() -> Object { one_of($words) })* };
}

words! {
    created: [MeasureName::Created.name()],
    existing: [MeasureName::Existing.name()],
    distinct_actors: [MeasureName::DistinctActors.name()],
    distinct: [MeasureName::Distinct.name()],
    periods: PERIODS.map(|(name, _)| name),
    average: [MeasureName::Average.name()],
    sum: [MeasureName::Sum.name()],
    minimum: [MeasureName::Minimum.name()],
    maximum: [MeasureName::Maximum.name()],
    median: [MeasureName::Median.name()],
    quantile: [MeasureName::Quantile.name()],
    ratio: [MeasureName::Ratio.name()],
    breakdown: [MeasureName::Breakdown.name()],
    sql: [MeasureName::Sql.name()],
    counts: [MeasureName::Created, MeasureName::Existing, MeasureName::DistinctActors, MeasureName::Distinct].map(MeasureName::name),
    a_count: ["count"],
    an_average: ["average"],
    percentage_or_average: ["percentage", "average"],
    an_aggregate: ["aggregate"],
    any_type: ["count", "average", "percentage", "aggregate"],
    phases: PHASES.map(|(name, _)| name),
    returned: Returns::ALL.map(|(name, _)| name),
    backfill_modes: BACKFILL_MODES.map(|(name, _)| name),
    adding_up: ADDS_UP.map(|(name, _)| name),
}

fn yes() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true])).build()
}
