//! What decides about a starter file, apart from the platform.

use crate::config::{
    settings::Preset,
    template::{decisions::Decisions, proposals::MAX_PROPOSED},
};

/// What decides about a starter file, apart from the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StarterOptions {
    /// The preset; `None` for the one that fits the platform best.
    pub preset: Option<Preset>,
    /// The most metrics beside those of the preset.
    pub most: usize,
    pub time_zone: String,
    pub decisions: Decisions,
    /// Whether rows with a flag are left out.
    pub without_flagged: bool,
}

impl Default for StarterOptions {
    fn default() -> Self {
        Self {
            preset: None,
            most: MAX_PROPOSED,
            time_zone: "UTC".to_owned(),
            decisions: Decisions::default(),
            without_flagged: false,
        }
    }
}
