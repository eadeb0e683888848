//! The words that keys of a metric may be.

use strum::IntoEnumIterator;
use utoipa::openapi::{Object, ObjectBuilder, Type};

use crate::{
    config::{MeasureName, PERIODS, Returns},
    http::api::enum_schemas::one_of,
    metric::{ActorState, AddsUp, BackfillMode, Phase},
};

/// Functions that say which words a key may be.
macro_rules! words {
    ($($name:ident: $words:expr,)*) => { $(pub fn $name() -> Object { one_of($words) })* };
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
    retention: [MeasureName::Retention.name()],
    growth: [MeasureName::Growth.name()],
    breakdown: [MeasureName::Breakdown.name()],
    sql: [MeasureName::Sql.name()],
    counts: [MeasureName::Created, MeasureName::Existing, MeasureName::DistinctActors, MeasureName::Distinct].map(MeasureName::name),
    a_count: ["count"],
    an_average: ["average"],
    percentage_or_average: ["percentage", "average"],
    an_aggregate: ["aggregate"],
    any_type: ["count", "average", "percentage", "aggregate"],
    a_percentage: ["percentage"],
    states: ActorState::iter().map(ActorState::into),
    phases: Phase::iter().map(Phase::into),
    returned: Returns::iter().map(Returns::into),
    backfill_modes: BackfillMode::iter().map(BackfillMode::into),
    adding_up: AddsUp::iter().map(AddsUp::into),
}

pub fn yes() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true])).build()
}
