//! The part of `check` for the store: its tables, whether a run can write to them, and its definitions.

use jiff::{ToSpan, civil::Date};

use super::CheckScope;
use crate::{
    collect::{Context, selection},
    config::Finding,
    definitions::{diff, other_tenants::other_tenants},
    metric::Definition,
    store::{Finish, IntegrityFinding, LockName, ReturnedLabel, RunStatus, StoreError, StoredDefinition},
};

/// Over how many days before the last finished one a redacted label that came back is reported.
const RETURNED_DAYS: i64 = 7;

/// Checks the store. Returns its active definitions, none if they cannot be read; `None` if the store does not answer.
pub(super) async fn check_store(
    context: &Context,
    configured: &[Definition],
    scope: CheckScope,
    findings: &mut Vec<Finding>,
) -> Option<Vec<StoredDefinition>> {
    match context.tenant.store.pending_migrations().await {
        Err(error) => {
            findings.push(store_error(&error));
            return None;
        }
        Ok(pending) if !pending.is_empty() => {
            let message = format!("not migrated (pending: {})", pending.join(", "));
            findings.push(Finding::error("store", message).hint("run `daymark migrate`"));
            return Some(Vec::new());
        }
        Ok(_) => {}
    }
    match missing_privileges(context).await {
        Some(missing) => findings.push(missing),
        None => {
            let found = check_writing(context).await;
            if found.is_empty() {
                findings.extend(check_new_year(context).await);
            }
            findings.extend(found);
        }
    }
    findings.extend(check_integrity(context).await);
    findings.extend(check_redactions(context).await);
    if !scope.definitions {
        return Some(Vec::new());
    }
    findings.extend(check_applied(context, configured, scope).await);
    Some(match selection::active(context.tenant.store.as_ref()).await {
        Ok(active) => {
            let other_zone = selection::require_time_zone(context, &active).err();
            findings.extend(other_zone.map(|error| Finding::error("store", error.to_string())));
            active
        }
        // `check_applied` has reported the error, as it reads the same table.
        Err(_) => Vec::new(),
    })
}

/// Reports the grants that a run, a server or the turn of a year needs and this role lacks. A store that cannot be asked is
/// reported by the check that follows.
async fn missing_privileges(context: &Context) -> Option<Finding> {
    let missing = context.tenant.store.missing_privileges().await.ok()?;
    (!missing.is_empty()).then(|| {
        let message = format!("its role may not record: it lacks {}", missing.join(", "));
        Finding::error("store", message)
            .hint("as the owner of the store, repeat the grants of the service role (docs/quickstart-postgresql.md)")
    })
}

/// Tries to lock a day that has not ended and to end a run that does not exist, which needs the permissions of a real
/// run and changes nothing.
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

/// Reports what would stop the recording on the first day of a year, months after its cause.
async fn check_new_year(context: &Context) -> Option<Finding> {
    let problem = match context.tenant.store.new_year_problem().await {
        Ok(problem) => problem?,
        Err(error) => return Some(store_error(&error)),
    };
    let hint = match problem.remedy {
        Some(command) => format!("run `{command}` before the year ends: nothing could be recorded from then on"),
        None => "before the year ends, let the owner of the store create tables in its schema; an event trigger of the database \
                 may refuse this (its message is in the server's log)"
            .to_owned(),
    };
    Some(Finding::error("store", problem.message).hint(hint))
}

/// Reports what differs from the migrations in the protection that keeps records immutable.
async fn check_integrity(context: &Context) -> Vec<Finding> {
    let differences = match context.tenant.store.integrity().await {
        Ok(differences) => differences,
        Err(error) => return vec![store_error(&error)],
    };
    let finding = |difference: IntegrityFinding| {
        let hint = match difference.remedy {
            Some(command) => format!("run `{command}`: records could be hidden, read or changed"),
            None => "undo that change, because records could be changed: make again what is missing or differs (`daymark \
                     migrate --show` prints the statements), drop what is not Daymark's, and revoke what was granted"
                .to_owned(),
        };
        Finding::error("store", difference.message).hint(hint)
    };
    differences.into_iter().map(finding).collect()
}

/// Warns of labels that were redacted and that the platform still has: the last days were recorded with their placeholders.
async fn check_redactions(context: &Context) -> Vec<Finding> {
    let since = context.last_finished().checked_sub(RETURNED_DAYS.days()).unwrap_or(Date::MIN);
    let returned = match context.tenant.store.returned_labels(since).await {
        Ok(returned) => returned,
        Err(error) => return vec![store_error(&error)],
    };
    let finding = |ReturnedLabel { placeholder, key, date }: ReturnedLabel| {
        let message = format!(
            "the platform still has the label that was redacted as {placeholder}: it was read again for `{}` of {date}, and recorded as \
             the placeholder",
            key.category
        );
        Finding::warning("store", message).hint(
            "delete the label on the platform too; `daymark redact --list` says who redacted it and why",
        )
    };
    returned.into_iter().map(finding).collect()
}

async fn check_applied(context: &Context, configured: &[Definition], scope: CheckScope) -> Option<Finding> {
    let stored = match context.tenant.store.definitions().await {
        Ok(stored) => stored,
        Err(error) => return Some(store_error(&error)),
    };
    if !stored.iter().any(|metric| metric.is_active) {
        let hint = match other_tenants(context).await {
            Some(others) => format!("run `daymark apply`, or correct the tenant: {others}"),
            None => "run `daymark apply`".to_owned(),
        };
        return Some(Finding::error("store", "no metric is defined").hint(hint));
    }
    let changes = if configured.is_empty() || !scope.resolved {
        0
    } else {
        diff(&stored, configured, context.tenant.calendar.name()).len()
    };
    (changes > 0).then(|| {
        let message = match changes {
            1 => "1 definition differs from that in the configuration".to_owned(),
            _ => format!("{changes} definitions differ from those in the configuration"),
        };
        Finding::warning("store", message)
            .hint("run `daymark apply`; `daymark apply --dry-run` shows the differences")
    })
}

/// The messages of the store's errors already have the remedy.
fn store_error(error: &StoreError) -> Finding {
    Finding::error("store", error.to_string())
}
