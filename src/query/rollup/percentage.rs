//! Percentages: all numerators over all denominators. Where these are what happens in a day, that is the share in the
//! whole interval; where they are stocks or distinct counts, it is the mean of the days' shares, each weighted by its
//! denominator.

use serde_json::Map;

use super::{
    Rolled,
    parts::{required, sum},
};
use crate::{metric::Decimal, store::RecordedDay};

/// A percentage of nothing is 0 with a denominator of 0, as in the records.
pub(super) fn combine(days: &[RecordedDay]) -> Result<Rolled, String> {
    let all = |name| -> Result<Decimal, String> {
        let parts = days.iter().map(|day| required(day, name)).collect::<Result<Vec<_>, _>>()?;
        Ok(sum(&parts))
    };
    let (numerator, denominator) = (all("numerator")?, all("denominator")?);
    let value = (&numerator * &Decimal::from(100)).checked_div(&denominator).unwrap_or_default();
    let mut metadata = Map::new();
    metadata.insert("numerator".to_owned(), numerator.to_json());
    metadata.insert("denominator".to_owned(), denominator.to_json());
    Ok(Rolled { metadata: Some(Box::new(metadata)), ..Rolled::of(value) })
}
