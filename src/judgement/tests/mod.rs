//! Judged histories, and the judge against a slow reference.

mod histories;
mod reference;

use jiff::{ToSpan, civil::Date};

use super::{JudgedSeries, Judgement, Profile, RecordedValue, Verdict};
use crate::metric::{Decimal, Provenance};

/// A Monday.
const FIRST: Date = jiff::civil::date(2025, 1, 6);

const FLOW: Profile = Profile { is_stock: false, is_count: true, is_not_negative: true, range: None };
const STOCK: Profile = Profile { is_stock: true, ..FLOW };
/// A sum of money, which may be negative.
const AMOUNT: Profile = Profile { is_count: false, is_not_negative: false, ..FLOW };

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// The day `index` days after [`FIRST`].
fn day(index: usize) -> Date {
    FIRST.saturating_add(i64::try_from(index).unwrap().days())
}

fn observed(date: Date, value: Decimal) -> RecordedValue {
    RecordedValue {
        date,
        value: Some(value),
        provenance: Provenance::Observed,
        meaning: 1,
        standard_error: 0.0,
    }
}

fn history(values: impl IntoIterator<Item = i64>) -> Vec<RecordedValue> {
    values.into_iter().enumerate().map(|(index, value)| observed(day(index), value.into())).collect()
}

/// Around 1000, with 200 on Saturdays and 100 on Sundays. The noise is up to a tenth of the value, in a fixed sequence.
fn weekly(days: usize) -> Vec<i64> {
    let mut state = 1_u64;
    let mut noise = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % 201
    };
    let level = |index: usize| [1000, 1000, 1000, 1000, 1000, 200, 100][index % 7];
    (0..days).map(|index| level(index) * (900 + i64::try_from(noise()).unwrap()) / 1000).collect()
}

fn judge_all(profile: &Profile, values: &[RecordedValue]) -> Vec<Judgement> {
    let series = JudgedSeries::new(profile.is_stock, values);
    (0..values.len()).map(|index| series.judge(profile, index).unwrap()).collect()
}

/// The indexes of the anomalies, with their reasons.
fn anomalies(profile: &Profile, values: &[RecordedValue]) -> Vec<(usize, &'static str)> {
    let judged = judge_all(profile, values);
    let found = judged.iter().enumerate().filter(|(_, judgement)| judgement.verdict == Verdict::Anomaly);
    found.map(|(index, judgement)| (index, judgement.reason.unwrap().name())).collect()
}
