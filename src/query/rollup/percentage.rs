//! Percentages: the sum of all numerators over the sum of all denominators. For flows, that is the share in the whole
//! interval; for stocks or distinct counts, it is the mean of the days' shares, each weighted by its denominator.

use serde_json::Map;

use super::rolled::{Rolled, required};
use crate::{metric::Decimal, store::RecordedDay};

#[derive(Debug, Default)]
pub(in crate::query) struct PercentageSum {
    numerator: Decimal,
    denominator: Decimal,
}

impl PercentageSum {
    pub fn add(&mut self, day: &RecordedDay) -> Result<(), String> {
        self.numerator = &self.numerator + &required(day, "numerator")?;
        self.denominator = &self.denominator + &required(day, "denominator")?;
        Ok(())
    }

    /// A percentage of a denominator of 0 has no value.
    pub fn finish(self) -> Rolled {
        let mut metadata = Map::new();
        metadata.insert("numerator".to_owned(), self.numerator.to_json());
        metadata.insert("denominator".to_owned(), self.denominator.to_json());
        let value = (&self.numerator * &Decimal::from(100)).checked_div(&self.denominator);
        Rolled { value, metadata: Some(metadata), ..Rolled::default() }
    }
}
