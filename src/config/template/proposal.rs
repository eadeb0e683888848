//! A metric that the starter file proposes.

use crate::config::recognise::names::title;

/// The pass over the sources that takes columns which neither a name nor a type suggests.
pub const LAST_PASS: u8 = 5;

/// A metric that is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    pub category: String,
    /// The keys of its section, one a line.
    keys: String,
    pub reason: String,
    /// Whether the file records it; otherwise it is a comment.
    pub is_taken: bool,
    /// Which of the passes over the sources takes it, the lowest first.
    pub pass: u8,
}

impl Proposal {
    pub fn new(category: String, pass: u8, keys: &[(&str, String)], reason: String) -> Self {
        let mut all: Vec<_> = keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        all.push(format!("display_name = {}\n", quoted(&title(&category))));
        Self { category, keys: all.concat(), reason, is_taken: false, pass }
    }

    /// The section of the file, without the reason.
    pub fn section(&self) -> String {
        format!("[metrics.{}]\n{}", self.category, self.keys)
    }
}

/// The text as a string of TOML.
pub fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}
