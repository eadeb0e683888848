//! The gaps of the last days, by metric, with their causes.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    collect::{Gap, GapCause, RecentGaps},
    metric::MetricType,
    query::response::{cause, metric_type},
};

/// How many gaps are listed at most, the newest.
const MAX_LISTED: usize = 500;

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct GapsHealth {
    /// The days that were looked at: 30 at most, up to the last one that was due.
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    #[schema(value_type = String, format = Date)]
    pub to: Date,
    /// How many records are missing that can still be made: without days before a metric was defined, and without days of
    /// metrics that can only tell of the present.
    pub missing_records: usize,
    /// On how many days some such record is missing.
    pub missing_days: usize,
    /// How many records are missing of each cause, those included that cannot be made or need not.
    pub by_cause: Vec<CauseCount>,
    /// Newest first, 500 at most.
    pub by_metric: Vec<MetricGap>,
    /// How many gaps are not listed.
    pub not_listed: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CauseCount {
    #[schema(schema_with = cause)]
    pub cause: &'static str,
    pub missing_records: usize,
}

/// Consecutive days without a record of a metric, for the same reason.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MetricGap {
    #[schema(schema_with = metric_type)]
    pub metric_type: MetricType,
    pub metric_category: String,
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    #[schema(value_type = String, format = Date)]
    pub to: Date,
    pub days: usize,
    #[schema(schema_with = cause)]
    pub cause: &'static str,
    pub explanation: String,
}

impl From<RecentGaps> for GapsHealth {
    fn from(recent: RecentGaps) -> Self {
        let RecentGaps { from, to, mut gaps } = recent;
        let missing: Vec<_> = gaps.iter().filter(|gap| can_be_made(gap)).collect();
        let days: BTreeSet<_> = missing.iter().flat_map(|gap| dates(gap)).collect();
        let missing_records = missing.iter().map(|gap| gap.days).sum();
        let mut by_cause: Vec<CauseCount> = Vec::new();
        for gap in &gaps {
            let cause = gap.cause.name();
            match by_cause.iter_mut().find(|count| count.cause == cause) {
                Some(count) => count.missing_records += gap.days,
                None => by_cause.push(CauseCount { cause, missing_records: gap.days }),
            }
        }
        by_cause.sort_by_key(|count| count.cause);
        gaps.sort_by(|a, b| b.last.cmp(&a.last).then_with(|| a.key.category.cmp(&b.key.category)));
        let not_listed = gaps.len().saturating_sub(MAX_LISTED);
        gaps.truncate(MAX_LISTED);
        let by_metric = gaps.into_iter().map(MetricGap::from).collect();
        Self { from, to, missing_records, missing_days: days.len(), by_cause, by_metric, not_listed }
    }
}

fn can_be_made(gap: &Gap) -> bool {
    let is_lost = matches!(
        gap.cause,
        GapCause::NotReconstructible | GapCause::BeforeFirstRow { .. } | GapCause::Withdrawn
    );
    !is_lost && !matches!(gap.cause, GapCause::DefinedLater { .. })
}

fn dates(gap: &Gap) -> impl Iterator<Item = Date> + use<> {
    let last = gap.last;
    gap.first.series(jiff::ToSpan::days(1)).take_while(move |date| *date <= last)
}

impl From<Gap> for MetricGap {
    fn from(gap: Gap) -> Self {
        Self {
            metric_type: gap.key.metric_type,
            metric_category: gap.key.category,
            from: gap.first,
            to: gap.last,
            days: gap.days,
            cause: gap.cause.name(),
            explanation: gap.cause.to_string(),
        }
    }
}
