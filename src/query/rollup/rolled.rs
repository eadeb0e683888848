//! The result of a roll-up over the days of a bucket.

use jiff::civil::Date;
use serde_json::{Map, Value};

use crate::{metric::Decimal, query::values::number, store::RecordedDay};

/// The value of several days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::query) struct Rolled {
    /// `None` where all days together have nothing to average or to take the share of.
    pub value: Option<Decimal>,
    /// The day that a last value is of.
    pub value_date: Option<Date>,
    pub metadata: Option<Map<String, Value>>,
    /// Whether the value is a lower bound, because labels in "other" may add to it.
    pub lower_bound: bool,
}

impl Rolled {
    pub fn of(value: Decimal) -> Self {
        Self { value: Some(value), ..Self::default() }
    }
}

/// The number `name` in the metadata of a day, if it is there.
pub(super) fn part(day: &RecordedDay, name: &str) -> Option<Decimal> {
    number(day.metadata.as_ref()?.get(name)?)
}

/// # Errors
/// When the metadata lack it.
pub(super) fn required(day: &RecordedDay, name: &str) -> Result<Decimal, String> {
    part(day, name).ok_or_else(|| format!("the record of {} lacks its `{name}`", day.date))
}
