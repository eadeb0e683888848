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

/// How long after the first failed collection of a row the condition holds while the day is still missing: the scheduler starts no
/// run while the platform cannot be reached, so that the log may have no second failure.
pub const AWAY_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// How long a pause with an end may last before it counts as forgotten, whatever its end.
const LONG_PAUSE_HOURS: i64 = 7 * 24;
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
        AlertCondition::SlowCollection { seconds } => slow_collection(*seconds, facts),
        AlertCondition::DayMissing => day_missing(facts),
        AlertCondition::ForgottenPause { hours } => forgotten_pause(*hours, facts, now),
        AlertCondition::Anomaly { .. } if has_recorded_nothing(facts) => {
            NoData("no run has recorded anything yet".to_owned())
        }
        AlertCondition::Anomaly { .. } if has_nothing_of_last_due(facts) => {
            NoData("the last due day is not recorded yet".to_owned())
        }
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

fn has_recorded_nothing(facts: &Facts) -> bool {
    facts.runs.iter().all(|run| run.metrics_collected == 0)
}

/// Whether no active metric has a record of the last due day, as between the time at which it is due and the end of its collection.
fn has_nothing_of_last_due(facts: &Facts) -> bool {
    let missing = facts.last_due.and_then(|due| facts.missing_days.get(&due));
    missing.is_some_and(|missing| *missing >= facts.active_metrics)
}

fn collections(facts: &Facts) -> impl Iterator<Item = &Run> {
    facts.runs.iter().filter(|run| run.kind == RunKind::Collect)
}

fn collection_failing(wanted: i64, facts: &Facts, now: Timestamp) -> Evaluation {
    let ended = collections(facts).filter(|run| run.status != RunStatus::Running);
    let failed: Vec<_> = ended.take_while(|run| run.status == RunStatus::Failed).collect();
    let (Some(last), Some(first)) = (failed.first(), failed.last()) else {
        return Clear("the last collection did not fail".to_owned());
    };
    let cause = last.error_message.as_deref().unwrap_or("the log has no message");
    if failed.len() as i64 >= wanted {
        return Holds(format!(
            "{} or more in a row failed; the last one: {cause}",
            pluralize(wanted.unsigned_abs(), "collection")
        ));
    }
    let is_missing = facts.last_due.is_some_and(|due| facts.missing_days.contains_key(&due));
    let is_old = first.completed_at.is_some_and(|at| now.duration_since(at) >= AWAY_AFTER);
    if is_missing && is_old && facts.pause.is_none() {
        return Holds(format!("the last collection failed, and the day is still missing: {cause}"));
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
        false if facts.runs.iter().any(|run| run.metrics_collected > 0) => {
            Clear(format!("recorded at {}", shown(since)))
        }
        false => Clear(format!("nothing was recorded since {}, which is not long enough", shown(since))),
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

/// The time until which the absence of records since `since` is not an alert. The configured hours assume a daily schedule. With
/// a rarer schedule the period is longer, by the time by which the next day is due later than one day after the last record.
pub fn silent_until(since: Timestamp, hours: i64, next_due: Option<Timestamp>) -> Timestamp {
    let after = |from: Timestamp, hours| {
        from.checked_add(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX)
    };
    let daily = after(since, hours);
    next_due.map_or(daily, |due| daily.max(after(due, (hours - HOURS_OF_A_DAY).max(0))))
}

/// Only collections that recorded something count. If the platform does not answer, a collection takes long and then fails, which is
/// [`collection_failing`]; one that is running may still end so.
fn slow_collection(seconds: i64, facts: &Facts) -> Evaluation {
    let took = |run: &Run| {
        let is_counted = matches!(run.status, RunStatus::Completed | RunStatus::Partial);
        is_counted.then(|| run.completed_at.map(|at| at.duration_since(run.started_at).as_secs())).flatten()
    };
    let Some((last, took)) = collections(facts).find_map(|run| Some((run, took(run)?))) else {
        return NoData("no collection has recorded anything yet".to_owned());
    };
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
        return Clear(match has_recorded_nothing(facts) {
            true => "no day since the metrics were defined is due yet".to_owned(),
            false => "no due day of the last week is missing".to_owned(),
        });
    }
    let named = facts.missing_days.iter().rev().take(NAMED_DAYS);
    let named: Vec<_> =
        named.map(|(date, count)| format!("{date} ({})", pluralize(*count as u64, "metric"))).collect();
    let more = facts.missing_days.len().saturating_sub(NAMED_DAYS);
    let more = if more > 0 { format!(" and {}", pluralize(more, "further day")) } else { String::new() };
    Holds(format!("records are missing: {}{more}; `daymark gaps` says why", named.join(", ")))
}

fn forgotten_pause(hours: i64, facts: &Facts, now: Timestamp) -> Evaluation {
    let Some(pause) = &facts.pause else { return Clear("the schedule is not paused".to_owned()) };
    let end =
        pause.until.map_or_else(|| "without an end".to_owned(), |until| format!("until {}", shown(until)));
    let since = shown(pause.paused_at);
    if now.duration_since(pause.paused_at) < forgotten_after(pause, hours) {
        return Clear(format!("the schedule is paused since {since}, {end}"));
    }
    Holds(format!("the schedule is paused since {since} by {}, {end}: {}", pause.paused_by, pause.reason))
}

/// How long a pause lasts before it counts as forgotten.
pub fn forgotten_after(pause: &Pause, hours: i64) -> SignedDuration {
    SignedDuration::from_hours(if pause.until.is_some() { hours.max(LONG_PAUSE_HOURS) } else { hours })
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
    fn one_failure_is_enough_if_the_day_is_still_missing_later() {
        let mut facts = facts(vec![run(RunStatus::Failed, Some(0))]);
        facts.missing_days.insert(date(2025, 1, 10), 4);
        assert_holds("collection_failing", &facts, "2025-01-11T00:24:59Z", false);
        assert_holds("collection_failing", &facts, "2025-01-11T00:25:00Z", true);
        // The next attempt an hour later, which fails as well, does not end the alert.
        let later = "2025-01-11T01:15:00Z";
        let next = Run { started_at: at(later), completed_at: Some(at(later)), ..facts.runs[0].clone() };
        facts.runs.insert(0, next);
        assert_holds("collection_failing", &facts, later, true);
        facts.missing_days.clear();
        assert_holds("collection_failing", &facts, later, false);
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
        let waiting = [run(RunStatus::Running, None), run(RunStatus::Failed, Some(75))];
        let after =
            |before| facts([waiting.to_vec(), vec![run(RunStatus::Completed, Some(before))]].concat());
        assert_holds("slow_collection", &facts(waiting.to_vec()), now, false);
        assert_holds("slow_collection", &after(5), now, false);
        assert_holds("slow_collection", &after(61), now, true);
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
        assert_holds("forgotten_pause", &paused(with_end.clone()), "2025-01-17T11:59:59Z", false);
        assert_holds("forgotten_pause", &paused(with_end.clone()), "2025-01-17T12:00:00Z", true);
        let nothing = Facts { pause: Some(with_end.clone()), ..facts(vec![run(RunStatus::Failed, Some(1))]) };
        assert_holds("nothing_recorded", &nothing, "2025-01-13T00:15:00Z", false);
        assert_holds("forgotten_pause", &paused(with_end), now, false);
    }

    #[test]
    fn a_store_without_records_is_not_said_to_be_complete() {
        let fresh = facts(Vec::new());
        let now = at("2025-01-11T12:00:00Z");
        let missing = evaluate(&built_in("day_missing"), &fresh, now);
        assert_eq!(missing, Clear("no day since the metrics were defined is due yet".to_owned()));
        assert!(matches!(evaluate(&built_in("anomaly"), &fresh, now), NoData(_)));
        let recorded = facts(vec![run(RunStatus::Completed, Some(1))]);
        let missing = evaluate(&built_in("day_missing"), &recorded, now);
        assert_eq!(missing, Clear("no due day of the last week is missing".to_owned()));
        assert!(matches!(evaluate(&built_in("anomaly"), &recorded, now), Clear(_)));
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
