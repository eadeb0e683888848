//! The findings of the check of a backfill.

use std::fmt;

use jiff::civil::Date;

use crate::{metric::Decimal, pluralize::pluralize};

/// A finding of the verification of a backfill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discrepancy {
    /// Days without a record of a metric, although none of them failed.
    Hole { category: String, first: Date, last: Date, days: usize },
    /// Two days read from one cut whose totals do not differ by the number of rows created.
    Sum { stock: String, flow: String, date: Date, expected: Decimal, found: Decimal },
    /// Rows that were deleted between the cuts of an observed day and of an adjacent reconstructed one. This is not a
    /// fault, but a limit of reconstruction.
    Deleted { stock: String, date: Date, rows: Decimal },
    /// Rows with times in the past that were added between the two cuts.
    Appeared { stock: String, date: Date, rows: Decimal },
    /// The verification failed.
    Unchecked { reason: String },
}

impl Discrepancy {
    /// Whether this is an error, as opposed to a limit of reconstruction.
    pub fn is_fault(&self) -> bool {
        !matches!(self, Self::Deleted { .. } | Self::Appeared { .. })
    }
}

impl fmt::Display for Discrepancy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hole { category, first, last, days } => {
                write!(formatter, "{category} lacks {} between {first} and {last}", pluralize(*days, "day"))
            }
            Self::Sum { stock, flow, date, expected, found } => write!(
                formatter,
                "{stock} on {date} is {found}, but the day before plus {flow} is {expected}"
            ),
            Self::Deleted { stock, date, rows } => {
                write!(
                    formatter,
                    "{stock}: rows deleted between the readings of {date} and the day before: {rows}"
                )
            }
            Self::Appeared { stock, date, rows } => write!(
                formatter,
                "{stock}: rows with times in the past added between the readings of {date} and the day before: {rows}"
            ),
            Self::Unchecked { reason } => write!(formatter, "the result could not be verified: {reason}"),
        }
    }
}
