//! Spaces the retries of failed metrics in a collection that is started repeatedly, for example every hour by cron.
//! Without it, a lasting failure would be read and logged again each hour. The pause doubles with every consecutive
//! attempt in which the same metrics failed (exponential backoff), and is computed from the collection log alone.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp, civil::Date};

use super::{
    CancellationToken, CollectError, Context, DayReport, Failure, collect_day,
    day::{provenance_now, recorded_and_missing},
    failure, selection,
};
use crate::store::{DefinitionVersion, Run, RunFilter, RunStatus, StoredDefinition};

/// The pause after the first failed attempt: slightly less than the hour between scheduled runs.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(50);
/// The longest pause.
const MAX_PAUSE: SignedDuration = SignedDuration::from_hours(24);
/// How many of the day's newest runs are read: after this many failed attempts the pause has reached its maximum.
const MAX_ATTEMPTS: i64 = 6;

/// Like [`collect_day`], unless all missing metrics failed recently and are not due for a retry: then nothing is read,
/// and the report repeats their failures and says when they will be tried again. A metric that `only` names is always
/// tried.
///
/// # Errors
/// The same as those of [`collect_day`].
pub async fn collect_if_due(
    context: &Context,
    date: Option<Date>,
    only: &[String],
    cancel: &CancellationToken,
) -> Result<DayReport, CollectError> {
    let date = date.unwrap_or_else(|| context.last_finished());
    if only.is_empty()
        && context.require_finished(date).is_ok()
        && let Some(report) = not_due(context, date).await?
    {
        return Ok(report);
    }
    collect_day(context, Some(date), only, cancel).await
}

async fn not_due(context: &Context, date: Date) -> Result<Option<DayReport>, CollectError> {
    let started = Instant::now();
    let metrics = selection::select(context, &[]).await?;
    let (already_there, missing) = recorded_and_missing(context, date, metrics).await?;
    if missing.is_empty() {
        return Ok(None);
    }
    let filter = RunFilter { days: Some((date, date)), limit: Some(MAX_ATTEMPTS), ..RunFilter::default() };
    let mut attempts = context.tenant.store.runs(&filter).await?;
    // Runs after now were made while the clock was ahead: their pauses would last until the time that it showed then.
    attempts.retain(|run| run.started_at <= context.now());
    if failed_attempts(&attempts, &missing, &[]) == 0 {
        return Ok(None);
    }
    let versions = context.tenant.store.definition_versions().await?;
    let Some(next_attempt) = next_attempt(&attempts, &missing, &versions) else { return Ok(None) };
    if context.now() >= next_attempt {
        return Ok(None);
    }
    let last = attempts.first();
    let of_missing = |failure: &Failure| missing.iter().any(|metric| failed(failure, metric));
    let failures = last.map(|run| failure::listed(run.error_details.as_ref())).unwrap_or_default();
    Ok(Some(DayReport {
        status: last.map_or(RunStatus::Failed, |run| run.status),
        already_there,
        failed: failures.into_iter().filter(of_missing).collect(),
        next_attempt: Some(next_attempt),
        ..DayReport::empty(date, provenance_now(context, date), started)
    }))
}

/// Returns when the `missing` metrics are due for a retry; `None` if not all of them failed in the newest of the
/// `attempts`.
fn next_attempt(
    attempts: &[Run],
    missing: &[StoredDefinition],
    versions: &[DefinitionVersion],
) -> Option<Timestamp> {
    let count = failed_attempts(attempts, missing, versions);
    let doublings = u32::try_from(count.checked_sub(1)?).unwrap_or(u32::MAX);
    let pause = (FIRST_PAUSE * 2_i32.saturating_pow(doublings)).min(MAX_PAUSE);
    attempts.first()?.started_at.checked_add(pause).ok()
}

/// Returns in how many consecutive `attempts`, from the newest on, all `missing` metrics failed. `attempts` are ordered
/// newest first. Attempts before the creation of a metric's current version in `versions` tried another definition and
/// do not count.
fn failed_attempts(attempts: &[Run], missing: &[StoredDefinition], versions: &[DefinitionVersion]) -> usize {
    let is_current = |version: &&DefinitionVersion| {
        missing
            .iter()
            .any(|metric| metric.definition.key() == version.key && metric.version == version.version)
    };
    let changed_at = versions.iter().filter(is_current).map(|version| version.created_at).max();
    let all_failed = |run: &&Run| {
        let failures = failure::listed(run.error_details.as_ref());
        matches!(run.status, RunStatus::Partial | RunStatus::Failed)
            && changed_at.is_none_or(|changed_at| changed_at <= run.started_at)
            && missing.iter().all(|metric| failures.iter().any(|failure| failed(failure, metric)))
    };
    attempts.iter().take_while(all_failed).count()
}

fn failed(failure: &Failure, metric: &StoredDefinition) -> bool {
    failure.category == metric.definition.category
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use uuid::Uuid;

    use super::*;
    use crate::{
        collect::sample,
        store::{RunKind, Trigger},
    };

    const FIRST: &str = "2025-01-02T00:15:00Z";

    /// Returns attempts at these minutes after [`FIRST`], newest first, in which the metrics `failed` failed.
    fn attempts(minutes: &[i64], failed: &[&str]) -> Vec<Run> {
        let failures: Vec<_> =
            failed.iter().map(|category| Failure::of_value(category, "no".to_owned())).collect();
        let run = |minutes: &i64| Run {
            id: Uuid::nil(),
            kind: RunKind::Collect,
            from: date(2025, 1, 1),
            to: date(2025, 1, 1),
            started_at: FIRST.parse::<Timestamp>().unwrap() + SignedDuration::from_mins(*minutes),
            completed_at: None,
            status: RunStatus::Partial,
            metrics_collected: 0,
            error_message: None,
            error_details: failure::details(&failures),
            trigger: Trigger::Schedule,
            actor: "system".to_owned(),
            host: "here".to_owned(),
            process_id: 1,
        };
        minutes.iter().rev().map(run).collect()
    }

    /// Returns the next attempt in minutes after [`FIRST`].
    fn next(minutes: &[i64], failed: &[&str], missing: &[StoredDefinition]) -> Option<i64> {
        next_of(minutes, failed, missing, &[])
    }

    fn next_of(
        minutes: &[i64],
        failed: &[&str],
        missing: &[StoredDefinition],
        versions: &[DefinitionVersion],
    ) -> Option<i64> {
        let next = next_attempt(&attempts(minutes, failed), missing, versions)?;
        Some(next.duration_since(FIRST.parse().unwrap()).as_mins())
    }

    #[test]
    fn an_hourly_schedule_tries_a_lasting_failure_five_times_a_day() {
        let missing = [sample::created("a")];
        let mut tried = vec![0];
        for hour in 1..24 {
            if next(&tried, &["a"], &missing).is_none_or(|next| next <= hour * 60) {
                tried.push(hour * 60);
            }
        }
        assert_eq!(tried, [0, 60, 180, 420, 840]);
        assert_eq!(next(&[0, 60, 180, 420, 840, 1700], &["a"], &missing), Some(1700 + 24 * 60));
    }

    #[test]
    fn metrics_that_did_not_fail_or_were_corrected_are_due() {
        let missing = [sample::created("a"), sample::created("b")];
        assert_eq!(next(&[], &[], &missing), None);
        assert_eq!(next(&[0], &["a"], &missing), None, "b is missing for another reason");
        assert_eq!(next(&[0], &["a", "b", "c"], &missing), Some(50));
        let StoredDefinition { definition, version, .. } = sample::created("a");
        let created_at = FIRST.parse::<Timestamp>().unwrap() + SignedDuration::from_mins(1);
        let corrected = [DefinitionVersion { key: definition.key(), version, definition, created_at }];
        let next = |minutes: &[i64]| next_of(minutes, &["a"], &[sample::created("a")], &corrected);
        assert_eq!(next(&[0]), None, "it was corrected since");
        assert_eq!(next(&[0, 60]), Some(110), "and failed again: the first time");
    }
}
