//! What the rules would have done over the recorded past.

use std::collections::BTreeSet;

use jiff::{ToSpan, civil::Date};

use super::{
    condition::{Evaluation, Facts, evaluate, evaluate_metric},
    facts::{days_before, metric_condition, metric_values},
};
use crate::{
    collect::{CollectError, Context, active_metrics},
    config::{AlertCondition, AlertRule},
    store::{RunFilter, RunStatus},
};

/// How many days before the last finished one rules are tried on.
const DAYS: i64 = 90;
/// The newest runs on which the rules about collections are tried.
const MAX_RUNS: i64 = 1000;

/// The most failures in a row that a rule can want.
const MOST_IN_A_ROW: usize = 100;

/// A rule, tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    pub rule: String,
    pub place: String,
    /// The days on which it would have fired, ascending: a metric's days, or those of the runs.
    pub fires_on: Vec<Date>,
    /// Why it cannot be evaluated.
    pub problem: Option<String>,
}

/// Tries the rules about metrics on the values of the last 90 days, and those about collections on the log. The others depend
/// on what was never recorded.
///
/// # Errors
/// When the store fails.
pub async fn rehearse(context: &Context, rules: &[AlertRule]) -> Result<Vec<Rehearsal>, CollectError> {
    let metrics = active_metrics(context).await?;
    let conditions: Vec<_> = rules.iter().filter_map(metric_condition).collect();
    let last = context.last_finished();
    let first = last.saturating_sub((DAYS - 1).days());
    let before = conditions.iter().map(|condition| days_before(condition)).max().unwrap_or(0);
    let values =
        metric_values(context, &metrics, &conditions, (first.saturating_sub(before.days()), last)).await?;
    let filter = RunFilter { limit: Some(MAX_RUNS), days: Some((first, last)), ..RunFilter::default() };
    let runs = context.tenant.store.runs(&filter).await?;
    let days: Vec<_> = context.tenant.calendar.days(first, last).into_iter().map(|day| day.date).collect();
    let mut rehearsals = Vec::new();
    for rule in rules {
        let (fires_on, problem) = match &rule.condition {
            AlertCondition::Metric(condition) => match values.get(&condition.metric) {
                Some(Some(values)) => {
                    let holds = |day: &&Date| {
                        matches!(evaluate_metric(condition, values, **day), Evaluation::Holds(_))
                    };
                    // Days before the first record say nothing.
                    let begin = values.keys().next().copied().unwrap_or(Date::MAX);
                    (days.iter().filter(|day| **day >= begin).filter(holds).copied().collect(), None)
                }
                _ => (Vec::new(), Some(format!("there is no active metric `{}`", condition.metric))),
            },
            AlertCondition::CollectionFailing { .. } | AlertCondition::SlowCollection { .. } => {
                (of_runs(&rule.condition, &runs), None)
            }
            _ => continue,
        };
        rehearsals.push(Rehearsal { rule: rule.name.clone(), place: rule.place.clone(), fires_on, problem });
    }
    Ok(rehearsals)
}

/// The days of the ended runs after each of which the condition held.
fn of_runs(condition: &AlertCondition, newest_first: &[crate::store::Run]) -> Vec<Date> {
    let mut days = BTreeSet::new();
    for at in 0..newest_first.len() {
        let end = newest_first.len().min(at + MOST_IN_A_ROW);
        let Some(runs) = newest_first.get(at..end) else { break };
        let Some(run) = runs.first().filter(|run| run.status != RunStatus::Running) else { continue };
        let facts = Facts { runs: runs.to_vec(), ..Facts::default() };
        if matches!(
            evaluate(condition, &facts, run.completed_at.unwrap_or(run.started_at)),
            Evaluation::Holds(_)
        ) {
            days.insert(run.from);
        }
    }
    days.into_iter().collect()
}
