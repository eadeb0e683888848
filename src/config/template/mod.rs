//! Writes the `daymark.toml` of `daymark init`: the recognised tables, the reasons why others are left out, and the
//! decisions to take before the first backfill.

mod actors;
mod candidates;
mod column_proposals;
mod decisions;
mod options;
mod proposal;
mod proposals;
mod sections;
mod source_section;
mod text;
mod to_decide;

use std::path::Path;

use candidates::InspectedPlatform;
pub use decisions::{Decisions, UserTable};
pub use options::StarterOptions;
use strum::IntoEnumIterator;

use crate::{
    config::{
        file::read_text,
        presets::{BuiltInSet, built_in},
        recognise::system_tables::application_tables,
        resolve::{ResolveRequest, Resolved, resolve},
        settings::Preset,
        template::{
            candidates::SourceCandidates,
            proposal::Proposal,
            proposals::propose,
            sections::{head, write_candidates},
            text::comment,
            to_decide::to_decide,
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
    pub preset: Preset,
    /// How many metrics of the preset are recorded.
    pub of_preset: usize,
    /// The tables that the preset reads, each with the name of its source where that is another one.
    pub known_tables: Vec<String>,
}

/// The findings in a platform that the user is asked to confirm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundTables {
    /// The tables that can be sources, the largest first.
    pub tables: Vec<String>,
    /// All tables of the application, which may be that of the users.
    pub all: Vec<String>,
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

/// Writes the file. `platform_url` is the configured URL, if the file is to contain it.
pub fn starter_file(
    schema: &Schema,
    detected: &DetectedFormats,
    statistics: &Statistics,
    platform_url: Option<&DatabaseUrl>,
    options: &StarterOptions,
) -> StarterFile {
    let platform = InspectedPlatform { schema, detected, statistics };
    let preset = options.preset.unwrap_or_else(|| best_preset(platform, options));
    let set = built_in(preset);
    let mut candidates = SourceCandidates::of(set, platform, &options.decisions);
    let head = head(platform_url, preset, &options.time_zone);
    let resolve = |body: &str| resolved(&format!("{head}{body}"), preset, schema, detected);
    let of_preset = resolve(&write_candidates(&candidates)).definitions;
    propose(&mut candidates, platform, set, &of_preset, options.most);
    let mut body = write_candidates(&candidates);
    if options.without_flagged {
        body = body.replace("\n# filter = ", "\nfilter = ");
    }
    let metrics = inactive_metrics(set, &resolve(&body).definitions, platform);
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
        to_decide: to_decide(&candidates, &resolved, options, platform),
        proposed: candidates.taken().map(ProposedMetric::from).collect(),
        left: candidates.left(),
        preset,
        of_preset: of_preset.len().saturating_sub(metrics.len()),
        known_tables: candidates.known_tables(),
        found: FoundTables {
            tables: candidates.tables(),
            all: application_tables(schema).iter().map(|table| table.name.clone()).collect(),
            users: candidates.actors.as_ref().map(|actors| actors.table.name.clone()),
            flags: candidates.flags(),
        },
        text: format!("{head}{}{body}", summary(&resolved, &metrics)),
    }
}

/// Returns the preset of which most metrics can be recorded from tables with rows; of equals the first.
fn best_preset(platform: InspectedPlatform, options: &StarterOptions) -> Preset {
    let InspectedPlatform { schema, detected, .. } = platform;
    let mut best = (0, Preset::None);
    for set in Preset::iter().filter_map(built_in) {
        let candidates = SourceCandidates::of(Some(set), platform, &options.decisions);
        // One table of such a name may mean something else.
        let is_of_the_kind =
            set.signature.iter().any(|name| candidates.has(name)) && candidates.known.len() > 1;
        if candidates.knows_nothing() || !is_of_the_kind {
            continue;
        }
        let mut definitions =
            resolved(&write_candidates(&candidates), set.preset, schema, detected).definitions;
        // These say nothing of further tables.
        definitions.retain(|definition| {
            !matches!(definition.measure, Measure::Retention(_) | Measure::Growth { .. })
        });
        // One more than the metrics, as a platform without rows is of that kind too.
        let fit = 1 + definitions.len() - inactive_metrics(Some(set), &definitions, platform).len();
        if fit > best.0 {
            best = (fit, set.preset);
        }
    }
    best.1
}

/// Returns the built-in metrics whose tables have no rows. They would be permanently recorded as 0, although the rows
/// may be in another table.
fn inactive_metrics(
    set: Option<&BuiltInSet>,
    definitions: &[Definition],
    platform: InspectedPlatform,
) -> Vec<String> {
    let InspectedPlatform { schema, statistics, .. } = platform;
    let Some(set) = set else { return Vec::new() };
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
        .filter(|definition| has_rows && set.has_metric(&definition.category))
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

fn resolved(text: &str, preset: Preset, schema: &Schema, detected: &DetectedFormats) -> Resolved {
    let file = read_text("daymark.toml", Path::new(""), text);
    resolve(ResolveRequest {
        declarations: &file.declarations,
        preset,
        tenant: crate::metric::DEFAULT_TENANT,
        time_zone: "UTC",
        week_start: jiff::civil::Weekday::Monday,
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
