//! The decisions that a starter file leaves to its reader, to take before the first backfill.

use crate::{
    config::{
        finding::Finding,
        recognise::{
            quantities::{Quantity, quantity, several_currencies},
            system_tables::application_tables,
        },
        resolve::Resolved,
        template::{
            candidates::{InspectedPlatform, SourceCandidates},
            options::StarterOptions,
        },
    },
    metric::{Definition, Measure},
    platform::Schema,
};

/// Returns the sentences, the most important first.
pub fn to_decide(
    candidates: &SourceCandidates,
    resolved: &Resolved,
    options: &StarterOptions,
    platform: InspectedPlatform,
) -> Vec<String> {
    let unreadable = unreadable_tables(platform.schema);
    let mut sentences = Vec::new();
    if resolved.definitions.is_empty() {
        sentences.push("No metric is recorded yet.".to_owned());
    }
    if unreadable > 0 {
        let tables = if unreadable == 1 { "1 table".to_owned() } else { format!("{unreadable} tables") };
        sentences.push(format!(
            "The platform's role may not read {tables}. Comments in the file have the statements by which their owner permits it; \
             then run `daymark init --force` again."
        ));
    }
    if options.time_zone == "UTC" {
        sentences.push("time_zone is \"UTC\": set it to the zone in which your days begin.".to_owned());
    }
    let flags = candidates.flags();
    if !flags.is_empty() && !options.without_flagged {
        sentences.push(format!(
            "These columns look like flags, but all rows count regardless of them: {}. If flagged rows should not count, remove \
             the `#` before `filter`.",
            flags.join(", ")
        ));
    }
    let ends = candidates.ends();
    if !ends.is_empty() {
        sentences.push(format!(
            "These columns look like the end of a row, but rows count as existing after it: {}. If they should not, remove the `#` \
             before `deleted_column`.",
            ends.join(", ")
        ));
    }
    sentences.extend(mixed_currencies(resolved, platform));
    let warnings = resolved.findings.iter().filter(|finding| !finding.is_error());
    let hidden = warnings.filter(|finding| finding.message.contains("row level security"));
    sentences.extend(hidden.map(|Finding { message, .. }| format!("{message}.")));
    let commented = candidates.empty.len()
        + candidates.further().len()
        + candidates.guessed.len()
        + candidates.copies.len();
    if commented + candidates.unusable.len() + resolved.left_out.len() > 0 {
        sentences.push(
            "Comments in the file explain what is left out: tables without rows or without a time, copies that may \
             be old, built-in metrics without a table."
                .to_owned(),
        );
    }
    sentences
}

/// The number of the application's tables that the platform's role may not read.
fn unreadable_tables(schema: &Schema) -> usize {
    application_tables(schema).iter().filter(|table| !table.readable).count()
}

/// A sentence for the metrics that add up or average amounts in several currencies, as those of a preset do.
fn mixed_currencies(resolved: &Resolved, platform: InspectedPlatform) -> Option<String> {
    let mixed = |definition: &Definition| {
        let (Measure::Sum { rows, column, .. } | Measure::Average { rows, column }) = &definition.measure
        else {
            return None;
        };
        let source = definition.sources.get(&rows.source)?;
        let table = platform.schema.of(source)?;
        quantity(table.column(column)?).filter(|kind| *kind != Quantity::Duration)?;
        let currency = several_currencies(table, platform.statistics.of(table))?;
        let mut filtered = source.filter.columns().chain(rows.filter.columns());
        (!filtered.any(|name| name == currency.name))
            .then(|| (definition.category.clone(), format!("`{}.{}`", rows.source, currency.name)))
    };
    let (metrics, mut columns): (Vec<_>, Vec<_>) = resolved.definitions.iter().filter_map(mixed).unzip();
    columns.dedup();
    (!metrics.is_empty()).then(|| {
        format!(
            "These metrics mix amounts in several currencies ({}): {}. A `filter` on one currency keeps them apart.",
            columns.join(", "),
            metrics.join(", ")
        )
    })
}
