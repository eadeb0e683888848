//! Averages: the mean of all samples together, and their sample standard deviation. If the records have the sum of the
//! samples, the mean is computed from the sums, so that no rounded mean enters another one.
//!
//! The deviation is combined from those of the days as Chan, Golub and LeVeque do ("Updating Formulae and a Pairwise
//! Algorithm for Computing Sample Variances", 1979): the squares within each day, `s²(n − 1)`, plus those between the
//! days, `Σ n·m² − (Σ n·m)²/N`, over `N − 1`.

use serde_json::Map;

use super::rolled::{Rolled, part, required};
use crate::{metric::Decimal, store::RecordedDay};

#[derive(Debug)]
pub(in crate::query) struct AverageSum {
    size: Decimal,
    total: Decimal,
    /// Whether every day has the sum of its samples, so that `total` has no rounded part.
    is_exact: bool,
    /// Whether every day is one count over another.
    is_ratio: bool,
    /// `Σ s²(n − 1)`; `None` once a day of several samples did not say how they deviate.
    within: Option<Decimal>,
    /// `Σ n·m²`.
    squares: Decimal,
}

impl Default for AverageSum {
    fn default() -> Self {
        let zero = Decimal::zero;
        Self {
            size: zero(),
            total: zero(),
            is_exact: true,
            is_ratio: true,
            within: Some(zero()),
            squares: zero(),
        }
    }
}

impl AverageSum {
    pub fn add(&mut self, day: &RecordedDay) -> Result<(), String> {
        let (size, mean) = (required(day, "sample_size")?, &day.value);
        let numerator = part(day, "numerator");
        self.is_ratio &= numerator.is_some();
        let sum = part(day, "sum").or(numerator);
        self.is_exact &= sum.is_some() || size.is_zero();
        let total = sum.clone().unwrap_or_else(|| &size * mean);
        let squares = sum.and_then(|sum| (&sum * &sum).checked_div(&size));
        self.squares = &self.squares + &squares.unwrap_or_else(|| &total * mean);
        if size > Decimal::from(1) {
            let within = part(day, "std_deviation")
                .map(|deviation| &(&deviation * &deviation) * &(&size - &Decimal::from(1)));
            self.within = self.within.take().zip(within).map(|(sum, within)| &sum + &within);
        }
        self.size = &self.size + &size;
        self.total = &self.total + &total;
        Ok(())
    }

    /// An average over no sample at all has no value.
    pub fn finish(self) -> Rolled {
        let mut metadata = Map::new();
        metadata.insert("sample_size".to_owned(), self.size.to_json());
        if let Some(deviation) = self.deviation() {
            metadata.insert("std_deviation".to_owned(), deviation.to_json());
        }
        if self.is_ratio {
            metadata.insert("numerator".to_owned(), self.total.to_json());
            metadata.insert("denominator".to_owned(), self.size.to_json());
        } else if self.is_exact {
            metadata.insert("sum".to_owned(), self.total.to_json());
        }
        Rolled { value: self.total.checked_div(&self.size), metadata: Some(metadata), ..Rolled::default() }
    }

    /// `None` for fewer than two samples, and where a day of several samples does not say how they deviate.
    fn deviation(&self) -> Option<Decimal> {
        let Self { size, total, squares, .. } = self;
        let within = self.within.as_ref()?;
        // Everything times N, so that only one division rounds.
        let scaled = &(&(size * within) + &(size * squares)) - &(total * total);
        scaled.checked_div(&(size * &(size - &Decimal::from(1))))?.sqrt()
    }
}
