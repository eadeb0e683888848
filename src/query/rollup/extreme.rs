//! Minima and maxima: the extreme of the days that have a value.

use serde_json::Map;

use super::rolled::{Rolled, required};
use crate::{metric::Decimal, store::RecordedDay};

#[derive(Debug)]
pub(in crate::query) struct ExtremeOfDays {
    is_least: bool,
    size: Decimal,
    value: Option<Decimal>,
}

impl ExtremeOfDays {
    pub fn least() -> Self {
        Self { is_least: true, size: Decimal::zero(), value: None }
    }

    pub fn largest() -> Self {
        Self { is_least: false, ..Self::least() }
    }

    pub fn add(&mut self, day: &RecordedDay) -> Result<(), String> {
        let size = required(day, "sample_size")?;
        if size.is_zero() {
            return Ok(());
        }
        self.size = &self.size + &size;
        let both = self.value.take().into_iter().chain([day.value.clone()]);
        self.value = if self.is_least { both.min() } else { both.max() };
        Ok(())
    }

    /// The extreme of no sample at all has no value.
    pub fn finish(self) -> Rolled {
        let metadata = Map::from_iter([("sample_size".to_owned(), self.size.to_json())]);
        Rolled { value: self.value, metadata: Some(metadata), ..Rolled::default() }
    }
}
