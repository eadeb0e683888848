//! Retention: the share of a cohort that is active some days later. A cohort is made of the actors of one day: those whose first row
//! is on it, or, where a source of cohorts is given, those who have a row of that source on it.

use serde::{Deserialize, Serialize};

use super::{Reading, Rows, Window, rows::described_rows};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Where an actor is active.
    pub rows: Vec<Rows>,
    /// The rows that put their actor into the cohort of their day; `None` for the actor's first row among `rows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort: Option<Rows>,
    /// How many calendar days the day of the cohort lies before the day that is recorded.
    pub after_days: u32,
    /// The calendar days that end with the day that is recorded, on any of which a retained actor is active.
    pub window_days: u32,
}

impl Retention {
    /// The most days between the cohort and the day that is recorded.
    pub const MAX_AFTER_DAYS: u32 = 366;

    /// Whether the window has the day of the cohort, on which everyone whose first row is on it is active.
    pub fn is_always_whole(&self) -> bool {
        self.cohort.is_none() && self.window_days > self.after_days
    }

    pub(super) fn readings(&self) -> Vec<Reading> {
        let Self { rows, cohort, after_days, window_days } = self.clone();
        vec![Reading::Retention { rows, cohort, after_days, window_days }]
    }

    /// All rows that are read, those of the cohort included.
    pub fn all_rows(&self) -> impl Iterator<Item = &Rows> {
        self.rows.iter().chain(&self.cohort)
    }

    pub(super) fn calculation(&self) -> String {
        let window = Window::Days(self.window_days).described();
        let before = match self.after_days {
            1 => "1 day before".to_owned(),
            days => format!("{days} days before"),
        };
        let (name, cohort) = match &self.cohort {
            Some(cohort) => ("rows", std::slice::from_ref(cohort)),
            None => ("first_rows", self.rows.as_slice()),
        };
        format!(
            "{} / {}",
            described_rows("distinct_actors", &self.rows, "", &window),
            described_rows(name, cohort, "", &before)
        )
    }
}
