//! The statements of distinct counts in a function of the database, which are written for every day.

use super::{DistinctGroup, of_one_day};
use crate::{
    database::Fault,
    metric::{CalendarPeriod, Window},
    platform::{
        planner::{activity::Activity, day_parameter::DayParameter, dialect::Dialect},
        schema::Schema,
    },
};

impl DistinctGroup<'_> {
    /// As [`Self::statement`] for one day, which the parameters of the statements name: a statement for all windows of days, and one
    /// for each period of the calendar, whose length depends on the day.
    pub fn statements_of_parameters(&self, schema: &Schema) -> Result<Vec<String>, Fault> {
        let activity = Activity::new(Dialect::Postgres, schema, self.sources, &self.rows, self.column)?;
        let end = DayParameter::EndOfDate.into();
        let lengths = self.lengths();
        let starts: Vec<_> =
            lengths.iter().map(|length| DayParameter::Start { days_before: length - 1 }.into()).collect();
        let of_days = (!starts.is_empty()).then(|| of_one_day(&activity, &starts, end));
        let of_periods = self.periods().into_iter();
        let of_periods =
            of_periods.map(|period| of_one_day(&activity, &[DayParameter::StartOf(period).into()], end));
        Ok(of_days.into_iter().chain(of_periods).collect())
    }

    /// For each reading its statement among [`Self::statements_of_parameters`], and the place of its window among the counts of that.
    pub fn places_of_parameters(&self) -> Vec<(usize, usize)> {
        let (lengths, periods) = (self.lengths(), self.periods());
        let place = |window: &Window| match window {
            Window::Days(days) => (0, lengths.binary_search(days).unwrap_or_default()),
            Window::ToDate(period) => {
                let before = usize::from(!lengths.is_empty());
                (before + periods.binary_search(period).unwrap_or_default(), 0)
            }
        };
        self.windows.iter().map(place).collect()
    }

    /// The lengths of windows of days, each once, the shortest first.
    fn lengths(&self) -> Vec<u32> {
        let days = |window| if let Window::Days(days) = window { Some(days) } else { None };
        self.different_windows().into_iter().filter_map(days).collect()
    }

    /// The periods of the calendar, each once.
    fn periods(&self) -> Vec<CalendarPeriod> {
        let period = |window| if let Window::ToDate(period) = window { Some(period) } else { None };
        self.different_windows().into_iter().filter_map(period).collect()
    }
}
