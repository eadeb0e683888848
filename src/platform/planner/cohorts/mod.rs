//! Cohorts: the actors of a day, and how many of them are active later. An actor belongs to the cohort of the day with the actor's
//! first row, or to those of all days with a row of the source that cohorts are taken from.
//!
//! The database finds the first rows and answers with counts for each day, so that nothing here grows with the number of actors.

mod answer;
mod group;
mod one_day;
mod range;

pub use group::{CohortCount, CohortGroup};
pub use one_day::tallies_as_json;
