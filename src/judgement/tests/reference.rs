//! The judge against a reference that follows the description of the module word for word, with values repeated instead of weighted
//! and each day found by its date.

use proptest::prelude::*;

use super::*;
use crate::judgement::Reason;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// A day of the baseline: how many days before the judged one, its value, and how often it counts.
type Before = (i32, f64, usize);

fn repeated(days: &[Before]) -> Vec<f64> {
    days.iter().flat_map(|(_, value, count)| vec![*value; *count]).collect()
}

/// The weighted mean and deviation, by repeated values; the degrees of freedom are those of reliability weights.
fn mean_and_deviation(days: &[Before]) -> (f64, f64) {
    let all = repeated(days);
    if all.is_empty() {
        return (0.0, 0.0);
    }
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let squares: f64 = all.iter().map(|value| (value - mean).powi(2)).sum();
    let weights = all.len() as f64;
    let lost = days.iter().map(|(.., count)| (count * count) as f64).sum::<f64>() / weights;
    (mean, if days.len() < 2 { 0.0 } else { (squares / (weights - lost)).sqrt() })
}

/// The value that is judged on a date: of a stock, its change.
fn signal(values: &[RecordedValue], date: Date, is_stock: bool, meaning: i32) -> Option<(f64, Provenance)> {
    let on = |date: Date| values.iter().find(|value| value.date == date && value.meaning == meaning);
    let number = |value: &RecordedValue| value.value.as_ref()?.to_string().parse::<f64>().ok();
    let today = on(date)?;
    if !is_stock {
        return Some((number(today)?, today.provenance));
    }
    let before = on(date.yesterday().ok()?)?;
    let alike =
        (before.provenance == Provenance::Reconstructed) == (today.provenance == Provenance::Reconstructed);
    alike.then_some((number(today)? - number(before)?, today.provenance))
}

/// The band of the judged value: its edges less the change's own base. `None` if it is not judged.
fn expected(profile: &Profile, values: &[RecordedValue], index: usize) -> Option<(f64, f64)> {
    let judged = &values[index];
    let mut days: Vec<Before> = Vec::new();
    let mut halves = 0;
    for back in 1..=56 {
        let date = judged.date.saturating_sub(i64::from(back).days());
        let Some((value, provenance)) = signal(values, date, profile.is_stock, judged.meaning) else {
            continue;
        };
        let half = if provenance == Provenance::Reconstructed { 1 } else { 2 };
        halves += half;
        days.push((back, value, half * (8 - (usize::try_from(back).unwrap() - 1) / 7)));
    }
    let same = |back: i32| days.iter().filter(|day| day.0 % 7 == back % 7).copied().collect::<Vec<_>>();
    if halves < 42 || same(0).len() < 2 {
        return None;
    }
    let unit = |level: f64| if profile.is_count { level.abs().max(1.0) } else { 1.0 };
    let center = median(repeated(&same(0)));
    let mut residuals: Vec<(Before, bool)> = Vec::new();
    for (back, value, count) in &days {
        let others: Vec<_> = same(*back).into_iter().filter(|other| other.0 != *back).collect();
        if !others.is_empty() {
            let other = median(repeated(&others));
            let relative = (value - other) / unit(other) * unit(center);
            residuals.push(((*back, relative, *count), false));
            if back % 7 == 0 {
                residuals.push(((*back, value - other, *count), true));
            }
        }
    }
    let all = |is_own: bool| {
        let chosen = residuals.iter().filter(|(_, own)| *own == is_own);
        chosen.map(|(day, _)| *day).collect::<Vec<Before>>()
    };
    let least = if profile.is_count { center.abs().max(1.0).sqrt() } else { judged.standard_error };
    let robust_of = |days: Vec<Before>| {
        let sizes: Vec<Before> =
            days.iter().map(|(back, value, count)| (*back, value.abs(), *count)).collect();
        let mad = median(repeated(&sizes));
        if mad > 0.0 { mad * 1.482_602_2 } else { mean_and_deviation(&sizes).0 * 1.253_314_1 }
    };
    let robust = robust_of(all(false)).max(robust_of(all(true))).max(least);
    let usual = |is_own| {
        let mut days = all(is_own);
        days.retain(|(_, value, _)| value.abs() <= 3.5 * robust);
        mean_and_deviation(&days)
    };
    let ((mean, deviation), (_, own)) = (usual(false), usual(true));
    let spread = 3.0 * deviation.max(own).max(least);
    let low = (-3.5 * robust).min(mean - spread);
    let high = (3.5 * robust).max(mean + spread);
    Some((center + low, center + high))
}

fn provenance() -> impl Strategy<Value = Provenance> {
    prop::sample::select(vec![Provenance::Observed, Provenance::Observed, Provenance::Reconstructed])
}

prop_compose! {
    /// Values with gaps, zeros, outliers, days without rows, both provenances and two meanings.
    fn values()(
        level in prop::sample::select(vec![0_i64, 1, 5, 1000, 1_000_000]),
        days in prop::collection::vec(
            (-20..21_i64, 0..40_u8, provenance(), 0..30_u8, 0.0..3.0_f64), 30..120),
    ) -> Vec<RecordedValue> {
        let mut values = Vec::new();
        for (index, (noise, event, provenance, meaning, standard_error)) in days.into_iter().enumerate() {
            let usual = (level + level * noise / 50 + noise / 5).max(0);
            let value = match event {
                0 => continue,
                1 => None,
                2 => Some(usual * 20 + 50),
                3 => Some(0),
                _ => Some(usual),
            };
            values.push(RecordedValue {
                value: value.map(Decimal::from),
                provenance,
                meaning: i32::from(meaning == 0),
                standard_error,
                ..observed(day(index), Decimal::zero())
            });
        }
        values
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn bands_are_those_of_the_reference(
        values in values(), is_stock in any::<bool>(), is_count in any::<bool>()
    ) {
        let profile = Profile { is_stock, is_count, is_not_negative: false, range: None };
        for (index, judgement) in judge_all(&profile, &values).into_iter().enumerate() {
            let judged = &values[index];
            let Some(value) = &judged.value else {
                prop_assert!(matches!(judgement.reason, Some(Reason::NoRows | Reason::NoValue)));
                continue;
            };
            let change = signal(&values[index.saturating_sub(1)..=index], judged.date, is_stock, judged.meaning);
            let wanted = expected(&profile, &values, index).zip(change);
            prop_assert_eq!(judgement.expected.is_some(), wanted.is_some(), "{:?}", judgement);
            let Some((((low, high), (change, _)), (found_low, found_high))) = wanted.zip(judgement.expected)
            else { continue };
            let number = |value: &Decimal| value.to_string().parse::<f64>().unwrap();
            let base = number(value) - change;
            // The edges are rounded outwards, to a hundredth of half the width.
            let slack = (high - low).abs() / 200.0 + 1e-6 * (1.0 + base.abs());
            for (found, wanted, outwards) in [(found_low, low, -1.0), (found_high, high, 1.0)] {
                let further = (number(&found) - base - wanted) * outwards;
                prop_assert!(further >= -1e-5 * (1.0 + base.abs()) && further <= 2.0 * slack, "{found} for {}", wanted + base);
            }
        }
    }

    #[test]
    fn a_verdict_agrees_with_its_band(values in values(), is_stock in any::<bool>(), is_count in any::<bool>()) {
        let profile = Profile { is_stock, is_count, is_not_negative: is_count, range: None };
        for (judged, judgement) in values.iter().zip(judge_all(&profile, &values)) {
            prop_assert_eq!(judgement.reason.map_or(Verdict::Normal, Reason::verdict), judgement.verdict);
            if let Some((value, (low, high))) = judged.value.as_ref().zip(judgement.expected) {
                prop_assert!(low <= high);
                let inside = low <= *value && *value <= high;
                let expected = match judgement.reason {
                    None => inside,
                    Some(Reason::Above) => *value > high,
                    Some(Reason::Below) => *value < low,
                    Some(Reason::Zero) => value.is_zero(),
                    _ => false,
                };
                prop_assert!(expected, "{value}: {low} to {high}, {:?}", judgement.reason);
            }
        }
    }
}
