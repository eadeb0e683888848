//! The numbers in the metadata of a record.

use serde_json::{Map, Value};

use crate::{metric::Decimal, store::RecordedDay};

/// The metadata of a day.
///
/// # Errors
/// When there are none.
pub(super) fn metadata(day: &RecordedDay) -> Result<&Map<String, Value>, String> {
    day.metadata.as_deref().ok_or_else(|| format!("the record of {} has no metadata", day.date))
}

/// The number `name` in the metadata of a day, if it is there.
pub(super) fn part(day: &RecordedDay, name: &str) -> Option<Decimal> {
    number(day.metadata.as_ref()?.get(name)?)
}

/// # Errors
/// When it is not there.
pub(super) fn required(day: &RecordedDay, name: &str) -> Result<Decimal, String> {
    part(day, name).ok_or_else(|| format!("the record of {} lacks its `{name}`", day.date))
}

pub(super) fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => number.as_str().parse().ok(),
        _ => None,
    }
}

pub(super) fn sum<'a>(numbers: impl IntoIterator<Item = &'a Decimal>) -> Decimal {
    numbers.into_iter().fold(Decimal::zero(), |sum, number| &sum + number)
}
