//! The schema of the body of `PUT /api/v1/definitions/{category}`, for the OpenAPI document. The body itself is parsed by
//! the parser of daymark.toml, which reports all errors at once, so these types are used for nothing else.

#[macro_use]
mod common;
mod actors;
mod filters;
#[cfg(test)]
mod tests;
mod words;

use actors::{DistinctActorsMetric, DistinctMetric, GrowthMetric, RetentionMetric};
use common::{DashboardSchema, ExpectedValues};
use filters::FilterSchema;
use serde::Serialize;
use utoipa::ToSchema;
use words::{
    a_count, adding_up, an_aggregate, an_average, any_type, average, backfill_modes, breakdown, counts,
    created, existing, maximum, median, minimum, percentage_or_average, periods, phases, quantile, ratio,
    returned, sql, sum, yes,
};

use crate::metric::Decimal;

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
    Retention(RetentionMetric),
    Growth(GrowthMetric),
    Breakdown(BreakdownMetric),
    Sql(SqlMetric),
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
