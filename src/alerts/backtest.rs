//! Applies the rules to the recorded past.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};

use super::{
    condition::{AWAY_AFTER, Facts, evaluate, forgotten_after, silent_until},
    evaluation::Evaluation,
    facts::{days_before, metric_condition, metric_values},
    metric_condition::evaluate_metric,
    quality,
};
use crate::{
    collect::{CollectError, Context, active_metrics},
    config::{self, AlertCondition, AlertRule, MetricCondition, MetricTest},
    judgement::Profile,
    metric::Decimal,
    store::{Anomaly, Pause, Run, RunFilter, RunKind, RunStatus, StoredDefinition},
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
pub struct Backtest {
    pub rule: String,
    pub place: String,
    /// The days on which it would have fired, ascending: the days of the values that a rule about a metric tests, the days that
    /// were collected or missing, or the days of the calendar on which a time was over.
    pub fires_on: Vec<Date>,
    pub problem: Option<RuleProblem>,
}

/// Why a rule can never fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    pub message: String,
    /// What to do about it.
    pub hint: String,
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
pub async fn backtest(context: &Context, rules: &[AlertRule]) -> Result<Vec<Backtest>, CollectError> {
    let store = &context.tenant.store;
    let metrics = active_metrics(context).await?;
    let conditions: Vec<_> = rules.iter().filter_map(metric_condition).collect();
    let last = context.last_finished();
    let first = last.saturating_sub((DAYS - 1).days());
    let before = rules.iter().filter_map(|rule| Some(days_before(metric_condition(rule)?) + held_days(rule)));
    let before = before.max().unwrap_or(0);
    let held = rules.iter().map(held_days).max().unwrap_or(0);
    let values =
        metric_values(context, &metrics, &conditions, (first.saturating_sub(before.days()), last)).await?;
    let filter = RunFilter { limit: Some(MAX_RUNS), days: Some((first, last)), ..RunFilter::default() };
    let past = Past {
        context,
        now: context.now(),
        days: context.tenant.calendar.days(first, last).into_iter().map(|day| day.date).collect(),
        runs: store.runs(&filter).await?,
        pauses: store.pauses(MAX_PAUSES).await?,
        anomalies: store.anomalies(first.saturating_sub(held.days()), last, MAX_ANOMALIES).await?,
    };
    let tested = |rule: &AlertRule| {
        let problem = metric_condition(rule).and_then(|condition| problem(condition, &metrics));
        let fires_on = match &rule.condition {
            AlertCondition::Metric(condition) => {
                let values = values.get(&condition.metric).and_then(Option::as_ref);
                values.map(|values| past.of_metric(rule, condition, values)).unwrap_or_default()
            }
            _ => past.of_rule(rule)?,
        };
        Some(Backtest { rule: rule.name.clone(), place: rule.place.clone(), fires_on, problem })
    };
    Ok(rules.iter().filter_map(tested).collect())
}

/// Why a rule about a metric can never fire, where that is known.
fn problem(condition: &MetricCondition, metrics: &[StoredDefinition]) -> Option<RuleProblem> {
    let name = &condition.metric;
    let Some(metric) = metrics.iter().find(|metric| metric.definition.category == *name) else {
        let names = metrics.iter().map(|metric| metric.definition.category.as_str());
        let hint = config::suggestion(name, names);
        return Some(RuleProblem {
            message: format!("there is no active metric `{name}`"),
            hint: hint.unwrap_or_else(|| "name a metric that `daymark apply` has defined".to_owned()),
        });
    };
    let lowest = Profile::of(&metric.definition).is_not_negative.then(Decimal::zero);
    let highest = metric.definition.is_share().then(|| Decimal::from(100));
    let problem = |message, hint: &str| Some(RuleProblem { message, hint: hint.to_owned() });
    match &condition.test {
        MetricTest::Falls { percent, .. } if lowest.is_some() && *percent > Decimal::from(100) => problem(
            format!("`{name}` is never below 0, so it cannot fall by {percent} %"),
            "give a `percent` of 100 or less",
        ),
        MetricTest::Below(limit) if lowest.is_some_and(|lowest| *limit <= lowest) => problem(
            format!("`{name}` is never below 0, so it cannot be below {limit}"),
            "give a `value` greater than 0",
        ),
        MetricTest::Above(limit) if highest.is_some_and(|highest| *limit >= highest) => problem(
            format!("`{name}` is never above 100 %, so it cannot be above {limit}"),
            "give a `value` less than 100",
        ),
        _ => None,
    }
}

/// On how many further days in a row a condition that is evaluated once a day must hold, where `for_minutes` is a day or more.
fn held_days(rule: &AlertRule) -> i64 {
    rule.holds_for.as_hours() / 24
}

impl Past<'_> {
    /// The days on which a rule that is not about a metric fires; `None` for a rule whose past is not recorded.
    fn of_rule(&self, rule: &AlertRule) -> Option<Vec<Date>> {
        Some(match &rule.condition {
            AlertCondition::CollectionFailing { .. } => {
                self.of_runs(rule, |run| run.status != RunStatus::Running)
            }
            AlertCondition::SlowCollection { .. } => {
                self.of_runs(rule, |run| matches!(run.status, RunStatus::Completed | RunStatus::Partial))
            }
            AlertCondition::NothingRecorded { hours } => self.of_silent_times(*hours, rule.holds_for),
            AlertCondition::DayMissing => self.of_missing_days(rule.holds_for),
            AlertCondition::ForgottenPause { hours } => self.of_pauses(*hours, rule.holds_for),
            AlertCondition::Anomaly { values } => {
                self.of_days(rule, |day| quality::anomalies(*values, &self.anomalies, Some(day)).0)
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
        // Days before the first record say nothing.
        let begin = values.keys().next().copied().unwrap_or(Date::MAX);
        let holds_on = |day| matches!(evaluate_metric(condition, values, day), Evaluation::Holds(_));
        self.of_days(rule, holds_on).into_iter().filter(|day| *day >= begin).collect()
    }

    /// The days on which a condition that is evaluated once a day holds, and held on as many before as the rule requires.
    fn of_days(&self, rule: &AlertRule, holds_on: impl Fn(Date) -> bool) -> Vec<Date> {
        let holds =
            |day: &&Date| (0..=held_days(rule)).all(|before| holds_on(day.saturating_sub(before.days())));
        self.days.iter().filter(holds).copied().collect()
    }

    /// The days of the collections after each of which the condition held for as long as the rule requires. A collection counts until
    /// the next one that `is_counted` has ended.
    fn of_runs(&self, rule: &AlertRule, is_counted: impl Fn(&Run) -> bool) -> Vec<Date> {
        let counted = |run: &&Run| run.kind == RunKind::Collect && is_counted(run);
        let runs: Vec<_> = self.runs.iter().filter(counted).collect();
        let (mut days, mut held_since) = (BTreeSet::new(), None);
        for (at, run) in runs.iter().enumerate().rev() {
            let next = at.checked_sub(1).and_then(|next| runs.get(next)).and_then(|next| next.completed_at);
            let until = next.unwrap_or(self.now);
            let newest = runs.iter().skip(at).take(MOST_IN_A_ROW).map(|run| (*run).clone()).collect();
            let since = self.holds_since(&rule.condition, newest, run, until);
            held_since = since.map(|since| held_since.unwrap_or(since));
            if held_since.is_some_and(|since: Timestamp| until.duration_since(since) >= rule.holds_for) {
                days.insert(run.from);
            }
        }
        days.into_iter().collect()
    }

    /// Since when the condition held before `until`, by the `newest` collections, of which `run` is the last one.
    fn holds_since(
        &self,
        condition: &AlertCondition,
        newest: Vec<Run>,
        run: &Run,
        until: Timestamp,
    ) -> Option<Timestamp> {
        let ended_at = run.completed_at.unwrap_or(run.started_at);
        let mut facts = Facts { runs: newest, last_due: Some(run.from), ..Facts::default() };
        let holds = |facts: &Facts, at| matches!(evaluate(condition, facts, at), Evaluation::Holds(_));
        if holds(&facts, ended_at) {
            return Some(ended_at);
        }
        let later = ended_at.checked_add(AWAY_AFTER).ok().filter(|later| *later <= until)?;
        if !self.is_recorded(run.from, later) && !self.is_paused(later) {
            facts.missing_days.insert(run.from, 1);
        }
        holds(&facts, later).then_some(later)
    }

    /// Whether a run had recorded all of a day by then.
    fn is_recorded(&self, day: Date, by: Timestamp) -> bool {
        self.runs.iter().any(|run| {
            run.status == RunStatus::Completed
                && (run.from..=run.to).contains(&day)
                && run.completed_at.is_some_and(|completed| completed <= by)
        })
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
            (began..=self.now).contains(&at) && !self.is_recorded(**day, at) && !self.is_paused(at)
        };
        self.days.iter().filter(is_late).copied().collect()
    }

    /// The days on which a pause reached the age after which `forgotten_pause` fires (`condition::forgotten_after`).
    fn of_pauses(&self, hours: i64, holds_for: SignedDuration) -> Vec<Date> {
        let told = self.pauses.iter().filter_map(|pause| {
            let limit = forgotten_after(pause, hours).saturating_add(holds_for);
            let at = pause.paused_at.checked_add(limit).ok()?;
            let ends = [pause.until, pause.resumed_at].into_iter().flatten().min();
            (at <= ends.unwrap_or(self.now).min(self.now)).then_some(at)
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
