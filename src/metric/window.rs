//! Windows: the days over which a distinct count or a moving value is taken, which end with the day itself.

use jiff::{
    ToSpan,
    civil::{Date, Weekday},
};
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
    /// A week that begins on Monday, as in ISO 8601.
    Week,
    WeekFromTuesday,
    WeekFromWednesday,
    WeekFromThursday,
    WeekFromFriday,
    WeekFromSaturday,
    WeekFromSunday,
    Month,
}

/// The weeks by the day on which they begin.
const WEEKS: [(CalendarPeriod, Weekday, &str); 7] = [
    (CalendarPeriod::Week, Weekday::Monday, "the week to date"),
    (CalendarPeriod::WeekFromTuesday, Weekday::Tuesday, "the week from Tuesday to date"),
    (CalendarPeriod::WeekFromWednesday, Weekday::Wednesday, "the week from Wednesday to date"),
    (CalendarPeriod::WeekFromThursday, Weekday::Thursday, "the week from Thursday to date"),
    (CalendarPeriod::WeekFromFriday, Weekday::Friday, "the week from Friday to date"),
    (CalendarPeriod::WeekFromSaturday, Weekday::Saturday, "the week from Saturday to date"),
    (CalendarPeriod::WeekFromSunday, Weekday::Sunday, "the week from Sunday to date"),
];

impl CalendarPeriod {
    /// The week that begins on that day.
    pub fn week_from(start: Weekday) -> Self {
        WEEKS.into_iter().find(|(_, weekday, _)| *weekday == start).map_or(Self::Week, |(week, ..)| week)
    }

    /// The day on which the week begins; `None` for a month.
    pub fn week_start(self) -> Option<Weekday> {
        WEEKS.into_iter().find(|(week, ..)| *week == self).map(|(_, weekday, _)| weekday)
    }

    fn first(self, day: Date) -> Date {
        match self.week_start() {
            Some(start) => day.saturating_sub(i64::from(start.until(day.weekday())).days()),
            None => day.first_of_month(),
        }
    }
}

impl Window {
    /// The same, with a week that begins on that day if it is one.
    pub fn with_week_from(self, start: Weekday) -> Self {
        match self {
            Self::Days(_) | Self::ToDate(CalendarPeriod::Month) => self,
            Self::ToDate(_) => Self::ToDate(CalendarPeriod::week_from(start)),
        }
    }

    /// The first day of the window that ends with `day`.
    pub fn first(self, day: Date) -> Date {
        match self {
            Self::Days(days) => day.saturating_sub((i64::from(days) - 1).days()),
            Self::ToDate(period) => period.first(day),
        }
    }

    /// The last day whose window has `day`.
    pub fn last(self, day: Date) -> Date {
        match self {
            Self::Days(days) => day.saturating_add((i64::from(days) - 1).days()),
            Self::ToDate(CalendarPeriod::Month) => day.last_of_month(),
            Self::ToDate(week) => week.first(day).saturating_add(6.days()),
        }
    }

    /// The most days that it has.
    pub fn longest(self) -> u32 {
        match self {
            Self::Days(days) => days,
            Self::ToDate(CalendarPeriod::Month) => 31,
            Self::ToDate(_) => 7,
        }
    }

    /// In words, for messages and plans.
    pub fn described(self) -> String {
        match self {
            Self::Days(1) => "1 day".to_owned(),
            Self::Days(days) => format!("{days} days"),
            Self::ToDate(period) => {
                let week = WEEKS.into_iter().find(|(week, ..)| *week == period);
                week.map_or("the month to date", |(.., words)| words).to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_week_begins_on_its_weekday_and_a_month_on_the_first() {
        let (week, month) = (Window::ToDate(CalendarPeriod::Week), Window::ToDate(CalendarPeriod::Month));
        let sunday = date(2025, 3, 2);
        assert_eq!((week.first(sunday), week.last(sunday)), (date(2025, 2, 24), sunday));
        assert_eq!((month.first(sunday), month.last(sunday)), (date(2025, 3, 1), date(2025, 3, 31)));
        assert_eq!(week.first(date(2025, 3, 3)), date(2025, 3, 3));
        let from_sunday = Window::ToDate(CalendarPeriod::week_from(Weekday::Sunday));
        assert_eq!((from_sunday.first(sunday), from_sunday.last(sunday)), (sunday, date(2025, 3, 8)));
        assert_eq!(from_sunday.first(date(2025, 3, 1)), date(2025, 2, 23));
        assert_eq!(serde_json::to_string(&from_sunday).unwrap(), "\"week_from_sunday\"");
        assert_eq!(Window::Days(7).first(sunday), date(2025, 2, 24));
    }
}
