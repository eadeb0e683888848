//! Distinct actors, or values of another column, in windows of days. The pairs of a day and an actor are read once for all
//! windows over the same rows: for many days as [`WindowChanges`] says. For a single day, each actor's latest active time
//! determines in which of the windows the actor is.

mod parameters;
mod window_changes;

use jiff::civil::Date;
pub use window_changes::WindowChanges;

use super::{
    activity::{Activity, union, union_all},
    dialect::Dialect,
    execute::Executor,
    parse::parse_counts,
    runs_of_days::ReadsRuns,
    session::SpanRow,
    span::Edge,
    time::TimeColumn,
};
use crate::{
    database::Fault,
    metric::{Calendar, DayBounds, Rows, Source, Tally, Window},
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
    /// Answers come as those of [`WindowChanges::statement`] for many days. For one day they are (0, [actors of each window, the
    /// shortest first]).
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

    /// The first day of any window of the days from `first` on.
    fn first(&self, first: &DayBounds) -> Date {
        self.windows.iter().map(|window| window.first(first.date)).min().unwrap_or(first.date)
    }

    /// The windows of the days from `first` on.
    fn changes(&self, first: &DayBounds) -> WindowChanges {
        WindowChanges::new(self.windows.iter().copied(), self.first(first))
    }

    /// For each reading a tally for each of the days.
    pub async fn answer(
        &self,
        executor: &mut Executor<'_>,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<Vec<Vec<Tally>>, Fault> {
        let mut activity = Activity::new(executor.dialect(), schema, self.sources, &self.rows, self.column)?;
        activity.test_other_texts(executor, days.first().map(|day| self.first(day)), days).await?;
        executor.read_runs(self, &activity, days).await
    }

    /// The count of the window that ends with the day, from the counts of a statement for one day.
    fn count_of_day(&self, window: Window, day: &DayBounds, numbers: &[Vec<i64>]) -> i64 {
        let start = window.first(day.date);
        let place = self.starts(day.date).iter().position(|other| *other == start);
        let count = numbers.first().and_then(|counts| counts.get(place.unwrap_or_default()));
        count.copied().unwrap_or_default()
    }
}

impl<'a> ReadsRuns for DistinctGroup<'a> {
    type Scans = Activity<'a>;

    fn statement_of(&self, activity: &Activity<'_>, calendar: &Calendar, days: &[DayBounds]) -> String {
        match days {
            [] => String::new(),
            [day] => {
                let end = Edge::at(day.end, next(day.date));
                let starts = self.starts(day.date).into_iter();
                let starts: Vec<_> = starts.map(|date| Edge::at(calendar.start_of(date), date)).collect();
                of_one_day(activity, &starts, end)
            }
            [first, .., last] => {
                let changes = self.changes(first);
                changes.statement(activity, &Edge::of_dates(calendar, self.first(first), last))
            }
        }
    }

    fn tallies(
        &self,
        _: &Activity<'_>,
        _: &Calendar,
        days: &[DayBounds],
        answers: &[SpanRow],
    ) -> Result<Vec<Vec<Tally>>, Fault> {
        let numbers = parse_counts(answers)?;
        let of_reading = |window: &Window| {
            let counts = match days {
                [] => Vec::new(),
                [day] => vec![self.count_of_day(*window, day, &numbers)],
                [first, ..] => self.changes(first).counts(*window, days.iter().map(|day| day.date), &numbers),
            };
            counts.into_iter().map(Tally::Count).collect()
        };
        Ok(self.windows.iter().map(of_reading).collect())
    }

    fn without_index<'b>(activity: &'b Activity<'a>) -> Option<&'b Source> {
        activity.without_index()
    }

    /// The days are not halved if nearly all rows that are read are in the window before them. (A source without an index is read whole each time.)
    fn can_be_halved(&self, days: &[DayBounds]) -> bool {
        days.len() >= (self.longest() as usize / 2).max(2)
    }
}

/// `starts` are where the windows begin, the shortest first.
fn of_one_day(activity: &Activity<'_>, starts: &[Edge], end: Edge) -> String {
    let dialect = activity.dialect();
    // The longest first: an actor is in all windows up to the one that its latest time is in.
    let edges: Vec<_> = starts.iter().rev().copied().collect();
    let [first, inner @ ..] = edges.as_slice() else { return String::new() };
    let range = (Some(*first), end);
    if inner.is_empty() {
        let count = dialect.pack(&["count(*)".to_owned()]);
        let actors = union(&activity.selects(range, |_| String::new()));
        return format!("SELECT {}, {count} FROM (\n  {actors}) AS actors", dialect.zero());
    }
    let number = if dialect == Dialect::Postgres { "::int" } else { "" };
    let latest = |time: &TimeColumn| format!("({}){number} AS daymark_latest, ", time.bucket(inner));
    let activity = union_all(&activity.selects(range, latest));
    let counts =
        (0..edges.len()).rev().map(|least| format!("count(*) FILTER (WHERE daymark_latest >= {least})"));
    let counts = dialect.pack(&counts.collect::<Vec<_>>());
    format!(
        "SELECT {}, {counts} FROM (\n  SELECT max(daymark_latest) AS daymark_latest FROM (\n  {activity}) AS activity\n  \
         GROUP BY daymark_actor) AS actors",
        dialect.zero()
    )
}

fn next(date: Date) -> Date {
    date.tomorrow().unwrap_or(date)
}
