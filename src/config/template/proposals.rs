//! Proposes metrics for the candidates, each with its reason: how many rows there are, who is active, and what their columns
//! have. Takes as many of them as fit a screen.

use std::collections::BTreeSet;

use crate::{
    config::{
        presets::BuiltInSet,
        template::{
            candidates::{InspectedPlatform, OfferedSource, SourceCandidates},
            column_proposals::ColumnProposals,
            proposal::{LAST_PASS, Proposal, quoted},
            text::about,
        },
    },
    metric::Definition,
};

/// The most metrics, beside those of the preset, that a file records unless all are requested: a line each of a screen.
pub const MAX_PROPOSED: usize = 24;
/// For how many tables the numbers of rows are proposed before anything else about them is.
const TABLES_FIRST: usize = 6;
/// The most sources that activity is counted in.
const MAX_ACTIVITY_SOURCES: usize = 12;

/// Adds proposals to the candidates, and takes as many as `limit`. `defined` are the metrics of the preset that the platform has.
pub fn propose(
    candidates: &mut SourceCandidates,
    platform: InspectedPlatform,
    set: Option<&BuiltInSet>,
    defined: &[Definition],
    limit: usize,
) {
    let mut names: BTreeSet<_> = defined.iter().map(|definition| definition.category.clone()).collect();
    if let Some(set) = set {
        names.extend(set.metrics().into_iter().map(|metric| metric.category));
        names.extend(set.derived().into_iter().map(|metric| metric.category));
    }
    candidates.active = active(candidates, &mut names);
    let actors = candidates.actors.as_ref().map(|actors| actors.table);
    for found in candidates.sources_mut() {
        found.metrics.extend(numbers_of_rows(found, &mut names));
        let of_columns = ColumnProposals { found, platform, actors, defined }.propose(&mut names);
        found.metrics.extend(of_columns);
    }
    take(candidates, limit);
}

/// Takes proposals in passes: who is active, the rows of the largest tables, one average and one breakdown of each of these, the
/// rows of the other tables, what is left, and at last what is only guessed.
fn take(candidates: &mut SourceCandidates, limit: usize) {
    let mut left = limit;
    let mut take_one = |proposal: &mut Proposal| {
        proposal.is_taken = left > 0;
        left = left.saturating_sub(1);
        proposal.is_taken
    };
    candidates.active.iter_mut().for_each(|proposal| {
        take_one(proposal);
    });
    let first = candidates.known.len() + TABLES_FIRST;
    for pass in 1..=LAST_PASS {
        for (place, found) in candidates.sources_mut().enumerate() {
            let is_first = place < first;
            let has_rows = found.metrics.iter().all(|metric| metric.pass != 1 || metric.is_taken);
            for metric in found.metrics.iter_mut().filter(|metric| !metric.is_taken) {
                let is_due = match pass {
                    1 => is_first && metric.pass == 1,
                    2 => is_first && has_rows && metric.pass == 2,
                    3 => metric.pass == 1,
                    4 => has_rows && metric.pass < LAST_PASS,
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
    let time = match &found.recognised.guess {
        Some(guess) => format!("`{source}` has times in `{}`, perhaps those of creation,", guess.column.name),
        None => format!("`{source}` has a time of creation"),
    };
    let reason = match found.rows.filter(|rows| *rows > 0) {
        Some(rows) => format!("{time} and {}", about(rows)),
        None => time.trim_end_matches(',').to_owned(),
    };
    let of = |suffix: &str, measure: &str| {
        let category = format!("{source}_{suffix}");
        let keys = [("measure", quoted(measure)), ("source", quoted(source))];
        Proposal::new(category, 1, &keys, reason.clone())
    };
    // The preset has the numbers that matter of its own sources, but not how many users are new.
    let proposals = match found.is_known {
        true if found.is_of_actors => vec![of("created", "created")],
        true => Vec::new(),
        false => vec![of("total", "existing"), of("created", "created")],
    };
    proposals.into_iter().filter(|proposal| names.insert(proposal.category.clone())).collect()
}

/// The users that did something on the day, in a week and in a month, how many of a month's are there each day, and how many stay.
fn active(candidates: &SourceCandidates, names: &mut BTreeSet<String>) -> Vec<Proposal> {
    let Some(actors) = &candidates.actors else { return Vec::new() };
    let acts = |found: &&OfferedSource| {
        found.recognised.source.actor_column.is_some()
            && found.recognised.table != actors.table
            && !found.is_of_people()
    };
    let sources: Vec<_> = candidates.sources().filter(acts).map(|found| found.name.as_str()).collect();
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
        retention(&list),
    ];
    all.into_iter().filter(|proposal| names.insert(proposal.category.clone())).collect()
}

/// How many of those who came are there four weeks later.
fn retention(sources: &str) -> Proposal {
    let keys = [
        ("measure", quoted("retention")),
        ("sources", sources.to_owned()),
        ("after_days", "28".to_owned()),
        ("window_days", "7".to_owned()),
    ];
    let reason = "of those who were active for the first time 28 days before, the share that is active in the last 7 days";
    Proposal::new("week_4_retention".to_owned(), 0, &keys, reason.to_owned())
}

/// The names, or how many there are.
fn listed(names: &[&str]) -> String {
    match names.len() {
        0..=3 => names.join(", "),
        count => format!("{count} tables"),
    }
}
