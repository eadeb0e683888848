//! The state of collection: the last runs, recorded and missing days, and the day that is due next.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use jiff::{Timestamp, civil::Date};
use strum::IntoEnumIterator;

use super::{
    CollectError, Context,
    context::FIRST_DAY,
    first_row::{first_due_day, known_first_row},
    selection,
};
use crate::{
    metric::{MetricKey, Provenance},
    store::{LoggedRun, RecordCount, Run, StoreSummary, StoredDefinition},
};

/// How long a status waits for the platform to say where it begins. Without an index on a time column that takes a scan.
const FIRST_ROW_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub struct StatusReport {
    /// The newest run; `None` if there never was one.
    pub last_run: Option<Run>,
    /// Whether the last run is logged as running although its process no longer exists.
    pub last_run_is_orphaned: bool,
    /// The newest run that completed.
    pub last_completed: Option<Run>,
    pub active_metrics: usize,
    /// The first and the last recorded day.
    pub recorded: Option<(Date, Date)>,
    /// The number of all records.
    pub records: usize,
    /// The number of records by provenance, without provenances that have none.
    pub by_provenance: Vec<(Provenance, usize)>,
    /// Records that are missing from `missing_since` to the last finished day, of one metric and day each.
    pub missing: usize,
    /// The day of the platform's first row or the first recorded one, whichever is earlier, as for the gaps; the first
    /// recorded one where the platform does not say within two seconds.
    pub missing_since: Date,
    pub last_finished: Date,
    /// How many of the active metrics have a record of the last finished day.
    pub last_finished_recorded: usize,
    pub next: NextDay,
}

/// The next day to be collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextDay {
    pub date: Date,
    /// The time from which the day can be recorded. If it is in the past, the day is overdue.
    pub ready_at: Timestamp,
    pub is_due: bool,
}

/// # Errors
/// When the store fails.
pub async fn status(context: &Context) -> Result<StatusReport, CollectError> {
    let active = selection::active(context.tenant.store.as_ref()).await?;
    status_of(context, &active).await
}

/// Like [`status`], for callers that already know which metrics are active.
///
/// # Errors
/// When the store fails.
pub async fn status_of(
    context: &Context,
    metrics: &[StoredDefinition],
) -> Result<StatusReport, CollectError> {
    let active: HashSet<_> = metrics.iter().map(|metric| metric.definition.key()).collect();
    let last_finished = context.last_finished();
    // Days that the time zone skipped may still have records, from a time when another zone was configured.
    let never = context.tenant.calendar.skipped(FIRST_DAY, last_finished);
    let StoreSummary { last_run, last_completed, counts } =
        context.tenant.store.summary(last_finished, &never).await?;
    let first = counts.iter().map(|count| count.first).min();
    let first_row = tokio::time::timeout(FIRST_ROW_WAIT, known_first_row(context, metrics)).await;
    let first_row = first_row.unwrap_or_default().earliest;
    let from = first_due_day(first_row.as_ref(), first, last_finished);
    let from = from.unwrap_or(last_finished).min(last_finished);
    let last = counts.iter().map(|count| count.last).max();
    let of_active = || counts.iter().filter(|count| active.contains(&count.key));
    let last_finished_recorded = of_active().map(|count| count.of_day).sum();
    Ok(StatusReport {
        last_run_is_orphaned: last_run.as_ref().is_some_and(LoggedRun::is_orphaned),
        last_run: last_run.map(|logged| logged.run),
        last_completed,
        active_metrics: active.len(),
        recorded: first.zip(last),
        records: counts.iter().map(RecordCount::records).sum(),
        by_provenance: by_provenance(&counts),
        missing: missing(context, from, last_finished, &counts, &active),
        missing_since: from,
        last_finished,
        last_finished_recorded,
        next: next(context, last_finished, last_finished_recorded < active.len()),
    })
}

/// The number of records of the `active` metrics that are missing from `from` to `to`.
fn missing(
    context: &Context,
    from: Date,
    to: Date,
    counts: &[RecordCount],
    active: &HashSet<MetricKey>,
) -> usize {
    let recorded: HashMap<_, _> = counts.iter().map(|count| (&count.key, count.until_day)).collect();
    let due = context.tenant.calendar.days(from, to).len();
    active.iter().map(|key| due.saturating_sub(recorded.get(key).copied().unwrap_or(0))).sum()
}

fn by_provenance(counts: &[RecordCount]) -> Vec<(Provenance, usize)> {
    let of = |provenance| {
        let all = counts.iter().flat_map(|count| count.of_provenance);
        all.filter(move |(other, _)| *other == provenance).map(|(_, records)| records)
    };
    let counted = Provenance::iter().map(|provenance| (provenance, of(provenance).sum()));
    counted.filter(|(_, records)| *records > 0).collect()
}

fn next(context: &Context, last_finished: Date, is_due: bool) -> NextDay {
    let date = if is_due { last_finished } else { context.day_after(last_finished) };
    NextDay { date, ready_at: context.ready_at(date), is_due }
}
