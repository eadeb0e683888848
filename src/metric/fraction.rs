//! Exact quotients, which are rounded once: when they are shown.

use super::Decimal;

/// The decimal places of a quotient that is kept as a decimal and not as a fraction.
const KEPT_PLACES: i64 = 60;
/// The most digits of the numerator and of the denominator of a fraction that is kept as a fraction.
const MAX_KEPT_DIGITS: u64 = 200;

/// One exact decimal over another, so that `a / b * b` is `a`. The denominator is never zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fraction {
    over: Decimal,
    under: Decimal,
}

impl Fraction {
    pub fn whole(number: Decimal) -> Self {
        Self { over: number, under: Decimal::from(1) }
    }

    /// `None` if `under` is zero.
    pub fn of(over: Decimal, under: Decimal) -> Option<Self> {
        (!under.is_zero()).then_some(Self { over, under })
    }

    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        match self.under == other.under {
            true => Self { over: &self.over + &other.over, under: self.under.clone() },
            false => Self {
                over: &(&self.over * &other.under) + &(&other.over * &self.under),
                under: &self.under * &other.under,
            },
        }
    }

    #[must_use]
    pub fn negated(&self) -> Self {
        Self { over: &Decimal::zero() - &self.over, under: self.under.clone() }
    }

    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        Self { over: &self.over * &other.over, under: &self.under * &other.under }
    }

    /// `None` where `other` is zero.
    pub fn divided_by(&self, other: &Self) -> Option<Self> {
        Self::of(&self.over * &other.under, &self.under * &other.over)
    }

    /// The number as it is shown: to 12 decimal places, half to even.
    pub fn rounded(&self) -> Decimal {
        match self.is_whole() {
            true => self.over.rounded(),
            false => self.over.checked_div(&self.under).unwrap_or_default(),
        }
    }

    /// The number as it is added up with many others: a quotient is rounded to [`KEPT_PLACES`] decimal places.
    pub fn to_decimal(&self) -> Decimal {
        match self.is_whole() {
            true => self.over.clone(),
            false => self.over.checked_div_to(&self.under, KEPT_PLACES).unwrap_or_default(),
        }
    }

    /// The number that is kept beside [`Fraction::rounded`], so that further computations do not use a rounded number; `None` if rounding
    /// does not change it. A fraction with more than [`MAX_KEPT_DIGITS`] digits is kept as a decimal.
    pub fn kept(self) -> Option<Box<Self>> {
        if self.is_whole() && self.over == self.over.rounded() {
            return None;
        }
        let is_long = self.over.digits().max(self.under.digits()) > MAX_KEPT_DIGITS;
        Some(Box::new(if is_long { Self::whole(self.to_decimal()) } else { self }))
    }

    fn is_whole(&self) -> bool {
        self.under == Decimal::from(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotient(over: &str, under: &str) -> Fraction {
        Fraction::of(over.parse().unwrap(), under.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_quotient_is_kept_exactly_and_shown_rounded() {
        let third = quotient("1", "3");
        assert_eq!(third.rounded().to_string(), "0.333333333333");
        let kept = third.kept().unwrap();
        assert_eq!(kept.times(&Fraction::whole(3.into())).rounded().to_string(), "1");
        assert_eq!(kept.to_decimal().to_string(), format!("0.{}", "3".repeat(60)));
        assert_eq!(Fraction::whole("0.5".parse().unwrap()).kept(), None, "nothing of it is rounded");
        let tiny = Fraction::whole("0.00000000000025".parse().unwrap());
        assert_eq!(tiny.rounded(), Decimal::zero());
        assert_eq!(tiny.clone().kept(), Some(Box::new(tiny)));
    }

    #[test]
    fn a_fraction_of_very_many_digits_is_kept_as_a_decimal() {
        let (over, under) = ("7".repeat(210), format!("{}1", "9".repeat(210)));
        let kept = quotient(&over, &under).kept().unwrap();
        assert_eq!(kept.to_decimal().to_string(), format!("0.0{}8", "7".repeat(58)));
        assert_eq!(kept.rounded().to_string(), "0.077777777778");
    }

    #[test]
    fn a_division_by_zero_has_no_value() {
        assert_eq!(Fraction::of(1.into(), Decimal::zero()), None);
        assert_eq!(quotient("1", "3").divided_by(&quotient("0", "5")), None);
    }
}
