//! The gaps of a series, with their causes and the commands that fill them.

use jiff::civil::Date;

use super::{
    catalogue::CatalogueMetric,
    day_range::DayRange,
    response::{Fill, NOT_YET_DUE, SeriesGap},
};
use crate::collect::{Context, Gap, GapCause, History, missing, with_before_first_row};

/// Recorded days without a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct WithoutValue<'a> {
    /// Their record cannot be read.
    pub unreadable: &'a [Date],
    /// Their value was withdrawn.
    pub withdrawn: &'a [Date],
}

/// The gaps of a metric: missing records, recorded days without a value, and days that are not yet due.
pub(super) fn gaps(
    context: &Context,
    metric: &CatalogueMetric,
    range: &DayRange,
    recorded: impl IntoIterator<Item = Date>,
    without_value: WithoutValue<'_>,
    history: &History,
) -> Vec<SeriesGap> {
    let (due, open) = range.split();
    let WithoutValue { unreadable, withdrawn } = without_value;
    let others = unreadable.iter().chain(withdrawn).copied();
    let mut present: Vec<_> = recorded.into_iter().chain(others).collect();
    present.sort_unstable();
    let missing = missing(due, present);
    let mut gaps = Vec::new();
    if !missing.is_empty() {
        let calendar = &context.tenant.calendar;
        let found = history.gaps(calendar, &metric.stored, &missing, range.last_finished);
        // Reading values does not ask the platform; the first row is known once a report of health has asked.
        let first_row = context.tenant.first_row.last_read();
        let found = with_before_first_row(found, calendar, first_row, range.last_finished);
        gaps.extend(found.into_iter().map(|gap| explained(gap, metric, range.last_finished)));
    }
    for (dates, cause) in [(unreadable, GapCause::UnreadableRecord), (withdrawn, GapCause::Withdrawn)] {
        gaps.extend(dates.iter().filter(|date| due.contains(date)).map(|date| of_record(*date, &cause)));
    }
    gaps.sort_by_key(|gap| gap.from);
    gaps.extend(not_yet_due(context, open));
    gaps
}

/// The record exists, so nothing fills the gap: the first record of a day stays.
fn of_record(date: Date, cause: &GapCause) -> SeriesGap {
    SeriesGap {
        from: date,
        to: date,
        days: 1,
        cause: cause.name(),
        explanation: cause.to_string(),
        ready_at: None,
        fill: None,
    }
}

fn explained(gap: Gap, metric: &CatalogueMetric, last_finished: Date) -> SeriesGap {
    SeriesGap {
        from: gap.first,
        to: gap.last,
        days: gap.days,
        cause: gap.cause.name(),
        explanation: explanation(&gap.cause),
        ready_at: None,
        fill: fill(&gap, metric, last_finished),
    }
}

/// The explanation for readers of the records. The collection log has the error, the host and the process, for readers
/// with the scope `log`.
fn explanation(cause: &GapCause) -> String {
    match cause {
        GapCause::Failed { .. } => "the run failed; the collection log has the reason".to_owned(),
        GapCause::TimedOut { .. } => "the run took too long; the collection log has the details".to_owned(),
        GapCause::Running { .. } => "a run is recording it now".to_owned(),
        GapCause::NeverCollected
        | GapCause::DefinedLater { .. }
        | GapCause::NotReconstructible
        | GapCause::BeforeFirstRow { .. }
        | GapCause::UnreadableRecord
        | GapCause::Withdrawn => cause.to_string(),
    }
}

/// The last finished day is collected, which makes it an observation; any other is backfilled, if it can be.
fn fill(gap: &Gap, metric: &CatalogueMetric, last_finished: Date) -> Option<Fill> {
    let cannot_be_filled = matches!(gap.cause, GapCause::Running { .. } | GapCause::BeforeFirstRow { .. });
    if cannot_be_filled || !metric.stored.is_active {
        return None;
    }
    let category = &gap.key.category;
    let (from, to) = match metric.definition().measure.reconstructible() {
        _ if gap.first == last_finished => (gap.first, gap.last),
        true => (gap.first, gap.last),
        // Only the last day can still be recorded.
        false if gap.last == last_finished => (gap.last, gap.last),
        false => return None,
    };
    let command = match from == last_finished {
        true => format!("daymark collect --metric {category}"),
        false => format!("daymark backfill --from {from} --to {to} --metric {category}"),
    };
    Some(Fill { command, from, to, metric_category: category.clone() })
}

fn not_yet_due(context: &Context, open: &[Date]) -> Option<SeriesGap> {
    let (first, last) = (*open.first()?, *open.last()?);
    let ready_at = context.ready_at(first);
    let shown = context.tenant.calendar.display(ready_at);
    let explanation = match open.len() {
        1 => format!("the day has not settled yet; it can be recorded from {shown}"),
        _ => format!("the days have not settled yet; the first of them can be recorded from {shown}"),
    };
    Some(SeriesGap {
        from: first,
        to: last,
        days: open.len(),
        cause: NOT_YET_DUE,
        explanation,
        ready_at: Some(ready_at),
        fill: None,
    })
}
