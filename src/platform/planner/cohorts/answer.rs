//! Runs the statements of cohorts and reads their answers.

use std::collections::BTreeMap;

use super::{
    group::{CohortActivity, CohortGroup},
    one_day,
};
use crate::{
    database::Fault,
    metric::{Calendar, DayBounds, Source, Tally},
    platform::{
        planner::{
            activity::Activity, dialect::Dialect, execute::Executor, parse::parse_counts,
            runs_of_days::ReadsRuns, session::SpanRow, span::Edge,
        },
        schema::Schema,
    },
};

impl CohortGroup<'_> {
    /// For many days, answers come as (0, [day, actors of its cohort, those of them who are retained, for each reading that asks for
    /// it]). Days count from 1, at the first day of any reading. For one day they are (0, [the counts of each reading]): the actors
    /// of the cohort and those of them who are retained, or the arrivals.
    pub fn statement(
        &self,
        dialect: Dialect,
        schema: &Schema,
        calendar: &Calendar,
        days: &[DayBounds],
    ) -> Result<String, Fault> {
        Ok(self.statement_of(&self.activity(dialect, schema)?, calendar, days))
    }

    fn statement_of(&self, activity: &CohortActivity<'_>, calendar: &Calendar, days: &[DayBounds]) -> String {
        match days {
            [] => String::new(),
            [day] => self.of_one_day(activity, &self.boundaries_of(calendar, day)),
            [first, .., last] => {
                self.of_range(activity, &Edge::of_dates(calendar, self.first(first.date), last))
            }
        }
    }

    /// For each reading a tally for each of the days.
    pub async fn answer(
        &self,
        executor: &mut Executor<'_>,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<Vec<Vec<Tally>>, Fault> {
        let mut activity = self.activity(executor.dialect(), schema)?;
        let first = days.first().map(|day| self.first(day.date));
        activity.test_other_texts(executor, first, days).await?;
        let tallies = vec![Vec::with_capacity(days.len()); self.wanted.len()];
        let mut reading = CohortReading { group: self, activity, tallies };
        executor.read_runs(&mut reading, days).await?;
        Ok(reading.tallies)
    }
}

/// One call of [`CohortGroup::answer`].
struct CohortReading<'a> {
    group: &'a CohortGroup<'a>,
    activity: CohortActivity<'a>,
    tallies: Vec<Vec<Tally>>,
}

impl ReadsRuns for CohortReading<'_> {
    fn statement(&self, calendar: &Calendar, days: &[DayBounds]) -> String {
        self.group.statement_of(&self.activity, calendar, days)
    }

    fn add(&mut self, days: &[DayBounds], answers: &[SpanRow]) -> Result<(), Fault> {
        let numbers = parse_counts(answers)?;
        match days {
            [_] => {
                let counts = numbers.first().map_or(&[][..], Vec::as_slice);
                let of_day = one_day::tallies(&self.group.wanted, counts);
                for (tallies, tally) in self.tallies.iter_mut().zip(of_day) {
                    tallies.push(tally);
                }
            }
            days => {
                let by_day: BTreeMap<i64, Vec<i64>> = numbers
                    .into_iter()
                    .filter_map(|numbers| Some((*numbers.first()?, numbers[1..].to_vec())))
                    .collect();
                for (tallies, of_reading) in self.tallies.iter_mut().zip(self.group.of_days(days, &by_day)) {
                    tallies.extend(of_reading);
                }
            }
        }
        Ok(())
    }

    fn without_index(&self) -> Option<&Source> {
        let cohort = self.activity.cohort.as_ref().and_then(Activity::without_index);
        cohort.or_else(|| self.activity.active.without_index())
    }

    /// The days are not halved if nearly all rows that are read are from before the first day.
    fn can_be_halved(&self, days: &[DayBounds]) -> bool {
        days.len() >= (self.group.days_before() as usize / 2).max(2)
    }
}
