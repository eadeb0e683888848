//! Spans: half-open intervals of time. The days of a reading become spans, and bisecting divides spans further.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::metric::DayBounds;

/// A border between spans: an instant and, for date columns, the first date after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    pub instant: Timestamp,
    pub date: Date,
}

impl Edge {
    /// The edge at an instant, whose date is that of the instant in UTC.
    pub fn utc(instant: Timestamp) -> Self {
        Self { instant, date: TimeZone::UTC.to_datetime(instant).date() }
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
        let edge = |instant, date| Edge { instant, date };
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
}
