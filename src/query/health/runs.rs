//! Rates and durations of the runs of the last days.

use std::collections::BTreeSet;

use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    metric::Calendar,
    store::{RunKind, RunOutcome, RunStatus},
};

/// The share of collections that should complete.
const SUCCESS_TARGET: f64 = 0.999;

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RunsHealth {
    /// How many of the newest collections failed one after the other: nothing was recorded. One that recorded a part ends the
    /// row.
    pub consecutive_failures: usize,
    /// The duration of the newest collection that recorded a value, in seconds; null if none did in 30 days.
    pub last_duration_seconds: Option<f64>,
    /// When the newest collection began that failed or recorded only some of its metrics; null if there was none in 30 days.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_unsuccessful_at: Option<Timestamp>,
    pub last_7_days: RunsWindow,
    pub last_30_days: RunsWindow,
    /// The share of collections that should complete: 0.999.
    pub success_target: f64,
    /// Whether there were more than 10,000 runs in 30 days. Then only the newest 10,000 are counted.
    pub is_cut: bool,
}

/// The collections that began in the last days and have ended. Backfills are not counted.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RunsWindow {
    pub collections: usize,
    pub completed: usize,
    /// Some of their metrics were recorded.
    pub partial: usize,
    pub failed: usize,
    /// On how many dates of the reporting time zone a collection failed or recorded only some of its metrics. An outage during
    /// which one day is retried many times counts once.
    pub unsuccessful_dates: usize,
    /// The share that completed, from 0 to 1; null: there was none.
    pub success_rate: Option<f64>,
    /// Of those that completed or were partial; null: there was none.
    pub duration: Option<RunDurations>,
    /// Of those that completed or were partial; null: there was none.
    pub metrics_per_run: Option<MetricsPerRun>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RunDurations {
    pub median_seconds: f64,
    pub p95_seconds: f64,
}

/// How many records a collection wrote. One that repeats what failed before writes only the rest.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MetricsPerRun {
    pub median: f64,
    pub max: f64,
}

impl RunsHealth {
    /// `outcomes` are newest first, `limit` is how many were asked for. `last_run_died`: the newest failed without being logged
    /// as such.
    pub(super) fn of(
        outcomes: &[RunOutcome],
        calendar: &Calendar,
        now: Timestamp,
        last_run_died: bool,
        limit: i64,
    ) -> Self {
        let collections: Vec<_> =
            outcomes.iter().filter(|outcome| outcome.kind == RunKind::Collect).copied().collect();
        let days = |days: i64| {
            let since = now.saturating_sub((24 * days).hours()).unwrap_or(Timestamp::MIN);
            RunsWindow::of(collections.iter().filter(|outcome| outcome.started_at >= since), calendar)
        };
        let died = outcomes.first().is_some_and(|newest| last_run_died && newest.kind == RunKind::Collect);
        let ended = collections.iter().filter(|outcome| outcome.status != RunStatus::Running);
        let failed = ended.take_while(|outcome| outcome.status == RunStatus::Failed).count();
        Self {
            consecutive_failures: failed + usize::from(died),
            last_duration_seconds: collections.iter().find_map(recording_seconds),
            last_unsuccessful_at: collections
                .iter()
                .find(|outcome| is_unsuccessful(outcome))
                .map(|outcome| outcome.started_at),
            last_7_days: days(7),
            last_30_days: days(30),
            success_target: SUCCESS_TARGET,
            is_cut: i64::try_from(outcomes.len()).is_ok_and(|count| count >= limit),
        }
    }
}

impl RunsWindow {
    fn of<'a>(collections: impl Iterator<Item = &'a RunOutcome> + Clone, calendar: &Calendar) -> Self {
        let count = |status| collections.clone().filter(|outcome| outcome.status == status).count();
        let (completed, partial, failed) =
            (count(RunStatus::Completed), count(RunStatus::Partial), count(RunStatus::Failed));
        let ended = completed + partial + failed;
        let unsuccessful = collections.clone().filter(|outcome| is_unsuccessful(outcome));
        let dates: BTreeSet<_> = unsuccessful.map(|outcome| calendar.date_of(outcome.started_at)).collect();
        let durations = Sorted::new(collections.clone().filter_map(recording_seconds));
        let recording = collections.clone().filter(|outcome| recorded(outcome));
        let metrics = Sorted::new(recording.map(|outcome| outcome.metrics_collected as f64));
        Self {
            collections: ended,
            completed,
            partial,
            failed,
            unsuccessful_dates: dates.len(),
            success_rate: (ended > 0).then(|| completed as f64 / ended as f64),
            duration: durations
                .quantile(0.5)
                .zip(durations.quantile(0.95))
                .map(|(median_seconds, p95_seconds)| RunDurations { median_seconds, p95_seconds }),
            metrics_per_run: metrics
                .quantile(0.5)
                .zip(metrics.quantile(1.0))
                .map(|(median, max)| MetricsPerRun { median, max }),
        }
    }
}

fn recorded(outcome: &RunOutcome) -> bool {
    matches!(outcome.status, RunStatus::Completed | RunStatus::Partial)
}

fn is_unsuccessful(outcome: &RunOutcome) -> bool {
    matches!(outcome.status, RunStatus::Partial | RunStatus::Failed)
}

/// How long a collection took that recorded something. Others end when they fail, or when the next run finds them dead.
fn recording_seconds(outcome: &RunOutcome) -> Option<f64> {
    let completed_at = outcome.completed_at.filter(|_| recorded(outcome))?;
    Some(completed_at.duration_since(outcome.started_at).as_secs_f64())
}

/// Numbers in ascending order.
struct Sorted(Vec<f64>);

impl Sorted {
    fn new(numbers: impl Iterator<Item = f64>) -> Self {
        let mut numbers: Vec<_> = numbers.collect();
        numbers.sort_by(f64::total_cmp);
        Self(numbers)
    }

    /// The smallest number that is not less than this share of all of them: nearest rank.
    fn quantile(&self, share: f64) -> Option<f64> {
        // A share of at most 1 gives a rank of at most the length.
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2025-01-31T12:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    /// A collection that began some hours before [`NOW`] and took some seconds.
    fn run(hours: i64, seconds: i64, status: RunStatus) -> RunOutcome {
        let started_at = now() - hours.hours();
        let completed_at = (status != RunStatus::Running).then(|| started_at + seconds.seconds());
        RunOutcome {
            kind: RunKind::Collect,
            status,
            started_at,
            completed_at,
            metrics_collected: seconds * 2,
        }
    }

    #[test]
    fn rates_and_durations_are_of_the_collections_of_a_window() {
        use RunStatus::{Completed, Failed, Partial, Running};
        let backfill = RunOutcome { kind: RunKind::Backfill, ..run(3, 5000, Failed) };
        let runs = [
            run(1, 0, Running),
            run(2, 4, Completed),
            backfill,
            run(4, 1, Failed),
            run(5, 2, Partial),
            run(24 * 7 + 1, 60, Completed),
        ];
        let health = RunsHealth::of(&runs, &Calendar::utc(), now(), false, 100);
        let week = &health.last_7_days;
        assert_eq!((week.collections, week.completed, week.partial, week.failed), (3, 1, 1, 1));
        assert_eq!(week.success_rate, Some(1.0 / 3.0));
        assert_eq!(week.duration, Some(RunDurations { median_seconds: 2.0, p95_seconds: 4.0 }));
        assert_eq!(week.metrics_per_run, Some(MetricsPerRun { median: 4.0, max: 8.0 }));
        assert_eq!((health.last_30_days.collections, health.last_duration_seconds), (4, Some(4.0)));
        assert_eq!(health.last_30_days.duration.as_ref().map(|d| d.p95_seconds), Some(60.0));
        assert!(!health.is_cut && RunsHealth::of(&runs, &Calendar::utc(), now(), false, 6).is_cut);
    }

    #[test]
    fn the_attempts_of_an_outage_are_one_date() {
        use RunStatus::{Completed, Failed, Partial};
        // 2025-01-31 12:00 UTC less 10 hours is the 31st in UTC, and still the 30th in Los Angeles.
        let runs = [
            run(1, 1, Completed),
            run(2, 1, Failed),
            run(3, 1, Failed),
            run(10, 1, Partial),
            run(24 * 7 + 1, 1, Failed),
        ];
        let dates = |zone| {
            let health = RunsHealth::of(&runs, &Calendar::new(zone).unwrap(), now(), false, 100);
            assert_eq!(health.last_unsuccessful_at, Some(now() - 2.hours()));
            (health.last_7_days.unsuccessful_dates, health.last_30_days.unsuccessful_dates)
        };
        assert_eq!((dates("UTC"), dates("America/Los_Angeles")), ((1, 2), (2, 3)));
        let health = RunsHealth::of(&runs[..1], &Calendar::utc(), now(), false, 100);
        assert_eq!((health.last_unsuccessful_at, health.last_7_days.unsuccessful_dates), (None, 0));
    }

    #[test]
    fn without_runs_there_are_no_figures() {
        let window = RunsHealth::of(&[], &Calendar::utc(), now(), false, 100).last_7_days;
        assert_eq!((window.success_rate, window.duration, window.metrics_per_run), (None, None, None));
    }

    #[test]
    fn failures_in_a_row_end_with_a_run_that_recorded_something() {
        use RunStatus::{Completed, Failed, Partial, Running};
        let row = |statuses: &[RunStatus], died| {
            let runs: Vec<_> =
                statuses.iter().enumerate().map(|(n, status)| run(n as i64, 1, *status)).collect();
            RunsHealth::of(&runs, &Calendar::utc(), now(), died, 100).consecutive_failures
        };
        assert_eq!(row(&[Failed, Failed, Partial, Failed], false), 2);
        assert_eq!(row(&[Completed, Failed], false), 0);
        assert_eq!(row(&[Running, Failed, Failed], false), 2, "the running run has not ended");
        assert_eq!(row(&[Running, Failed, Failed], true), 3, "its process is gone");
    }

    #[test]
    fn quantiles_are_numbers_of_the_list() {
        let sorted = Sorted::new((1..=100).rev().map(f64::from));
        assert_eq!(
            [0.5, 0.95, 1.0].map(|share| sorted.quantile(share)),
            [Some(50.0), Some(95.0), Some(100.0)]
        );
        assert_eq!(Sorted::new([7.0].into_iter()).quantile(0.5), Some(7.0));
        assert_eq!(Sorted::new(std::iter::empty()).quantile(0.5), None);
    }
}
