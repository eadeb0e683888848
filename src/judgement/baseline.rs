//! The days that a value is judged by, and their residuals.

use jiff::civil::Date;

use super::{
    robust::{Weighted, mean, robust_deviation, standard_deviation, weighted_median},
    verdict::Baseline,
};
use crate::metric::{Decimal, Provenance};

/// How many weeks before a day it is judged by.
pub const WEEKS: i32 = 8;
/// The least history: three weeks of observed days, or six of reconstructed ones.
const MIN_OBSERVED_DAYS: u32 = 21;
/// The least number of the same weekdays.
const MIN_WEEKDAYS: usize = 2;
/// The number of standard deviations, estimated by the MAD, beyond which Iglewicz and Hoaglin call a value an outlier.
const ROBUST_LIMIT: f64 = 3.5;
/// The number of standard deviations beyond which a value is an anomaly.
const DEVIATION_LIMIT: f64 = 3.0;

/// A day of the history: its value, or the change of a stock.
#[derive(Debug, Clone)]
pub struct Signal {
    pub date: Date,
    pub exact: Decimal,
    pub approximate: f64,
    pub provenance: Provenance,
}

/// The days before a judged one.
pub struct Days<'a> {
    judged: Date,
    /// Ascending by date.
    signals: Vec<&'a Signal>,
    /// At index `n`: the values of the days that are a number of weeks and `n` days before the judged one, with their weights.
    weekdays: [Vec<Weighted>; 7],
}

/// The expectation for a day, in the unit of the signal.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    pub center: f64,
    /// `None` if it is not exactly a recorded one.
    pub exact_center: Option<Decimal>,
    pub low: f64,
    pub high: f64,
    /// The standard deviation, estimated by the MAD.
    pub deviation: f64,
}

impl<'a> Days<'a> {
    /// `signals` are ascending, and within [`WEEKS`] before `judged`.
    pub fn new(judged: Date, signals: Vec<&'a Signal>) -> Self {
        let mut weekdays: [Vec<Weighted>; 7] = Default::default();
        for signal in &signals {
            let days = days_between(signal.date, judged);
            if let Some(weekday) = weekdays.get_mut(days % 7) {
                weekday.push(Weighted { value: signal.approximate, weight: weight(days, signal.provenance) });
            }
        }
        Self { judged, signals, weekdays }
    }

    pub fn summary(&self) -> Option<Baseline> {
        let (first, last) = (self.signals.first()?, self.signals.last()?);
        Some(Baseline { days: self.signals.len(), from: first.date, to: last.date })
    }

    /// The weight of the days as a number of observed days.
    pub fn is_enough(&self) -> bool {
        let halves: u32 = self.signals.iter().map(|signal| halves(signal.provenance)).sum();
        halves >= 2 * MIN_OBSERVED_DAYS && self.weekdays[0].len() >= MIN_WEEKDAYS
    }

    /// The expectation for the judged day, whose standard error by the size of its sample is `least_deviation`. `is_count`: see
    /// [`super::Profile`]. `None` without enough days.
    pub fn expectation(&self, is_count: bool, least_deviation: f64) -> Option<Expectation> {
        if !self.is_enough() {
            return None;
        }
        let center = weighted_median(&mut self.weekdays[0].clone())?;
        let unit = unit(is_count, center);
        let least = if is_count { center.abs().max(1.0).sqrt() } else { least_deviation };
        let of_all = self.weekdays.iter().flat_map(|weekday| residuals(weekday, is_count));
        let of_all: Vec<_> = of_all.map(|residual| scaled(residual, unit)).collect();
        let own = residuals(&self.weekdays[0], false);
        let robust = robust_deviation(&of_all).max(robust_deviation(&own)).max(least);
        let [(middle, deviation), (_, own_deviation)] =
            [of_all, own].map(|residuals| usual_mean_and_deviation(residuals, ROBUST_LIMIT * robust));
        let spread = DEVIATION_LIMIT * deviation.max(own_deviation).max(least);
        let is_center = |signal: &&&Signal| {
            signal.approximate.total_cmp(&center).is_eq()
                && days_between(signal.date, self.judged).is_multiple_of(7)
        };
        let exact = self.signals.iter().find(is_center);
        Some(Expectation {
            center,
            exact_center: exact.map(|signal| signal.exact.clone()),
            low: center + (-ROBUST_LIMIT * robust).min(middle - spread),
            high: center + (ROBUST_LIMIT * robust).max(middle + spread),
            deviation: robust,
        })
    }
}

/// How many days `from` is before `to`, which is later.
fn days_between(from: Date, to: Date) -> usize {
    usize::try_from(to.duration_since(from).as_hours() / 24).unwrap_or(0)
}

/// The weight of a day: recent weeks count for more.
fn weight(days_before: usize, provenance: Provenance) -> u32 {
    let weeks_before = days_before.saturating_sub(1) / 7;
    let recency = WEEKS.unsigned_abs().saturating_sub(u32::try_from(weeks_before).unwrap_or(u32::MAX)).max(1);
    recency * halves(provenance)
}

/// The differences of the days of a weekday from the median of the other ones, in units of [`unit`].
fn residuals(of_weekday: &[Weighted], is_count: bool) -> Vec<Weighted> {
    let mut others = Vec::with_capacity(of_weekday.len());
    let residual = |(index, day): (usize, &Weighted)| {
        others.clear();
        others
            .extend(of_weekday.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, day)| *day));
        let median = weighted_median(&mut others)?;
        Some(Weighted { value: (day.value - median) / unit(is_count, median), ..*day })
    };
    of_weekday.iter().enumerate().filter_map(residual).collect()
}

/// The weight of a day in halves: a reconstructed day lacks the rows that were deleted since.
fn halves(provenance: Provenance) -> u32 {
    match provenance {
        Provenance::Observed | Provenance::Corrected => 2,
        Provenance::Reconstructed => 1,
    }
}

/// The unit in which the residuals of all weekdays are comparable: of a count, what is expected of its weekday.
fn unit(is_count: bool, expected: f64) -> f64 {
    if is_count { expected.abs().max(1.0) } else { 1.0 }
}

fn scaled(residual: Weighted, unit: f64) -> Weighted {
    Weighted { value: residual.value * unit, ..residual }
}

/// The mean and the standard deviation of the residuals that are no outliers.
fn usual_mean_and_deviation(mut residuals: Vec<Weighted>, limit: f64) -> (f64, f64) {
    residuals.retain(|residual| residual.value.abs() <= limit);
    let middle = mean(&residuals);
    (middle, standard_deviation(&residuals, middle))
}
