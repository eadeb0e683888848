//! Lists the limits of reconstructing a past day from the present rows.

use std::collections::BTreeSet;

use crate::metric::{Breakdown, Definition, Measure, Phase, Rows};

/// Returns one sentence for each limit that applies to any of the definitions.
pub fn reconstruction_caveats<'a>(definitions: impl Iterator<Item = &'a Definition>) -> Vec<String> {
    let (mut sources, mut soft) = (BTreeSet::new(), BTreeSet::new());
    let (mut current, mut queries) = (BTreeSet::new(), BTreeSet::new());
    for definition in definitions {
        for (name, source) in &definition.sources {
            sources.insert(name.as_str());
            current.extend(source.filter.columns().map(|column| format!("{name}.{column}")));
        }
        for rows in existing(&definition.measure) {
            let deleted =
                definition.sources.get(&rows.source).and_then(|source| source.deleted_column.as_ref());
            soft.extend(deleted.map(|column| format!("{}.{column}", rows.source)));
        }
        columns(&definition.measure, &mut current);
        if matches!(definition.measure, Measure::Sql { .. }) {
            queries.insert(definition.category.as_str());
        }
    }
    let mut limits = Vec::new();
    if !sources.is_empty() {
        let names: Vec<_> = sources.into_iter().collect();
        limits.push(format!(
            "Rows that were deleted from {} are missing in every reconstructed day.",
            list(&names)
        ));
    }
    if !soft.is_empty() {
        let soft: Vec<_> = soft.into_iter().collect();
        limits.push(format!("Soft-deleted rows are counted up to their {}.", list(&soft)));
    }
    if !current.is_empty() {
        let columns: Vec<_> = current.into_iter().collect();
        limits.push(format!("The present values of {} are used, not those of the past day.", list(&columns)));
    }
    if !queries.is_empty() {
        let names: Vec<_> = queries.into_iter().collect();
        limits.push(format!("The queries of {} see the present rows only.", list(&names)));
    }
    limits
}

/// The rows that are counted until they are soft-deleted. All other measures count a row on its day whether it is soft-deleted or not.
fn existing(measure: &Measure) -> Vec<&Rows> {
    match measure {
        Measure::Existing(rows)
        | Measure::Sum { rows, phase: Phase::Existing, .. }
        | Measure::Breakdown(Breakdown { rows, phase: Phase::Existing, .. }) => vec![rows],
        Measure::Ratio { numerator, denominator } => [existing(numerator), existing(denominator)].concat(),
        _ => Vec::new(),
    }
}

/// The columns, apart from times, on which a measure's value depends.
fn columns(measure: &Measure, found: &mut BTreeSet<String>) {
    let mut filtered = |rows: &Rows| {
        found.extend(rows.filter.columns().map(|column| format!("{}.{column}", rows.source)));
    };
    match measure {
        Measure::Created(rows) | Measure::Existing(rows) => filtered(rows),
        Measure::Distinct { rows, column, .. } => {
            rows.iter().for_each(filtered);
            let of_sources =
                rows.iter().filter_map(|rows| Some(format!("{}.{}", rows.source, column.as_ref()?)));
            found.extend(of_sources);
        }
        Measure::Growth { rows, .. } => rows.iter().for_each(filtered),
        Measure::Retention(retention) => retention.all_rows().for_each(filtered),
        Measure::Average { rows, column }
        | Measure::Sum { rows, column, .. }
        | Measure::Minimum { rows, column }
        | Measure::Maximum { rows, column }
        | Measure::Quantile { rows, column, .. } => {
            filtered(rows);
            found.insert(format!("{}.{column}", rows.source));
        }
        Measure::Breakdown(Breakdown { rows, column, aggregate, .. }) => {
            filtered(rows);
            let all = std::iter::once(column.as_str()).chain(aggregate.column());
            found.extend(all.map(|column| format!("{}.{column}", rows.source)));
        }
        Measure::Ratio { numerator, denominator } => {
            columns(numerator, found);
            columns(denominator, found);
        }
        Measure::Sql { .. } => {}
    }
}

fn list(names: &[impl AsRef<str>]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::sample;

    #[test]
    fn hard_deletes_soft_deletes_and_changing_columns_have_separate_caveats() {
        let mut soft = sample::existing("posts_total").definition;
        soft.sources.get_mut("posts").unwrap().deleted_column = Some("deleted_at".to_owned());
        let rows = sample::rows();
        let average =
            sample::stored("length", Measure::Average { rows, column: "words".to_owned() }).definition;
        assert_eq!(
            reconstruction_caveats([&average].into_iter()),
            [
                "Rows that were deleted from `posts` are missing in every reconstructed day.",
                "The present values of `posts.words` are used, not those of the past day.",
            ]
        );
        assert_eq!(
            reconstruction_caveats([&soft].into_iter()),
            [
                "Rows that were deleted from `posts` are missing in every reconstructed day.",
                "Soft-deleted rows are counted up to their `posts.deleted_at`.",
            ]
        );
        assert!(reconstruction_caveats(std::iter::empty()).is_empty());
    }

    /// A soft-deleted row stays among those that were created on its day.
    #[test]
    fn soft_deletes_matter_to_existing_rows_only() {
        let (created, existing) = (Measure::Created(sample::rows()), Measure::Existing(sample::rows()));
        let ratio = |numerator: &Measure| Measure::Ratio {
            numerator: Box::new(numerator.clone()),
            denominator: Box::new(created.clone()),
        };
        for (measure, expected) in
            [(created.clone(), 1), (ratio(&created), 1), (ratio(&existing), 2), (existing.clone(), 2)]
        {
            let mut definition = sample::stored("posts", measure).definition;
            definition.sources.get_mut("posts").unwrap().deleted_column = Some("deleted_at".to_owned());
            assert_eq!(reconstruction_caveats([&definition].into_iter()).len(), expected, "{definition:?}");
        }
    }
}
