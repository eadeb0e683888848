//! The parameters of a statement that is written once for every day: a function in the database runs it for the day that
//! it is called with. PostgreSQL only. The function computes the instants from the days that Daymark gave it.

use super::dialect::Dialect;
use crate::metric::{CalendarPeriod, TimeFormat};

/// A border of the day that a statement is run for, as a parameter of the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayParameter {
    /// The start of the date that lies this number of calendar days before the day.
    Start { days_before: u32 },
    /// The start of the first date of the week or month that the day is in.
    StartOf(CalendarPeriod),
    /// The end of the day. The first date after it is that of the next day that exists.
    End,
    /// The end of the day. The first date after it is the next one of the calendar, whether it exists or not.
    EndOfDate,
}

impl DayParameter {
    /// The day's date, of the type `date`.
    pub const DATE: &'static str = "$1";
    /// The starts of dates, of the type `timestamptz[]`. The subscript 0 is the day, 1 the next date, -6 that of 6 days before.
    const STARTS: &'static str = "$2";
    /// The date of the next day that exists, of the type `date`.
    const NEXT_DATE: &'static str = "$3";

    /// The expression for a time column of the format, whose times without an offset are those of `zone`.
    pub fn of_type(self, format: TimeFormat, zone: &str) -> String {
        let instant = format!("{}[{}]", Self::STARTS, self.subscript());
        match format {
            TimeFormat::Date => self.date(),
            TimeFormat::Timestamp => local(&instant, zone),
            TimeFormat::UnixSeconds => format!("extract(epoch FROM {instant})::int8"),
            TimeFormat::UnixMillis => format!("extract(epoch FROM {instant})::int8 * 1000"),
            _ => instant,
        }
    }

    fn subscript(self) -> String {
        match self {
            Self::Start { days_before } => (-i64::from(days_before)).to_string(),
            Self::StartOf(period) => format!("-{}", days_since(period)),
            Self::End | Self::EndOfDate => "1".to_owned(),
        }
    }

    fn date(self) -> String {
        match self {
            Self::Start { days_before: 0 } => Self::DATE.to_owned(),
            Self::Start { days_before } => format!("({} - {days_before})", Self::DATE),
            Self::StartOf(period) => format!("({} - {})", Self::DATE, days_since(period)),
            Self::End => Self::NEXT_DATE.to_owned(),
            Self::EndOfDate => format!("({} + 1)", Self::DATE),
        }
    }
}

/// How many days the period has had before the day.
fn days_since(period: CalendarPeriod) -> String {
    let date = DayParameter::DATE;
    match period.week_start() {
        // The days of the week of PostgreSQL are numbered from Monday, which is 1.
        Some(start) => {
            format!("((extract(isodow FROM {date})::int + {}) % 7)", 7 - start.to_monday_one_offset())
        }
        None => format!("(extract(day FROM {date})::int - 1)"),
    }
}

/// The instant as a local time. As in `time.rs`, a day whose midnight was skipped begins with the local times that did not
/// occur.
fn local(instant: &str, zone: &str) -> String {
    let zone = Dialect::Postgres.text(zone);
    let shown = format!("{instant} AT TIME ZONE {zone}");
    if zone == "'UTC'" {
        return format!("({shown})");
    }
    let midnight = format!("date_trunc('day', {shown})");
    format!("(CASE WHEN {midnight} AT TIME ZONE {zone} = {instant} THEN {midnight} ELSE {shown} END)")
}
