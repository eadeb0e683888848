//! Adapts the metrics of the preset to the sources that were found on a platform.

use std::collections::BTreeMap;

use crate::{
    config::{
        file::declaration::{Formula, MetricDeclaration, RatioSide},
        finding::Located,
        presets::{PLACE, preset_metrics},
        resolve::catalogue::SourceCatalogue,
    },
    platform::ColumnType,
};

/// The possible columns of a metric, of which the first that exists is used, with the column's unit if it differs from
/// the metric's.
struct ColumnChoice {
    category: &'static str,
    of: &'static str,
    sources: &'static [&'static str],
    columns: &'static [(&'static str, Option<&'static str>)],
    numeric: bool,
}

const COLUMN_CHOICES: [ColumnChoice; 3] = [
    ColumnChoice {
        category: "track_duration",
        of: "duration",
        sources: &["tracks"],
        columns: &[
            ("duration_seconds", None),
            ("duration_secs", None),
            ("duration_sec", None),
            ("duration_s", None),
            ("length_seconds", None),
            ("duration_ms", Some("milliseconds")),
            ("duration_millis", Some("milliseconds")),
            ("milliseconds", Some("milliseconds")),
            ("duration", None),
        ],
        numeric: true,
    },
    ColumnChoice {
        category: "top_tracks",
        of: "track",
        sources: &["plays"],
        columns: &[
            ("track_title", None),
            ("track_name", None),
            ("track_id", None),
            ("song_id", None),
            ("track", None),
            ("song", None),
        ],
        numeric: false,
    },
    ColumnChoice {
        category: "top_genres",
        of: "genre",
        sources: &["tracks", "posts"],
        columns: &[("genre", None), ("genre_name", None), ("main_genre", None), ("genre_id", None)],
        numeric: false,
    },
];

/// The preset's metrics for one platform.
pub struct Fitted {
    pub metrics: Vec<MetricDeclaration>,
    /// The reasons why metrics cannot be used on this platform, by category.
    pub unfit: BTreeMap<String, String>,
}

/// Adapts the preset to the sources in the catalogue.
pub fn fitted(catalogue: &SourceCatalogue) -> Fitted {
    let mut unfit = BTreeMap::new();
    let mut metrics = preset_metrics();
    for metric in &mut metrics {
        let fit = match COLUMN_CHOICES.iter().find(|choice| choice.category == metric.category) {
            Some(choice) => choose_column(metric, choice, catalogue),
            None => keep_active_sources(&mut metric.formula, catalogue),
        };
        if let Err(reason) = fit {
            unfit.insert(metric.category.clone(), reason);
        }
    }
    Fitted { metrics, unfit }
}

fn choose_column(
    metric: &mut MetricDeclaration,
    choice: &ColumnChoice,
    catalogue: &SourceCatalogue,
) -> Result<(), String> {
    for source in choice.sources {
        let Some(recognised) = catalogue.ready(source) else { continue };
        for (name, unit) in choice.columns {
            let fits = |column_type| {
                !choice.numeric || matches!(column_type, ColumnType::Integer | ColumnType::Number)
            };
            let column =
                recognised.table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
            let Some(column) = column.filter(|column| fits(column.column_type)) else { continue };
            metric.formula.sources = Some(Located::new(vec![(*source).to_owned()], PLACE));
            metric.formula.column = Some(Located::new(column.name.clone(), PLACE));
            metric.unit = unit.map(str::to_owned).or_else(|| metric.unit.take());
            return Ok(());
        }
    }
    let known: Vec<_> =
        choice.sources.iter().filter(|source| catalogue.ready(source).is_some()).copied().collect();
    Err(match known.is_empty() {
        true => catalogue.reason(choice.sources[0]),
        false => format!("no column of the {} was found in {}", choice.of, known.join(" or ")),
    })
}

/// Removes sources that are missing or have no actor column from the numerator of a ratio of actors.
fn keep_active_sources(formula: &mut Formula, catalogue: &SourceCatalogue) -> Result<(), String> {
    let Some(Located { value: RatioSide::Measure(numerator), .. }) = &mut formula.numerator else {
        return Ok(());
    };
    let Some(sources) = &mut numerator.sources else { return Ok(()) };
    let acts = |name: &String| {
        catalogue.ready(name).is_some_and(|recognised| recognised.source.actor_column.is_some())
    };
    sources.value.retain(acts);
    if sources.value.is_empty() {
        numerator.sources = None;
        let reason = "no table with an actor column was found (posts, comments, tracks, likes or follows)";
        return Err(reason.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_of_a_column_belongs_to_a_metric_of_the_preset() {
        for choice in &COLUMN_CHOICES {
            assert!(preset_metrics().iter().any(|metric| metric.category == choice.category));
        }
    }
}
