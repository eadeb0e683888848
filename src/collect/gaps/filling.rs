//! Builds the commands that fill gaps.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::gap::{Gap, GapCause};
use crate::store::StoredDefinition;

/// The commands that fill gaps.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Commands {
    pub fill_with: Vec<String>,
    /// The commands for days that failed, to be run once the cause is fixed.
    pub retry_with: Vec<String>,
}

/// Prefers few commands to exact ones, because a command skips days that are already recorded, at little cost. Failed
/// days have separate commands, because retrying them costs time and fails again until the cause is fixed.
pub(super) fn commands(gaps: &[Gap], metrics: &[StoredDefinition], last_finished: Date) -> Commands {
    let has_failed = |gap: &&Gap| matches!(gap.cause, GapCause::Failed { .. } | GapCause::TimedOut { .. });
    let cannot_be_filled = |gap: &&Gap| {
        matches!(
            gap.cause,
            GapCause::Running { .. }
                | GapCause::BeforeFirstRow { .. }
                | GapCause::UnreadableRecord
                | GapCause::Withdrawn
        )
    };
    let idle = gaps.iter().filter(|gap| !cannot_be_filled(gap));
    let (failed, untried): (Vec<_>, Vec<_>) = idle.partition(has_failed);
    Commands {
        fill_with: recording(&untried, metrics, last_finished, ""),
        // Without `--retry`, metrics that failed a short time ago are left out.
        retry_with: recording(&failed, metrics, last_finished, " --retry"),
    }
}

/// Returns the commands that record `gaps`. `collect_flag` is a further flag of `daymark collect`.
fn recording(
    gaps: &[&Gap],
    metrics: &[StoredDefinition],
    last_finished: Date,
    collect_flag: &str,
) -> Vec<String> {
    let reconstructible: BTreeMap<_, _> = metrics
        .iter()
        .map(|metric| (metric.definition.key(), metric.definition.measure.reconstructible()))
        .collect();
    let is_filled = |gap: &&&Gap| gap.first < last_finished && reconstructible.get(&gap.key) == Some(&true);
    let past: Vec<_> = gaps.iter().filter(is_filled).copied().collect();
    let is_on_time = |gap: &&&Gap| {
        gap.last == last_finished
            && gap.cause != GapCause::NotReconstructible
            && !past.iter().any(|past| past.key == gap.key)
    };
    let on_time: Vec<_> = gaps.iter().filter(is_on_time).copied().collect();
    let mut commands = Vec::new();
    if !on_time.is_empty() {
        commands.push(format!("daymark collect{}{collect_flag}", metric_flags(&on_time, metrics)));
    }
    let (first, last) = (past.iter().map(|gap| gap.first).min(), past.iter().map(|gap| gap.last).max());
    if let (Some(first), Some(last)) = (first, last) {
        let flags = metric_flags(&past, metrics);
        commands.push(format!("daymark backfill --from {first} --to {last}{flags}"));
    }
    commands
}

/// Returns the `--metric` flags; empty when the gaps are of all metrics.
fn metric_flags(gaps: &[&Gap], metrics: &[StoredDefinition]) -> String {
    let categories: BTreeSet<_> = gaps.iter().map(|gap| gap.key.category.as_str()).collect();
    if categories.len() == metrics.len() {
        return String::new();
    }
    categories.into_iter().map(|category| format!(" --metric {category}")).collect()
}

#[cfg(test)]
mod tests {
    use jiff::{ToSpan, civil::date};

    use super::*;
    use crate::{
        collect::sample,
        metric::{AddsUp, Measure, QueryShape},
    };

    fn day(offset: i32) -> Date {
        date(2025, 1, 1).saturating_add(offset.days())
    }

    fn gap(category: &str, first: i32, last: i32) -> Gap {
        let key = sample::created(category).definition.key();
        let days = usize::try_from(last - first + 1).unwrap();
        Gap { key, first: day(first), last: day(last), days, cause: GapCause::NeverCollected }
    }

    #[test]
    fn the_commands_cover_exactly_the_gaps_that_can_be_filled() {
        let metrics = [sample::created("a"), sample::created("b")];
        let fill = |gaps: &[Gap]| commands(gaps, &metrics, day(9)).fill_with;
        assert!(fill(&[]).is_empty());
        assert_eq!(fill(&[gap("a", 9, 9), gap("b", 9, 9)]), ["daymark collect"]);
        assert_eq!(
            fill(&[gap("a", 2, 3), gap("a", 7, 9)]),
            ["daymark backfill --from 2025-01-03 --to 2025-01-10 --metric a"]
        );
    }

    #[test]
    fn failed_days_are_tried_again_apart_from_the_others() {
        let metrics = [sample::created("a"), sample::created("b")];
        let cause = GapCause::Failed { message: "NaN".to_owned() };
        let failed = Gap { cause, ..gap("a", 4, 4) };
        assert_eq!(
            commands(&[failed, gap("a", 6, 8)], &metrics, day(9)),
            Commands {
                fill_with: vec!["daymark backfill --from 2025-01-07 --to 2025-01-09 --metric a".to_owned()],
                retry_with: vec!["daymark backfill --from 2025-01-05 --to 2025-01-05 --metric a".to_owned()],
            }
        );
    }

    #[test]
    fn the_last_day_is_retried_although_it_failed_a_short_time_ago() {
        let metrics = [sample::created("a")];
        let cause = GapCause::Failed { message: "NaN".to_owned() };
        let failed = Gap { cause, ..gap("a", 9, 9) };
        assert_eq!(commands(&[failed], &metrics, day(9)).retry_with, ["daymark collect --retry"]);
    }

    #[test]
    fn a_metric_that_cannot_be_reconstructed_is_not_backfilled() {
        let query = "SELECT 1 AS value".to_owned();
        let measure = Measure::Sql { query, shape: QueryShape::Value, adds_up: AddsUp::Last };
        let metrics = [sample::stored("online", measure), sample::created("a")];
        assert!(commands(&[gap("online", 2, 3)], &metrics, day(9)).fill_with.is_empty());
        assert_eq!(
            commands(&[gap("online", 8, 9), gap("a", 4, 5)], &metrics, day(9)).fill_with,
            [
                "daymark collect --metric online",
                "daymark backfill --from 2025-01-05 --to 2025-01-06 --metric a"
            ]
        );
    }
}
