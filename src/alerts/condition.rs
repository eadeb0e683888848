//! Whether the condition of a rule holds: a function of facts.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};

use crate::{
    config::{AlertCondition, MetricCondition, MetricTest},
    metric::Decimal,
    pluralize::pluralize,
    store::{Pause, Run, RunKind, RunStatus},
};

/// How long after one failed collection the condition holds while the day is still missing: the scheduler starts no run while
/// the platform cannot be reached, so that the log may have no second failure.
const AWAY_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// The least number of requests by which a percentage of errors is judged.
const MIN_REQUESTS: u64 = 20;
/// How many days a summary names.
const NAMED_DAYS: usize = 3;

/// What is known when rules are evaluated.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The newest runs, newest first.
    pub runs: Vec<Run>,
    /// The last day that is due.
    pub last_due: Option<Date>,
    /// The due days of the last week that lack records, each with how many.
    pub missing_days: BTreeMap<Date, usize>,
    /// How many metrics are active.
    pub active_metrics: usize,
    /// The pause of the schedule that holds.
    pub pause: Option<Pause>,
    /// The requests for data of the last minutes, and how many of them failed.
    pub requests: (u64, u64),
    /// The recorded values of the metrics that rules name; `None`: there is no active metric of that name.
    pub metrics: BTreeMap<String, Option<BTreeMap<Date, Decimal>>>,
}

/// What was found, each with a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluation {
    Holds(String),
    Clear(String),
    /// Nothing is recorded by which the condition could be judged.
    NoData(String),
    /// The rule cannot be evaluated.
    Error(String),
}

use Evaluation::{Clear, Holds, NoData};

/// Evaluates a condition. Summaries do not change from one evaluation to the next while nothing happens.
pub fn evaluate(condition: &AlertCondition, facts: &Facts, now: Timestamp) -> Evaluation {
    match condition {
        AlertCondition::CollectionFailing { runs } => collection_failing(*runs, facts, now),
        AlertCondition::NothingRecorded { hours } => nothing_recorded(*hours, facts, now),
        AlertCondition::QueryErrors { percent } => query_errors(percent, facts.requests),
        AlertCondition::SlowCollection { seconds } => slow_collection(*seconds, facts, now),
        AlertCondition::DayMissing => day_missing(facts),
        AlertCondition::ForgottenPause { hours } => forgotten_pause(*hours, facts, now),
        AlertCondition::Metric(condition) => metric(condition, facts),
    }
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
    let written = facts.runs.iter().find(|run| run.metrics_collected > 0);
    // Without such a run among the newest ones, nothing was recorded since the oldest of them at least.
    let since = match (written, facts.runs.last()) {
        (Some(run), _) => run.completed_at.unwrap_or(run.started_at),
        (None, Some(oldest)) => oldest.started_at,
        (None, None) => return NoData("there never was a run".to_owned()),
    };
    match now.duration_since(since) >= SignedDuration::from_hours(hours) {
        true => Holds(format!("nothing was recorded since {}", shown(since))),
        false => Clear(format!("recorded at {}", shown(since))),
    }
}

fn query_errors(percent: &Decimal, (requests, failed): (u64, u64)) -> Evaluation {
    if requests < MIN_REQUESTS {
        return Clear("too few requests to judge by".to_owned());
    }
    let [requests, failed] =
        [requests, failed].map(|count| Decimal::from(i64::try_from(count).unwrap_or(i64::MAX)));
    match &failed * &Decimal::from(100) > percent * &requests {
        true => Holds(format!("more than {percent} % of the requests for data failed within 5 minutes")),
        false => Clear("requests are answered".to_owned()),
    }
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

/// Evaluates a condition of a metric for `date`, and for the days before it that the condition wants.
pub fn evaluate_metric(
    condition: &MetricCondition,
    values: &BTreeMap<Date, Decimal>,
    date: Date,
) -> Evaluation {
    let name = &condition.metric;
    let mut last = None;
    for before in 0..condition.days {
        let day = date.saturating_sub(i64::from(before).days());
        let found = evaluate_day(condition, values, day);
        match found {
            Holds(_) => last = last.or(Some(found)),
            other => return other,
        }
    }
    match last {
        Some(Holds(summary)) if condition.days > 1 => {
            Holds(format!("{summary}, on {} in a row", pluralize(condition.days, "day")))
        }
        Some(found) => found,
        None => Clear(format!("{name} was not tested")),
    }
}

fn evaluate_day(condition: &MetricCondition, values: &BTreeMap<Date, Decimal>, date: Date) -> Evaluation {
    let name = &condition.metric;
    let value = values.get(&date);
    if condition.test == MetricTest::Missing {
        return match value {
            None => Holds(format!("{name} has no value of {date}")),
            Some(_) => Clear(format!("{name} has a value of {date}")),
        };
    }
    let Some(value) = value else { return NoData(format!("{name} has no value of {date}")) };
    let (holds, what) = match &condition.test {
        MetricTest::Above(limit) => (value > limit, format!("above {limit}")),
        MetricTest::Below(limit) => (value < limit, format!("below {limit}")),
        MetricTest::Rises { percent, window_days } | MetricTest::Falls { percent, window_days } => {
            let before = date.saturating_sub(i64::from(*window_days).days());
            let Some(base) = values.get(&before).filter(|base| !base.is_zero()) else {
                return NoData(format!("{name} has no value of {before} other than 0 to compare with"));
            };
            let rises = matches!(condition.test, MetricTest::Rises { .. });
            let change = if rises { value - base } else { base - value };
            let size = if *base < Decimal::zero() { &Decimal::zero() - base } else { base.clone() };
            let direction = if rises { "higher" } else { "lower" };
            let holds = &change * &Decimal::from(100) >= percent * &size;
            (holds, format!("{percent} % or more {direction} than the {base} of {before}"))
        }
        MetricTest::Missing => (false, String::new()),
    };
    match holds {
        true => Holds(format!("{name} of {date} is {value}: {what}")),
        false => Clear(format!("{name} of {date} is {value}")),
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
    use crate::{config::built_in_rules, store::Trigger};

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
    fn errors_slowness_gaps_and_pauses_have_their_limits() {
        let errors = |requests, failed| Facts { requests: (requests, failed), ..facts(Vec::new()) };
        let now = "2025-01-11T12:00:00Z";
        assert_holds("query_errors", &errors(100, 5), now, false);
        assert_holds("query_errors", &errors(100, 6), now, true);
        assert_holds("query_errors", &errors(19, 19), now, false);
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
    fn metrics_are_tested_on_days_in_a_row_and_against_earlier_ones() {
        let number = |text: &str| text.parse::<Decimal>().unwrap();
        let values: BTreeMap<_, _> =
            (1..=10).map(|day| (date(2025, 1, day), Decimal::from(i64::from(day) * 10))).collect();
        let found = |test: MetricTest, days, day| {
            let condition = MetricCondition { metric: "signups".to_owned(), test, days };
            evaluate_metric(&condition, &values, date(2025, 1, day))
        };
        let holds = |test: MetricTest, days, day| matches!(found(test, days, day), Holds(_));
        assert!(holds(MetricTest::Above(number("99.9")), 1, 10));
        assert!(!holds(MetricTest::Above(number("100")), 1, 10));
        assert!(holds(MetricTest::Above(number("75")), 3, 10));
        assert!(!holds(MetricTest::Above(number("85")), 3, 10));
        assert!(holds(MetricTest::Below(number("10.5")), 1, 1));
        let rises = |percent: &str| MetricTest::Rises { percent: number(percent), window_days: 2 };
        let falls = |percent: &str| MetricTest::Falls { percent: number(percent), window_days: 2 };
        assert!(holds(rises("25"), 1, 10), "from 80 to 100");
        assert!(!holds(rises("25.1"), 1, 10));
        assert!(!holds(falls("1"), 1, 10));
        assert!(matches!(found(rises("25"), 1, 2), NoData(_)), "there is nothing to compare with");
        assert!(matches!(found(MetricTest::Below(number("1")), 1, 11), NoData(_)));
        assert!(holds(MetricTest::Missing, 1, 11));
        assert!(!holds(MetricTest::Missing, 2, 11));
        assert!(holds(MetricTest::Missing, 2, 12));
        let unknown = AlertCondition::Metric(MetricCondition {
            metric: "signups".to_owned(),
            test: MetricTest::Missing,
            days: 1,
        });
        assert!(matches!(
            evaluate(&unknown, &facts(Vec::new()), at("2025-01-11T12:00:00Z")),
            Evaluation::Error(_)
        ));
    }
}
