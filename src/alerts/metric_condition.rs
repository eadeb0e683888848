//! Whether a condition of the values of a metric holds.

use std::collections::BTreeMap;

use jiff::{ToSpan, civil::Date};

use super::evaluation::Evaluation::{self, Clear, Holds, NoData};
use crate::{
    config::{MetricCondition, MetricTest},
    metric::Decimal,
    pluralize::pluralize,
};

/// Evaluates a condition of a metric for `date`, and for the days before it that the condition needs.
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

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

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
    }
}
