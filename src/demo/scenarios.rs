//! The scenario of each preset, and its days.

use super::{
    RowCounts,
    community::{self, COMMUNITY},
    saas::{self, SAAS},
    scenario::Scenario,
    shop::{self, SHOP},
    simulated_day::SimulatedDay,
};
use crate::config::Preset;

impl Scenario {
    /// The scenario of a preset; `None` where the preset has no metrics.
    pub fn of(preset: Preset) -> Option<&'static Self> {
        match preset {
            Preset::Community => Some(&COMMUNITY),
            Preset::Shop => Some(&SHOP),
            Preset::Saas => Some(&SAAS),
            Preset::None => None,
        }
    }

    /// Simulates one day, and returns the rows that were created on it.
    pub(super) async fn live(&self, day: SimulatedDay<'_>) -> Result<RowCounts, sqlx::Error> {
        match self.preset {
            Preset::Shop => shop::live(day).await,
            Preset::Saas => saas::live(day).await,
            Preset::Community | Preset::None => community::live(day).await,
        }
    }
}
