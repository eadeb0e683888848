//! Windows: the days over which a distinct count is taken, which end with the day that is recorded.

use jiff::{ToSpan, civil::Date};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Window {
    /// That many calendar days.
    Days(u32),
    /// From the first day of the day's week or month on.
    ToDate(CalendarPeriod),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalendarPeriod {
    /// It begins on Monday, as in ISO 8601.
    Week,
    Month,
}

impl Window {
    /// The first day of the window that ends with `day`.
    pub fn first(self, day: Date) -> Date {
        match self {
            Self::Days(days) => day.saturating_sub((i64::from(days) - 1).days()),
            Self::ToDate(CalendarPeriod::Week) => {
                day.saturating_sub(i64::from(day.weekday().to_monday_zero_offset()).days())
            }
            Self::ToDate(CalendarPeriod::Month) => day.first_of_month(),
        }
    }

    /// The last day whose window has `day`.
    pub fn last(self, day: Date) -> Date {
        match self {
            Self::Days(days) => day.saturating_add((i64::from(days) - 1).days()),
            Self::ToDate(CalendarPeriod::Week) => self.first(day).saturating_add(6.days()),
            Self::ToDate(CalendarPeriod::Month) => day.last_of_month(),
        }
    }

    /// The most days that it has.
    pub fn longest(self) -> u32 {
        match self {
            Self::Days(days) => days,
            Self::ToDate(CalendarPeriod::Week) => 7,
            Self::ToDate(CalendarPeriod::Month) => 31,
        }
    }

    /// In words, for messages and plans.
    pub fn described(self) -> String {
        match self {
            Self::Days(1) => "1 day".to_owned(),
            Self::Days(days) => format!("{days} days"),
            Self::ToDate(CalendarPeriod::Week) => "the week to date".to_owned(),
            Self::ToDate(CalendarPeriod::Month) => "the month to date".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_week_begins_on_monday_and_a_month_on_the_first() {
        let (week, month) = (Window::ToDate(CalendarPeriod::Week), Window::ToDate(CalendarPeriod::Month));
        let sunday = date(2025, 3, 2);
        assert_eq!((week.first(sunday), week.last(sunday)), (date(2025, 2, 24), sunday));
        assert_eq!((month.first(sunday), month.last(sunday)), (date(2025, 3, 1), date(2025, 3, 31)));
        assert_eq!(week.first(date(2025, 3, 3)), date(2025, 3, 3));
        assert_eq!(Window::Days(7).first(sunday), date(2025, 2, 24));
    }
}
