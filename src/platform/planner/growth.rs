//! How the actors of a window of days compare with those of the window of the same length before it. With `A(n)` the distinct actors
//! of the `n` days that end with the day, those who churned are `A(2w) − A(w)`, because they are in the two windows together and
//! not in the later one; the retained ones are the others of the earlier window. A range of days therefore needs nothing but
//! distinct counts, of the windows and of pairs of windows, which one pass gives.
//!
//! For a single day, each actor's latest active time and whether the actor is in the earlier window are enough.

use jiff::{ToSpan, civil::Date};

use super::{
    activity::{Activity, union_all},
    day_boundaries::DayBoundaries,
    dialect::Dialect,
    distinct::WindowChanges,
    execute::Executor,
    parse::parse_counts,
    runs_of_days::ReadsRuns,
    session::SpanRow,
    span::Edge,
    time::TimeColumn,
};
use crate::{
    database::Fault,
    metric::{Calendar, DayBounds, GrowthCounts, Rows, Source, Tally, Window},
    platform::{contract::Sources, schema::Schema},
};

/// Readings of the same rows.
pub struct GrowthGroup<'a> {
    pub rows: Vec<&'a Rows>,
    pub sources: &'a Sources,
    /// For each reading the length of its window in days, the shortest first. The list is not empty.
    pub windows: Vec<u32>,
}

impl GrowthGroup<'_> {
    /// Answers come as those of [`WindowChanges::statement`] for many days. For one day they are (0, [the actors of the window, those in
    /// both windows, those in the earlier window only, of each reading]).
    pub fn statement(
        &self,
        dialect: Dialect,
        schema: &Schema,
        calendar: &Calendar,
        days: &[DayBounds],
    ) -> Result<String, Fault> {
        let activity = Activity::new(dialect, schema, self.sources, &self.rows, None)?;
        Ok(self.statement_of(&activity, calendar, days))
    }

    /// As [`Self::statement`] for one day, which the parameters of the statement name.
    pub fn statement_of_parameters(&self, schema: &Schema) -> Result<String, Fault> {
        let activity = Activity::new(Dialect::Postgres, schema, self.sources, &self.rows, None)?;
        Ok(self.of_one_day(&activity, &DayBoundaries::of_parameters(self.boundaries())))
    }

    fn longest(&self) -> u32 {
        self.windows.iter().copied().max().unwrap_or(1)
    }

    /// The windows in words, for plans.
    pub fn described(&self) -> String {
        let described: Vec<_> = self.windows.iter().map(|days| Window::Days(*days).described()).collect();
        format!("{} and the days before", described.join(", "))
    }

    /// The first day of the earlier window of any reading.
    fn first(&self, day: &DayBounds) -> Date {
        day.date.saturating_sub((2 * i64::from(self.longest()) - 1).days())
    }

    /// The windows, and each of them together with the one before it.
    fn changes(&self, first: &DayBounds) -> WindowChanges {
        let windows = self.windows.iter().flat_map(|days| [Window::Days(*days), Window::Days(2 * days)]);
        WindowChanges::new(windows, self.first(first))
    }

    /// How many days before the day the windows begin.
    fn boundaries(&self) -> Vec<u32> {
        self.windows.iter().flat_map(|days| [days - 1, 2 * days - 1]).collect()
    }

    fn of_one_day(&self, activity: &Activity<'_>, boundaries: &DayBoundaries) -> String {
        let dialect = activity.dialect();
        let part = |time: &TimeColumn| format!("{} AS daymark_part, ", boundaries.part_of(dialect, time));
        let active = union_all(&activity.selects(boundaries.all(), part));
        let (mut of_actor, mut counts) = (vec!["max(daymark_part) AS daymark_latest".to_owned()], Vec::new());
        for (place, days) in self.windows.iter().enumerate() {
            let (earlier, window) = (boundaries.part(2 * days - 1), boundaries.part(days - 1));
            of_actor.push(format!(
                "max(CASE WHEN daymark_part >= {earlier} AND daymark_part < {window} THEN 1 ELSE 0 END) AS daymark_before{place}"
            ));
            let is_in = format!("daymark_latest >= {window}");
            let was_in = format!("daymark_before{place} = 1");
            counts.extend([
                format!("count(*) FILTER (WHERE {is_in})"),
                format!("count(*) FILTER (WHERE {is_in} AND {was_in})"),
                format!("count(*) FILTER (WHERE daymark_latest < {window} AND {was_in})"),
            ]);
        }
        format!(
            "SELECT {}, {} FROM (\n  SELECT {} FROM (\n  {active}) AS activity\n  GROUP BY daymark_actor) AS actors",
            dialect.zero(),
            dialect.pack(&counts),
            of_actor.join(", ")
        )
    }

    /// For each reading a tally for each of the days.
    pub async fn answer(
        &self,
        executor: &mut Executor<'_>,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<Vec<Vec<Tally>>, Fault> {
        let mut activity = Activity::new(executor.dialect(), schema, self.sources, &self.rows, None)?;
        activity.test_other_texts(executor, days.first().map(|day| self.first(day)), days).await?;
        executor.read_runs(self, &activity, days).await
    }

    fn of_days(&self, days: &[DayBounds], window: u32, numbers: &[Vec<i64>]) -> Vec<GrowthCounts> {
        let [first, ..] = days else { return Vec::new() };
        let changes = self.changes(first);
        let counts = |length: u32, days_before: u32| {
            let dates = days.iter().map(|day| day.date.saturating_sub(i64::from(days_before).days()));
            changes.counts(Window::Days(length), dates, numbers)
        };
        let (active, before) = (counts(window, 0), counts(window, window));
        let either = counts(2 * window, 0);
        let growth_counts = active.into_iter().zip(before).zip(either);
        growth_counts
            .map(|((active, before), either)| {
                let churned = either - active;
                GrowthCounts { active, retained: before - churned, churned }
            })
            .collect()
    }
}

impl<'a> ReadsRuns for GrowthGroup<'a> {
    type Scans = Activity<'a>;

    fn statement_of(&self, activity: &Activity<'_>, calendar: &Calendar, days: &[DayBounds]) -> String {
        match days {
            [] => String::new(),
            [day] => self.of_one_day(activity, &DayBoundaries::of_day(calendar, day, self.boundaries())),
            [first, .., last] => {
                let edges = Edge::of_dates(calendar, self.first(first), last);
                self.changes(first).statement(activity, &edges)
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
        let of_reading = |(place, window): (usize, &u32)| {
            let growth_counts = match days {
                [_] => vec![of_day(&numbers, place)],
                days => self.of_days(days, *window, &numbers),
            };
            growth_counts.into_iter().map(Tally::Growth).collect()
        };
        Ok(self.windows.iter().enumerate().map(of_reading).collect())
    }

    fn without_index<'b>(activity: &'b Activity<'a>) -> Option<&'b Source> {
        activity.without_index()
    }

    /// The days are not halved if nearly all rows that are read are in the windows before them.
    fn can_be_halved(&self, days: &[DayBounds]) -> bool {
        days.len() >= (self.longest() as usize).max(2)
    }
}

fn of_day(numbers: &[Vec<i64>], place: usize) -> GrowthCounts {
    let counts = numbers.first().and_then(|counts| counts.get(3 * place..3 * place + 3));
    match counts {
        Some(&[active, retained, churned]) => GrowthCounts { active, retained, churned },
        _ => GrowthCounts::default(),
    }
}
