//! Judges the values of a series.

use bigdecimal::{BigDecimal, RoundingMode};
use jiff::{ToSpan, civil::Date};

use super::{
    baseline::{Days, Expectation, Signal, WEEKS},
    profile::{Profile, approximate},
    verdict::{JUDGE_VERSION, Judgement, Reason, Verdict},
};
use crate::metric::{Decimal, Provenance};

/// The largest score, in either direction.
const MAX_SCORE: f64 = 9999.99;
/// The significant digits of half the width of a band with which its edges are written.
const BAND_DIGITS: i32 = 3;
/// The most decimal places of the edges of a band.
const MAX_PLACES: i32 = 12;

/// A recorded value of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedValue {
    pub date: Date,
    /// `None` for an average or a percentage of no rows.
    pub value: Option<Decimal>,
    pub provenance: Provenance,
    /// Equal for records whose definitions compute the same values; other records are not compared.
    pub meaning: i32,
    /// The standard error of the value by the size of its sample; 0 if it is unknown.
    pub standard_error: f64,
}

/// The recorded values of a metric, any of which can be judged by those before it.
pub struct JudgedSeries<'a> {
    /// By date.
    values: &'a [RecordedValue],
    /// Of each value: what it is judged by; `None` where there is none.
    signals: Vec<Option<Signal>>,
}

impl<'a> JudgedSeries<'a> {
    /// The first day of the history that `date` is judged by: that of a stock begins a day earlier, because it is made of changes.
    pub fn history_of(date: Date) -> Date {
        date.saturating_sub((7 * WEEKS + 1).days())
    }

    /// The last day whose history `date` is part of.
    pub fn influenced_by(date: Date) -> Date {
        date.saturating_add((7 * WEEKS + 1).days())
    }

    /// `values` are by date, of one metric. `is_stock`: see [`Profile`].
    pub fn new(is_stock: bool, values: &'a [RecordedValue]) -> Self {
        let signal = |index: usize| {
            let value = values.get(index)?;
            let exact = match is_stock {
                true => value.value.as_ref()? - comparable_day_before(values, index)?,
                false => value.value.clone()?,
            };
            let approximate = approximate(&exact)?;
            Some(Signal { date: value.date, exact, approximate, provenance: value.provenance })
        };
        Self { values, signals: (0..values.len()).map(signal).collect() }
    }

    /// Judges the value at `index` of the series, which a definition of `profile` made.
    pub fn judge(&self, profile: &Profile, index: usize) -> Option<Judgement> {
        let judged = self.values.get(index)?;
        let days = self.days_before(index);
        let baseline = days.summary();
        let Some(value) = &judged.value else {
            let is_new = days.is_enough() && self.before(index).all(|(before, _)| before.value.is_some());
            let reason = if is_new { Reason::NoRows } else { Reason::NoValue };
            return Some(Judgement::because(reason, baseline));
        };
        let mut judgement = self.by_history(profile, index, value, &days);
        let is_new_zero = value.is_zero()
            && days.is_enough()
            && self
                .before(index)
                .all(|(before, _)| before.value.as_ref().is_none_or(|value| !value.is_zero()));
        let is_out_of_range = profile.range.as_ref().is_some_and(|range| !range.contains(value));
        let overriding = [(is_out_of_range, Reason::OutOfRange), (is_new_zero, Reason::Zero)];
        if let Some((_, reason)) = overriding.into_iter().find(|(holds, _)| *holds) {
            (judgement.verdict, judgement.reason) = (Verdict::Anomaly, Some(reason));
        }
        Some(judgement)
    }

    /// The comparable values within [`WEEKS`] before the one at `index`.
    fn before(&self, index: usize) -> impl Iterator<Item = (&'a RecordedValue, Option<&Signal>)> {
        let judged = self.values.get(index);
        let first = judged.map_or(Date::MAX, |judged| judged.date.saturating_sub((7 * WEEKS).days()));
        let begin = self.values.partition_point(|value| value.date < first);
        let range = begin..index.max(begin);
        let values = self.values.get(range.clone()).unwrap_or_default();
        let signals = self.signals.get(range).unwrap_or_default();
        let is_comparable =
            move |value: &RecordedValue| judged.is_some_and(|judged| judged.meaning == value.meaning);
        let both = values.iter().zip(signals.iter().map(Option::as_ref));
        both.filter(move |(value, _)| is_comparable(value))
    }

    fn days_before(&self, index: usize) -> Days<'_> {
        let judged = self.values.get(index).map_or(Date::MAX, |value| value.date);
        Days::new(judged, self.before(index).filter_map(|(_, signal)| signal).collect())
    }

    fn by_history(&self, profile: &Profile, index: usize, value: &Decimal, days: &Days<'_>) -> Judgement {
        let baseline = days.summary();
        let Some(signal) = self.signals.get(index).and_then(Option::as_ref) else {
            let reason = if profile.is_stock { Reason::NoDayBefore } else { Reason::TooLarge };
            return Judgement::because(reason, baseline);
        };
        let standard_error = self.values.get(index).map_or(0.0, |judged| judged.standard_error);
        let Some(expectation) = days.expectation(profile.is_count, standard_error) else {
            return Judgement::because(Reason::TooLittleHistory, baseline);
        };
        // The band of a stock's change, moved to its value.
        let base = value - &signal.exact;
        let Some((low, high)) = band(&expectation, &base, profile.is_not_negative) else {
            return Judgement::because(Reason::TooLarge, baseline);
        };
        let reason = match (*value < low, *value > high) {
            (true, _) => Some(Reason::Below),
            (_, true) => Some(Reason::Above),
            _ => None,
        };
        Judgement {
            judge_version: JUDGE_VERSION,
            verdict: reason.map_or(Verdict::Normal, Reason::verdict),
            reason,
            expected: Some((low, high)),
            score: score(signal, &expectation),
            baseline,
        }
    }
}

/// The value of the day before, if it is comparable: its definition has the same meaning, and both values are observed or both
/// are reconstructed. Otherwise their difference would mostly be the rows that were deleted in between.
fn comparable_day_before(values: &[RecordedValue], index: usize) -> Option<&Decimal> {
    let (before, value) = (values.get(index.checked_sub(1)?)?, values.get(index)?);
    let is_reconstructed = |value: &RecordedValue| value.provenance == Provenance::Reconstructed;
    let is_comparable = before.date.tomorrow().ok() == Some(value.date)
        && before.meaning == value.meaning
        && is_reconstructed(before) == is_reconstructed(value);
    before.value.as_ref().filter(|_| is_comparable)
}

/// The edges of the band, rounded outwards; `None` where they have too many digits.
fn band(expectation: &Expectation, base: &Decimal, is_not_negative: bool) -> Option<(Decimal, Decimal)> {
    let Expectation { center, exact_center, low, high, .. } = expectation;
    let half = (high - low) / 2.0;
    let (low, high) = match exact_center {
        // Where no day differed, the band is the value itself.
        Some(exact) if half <= 0.0 => (exact.clone(), exact.clone()),
        _ => {
            let magnitude = if half > 0.0 { half } else { center.abs().max(1.0) };
            let places = (BAND_DIGITS - 1 - magnitude.log10().floor() as i32).clamp(0, MAX_PLACES);
            (rounded(*low, places, RoundingMode::Floor)?, rounded(*high, places, RoundingMode::Ceiling)?)
        }
    };
    let (low, high) = (base + &low, base + &high);
    let low = if is_not_negative { low.max(Decimal::zero()) } else { low };
    // A stock that falls below 0 has a band that ends there.
    let high = high.max(low.clone());
    (low.is_recordable() && high.is_recordable()).then(|| (low.normalized(), high.normalized()))
}

fn rounded(value: f64, places: i32, mode: RoundingMode) -> Option<Decimal> {
    let value = BigDecimal::try_from(value).ok()?.with_scale_round(places.into(), mode);
    Decimal::try_from(value).ok()
}

fn score(signal: &Signal, expectation: &Expectation) -> Option<Decimal> {
    let difference = signal.approximate - expectation.center;
    let score = match difference {
        difference if difference.abs() <= 0.0 => 0.0,
        // Without any deviation the quotient is infinite, and its limit is the largest score.
        _ => (difference / expectation.deviation).clamp(-MAX_SCORE, MAX_SCORE),
    };
    rounded(score, 2, RoundingMode::HalfEven).map(Decimal::normalized)
}
