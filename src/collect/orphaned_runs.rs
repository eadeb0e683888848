//! Closes runs whose process ended unexpectedly. A process holds the lock of its run until it ends, so a run that is
//! logged as running and whose lock can be taken is orphaned.

use crate::store::{Finish, LockName, Run, RunFilter, RunStatus, StoreError};

use super::{CollectError, Context};

/// How many runs are closed at once. The others are closed by later runs: a role that records can insert any number.
const MOST_CLOSED: usize = 1000;

/// Closes orphaned runs as failed, at most [`MOST_CLOSED`]. `held_lock` is the lock that the caller holds, if any: every run with
/// this lock is orphaned.
///
/// # Errors
/// When the store fails.
pub async fn close_orphaned_runs(context: &Context, held_lock: Option<LockName>) -> Result<(), CollectError> {
    let (mut closed, mut page) = (0, Some(RunFilter::running()));
    while let Some(filter) = page {
        let runs = context.tenant.store.runs(&filter).await?;
        page = RunFilter::running_after(&runs);
        for (lock, runs) in by_lock(runs) {
            let _lock = match held_lock.as_ref() == Some(&lock) {
                true => None,
                false => match context.tenant.store.try_lock(&lock).await? {
                    Some(taken) => Some(taken),
                    None => continue,
                },
            };
            for run in runs {
                close_one(context, &run).await?;
                closed += 1;
                if closed == MOST_CLOSED {
                    tracing::warn!(closed, "closed orphaned runs; later runs close the others");
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Taking a lock costs a session, so each is taken once for all of its runs.
fn by_lock(runs: Vec<Run>) -> Vec<(LockName, Vec<Run>)> {
    let mut groups: Vec<(LockName, Vec<Run>)> = Vec::new();
    for run in runs {
        let lock = run.lock();
        match groups.iter_mut().find(|(name, _)| *name == lock) {
            Some((_, runs)) => runs.push(run),
            None => groups.push((lock, vec![run])),
        }
    }
    groups
}

/// The error message of an orphaned run in the log.
pub(super) fn orphaned_message(run: &Run) -> String {
    format!(
        "its process ({} on {}) ended, or lost its lock, before the run finished",
        run.process_id, run.host
    )
}

async fn close_one(context: &Context, run: &Run) -> Result<(), CollectError> {
    let finish = Finish {
        id: run.id,
        status: RunStatus::Failed,
        completed_at: context.now().max(run.started_at),
        error_message: Some(orphaned_message(run)),
        error_details: None,
    };
    match context.tenant.store.commit(&[], Some(&finish)).await {
        Ok(_) => {
            tracing::warn!(run = %run.id, process_id = run.process_id, host = run.host, "closed an orphaned run");
            Ok(())
        }
        // The run ended, or another process closed it, between reading the log and taking the lock.
        Err(StoreError::RunFinished(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
