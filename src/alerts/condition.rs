//! Whether the condition of a rule holds: a function of facts.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil::Date};

use super::{
    evaluation::Evaluation::{self, Clear, Holds, NoData},
    metric_condition::evaluate_metric,
    quality,
    query_errors::{RequestCounts, query_errors},
};
use crate::{
    config::{AlertCondition, MetricCondition},
    metric::Decimal,
    pluralize::pluralize,
    store::{Anomaly, DriftSample, Pause, Run, RunKind, RunStatus},
};

/// How long after one failed collection the condition holds while the day is still missing: the scheduler starts no run while
/// the platform cannot be reached, so that the log may have no second failure.
const AWAY_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// How many days a summary names.
const NAMED_DAYS: usize = 3;
const HOURS_OF_A_DAY: i64 = 24;

/// The facts by which rules are evaluated.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The newest runs, newest first.
    pub runs: Vec<Run>,
    /// The last day that is due.
    pub last_due: Option<Date>,
    /// When the next day was due after records were written last.
    pub next_due_after_record: Option<Timestamp>,
    /// The due days of the last week that lack records, each with how many.
    pub missing_days: BTreeMap<Date, usize>,
    /// How many metrics are active.
    pub active_metrics: usize,
    /// The pause of the schedule that holds.
    pub pause: Option<Pause>,
    /// The requests for data of this process.
    pub requests: RequestCounts,
    /// The anomalies of the last due day.
    pub anomalies: Vec<Anomaly>,
    /// The recounts of the last night.
    pub drift: Vec<DriftSample>,
    /// The recorded values of the metrics that rules name; `None`: there is no active metric of that name.
    pub metrics: BTreeMap<String, Option<BTreeMap<Date, Decimal>>>,
}

/// Evaluates a condition. Summaries do not change from one evaluation to the next while nothing happens.
pub fn evaluate(condition: &AlertCondition, facts: &Facts, now: Timestamp) -> Evaluation {
    match condition {
        AlertCondition::CollectionFailing { runs } => collection_failing(*runs, facts, now),
        AlertCondition::NothingRecorded { hours } => nothing_recorded(*hours, facts, now),
        AlertCondition::QueryErrors { percent } => query_errors(percent, &facts.requests),
        AlertCondition::SlowCollection { seconds } => slow_collection(*seconds, facts, now),
        AlertCondition::DayMissing => day_missing(facts),
        AlertCondition::ForgottenPause { hours } => forgotten_pause(*hours, facts, now),
        AlertCondition::Anomaly { values } => {
            holds_if(quality::anomalies(*values, &facts.anomalies, facts.last_due))
        }
        AlertCondition::Drift { percent } => holds_if(quality::drift(percent, &facts.drift)),
        AlertCondition::Metric(condition) => metric(condition, facts),
    }
}

fn holds_if((holds, summary): (bool, String)) -> Evaluation {
    if holds { Holds(summary) } else { Clear(summary) }
}

fn collections(facts: &Facts) -> impl Iterator<Item = &Run> {
    facts.runs.iter().filter(|run| run.kind == RunKind::Collect)
}

fn collection_failing(wanted: i64, facts: &Facts, now: Timestamp) -> Evaluation {
    let ended = collections(facts).filter(|run| run.status != RunStatus::Running);
    let failed: Vec<_> = ended.take_while(|run| run.status == RunStatus::Failed).collect();
    let Some(last) = failed.first() else { return Clear("the last collection did not fail".to_owned()) };
    let cause = last.error_message.as_deref().unwrap_or("the log has no message");
    if failed.len() as i64 >= wanted {
        return Holds(format!(
            "{} or more in a row failed; the last one: {cause}",
            pluralize(wanted.unsigned_abs(), "collection")
        ));
    }
    let is_missing = facts.last_due.is_some_and(|due| facts.missing_days.contains_key(&due));
    let is_old = last.completed_at.is_some_and(|at| now.duration_since(at) >= AWAY_AFTER);
    if is_missing && is_old && facts.pause.is_none() {
        return Holds(format!("the last collection failed, and none has followed: {cause}"));
    }
    Clear(format!("{} failed, which is not enough", pluralize(failed.len(), "collection")))
}

fn nothing_recorded(hours: i64, facts: &Facts, now: Timestamp) -> Evaluation {
    if facts.active_metrics == 0 {
        return NoData("no metric is active".to_owned());
    }
    if facts.pause.is_some() {
        return Clear("the schedule is paused".to_owned());
    }
    let Some(since) = last_recorded(&facts.runs) else { return NoData("there never was a run".to_owned()) };
    match now >= silent_until(since, hours, facts.next_due_after_record) {
        true => Holds(format!("nothing was recorded since {}", shown(since))),
        false => Clear(format!("recorded at {}", shown(since))),
    }
}

/// When records were written last, by the newest runs. Without such a run among them, nothing was recorded since the oldest of
/// them at least.
pub fn last_recorded(runs: &[Run]) -> Option<Timestamp> {
    let written = runs.iter().find(|run| run.metrics_collected > 0);
    match (written, runs.last()) {
        (Some(run), _) => Some(run.completed_at.unwrap_or(run.started_at)),
        (None, Some(oldest)) => Some(oldest.started_at),
        (None, None) => None,
    }
}

/// The time until which it is no alert that nothing is recorded `since` then. The hours are those of a daily schedule: with a schedule
/// that is rarer, a time without records is as much longer as the next day is due later than a day after the last record.
pub fn silent_until(since: Timestamp, hours: i64, next_due: Option<Timestamp>) -> Timestamp {
    let after = |from: Timestamp, hours| {
        from.checked_add(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX)
    };
    let daily = after(since, hours);
    next_due.map_or(daily, |due| daily.max(after(due, (hours - HOURS_OF_A_DAY).max(0))))
}

fn slow_collection(seconds: i64, facts: &Facts, now: Timestamp) -> Evaluation {
    let Some(last) = collections(facts).next() else {
        return NoData("there never was a collection".to_owned());
    };
    let took = last.completed_at.unwrap_or(now).duration_since(last.started_at).as_secs();
    match took > seconds {
        true => Holds(format!("the collection of {} took longer than {seconds} s", last.from)),
        false => Clear(format!("the collection of {} took no longer than {seconds} s", last.from)),
    }
}

fn day_missing(facts: &Facts) -> Evaluation {
    if let Some(pause) = &facts.pause {
        return Clear(format!("the schedule is paused: {}", pause.reason));
    }
    if facts.active_metrics == 0 {
        return NoData("no metric is active".to_owned());
    }
    if facts.missing_days.is_empty() {
        return Clear("no due day of the last week is missing".to_owned());
    }
    let named = facts.missing_days.iter().rev().take(NAMED_DAYS);
    let named: Vec<_> =
        named.map(|(date, count)| format!("{date} ({})", pluralize(*count as u64, "metric"))).collect();
    let more = facts.missing_days.len().saturating_sub(NAMED_DAYS);
    let more = if more > 0 { format!(" and {}", pluralize(more, "further day")) } else { String::new() };
    Holds(format!("records are missing: {}{more}; `daymark gaps` says why", named.join(", ")))
}

fn forgotten_pause(hours: i64, facts: &Facts, now: Timestamp) -> Evaluation {
    match &facts.pause {
        None => Clear("the schedule is not paused".to_owned()),
        Some(Pause { until: Some(until), .. }) => Clear(format!("the pause ends at {}", shown(*until))),
        Some(pause) if now.duration_since(pause.paused_at) < SignedDuration::from_hours(hours) => {
            Clear(format!("the schedule is paused since {}", shown(pause.paused_at)))
        }
        Some(pause) => Holds(format!(
            "the schedule is paused since {} by {}, without an end: {}",
            shown(pause.paused_at),
            pause.paused_by,
            pause.reason
        )),
    }
}

fn metric(condition: &MetricCondition, facts: &Facts) -> Evaluation {
    let name = &condition.metric;
    let values = match facts.metrics.get(name) {
        Some(Some(values)) => values,
        _ => return Evaluation::Error(format!("there is no active metric `{name}`")),
    };
    match facts.last_due {
        None => NoData("no day is due yet".to_owned()),
        Some(date) => evaluate_metric(condition, values, date),
    }
}

fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use uuid::Uuid;

    use super::*;
    use crate::{
        config::{MetricTest, built_in_rules},
        store::Trigger,
    };

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A collection of 10 January that started at midnight and a quarter, and took this long; `None`: it is running.
    fn run(status: RunStatus, seconds: Option<i64>) -> Run {
        let started_at = at("2025-01-11T00:15:00Z");
        Run {
            id: Uuid::nil(),
            kind: RunKind::Collect,
            from: date(2025, 1, 10),
            to: date(2025, 1, 10),
            started_at,
            completed_at: seconds.map(|seconds| started_at + SignedDuration::from_secs(seconds)),
            status,
            metrics_collected: i64::from(status == RunStatus::Completed),
            error_message: Some("no answer".to_owned()),
            error_details: None,
            trigger: Trigger::Schedule,
            actor: "system".to_owned(),
            host: "here".to_owned(),
            process_id: 1,
        }
    }

    fn facts(runs: Vec<Run>) -> Facts {
        Facts { runs, last_due: Some(date(2025, 1, 10)), active_metrics: 4, ..Facts::default() }
    }

    fn built_in(name: &str) -> AlertCondition {
        built_in_rules().into_iter().find(|rule| rule.name == name).unwrap().condition
    }

    #[track_caller]
    fn assert_holds(name: &str, facts: &Facts, now: &str, expected: bool) {
        let found = evaluate(&built_in(name), facts, at(now));
        assert_eq!(matches!(found, Holds(_)), expected, "{found:?}");
    }

    #[test]
    fn three_failures_in_a_row_are_too_many() {
        let (failed, done) = (run(RunStatus::Failed, Some(1)), run(RunStatus::Completed, Some(1)));
        let now = "2025-01-11T00:16:00Z";
        let check = |runs: &[&Run], expected| {
            assert_holds(
                "collection_failing",
                &facts(runs.iter().copied().cloned().collect()),
                now,
                expected,
            );
        };
        check(&[], false);
        check(&[&failed, &failed, &done, &failed], false);
        check(&[&failed, &failed, &failed, &done], true);
        check(&[&run(RunStatus::Running, None), &failed, &failed, &failed], true);
        check(&[&run(RunStatus::Partial, Some(1)), &failed, &failed, &failed], false);
    }

    #[test]
    fn one_failure_that_nothing_follows_is_too_many() {
        let mut facts = facts(vec![run(RunStatus::Failed, Some(0))]);
        facts.missing_days.insert(date(2025, 1, 10), 4);
        assert_holds("collection_failing", &facts, "2025-01-11T00:24:59Z", false);
        assert_holds("collection_failing", &facts, "2025-01-11T00:25:00Z", true);
        facts.missing_days.clear();
        assert_holds("collection_failing", &facts, "2025-01-11T00:25:00Z", false);
    }

    #[test]
    fn nothing_recorded_counts_from_the_last_record() {
        let runs = vec![run(RunStatus::Failed, Some(1)), run(RunStatus::Completed, Some(5))];
        assert_holds("nothing_recorded", &facts(runs.clone()), "2025-01-13T00:15:04Z", false);
        assert_holds("nothing_recorded", &facts(runs), "2025-01-13T00:15:05Z", true);
        assert_holds(
            "nothing_recorded",
            &facts(vec![run(RunStatus::Failed, Some(1))]),
            "2025-01-13T00:15:00Z",
            true,
        );
        let none = evaluate(&built_in("nothing_recorded"), &facts(Vec::new()), at("2025-01-13T00:15:00Z"));
        assert!(matches!(none, NoData(_)));
    }

    #[test]
    fn nothing_recorded_waits_for_a_schedule_that_is_rarer_than_a_day() {
        let runs = vec![run(RunStatus::Completed, Some(5))];
        let weekly = Facts { next_due_after_record: Some(at("2025-01-18T06:00:00Z")), ..facts(runs) };
        assert_holds("nothing_recorded", &weekly, "2025-01-18T06:05:00Z", false);
        assert_holds("nothing_recorded", &weekly, "2025-01-19T05:59:59Z", false);
        assert_holds("nothing_recorded", &weekly, "2025-01-19T06:00:00Z", true);
        let daily = Facts { next_due_after_record: Some(at("2025-01-12T00:15:00Z")), ..weekly };
        assert_holds("nothing_recorded", &daily, "2025-01-13T00:15:04Z", false);
        assert_holds("nothing_recorded", &daily, "2025-01-13T00:15:05Z", true);
        let within_the_day = silent_until(at("2025-01-11T00:15:05Z"), 12, Some(at("2025-01-12T00:15:00Z")));
        assert_eq!(within_the_day, at("2025-01-12T00:15:00Z"), "a day is recorded once");
    }

    #[test]
    fn slowness_gaps_and_pauses_have_their_limits() {
        let now = "2025-01-11T12:00:00Z";
        assert_holds("slow_collection", &facts(vec![run(RunStatus::Completed, Some(60))]), now, false);
        assert_holds("slow_collection", &facts(vec![run(RunStatus::Completed, Some(61))]), now, true);
        assert_holds(
            "slow_collection",
            &facts(vec![run(RunStatus::Running, None)]),
            "2025-01-11T00:16:01Z",
            true,
        );
        let mut missing = facts(Vec::new());
        missing.missing_days.insert(date(2025, 1, 9), 2);
        assert_holds("day_missing", &missing, now, true);
        let pause = Pause {
            id: Uuid::nil(),
            paused_at: at("2025-01-10T12:00:00Z"),
            paused_by: "cli:anna".to_owned(),
            reason: "moving".to_owned(),
            until: None,
            resumed_at: None,
            resumed_by: None,
        };
        let paused = |pause| Facts { pause: Some(pause), ..missing.clone() };
        assert_holds("day_missing", &paused(pause.clone()), now, false);
        assert_holds("forgotten_pause", &paused(pause.clone()), "2025-01-11T11:59:59Z", false);
        assert_holds("forgotten_pause", &paused(pause.clone()), now, true);
        let with_end = Pause { until: Some(at("2025-02-01T00:00:00Z")), ..pause };
        let nothing = Facts { pause: Some(with_end.clone()), ..facts(vec![run(RunStatus::Failed, Some(1))]) };
        assert_holds("nothing_recorded", &nothing, "2025-01-13T00:15:00Z", false);
        assert_holds("forgotten_pause", &paused(with_end), now, false);
    }

    #[test]
    fn a_rule_about_an_unknown_metric_cannot_be_evaluated() {
        let unknown = AlertCondition::Metric(MetricCondition {
            metric: "signups".to_owned(),
            test: MetricTest::Missing,
            days: 1,
        });
        let found = evaluate(&unknown, &facts(Vec::new()), at("2025-01-11T12:00:00Z"));
        assert!(matches!(found, Evaluation::Error(_)), "{found:?}");
    }
}
