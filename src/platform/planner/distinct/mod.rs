//! Distinct actors in windows of days. The pairs of a day and an actor are read once for all windows over the same
//! rows.
//!
//! For many days, each active day of an actor fills the windows of the days that follow, up to the actor's next active day.
//! The database counts the active days by day and by their distance to the next one; what a window of `w` days counts
//! begins with the active day and ends `w` days later, or at the next active day if that comes first. The count of a day is
//! the running sum of such intervals begun less intervals ended, so that a window of 30 days costs no more than one of 2.
//!
//! For a single day, each actor's latest active time determines in which of the windows the actor is.

mod activity;

use std::collections::BTreeMap;

use activity::Activity;
use jiff::ToSpan;

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
    metric::{Calendar, DayBounds, Rows, Tally},
    platform::{contract::Sources, schema::Schema},
};

/// Readings of distinct actors of the same rows.
pub struct DistinctGroup<'a> {
    pub rows: Vec<&'a Rows>,
    pub sources: &'a Sources,
    /// For each reading the length of its window in days. The list is not empty.
    pub windows: Vec<u32>,
}

impl DistinctGroup<'_> {
    /// Answers come as (0, [window, day, actors]) for many days: that many active days begin on the day (of window 0), or
    /// leave the window on the day. Days count from 1, at the first day of the longest window. For one day they are
    /// (0, [actors of each window, the shortest first]).
    pub fn statement(
        &self,
        dialect: Dialect,
        schema: &Schema,
        calendar: &Calendar,
        days: &[DayBounds],
    ) -> Result<String, Fault> {
        let activity = Activity::new(dialect, schema, self.sources, &self.rows)?;
        Ok(self.statement_of(&activity, calendar, days))
    }

    fn statement_of(&self, activity: &Activity<'_>, calendar: &Calendar, days: &[DayBounds]) -> String {
        match days {
            [] => String::new(),
            [day] => {
                let end = Edge::at(day.end, next(day.date));
                self.of_one_day(activity, |length| first_of(calendar, day, length), end)
            }
            days => self.of_days(activity, calendar, days),
        }
    }

    fn longest(&self) -> u32 {
        self.windows.iter().copied().max().unwrap_or(1)
    }

    /// The windows' lengths as text for messages and plans.
    pub fn windows(&self) -> String {
        let lengths: Vec<_> = self.lengths().iter().map(u32::to_string).collect();
        lengths.join(", ")
    }

    /// The windows' lengths, each once, the shortest first.
    fn lengths(&self) -> Vec<u32> {
        let mut lengths = self.windows.clone();
        lengths.sort_unstable();
        lengths.dedup();
        lengths
    }

    /// As [`Self::statement`] for one day, which the parameters of the statement name.
    pub fn statement_of_parameters(&self, schema: &Schema) -> Result<String, Fault> {
        let activity = Activity::new(Dialect::Postgres, schema, self.sources, &self.rows)?;
        let first = |length: u32| DayParameter::Start { days_before: length - 1 }.into();
        Ok(self.of_one_day(&activity, first, DayParameter::EndOfDate.into()))
    }

    /// The place of each reading's window among the counts of a statement for one day.
    pub fn places(&self) -> Vec<usize> {
        let lengths = self.lengths();
        self.windows.iter().map(|window| lengths.binary_search(window).unwrap_or_default()).collect()
    }

    /// `first` is where a window of that many days begins.
    fn of_one_day(&self, activity: &Activity<'_>, first: impl Fn(u32) -> Edge, end: Edge) -> String {
        let (dialect, lengths) = (activity.dialect(), self.lengths());
        // Where each window begins, the longest first: an actor is in all windows up to the one that its latest time is in.
        let edges: Vec<_> = lengths.iter().rev().map(|length| first(*length)).collect();
        let (first, inner) = (edges[0], &edges[1..]);
        let range = (first, end);
        if inner.is_empty() {
            let count = dialect.pack(&["count(*)".to_owned()]);
            let actors = union(&activity.selects(range, |_| String::new()));
            return format!("SELECT {}, {count} FROM (\n  {actors}) AS actors", zero(dialect));
        }
        let number = if dialect == Dialect::Postgres { "::int" } else { "" };
        let latest = |time: &TimeColumn| format!("({}){number} AS daymark_latest, ", time.bucket(inner));
        let activity = activity.selects(range, latest).join("\n  UNION ALL\n  ");
        let counts = (0..lengths.len())
            .rev()
            .map(|least| format!("count(*) FILTER (WHERE daymark_latest >= {least})"));
        let counts = dialect.pack(&counts.collect::<Vec<_>>());
        format!(
            "SELECT {}, {counts} FROM (\n  SELECT max(daymark_latest) AS daymark_latest FROM (\n  {activity}) AS activity\n  \
             GROUP BY daymark_actor) AS actors",
            zero(dialect)
        )
    }

    fn of_days(&self, activity: &Activity<'_>, calendar: &Calendar, days: &[DayBounds]) -> String {
        let (dialect, edges) = (activity.dialect(), self.edges(calendar, days));
        let (Some(first), Some(last)) = (edges.first(), edges.last()) else { return String::new() };
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
        let lengths: Vec<_> = self.lengths().iter().map(|length| format!("({length})")).collect();
        let lengths = match dialect {
            Dialect::Postgres => format!("(VALUES {}) AS windows(daymark_window)", lengths.join(", ")),
            Dialect::Sqlite => {
                format!("(SELECT column1 AS daymark_window FROM (VALUES {}))", lengths.join(", "))
            }
        };
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
             SELECT daymark_window, daymark_day + {least}(daymark_gap, daymark_window), sum(daymark_actors)\n  \
             FROM gaps CROSS JOIN {lengths}\n  \
             GROUP BY daymark_window, daymark_day + {least}(daymark_gap, daymark_window)) AS changes",
            dialect.pack(&values)
        )
    }

    /// The start of every calendar day from the first one in the first day's longest window, and the end of the last day. A
    /// day that the zone skipped has a start too, the same as the next day's: windows count calendar days.
    fn edges(&self, calendar: &Calendar, days: &[DayBounds]) -> Vec<Edge> {
        let (Some(first), Some(last)) = (days.first(), days.last()) else { return Vec::new() };
        let mut date = first_of(calendar, first, self.longest()).date;
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
        let mut activity = Activity::new(executor.dialect(), schema, self.sources, &self.rows)?;
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
                        && !self.reads_ranges(executor, &activity, run).await?
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

    /// Whether the database would read the last of the days by an index, although none is known of: the source may be a view
    /// of an indexed table, or a query.
    async fn reads_ranges(
        &self,
        executor: &mut Executor<'_>,
        activity: &Activity<'_>,
        days: &[DayBounds],
    ) -> Result<bool, Fault> {
        let last = &days[days.len().saturating_sub(1)..];
        let plan = executor.explain(&self.statement_of(activity, executor.calendar(), last)).await?;
        Ok(executor.dialect().reads_a_range(&plan))
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
        let lengths = self.lengths();
        for (tallies, window) in tallies.iter_mut().zip(&self.windows) {
            match days {
                [_] => {
                    let place = lengths.binary_search(window).unwrap_or_default();
                    let count = numbers.first().and_then(|counts| counts.get(place));
                    tallies.push(Tally::Count(count.copied().unwrap_or_default()));
                }
                days => tallies.extend(self.counts(days, *window, &numbers)),
            }
        }
        Ok(())
    }

    /// The running sums of one window, from answers as [`Self::statement`] describes them.
    fn counts(&self, days: &[DayBounds], window: u32, numbers: &[Vec<i64>]) -> Vec<Tally> {
        let mut changes: BTreeMap<i64, i64> = BTreeMap::new();
        for number in numbers {
            match *number.as_slice() {
                [0, day, actors] => *changes.entry(day).or_default() += actors,
                [of, day, actors] if of == i64::from(window) => *changes.entry(day).or_default() -= actors,
                _ => {}
            }
        }
        let mut changes = changes.into_iter().peekable();
        let mut count = 0;
        let tally = |day: &DayBounds| {
            let day = i64::from((day.date - days[0].date).get_days()) + i64::from(self.longest());
            while let Some((_, change)) = changes.next_if(|(of, _)| *of <= day) {
                count += change;
            }
            Tally::Count(count)
        };
        days.iter().map(tally).collect()
    }
}

/// Where a window of that many days begins that ends with `day`.
fn first_of(calendar: &Calendar, day: &DayBounds, window_days: u32) -> Edge {
    let date = day.date.saturating_sub((i64::from(window_days) - 1).days());
    Edge::at(calendar.start_of(date), date)
}

fn next(date: jiff::civil::Date) -> jiff::civil::Date {
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
