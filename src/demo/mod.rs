//! Simulated platforms in one SQLite file, on which Daymark can be tried: a community, a shop, software that accounts subscribe to. This
//! module acts as the application whose database is recorded, so it is the only one outside `platform/` and `store/` that runs SQL.

mod community;
mod incidents;
mod ledger;
mod period;
mod platform;
mod random;
mod saas;
mod scenario;
mod scenarios;
mod shop;
mod simulated_day;
mod simulation;
mod tour;

pub use community::COMMUNITY;
pub use ledger::{DayLedger, Departure, RowCounts};
pub use period::Period;
pub use saas::SAAS;
pub use scenario::{ChangedDefinition, Scenario, Story};
pub use shop::SHOP;
pub use simulation::Simulation;
pub use tour::{Tour, TourProgress, tour};
