//! A label that is looked for in what is recorded.

use serde_json::{Map, Value};

use crate::metric::replace_labels;

/// A label, the hash by which the store recognises it, and what replaces it.
pub(super) struct SoughtLabel<'a> {
    pub label: &'a str,
    pub hash: [u8; 32],
    pub placeholder: String,
}

impl SoughtLabel<'_> {
    /// Replaces the label in metadata, and returns whether it was there.
    pub fn replace_in(&self, metadata: &mut Map<String, Value>) -> bool {
        replace_labels(metadata, |label| (label == self.label).then(|| self.placeholder.clone()))
    }
}
