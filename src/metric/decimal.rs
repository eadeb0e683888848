//! Exact decimal values. Nothing that is recorded ever passes through a float.

use std::{fmt, num::NonZeroU64, str::FromStr};

use bigdecimal::{BigDecimal, RoundingMode, Zero};
use serde::{Deserialize, Serialize};

/// Digits kept after the point of a quotient (an average, a percentage); exact results keep all of theirs.
const QUOTIENT_SCALE: i64 = 12;
/// The most digits before and after the point that are accepted; PostgreSQL's NUMERIC itself goes further.
const MAX_DIGITS: u64 = 1000;

/// The most digits before and after the point of a record's value, so that sums over years have at most the 76 digits of
/// Parquet. The stores refuse more.
const MAX_RECORDED_WHOLE: usize = 38;
const MAX_RECORDED_PLACES: i64 = 30;

/// A finite decimal number of any precision. It is written with the digits with which it was read (`1.50` stays `1.50`)
/// and compared by its value; computed numbers have no superfluous zeros.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(BigDecimal);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecimalError {
    #[error("`{0}` is not a finite decimal number")]
    NotFinite(String),
    #[error("the number has more than {MAX_DIGITS} digits")]
    TooLong,
}

impl Decimal {
    pub fn zero() -> Self {
        Self(BigDecimal::zero())
    }

    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// Whether it has few enough digits before and after the point to be recorded.
    pub fn is_recordable(&self) -> bool {
        let text = self.to_string();
        let digits = text.trim_start_matches('-');
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        whole.len() <= MAX_RECORDED_WHOLE && fraction.len() as i64 <= MAX_RECORDED_PLACES
    }

    /// The number with at most 30 digits after the point, rounded half to even: a binary float of a database has up to 1074.
    #[must_use]
    pub fn rounded_for_record(self) -> Self {
        match self.0.fractional_digit_count() > MAX_RECORDED_PLACES {
            true => Self(self.0.with_scale_round(MAX_RECORDED_PLACES, RoundingMode::HalfEven)).normalized(),
            false => self,
        }
    }

    /// The number with at most that many significant digits, rounded half to even.
    #[must_use]
    pub fn rounded_to_digits(self, digits: u64) -> Self {
        match NonZeroU64::new(digits) {
            Some(digits) if self.0.digits() > digits.get() => {
                Self(self.0.with_precision_round(digits, RoundingMode::HalfEven)).normalized()
            }
            _ => self,
        }
    }

    /// A millionth of the number.
    #[must_use]
    pub fn millionth(&self) -> Self {
        let (digits, places) = self.0.as_bigint_and_exponent();
        Self(BigDecimal::new(digits, places + 6)).normalized()
    }

    pub fn inner(&self) -> &BigDecimal {
        &self.0
    }

    /// `self / divisor`, to 12 decimal places, half to even; `None` when `divisor` is zero.
    pub fn checked_div(&self, divisor: &Self) -> Option<Self> {
        self.checked_div_to(divisor, QUOTIENT_SCALE)
    }

    /// The same as [`Decimal::checked_div`], with the given number of decimal places.
    pub fn checked_div_to(&self, divisor: &Self, places: i64) -> Option<Self> {
        if divisor.is_zero() {
            return None;
        }
        let quotient = &self.0 / &divisor.0;
        Some(Self(quotient.with_scale_round(places, RoundingMode::HalfEven)).normalized())
    }

    pub fn is_whole(&self) -> bool {
        self.0.is_integer()
    }

    /// The number to 12 decimal places, half to even, as quotients are.
    #[must_use]
    pub fn rounded(&self) -> Self {
        match self.0.fractional_digit_count() > QUOTIENT_SCALE {
            true => Self(self.0.with_scale_round(QUOTIENT_SCALE, RoundingMode::HalfEven)).normalized(),
            false => self.clone(),
        }
    }

    /// How many digits it is written with.
    pub fn digits(&self) -> u64 {
        self.0.digits()
    }

    /// Whether `rounded` is this number, rounded to as many digits after the point as `rounded` has, but `least_digits` at least.
    pub fn is_rounded_to(&self, rounded: &Self, least_digits: i64) -> bool {
        let digits = rounded.0.fractional_digit_count().max(least_digits);
        let half_a_unit = BigDecimal::new(5.into(), digits + 1);
        (&self.0 - &rounded.0).abs() <= half_a_unit
    }

    /// The square root to 12 decimal places; `None` for a negative number.
    pub fn sqrt(&self) -> Option<Self> {
        let root = self.0.sqrt()?;
        Some(Self(root.with_scale_round(QUOTIENT_SCALE, RoundingMode::HalfEven)).normalized())
    }

    /// The value as a JSON number with every digit.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::Value::Number(self.to_number())
    }

    /// As [`Decimal::to_json`].
    pub fn to_number(&self) -> serde_json::Number {
        // `arbitrary_precision` keeps the digits; a finite plain decimal is always a valid JSON number.
        self.to_string().parse().unwrap_or_else(|_| serde_json::Number::from(0))
    }

    /// The same number without superfluous zeros.
    #[must_use]
    pub fn normalized(self) -> Self {
        Self(self.0.normalized())
    }
}

impl TryFrom<BigDecimal> for Decimal {
    type Error = DecimalError;

    fn try_from(value: BigDecimal) -> Result<Self, DecimalError> {
        if value.digits() > MAX_DIGITS || value.fractional_digit_count().unsigned_abs() > MAX_DIGITS {
            return Err(DecimalError::TooLong);
        }
        Ok(Self(value))
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self(BigDecimal::from(value))
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        if text.len() as u64 > 2 * MAX_DIGITS {
            return Err(DecimalError::TooLong);
        }
        // BigDecimal reads `1_000` as 1000.
        let value = (!text.contains('_')).then(|| BigDecimal::from_str(text).ok()).flatten();
        let value = value.ok_or_else(|| DecimalError::NotFinite(text.to_owned()))?;
        Self::try_from(value)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0.to_plain_string())
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        number.to_string().parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! arithmetic {
    ($($operator:ident $method:ident),*) => {$(
        impl std::ops::$operator for &Decimal {
            type Output = Decimal;
            fn $method(self, other: &Decimal) -> Decimal {
                Decimal(std::ops::$operator::$method(&self.0, &other.0)).normalized()
            }
        }
    )*};
}
arithmetic!(Add add, Sub sub, Mul mul);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        for text in ["NaN", "Infinity", "-inf", "", "1,5", "1_000", "0x10", "1e999999"] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    #[test]
    fn digits_survive_text_and_json() {
        for text in [
            "9007199254740993",
            "12345678901234567890123456789012345678",
            "0.1",
            "-5.000000000000000000000001",
        ] {
            assert_eq!(decimal(text).to_string(), text);
            assert_eq!(serde_json::to_string(&decimal(text)).unwrap(), text);
            assert_eq!(serde_json::from_str::<Decimal>(text).unwrap(), decimal(text));
        }
        for text in ["0", "-1", "1.50", "-0.5", "0.10", "999999999999999999", "1000000000000000000"] {
            assert_eq!(decimal(text).to_string(), text);
            assert_eq!(serde_json::to_string(&decimal(text)).unwrap(), text);
        }
        assert_eq!(decimal("1.500").normalized().to_string(), "1.5");
        assert_eq!(decimal("1.500"), decimal("1.5"));
        assert_eq!((&decimal("1.500") + &decimal("1.5")).to_string(), "3");
        assert_eq!(decimal("1e3").to_string(), "1000");
        assert_eq!(decimal("007").to_string(), "7");
    }

    #[test]
    fn values_of_up_to_38_digits_before_and_30_after_the_point_are_recordable() {
        let (whole, places) = ("9".repeat(38), "9".repeat(30));
        for text in ["0", &whole, &format!("-{whole}"), &format!("-{whole}.{places}"), "1e37", "1e-30"] {
            assert!(decimal(text).is_recordable(), "{text}");
        }
        for text in [&format!("9{whole}"), &format!("-9{whole}"), &format!("0.{places}9"), "1e38", "1e-31"] {
            assert!(!decimal(text).is_recordable(), "{text}");
        }
    }

    #[test]
    fn a_number_is_rounded_half_to_even_at_thirty_places() {
        let zeros = "0".repeat(29);
        for (given, rounded) in [
            (format!("0.{zeros}15"), format!("0.{zeros}2")),
            (format!("0.{zeros}25"), format!("0.{zeros}2")),
            (format!("0.{zeros}251"), format!("0.{zeros}3")),
            (format!("-0.{zeros}35"), format!("-0.{zeros}4")),
            (format!("0.5{}", "0".repeat(40)), "0.5".to_owned()),
            ("1e-31".to_owned(), "0".to_owned()),
        ] {
            assert_eq!(decimal(&given).rounded_for_record().to_string(), rounded, "{given}");
        }
        for kept in ["1.50", "-7", &format!("0.{}", "9".repeat(30))] {
            assert_eq!(decimal(kept).rounded_for_record().to_string(), kept);
        }
    }

    #[test]
    fn a_number_is_rounded_to_significant_digits() {
        for (given, rounded) in [
            ("0.333333333333333316", "0.333333333333333"),
            ("-1234567890.1234565", "-1234567890.12346"),
            ("1000000000000005", "1000000000000000"),
            ("999999999999999.9", "1000000000000000"),
            ("0.000000000000000123", "0.000000000000000123"),
            ("12.50", "12.50"),
        ] {
            assert_eq!(decimal(given).rounded_to_digits(15).to_string(), rounded, "{given}");
        }
    }

    #[test]
    fn a_millionth_is_exact() {
        for (given, millionth) in [("1", "0.000001"), ("-2500000", "-2.5"), ("0", "0"), ("0.1", "0.0000001")]
        {
            assert_eq!(decimal(given).millionth().to_string(), millionth);
        }
    }

    #[test]
    fn quotients_are_rounded_half_to_even_at_twelve_places() {
        assert_eq!(decimal("1").checked_div(&decimal("3")).unwrap(), decimal("0.333333333333"));
        assert_eq!(decimal("23500").checked_div(&decimal("1000")).unwrap(), decimal("23.5"));
        assert_eq!(decimal("1").checked_div(&Decimal::zero()), None);
    }

    #[test]
    fn a_number_is_compared_with_a_rounded_one_by_the_digits_of_that() {
        let third = decimal("0.333333333333");
        for (rounded, is_rounded) in
            [("0.33", true), ("0.3333", true), ("0.3334", false), ("0.3", false), ("0.34", false)]
        {
            assert_eq!(third.is_rounded_to(&decimal(rounded), 2), is_rounded, "{rounded}");
        }
        assert!(decimal("12").is_rounded_to(&decimal("1.2e1"), 2));
        assert!(decimal("-0.125").is_rounded_to(&decimal("-0.13"), 2));
    }

    proptest! {
        #[test]
        fn integers_of_any_length_keep_their_digits(text in "(0|-?[1-9][0-9]{0,37})") {
            prop_assert_eq!(serde_json::to_string(&decimal(&text)).unwrap(), text);
        }

        #[test]
        fn adding_and_subtracting_is_exact(a in "-?[0-9]{1,38}(\\.[0-9]{1,20})?", b in "-?[0-9]{1,38}(\\.[0-9]{1,20})?") {
            let (a, b) = (decimal(&a), decimal(&b));
            prop_assert_eq!(&(&a + &b) - &b, a.clone());
            prop_assert_eq!(decimal(&a.to_string()), a);
        }
    }
}
