//! A simulated community in one SQLite file, on which Daymark can be tried. This module acts as the application whose
//! database is recorded, so it is the only one outside `platform/` and `store/` that runs SQL.

mod incidents;
mod ledger;
mod period;
mod platform;
mod random;
mod simulated_day;
mod simulation;
mod texts;
mod tour;

pub use ledger::{DayLedger, Departure, RowCounts};
pub use period::Period;
pub use simulation::Simulation;
pub use tour::{Tour, TourProgress, tour};
