//! Where things stand: the last runs, what is recorded, what is missing, and what is due next.

use jiff::{Timestamp, civil::Date};

use super::{CollectError, Context, dead_runs, gaps, selection};
use crate::{
    metric::Provenance,
    store::{Run, RunFilter, RunStatus},
};

#[derive(Debug, Clone)]
pub struct StatusReport {
    /// `None`: never ran.
    pub last_run: Option<Run>,
    /// Whether the last run is logged as running though nobody is behind it.
    pub last_run_is_dead: bool,
    /// The newest run that completed.
    pub last_completed: Option<Run>,
    pub active_metrics: usize,
    /// The first and the last recorded day.
    pub recorded: Option<(Date, Date)>,
    /// How many records there are.
    pub records: i64,
    pub by_provenance: Vec<(Provenance, i64)>,
    /// Records that are missing between the first recorded and the last finished day, of one metric and day each.
    pub missing: usize,
    pub last_finished: Date,
    /// How many of the active metrics have a record of the last finished day.
    pub last_finished_recorded: usize,
    pub next: NextDay,
}

/// The next day to be collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextDay {
    pub date: Date,
    /// From when on. In the past: it is overdue.
    pub ready_at: Timestamp,
    pub is_due: bool,
}

/// # Errors
/// When the store fails.
pub async fn status(context: &Context) -> Result<StatusReport, CollectError> {
    let store = context.store.as_ref();
    let newest = RunFilter { limit: Some(1), ..RunFilter::default() };
    let last_run = store.runs(&newest).await?.into_iter().next();
    let completed = RunFilter { status: Some(RunStatus::Completed), ..newest };
    let last_run_is_dead = match &last_run {
        Some(run) if run.status == RunStatus::Running => {
            let incomplete = dead_runs::incomplete(store, run.from, run.to).await?;
            incomplete.iter().any(|logged| logged.run.id == run.id && logged.is_dead())
        }
        _ => false,
    };
    let recorded = store.recorded_span().await?;
    let by_provenance = match recorded {
        Some((first, last)) => store.provenance_counts(first, last).await?,
        None => Vec::new(),
    };
    let active = selection::active(store).await?;
    let last_finished = context.last_finished();
    let of_day = store.recorded(last_finished, last_finished).await?;
    let has_record = |key| of_day.get(&key).is_some_and(|days| days.contains(&last_finished));
    let last_finished_recorded = active.iter().filter(|metric| has_record(metric.definition.key())).count();
    let missing = match active.is_empty() {
        true => 0,
        false => gaps::gaps(context, None, None).await?.missing,
    };
    Ok(StatusReport {
        last_run,
        last_run_is_dead,
        last_completed: store.runs(&completed).await?.into_iter().next(),
        active_metrics: active.len(),
        recorded,
        records: by_provenance.iter().map(|(_, count)| count).sum(),
        by_provenance,
        missing,
        last_finished,
        last_finished_recorded,
        next: next(context, last_finished, last_finished_recorded < active.len()),
    })
}

fn next(context: &Context, last_finished: Date, is_due: bool) -> NextDay {
    let date = if is_due { last_finished } else { context.day_after(last_finished) };
    NextDay { date, ready_at: context.ready_at(date), is_due }
}
