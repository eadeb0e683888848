//! The statement that counts the actors of windows on many days at once, and the running sums that its answers make.
//!
//! Each active day of an actor fills the windows of the days that follow, up to the actor's next active day. The database counts
//! the active days by day and by their distance to the next one; what a window counts begins with the active day and ends `w` days
//! later, or with the calendar's week or month, or at the next active day if that comes first. The count of a day is the running
//! sum of such intervals begun less intervals ended, so that a window of 30 days costs no more than one of 2.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::{
    metric::Window,
    platform::planner::{
        activity::{Activity, union},
        dialect::Dialect,
        span::Edge,
        time::TimeColumn,
    },
};

pub struct WindowChanges {
    /// Each once, in order. The place of a window, counted from 1, is its number in statements.
    windows: Vec<Window>,
    /// The first day of any window of the days that are asked for, which has the number 1.
    first: Date,
}

impl WindowChanges {
    pub fn new(windows: impl IntoIterator<Item = Window>, first: Date) -> Self {
        let mut windows: Vec<_> = windows.into_iter().collect();
        windows.sort_unstable();
        windows.dedup();
        Self { windows, first }
    }

    /// Answers come as (0, [window, day, actors]): that many active days begin on the day (of window 0), or leave the window of
    /// that number on the day. The edges are those of [`Edge::of_dates`] from the first day on.
    pub fn statement(&self, activity: &Activity<'_>, edges: &[Edge]) -> String {
        let dialect = activity.dialect();
        let (Some(first), Some(last)) = (edges.first(), edges.last()) else { return String::new() };
        let inner = &edges[..edges.len() - 1];
        let day = |time: &TimeColumn| format!("{} AS daymark_day, ", time.bucket(inner));
        let active = union(&activity.selects((Some(*first), *last), day));
        let longest = self.longest();
        // An active day has left a window of one day on the next, whatever the actor does then.
        let followed = match longest {
            1 => "SELECT daymark_day, 1 AS daymark_gap FROM active".to_owned(),
            _ => format!(
                "SELECT daymark_day, coalesce(lead(daymark_day) OVER (PARTITION BY daymark_actor ORDER BY daymark_day) \
                 - daymark_day, {longest}) AS daymark_gap FROM active"
            ),
        };
        let reaches = self.reaches_table(dialect, inner.len());
        // An active day leaves a window when the window has moved on, at the end of its period, or at the next active day.
        let least = if dialect == Dialect::Postgres { "least" } else { "min" };
        let values = ["daymark_window", "daymark_day", "daymark_actors"].map(str::to_owned);
        format!(
            "WITH active AS (\n  {active}),\n\
             followed AS (\n  {followed}),\n\
             gaps AS (\n  SELECT daymark_day, daymark_gap, count(*) AS daymark_actors FROM followed GROUP BY daymark_day, daymark_gap)\n\
             SELECT {}, {} FROM (\n  \
             SELECT 0 AS daymark_window, daymark_day, sum(daymark_actors) AS daymark_actors FROM gaps GROUP BY daymark_day\n  \
             UNION ALL\n  \
             SELECT daymark_window, {least}(daymark_day + {least}(daymark_gap, daymark_length), daymark_end), sum(daymark_actors)\n  \
             FROM gaps JOIN {reaches} ON daymark_day BETWEEN daymark_from AND daymark_to\n  \
             GROUP BY daymark_window, {least}(daymark_day + {least}(daymark_gap, daymark_length), daymark_end)) AS changes",
            dialect.zero(),
            dialect.pack(&values)
        )
    }

    fn longest(&self) -> u32 {
        self.windows.iter().map(|window| window.longest()).max().unwrap_or(1)
    }

    /// The rows of [`Self::reaches`] as a table expression.
    fn reaches_table(&self, dialect: Dialect, days: usize) -> String {
        let lengths = self.reaches(days).join(", ");
        let columns = ["daymark_window", "daymark_from", "daymark_to", "daymark_length", "daymark_end"];
        match dialect {
            Dialect::Postgres => format!("(VALUES {lengths}) AS windows ({})", columns.join(", ")),
            Dialect::Sqlite => {
                let named = columns.iter().enumerate();
                let named = named.map(|(index, name)| format!("column{} AS {name}", index + 1));
                format!("(SELECT {} FROM (VALUES {lengths}))", named.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// For each window the rows (window, first day, last day, length, end): an active day from the first to the last day is in the
    /// window for that many days, and not on or after the end.
    fn reaches(&self, days: usize) -> Vec<String> {
        let days = i64::try_from(days).unwrap_or(i64::MAX);
        let longest = i64::from(self.longest());
        let mut rows = Vec::new();
        for (place, window) in self.windows.iter().enumerate() {
            let place = place + 1;
            match window {
                Window::Days(length) => {
                    rows.push(format!("({place}, 1, {days}, {length}, {})", days + longest + 1));
                }
                Window::ToDate(_) => {
                    let mut date = self.first;
                    while self.number(date) <= days {
                        let end = self.number(window.last(date)) + 1;
                        rows.push(format!("({place}, {}, {}, {longest}, {end})", self.number(date), end - 1));
                        let Ok(next) = window.last(date).tomorrow() else { break };
                        date = next;
                    }
                }
            }
        }
        rows
    }

    fn number(&self, date: Date) -> i64 {
        i64::from((date - self.first).get_days()) + 1
    }

    /// The counts of the window on the dates, which are in order, from the answers of [`Self::statement`].
    pub fn counts(
        &self,
        window: Window,
        dates: impl IntoIterator<Item = Date>,
        numbers: &[Vec<i64>],
    ) -> Vec<i64> {
        let place = self.windows.binary_search(&window).unwrap_or_default() + 1;
        let place = i64::try_from(place).unwrap_or(i64::MAX);
        let mut changes: BTreeMap<i64, i64> = BTreeMap::new();
        for number in numbers {
            match *number.as_slice() {
                [0, day, actors] => *changes.entry(day).or_default() += actors,
                [of, day, actors] if of == place => *changes.entry(day).or_default() -= actors,
                _ => {}
            }
        }
        let mut changes = changes.into_iter().peekable();
        let mut count = 0;
        let count_of = |date| {
            while let Some((_, change)) = changes.next_if(|(of, _)| *of <= self.number(date)) {
                count += change;
            }
            count
        };
        dates.into_iter().map(count_of).collect()
    }
}
