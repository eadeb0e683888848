//! The state of collection.

use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use utoipa::ToSchema;

use super::{catalogue::Catalogue, error::QueryError, runs::RunEntry};
use crate::{
    collect::{self, Context, StatusReport},
    metric::Provenance,
    store::RunStatus,
};

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StatusResponse {
    /// `never_ran`, or the status of the last run; `died` if that run is logged as running but its process no longer
    /// holds its lock.
    pub state: &'static str,
    /// The IANA time zone whose days are recorded.
    pub time_zone: String,
    pub active_metrics: usize,
    /// The first and the last recorded day.
    pub recorded: Option<RecordedSpan>,
    /// How many records there are, and how many of each provenance.
    pub records: usize,
    pub observed: usize,
    pub reconstructed: usize,
    pub corrected: usize,
    /// Records that are missing from `missing_since` to the last finished day, of one metric and day each.
    pub missing: usize,
    /// The day of the platform's first row or the first recorded day, whichever is earlier; the first recorded day if
    /// the platform does not answer within two seconds.
    #[schema(value_type = String, format = Date)]
    pub missing_since: Date,
    #[schema(value_type = String, format = Date)]
    pub last_finished: Date,
    /// How many of the active metrics have a record of the last finished day.
    pub last_finished_recorded: usize,
    pub next: NextDayEntry,
    pub last_run: Option<RunEntry>,
    /// The newest run that completed.
    pub last_completed: Option<RunEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecordedSpan {
    #[schema(value_type = String, format = Date)]
    pub first: Date,
    #[schema(value_type = String, format = Date)]
    pub last: Date,
}

/// The next day to be collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NextDayEntry {
    #[schema(value_type = String, format = Date)]
    pub date: Date,
    /// The time from which it can be recorded.
    #[schema(value_type = String, format = DateTime)]
    pub ready_at: Timestamp,
    pub is_due: bool,
}

impl StatusResponse {
    /// Whether it may become wrong without a commit, because the running run may die.
    pub fn is_volatile(&self) -> bool {
        self.state == RunStatus::Running.name()
    }
}

/// # Errors
/// When the store fails.
pub async fn status(context: &Context, catalogue: &Catalogue) -> Result<StatusResponse, QueryError> {
    let active = catalogue.metrics().iter().filter(|metric| metric.stored.is_active);
    let active: Vec<_> = active.map(|metric| metric.stored.clone()).collect();
    let report = collect::status_of(context, &active).await?;
    Ok(answer(context, report))
}

fn answer(context: &Context, report: StatusReport) -> StatusResponse {
    let state = match &report.last_run {
        None => "never_ran",
        Some(_) if report.last_run_is_orphaned => "died",
        Some(run) => run.status.name(),
    };
    let count = |wanted: Provenance| {
        let counts = report.by_provenance.iter();
        counts.filter(|(provenance, _)| *provenance == wanted).map(|(_, count)| count).sum()
    };
    StatusResponse {
        state,
        time_zone: context.tenant.calendar.name().to_owned(),
        active_metrics: report.active_metrics,
        recorded: report.recorded.map(|(first, last)| RecordedSpan { first, last }),
        records: report.records,
        observed: count(Provenance::Observed),
        reconstructed: count(Provenance::Reconstructed),
        corrected: count(Provenance::Corrected),
        missing: report.missing,
        missing_since: report.missing_since,
        last_finished: report.last_finished,
        last_finished_recorded: report.last_finished_recorded,
        next: NextDayEntry {
            date: report.next.date,
            ready_at: report.next.ready_at,
            is_due: report.next.is_due,
        },
        last_run: report.last_run.map(RunEntry::from),
        last_completed: report.last_completed.map(RunEntry::from),
    }
}
