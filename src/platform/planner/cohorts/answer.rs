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

    /// For each reading a tally for each of the days.
    pub async fn answer(
        &self,
        executor: &mut Executor<'_>,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<Vec<Vec<Tally>>, Fault> {
        let mut activity = self.activity(executor.dialect(), schema)?;
        activity.test_other_texts(executor, days.first().map(|day| self.first(day.date)), days).await?;
        executor.read_runs(self, &activity, days).await
    }
}

impl<'a> ReadsRuns for CohortGroup<'a> {
    type Scans = CohortActivity<'a>;

    fn statement_of(&self, activity: &CohortActivity<'_>, calendar: &Calendar, days: &[DayBounds]) -> String {
        match days {
            [] => String::new(),
            [day] => self.of_one_day(activity, &self.boundaries_of(calendar, day)),
            [first, .., last] => {
                self.of_range(activity, &Edge::of_dates(calendar, self.first(first.date), last))
            }
        }
    }

    fn tallies(
        &self,
        _: &CohortActivity<'_>,
        _: &Calendar,
        days: &[DayBounds],
        answers: &[SpanRow],
    ) -> Result<Vec<Vec<Tally>>, Fault> {
        let numbers = parse_counts(answers)?;
        if let [_] = days {
            let counts = numbers.first().map_or(&[][..], Vec::as_slice);
            return Ok(one_day::tallies(&self.wanted, counts).into_iter().map(|tally| vec![tally]).collect());
        }
        let by_day: BTreeMap<i64, Vec<i64>> = numbers
            .into_iter()
            .filter_map(|numbers| Some((*numbers.first()?, numbers[1..].to_vec())))
            .collect();
        Ok(self.of_days(days, &by_day))
    }

    fn without_index<'b>(activity: &'b CohortActivity<'a>) -> Option<&'b Source> {
        let cohort = activity.cohort.as_ref().and_then(Activity::without_index);
        cohort.or_else(|| activity.active.without_index())
    }

    /// The days are not halved if nearly all rows that are read are from before the first day.
    fn can_be_halved(&self, days: &[DayBounds]) -> bool {
        days.len() >= (self.days_before() as usize / 2).max(2)
    }
}
