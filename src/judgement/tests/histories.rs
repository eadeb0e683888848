//! Histories of a hundred days with one peculiarity, which must be found or must not be.

use super::*;
use crate::{
    judgement::{JUDGE_VERSION, Reason},
    metric::ExpectedRange,
};

const DAYS: usize = 100;
/// A Wednesday.
const SPIKE: usize = 93;
const SATURDAY: usize = 96;

fn changed(index: usize, value: i64) -> Vec<RecordedValue> {
    let mut values = weekly(DAYS);
    values[index] = value;
    history(values)
}

#[test]
fn a_weekend_is_no_anomaly_and_a_spike_or_a_drop_is() {
    assert_eq!(anomalies(&FLOW, &history(weekly(400))), [], "an ordinary year");
    assert_eq!(anomalies(&FLOW, &changed(SPIKE, 2000)), [(SPIKE, "above")]);
    assert_eq!(anomalies(&FLOW, &changed(SPIKE, 200)), [(SPIKE, "below")]);
    assert_eq!(anomalies(&FLOW, &changed(SATURDAY, 1000)), [(SATURDAY, "above")], "a weekday's value");
}

/// A corrected value is the best that is known of its day.
#[test]
fn corrected_days_are_history_as_observed_ones_are() {
    let with = |provenance| {
        let mut values = history(weekly(29));
        values.iter_mut().take(28).for_each(|value| value.provenance = provenance);
        judge_all(&FLOW, &values).pop().unwrap()
    };
    assert_eq!(with(Provenance::Observed).verdict, Verdict::Normal);
    assert_eq!(with(Provenance::Corrected), with(Provenance::Observed));
    assert_eq!(with(Provenance::Reconstructed).verdict, Verdict::Unjudged, "four weeks of half the weight");
}

#[test]
fn an_anomaly_has_its_band_its_score_and_its_baseline() {
    let values = changed(SPIKE, 2000);
    let judged = judge_all(&FLOW, &values).remove(SPIKE);
    let (low, high) = judged.expected.clone().unwrap();
    assert!(low > 600.into() && low < 900.into() && high > 1100.into() && high < 1500.into(), "{judged:?}");
    assert!(judged.score.clone().unwrap() > 8.into(), "{judged:?}");
    let baseline = judged.baseline.unwrap();
    assert_eq!((baseline.days, baseline.from, baseline.to), (56, day(SPIKE - 56), day(SPIKE - 1)));
    assert_eq!(judged.judge_version, JUDGE_VERSION);
}

#[test]
fn the_judged_day_is_not_in_its_own_baseline() {
    let expected = |value| judge_all(&FLOW, &changed(SPIKE, value)).remove(SPIKE).expected;
    assert_eq!(expected(1_000_000), expected(1000));
}

#[test]
fn a_day_does_not_depend_on_later_days() {
    let values = history(weekly(DAYS));
    assert_eq!(judge_all(&FLOW, &values[..=SPIKE])[SPIKE], judge_all(&FLOW, &values)[SPIKE]);
}

#[test]
fn one_outlier_does_not_hide_another() {
    let mut values = weekly(DAYS);
    (values[SPIKE - 7], values[SPIKE - 2], values[SPIKE]) = (1_000_000, 50_000, 2000);
    let found = anomalies(&FLOW, &history(values));
    assert_eq!(found, [(SPIKE - 7, "above"), (SPIKE - 2, "above"), (SPIKE, "above")]);
}

#[test]
fn a_zero_where_there_never_was_one_is_seen_even_within_the_band() {
    // Noise so large that 0 is within the band.
    let noisy = |index: usize| [40, 10, 70, 5, 90, 3, 60, 20][index * 5 % 8];
    let mut values: Vec<_> = (0..DAYS).map(noisy).collect();
    assert_eq!(anomalies(&FLOW, &history(values.clone())), []);
    values[SPIKE] = 0;
    assert_eq!(anomalies(&FLOW, &history(values.clone())), [(SPIKE, "zero")]);
    values[SPIKE - 20] = 0;
    assert_eq!(
        anomalies(&FLOW, &history(values)),
        [(SPIKE - 20, "zero")],
        "the second zero is not the first"
    );
}

#[test]
fn a_holiday_week_is_seen_and_does_not_hide_or_make_other_anomalies() {
    let mut values = weekly(150);
    for value in &mut values[84..91] {
        *value /= 10;
    }
    values[110] = 3000;
    let found: Vec<_> = anomalies(&FLOW, &history(values)).into_iter().map(|(index, _)| index).collect();
    let holidays = found.iter().filter(|index| (84..91).contains(*index)).count();
    assert!(holidays >= 5, "{found:?}");
    assert_eq!(found.iter().filter(|index| !(84..91).contains(*index)).collect::<Vec<_>>(), [&110]);
}

#[test]
fn a_new_level_is_an_anomaly_for_three_weeks() {
    let values = weekly(200).into_iter().enumerate();
    let values = values.map(|(index, value)| if index < 98 { value } else { 3 * value });
    let found: Vec<_> = anomalies(&FLOW, &history(values)).into_iter().map(|(index, _)| index).collect();
    assert_eq!(found.first(), Some(&98));
    assert!(found.len() >= 12 && *found.last().unwrap() < 98 + 4 * 7, "{found:?}");
}

#[test]
fn growth_is_no_anomaly() {
    let growing = weekly(400).into_iter().zip(0_i64..).map(|(value, index)| value * (100 + index) / 100);
    assert_eq!(anomalies(&FLOW, &history(growing)), []);
}

#[test]
fn a_new_metric_is_not_judged_by_history() {
    let mut values = weekly(DAYS);
    values[20] = 1_000_000;
    let judged = judge_all(&FLOW, &history(values.clone()));
    assert!(judged[..21].iter().all(|judgement| judgement.reason == Some(Reason::TooLittleHistory)));
    assert!(judged[..21].iter().all(|judgement| judgement.expected.is_none()));
    assert_eq!(judged[21].verdict, Verdict::Normal);
    // The declared range is checked from the first day on.
    let range = ExpectedRange { min: Some(1.into()), max: Some(10_000.into()) };
    let profile = Profile { range: Some(range), ..FLOW };
    values[0] = 0;
    let found = anomalies(&profile, &history(values));
    assert_eq!(found, [(0, "out_of_range"), (20, "out_of_range")]);
}

#[test]
fn constant_counts_have_the_band_of_a_poisson_variable() {
    let constant = |value: i64, last: i64| {
        let mut values = vec![value; DAYS];
        values[SPIKE] = last;
        history(values)
    };
    assert_eq!(anomalies(&FLOW, &constant(100, 130)), [], "100 rows vary by 10 at least");
    assert_eq!(anomalies(&FLOW, &constant(100, 136)), [(SPIKE, "above")]);
    assert_eq!(anomalies(&FLOW, &constant(100, 60)), [(SPIKE, "below")]);
    // An amount of money is no count: nothing says that it varies.
    let band = judge_all(&AMOUNT, &constant(7, 7)).remove(SPIKE);
    assert_eq!((band.verdict, band.expected), (Verdict::Normal, Some((7.into(), 7.into()))));
    let changed = judge_all(&AMOUNT, &constant(7, 8)).remove(SPIKE);
    assert_eq!((changed.verdict, changed.score), (Verdict::Anomaly, Some(decimal("9999.99"))));
    let digits = "0.1234567890123456789012345678";
    let exact: Vec<_> = (0..DAYS).map(|index| observed(day(index), decimal(digits))).collect();
    assert_eq!(anomalies(&AMOUNT, &exact), [], "more digits than a float has");
}

#[test]
fn tiny_counts_are_no_anomalies() {
    let tiny = |index: usize| [0, 0, 1, 0, 2, 0, 0, 1, 0, 0, 3][index * 7 % 11];
    let mut values: Vec<i64> = (0..DAYS).map(tiny).collect();
    assert_eq!(anomalies(&FLOW, &history(values.clone())), []);
    values[SPIKE] = 8;
    assert_eq!(anomalies(&FLOW, &history(values)), [(SPIKE, "above")]);
    let rare = (0..DAYS).map(|index| i64::from(index == SPIKE));
    assert_eq!(anomalies(&FLOW, &history(rare)), [], "one row where there never was any");
}

#[test]
fn gaps_are_not_taken_for_zeros() {
    let mut values = changed(SPIKE, 2000);
    values.retain(|value| !(day(60)..day(75)).contains(&value.date));
    let judged = judge_all(&FLOW, &values);
    let spike = values.iter().position(|value| value.date == day(SPIKE)).unwrap();
    assert_eq!(judged[spike].reason, Some(Reason::Above));
    assert_eq!(judged[spike].baseline.unwrap().days, 56 - 15);
    assert_eq!(judged.iter().filter(|judgement| judgement.verdict == Verdict::Anomaly).count(), 1);
    values.retain(|value| value.date >= day(SPIKE) || value.date < day(57));
    let judged = judge_all(&FLOW, &values);
    let spike = values.iter().position(|value| value.date == day(SPIKE)).unwrap();
    assert_eq!(judged[spike].reason, Some(Reason::TooLittleHistory));
}

#[test]
fn reconstructed_days_count_half() {
    let mut values = history(weekly(DAYS));
    for value in &mut values {
        value.provenance = Provenance::Reconstructed;
    }
    let judged = judge_all(&FLOW, &values);
    assert_eq!(judged[41].reason, Some(Reason::TooLittleHistory), "six weeks count as three");
    assert_eq!(judged[42].verdict, Verdict::Normal);
    // Two weeks ago 1000 was observed, before that 500 was reconstructed: the observed ones have more weight.
    let level = |index: usize| if index < 35 { 500 } else { 1000 };
    let mut mixed = history((0..57).map(level));
    for value in &mut mixed[..35] {
        value.provenance = Provenance::Reconstructed;
    }
    let of_mixed = judge_all(&FLOW, &mixed).remove(56).score.unwrap();
    let of_observed = judge_all(&FLOW, &history((0..57).map(level))).remove(56).score.unwrap();
    assert!(of_mixed < of_observed || of_mixed.is_zero(), "{of_mixed} {of_observed}");
}

#[test]
fn records_of_another_meaning_are_not_compared() {
    let values: Vec<_> = (0..DAYS).map(|index| if index < SPIKE { 10 } else { 1000 }).collect();
    let mut values = history(values);
    for value in &mut values[..SPIKE] {
        value.meaning = 2;
    }
    assert_eq!(anomalies(&FLOW, &values), []);
    assert_eq!(judge_all(&FLOW, &values)[SPIKE].baseline, None);
}

#[test]
fn a_stock_is_judged_by_its_change() {
    let mut total = 50_000;
    let totals: Vec<_> = weekly(DAYS)
        .into_iter()
        .map(|new| {
            total += new;
            total
        })
        .collect();
    assert_eq!(anomalies(&STOCK, &history(totals.clone())), []);
    let mut jumped = totals.clone();
    for value in &mut jumped[SPIKE..] {
        *value += 3000;
    }
    assert_eq!(
        anomalies(&STOCK, &history(jumped.clone())),
        [(SPIKE, "above")],
        "on the day of its change only"
    );
    let judged = judge_all(&STOCK, &history(jumped.clone())).remove(SPIKE);
    let (low, high) = judged.expected.unwrap();
    let before = Decimal::from(jumped[SPIKE - 1]);
    assert!(low > before && high < &before + &2000.into(), "the band is one of totals: {low} to {high}");
    // Without the day before there is no change, and on the first observed day it is that of the deleted rows.
    let mut with_gap = history(totals.clone());
    with_gap.remove(SPIKE - 1);
    let judged = judge_all(&STOCK, &with_gap);
    assert_eq!(judged[SPIKE - 1].reason, Some(Reason::NoDayBefore));
    let mut border = history(totals);
    for value in &mut border[..SPIKE] {
        value.provenance = Provenance::Reconstructed;
    }
    assert_eq!(judge_all(&STOCK, &border)[SPIKE].reason, Some(Reason::NoDayBefore));
}

#[test]
fn averages_of_few_rows_vary_by_chance_and_those_of_none_are_seen_where_it_is_new() {
    let level = |index: usize| [700, 703, 697, 701, 699][index % 5];
    let mut values = history((0..DAYS).map(level));
    values[SPIKE].value = Some(800.into());
    let average = Profile { is_not_negative: false, ..AMOUNT };
    assert_eq!(anomalies(&average, &values), [(SPIKE, "above")]);
    values[SPIKE].standard_error = 50.0;
    assert_eq!(anomalies(&average, &values), [], "two deviations of a sample of few rows");
    values[SPIKE].value = None;
    assert_eq!(anomalies(&average, &values), [(SPIKE, "no_rows")]);
    values[SPIKE - 3].value = None;
    let judged = judge_all(&average, &values);
    assert_eq!(judged[SPIKE].reason, Some(Reason::NoValue), "it is not the first");
}

#[test]
fn numbers_of_38_digits_are_judged() {
    let huge = decimal("12345678901234567890123456789012345678");
    let mut values: Vec<_> = (0..DAYS).map(|index| observed(day(index), huge.clone())).collect();
    assert_eq!(anomalies(&AMOUNT, &values), []);
    values[SPIKE].value = Some(decimal("99999999999999999999999999999999999999"));
    assert_eq!(anomalies(&AMOUNT, &values), [(SPIKE, "above")]);
    let counts = judge_all(&FLOW, &values);
    assert!(counts.iter().all(|judgement| judgement.expected.iter().all(|(low, high)| low <= high)));
}
