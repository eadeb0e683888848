//! Quantiles as PostgreSQL's `percentile_cont` defines them: of `n` values in order the one at the position `q (n − 1)`, counted
//! from 0, and between two of them the point in proportion.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::Decimal;

/// The share of the values that lie below the quantile, in millionths: an integer, so that positions are exact in every
/// database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quantile(u32);

/// Where a quantile lies among values in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuantilePosition {
    /// The values next to it, counted from 0; the same twice where it is a value itself.
    pub lower: i64,
    pub upper: i64,
    /// How far it lies above the lower one, in millionths of the distance.
    pub millionths: i64,
}

impl Quantile {
    pub const MEDIAN: Self = Self(500_000);
    /// A share of 1.
    pub const WHOLE: i64 = 1_000_000;

    /// `None` unless it is from 0 to 1, with at most six decimal places.
    pub fn new(share: &Decimal) -> Option<Self> {
        let millionths: u32 = (share * &Decimal::from(Self::WHOLE)).normalized().to_string().parse().ok()?;
        (i64::from(millionths) <= Self::WHOLE).then_some(Self(millionths))
    }

    pub fn millionths(self) -> u32 {
        self.0
    }

    pub fn share(self) -> Decimal {
        Decimal::from(i64::from(self.0)).millionth()
    }

    /// Its place among `count` values; `None` among none.
    pub fn position(self, count: i64) -> Option<QuantilePosition> {
        let last = count.checked_sub(1).filter(|last| *last >= 0)?;
        let scaled = i128::from(self.0) * i128::from(last);
        let whole = i128::from(Self::WHOLE);
        let lower = i64::try_from(scaled / whole).ok()?;
        let millionths = i64::try_from(scaled % whole).ok()?;
        Some(QuantilePosition { lower, upper: lower + i64::from(millionths > 0), millionths })
    }
}

impl QuantilePosition {
    /// The quantile, from the values next to it.
    pub fn between(&self, lower: &Decimal, upper: &Decimal) -> Decimal {
        let distance = &(upper - lower) * &Decimal::from(self.millionths);
        (lower + &distance.millionth()).normalized()
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.share())
    }
}

impl Serialize for Quantile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.share().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Quantile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = Decimal::deserialize(deserializer)?;
        Self::new(&share).ok_or_else(|| D::Error::custom(format!("{share} is no quantile")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantile(share: &str) -> Option<Quantile> {
        Quantile::new(&share.parse().unwrap())
    }

    #[test]
    fn a_quantile_is_a_share_of_at_most_six_places() {
        for share in ["0", "1", "0.5", "0.95", "0.999999", "1.000"] {
            let found = quantile(share).unwrap();
            assert_eq!(
                serde_json::from_str::<Quantile>(&serde_json::to_string(&found).unwrap()).unwrap(),
                found
            );
        }
        assert_eq!(quantile("0.5"), Some(Quantile::MEDIAN));
        for share in ["-0.1", "1.1", "95", "0.1234567"] {
            assert_eq!(quantile(share), None, "{share}");
        }
    }

    /// The examples are results of PostgreSQL.
    #[test]
    fn the_quantile_of_some_values_is_that_of_percentile_cont() {
        let of = |share: &str, values: &[&str]| {
            let position = quantile(share).unwrap().position(values.len() as i64)?;
            let value = |index: i64| values[index as usize].parse::<Decimal>().unwrap();
            Some(position.between(&value(position.lower), &value(position.upper)).to_string())
        };
        assert_eq!(of("0.5", &["1", "2", "4"]).unwrap(), "2");
        assert_eq!(of("0.5", &["1", "2", "4", "8"]).unwrap(), "3");
        assert_eq!(of("0.95", &["10", "20", "30"]).unwrap(), "29");
        assert_eq!(of("0.5", &["0.1", "0.2"]).unwrap(), "0.15");
        assert_eq!(of("0", &["-3", "7"]).unwrap(), "-3");
        assert_eq!(of("1", &["-3", "7"]).unwrap(), "7");
        assert_eq!(of("0.3", &["5"]).unwrap(), "5");
        assert_eq!(of("0.5", &[]), None);
    }
}
