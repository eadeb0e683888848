//! Writes the `daymark.toml` of `daymark init`: the recognised tables, the reasons why others are left out, and the
//! decisions to take before the first backfill.

mod proposal;
mod proposals;
mod sections;
mod survey;

use std::path::Path;

pub use survey::Decisions;

use crate::{
    config::{
        file::read_text,
        finding::Finding,
        presets::has_metric,
        recognise::system_tables::application_tables,
        resolve::{ResolveRequest, Resolved, resolve},
        settings::Preset,
        template::{
            proposal::Proposal,
            proposals::{MAX_PROPOSED, propose},
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
    /// The metrics that are recorded beside those of the preset.
    pub proposed: Vec<ProposedMetric>,
    /// How many metrics are in comments only.
    pub left: usize,
    pub found: FoundTables,
}

/// The findings in a platform that the user is asked to confirm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundTables {
    /// The tables that can be sources, the largest first.
    pub tables: Vec<String>,
    /// The table that has the users.
    pub users: Option<String>,
    /// Columns that look like flags.
    pub flags: Vec<String>,
}

/// A metric of the file, and why it is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedMetric {
    pub category: String,
    pub reason: String,
}

/// What decides about a starter file, apart from the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StarterOptions {
    /// The most metrics beside those of the preset.
    pub most: usize,
    pub time_zone: String,
    pub decisions: Decisions,
    /// Whether rows with a flag are left out.
    pub without_flagged: bool,
}

impl Default for StarterOptions {
    fn default() -> Self {
        Self {
            most: MAX_PROPOSED,
            time_zone: "UTC".to_owned(),
            decisions: Decisions::default(),
            without_flagged: false,
        }
    }
}

/// Writes the file. `platform_url` is the configured URL, if the file is to contain it.
pub fn starter_file(
    schema: &Schema,
    detected: &DetectedFormats,
    statistics: &Statistics,
    platform_url: Option<&DatabaseUrl>,
    options: &StarterOptions,
) -> StarterFile {
    let mut survey = Survey::of(schema, detected, statistics, &options.decisions);
    let preset = if survey.knows_nothing() { "none" } else { "community" };
    let head = head(platform_url, preset, &options.time_zone);
    let resolve = |body: &str| resolved(&format!("{head}{body}"), preset, schema, detected);
    let of_preset = resolve(&write_survey(&survey)).definitions;
    propose(&mut survey, statistics, &of_preset, options.most);
    let mut body = write_survey(&survey);
    if options.without_flagged {
        body = body.replace("\n# filter = ", "\nfilter = ");
    }
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
        to_decide: to_decide(&survey, &resolved, options, unreadable_tables(schema)),
        proposed: survey.taken().map(ProposedMetric::from).collect(),
        left: survey.left(),
        found: FoundTables {
            tables: survey.tables(),
            users: survey.actors.as_ref().map(|actors| actors.table.name.clone()),
            flags: survey.flags(),
        },
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
            schema.of(source)
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

impl From<&Proposal> for ProposedMetric {
    fn from(proposal: &Proposal) -> Self {
        Self { category: proposal.category.clone(), reason: proposal.reason.clone() }
    }
}

/// The number of the application's tables that the platform's role may not read.
fn unreadable_tables(schema: &Schema) -> usize {
    application_tables(schema).iter().filter(|table| !table.readable).count()
}

fn to_decide(
    survey: &Survey,
    resolved: &Resolved,
    options: &StarterOptions,
    unreadable: usize,
) -> Vec<String> {
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
    let flags = survey.flags();
    if !flags.is_empty() && !options.without_flagged {
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
