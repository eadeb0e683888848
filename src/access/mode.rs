//! Whether requests need credentials.

/// Whether requests need credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every request has all scopes. This mode requires a loopback address, a store on SQLite, no secret and no key set
    /// in the settings, and that no API key was ever created.
    Open,
    Required,
}
