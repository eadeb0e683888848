//! The data that describes a demonstration's simulated platform. The module of each scenario simulates its days.

use crate::config::Preset;

pub struct Scenario {
    /// The preset whose metrics are recorded.
    pub preset: Preset,
    /// The statements that make the tables. Each has a column `created_at`.
    pub schema: &'static str,
    /// The tables with what one of their rows is called; first that of the accounts.
    pub tables: &'static [(&'static str, &'static str)],
    /// The statement that deletes the account with the most rows, and returns its name.
    pub departure: &'static str,
    pub story: Story,
    pub definition: ChangedDefinition,
}

/// The words of the story.
pub struct Story {
    /// What is simulated.
    pub subject: &'static str,
    /// A metric whose weeks are drawn, with the title.
    pub chart: (&'static str, &'static str),
    /// Metrics whose past days are shown beside their recount.
    pub histories: [&'static str; 2],
    /// What happened to the account `{name}`.
    pub departed: &'static str,
    /// Annotations of the day on which much happens, and of the days on which little does.
    pub viral: &'static str,
    pub outage: &'static str,
}

/// A metric that is defined through the API and changed later: its two definitions in JSON.
pub struct ChangedDefinition {
    pub category: &'static str,
    pub before: &'static str,
    pub after: &'static str,
    /// The annotation of the change.
    pub reason: &'static str,
}
