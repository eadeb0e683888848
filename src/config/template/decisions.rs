//! What was decided about a platform before its file is written.

/// The decisions that cannot be read from a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    pub users: UserTable,
    /// Tables that come first, the most important one before the others.
    pub content: Vec<String>,
}

/// The table of those who use the platform.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum UserTable {
    /// The one that is recognised, if there is one.
    #[default]
    Recognised,
    Named(String),
    /// There is none.
    Missing,
}
