//! The conditions about the quality of the data: anomalies of the last due day, and drift that the last recounts found. As functions
//! of what was found, each with whether it holds and a sentence.

use jiff::civil::Date;

use crate::{
    metric::Decimal,
    pluralize::pluralize,
    store::{Anomaly, DriftSample},
};

/// How many values a summary names.
const NAMED_VALUES: usize = 3;

/// Whether at least `values` recorded values of `last_due` are anomalies.
pub fn anomalies(values: i64, found: &[Anomaly], last_due: Option<Date>) -> (bool, String) {
    let Some(date) = last_due else { return (false, "no day is due yet".to_owned()) };
    let of_day: Vec<_> = found.iter().filter(|anomaly| anomaly.day.date == date).collect();
    if of_day.is_empty() {
        return (false, format!("no recorded value of {date} is an anomaly"));
    }
    let named: Vec<_> = of_day.iter().take(NAMED_VALUES).map(|anomaly| described(anomaly)).collect();
    let summary = format!(
        "{} out of line with the history: {}{}",
        match of_day.len() {
            1 => format!("1 recorded value of {date} is"),
            number => format!("{number} recorded values of {date} are"),
        },
        named.join("; "),
        more(of_day.len())
    );
    (of_day.len() as i64 >= values, summary)
}

fn described(Anomaly { day, value }: &Anomaly) -> String {
    let expected = day.judgement.expected.as_ref();
    let expected = expected.map(|(low, high)| format!(", expected {low} to {high}")).unwrap_or_default();
    let reason = day.judgement.reason.map_or("", crate::judgement::Reason::name).replace('_', " ");
    format!("{} is {value} ({reason}{expected})", day.key.category)
}

/// Whether a recorded value that was counted again differs by more than `percent` of it.
pub fn drift(percent: &Decimal, samples: &[DriftSample]) -> (bool, String) {
    if samples.is_empty() {
        return (false, "no recorded day was counted again lately".to_owned());
    }
    let drifted: Vec<_> = samples.iter().filter(|sample| differs_by(sample, percent)).collect();
    if drifted.is_empty() {
        let counted = pluralize(samples.len(), "recorded value");
        return (false, format!("a recount of {counted} differs by no more than {percent} %"));
    }
    let named: Vec<_> = drifted
        .iter()
        .take(NAMED_VALUES)
        .map(|sample| {
            let DriftSample { date, key, in_force, recounted, .. } = sample;
            format!("{} of {date} is {in_force} and a recount gives {recounted}", key.category)
        })
        .collect();
    let summary = format!(
        "the platform's past has changed by more than {percent} %: {}{}; `daymark drift --recorded` lists all",
        named.join("; "),
        more(drifted.len())
    );
    (true, summary)
}

fn more(found: usize) -> String {
    match found.saturating_sub(NAMED_VALUES) {
        0 => String::new(),
        more => format!("; and {}", pluralize(more, "further value")),
    }
}

fn differs_by(sample: &DriftSample, percent: &Decimal) -> bool {
    let size = |value: Decimal| if value < Decimal::zero() { &Decimal::zero() - &value } else { value };
    let difference = size(&sample.recounted - &sample.in_force);
    &difference * &Decimal::from(100) > percent * &size(sample.in_force.clone())
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, civil::date};

    use super::*;
    use crate::{
        judgement::{JUDGE_VERSION, Judgement, Reason, Verdict},
        metric::{MetricKey, MetricType},
        store::JudgedDay,
    };

    fn key(category: &str) -> MetricKey {
        MetricKey { metric_type: MetricType::Count, category: category.to_owned() }
    }

    fn anomaly(category: &str, day: i8) -> Anomaly {
        let judgement = Judgement {
            judge_version: JUDGE_VERSION,
            verdict: Verdict::Anomaly,
            reason: Some(Reason::Above),
            expected: Some((5.into(), 9.into())),
            score: None,
            baseline: None,
        };
        let day = JudgedDay { date: date(2025, 1, day), key: key(category), judgement };
        Anomaly { day, value: 80.into() }
    }

    #[test]
    fn anomalies_of_the_due_day_are_counted_and_named() {
        let found = [anomaly("a", 10), anomaly("b", 10), anomaly("c", 9)];
        let due = Some(date(2025, 1, 10));
        assert_eq!(
            anomalies(1, &found[..1], due),
            (
                true,
                "1 recorded value of 2025-01-10 is out of line with the history: a is 80 (above, expected 5 to 9)"
                    .to_owned()
            )
        );
        assert!(anomalies(2, &found, due).0);
        assert!(!anomalies(3, &found, due).0);
        assert!(!anomalies(1, &found[2..], due).0);
        assert!(!anomalies(1, &found, None).0);
        let many: Vec<_> = ["a", "b", "c", "d", "e"].map(|category| anomaly(category, 10)).into();
        assert!(anomalies(1, &many, due).1.ends_with("; and 2 further values"));
    }

    #[test]
    fn drift_is_relative_to_the_value_in_force() {
        let sample = |in_force: i64, recounted: i64| DriftSample {
            date: date(2025, 1, 5),
            key: key("a"),
            in_force: in_force.into(),
            recounted: recounted.into(),
            recounted_at: Timestamp::UNIX_EPOCH,
        };
        let holds = |recorded, recounted| drift(&10.into(), &[sample(recorded, recounted)]).0;
        assert!(!holds(100, 90));
        assert!(holds(100, 89));
        assert!(holds(100, 111));
        assert!(holds(0, 1));
        assert!(!holds(0, 0));
        assert!(!drift(&10.into(), &[]).0);
        let summary = drift(&10.into(), &[sample(100, 50)]).1;
        assert!(summary.contains("a of 2025-01-05 is 100 and a recount gives 50"), "{summary}");
    }
}
