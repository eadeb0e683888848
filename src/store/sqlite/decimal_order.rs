//! The order of exact decimals that are kept as text.

use std::cmp::Ordering;

/// The collation by which exact decimals, which are kept as text, compare as numbers.
pub(super) const DECIMAL_COLLATION: &str = "daymark_decimal";

/// Compares two decimals as numbers, given in the form of the tables: digits, optionally with a minus sign before them
/// and a point between them. Any other text is compared by its parts in the same way, so that the order is total.
pub(super) fn compare_decimals(left: &str, right: &str) -> Ordering {
    let (left_sign, left) = Magnitude::of(left);
    let (right_sign, right) = Magnitude::of(right);
    match (left_sign, right_sign) {
        (1, 1) => left.compare(&right),
        (-1, -1) => right.compare(&left),
        _ => left_sign.cmp(&right_sign),
    }
}

/// The digits of a decimal, without those that make no difference.
struct Magnitude<'a> {
    integer: &'a str,
    fraction: &'a str,
}

impl<'a> Magnitude<'a> {
    /// The sign (-1, 0 or 1) and the rest.
    fn of(text: &'a str) -> (i8, Self) {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let magnitude =
            Self { integer: integer.trim_start_matches('0'), fraction: fraction.trim_end_matches('0') };
        let is_zero = magnitude.integer.is_empty() && magnitude.fraction.is_empty();
        let sign = match (is_zero, negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        (sign, magnitude)
    }

    fn compare(&self, other: &Self) -> Ordering {
        let integers = self.integer.len().cmp(&other.integer.len());
        // A fraction that is a prefix of the other one is the smaller, as in the order of texts.
        integers.then_with(|| self.integer.cmp(other.integer)).then_with(|| self.fraction.cmp(other.fraction))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metric::Decimal;

    proptest! {
        #[test]
        fn decimals_compare_as_numbers(
            left in "-?[0-9]{1,25}(\\.[0-9]{1,12})?",
            right in "-?[0-9]{1,3}(\\.[0-9]{1,3})?",
        ) {
            let number = |text: &str| text.parse::<Decimal>().unwrap();
            prop_assert_eq!(compare_decimals(&left, &right), number(&left).cmp(&number(&right)));
            prop_assert_eq!(compare_decimals(&right, &left), number(&right).cmp(&number(&left)));
            let short = &right[..];
            prop_assert_eq!(compare_decimals(short, &format!("{short}{}", if short.contains('.') { "000" } else { ".0" })), Ordering::Equal);
        }
    }
}
