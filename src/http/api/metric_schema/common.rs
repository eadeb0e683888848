//! The keys that the metrics of all measures have.

use serde::Serialize;
use utoipa::ToSchema;

use crate::metric::Decimal;

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
