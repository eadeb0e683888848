//! Which parts of an installation a check looks at.

/// What to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckScope {
    pub store: bool,
    /// Those that are in the store.
    pub definitions: bool,
    pub platform: bool,
}

impl CheckScope {
    pub const ALL: Self = Self { store: true, definitions: true, platform: true };
}
