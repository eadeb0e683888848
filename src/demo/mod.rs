//! A platform to try Daymark on: a simulated community in one SQLite file. It plays the application, not Daymark, so
//! it alone has SQL of its own outside `platform/` and `store/`.

mod chance;
mod day_of_life;
mod ledger;
mod platform;
mod simulation;
mod tour;
mod words;

pub use ledger::{DayLedger, Departure, Rows};
pub use simulation::Simulation;
pub use tour::{Audience, ComparedDay, Tour, tour};
