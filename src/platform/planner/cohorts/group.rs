//! The readings of cohorts that share a pass, and the rows that they read.

use jiff::{ToSpan, civil::Date};

use crate::{
    database::Fault,
    metric::{DayBounds, Rows, Window},
    platform::{
        contract::Sources,
        planner::{activity::Activity, dialect::Dialect, execute::Executor},
        schema::Schema,
    },
};

/// Readings of the same cohorts and the same activity.
pub struct CohortGroup<'a> {
    /// Where actors are active.
    pub rows: Vec<&'a Rows>,
    /// The rows that cohorts are taken from; `None` for the first rows of actors.
    pub cohort: Option<&'a Rows>,
    pub sources: &'a Sources,
    /// For each reading what it asks for. The list is not empty.
    pub wanted: Vec<CohortCount>,
}

/// A count of a day's cohorts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CohortCount {
    /// The cohort of the day that lies `after_days` days back, and those of it who are active in the window that ends with the day.
    Retention { after_days: u32, window_days: u32 },
    /// The cohorts of the window that ends with the day.
    Arrivals { window_days: u32 },
}

impl CohortCount {
    /// How many days before the day its first day is.
    pub(super) fn days_before(self) -> u32 {
        match self {
            Self::Retention { after_days, .. } => after_days,
            Self::Arrivals { window_days } => window_days - 1,
        }
    }

    /// From how many to how many days after the day of the cohort a retained actor is active.
    pub(super) fn active_days(self) -> Option<(i64, i64)> {
        match self {
            Self::Retention { after_days, window_days } => {
                Some((i64::from(after_days) - i64::from(window_days) + 1, i64::from(after_days)))
            }
            Self::Arrivals { .. } => None,
        }
    }

    fn described(self) -> String {
        match self {
            Self::Retention { after_days, window_days: 1 } => {
                format!("active after {}", Window::Days(after_days).described())
            }
            Self::Retention { after_days, window_days } => {
                format!("active in the last {window_days} of {after_days} days")
            }
            Self::Arrivals { window_days } => format!("all of {}", Window::Days(window_days).described()),
        }
    }
}

/// Where actors are active, and where their cohorts are taken from.
pub struct CohortActivity<'a> {
    pub(super) active: Activity<'a>,
    pub(super) cohort: Option<Activity<'a>>,
}

impl<'a> CohortGroup<'a> {
    pub(super) fn activity(&self, dialect: Dialect, schema: &Schema) -> Result<CohortActivity<'a>, Fault> {
        let mut active = Activity::new(dialect, schema, self.sources, &self.rows, None)?;
        let of_cohort = |cohort| Activity::new(dialect, schema, self.sources, &[cohort], None);
        let mut cohort = self.cohort.map(of_cohort).transpose()?;
        if let Some(cohort) = &mut cohort {
            cohort.align(&mut active);
        }
        Ok(CohortActivity { active, cohort })
    }

    /// What is counted, for plans.
    pub fn described(&self) -> String {
        let cohorts = match self.cohort {
            Some(cohort) => format!("cohorts of {}", cohort.source),
            None => "cohorts by first row".to_owned(),
        };
        let described: Vec<_> = self.wanted.iter().map(|wanted| wanted.described()).collect();
        format!("{cohorts}, {}", described.join(", "))
    }

    pub(super) fn days_before(&self) -> u32 {
        self.wanted.iter().map(|wanted| wanted.days_before()).max().unwrap_or_default()
    }

    /// The first day of any reading of the day.
    pub(super) fn first(&self, day: Date) -> Date {
        day.saturating_sub(i64::from(self.days_before()).days())
    }
}

impl CohortActivity<'_> {
    pub(super) fn dialect(&self) -> Dialect {
        self.active.dialect()
    }

    /// First rows are looked for in all of the past.
    pub(super) async fn test_other_texts(
        &mut self,
        executor: &mut Executor<'_>,
        first: Option<Date>,
        days: &[DayBounds],
    ) -> Result<(), Fault> {
        match &mut self.cohort {
            None => self.active.test_other_texts(executor, None, days).await,
            Some(cohort) => {
                cohort.test_other_texts(executor, first, days).await?;
                self.active.test_other_texts(executor, first, days).await
            }
        }
    }
}
