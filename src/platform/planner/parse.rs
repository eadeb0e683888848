//! Parses numbers in the text that a database returned.

use super::session::SpanRow;
use crate::{
    database::{Fault, FaultClass},
    metric::{Decimal, DecimalError},
};

/// A count; NULL (a sum of no rows) is 0.
pub fn parse_count(text: Option<&str>) -> Result<i64, Fault> {
    let Some(text) = text else { return Ok(0) };
    text.parse().map_err(|_| {
        Fault::new(FaultClass::Data, format!("`{text}` is not a whole number that a count can be"))
    })
}

/// The counts of each answer.
pub fn parse_counts(answers: &[SpanRow]) -> Result<Vec<Vec<i64>>, Fault> {
    let counts = |(_, values): &SpanRow| values.iter().map(|value| parse_count(value.as_deref())).collect();
    answers.iter().map(counts).collect()
}

/// A decimal, without the zeros that a quotient of the database ends in; NULL (a sum of no rows) is 0. NaN and
/// infinities are refused.
pub fn parse_decimal(text: Option<&str>) -> Result<Decimal, Fault> {
    let Some(text) = text else { return Ok(Decimal::zero()) };
    let number = text.parse::<Decimal>();
    number
        .map(Decimal::normalized)
        .map_err(|error: DecimalError| Fault::new(FaultClass::Data, error.to_string()))
}
