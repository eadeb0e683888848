//! The parts of an installation that a check covers.

/// The parts to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckScope {
    pub store: bool,
    /// Whether the definitions in the store are checked.
    pub definitions: bool,
    pub platform: bool,
    /// Whether every configured metric could be resolved, from tables that can be read. Otherwise they are not compared with the
    /// definitions in the store: `daymark apply`, which would be advised, would refuse them or switch off what cannot be read.
    pub resolved: bool,
}

impl CheckScope {
    pub const ALL: Self = Self { store: true, definitions: true, platform: true, resolved: true };
}
