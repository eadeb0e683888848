//! Applies the rules to the recorded past.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};

use super::{
    condition::{Facts, evaluate, silent_until},
    evaluation::Evaluation,
    facts::{days_before, metric_condition, metric_values},
    metric_condition::evaluate_metric,
    quality,
};
use crate::{
    collect::{CollectError, Context, active_metrics},
    config::{AlertCondition, AlertRule, MetricCondition},
    metric::Decimal,
    store::{Anomaly, Pause, Run, RunFilter, RunStatus},
};

/// How many days before the last finished one rules are tried on.
const DAYS: i64 = 90;
/// The newest runs on which the rules about collections are tried.
const MAX_RUNS: i64 = 1000;
/// The newest pauses of the schedule that are considered.
const MAX_PAUSES: i64 = 1000;
/// The newest anomalies on which a rule is tried.
const MAX_ANOMALIES: i64 = 10_000;

/// The most failures in a row that a rule can require.
const MOST_IN_A_ROW: usize = 100;

/// The result of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    pub rule: String,
    pub place: String,
    /// The days on which it would have fired, ascending: the days of the values that a rule about a metric tests, the days that
    /// were collected or missing, or the days of the calendar on which a time was over.
    pub fires_on: Vec<Date>,
    /// Why it cannot be evaluated.
    pub problem: Option<String>,
}

/// The recorded past.
struct Past<'a> {
    context: &'a Context,
    now: Timestamp,
    days: Vec<Date>,
    /// Newest first.
    runs: Vec<Run>,
    pauses: Vec<Pause>,
    anomalies: Vec<Anomaly>,
}

/// Tries the rules on the last 90 days: those about metrics on the recorded values, the others on the log, the judgements and the
/// pauses of the schedule. Rules about failed requests and about drift are left out, because neither requests nor earlier
/// recounts are recorded.
///
/// # Errors
/// When the store fails.
pub async fn rehearse(context: &Context, rules: &[AlertRule]) -> Result<Vec<Rehearsal>, CollectError> {
    let store = &context.tenant.store;
    let metrics = active_metrics(context).await?;
    let conditions: Vec<_> = rules.iter().filter_map(metric_condition).collect();
    let last = context.last_finished();
    let first = last.saturating_sub((DAYS - 1).days());
    let before = rules.iter().filter_map(|rule| Some(days_before(metric_condition(rule)?) + held_days(rule)));
    let before = before.max().unwrap_or(0);
    let values =
        metric_values(context, &metrics, &conditions, (first.saturating_sub(before.days()), last)).await?;
    let filter = RunFilter { limit: Some(MAX_RUNS), days: Some((first, last)), ..RunFilter::default() };
    let past = Past {
        context,
        now: context.now(),
        days: context.tenant.calendar.days(first, last).into_iter().map(|day| day.date).collect(),
        runs: store.runs(&filter).await?,
        pauses: store.pauses(MAX_PAUSES).await?,
        anomalies: store.anomalies(first, last, MAX_ANOMALIES).await?,
    };
    let rehearsed = |rule: &AlertRule| {
        let mut problem = None;
        let fires_on = match &rule.condition {
            AlertCondition::Metric(condition) => match values.get(&condition.metric) {
                Some(Some(values)) => past.of_metric(rule, condition, values),
                _ => {
                    problem = Some(format!("there is no active metric `{}`", condition.metric));
                    Vec::new()
                }
            },
            _ => past.of_rule(rule)?,
        };
        Some(Rehearsal { rule: rule.name.clone(), place: rule.place.clone(), fires_on, problem })
    };
    Ok(rules.iter().filter_map(rehearsed).collect())
}

/// On how many further days in a row a condition that is evaluated once a day must hold, where `for_minutes` is a day or more.
fn held_days(rule: &AlertRule) -> i64 {
    rule.holds_for.as_hours() / 24
}

impl Past<'_> {
    /// The days on which a rule that is not about a metric fires; `None` for a rule whose past is not recorded.
    fn of_rule(&self, rule: &AlertRule) -> Option<Vec<Date>> {
        Some(match &rule.condition {
            AlertCondition::CollectionFailing { .. } | AlertCondition::SlowCollection { .. } => {
                self.of_runs(&rule.condition)
            }
            AlertCondition::NothingRecorded { hours } => self.of_silent_times(*hours, rule.holds_for),
            AlertCondition::DayMissing => self.of_missing_days(rule.holds_for),
            AlertCondition::ForgottenPause { hours } => self.of_pauses(*hours, rule.holds_for),
            AlertCondition::Anomaly { values } => {
                let holds = |day: &&Date| quality::anomalies(*values, &self.anomalies, Some(**day)).0;
                self.days.iter().filter(holds).copied().collect()
            }
            AlertCondition::QueryErrors { .. } | AlertCondition::Drift { .. } | AlertCondition::Metric(_) => {
                return None;
            }
        })
    }

    fn of_metric(
        &self,
        rule: &AlertRule,
        condition: &MetricCondition,
        values: &BTreeMap<Date, Decimal>,
    ) -> Vec<Date> {
        let holds_on = |day: Date| matches!(evaluate_metric(condition, values, day), Evaluation::Holds(_));
        let holds =
            |day: &&Date| (0..=held_days(rule)).all(|before| holds_on(day.saturating_sub(before.days())));
        // Days before the first record say nothing.
        let begin = values.keys().next().copied().unwrap_or(Date::MAX);
        self.days.iter().filter(|day| **day >= begin).filter(holds).copied().collect()
    }

    /// The days of the ended runs after each of which the condition held.
    fn of_runs(&self, condition: &AlertCondition) -> Vec<Date> {
        let mut days = BTreeSet::new();
        for at in 0..self.runs.len() {
            let end = self.runs.len().min(at + MOST_IN_A_ROW);
            let Some(runs) = self.runs.get(at..end) else { break };
            let Some(run) = runs.first().filter(|run| run.status != RunStatus::Running) else { continue };
            let facts = Facts { runs: runs.to_vec(), ..Facts::default() };
            let found = evaluate(condition, &facts, run.completed_at.unwrap_or(run.started_at));
            if matches!(found, Evaluation::Holds(_)) {
                days.insert(run.from);
            }
        }
        days.into_iter().collect()
    }

    /// The days on which nothing had been recorded for that long, while the schedule was not paused.
    fn of_silent_times(&self, hours: i64, holds_for: SignedDuration) -> Vec<Date> {
        let recorded = self.runs.iter().filter(|run| run.metrics_collected > 0);
        let mut times: Vec<_> = recorded.filter_map(|run| run.completed_at).collect();
        times.sort_unstable();
        let ends = times.iter().skip(1).copied().chain([self.now]);
        let told = times.iter().zip(ends).filter_map(|(since, end)| {
            let next_due = self.context.due_times().next_due(*since).map(|(_, at)| at);
            let at = silent_until(*since, hours, next_due).checked_add(holds_for).ok()?;
            (at <= end).then_some(at)
        });
        self.dates(told.filter(|at| !self.is_paused(*at)))
    }

    /// The days since the first run that no completed run had recorded by the time at which the rule would fire.
    fn of_missing_days(&self, holds_for: SignedDuration) -> Vec<Date> {
        let Some(began) = self.runs.last().map(|run| run.started_at) else { return Vec::new() };
        let is_late = |day: &&Date| {
            let due = self.context.due_times().due_at(**day);
            let Some(at) = due.and_then(|due| due.checked_add(holds_for).ok()) else { return false };
            let mut recorded = self
                .runs
                .iter()
                .filter(|run| run.status == RunStatus::Completed && run.from <= **day && **day <= run.to);
            let is_recorded = recorded.any(|run| run.completed_at.is_some_and(|completed| completed <= at));
            (began..=self.now).contains(&at) && !is_recorded && !self.is_paused(at)
        };
        self.days.iter().filter(is_late).copied().collect()
    }

    /// The days on which a pause without an end had lasted that long.
    fn of_pauses(&self, hours: i64, holds_for: SignedDuration) -> Vec<Date> {
        let limit = SignedDuration::from_hours(hours).saturating_add(holds_for);
        let without_end = self.pauses.iter().filter(|pause| pause.until.is_none());
        let told = without_end.filter_map(|pause| {
            let at = pause.paused_at.checked_add(limit).ok()?;
            (at <= pause.resumed_at.unwrap_or(self.now)).then_some(at)
        });
        let first = self.days.first().copied().unwrap_or(Date::MAX);
        self.dates(told).into_iter().filter(|day| *day >= first).collect()
    }

    fn is_paused(&self, at: Timestamp) -> bool {
        self.pauses.iter().any(|pause| {
            let ends = [pause.until, pause.resumed_at].into_iter().flatten().min();
            pause.paused_at <= at && ends.is_none_or(|end| at < end)
        })
    }

    fn dates(&self, times: impl Iterator<Item = Timestamp>) -> Vec<Date> {
        let dates: BTreeSet<_> = times.map(|at| self.context.tenant.calendar.date_of(at)).collect();
        dates.into_iter().collect()
    }
}
