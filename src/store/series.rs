//! Questions about many days of many metrics, each answered by one statement.

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::{Run, RunFilter, RunStatus, Store, StoreError};
use crate::metric::{Decimal, MetricKey, Provenance, Record};

/// Which records to read, and with them what the log says about the days: the runs that did not complete.
#[derive(Debug, Clone)]
pub struct SeriesQuestion {
    pub from: Date,
    pub to: Date,
    pub metrics: Vec<AskedMetric>,
}

impl SeriesQuestion {
    /// How many days of metrics it is about.
    pub fn size(&self) -> usize {
        let days = usize::try_from((self.to - self.from).get_days() + 1).unwrap_or(0);
        days.saturating_mul(self.metrics.len())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedMetric {
    pub key: MetricKey,
    /// Whether the records' metadata are wanted; they are most of what is sent.
    pub metadata: bool,
}

#[derive(Debug, Clone, Default)]
pub struct SeriesRows {
    /// One for each metric asked, in that order; by date.
    pub series: Vec<Vec<RecordedDay>>,
    /// The runs that are not `completed` and whose days overlap the range; newest first.
    pub runs: Vec<LoggedRun>,
}

/// What the log says about a run, and whether it still is so.
#[derive(Debug, Clone)]
pub struct LoggedRun {
    pub run: Run,
    /// Whether the run is logged as running and somebody holds its lock.
    pub is_alive: bool,
}

impl LoggedRun {
    /// Logged as running, with nobody behind it.
    pub fn is_orphaned(&self) -> bool {
        self.run.status == RunStatus::Running && !self.is_alive
    }
}

/// What a series shows of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedDay {
    pub date: Date,
    /// With the digits as they are stored.
    pub value: Decimal,
    pub provenance: Provenance,
    pub definition_version: i32,
    /// Only where it was asked for, which is seldom: most days are spared its room.
    pub metadata: Option<Box<Map<String, Value>>>,
}

/// The newest record of a metric, and the values before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    pub record: Record,
    /// The values 1 day, 7 days and a calendar month before the record's date, where they are recorded. A month before
    /// 31 March is the last day of February.
    pub day_before: Option<Decimal>,
    pub week_before: Option<Decimal>,
    pub month_before: Option<Decimal>,
}

/// A run that ended after the log was read and before its lock was looked at seems to be dead. So the log is asked
/// again about those that seem so, which are few and seldom: one that is no longer running there was alive.
pub(super) async fn confirm_orphans(store: &dyn Store, runs: &mut [LoggedRun]) -> Result<(), StoreError> {
    if !runs.iter().any(LoggedRun::is_orphaned) {
        return Ok(());
    }
    let running = RunFilter { status: Some(RunStatus::Running), ..RunFilter::default() };
    let running = store.runs(&running).await?;
    for logged in runs.iter_mut().filter(|logged| logged.is_orphaned()) {
        logged.is_alive = !running.iter().any(|run| run.id == logged.run.id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::civil::date;
    use uuid::Uuid;

    use super::*;
    use crate::{
        database::RetryPolicy,
        store::{Finish, NewRun, RunKind, StoreOptions},
    };

    #[tokio::test]
    async fn a_run_that_ended_meanwhile_did_not_die() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("store.db").display()).parse().unwrap();
        let retry = RetryPolicy { retries: 0, initial_delay: Duration::ZERO };
        let options = StoreOptions {
            tenant: "default".to_owned(),
            schema: String::new(),
            retry,
            statement_timeout: None,
        };
        let store = crate::store::open(&url, options);
        store.migrate().await.unwrap();
        let (day, started_at) = (date(2025, 1, 1), "2025-01-02T00:15:00Z".parse().unwrap());
        for id in [1, 2].map(Uuid::from_u128) {
            let (kind, host) = (RunKind::Collect, "here".to_owned());
            let run = NewRun { id, kind, from: day, to: day, started_at, host, process_id: 1 };
            store.start_run(&run).await.unwrap();
        }
        let question = SeriesQuestion { from: day, to: day, metrics: Vec::new() };
        let mut rows = store.series(&question).await.unwrap();
        assert!(rows.runs.iter().all(LoggedRun::is_orphaned));
        let finish = Finish {
            id: Uuid::from_u128(2),
            status: RunStatus::Completed,
            completed_at: started_at,
            error_message: None,
            error_details: None,
        };
        store.commit(&[], Some(&finish)).await.unwrap();
        confirm_orphans(store.as_ref(), &mut rows.runs).await.unwrap();
        let dead: Vec<_> = rows.runs.iter().filter(|logged| logged.is_orphaned()).collect();
        assert_eq!((dead.len(), dead[0].run.id), (1, Uuid::from_u128(1)));
    }
}
