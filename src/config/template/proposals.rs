//! Proposes metrics for the sources of a survey, each with its reason: how many rows there are, who is active, the mean of money
//! and durations, and how rows spread over the few values of a column.

use std::collections::BTreeSet;

use crate::{
    config::{
        presets::{known_sources::known_sources, preset_metrics},
        recognise::dimensions::{Quantity, dimension, quantity},
        template::{
            proposal::{Proposal, quoted},
            sections::about,
            survey::{OfferedSource, Survey},
        },
    },
    metric::{Definition, Measure},
    platform::{Statistics, TableStatistics},
};

/// The most metrics, beside those of the preset, that a file records unless all are requested: a line each of a screen.
pub const MAX_PROPOSED: usize = 24;
/// For how many tables the numbers of rows are proposed before anything else about them is.
const TABLES_FIRST: usize = 6;
/// The most sources that activity is counted in.
const MAX_ACTIVITY_SOURCES: usize = 12;

/// Adds proposals to the survey, and takes as many as `limit`. `defined` are the metrics of the preset.
pub fn propose(survey: &mut Survey, statistics: &Statistics, defined: &[Definition], limit: usize) {
    let mut names: BTreeSet<_> = defined.iter().map(|definition| definition.category.clone()).collect();
    names.extend(preset_metrics().into_iter().map(|metric| metric.category));
    survey.active = active(survey, &mut names);
    for found in survey.sources_mut() {
        found.metrics.extend(numbers_of_rows(found, &mut names));
        let of_table = statistics.of(found.recognised.table);
        found.metrics.extend(quantities(found, defined, &mut names));
        found.metrics.extend(breakdowns(found, of_table, defined, &mut names));
    }
    take(survey, limit);
}

/// Takes proposals in passes: who is active, the rows of the largest tables, one average and one breakdown of each of these, the
/// rows of the other tables, and what is left.
fn take(survey: &mut Survey, limit: usize) {
    let mut left = limit;
    let mut take_one = |proposal: &mut Proposal| {
        proposal.is_taken = left > 0;
        left = left.saturating_sub(1);
        proposal.is_taken
    };
    survey.active.iter_mut().for_each(|proposal| {
        take_one(proposal);
    });
    let first = survey.known.len() + TABLES_FIRST;
    for pass in 1..=4_u8 {
        for (place, found) in survey.sources_mut().enumerate() {
            let is_first = place < first;
            let has_rows = found.metrics.iter().all(|metric| metric.pass != 1 || metric.is_taken);
            for metric in found.metrics.iter_mut().filter(|metric| !metric.is_taken) {
                let is_due = match pass {
                    1 => is_first && metric.pass == 1,
                    2 => is_first && has_rows && metric.pass == 2,
                    3 => metric.pass == 1,
                    _ => has_rows,
                };
                if is_due && !take_one(metric) {
                    return;
                }
            }
        }
    }
}

fn numbers_of_rows(found: &OfferedSource, names: &mut BTreeSet<String>) -> Vec<Proposal> {
    let source = &found.name;
    let reason = match found.rows.filter(|rows| *rows > 0) {
        Some(rows) => format!("`{source}` has a time of creation and {}", about(rows)),
        None => format!("`{source}` has a time of creation"),
    };
    let of = |suffix: &str, measure: &str| {
        let category = format!("{source}_{suffix}");
        let keys = [("measure", quoted(measure)), ("source", quoted(source))];
        Proposal::new(category, 1, &keys, reason.clone())
    };
    // The preset has the numbers that matter of its own sources, but not how many users are new.
    let proposals = match known_sources().any(|known| known == source) {
        true if source == "users" => vec![of("created", "created")],
        true => Vec::new(),
        false => vec![of("total", "existing"), of("created", "created")],
    };
    proposals.into_iter().filter(|proposal| names.insert(proposal.category.clone())).collect()
}

/// The users that did something on the day, in a week and in a month, and how many of a month's are there each day.
fn active(survey: &Survey, names: &mut BTreeSet<String>) -> Vec<Proposal> {
    let Some(actors) = &survey.actors else { return Vec::new() };
    let acts = |found: &&OfferedSource| {
        found.recognised.source.actor_column.is_some() && found.recognised.table != actors.table
    };
    let sources: Vec<_> = survey.sources().filter(acts).map(|found| found.name.as_str()).collect();
    if sources.is_empty() {
        return Vec::new();
    }
    let names_of: Vec<_> = sources.iter().take(MAX_ACTIVITY_SOURCES).map(|name| quoted(name)).collect();
    let list = format!("[{}]", names_of.join(", "));
    let noun = &actors.name;
    let reason = format!("{}; rows of {} name who made them", actors.reason, listed(&sources));
    let of_window = |word: &str, days: u32| {
        let keys = [
            ("measure", quoted("distinct_actors")),
            ("sources", list.clone()),
            ("window_days", days.to_string()),
        ];
        Proposal::new(format!("{word}_active_{noun}"), 0, &keys, reason.clone())
    };
    let side =
        |days: u32| format!("{{ measure = \"distinct_actors\", sources = {list}, window_days = {days} }}");
    let keys = [("measure", quoted("ratio")), ("numerator", side(1)), ("denominator", side(30))];
    let stickiness = "of those who are active in a month, the share that is active on the day".to_owned();
    let all = [
        of_window("daily", 1),
        of_window("weekly", 7),
        of_window("monthly", 30),
        Proposal::new("stickiness".to_owned(), 0, &keys, stickiness),
    ];
    all.into_iter().filter(|proposal| names.insert(proposal.category.clone())).collect()
}

/// The names, or how many there are.
fn listed(names: &[&str]) -> String {
    match names.len() {
        0..=3 => names.join(", "),
        count => format!("{count} tables"),
    }
}

/// Sums and means of money, means and 95th percentiles of durations.
fn quantities(found: &OfferedSource, defined: &[Definition], names: &mut BTreeSet<String>) -> Vec<Proposal> {
    let (table, source) = (found.recognised.table, &found.name);
    let is_defined = |name: &str| {
        defined.iter().any(|definition| matches!(&definition.measure, Measure::Average { rows, column } if rows.source == *source && column == name))
    };
    let mut proposals = Vec::new();
    for column in table.columns.iter().filter(|column| !is_defined(&column.name)) {
        let Some(kind) = quantity(column) else { continue };
        let (what, measures) = match kind {
            Quantity::Money => ("money", [("sum", "sum"), ("average", "average")]),
            Quantity::Duration => ("a duration", [("average", "average"), ("p95", "quantile")]),
        };
        let pass = if proposals.is_empty() { 2 } else { 4 };
        for (suffix, measure) in measures {
            let Some(category) = name_of(&[source, &column.name, suffix], names) else { continue };
            let mut keys = vec![
                ("measure", quoted(measure)),
                ("source", quoted(source)),
                ("column", quoted(&column.name)),
            ];
            if measure == "quantile" {
                keys.push(("quantile", "0.95".to_owned()));
            }
            let reason = format!("`{source}.{}` is {what}", column.name);
            proposals.push(Proposal::new(category, pass, &keys, reason));
        }
    }
    proposals
}

fn breakdowns(
    found: &OfferedSource,
    statistics: Option<&TableStatistics>,
    defined: &[Definition],
    names: &mut BTreeSet<String>,
) -> Vec<Proposal> {
    let (table, source) = (found.recognised.table, &found.name);
    let is_defined = |name: &str| {
        defined.iter().any(|definition| matches!(&definition.measure, Measure::Breakdown(breakdown) if breakdown.rows.source == *source && breakdown.column == name))
    };
    let mut proposals = Vec::new();
    for column in table.columns.iter().filter(|column| !is_defined(&column.name)) {
        let Some(values) = dimension(column, statistics) else { continue };
        let pass = if proposals.is_empty() { 2 } else { 4 };
        let Some(category) = name_of(&[source, "by", &column.name], names) else { continue };
        let keys =
            [("measure", quoted("breakdown")), ("source", quoted(source)), ("column", quoted(&column.name))];
        let reason = format!("`{source}.{}` has {values} different values", column.name);
        proposals.push(Proposal::new(category, pass, &keys, reason));
    }
    proposals
}

/// The words as a name of a metric, if there is none of that name yet and it may be one.
fn name_of(words: &[&str], names: &mut BTreeSet<String>) -> Option<String> {
    let words: Vec<_> = words.iter().flat_map(|word| crate::config::recognise::names::words(word)).collect();
    let name = words.join("_");
    (crate::metric::is_name(&name) && names.insert(name.clone())).then_some(name)
}
