//! The schemas of the metrics that count distinct actors, or distinct values of another column.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    common::{DashboardSchema, ExpectedValues},
    filters::FilterSchema,
    words::{
        a_count, a_percentage, backfill_modes, distinct, distinct_actors, growth, periods, retention, states,
        yes,
    },
};

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
    /// The share of the actors of an earlier day, its cohort, who are active in the `window_days` days that end with the day. Give
    /// either `source` or `sources`.
    RetentionMetric, retention, a_percentage {
        #[schema(required = false)]
        source: String,
        #[schema(min_items = 1, required = false)]
        sources: Vec<String>,
        #[schema(required = false)]
        filter: FilterSchema,
        /// How many days the day of the cohort lies back.
        #[schema(minimum = 0, maximum = 366)]
        after_days: u16,
        /// By default 1; at most `after_days` + 1.
        #[schema(minimum = 1, maximum = 366, required = false)]
        window_days: u16,
        /// Where cohorts are taken from; by default they are the actors whose first row is on the day.
        #[schema(required = false)]
        cohort: CohortSchema,
    }
}

metric! {
    /// The actors of a state, as the `window_days` days that end with the day compare with as many days before them: `new`,
    /// `retained` and `resurrected` ones are active in the window, `churned` ones only before. Give either `source` or `sources`.
    GrowthMetric, growth, a_count {
        #[schema(required = false)]
        source: String,
        #[schema(min_items = 1, required = false)]
        sources: Vec<String>,
        #[schema(required = false)]
        filter: FilterSchema,
        #[schema(schema_with = states)]
        state: String,
        /// By default 1.
        #[schema(minimum = 1, maximum = 366, required = false)]
        window_days: u16,
    }
}

/// Whose actors are the cohort of a day: those with a row of this source on it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is read by the derive macro only")]
#[schema(as = Cohort)]
pub enum CohortSchema {
    Source(String),
    Filtered(CohortRows),
}

#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CohortRows {
    source: String,
    #[schema(required = false)]
    filter: FilterSchema,
}
