//! Lists missing records by metric and day, with the cause: a failure, a run in progress, a definition that was created
//! later, or no attempt at all; and records that cannot be read, and values that were withdrawn.

mod before_first_row;
mod filling;
mod gap;
mod history;
mod in_range;
mod recent;
mod without_value;

use jiff::civil::Date;

pub use self::{
    before_first_row::with_before_first_row,
    gap::{Gap, GapCause},
    history::History,
    in_range::missing,
    recent::{RecentGaps, recent_gaps},
};
use self::{
    filling::{Commands, commands},
    in_range::{Found, gaps_between, observable_from},
};
use super::{
    CollectError, Context, FirstRow,
    first_row::{first_due_day, known_first_row},
    selection,
};

/// All gaps between two days.
#[derive(Debug, Clone)]
pub struct GapReport {
    pub from: Date,
    pub to: Date,
    /// The platform's first row, if all sources can be read. Days before it are not gaps.
    pub first_row: Option<FirstRow>,
    /// The number of days of the range that exist in the reporting time zone.
    pub days: usize,
    /// The number of values that are missing, cannot be read or were withdrawn; each is of one metric and day.
    pub missing: usize,
    /// The gaps, ordered by category and then by day.
    pub gaps: Vec<Gap>,
    /// The first day whose records were read, if they were too many to read all: records before it may be unreadable.
    pub records_read_from: Option<Date>,
    /// The commands that record the missing days that did not fail.
    pub fill_with: Vec<String>,
    /// The commands that retry the failed days, to be run once the cause is fixed.
    pub retry_with: Vec<String>,
}

/// Lists the gaps of every active metric from `from` to `to`. By default, `to` is the last finished day, and `from` is
/// the day of the platform's first row or the first recorded day, whichever is earlier. The platform's first row is
/// ignored if no source can be read, or if it is more than ten years old, which suggests a wrong time.
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
    let first_recorded = context.tenant.store.recorded_span().await?.map(|(first, _)| first);
    let known = known_first_row(context, &metrics).await;
    let first_day = first_due_day(known.earliest.as_ref(), first_recorded, to);
    let first_row = known.certain();
    let from = from.or(first_day.map(|first| first.min(to))).unwrap_or(to);
    context.require_recorded_era(from)?;
    if from > to {
        return Err(CollectError::EmptyRange { from, to });
    }
    // Days before both the first row and the first record are not gaps, even if the requested range includes them.
    let begin = first_row.as_ref().map(|first| first_recorded.unwrap_or(first.date).min(first.date));
    let from = begin.map_or(from, |begin| from.max(begin.min(to)));
    let Found { gaps, records_read_from } = gaps_between(context, &metrics, from, to).await?;
    let first_day = first_row.as_ref().map(|first| first.date);
    let gaps = with_before_first_row(gaps, &context.tenant.calendar, first_day, observable_from(context));
    let days = context.tenant.calendar.days(from, to).len();
    let missing = gaps.iter().map(|gap| gap.days).sum();
    let Commands { fill_with, retry_with } = commands(&gaps, &metrics, last_finished);
    Ok(GapReport { from, to, first_row, days, missing, gaps, records_read_from, fill_with, retry_with })
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, ToSpan, civil::date};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::{
        collect::sample,
        metric::Calendar,
        store::{LoggedRun, Run, RunKind, RunStatus},
    };

    const FIRST: Date = date(2025, 1, 1);

    fn day(offset: i32) -> Date {
        FIRST.saturating_add(offset.days())
    }

    #[test]
    fn missing_days_come_in_intervals() {
        let days: Vec<_> = (0..6).map(day).collect();
        let intervals = |recorded: &[i32]| -> Vec<(Date, usize)> {
            let missing = missing(&days, recorded.iter().map(|offset| day(*offset)));
            missing.iter().map(|interval| (interval[0], interval.len())).collect()
        };
        assert_eq!(intervals(&[]), [(day(0), 6)]);
        assert_eq!(intervals(&[0, 5]), [(day(1), 4)]);
        assert_eq!(intervals(&[-1, 2, 3, 9]), [(day(0), 2), (day(4), 2)]);
        assert_eq!(intervals(&[0, 1, 2, 3, 4, 5]), []);
    }

    fn run(first: i32, last: i32, status: RunStatus, failures: &[&str]) -> LoggedRun {
        let failures = failures.iter().map(|category| json!({"metric_category": category, "message": "no"}));
        let details = json!({"failures": failures.collect::<Vec<_>>()});
        let run = Run {
            id: Uuid::nil(),
            kind: RunKind::Backfill,
            from: day(first),
            to: day(last),
            started_at: Timestamp::MAX,
            completed_at: None,
            status,
            metrics_collected: 0,
            error_message: Some("out of luck".to_owned()),
            error_details: details.as_object().cloned(),
            trigger: crate::store::Trigger::Cli,
            actor: "cli:test".to_owned(),
            host: "here".to_owned(),
            process_id: 1,
        };
        LoggedRun { run, is_alive: status == RunStatus::Running }
    }

    /// The gaps are the same as if the cause of every day were determined separately.
    #[test]
    fn causes_change_where_runs_begin_and_end() {
        let history = History::of(vec![
            run(12, 13, RunStatus::Running, &[]),
            run(3, 8, RunStatus::Partial, &["a"]),
            run(6, 14, RunStatus::Failed, &[]),
            run(0, 20, RunStatus::Partial, &["b"]),
        ]);
        let days: Vec<_> = (0..20).map(day).collect();
        let metric = sample::created("a");
        let missing = [&days[0..5], &days[6..16], &days[17..20]];
        let gaps = history.gaps(&Calendar::utc(), &metric, &missing, day(19));
        let shown: Vec<_> = gaps
            .iter()
            .map(|gap| (gap.first.day() - 1, gap.last.day() - 1, gap.days, gap.cause.to_string()))
            .map(|(first, last, days, cause)| format!("{first}..{last} ({days}) {cause}"))
            .collect();
        assert_eq!(
            shown,
            [
                "0..2 (3) never collected",
                "3..4 (2) failed: no",
                "6..8 (3) failed: no",
                "9..11 (3) failed: out of luck",
                "12..13 (2) running now: backfill, process 1 on here",
                "14..14 (1) failed: out of luck",
                "15..15 (1) never collected",
                "17..19 (3) never collected",
            ]
        );
    }
}
