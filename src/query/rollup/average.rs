//! Averages: the mean of all samples together, and their sample standard deviation.
//!
//! The deviation is combined from those of the days as Chan, Golub and LeVeque do ("Updating Formulae and a Pairwise
//! Algorithm for Computing AverageDay Variances", 1979): the squares within each day, `s²(n − 1)`, plus those between the
//! days, `Σ n·m² − (Σ n·m)²/N`, over `N − 1`.

use serde_json::Map;

use super::{
    Rolled,
    parts::{part, required, sum},
};
use crate::{metric::Decimal, store::RecordedDay};

/// One day's share.
struct AverageDay {
    size: Decimal,
    mean: Decimal,
    deviation: Option<Decimal>,
    /// Of an average that is one count over another, the first: the sum of the samples, not rounded.
    total: Option<Decimal>,
}

impl AverageDay {
    fn of(day: &RecordedDay) -> Result<Self, String> {
        Ok(Self {
            size: required(day, "sample_size")?,
            mean: day.value.clone(),
            deviation: part(day, "std_deviation"),
            total: part(day, "numerator"),
        })
    }

    fn total(&self) -> Decimal {
        self.total.clone().unwrap_or_else(|| &self.size * &self.mean)
    }
}

/// An average over no sample at all is 0 with a sample size of 0, as in the records.
pub(super) fn combine(days: &[RecordedDay]) -> Result<Rolled, String> {
    let samples = days.iter().map(AverageDay::of).collect::<Result<Vec<_>, _>>()?;
    let size = sum(samples.iter().map(|sample| &sample.size));
    let total = sum(&samples.iter().map(AverageDay::total).collect::<Vec<_>>());
    let mut metadata = Map::new();
    metadata.insert("sample_size".to_owned(), size.to_json());
    if let Some(deviation) = deviation(&samples, &size, &total) {
        metadata.insert("std_deviation".to_owned(), deviation.to_json());
    }
    if samples.iter().all(|sample| sample.total.is_some()) {
        metadata.insert("numerator".to_owned(), total.to_json());
        metadata.insert("denominator".to_owned(), size.to_json());
    }
    let mean = total.checked_div(&size).unwrap_or_default();
    Ok(Rolled { metadata: Some(Box::new(metadata)), ..Rolled::of(mean) })
}

/// `None` for fewer than two samples, and where a day of several samples does not say how they deviate.
fn deviation(samples: &[AverageDay], size: &Decimal, total: &Decimal) -> Option<Decimal> {
    let one = Decimal::from(1);
    let (mut within, mut squares) = (Decimal::zero(), Decimal::zero());
    for sample in samples {
        squares = &squares + &(&sample.size * &(&sample.mean * &sample.mean));
        if sample.size > one {
            let deviation = sample.deviation.as_ref()?;
            within = &within + &(&(deviation * deviation) * &(&sample.size - &one));
        }
    }
    // Everything times N, so that only one division rounds.
    let scaled = &(&(size * &within) + &(size * &squares)) - &(total * total);
    scaled.checked_div(&(size * &(size - &one)))?.sqrt()
}
