//! Everything that could go wrong in the next collection, tried beforehand. A check never stops at the first finding.

use super::{Context, batch::Batch, definitions, error::advice, selection};
use crate::{
    config::Finding,
    database::{Fault, FaultClass},
    metric::Definition,
    platform::Schema,
    store::{Finish, LockName, RunStatus, StoreError},
};

/// Checks the store, the platform and every metric: those that the configuration makes (`wanted`), and those that are
/// in the store otherwise and will be collected until the configuration is applied. Nothing is found: the next
/// collection will work.
pub async fn check(context: &Context, wanted: &[Definition]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let stored = check_store(context, wanted, &mut findings).await;
    let otherwise = stored.into_iter().filter(|definition| !wanted.contains(definition));
    let metrics: Vec<_> = wanted
        .iter()
        .map(|definition| (format!("metric {}", definition.category), definition.clone()))
        .chain(otherwise.map(|stored| (format!("metric {} as it is in the store", stored.category), stored)))
        .collect();
    check_platform(context, &metrics, &mut findings).await;
    findings
}

/// Returns the active definitions, as far as they can be read.
async fn check_store(
    context: &Context,
    wanted: &[Definition],
    findings: &mut Vec<Finding>,
) -> Vec<Definition> {
    match context.store.pending_migrations().await {
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
    findings.extend(check_applied(context, wanted).await);
    match selection::active(context.store.as_ref()).await {
        Ok(active) => {
            let other_zone = selection::require_time_zone(context, &active).err();
            findings.extend(other_zone.map(|error| Finding::error("store", error.to_string())));
            active.into_iter().map(|metric| metric.definition).collect()
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
        completed_at: context.clock.now(),
        error_message: None,
        error_details: None,
    };
    let locked = context.store.try_lock(&LockName::Day(day)).await.err();
    let ended = match context.store.commit(&[], Some(&finish)).await {
        Ok(_) | Err(StoreError::RunFinished(_)) => None,
        Err(error) => Some(error),
    };
    locked.iter().chain(&ended).map(store_error).collect()
}

async fn check_applied(context: &Context, wanted: &[Definition]) -> Option<Finding> {
    let stored = match context.store.definitions().await {
        Ok(stored) => stored,
        Err(error) => return Some(store_error(&error)),
    };
    if !stored.iter().any(|metric| metric.is_active) {
        return Some(Finding::error("store", "no metric is defined").hint("run `daymark apply`"));
    }
    let changes = if wanted.is_empty() { 0 } else { definitions::diff(&stored, wanted).len() };
    (changes > 0).then(|| {
        let message = match changes {
            1 => "1 definition differs from that in the configuration".to_owned(),
            _ => format!("{changes} definitions differ from those in the configuration"),
        };
        Finding::warning("store", message).hint("run `daymark apply`; `daymark apply --dry-run` shows them")
    })
}

/// `metrics` are definitions, and what to call them.
async fn check_platform(context: &Context, metrics: &[(String, Definition)], findings: &mut Vec<Finding>) {
    let explained = match context.platform.inspect().await {
        Ok(schema) => explain(context, &schema, metrics).await,
        Err(fault) => Err(fault),
    };
    match explained {
        Ok(of_metrics) => findings.extend(of_metrics),
        Err(fault) => {
            let message = format!("{}: {fault}", context.platform.location());
            findings.push(Finding::error("platform", message).hint(advice(&fault)));
        }
    }
}

/// Has the platform plan every reading of every metric for the last finished day.
async fn explain(
    context: &Context,
    schema: &Schema,
    metrics: &[(String, Definition)],
) -> Result<Vec<Finding>, Fault> {
    let mut cut = context.platform.open_cut().await?;
    let last_finished = context.last_finished();
    let days = context.calendar.days(last_finished, last_finished);
    let batch = Batch::new(metrics.iter().map(|(_, definition)| definition).enumerate());
    let answers = batch.explain(cut.as_mut(), schema, &days).await?;
    let finding = |answer: super::batch::Answer<'_, String>| {
        let fault = answer.readings.err()?;
        let (place, _) = &metrics[answer.metric];
        Some(Finding::error(place, fault.to_string()).hint(metric_advice(fault)))
    };
    Ok(answers.iter().filter_map(finding).collect())
}

/// What a person can do about a metric that the platform does not plan.
fn metric_advice(fault: &Fault) -> &'static str {
    match fault.class {
        FaultClass::Sql | FaultClass::Other => {
            "compare its source, columns, filters and query with the platform's tables; `daymark plan` shows the SQL"
        }
        _ => advice(fault),
    }
}

/// Errors of the store say themselves what to do.
fn store_error(error: &StoreError) -> Finding {
    Finding::error("store", error.to_string())
}
