//! Distinct actors in windows of days. However many windows are asked for over the same rows, the pairs of a day and an
//! actor are read once.
//!
//! For many days, each active day of an actor fills the windows of the days that follow, up to the actor's next active day.
//! The database counts the active days by day and by their distance to the next one; what a window of `w` days counts
//! begins with the active day and ends `w` days later, or at the next active day if that comes first. The count of a day is
//! the running sum of such intervals begun less intervals ended, so that a window of 30 days costs no more than one of 2.
//!
//! For a single day, each actor's latest active time tells in which of the windows the actor is.

use std::collections::BTreeMap;

use jiff::ToSpan;

use super::{
    dialect::{Dialect, where_all},
    execute::Executor,
    parse::parse_count,
    scan::without_index,
    session::Answer,
    span::Edge,
    time::TimeColumn,
};
use crate::{
    database::{Fault, FaultClass},
    metric::{Calendar, DayBounds, Rows, Source, Tally},
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
        match days {
            [] => Ok(String::new()),
            [day] => self.of_one_day(dialect, schema, calendar, day),
            days => self.of_days(dialect, schema, calendar, days),
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

    fn of_one_day(
        &self,
        dialect: Dialect,
        schema: &Schema,
        calendar: &Calendar,
        day: &DayBounds,
    ) -> Result<String, Fault> {
        let lengths = self.lengths();
        let end = Edge { instant: day.end, date: next(day.date) };
        // Where each window begins, the longest first: an actor is in all windows up to the one that its latest time is in.
        let edges: Vec<_> = lengths.iter().rev().map(|length| first_of(calendar, day, *length)).collect();
        let (first, inner) = (edges[0], &edges[1..]);
        let range = (first, end);
        if inner.is_empty() {
            let activity = self.activity(dialect, schema, range, |_| String::new())?;
            let count = dialect.pack(&["count(*)".to_owned()]);
            let actors = union(&activity);
            return Ok(format!("SELECT {}, {count} FROM (\n  {actors}) AS actors", zero(dialect)));
        }
        let number = if dialect == Dialect::Postgres { "::int" } else { "" };
        let latest = |time: &TimeColumn| format!("({}){number} AS daymark_latest, ", time.bucket(inner));
        let activity = self.activity(dialect, schema, range, latest)?.join("\n  UNION ALL\n  ");
        let counts = (0..lengths.len())
            .rev()
            .map(|least| format!("count(*) FILTER (WHERE daymark_latest >= {least})"));
        let counts = dialect.pack(&counts.collect::<Vec<_>>());
        Ok(format!(
            "SELECT {}, {counts} FROM (\n  SELECT max(daymark_latest) AS daymark_latest FROM (\n  {activity}) AS activity\n  \
             GROUP BY daymark_actor) AS actors",
            zero(dialect)
        ))
    }

    fn of_days(
        &self,
        dialect: Dialect,
        schema: &Schema,
        calendar: &Calendar,
        days: &[DayBounds],
    ) -> Result<String, Fault> {
        let edges = self.edges(calendar, days);
        let (Some(first), Some(last)) = (edges.first(), edges.last()) else { return Ok(String::new()) };
        let inner = &edges[..edges.len() - 1];
        let day = |time: &TimeColumn| format!("{} AS daymark_day, ", time.bucket(inner));
        let active = union(&self.activity(dialect, schema, (*first, *last), day)?);
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
        Ok(format!(
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
        ))
    }

    /// For each source a SELECT of the column that `first_column` writes, and of the actor.
    fn activity(
        &self,
        dialect: Dialect,
        schema: &Schema,
        (first, last): (Edge, Edge),
        first_column: impl Fn(&TimeColumn) -> String,
    ) -> Result<Vec<String>, Fault> {
        let cast = self.actor_types_differ(schema);
        let of_rows = |rows: &Rows| {
            let missing =
                |what: &str| Fault::new(FaultClass::Other, format!("source `{}` has no {what}", rows.source));
            let source = self.sources.get(&rows.source).ok_or_else(|| missing("definition"))?;
            let actor = dialect.name(source.actor_column.as_deref().ok_or_else(|| missing("actor_column"))?);
            let time = TimeColumn::new(dialect, source, dialect.name(&source.time_column))?;
            let shown = if cast { format!("CAST({actor} AS text)") } else { actor.clone() };
            let filter = dialect.filter(&source.filter.and(&rows.filter)).unwrap_or_default();
            let (between, present) = (time.between(Some(first), last), format!("{actor} IS NOT NULL"));
            let conditions = where_all([between.as_str(), &present, &filter]);
            let (column, table) = (first_column(&time), dialect.table(source));
            Ok(format!("SELECT {column}{shown} AS daymark_actor\n  FROM {table}{conditions}"))
        };
        self.rows.iter().map(|rows| of_rows(rows)).collect()
    }

    /// Whether ids are of different types (a uuid here, text there) and have to be compared as text.
    fn actor_types_differ(&self, schema: &Schema) -> bool {
        let types: Vec<_> = self
            .rows
            .iter()
            .filter_map(|rows| {
                let source = self.sources.get(&rows.source)?;
                let table = schema.table(source.schema.as_deref(), &source.table)?;
                Some(&table.column(source.actor_column.as_deref()?)?.type_name)
            })
            .collect();
        types.windows(2).any(|pair| pair[0] != pair[1])
    }

    /// The start of every calendar day from the first one in the first day's longest window, and the end of the last day. A
    /// day that the zone skipped has a start too, the same as the next day's: windows count calendar days.
    fn edges(&self, calendar: &Calendar, days: &[DayBounds]) -> Vec<Edge> {
        let (Some(first), Some(last)) = (days.first(), days.last()) else { return Vec::new() };
        let mut date = first_of(calendar, first, self.longest()).date;
        let mut edges = Vec::new();
        while date <= last.date {
            edges.push(Edge { instant: calendar.start_of(date), date });
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        edges.push(Edge { instant: last.end, date });
        edges
    }

    /// For each reading a tally for each of the days.
    pub async fn answer(
        &self,
        executor: &mut Executor<'_>,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<Vec<Vec<Tally>>, Fault> {
        let mut tallies = vec![Vec::with_capacity(days.len()); self.windows.len()];
        let (mut rest, mut days_at_once) = (days, days.len());
        while !rest.is_empty() {
            let (run, later) = rest.split_at(days_at_once.min(rest.len()));
            let sql = self.statement(executor.dialect(), schema, executor.calendar(), run)?;
            match executor.answers(&sql).await {
                Ok(answers) => {
                    self.add(&mut tallies, run, &answers)?;
                    rest = later;
                }
                // Distinct counts of parts of a window do not add up, but each day's window may be read on its own.
                Err(fault) if fault.class == FaultClass::TimedOut && self.can_be_halved(schema, run) => {
                    days_at_once = run.len() / 2;
                }
                Err(fault) => return Err(self.advised(schema, fault, executor.is_over())),
            }
        }
        Ok(tallies)
    }

    /// Whether fewer days mean fewer rows: not where a source without an index is read whole each time, nor where the window
    /// is nearly all that is read.
    fn can_be_halved(&self, schema: &Schema, days: &[DayBounds]) -> bool {
        let least = (self.longest() as usize / 2).max(2);
        days.len() >= least && self.without_index(schema).is_none()
    }

    /// A source whose time column has no index.
    fn without_index(&self, schema: &Schema) -> Option<&Source> {
        let sources = self.rows.iter().filter_map(|rows| self.sources.get(&rows.source));
        let is_indexed = |source: &&Source| {
            let table = schema.table(source.schema.as_deref(), &source.table);
            let column = table.and_then(|table| table.column(&source.time_column));
            column.is_some_and(|column| column.indexed)
        };
        sources.into_iter().find(|source| !is_indexed(source))
    }

    fn advised(&self, schema: &Schema, fault: Fault, is_over: bool) -> Fault {
        match self.without_index(schema) {
            Some(source) if fault.class == FaultClass::TimedOut && !is_over => without_index(source, fault),
            _ => fault,
        }
    }

    fn add(&self, tallies: &mut [Vec<Tally>], days: &[DayBounds], answers: &[Answer]) -> Result<(), Fault> {
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
    Edge { instant: calendar.start_of(date), date }
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
