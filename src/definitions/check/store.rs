//! What `check` looks at in the store: its tables, whether a run could write to them, and the definitions in it.

use super::CheckScope;
use crate::{
    collect::{Context, selection},
    config::Finding,
    definitions::diff,
    metric::Definition,
    store::{Finish, IntegrityFinding, LockName, RunStatus, StoreError, StoredDefinition},
};

/// Returns the active definitions, as far as they can be read.
pub(super) async fn check_store(
    context: &Context,
    wanted: &[Definition],
    scope: CheckScope,
    findings: &mut Vec<Finding>,
) -> Vec<StoredDefinition> {
    match context.tenant.store.pending_migrations().await {
        Err(error) => {
            findings.push(store_error(&error));
            return Vec::new();
        }
        Ok(pending) if !pending.is_empty() => {
            let message = format!("not migrated (pending: {})", pending.join(", "));
            findings.push(Finding::error("store", message).hint("run `daymark migrate`"));
            return Vec::new();
        }
        Ok(_) => {}
    }
    findings.extend(check_writing(context).await);
    findings.extend(check_integrity(context).await);
    if !scope.definitions {
        return Vec::new();
    }
    findings.extend(check_applied(context, wanted).await);
    match selection::active(context.tenant.store.as_ref()).await {
        Ok(active) => {
            let other_zone = selection::require_time_zone(context, &active).err();
            findings.extend(other_zone.map(|error| Finding::error("store", error.to_string())));
            active
        }
        // Reported by `check_applied`, which reads the same.
        Err(_) => Vec::new(),
    }
}

/// Tries to lock a day that is not over and to end a run that does not exist: that needs the permissions of a real
/// run, and changes nothing.
async fn check_writing(context: &Context) -> Vec<Finding> {
    let day = context.day_after(context.last_finished());
    let finish = Finish {
        id: uuid::Uuid::new_v4(),
        status: RunStatus::Failed,
        completed_at: context.now(),
        error_message: None,
        error_details: None,
    };
    let locked = context.tenant.store.try_lock(&LockName::Day(day)).await.err();
    let ended = match context.tenant.store.commit(&[], Some(&finish)).await {
        Ok(_) | Err(StoreError::RunFinished(_)) => None,
        Err(error) => Some(error),
    };
    locked.iter().chain(&ended).map(store_error).collect()
}

/// Names what is missing of that on which immutability rests. A store that cannot be asked has been named already.
async fn check_integrity(context: &Context) -> Vec<Finding> {
    let missing = context.tenant.store.integrity().await.unwrap_or_default();
    let named = |missing: IntegrityFinding| {
        Finding::error("store", missing.message)
            .hint("restore it: records could be changed (docs/operations.md)")
    };
    missing.into_iter().map(named).collect()
}

async fn check_applied(context: &Context, wanted: &[Definition]) -> Option<Finding> {
    let stored = match context.tenant.store.definitions().await {
        Ok(stored) => stored,
        Err(error) => return Some(store_error(&error)),
    };
    if !stored.iter().any(|metric| metric.is_active) {
        return Some(Finding::error("store", "no metric is defined").hint("run `daymark apply`"));
    }
    let changes =
        if wanted.is_empty() { 0 } else { diff(&stored, wanted, context.tenant.calendar.name()).len() };
    (changes > 0).then(|| {
        let message = match changes {
            1 => "1 definition differs from that in the configuration".to_owned(),
            _ => format!("{changes} definitions differ from those in the configuration"),
        };
        Finding::warning("store", message).hint("run `daymark apply`; `daymark apply --dry-run` shows them")
    })
}

/// Errors of the store say themselves what to do.
fn store_error(error: &StoreError) -> Finding {
    Finding::error("store", error.to_string())
}
