//! The built-in metrics. Each preset is one file of declarations.

pub mod known_sources;

use std::path::Path;

use crate::config::{
    file::{declaration::MetricDeclaration, read_text},
    finding::Finding,
};

/// The place of the preset's declarations in messages.
pub const PLACE: &str = "the community preset";

/// Returns the preset's metrics.
pub fn preset_metrics() -> Vec<MetricDeclaration> {
    read_preset().0
}

/// Whether the preset has a metric of that name.
pub fn has_metric(category: &str) -> bool {
    preset_metrics().iter().any(|metric| metric.category == category)
}

/// Returns the preset's metrics, and the problems of its file; a test ensures that there are none.
fn read_preset() -> (Vec<MetricDeclaration>, Vec<Finding>) {
    let file = read_text(PLACE, Path::new(""), include_str!("community.toml"));
    (file.declarations.metrics, file.problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preset_has_no_problems() {
        let (metrics, problems) = read_preset();
        assert_eq!(problems, []);
        assert_eq!(metrics.len(), 15);
        for metric in &metrics {
            assert!(metric.display_name.is_some() && metric.description.is_some(), "{}", metric.category);
            assert!(metric.format_pattern.is_some(), "{}", metric.category);
        }
    }
}
