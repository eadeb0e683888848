//! The definition of a declared metric whose measure is resolved, with what the declaration leaves out.

use crate::{
    config::{
        file::declaration::MetricDeclaration, recognise::names::title, resolve::measures::MeasureBuilder,
    },
    metric::{Definition, JoinedColumn, Measure, MetricType, Source},
};

pub(super) fn definition(
    declaration: &MetricDeclaration,
    measure: Measure,
    joined: &[(String, JoinedColumn)],
    builder: &MeasureBuilder,
) -> Definition {
    // A count is never negative.
    let is_signed = declaration.formula.signed.as_ref().is_some_and(|signed| signed.value);
    let implied = match measure.makes().first() {
        Some(MetricType::Count) if is_signed => MetricType::Aggregate,
        first => first.copied().unwrap_or(MetricType::Count),
    };
    let metric_type = declaration.metric_type.as_ref().map_or(implied, |metric_type| metric_type.value);
    let sources = measure.source_names().into_iter();
    let sources =
        sources.filter_map(|name| Some((name.to_owned(), source(name, joined, builder)?))).collect();
    let or = |own: &Option<String>, default: &str| own.clone().unwrap_or_else(|| default.to_owned());
    let (unit, format_pattern) = unit_and_format(metric_type, &measure);
    Definition {
        metric_type,
        category: declaration.category.clone(),
        display_name: or(&declaration.display_name, &title(&declaration.category)),
        description: or(&declaration.description, ""),
        unit: or(&declaration.unit, unit),
        format_pattern: or(&declaration.format_pattern, format_pattern),
        dashboard: declaration.dashboard.clone().unwrap_or_default(),
        expected: declaration.expected.clone(),
        backfill: declaration.backfill.unwrap_or_default(),
        time_zone: builder.time_zone.to_owned(),
        measure,
        sources,
    }
}

/// The source of that name, with the columns that the metric reads through foreign keys.
fn source(name: &str, joined: &[(String, JoinedColumn)], builder: &MeasureBuilder) -> Option<Source> {
    let mut source = builder.catalogue.ready(name)?.source.clone();
    for (_, join) in joined.iter().filter(|(of, _)| of == name) {
        if !source.joined.contains(join) {
            source.joined.push(join.clone());
        }
    }
    // Metrics whose sources are equal are read together.
    source.joined.sort_by(|one, other| one.name.cmp(&other.name));
    Some(source)
}

/// The unit and the format of a metric that declares none.
fn unit_and_format(metric_type: MetricType, measure: &Measure) -> (&'static str, &'static str) {
    let is_column_value =
        matches!(measure, Measure::Minimum { .. } | Measure::Maximum { .. } | Measure::Quantile { .. });
    match metric_type {
        MetricType::Aggregate if !measure.has_labels() => ("", "0,0.00"),
        MetricType::Average if is_column_value => ("", "0,0.00"),
        MetricType::Count => ("count", "0,0"),
        MetricType::Average => ("average", "0,0.00"),
        MetricType::Percentage => ("percentage", "0.0"),
        MetricType::Aggregate => ("labels", "0,0"),
    }
}
