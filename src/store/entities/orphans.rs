//! Runs that look orphaned, read again.

use std::collections::HashSet;

use crate::store::{LoggedRun, RunFilter, Runs, StoreError};

/// A run that ended after the log was read and before its lock was tested looks orphaned. So the log is read again when
/// a run looks orphaned, which is rare: a run that is no longer `running` in the log ended normally in between.
pub(super) async fn confirm_orphans(store: &impl Runs, runs: &mut [LoggedRun]) -> Result<(), StoreError> {
    if !runs.iter().any(LoggedRun::is_orphaned) {
        return Ok(());
    }
    let (mut running, mut page) = (HashSet::new(), Some(RunFilter::running()));
    while let Some(filter) = page {
        let found = store.runs(&filter).await?;
        page = RunFilter::running_after(&found);
        running.extend(found.into_iter().map(|run| run.id));
    }
    for logged in runs.iter_mut().filter(|logged| logged.is_orphaned()) {
        logged.is_alive = !running.contains(&logged.run.id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use jiff::{Timestamp, civil::Date};
    use uuid::Uuid;

    use super::*;
    use crate::{
        metric::{MetricKey, Record},
        store::{Finish, Held, LockName, NewRun, Run, RunKind, RunOutcome, RunStatus, Trigger},
    };

    /// A log in which only these runs are running.
    struct Running(Vec<Run>);

    #[async_trait]
    impl Runs for Running {
        async fn try_lock(&self, _: &LockName) -> Result<Option<Box<dyn Held>>, StoreError> {
            Ok(None)
        }

        async fn is_taken(&self, _: &LockName) -> Result<bool, StoreError> {
            Ok(false)
        }

        async fn heartbeat_age(&self, _: &LockName) -> Result<Option<jiff::SignedDuration>, StoreError> {
            Ok(None)
        }

        async fn holder(&self, _: &LockName) -> Result<Option<String>, StoreError> {
            Ok(None)
        }

        async fn start_run(&self, _: &NewRun) -> Result<(), StoreError> {
            Ok(())
        }

        async fn commit(
            &self,
            _: &[Record],
            _: Option<&Finish>,
        ) -> Result<Vec<(Date, MetricKey)>, StoreError> {
            Ok(Vec::new())
        }

        async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StoreError> {
            assert_eq!(filter.status, Some(RunStatus::Running));
            Ok(if filter.after.is_none() { self.0.clone() } else { Vec::new() })
        }

        async fn run(&self, _: Uuid) -> Result<Option<Run>, StoreError> {
            Ok(None)
        }

        async fn incomplete_runs(&self, _: Date, _: Date) -> Result<Vec<LoggedRun>, StoreError> {
            Ok(Vec::new())
        }

        async fn run_outcomes(&self, _: Timestamp, _: i64) -> Result<Vec<RunOutcome>, StoreError> {
            Ok(Vec::new())
        }

        async fn last_run(&self) -> Result<Option<LoggedRun>, StoreError> {
            Ok(None)
        }
    }

    fn run(id: u128, status: RunStatus) -> Run {
        Run {
            id: Uuid::from_u128(id),
            kind: RunKind::Collect,
            from: Date::MIN,
            to: Date::MIN,
            started_at: Timestamp::UNIX_EPOCH,
            completed_at: None,
            status,
            metrics_collected: 0,
            error_message: None,
            error_details: None,
            trigger: Trigger::Cli,
            actor: "cli:test".to_owned(),
            host: "here".to_owned(),
            process_id: 1,
        }
    }

    #[tokio::test]
    async fn a_run_that_ended_between_two_reads_is_not_an_orphan() {
        let logged = |id, status, is_alive| LoggedRun { run: run(id, status), is_alive };
        let mut runs = [
            logged(1, RunStatus::Running, false),
            logged(2, RunStatus::Running, false),
            logged(3, RunStatus::Running, true),
            logged(4, RunStatus::Failed, false),
        ];
        // The first ended after the log was read and before its lock was tested; the second is running in the log.
        let log = Running(vec![run(2, RunStatus::Running), run(3, RunStatus::Running)]);
        confirm_orphans(&log, &mut runs).await.unwrap();
        assert_eq!(runs.map(|logged| logged.is_orphaned()), [false, true, false, false]);
    }
}
