//! Closes runs whose process ended unexpectedly. A process holds the lock of its run until it ends, so a run that is
//! logged as running and whose lock can be taken is orphaned.

use crate::store::{Finish, LockName, Run, RunFilter, RunStatus, Store, StoreError};

use super::{CollectError, Context};

/// Closes orphaned runs as failed. `held_lock` is the lock that the caller holds, if any: every run with this lock is
/// orphaned.
///
/// # Errors
/// When the store fails.
pub async fn close_orphaned_runs(context: &Context, held_lock: Option<LockName>) -> Result<(), CollectError> {
    for run in running(context.tenant.store.as_ref()).await? {
        if held_lock.as_ref() == Some(&run.lock()) {
            close_one(context, &run).await?;
        } else if let Some(_lock) = context.tenant.store.try_lock(&run.lock()).await? {
            close_one(context, &run).await?;
        }
    }
    Ok(())
}

pub(super) async fn running(store: &dyn Store) -> Result<Vec<Run>, StoreError> {
    store.runs(&RunFilter { status: Some(RunStatus::Running), ..RunFilter::default() }).await
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
