//! Decimals as they are stored and sent: with their digits, which are not computed with.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};
use serde_json::Number;

use super::{Decimal, DecimalError};

/// So many digits always fit 64 bits.
const SHORT: usize = 18;

/// A finite decimal as its digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exact(Digits);

/// Most values are counts, which need no text of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Digits {
    /// Of at most [`SHORT`] digits, written as integers are.
    Integer(i64),
    Other(Number),
}

impl Exact {
    /// The number itself, to compute with.
    pub fn decimal(&self) -> Decimal {
        match &self.0 {
            Digits::Integer(integer) => Decimal::from(*integer),
            // What a store holds is a finite decimal, and so is what was computed from it.
            Digits::Other(number) => number.as_str().parse().unwrap_or_default(),
        }
    }
}

impl FromStr for Exact {
    type Err = DecimalError;

    /// Keeps the text as it is where it is a JSON number; otherwise what it means: `007` is 7.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        if let Some(integer) = short_integer(text) {
            return Ok(Self(Digits::Integer(integer)));
        }
        match text.parse() {
            Ok(number) => Ok(Self(Digits::Other(number))),
            Err(_) => Ok(Self::from(text.parse::<Decimal>()?)),
        }
    }
}

/// `text`, if writing the integer gives it again: no sign but a minus, no zeros before it.
fn short_integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let is_canonical = match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.len() < SHORT,
        _ => false,
    };
    if !is_canonical {
        return None;
    }
    let add = |value, digit: &u8| digit.is_ascii_digit().then(|| 10 * value + i64::from(digit - b'0'));
    let value = digits.iter().try_fold(0, add)?;
    Some(if digits.len() == text.len() { value } else { -value })
}

impl From<&Decimal> for Exact {
    fn from(value: &Decimal) -> Self {
        let number = value.to_number();
        match short_integer(number.as_str()) {
            Some(integer) => Self(Digits::Integer(integer)),
            None => Self(Digits::Other(number)),
        }
    }
}

impl From<Decimal> for Exact {
    fn from(value: Decimal) -> Self {
        Self::from(&value)
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Digits::Integer(integer) => integer.fmt(formatter),
            Digits::Other(number) => formatter.pad(number.as_str()),
        }
    }
}

/// As a JSON number with every digit.
impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Digits::Integer(integer) => integer.serialize(serializer),
            Digits::Other(number) => number.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        serde_json::to_string(&text.parse::<Exact>().unwrap()).unwrap()
    }

    #[test]
    fn numbers_leave_as_they_came() {
        for text in ["0", "-1", "1.50", "-0.5", "0.10", "999999999999999999", "1000000000000000000", "-0"] {
            assert_eq!(shown(text), text);
            assert_eq!(text.parse::<Exact>().unwrap().to_string(), text);
        }
        assert_eq!(
            shown("9007199254740993.0000000000000000000000001"),
            "9007199254740993.0000000000000000000000001"
        );
        assert_eq!(shown("007"), "7");
        for wrong in ["", "-", "NaN", "Infinity", "1 2", "x"] {
            assert!(wrong.parse::<Exact>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn integers_of_any_length_are_whole(text in "(0|-?[1-9][0-9]{0,37})") {
            let exact: Exact = text.parse().unwrap();
            prop_assert_eq!(serde_json::to_string(&exact).unwrap(), text.clone());
            prop_assert_eq!(exact.decimal().to_string(), text.clone());
            prop_assert_eq!(Exact::from(text.parse::<Decimal>().unwrap()), exact);
        }
    }
}
