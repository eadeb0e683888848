//! What is missing, by metric and day, and why: a failure, a run at work, a definition that came later, or nothing at
//! all having been tried.

mod filling;
mod history;

use std::{collections::BTreeSet, fmt};

use jiff::civil::Date;

use self::filling::fill_with;
pub use self::history::History;
use super::{CollectError, Context, selection};
use crate::{
    metric::{DayBounds, MetricKey},
    store::RunKind,
};

/// Everything that is missing between two days.
#[derive(Debug, Clone)]
pub struct GapReport {
    pub from: Date,
    pub to: Date,
    /// Days of the range that exist in the reporting zone.
    pub days: usize,
    /// How many records are missing, of one metric and day each.
    pub missing: usize,
    /// By category, then by day.
    pub gaps: Vec<Gap>,
    /// The commands that fill what can be filled.
    pub fill_with: Vec<String>,
}

/// Consecutive days that lack a metric for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    pub key: MetricKey,
    pub first: Date,
    pub last: Date,
    pub days: usize,
    pub cause: GapCause,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GapCause {
    Failed {
        message: String,
    },
    TimedOut {
        message: String,
    },
    /// A run that covers the day is at work.
    Running {
        kind: RunKind,
        process_id: u32,
        host: String,
    },
    NeverCollected,
    /// The metric did not exist yet; a backfill fills the days before.
    DefinedLater {
        defined_on: Date,
    },
    /// The day is over, and the metric's query tells of now only.
    NotReconstructible,
}

/// Lists the gaps of every active metric from `from`, by default the first recorded day, to `to`, by default the last
/// finished day.
///
/// # Errors
/// When `to` is not finished, the range is empty, no metric is defined, or the store fails.
pub async fn gaps(
    context: &Context,
    from: Option<Date>,
    to: Option<Date>,
) -> Result<GapReport, CollectError> {
    let metrics = selection::select(context, &[]).await?;
    let last_finished = context.last_finished();
    let to = to.unwrap_or(last_finished);
    context.require_recordable(to)?;
    let first_recorded = context.store.recorded_span().await?.map(|(first, _)| first.min(to));
    let from = from.or(first_recorded).unwrap_or(to);
    context.require_recorded_era(from)?;
    if from > to {
        return Err(CollectError::EmptyRange { from, to });
    }
    let days = context.calendar.days(from, to);
    let recorded = context.store.recorded(from, to).await?;
    let history = History::read(context, from, to).await?;
    let (mut gaps, none) = (Vec::new(), BTreeSet::new());
    for metric in &metrics {
        let there = recorded.get(&metric.definition.key()).unwrap_or(&none);
        let cause = |day: &DayBounds| {
            (!there.contains(&day.date)).then(|| history.cause(context, metric, day.date, last_finished))
        };
        gaps.extend(ranges(&metric.definition.key(), days.iter().map(|day| (day.date, cause(day)))));
    }
    let missing = gaps.iter().map(|gap| gap.days).sum();
    let fill_with = fill_with(&gaps, &metrics, last_finished);
    Ok(GapReport { from, to, days: days.len(), missing, gaps, fill_with })
}

/// Joins consecutive days with the same cause. A day without a cause is no gap, and ends one.
pub fn ranges(key: &MetricKey, days: impl Iterator<Item = (Date, Option<GapCause>)>) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    let mut adjoining = false;
    for (date, cause) in days {
        let Some(cause) = cause else {
            adjoining = false;
            continue;
        };
        match gaps.last_mut() {
            Some(gap) if adjoining && gap.cause == cause => {
                gap.last = date;
                gap.days += 1;
            }
            _ => gaps.push(Gap { key: key.clone(), first: date, last: date, days: 1, cause }),
        }
        adjoining = true;
    }
    gaps
}

impl GapCause {
    fn of(message: String, timed_out: bool) -> Self {
        if timed_out { Self::TimedOut { message } } else { Self::Failed { message } }
    }

    /// One word for machines.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "failed",
            Self::TimedOut { .. } => "timed_out",
            Self::Running { .. } => "running",
            Self::NeverCollected => "never_collected",
            Self::DefinedLater { .. } => "defined_later",
            Self::NotReconstructible => "not_reconstructible",
        }
    }
}

impl fmt::Display for GapCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { message } => write!(formatter, "failed: {message}"),
            Self::TimedOut { message } => {
                write!(formatter, "timed out: {message}; `platform.statement_timeout_seconds` sets the limit")
            }
            Self::Running { kind, process_id, host } => {
                write!(formatter, "running now: {}, process {process_id} on {host}", kind.name())
            }
            Self::NeverCollected => formatter.write_str("never collected"),
            Self::DefinedLater { defined_on } => write!(formatter, "defined only on {defined_on}"),
            Self::NotReconstructible => {
                formatter.write_str("cannot be reconstructed: its query tells of now only")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{ToSpan, civil::date};

    use super::*;
    use crate::collect::sample;

    const FIRST: Date = date(2025, 1, 1);

    fn day(offset: i32) -> Date {
        FIRST.saturating_add(offset.days())
    }

    #[test]
    fn consecutive_days_with_one_cause_are_one_gap() {
        let never = || Some(GapCause::NeverCollected);
        let failed = || Some(GapCause::Failed { message: "no".to_owned() });
        let causes = [never(), never(), None, never(), failed(), failed()];
        let key = sample::created("a").definition.key();
        let days = causes.into_iter().enumerate().map(|(offset, cause)| (day(offset as i32), cause));
        let found: Vec<_> = ranges(&key, days)
            .into_iter()
            .map(|gap| (gap.first, gap.last, gap.days, gap.cause.name()))
            .collect();
        assert_eq!(
            found,
            [
                (day(0), day(1), 2, "never_collected"),
                (day(3), day(3), 1, "never_collected"),
                (day(4), day(5), 2, "failed"),
            ]
        );
    }
}
