//! The text of the starter file, section by section.

use crate::{
    config::{
        recognise::names::title,
        settings::Preset,
        template::{
            candidates::{OfferedSource, SourceCandidates},
            proposal::{Proposal, quoted},
            source_section::source_section,
            text::comment,
        },
    },
    database::DatabaseUrl,
};

pub fn head(platform_url: Option<&DatabaseUrl>, preset: Preset, time_zone: &str) -> String {
    let preset = preset.name();
    let platform = match platform_url {
        Some(DatabaseUrl::Postgres { is_partly_shown: true, .. }) => "# The platform's URL contains a password or parameters, which are not copied here. Set it in the \
                            environment:\n# DAYMARK_PLATFORM_URL=postgres://…\n"
            .to_owned(),
        Some(url) => format!("[platform]\nurl = {}\n", quoted(&url.to_string())),
        None => "# Set the platform's URL in the environment, DAYMARK_PLATFORM_URL, or here:\n# [platform]\n# url = \
                 \"postgres://user@host:5432/database\"\n"
            .to_owned(),
    };
    format!(
        "# Daymark records what this platform looked like at the end of each day. Written by `daymark init`.\n# All \
         settings: docs/settings.md. After a change: `daymark check`, then `daymark apply`.\n\n# The built-in metrics \
         to add: \"community\", \"shop\", \"saas\" or \"none\".\npreset = \"{preset}\"\n# Where a day begins and ends. Choose it before \
         the first collection: records are never rewritten.\ntime_zone = \"{time_zone}\"\n\n{platform}\n# Where the records \
         are kept: a SQLite file, or `postgres://…`.\n# [store]\n# url = \"sqlite:daymark.db\"\n"
    )
}

/// Writes everything after the head: the sources, the metrics, and the metrics that are left out.
pub fn write_candidates(candidates: &SourceCandidates) -> String {
    let mut text = String::new();
    if let Some(first) = candidates.known.first() {
        text.push_str(match first.is_known {
            true => "\n# ---- Sources that the built-in metrics read ----\n",
            false => "\n# ---- Who uses the platform ----\n",
        });
    }
    text.extend(candidates.known.iter().map(all_sections));
    if !candidates.recorded().is_empty() {
        text.push_str(
            "\n# ---- Other tables with a time of creation, the largest first ----\n# Above each metric stands why it is \
             proposed. Delete what is of no interest.\n",
        );
    }
    text.extend(candidates.recorded().into_iter().map(all_sections));
    if !candidates.active.is_empty() {
        text.push_str("\n# ---- Who is active ----\n");
    }
    text.extend(candidates.active.iter().map(proposed));
    if !candidates.further().is_empty() {
        text.push_str(
            "\n# ---- Further tables of that kind ----\n# Remove the `#` of those that should be recorded.\n",
        );
    }
    text.extend(candidates.further().into_iter().map(|found| commented(&both_sections(found))));
    if !candidates.empty.is_empty() {
        text.push_str("\n# ---- Tables without rows ----\n# Remove the `#` when they are used.\n");
    }
    text.extend(candidates.empty.iter().map(|found| commented(&empty_sections(found))));
    if !candidates.guessed.is_empty() {
        text.push_str(GUESSED_HEAD);
    }
    text.extend(candidates.guessed.iter().map(|found| commented(&both_sections(found))));
    if !candidates.copies.is_empty() {
        text.push_str(COPIES_HEAD);
    }
    text.extend(candidates.copies.iter().map(|found| commented(&both_sections(found))));
    text + &unusable(candidates)
}

const GUESSED_HEAD: &str = "
# ---- Tables whose time of creation is not certain ----
# Remove the `#` where `time_column` is the time at which a row was created.
";

const COPIES_HEAD: &str = "
# ---- Materialized views and foreign tables ----
# They may show the state of an earlier time, which Daymark cannot always tell, so that no day is recorded from them
# unless it can. Better read the tables that they are made of. Otherwise remove the `#`, and name those that show the
# whole day whenever a day is collected in `assume_fresh` under [platform].
";

fn unusable(candidates: &SourceCandidates) -> String {
    let found_any = !(candidates.known.is_empty()
        && candidates.recorded().is_empty()
        && candidates.empty.is_empty()
        && candidates.guessed.is_empty()
        && candidates.copies.is_empty());
    match (&candidates.unusable[..], found_any) {
        ([], true) => String::new(),
        ([], false) => {
            "\n# The platform has no tables yet: run `daymark init --force` again when there are some.\n"
                .to_owned()
        }
        (reasons, _) => {
            let head = "\n# ---- Not recorded ----\n# To record one of these, declare it as above: a section [sources.NAME] \
                        with `table`, `time_column` and, where\n# the column's type does not determine it, `time_format`; \
                        and metrics that read it.\n";
            let lines = reasons.iter().map(|reason| comment(&format!("- {reason}")));
            std::iter::once(head.to_owned()).chain(lines).collect()
        }
    }
}

fn commented(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", format!("# {line}").trim_end())).collect()
}

/// Writes a source with all metrics that are proposed of it.
fn all_sections(found: &OfferedSource) -> String {
    let metrics: String = found.metrics.iter().map(proposed).collect();
    source_section(found) + &metrics
}

/// Writes a proposed metric with its reason; as a comment if it is not recorded.
fn proposed(proposal: &Proposal) -> String {
    let reason = comment(&format!("{}.", proposal.reason));
    match proposal.is_taken {
        true => format!("\n{reason}{}", proposal.section()),
        false => format!("\n{reason}{}", commented(&proposal.section())),
    }
}

fn both_sections(found: &OfferedSource) -> String {
    source_section(found) + &metric_sections(&found.name)
}

/// Writes the sections of an empty table. The metrics of a preset's source are built in and not written.
fn empty_sections(found: &OfferedSource) -> String {
    match found.is_known {
        true => source_section(found),
        false => both_sections(found),
    }
}

fn metric_sections(source: &str) -> String {
    let section = |suffix: &str, measure: &str| {
        let category = format!("{source}_{suffix}");
        let name = quoted(&title(&category));
        format!(
            "\n[metrics.{category}]\nmeasure = \"{measure}\"\nsource = \"{source}\"\ndisplay_name = {name}\n"
        )
    };
    section("total", "existing") + &section("created", "created")
}
