//! Roll-ups of days compared with counting the same rows at once.

use std::collections::BTreeMap;

use jiff::{ToSpan, civil::date};
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{rolled::Rolled, *};
use crate::{
    collect::sample,
    metric::{
        Breakdown, ColumnSum, Decimal, Definition, LabelAggregate, Measure, MetricType, Moments, Phase,
        Provenance, Quantile, Tally, TopLabels, TopMeans,
    },
    query::values::number,
    store::RecordedDay,
};

fn day(offset: usize, value: &Decimal, metadata: Map<String, Value>) -> RecordedDay {
    RecordedDay {
        date: date(2025, 1, 1).saturating_add(i64::try_from(offset).unwrap().days()),
        value: value.clone(),
        provenance: Provenance::Observed,
        definition_version: 1,
        metadata: Some(Box::new(metadata)),
        judgement: None,
        correction: None,
    }
}

/// The roll-up of a bucket of `days`.
fn apply(roll_up: RollUp, days: &[RecordedDay]) -> Result<Rolled, String> {
    let mut sum = Accumulator::new(roll_up);
    days.iter().try_for_each(|day| sum.add(day))?;
    Ok(sum.finish().unwrap())
}

fn metadata(fields: &[(&str, Decimal)]) -> Map<String, Value> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_json())).collect()
}

fn moments(samples: &[i64]) -> Moments {
    samples.iter().fold(Moments::zero(), |sum, sample| {
        sum.add(&Moments { count: 1, sum: (*sample).into(), sum_of_squares: (sample * sample).into() })
    })
}

/// A day of an average, as it is recorded.
fn average_day(offset: usize, samples: &[i64]) -> RecordedDay {
    let of_day = moments(samples);
    let mut fields = vec![("sample_size", of_day.count.into())];
    fields.extend(of_day.std_deviation().map(|deviation| ("std_deviation", deviation)));
    day(offset, &of_day.mean().unwrap_or_default(), metadata(&fields))
}

fn is_near(a: &Decimal, b: &Decimal) -> bool {
    let difference = a - b;
    let bound: Decimal = "0.00001".parse().unwrap();
    difference < bound && difference > &Decimal::zero() - &bound
}

/// A day of a breakdown, as it is recorded with its `top` labels.
fn breakdown_day(offset: usize, counts: &BTreeMap<String, i64>, top: usize) -> RecordedDay {
    let decimals = counts.iter().map(|(label, count)| (label.clone(), Decimal::from(*count)));
    let labels = TopLabels::select(decimals, Decimal::zero(), top);
    let named: Map<_, _> = labels.top.iter().map(|(label, count)| (label.clone(), count.to_json())).collect();
    let rest = i64::try_from(labels.labels - labels.top.len()).unwrap();
    let other = metadata(&[("labels", rest.into()), ("value", labels.other())]);
    let mut fields = metadata(&[("total", labels.total.clone()), ("unlabelled", labels.unlabelled.clone())]);
    fields.insert("breakdown".to_owned(), Value::Object(named));
    fields.insert("other".to_owned(), Value::Object(other));
    day(offset, &i64::try_from(labels.labels).unwrap().into(), fields)
}

fn breakdown(phase: Phase, aggregate: LabelAggregate) -> Definition {
    let (rows, column) = (sample::rows(), "genre".to_owned());
    let measure = Measure::Breakdown(Breakdown { rows, column, phase, top: 9, aggregate });
    Definition { metric_type: MetricType::Aggregate, ..sample::stored("genres", measure).definition }
}

fn added(samples: &[i64]) -> ColumnSum {
    ColumnSum { count: i64::try_from(samples.len()).unwrap(), sum: samples.iter().sum::<i64>().into() }
}

/// The number of labels that are named, and of those that `other` counts.
fn labels_of(rolled: &Rolled) -> Decimal {
    let metadata = rolled.metadata.as_ref().unwrap();
    let named = metadata["breakdown"].as_object().unwrap().len();
    &Decimal::from(i64::try_from(named).unwrap()) + &number(&metadata["other"]["labels"]).unwrap()
}

/// A day of a breakdown of averages, as it is recorded with its `top` labels.
fn means_day(offset: usize, samples: &BTreeMap<String, Vec<i64>>, top: usize) -> RecordedDay {
    let mut sums: Vec<_> = samples.iter().map(|(label, samples)| (label.clone(), added(samples))).collect();
    sums.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.count));
    let (labels, total) = (sums.len(), added(&samples.values().flatten().copied().collect::<Vec<_>>()));
    sums.truncate(top);
    let means = TopMeans { top: sums, labels, total, unlabelled: ColumnSum::default() };
    let definition = breakdown(Phase::Created, LabelAggregate::Average("words".to_owned()));
    let seen = definition.evaluate(&[&Tally::LabelMeans(means)]).unwrap();
    day(offset, &seen.value, seen.metadata)
}

fn sum_of(rolled: &Rolled, part: &str) -> Decimal {
    number(&rolled.metadata.as_ref().unwrap()[part]).unwrap()
}

proptest! {
    #[test]
    fn flows_add_up_and_of_stocks_the_last_counts(
        values in prop::collection::vec((-9_000_000_000_000_000_000i64..9_000_000_000_000_000_000, 0u32..6), 1..40),
    ) {
        let decimals: Vec<Decimal> =
            values.iter().map(|(digits, scale)| format!("{digits}e-{scale}").parse().unwrap()).collect();
        let days: Vec<_> =
            decimals.iter().enumerate().map(|(offset, value)| day(offset, value, Map::new())).collect();
        // Exactly, in units of the sixth place.
        let sum: i128 = values.iter().map(|(digits, scale)| i128::from(*digits) * 10i128.pow(6 - scale)).sum();
        let sum: Decimal = format!("{sum}e-6").parse().unwrap();
        prop_assert_eq!(apply(RollUp::Sum, &days).unwrap().value, Some(sum));
        let last = apply(RollUp::Last, &days).unwrap();
        prop_assert_eq!(last.value.as_ref(), decimals.last());
        prop_assert_eq!(last.value_date, days.last().map(|day| day.date));
    }

    #[test]
    fn the_extreme_of_the_days_is_that_of_all_samples(
        days in prop::collection::vec(prop::collection::vec(-1000i64..1000, 0..6), 1..20),
    ) {
        let record = |(offset, samples): (usize, &Vec<i64>), extreme: Option<&i64>| {
            let size = Decimal::from(i64::try_from(samples.len()).unwrap());
            day(offset, &extreme.copied().unwrap_or_default().into(), metadata(&[("sample_size", size)]))
        };
        let least: Vec<_> = days.iter().enumerate().map(|day| record(day, day.1.iter().min())).collect();
        let largest: Vec<_> = days.iter().enumerate().map(|day| record(day, day.1.iter().max())).collect();
        let all = days.concat();
        for (roll_up, records, extreme) in [
            (RollUp::Minimum, least, all.iter().min()),
            (RollUp::Maximum, largest, all.iter().max()),
        ] {
            let rolled = apply(roll_up, &records).unwrap();
            prop_assert_eq!(rolled.value.clone(), extreme.map(|extreme| Decimal::from(*extreme)));
            prop_assert_eq!(sum_of(&rolled, "sample_size"), Decimal::from(i64::try_from(all.len()).unwrap()));
        }
    }

    #[test]
    fn averages_are_those_of_all_samples_at_once(
        days in prop::collection::vec(prop::collection::vec(-1000i64..1000, 0..8), 1..12),
    ) {
        let recorded: Vec<_> =
            days.iter().enumerate().map(|(offset, samples)| average_day(offset, samples)).collect();
        let all = moments(&days.concat());
        let rolled = apply(RollUp::Average, &recorded).unwrap();
        prop_assert_eq!(sum_of(&rolled, "sample_size"), Decimal::from(all.count));
        prop_assert_eq!(rolled.value.is_some(), all.count > 0, "an average of no values has no value");
        prop_assert!(is_near(&rolled.value.unwrap_or_default(), &all.mean().unwrap_or_default()));
        let with_sums: Vec<_> = days.iter().enumerate().map(|(offset, samples)| {
            let mut day = average_day(offset, samples);
            day.metadata.as_mut().unwrap().insert("sum".to_owned(), moments(samples).sum.to_json());
            day
        }).collect();
        let exact = apply(RollUp::Average, &with_sums).unwrap();
        prop_assert_eq!(exact.value, all.mean(), "nothing is made from rounded means where the sums are recorded");
        let deviation = rolled.metadata.as_ref().unwrap().get("std_deviation").and_then(number);
        match (deviation, all.std_deviation()) {
            (Some(combined), Some(whole)) => {
                // Rounded means can leave a trace of a variance where there is none, or hide one.
                let (combined, whole) = (&combined * &combined, &whole * &whole);
                prop_assert!(is_near(&combined, &whole), "{:?} {:?}", combined, whole);
            }
            (None, Some(whole)) => prop_assert!(is_near(&whole, &Decimal::zero())),
            (Some(_), None) => prop_assert!(false, "fewer than two samples do not deviate"),
            (None, None) => {}
        }
    }

    #[test]
    fn percentages_are_those_of_all_rows_at_once(parts in prop::collection::vec((0i64..1000, 0i64..1000), 1..20)) {
        let recorded: Vec<_> = parts.iter().enumerate().map(|(offset, (numerator, denominator))| {
            let fields = [("numerator", (*numerator).into()), ("denominator", (*denominator).into())];
            day(offset, &Decimal::zero(), metadata(&fields))
        }).collect();
        let numerator: i64 = parts.iter().map(|(numerator, _)| numerator).sum();
        let denominator: i64 = parts.iter().map(|(_, denominator)| denominator).sum();
        let whole = Decimal::from(100 * numerator).checked_div(&denominator.into());
        prop_assert_eq!(apply(RollUp::Percentage, &recorded).unwrap().value, whole);
    }

    #[test]
    fn breakdowns_are_those_of_all_rows_or_lower_bounds(
        days in prop::collection::vec(prop::collection::btree_map("[a-e]", 1i64..50, 0..6), 1..10), top in 1usize..7,
    ) {
        let recorded: Vec<_> =
            days.iter().enumerate().map(|(offset, counts)| breakdown_day(offset, counts, top)).collect();
        let mut all = BTreeMap::<&str, i64>::new();
        for (label, count) in days.iter().flatten() {
            *all.entry(label).or_default() += count;
        }
        let rolled = apply(RollUp::Merge, &recorded).unwrap();
        let breakdown = rolled.metadata.as_ref().unwrap()["breakdown"].as_object().unwrap();
        prop_assert_eq!(rolled.lower_bound, days.iter().any(|counts| counts.len() > top));
        let mut named = Decimal::zero();
        for (label, sum) in breakdown {
            let (sum, whole) = (number(sum).unwrap(), Decimal::from(all[label.as_str()]));
            prop_assert!(sum == whole || (rolled.lower_bound && sum < whole));
            named = &named + &sum;
        }
        let other = number(&rolled.metadata.as_ref().unwrap()["other"]["value"]).unwrap();
        prop_assert_eq!(sum_of(&rolled, "total"), Decimal::from(all.values().sum::<i64>()));
        prop_assert_eq!(&named + &other, sum_of(&rolled, "total"));
        let labels = Decimal::from(i64::try_from(all.len()).unwrap());
        let value = rolled.value.clone().unwrap();
        prop_assert!(value == labels || (rolled.lower_bound && value < labels));
        prop_assert_eq!(labels_of(&rolled), value);
    }
}

proptest! {
    #[test]
    fn means_by_label_are_those_of_all_samples_or_incomplete(
        days in prop::collection::vec(
            prop::collection::btree_map("[a-d]", prop::collection::vec(-50i64..50, 1..5), 0..5), 1..8,
        ),
        top in 1usize..5,
    ) {
        let recorded: Vec<_> =
            days.iter().enumerate().map(|(offset, samples)| means_day(offset, samples, top)).collect();
        let mut all = BTreeMap::<&str, Vec<i64>>::new();
        for (label, samples) in days.iter().flatten() {
            all.entry(label).or_default().extend(samples);
        }
        let whole = added(&all.values().flatten().copied().collect::<Vec<_>>());
        let rolled = apply(RollUp::MergeAverages, &recorded).unwrap();
        prop_assert_eq!(sum_of(&rolled, "sum"), whole.sum.clone());
        prop_assert_eq!(sum_of(&rolled, "total"), whole.mean());
        let metadata = rolled.metadata.as_ref().unwrap();
        let is_incomplete = days.iter().any(|samples| samples.len() > top);
        prop_assert_eq!(&metadata["incomplete"], &Value::from(is_incomplete));
        prop_assert_eq!(rolled.lower_bound, is_incomplete);
        prop_assert_eq!(labels_of(&rolled), rolled.value.clone().unwrap());
        let mut named = number(&metadata["other"]["sum"]).unwrap();
        for (label, sum) in metadata["sums"].as_object().unwrap() {
            named = &named + &number(sum).unwrap();
            if !is_incomplete {
                let whole = added(&all[label.as_str()]);
                prop_assert_eq!(number(&metadata["breakdown"][label]).unwrap(), whole.mean());
                prop_assert_eq!(number(&metadata["sample_sizes"][label]).unwrap(), Decimal::from(whole.count));
            }
        }
        prop_assert_eq!(named, whole.sum);
    }
}

#[test]
fn a_measure_decides_how_its_days_combine() {
    let of_column = |measure: fn(crate::metric::Rows, String) -> Measure| {
        let measure = measure(sample::rows(), "words".to_owned());
        Definition { metric_type: MetricType::Average, ..sample::stored("words", measure).definition }
    };
    let quantile =
        |rows, column| Measure::Quantile { rows, column, quantile: Quantile::MEDIAN, window_days: 1 };
    let words = || "words".to_owned();
    for (definition, expected) in [
        (of_column(|rows, column| Measure::Minimum { rows, column }), RollUp::Minimum),
        (of_column(|rows, column| Measure::Maximum { rows, column }), RollUp::Maximum),
        (of_column(|rows, column| Measure::Average { rows, column }), RollUp::Average),
        (of_column(quantile), RollUp::Never),
        (breakdown(Phase::Created, LabelAggregate::Rows), RollUp::Merge),
        (breakdown(Phase::Created, LabelAggregate::Sum(words())), RollUp::Merge),
        (breakdown(Phase::Created, LabelAggregate::Average(words())), RollUp::MergeAverages),
        (breakdown(Phase::Created, LabelAggregate::Distinct(words())), RollUp::Never),
        (breakdown(Phase::Existing, LabelAggregate::Average(words())), RollUp::Last),
        (breakdown(Phase::Existing, LabelAggregate::Rows), RollUp::Last),
    ] {
        assert_eq!(RollUp::of(&definition), expected, "{definition:?}");
    }
}

#[test]
fn a_record_without_its_parts_is_named() {
    let bare = [day(4, &Decimal::from(1), Map::new())];
    for (roll_up, part) in
        [(RollUp::Average, "sample_size"), (RollUp::Percentage, "numerator"), (RollUp::Merge, "breakdown")]
    {
        let reason = apply(roll_up, &bare).unwrap_err();
        assert_eq!(reason, format!("the record of 2025-01-05 lacks its `{part}`"));
    }
}
