//! Spans: half-open intervals of time. The days of a reading become spans, and bisecting divides spans further.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::day_parameter::DayParameter;
use crate::metric::{Calendar, DayBounds};

/// A border between spans: an instant and, for date columns, the first date after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    pub instant: Timestamp,
    pub date: Date,
    /// In a statement that is written for every day: the parameter that stands in the place of the literal.
    pub parameter: Option<DayParameter>,
}

impl Edge {
    pub fn at(instant: Timestamp, date: Date) -> Self {
        Self { instant, date, parameter: None }
    }

    /// The edge at an instant, whose date is that of the instant in UTC.
    pub fn utc(instant: Timestamp) -> Self {
        Self::at(instant, TimeZone::UTC.to_datetime(instant).date())
    }

    /// The start of every calendar day from `first` on, and the end of `last`. A day that the zone skipped has a start too, the same
    /// as the next day's: windows count calendar days.
    pub fn of_dates(calendar: &Calendar, first: Date, last: &DayBounds) -> Vec<Self> {
        let mut date = first;
        let mut edges = Vec::new();
        while date <= last.date {
            edges.push(Self::at(calendar.start_of(date), date));
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        edges.push(Self::at(last.end, date));
        edges
    }
}

impl From<DayParameter> for Edge {
    /// The instant and the date are never written.
    fn from(parameter: DayParameter) -> Self {
        Self { parameter: Some(parameter), ..Self::utc(Timestamp::UNIX_EPOCH) }
    }
}

/// All instants `t` with `lower <= t < upper`; without `lower`, all before `upper`. Spans that a span was bisected into share
/// its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The span before the first day has the id 0, the first day has 1, and so on.
    pub id: usize,
    pub lower: Option<Edge>,
    pub upper: Edge,
}

impl Span {
    /// A span for each day, preceded by one for all earlier instants if `with_base`.
    pub fn of_days(days: &[DayBounds], with_base: bool) -> Vec<Self> {
        let edge = Edge::at;
        let base = days.first().filter(|_| with_base).map(|day| Self {
            id: 0,
            lower: None,
            upper: edge(day.start, day.date),
        });
        let days = days.iter().enumerate().map(|(index, day)| Self {
            id: index + 1,
            lower: Some(edge(day.start, day.date)),
            // A row dated on a day that the zone skipped counts in the day before it.
            upper: edge(day.end, day.next),
        });
        base.into_iter().chain(days).collect()
    }

    /// As [`Self::of_days`] for one day, which the parameters of the statement name.
    pub fn of_parameters(with_base: bool) -> Vec<Self> {
        let (start, end) = (Edge::from(DayParameter::Start { days_before: 0 }), DayParameter::End.into());
        let base = with_base.then_some(Self { id: 0, lower: None, upper: start });
        base.into_iter().chain([Self { id: 1, lower: Some(start), upper: end }]).collect()
    }
}
