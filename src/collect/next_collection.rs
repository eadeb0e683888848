//! The next collection on schedule, as an operator expects it.

use jiff::{Timestamp, civil::Date};

use super::{
    AttemptEnd, CollectError, Context, MAX_ATTEMPTS, active_metrics, missing_days::missing_on,
    next_collection_attempt,
};
use crate::store::{Job, JobFilter, JobKind};

/// The day and the time of the next collection: the next day, or the due day once more if it lacks records after an attempt and is
/// tried again before that. `None`: the cron expression has no further time.
///
/// # Errors
/// When the store fails.
pub async fn next_collection(context: &Context) -> Result<Option<(Date, Timestamp)>, CollectError> {
    let now = context.now();
    let due = context.due_times();
    let next = due.next_due(now);
    let Some(last) = due.last_due(now) else { return Ok(next) };
    // A time that has passed is that of an attempt which runs or begins at any moment.
    let again = retry_at(context, last, now).await?.map(|at| (last, at.max(now)));
    Ok(again.into_iter().chain(next).min_by_key(|(_, at)| *at))
}

/// When the leader collects `date` again after an attempt that left something missing.
async fn retry_at(context: &Context, date: Date, now: Timestamp) -> Result<Option<Timestamp>, CollectError> {
    let newest = JobFilter { limit: Some(MAX_ATTEMPTS), ..JobFilter::default() };
    let jobs = context.tenant.store.jobs(&newest).await?;
    let attempts: Vec<_> =
        jobs.iter().filter(|job| is_collection_of(job, date)).filter_map(AttemptEnd::of).collect();
    if attempts.is_empty() {
        return Ok(None);
    }
    let missing = missing_on(context, &active_metrics(context).await?, date).await?;
    let Some(changed_at) = missing.iter().map(|metric| metric.changed_at).max() else { return Ok(None) };
    Ok(next_collection_attempt(&attempts, changed_at, context.observed_until(date), now))
}

/// Whether the job collects all metrics of the day, as the scheduler does.
fn is_collection_of(job: &Job, date: Date) -> bool {
    let has_all_metrics =
        job.spec.get("metrics").and_then(|metrics| metrics.as_array()).is_some_and(Vec::is_empty);
    let day = job.spec.get("date").and_then(|date| date.as_str());
    job.kind == JobKind::Collect && has_all_metrics && day == Some(date.to_string().as_str())
}
