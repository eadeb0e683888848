//! Everything that could go wrong in the next collection, tried beforehand. A check never stops at the first finding.

use super::{apply, visibility};
use crate::{
    collect::{Context, advice, batch::Batch, selection},
    config::Finding,
    database::{Deadline, Fault, FaultClass},
    metric::Definition,
    platform::Schema,
    store::{Finish, LockName, Origin, RunStatus, StoreError, StoredDefinition},
};

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// None: the next collection will work.
    pub findings: Vec<Finding>,
    /// How many metrics were made through the API and will be collected beside those of the configuration.
    pub made_through_api: usize,
}

/// What to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckScope {
    pub store: bool,
    /// Those that are in the store.
    pub definitions: bool,
    pub platform: bool,
}

impl CheckScope {
    pub const ALL: Self = Self { store: true, definitions: true, platform: true };
}

/// Checks the store, the platform and every metric: those that the configuration makes (`wanted`), those that were made
/// through the API, and those that are in the store otherwise and will be collected until the configuration is applied.
pub async fn check(context: &Context, wanted: &[Definition], scope: CheckScope) -> CheckReport {
    let mut findings = Vec::new();
    let stored = match scope.store {
        true => check_store(context, wanted, scope, &mut findings).await,
        false => Vec::new(),
    };
    let taken = |category: &String| wanted.iter().any(|wanted| wanted.category == *category);
    let is_further =
        |stored: &&StoredDefinition| stored.origin == Origin::Api && !taken(&stored.definition.category);
    let made_through_api = stored.iter().filter(is_further).count();
    findings.extend(stored.iter().filter(is_further).filter_map(|stored| outdated_source(stored, wanted)));
    let otherwise = stored.iter().filter(|stored| !wanted.contains(&stored.definition));
    let metrics: Vec<_> = wanted
        .iter()
        .map(|definition| (format!("metric {}", definition.category), definition))
        .chain(otherwise.map(|stored| (place(stored), &stored.definition)))
        .collect();
    if scope.platform {
        check_platform(context, &metrics, &mut findings).await;
    }
    CheckReport { findings, made_through_api }
}

/// What a metric is called that the configuration does not have, or not like this.
fn place(stored: &StoredDefinition) -> String {
    let category = &stored.definition.category;
    match stored.origin {
        Origin::File => format!("metric {category} as it is in the store"),
        Origin::Api => format!("metric {category}, made through the API"),
    }
}

/// A definition has its sources with it, as they were when it was made.
fn outdated_source(stored: &StoredDefinition, wanted: &[Definition]) -> Option<Finding> {
    let is_now = |name: &String| wanted.iter().find_map(|wanted| wanted.sources.get(name));
    let differs =
        stored.definition.sources.iter().find(|(name, was)| is_now(name).is_some_and(|now| now != *was));
    let message =
        format!("it reads `{}` as that was declared when it was made, and no longer is", differs?.0);
    Some(Finding::warning(place(stored), message).hint("make it again through the API"))
}

/// Returns the active definitions, as far as they can be read.
async fn check_store(
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

async fn check_applied(context: &Context, wanted: &[Definition]) -> Option<Finding> {
    let stored = match context.tenant.store.definitions().await {
        Ok(stored) => stored,
        Err(error) => return Some(store_error(&error)),
    };
    if !stored.iter().any(|metric| metric.is_active) {
        return Some(Finding::error("store", "no metric is defined").hint("run `daymark apply`"));
    }
    let changes = if wanted.is_empty() {
        0
    } else {
        apply::diff(&stored, wanted, context.tenant.calendar.name()).len()
    };
    (changes > 0).then(|| {
        let message = match changes {
            1 => "1 definition differs from that in the configuration".to_owned(),
            _ => format!("{changes} definitions differ from those in the configuration"),
        };
        Finding::warning("store", message).hint("run `daymark apply`; `daymark apply --dry-run` shows them")
    })
}

/// `metrics` are definitions, and what to call them.
async fn check_platform(context: &Context, metrics: &[(String, &Definition)], findings: &mut Vec<Finding>) {
    let definitions: Vec<_> = metrics.iter().map(|(_, definition)| *definition).collect();
    let examined = async {
        let schema = context.tenant.platform.inspect().await?;
        let faults = explain(context, &schema, &definitions).await?;
        Ok((faults, visibility::unseen(context, &schema, metrics).await?))
    };
    match examined.await {
        Ok((faults, unseen)) => {
            findings.extend(faults.iter().map(|(metric, fault)| unplanned(&metrics[*metric].0, fault)));
            findings.extend(unseen);
            findings.extend(visibility::privileges(context).await);
        }
        Err(fault) => {
            let message = format!("{}: {fault}", context.tenant.platform.location());
            findings.push(Finding::error("platform", message).hint(advice(&fault)));
        }
    }
}

/// Has the platform plan every reading of every metric for the last finished day. Returns what it said to those that it
/// does not plan, with their index.
///
/// # Errors
/// When the platform cannot be asked.
pub(super) async fn explain(
    context: &Context,
    schema: &Schema,
    definitions: &[&Definition],
) -> Result<Vec<(usize, Fault)>, Fault> {
    let mut cut = context.tenant.platform.open_cut(Deadline::none()).await?;
    let last_finished = context.last_finished();
    let days = context.tenant.calendar.days(last_finished, last_finished);
    let batch = Batch::new(definitions.iter().copied().enumerate());
    let answers = batch.explain(cut.as_mut(), schema, &days).await?;
    let fault =
        |answer: crate::collect::batch::Answer<'_, String>| Some((answer.metric, answer.fault()?.clone()));
    Ok(answers.iter().filter_map(fault).collect())
}

/// A metric that the platform does not plan.
pub(super) fn unplanned(place: &str, fault: &Fault) -> Finding {
    Finding::error(place, fault.to_string()).hint(metric_advice(fault))
}

/// What a person can do about a metric that the platform does not plan.
fn metric_advice(fault: &Fault) -> &'static str {
    match fault.class {
        FaultClass::Sql | FaultClass::Data | FaultClass::Other => {
            "compare its source, columns, filters and query with the platform's tables; `daymark plan` shows the SQL"
        }
        _ => advice(fault),
    }
}

/// Errors of the store say themselves what to do.
fn store_error(error: &StoreError) -> Finding {
    Finding::error("store", error.to_string())
}
