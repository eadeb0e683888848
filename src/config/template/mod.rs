//! Writes the `daymark.toml` of `daymark init`: the recognised tables, the reasons why others are left out, and the
//! decisions to take before the first backfill.

mod sections;
mod survey;

use std::path::Path;

use crate::{
    config::{
        file::read_text,
        finding::Finding,
        presets::has_metric,
        resolve::{ResolveRequest, Resolved, resolve},
        settings::Preset,
        template::{
            sections::{comment, head, write_survey},
            survey::Survey,
        },
    },
    database::DatabaseUrl,
    metric::{Definition, Measure},
    platform::{DetectedFormats, Schema, Statistics},
};

/// The file that `daymark init` writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StarterFile {
    pub text: String,
    /// The decisions to take before the first backfill, one sentence each.
    pub to_decide: Vec<String>,
}

/// Writes the file. `platform_url` is the configured URL, if the file is to contain it.
pub fn starter_file(
    schema: &Schema,
    detected: &DetectedFormats,
    statistics: &Statistics,
    platform_url: Option<&DatabaseUrl>,
) -> StarterFile {
    let survey = Survey::of(schema, detected, statistics);
    let preset = if survey.knows_nothing() { "none" } else { "community" };
    let head = head(platform_url, preset);
    let mut body = write_survey(&survey);
    let resolve = |body: &str| resolved(&format!("{head}{body}"), preset, schema, detected);
    let metrics = inactive_metrics(&resolve(&body).definitions, schema, statistics);
    if !metrics.is_empty() {
        body.push_str(
            "\n# ---- Built in, but there are no rows yet ----\n# Remove a section when its table has rows.\n",
        );
    }
    for category in &metrics {
        body.push_str(&format!("\n[metrics.{category}]\nactive = false\n"));
    }
    let resolved = resolve(&body);
    StarterFile {
        to_decide: to_decide(&survey, &resolved),
        text: format!("{head}{}{body}", summary(&resolved, &metrics)),
    }
}

/// Returns the built-in metrics whose tables have no rows. They would be permanently recorded as 0, although the rows
/// may be in another table.
fn inactive_metrics(definitions: &[Definition], schema: &Schema, statistics: &Statistics) -> Vec<String> {
    let has_rows = schema.tables.iter().any(|table| !statistics.is_empty(table));
    let is_empty = |definition: &Definition, measure: &Measure| {
        let mut tables = measure.source_names().into_iter().filter_map(|name| {
            let source = definition.sources.get(name)?;
            schema.table(source.schema.as_deref(), &source.table)
        });
        tables.all(|table| statistics.is_empty(table))
    };
    definitions
        .iter()
        .filter(|definition| has_rows && has_metric(&definition.category))
        .filter(|definition| match &definition.measure {
            Measure::Ratio { numerator, denominator } => {
                is_empty(definition, numerator) || is_empty(definition, denominator)
            }
            measure => is_empty(definition, measure),
        })
        .map(|definition| definition.category.clone())
        .collect()
}

fn to_decide(survey: &Survey, resolved: &Resolved) -> Vec<String> {
    let mut sentences = vec!["time_zone is \"UTC\": set it to the zone in which your days begin.".to_owned()];
    let flags = survey.flags();
    if !flags.is_empty() {
        sentences.push(format!(
            "These columns look like flags, but all rows count regardless of them: {}. If flagged rows should not count, remove \
             the `#` before `filter`.",
            flags.join(", ")
        ));
    }
    let warnings = resolved.findings.iter().filter(|finding| !finding.is_error());
    let hidden = warnings.filter(|finding| finding.message.contains("row level security"));
    sentences.extend(hidden.map(|Finding { message, .. }| format!("{message}.")));
    let commented = survey.empty.len() + survey.further().len() + survey.copies.len();
    if commented + survey.unusable.len() + resolved.left_out.len() > 0 {
        sentences.push(
            "Comments in the file explain what is left out: tables without rows or without a time, copies that may \
             be old, built-in metrics without a table."
                .to_owned(),
        );
    }
    sentences
}

fn resolved(text: &str, preset: &str, schema: &Schema, detected: &DetectedFormats) -> Resolved {
    let file = read_text("daymark.toml", Path::new(""), text);
    let preset = if preset == "none" { Preset::None } else { Preset::Community };
    resolve(ResolveRequest {
        declarations: &file.declarations,
        preset,
        tenant: crate::metric::DEFAULT_TENANT,
        time_zone: "UTC",
        schema,
        detected,
    })
}

fn summary(resolved: &Resolved, inactive: &[String]) -> String {
    let mut text = String::new();
    if !resolved.definitions.is_empty() {
        let names: Vec<_> = resolved.definitions.iter().map(|metric| metric.category.as_str()).collect();
        text.push_str("\n# Recorded every day:\n");
        text.push_str(&comment(&format!("{}.", names.join(", "))));
    }
    let left_out: Vec<_> =
        resolved.left_out.iter().filter(|left_out| !inactive.contains(&left_out.category)).collect();
    if !left_out.is_empty() || !inactive.is_empty() {
        text.push_str("\n# Built in, but left out on this platform:\n");
    }
    for left_out in left_out {
        text.push_str(&comment(&format!("- {}: {}", left_out.category, left_out.reason)));
    }
    for category in inactive {
        text.push_str(&comment(&format!("- {category}: its tables have no rows")));
    }
    text
}
