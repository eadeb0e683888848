//! The built-in metrics. Each preset is a file of declarations, with the tables and the columns that it looks for on a platform.

mod built_in_set;
pub mod column_choice;
mod community;
pub mod known_source;
pub mod known_sources;
mod saas;
mod shop;

pub use built_in_set::BuiltInSet;

use crate::config::settings::Preset;

/// Returns the metrics of a preset; `None` for the preset that adds none.
pub fn built_in(preset: Preset) -> Option<&'static BuiltInSet> {
    match preset {
        Preset::Community => Some(&community::COMMUNITY),
        Preset::Shop => Some(&shop::SHOP),
        Preset::Saas => Some(&saas::SAAS),
        Preset::None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_have_no_problems() {
        for (preset, metrics) in [(Preset::Community, 15), (Preset::Shop, 15), (Preset::Saas, 12)] {
            let set = built_in(preset).unwrap();
            let read = set.read();
            assert_eq!(read.problems, []);
            assert_eq!(read.declarations.metrics.len(), metrics, "{}", set.place);
            for metric in &read.declarations.metrics {
                assert!(metric.display_name.is_some() && metric.description.is_some(), "{}", metric.category);
                assert!(metric.format_pattern.is_some(), "{}", metric.category);
            }
            for metric in &read.declarations.derived {
                assert!(metric.display_name.is_some() && metric.description.is_some(), "{}", metric.category);
            }
        }
    }

    #[test]
    fn what_a_preset_chooses_belongs_to_its_metrics_and_sources() {
        for preset in [Preset::Community, Preset::Shop, Preset::Saas] {
            let set = built_in(preset).unwrap();
            let is_known = |name: &str| set.source_names().any(|known| known == name);
            let metrics = set.metrics();
            for choice in set.columns {
                assert!(
                    metrics.iter().any(|metric| metric.category == choice.category),
                    "{}",
                    choice.category
                );
                assert!(choice.sources.iter().all(|name| is_known(name)), "{}", choice.category);
            }
            assert!(set.moments.iter().all(|moment| set.source(moment.of).is_some()));
            assert!(set.conditions.iter().all(|condition| is_known(condition.source)));
            assert!(!set.signature.is_empty() && set.signature.iter().all(|name| is_known(name)));
            for name in metrics
                .iter()
                .filter_map(|metric| metric.formula.sources.as_ref())
                .flat_map(|names| &names.value)
            {
                assert!(is_known(name), "{name}");
            }
        }
    }
}
