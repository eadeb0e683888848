//! Lists the limits of reconstructing a past day from the present rows.

use std::collections::{BTreeMap, BTreeSet};

use crate::metric::{Breakdown, Definition, Measure, Rows};

/// Returns one sentence for each limit that applies to any of the definitions.
pub fn reconstruction_caveats<'a>(definitions: impl Iterator<Item = &'a Definition>) -> Vec<String> {
    let (mut sources, mut current, mut queries) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    for definition in definitions {
        for (name, source) in &definition.sources {
            sources.insert(name.as_str(), source.deleted_column.as_deref());
            current.extend(source.filter.columns().map(|column| format!("{name}.{column}")));
        }
        columns(&definition.measure, &mut current);
        if matches!(definition.measure, Measure::Sql { .. }) {
            queries.insert(definition.category.as_str());
        }
    }
    let mut limits = Vec::new();
    if !sources.is_empty() {
        let names: Vec<_> = sources.keys().copied().collect();
        limits.push(format!(
            "Rows that were deleted from {} are missing in every reconstructed day.",
            list(&names)
        ));
    }
    let soft: Vec<_> =
        sources.iter().filter_map(|(name, column)| Some(format!("{name}.{}", (*column)?))).collect();
    if !soft.is_empty() {
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
        Measure::Average { rows, column }
        | Measure::Sum { rows, column, .. }
        | Measure::Minimum { rows, column }
        | Measure::Maximum { rows, column }
        | Measure::Quantile { rows, column, .. } => {
            filtered(rows);
            found.insert(format!("{}.{column}", rows.source));
        }
        Measure::Breakdown(Breakdown { rows, column, fold, .. }) => {
            filtered(rows);
            let all = std::iter::once(column.as_str()).chain(fold.column());
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
}
