//! Days, weeks, months, quarters and years as ranges of dates, both ends included.

use jiff::{
    ToSpan,
    civil::{Date, Weekday},
};
use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoStaticStr};
use utoipa::ToSchema;

// The variants stand in the order of their lengths: the search for a longer interval that fits tries them in this order.
/// The length of a bucket.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    ToSchema,
    EnumIter,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Interval {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// The days `from..=to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket {
    pub from: Date,
    pub to: Date,
}

impl Interval {
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The name that `name` is another word for: `day` for `daily`. Other names stay as they are.
    pub fn canonical_name(name: &str) -> &str {
        match name {
            "daily" => "day",
            "weekly" => "week",
            "monthly" => "month",
            "quarterly" => "quarter",
            "yearly" => "year",
            other => other,
        }
    }

    /// The days of the shortest bucket.
    pub fn least_days(self) -> usize {
        match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 28,
            Self::Quarter => 90,
            Self::Year => 365,
        }
    }

    /// The whole bucket that `date` is in. A week begins on `week_start`; a quarter in January, April, July or October.
    pub fn bucket(self, date: Date, week_start: Weekday) -> Bucket {
        let from = match self {
            Self::Day => return Bucket { from: date, to: date },
            Self::Week => date.saturating_sub(i64::from(week_start.until(date.weekday())).days()),
            Self::Month => date.first_of_month(),
            Self::Quarter => {
                let into_quarter = i64::from((date.month() - 1) % 3);
                date.first_of_month().saturating_sub(into_quarter.months())
            }
            Self::Year => date.first_of_year(),
        };
        let to = match self {
            Self::Day | Self::Week => from.saturating_add(6.days()),
            Self::Month => date.last_of_month(),
            Self::Quarter => from.saturating_add(2.months()).last_of_month(),
            Self::Year => date.last_of_year(),
        };
        Bucket { from, to }
    }

    /// The whole buckets that `from..=to` touches, in order.
    pub fn buckets(self, from: Date, to: Date, week_start: Weekday) -> impl Iterator<Item = Bucket> {
        let first = (from <= to).then(|| self.bucket(from, week_start));
        std::iter::successors(first, move |bucket| {
            let next = bucket.to.tomorrow().ok().filter(|next| *next <= to)?;
            Some(self.bucket(next, week_start))
        })
    }

    /// The number of buckets that [`Interval::buckets`] returns, or some number above `limit`.
    pub fn count(self, from: Date, to: Date, week_start: Weekday, limit: usize) -> usize {
        match self {
            Self::Day => usize::try_from((to - from).get_days() + 1).unwrap_or(0),
            _ => self.buckets(from, to, week_start).take(limit.saturating_add(1)).count(),
        }
    }
}

impl Bucket {
    /// The intersection of `self` and `from..=to`, if it is not empty.
    pub fn clipped(self, from: Date, to: Date) -> Self {
        Self { from: self.from.max(from), to: self.to.min(to) }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;
    use strum::IntoEnumIterator;

    use super::*;

    fn weekdays() -> impl Strategy<Value = Weekday> {
        (1i8..=7).prop_map(|number| Weekday::from_monday_one_offset(number).unwrap())
    }

    #[test]
    fn weeks_at_the_end_of_a_year_are_those_of_iso_8601() {
        let week = |day| Interval::Week.bucket(day, Weekday::Monday);
        // 2020 had 53 weeks, and the first of 2026 begins in 2025.
        assert_eq!(week(date(2021, 1, 1)), Bucket { from: date(2020, 12, 28), to: date(2021, 1, 3) });
        assert_eq!(week(date(2025, 12, 31)), Bucket { from: date(2025, 12, 29), to: date(2026, 1, 4) });
        let sunday = Interval::Week.bucket(date(2025, 1, 1), Weekday::Sunday);
        assert_eq!(sunday, Bucket { from: date(2024, 12, 29), to: date(2025, 1, 4) });
    }

    #[test]
    fn months_quarters_and_years_end_on_their_last_day() {
        let of = |interval: Interval, day| {
            let bucket = interval.bucket(day, Weekday::Monday);
            (bucket.from, bucket.to)
        };
        assert_eq!(of(Interval::Month, date(2024, 2, 10)), (date(2024, 2, 1), date(2024, 2, 29)));
        assert_eq!(of(Interval::Quarter, date(2025, 6, 30)), (date(2025, 4, 1), date(2025, 6, 30)));
        assert_eq!(of(Interval::Quarter, date(2025, 12, 1)), (date(2025, 10, 1), date(2025, 12, 31)));
        assert_eq!(of(Interval::Year, date(2024, 12, 31)), (date(2024, 1, 1), date(2024, 12, 31)));
        assert_eq!(of(Interval::Year, Date::MAX).1, Date::MAX);
    }

    proptest! {
        #[test]
        fn every_day_is_in_exactly_one_bucket(
            start in 0i32..80_000, length in 0i32..2000, interval in 0usize..5, week_start in weekdays(),
        ) {
            let from = date(1900, 1, 1).saturating_add(start.days());
            let to = from.saturating_add(length.days());
            let interval = Interval::iter().nth(interval).unwrap();
            let buckets: Vec<_> = interval.buckets(from, to, week_start).collect();
            prop_assert!(buckets[0].from <= from && from <= buckets[0].to);
            prop_assert!(buckets[buckets.len() - 1].from <= to && to <= buckets[buckets.len() - 1].to);
            for pair in buckets.windows(2) {
                prop_assert_eq!(pair[0].to.tomorrow().unwrap(), pair[1].from);
            }
            for bucket in &buckets {
                for day in [bucket.from, bucket.to] {
                    prop_assert_eq!(interval.bucket(day, week_start), *bucket);
                }
            }
            prop_assert_eq!(interval.count(from, to, week_start, usize::MAX - 1), buckets.len());
        }

        #[test]
        fn a_week_of_iso_is_that_of_the_library(start in 0i32..80_000) {
            let day = date(1900, 1, 1).saturating_add(start.days());
            let bucket = Interval::Week.bucket(day, Weekday::Monday);
            prop_assert_eq!(bucket.from.iso_week_date().week(), day.iso_week_date().week());
            prop_assert_eq!(bucket.from.weekday(), Weekday::Monday);
            prop_assert_eq!(bucket.to.weekday(), Weekday::Sunday);
        }
    }
}
