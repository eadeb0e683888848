//! Reads the facts by which rules are evaluated.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};

use super::{
    condition::{Facts, last_recorded},
    query_errors::RequestCounts,
};
use crate::{
    collect::{CollectError, Context, active_metrics, remembered_first_day},
    config::{AlertCondition, AlertRule, MetricCondition, MetricTest},
    metric::{Decimal, MetricKey},
    store::{Anomaly, DriftSample, RunFilter, SeriesQuestion, StoredDefinition},
};

/// The newest runs among which failures and the last record are looked for.
const MAX_RUNS: i64 = 200;
/// The days before the last due one of which records may be missing.
const MISSING_DAYS: i64 = 7;
/// How many anomalies are read at most.
const MAX_ANOMALIES: i64 = 10_000;
/// How long recounts are looked at: those of a night are replaced by those of the next one.
const RECOUNTED_WITHIN: SignedDuration = SignedDuration::from_hours(36);
const MAX_RECOUNTS: i64 = 10_000;

/// Reads the current facts, except the requests, which only the server's process counts.
///
/// # Errors
/// When the store fails.
pub async fn read_facts(context: &Context, rules: &[AlertRule]) -> Result<Facts, CollectError> {
    let (now, store) = (context.now(), &context.tenant.store);
    let runs = store.runs(&RunFilter { limit: Some(MAX_RUNS), ..RunFilter::default() }).await?;
    let metrics = active_metrics(context).await?;
    let last_due = context.due_times().last_due(now);
    let missing_days = match last_due {
        Some(last) if !metrics.is_empty() => missing_days(context, &metrics, last).await?,
        _ => BTreeMap::new(),
    };
    let conditions: Vec<_> = rules.iter().filter_map(metric_condition).collect();
    let days = conditions.iter().map(|condition| days_before(condition)).max().unwrap_or(0);
    let values = match last_due {
        Some(last) => {
            metric_values(context, &metrics, &conditions, (last.saturating_sub(days.days()), last)).await?
        }
        None => BTreeMap::new(),
    };
    let pause = store.schedule_state().await?.pause(now).cloned();
    let next_due = last_recorded(&runs).and_then(|since| context.due_times().next_due(since));
    Ok(Facts {
        runs,
        last_due,
        next_due_after_record: next_due.map(|(_, at)| at),
        missing_days,
        active_metrics: metrics.len(),
        pause,
        requests: RequestCounts::default(),
        anomalies: anomalies(context, rules, last_due).await?,
        drift: drift(context, rules).await?,
        metrics: values,
    })
}

/// The anomalies of `last_due`, if a rule asks for them.
async fn anomalies(
    context: &Context,
    rules: &[AlertRule],
    last_due: Option<Date>,
) -> Result<Vec<Anomaly>, CollectError> {
    let is_asked = rules.iter().any(|rule| matches!(rule.condition, AlertCondition::Anomaly { .. }));
    match last_due.filter(|_| is_asked) {
        Some(date) => Ok(context.tenant.store.anomalies(date, date, MAX_ANOMALIES).await?),
        None => Ok(Vec::new()),
    }
}

/// The recounts of the last night, if a rule asks for them.
async fn drift(context: &Context, rules: &[AlertRule]) -> Result<Vec<DriftSample>, CollectError> {
    if !rules.iter().any(|rule| matches!(rule.condition, AlertCondition::Drift { .. })) {
        return Ok(Vec::new());
    }
    let since = context.now().saturating_sub(RECOUNTED_WITHIN).unwrap_or(Timestamp::MIN);
    Ok(context.tenant.store.drift_samples(since, MAX_RECOUNTS).await?)
}

pub fn metric_condition(rule: &AlertRule) -> Option<&MetricCondition> {
    match &rule.condition {
        AlertCondition::Metric(condition) => Some(condition),
        _ => None,
    }
}

/// How many days before the judged one a condition looks at.
pub fn days_before(condition: &MetricCondition) -> i64 {
    let window = match condition.test {
        MetricTest::Rises { window_days, .. } | MetricTest::Falls { window_days, .. } => window_days,
        MetricTest::Above(_) | MetricTest::Below(_) | MetricTest::Missing => 0,
    };
    i64::from(condition.days) + i64::from(window)
}

/// The days of the last week until `last` that lack records, each with how many. A metric is expected from the day on which it
/// was defined, or from its first record in this week.
async fn missing_days(
    context: &Context,
    metrics: &[StoredDefinition],
    last: Date,
) -> Result<BTreeMap<Date, usize>, CollectError> {
    let first = last.saturating_sub((MISSING_DAYS - 1).days());
    let recorded = context.tenant.store.recorded(first, last).await?;
    let calendar = &context.tenant.calendar;
    let days: Vec<_> = calendar.days(first, last).into_iter().map(|day| day.date).collect();
    let none = BTreeSet::new();
    let mut missing = BTreeMap::new();
    for metric in metrics {
        let there = recorded.get(&metric.definition.key()).unwrap_or(&none);
        let defined = calendar.date_of(metric.created_at);
        let from = there.first().map_or(defined, |first| defined.min(*first));
        // A missed day of a metric that cannot be reconstructed stays missing, so it is reported until the next day is due.
        let from = if metric.definition.measure.reconstructible() { from } else { from.max(last) };
        for day in days.iter().filter(|day| **day >= from && !there.contains(*day)) {
            *missing.entry(*day).or_default() += 1;
        }
    }
    // Days before the platform's first row cannot be recorded any more.
    if missing.keys().next().is_some_and(|first| *first < last)
        && let Some(first_row) = remembered_first_day(context, metrics).await
    {
        missing.retain(|day, _| *day >= first_row.min(last));
    }
    Ok(missing)
}

/// The recorded values of the metrics that `conditions` name, within a range of days.
pub async fn metric_values(
    context: &Context,
    metrics: &[StoredDefinition],
    conditions: &[&MetricCondition],
    (from, to): (Date, Date),
) -> Result<BTreeMap<String, Option<BTreeMap<Date, Decimal>>>, CollectError> {
    let mut found: BTreeMap<String, Option<BTreeMap<Date, Decimal>>> = BTreeMap::new();
    let mut asked: Vec<MetricKey> = Vec::new();
    for condition in conditions {
        let name = &condition.metric;
        let key = metrics.iter().find(|metric| metric.definition.category == *name);
        let key = key.map(|metric| metric.definition.key());
        if found.insert(name.clone(), key.as_ref().map(|_| BTreeMap::new())).is_none() {
            asked.extend(key);
        }
    }
    if asked.is_empty() {
        return Ok(found);
    }
    let question = SeriesQuestion::of_values(asked.iter().cloned(), from, to);
    let series = context.tenant.store.series_days(&question).await?;
    for (key, series) in asked.into_iter().zip(series) {
        let values = series.recorded.into_iter().map(|day| (day.date, day.value)).collect();
        found.insert(key.category, Some(values));
    }
    Ok(found)
}
