//! Distinct actors, or values of another column, in windows of days. The pairs of a day and an actor are read once for all
//! windows over the same rows.
//!
//! For many days, each active day of an actor fills the windows of the days that follow, up to the actor's next active day.
//! The database counts the active days by day and by their distance to the next one; what a window counts begins with the
//! active day and ends `w` days later, or with the calendar's week or month, or at the next active day if that comes first. The
//! count of a day is the running sum of such intervals begun less intervals ended, so that a window of 30 days costs no more
//! than one of 2.
//!
//! For a single day, each actor's latest active time determines in which of the windows the actor is.

mod activity;

use std::collections::BTreeMap;

use activity::Activity;
use jiff::civil::Date;

use super::{
    day_parameter::DayParameter,
    dialect::Dialect,
    execute::Executor,
    parse::parse_count,
    scan::without_index,
    session::{MAX_ANSWERS, SpanRow},
    span::Edge,
    time::TimeColumn,
};
use crate::{
    database::{Fault, FaultClass},
    metric::{Calendar, DayBounds, Rows, Tally, Window},
    platform::{contract::Sources, schema::Schema},
};

/// Readings of distinct actors of the same rows.
pub struct DistinctGroup<'a> {
    pub rows: Vec<&'a Rows>,
    /// The column of values; `None` for actors.
    pub column: Option<&'a str>,
    pub sources: &'a Sources,
    /// For each reading its window. The list is not empty.
    pub windows: Vec<Window>,
}

impl DistinctGroup<'_> {
    /// Answers come as (0, [window, day, actors]) for many days: that many active days begin on the day (of window 0), or
    /// leave the window of that number, counted from 1, on the day. Days count from 1, at the first day of any window. For one
    /// day they are (0, [actors of each window, the shortest first]).
    pub fn statement(
        &self,
        dialect: Dialect,
        schema: &Schema,
        calendar: &Calendar,
        days: &[DayBounds],
    ) -> Result<String, Fault> {
        let activity = Activity::new(dialect, schema, self.sources, &self.rows, self.column)?;
        Ok(self.statement_of(&activity, calendar, days))
    }

    fn statement_of(&self, activity: &Activity<'_>, calendar: &Calendar, days: &[DayBounds]) -> String {
        match days {
            [] => String::new(),
            [day] => {
                let end = Edge::at(day.end, next(day.date));
                let starts = self.starts(day.date).into_iter();
                let starts: Vec<_> = starts.map(|date| Edge::at(calendar.start_of(date), date)).collect();
                of_one_day(activity, &starts, end)
            }
            days => self.of_days(activity, calendar, days),
        }
    }

    /// The most days that a window has.
    fn longest(&self) -> u32 {
        self.windows.iter().map(|window| window.longest()).max().unwrap_or(1)
    }

    /// The windows in words, for messages and plans.
    pub fn windows(&self) -> String {
        self.different_windows().iter().map(|window| window.described()).collect::<Vec<_>>().join(", ")
    }

    /// The windows, each once. Its place is the number of a window in statements.
    fn different_windows(&self) -> Vec<Window> {
        let mut windows = self.windows.clone();
        windows.sort_unstable();
        windows.dedup();
        windows
    }

    /// The first days of the windows that end with the day, each once, those of the shortest first.
    fn starts(&self, day: Date) -> Vec<Date> {
        let mut starts: Vec<_> = self.windows.iter().map(|window| window.first(day)).collect();
        starts.sort_unstable();
        starts.dedup();
        starts.reverse();
        starts
    }

    /// The first day of any window of the days.
    fn first(&self, days: &[DayBounds]) -> Option<Date> {
        let first = days.first()?.date;
        self.windows.iter().map(|window| window.first(first)).min()
    }

    /// As [`Self::statement`] for one day, which the parameters of the statement name.
    ///
    /// # Errors
    /// Also for windows whose length depends on the day.
    pub fn statement_of_parameters(&self, schema: &Schema) -> Result<String, Fault> {
        let activity = Activity::new(Dialect::Postgres, schema, self.sources, &self.rows, self.column)?;
        let lengths = self.lengths()?.into_iter();
        let starts: Vec<_> =
            lengths.map(|length| DayParameter::Start { days_before: length - 1 }.into()).collect();
        Ok(of_one_day(&activity, &starts, DayParameter::EndOfDate.into()))
    }

    /// The place of each reading's window among the counts of [`Self::statement_of_parameters`].
    pub fn places_of_parameters(&self) -> Result<Vec<usize>, Fault> {
        let lengths = self.lengths()?;
        let place = |window: &Window| lengths.binary_search(&window.longest()).unwrap_or_default();
        Ok(self.windows.iter().map(place).collect())
    }

    /// The lengths of windows of days, each once, the shortest first.
    fn lengths(&self) -> Result<Vec<u32>, Fault> {
        let length = |window: &Window| match window {
            Window::Days(days) => Ok(*days),
            Window::ToDate(_) => Err(Fault::new(
                FaultClass::Other,
                format!(
                    "SQL functions do not count over {}, whose length depends on the day: record the metric with \
                     `daymark serve`, or give it `window_days`",
                    window.described()
                ),
            )),
        };
        let mut lengths = self.windows.iter().map(length).collect::<Result<Vec<_>, _>>()?;
        lengths.sort_unstable();
        lengths.dedup();
        Ok(lengths)
    }

    fn of_days(&self, activity: &Activity<'_>, calendar: &Calendar, days: &[DayBounds]) -> String {
        let (dialect, edges) = (activity.dialect(), self.edges(calendar, days));
        let (Some(first), Some(last)) = (edges.first(), edges.last()) else { return String::new() };
        let lengths = self.reaches(first.date, edges.len() - 1).join(", ");
        let inner = &edges[..edges.len() - 1];
        let day = |time: &TimeColumn| format!("{} AS daymark_day, ", time.bucket(inner));
        let active = union(&activity.selects((*first, *last), day));
        let longest = self.longest();
        // An active day has left a window of one day on the next, whatever the actor does then.
        let followed = match longest {
            1 => "SELECT daymark_day, 1 AS daymark_gap FROM active".to_owned(),
            _ => format!(
                "SELECT daymark_day, coalesce(lead(daymark_day) OVER (PARTITION BY daymark_actor ORDER BY daymark_day) \
                 - daymark_day, {longest}) AS daymark_gap FROM active"
            ),
        };
        let columns = ["daymark_window", "daymark_from", "daymark_to", "daymark_length", "daymark_end"];
        let reaches = match dialect {
            Dialect::Postgres => format!("(VALUES {lengths}) AS windows ({})", columns.join(", ")),
            Dialect::Sqlite => {
                let named = columns.iter().enumerate();
                let named = named.map(|(index, name)| format!("column{} AS {name}", index + 1));
                format!("(SELECT {} FROM (VALUES {lengths}))", named.collect::<Vec<_>>().join(", "))
            }
        };
        // An active day leaves a window when the window has moved on, at the end of its period, or at the next active day.
        let (least, id) = match dialect {
            Dialect::Postgres => ("least", "0::int8"),
            Dialect::Sqlite => ("min", "0"),
        };
        let values = ["daymark_window", "daymark_day", "daymark_actors"].map(str::to_owned);
        format!(
            "WITH active AS (\n  {active}),\n\
             followed AS (\n  {followed}),\n\
             gaps AS (\n  SELECT daymark_day, daymark_gap, count(*) AS daymark_actors FROM followed GROUP BY daymark_day, daymark_gap)\n\
             SELECT {id}, {} FROM (\n  \
             SELECT 0 AS daymark_window, daymark_day, sum(daymark_actors) AS daymark_actors FROM gaps GROUP BY daymark_day\n  \
             UNION ALL\n  \
             SELECT daymark_window, {least}(daymark_day + {least}(daymark_gap, daymark_length), daymark_end), sum(daymark_actors)\n  \
             FROM gaps JOIN {reaches} ON daymark_day BETWEEN daymark_from AND daymark_to\n  \
             GROUP BY daymark_window, {least}(daymark_day + {least}(daymark_gap, daymark_length), daymark_end)) AS changes",
            dialect.pack(&values)
        )
    }

    /// For each window the rows (window, first day, last day, length, end): an active day from the first to the last day is in the
    /// window for that many days, and not on or after the end. The days are numbered from `first` on.
    fn reaches(&self, first: Date, days: usize) -> Vec<String> {
        let days = i64::try_from(days).unwrap_or(i64::MAX);
        let number = |date: Date| i64::from((date - first).get_days()) + 1;
        let longest = i64::from(self.longest());
        let mut rows = Vec::new();
        for (place, window) in self.different_windows().into_iter().enumerate() {
            let place = place + 1;
            match window {
                Window::Days(length) => {
                    rows.push(format!("({place}, 1, {days}, {length}, {})", days + longest + 1))
                }
                Window::ToDate(_) => {
                    let mut date = first;
                    while number(date) <= days {
                        let end = number(window.last(date)) + 1;
                        rows.push(format!("({place}, {}, {}, {longest}, {end})", number(date), end - 1));
                        let Ok(next) = window.last(date).tomorrow() else { break };
                        date = next;
                    }
                }
            }
        }
        rows
    }

    /// The start of every calendar day from the first one in any window of the days, and the end of the last day. A day that the
    /// zone skipped has a start too, the same as the next day's: windows count calendar days.
    fn edges(&self, calendar: &Calendar, days: &[DayBounds]) -> Vec<Edge> {
        let (Some(first), Some(last)) = (self.first(days), days.last()) else { return Vec::new() };
        let mut date = first;
        let mut edges = Vec::new();
        while date <= last.date {
            edges.push(Edge::at(calendar.start_of(date), date));
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        edges.push(Edge::at(last.end, date));
        edges
    }

    /// For each reading a tally for each of the days.
    pub async fn answer(
        &self,
        executor: &mut Executor<'_>,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<Vec<Vec<Tally>>, Fault> {
        let mut activity = Activity::new(executor.dialect(), schema, self.sources, &self.rows, self.column)?;
        let edges = self.edges(executor.calendar(), days);
        if let (Some(first), Some(last)) = (edges.first(), edges.last()) {
            activity.test_other_texts(executor, (*first, *last)).await?;
        }
        let mut tallies = vec![Vec::with_capacity(days.len()); self.windows.len()];
        let (mut rest, mut days_at_once) = (days, days.len());
        while !rest.is_empty() {
            let (run, later) = rest.split_at(days_at_once.min(rest.len()));
            let sql = self.statement_of(&activity, executor.calendar(), run);
            match executor.answers(&sql).await {
                // A single day has one row.
                Ok(answers) if answers.len() > MAX_ANSWERS && run.len() > 1 => days_at_once = run.len() / 2,
                Ok(answers) => {
                    self.add(&mut tallies, run, &answers)?;
                    rest = later;
                }
                // Distinct counts of parts of a window do not add up, but each day's window may be read on its own.
                Err(fault) if fault.class != FaultClass::TimedOut => return Err(fault),
                Err(fault) => {
                    if let Some(source) = activity.without_index()
                        && !executor.is_over()
                        && !executor
                            .reads_a_range(&self.of_last_day(&activity, executor.calendar(), run))
                            .await?
                    {
                        return Err(without_index(source, fault));
                    }
                    if executor.is_over() || !self.can_be_halved(run) {
                        return Err(fault);
                    }
                    days_at_once = run.len() / 2;
                }
            }
        }
        Ok(tallies)
    }

    fn of_last_day(&self, activity: &Activity<'_>, calendar: &Calendar, days: &[DayBounds]) -> String {
        self.statement_of(activity, calendar, &days[days.len().saturating_sub(1)..])
    }

    /// Whether fewer days mean fewer rows: not where the window is nearly all that is read. (A source without an index is
    /// read whole each time.)
    fn can_be_halved(&self, days: &[DayBounds]) -> bool {
        days.len() >= (self.longest() as usize / 2).max(2)
    }

    fn add(&self, tallies: &mut [Vec<Tally>], days: &[DayBounds], answers: &[SpanRow]) -> Result<(), Fault> {
        let numbers = answers.iter().map(|(_, values)| {
            values.iter().map(|value| parse_count(value.as_deref())).collect::<Result<Vec<_>, _>>()
        });
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        let windows = self.different_windows();
        for (tallies, window) in tallies.iter_mut().zip(&self.windows) {
            match days {
                [day] => {
                    let start = window.first(day.date);
                    let place =
                        self.starts(day.date).iter().position(|other| *other == start).unwrap_or_default();
                    let count = numbers.first().and_then(|counts| counts.get(place));
                    tallies.push(Tally::Count(count.copied().unwrap_or_default()));
                }
                days => {
                    let number = windows.binary_search(window).unwrap_or_default() + 1;
                    tallies.extend(self.counts(days, number, &numbers));
                }
            }
        }
        Ok(())
    }

    /// The running sums of the window of that number, from answers as [`Self::statement`] describes them.
    fn counts(&self, days: &[DayBounds], window: usize, numbers: &[Vec<i64>]) -> Vec<Tally> {
        let window = i64::try_from(window).unwrap_or(i64::MAX);
        let first = self.first(days).unwrap_or_default();
        let mut changes: BTreeMap<i64, i64> = BTreeMap::new();
        for number in numbers {
            match *number.as_slice() {
                [0, day, actors] => *changes.entry(day).or_default() += actors,
                [of, day, actors] if of == window => *changes.entry(day).or_default() -= actors,
                _ => {}
            }
        }
        let mut changes = changes.into_iter().peekable();
        let mut count = 0;
        let tally = |day: &DayBounds| {
            let day = i64::from((day.date - first).get_days()) + 1;
            while let Some((_, change)) = changes.next_if(|(of, _)| *of <= day) {
                count += change;
            }
            Tally::Count(count)
        };
        days.iter().map(tally).collect()
    }
}

/// `starts` are where the windows begin, the shortest first.
fn of_one_day(activity: &Activity<'_>, starts: &[Edge], end: Edge) -> String {
    let dialect = activity.dialect();
    // The longest first: an actor is in all windows up to the one that its latest time is in.
    let edges: Vec<_> = starts.iter().rev().copied().collect();
    let [first, inner @ ..] = edges.as_slice() else { return String::new() };
    let range = (*first, end);
    if inner.is_empty() {
        let count = dialect.pack(&["count(*)".to_owned()]);
        let actors = union(&activity.selects(range, |_| String::new()));
        return format!("SELECT {}, {count} FROM (\n  {actors}) AS actors", zero(dialect));
    }
    let number = if dialect == Dialect::Postgres { "::int" } else { "" };
    let latest = |time: &TimeColumn| format!("({}){number} AS daymark_latest, ", time.bucket(inner));
    let activity = activity.selects(range, latest).join("\n  UNION ALL\n  ");
    let counts =
        (0..edges.len()).rev().map(|least| format!("count(*) FILTER (WHERE daymark_latest >= {least})"));
    let counts = dialect.pack(&counts.collect::<Vec<_>>());
    format!(
        "SELECT {}, {counts} FROM (\n  SELECT max(daymark_latest) AS daymark_latest FROM (\n  {activity}) AS activity\n  \
         GROUP BY daymark_actor) AS actors",
        zero(dialect)
    )
}

fn next(date: Date) -> Date {
    date.tomorrow().unwrap_or(date)
}

/// The rows of all parts, each once. UNION removes duplicates from within a part too; a single part has to say so itself.
fn union(parts: &[String]) -> String {
    match parts {
        [only] => only.replacen("SELECT", "SELECT DISTINCT", 1),
        _ => parts.join("\n  UNION\n  "),
    }
}

fn zero(dialect: Dialect) -> &'static str {
    if dialect == Dialect::Postgres { "0::int8" } else { "0" }
}
