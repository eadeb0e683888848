//! The text of the starter file, section by section.

use crate::{
    config::{
        recognise::{
            flags::{FlagColumn, FlagMeaning},
            names::title,
            time_format::possible_formats,
        },
        template::{
            proposal::{Proposal, quoted},
            survey::{OfferedSource, Survey},
        },
    },
    database::DatabaseUrl,
    metric::{Source, TimeFormat},
    platform::Table,
};

pub fn head(platform_url: Option<&DatabaseUrl>, preset: &str, time_zone: &str) -> String {
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
         to add: \"community\" or \"none\".\npreset = \"{preset}\"\n# Where a day begins and ends. Choose it before \
         the first collection: records are never rewritten.\ntime_zone = \"{time_zone}\"\n\n{platform}\n# Where the records \
         are kept: a SQLite file, or `postgres://…`.\n# [store]\n# url = \"sqlite:daymark.db\"\n"
    )
}

/// Writes everything after the head: the sources, the metrics, and the metrics that are left out.
pub fn write_survey(survey: &Survey) -> String {
    let mut text = String::new();
    if !survey.known.is_empty() {
        text.push_str("\n# ---- Sources that the built-in metrics read ----\n");
    }
    text.extend(survey.known.iter().map(all_sections));
    if !survey.recorded().is_empty() {
        text.push_str(
            "\n# ---- Other tables with a time of creation, the largest first ----\n# Above each metric stands why it is \
             proposed. Delete what is of no interest.\n",
        );
    }
    text.extend(survey.recorded().into_iter().map(all_sections));
    if !survey.active.is_empty() {
        text.push_str("\n# ---- Who is active ----\n");
    }
    text.extend(survey.active.iter().map(proposed));
    if !survey.further().is_empty() {
        text.push_str(
            "\n# ---- Further tables of that kind ----\n# Remove the `#` of those that should be recorded.\n",
        );
    }
    text.extend(survey.further().into_iter().map(|found| commented(&both_sections(found))));
    if !survey.empty.is_empty() {
        text.push_str("\n# ---- Tables without rows ----\n# Remove the `#` when they are used.\n");
    }
    text.extend(survey.empty.iter().map(|found| commented(&empty_sections(found))));
    if !survey.copies.is_empty() {
        text.push_str(COPIES_HEAD);
    }
    text.extend(survey.copies.iter().map(|found| commented(&both_sections(found))));
    text + &unusable(survey)
}

const COPIES_HEAD: &str = "
# ---- Materialized views and foreign tables ----
# They may show the state of an earlier time, which Daymark cannot always tell, so that no day is recorded from them
# unless it can. Better read the tables that they are made of. Otherwise remove the `#`, and name those that show the
# whole day whenever a day is collected in `assume_fresh` under [platform].
";

fn unusable(survey: &Survey) -> String {
    let found_any = !(survey.known.is_empty()
        && survey.recorded().is_empty()
        && survey.empty.is_empty()
        && survey.copies.is_empty());
    match (&survey.unusable[..], found_any) {
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
    match crate::config::presets::known_sources::known_sources().any(|name| name == found.name) {
        true => source_section(found),
        false => both_sections(found),
    }
}

fn source_section(found: &OfferedSource) -> String {
    let OfferedSource { name, recognised, rows, flags, .. } = found;
    let (table, source) = (recognised.table, &recognised.source);
    let mut text = format!("\n[sources.{name}]\n");
    if let Some(rows) = rows.filter(|rows| *rows > 0) {
        text.push_str(&format!("# {}\n", about(rows)));
    }
    if let Some(schema) = &source.schema {
        text.push_str(&assignment("schema", schema));
    }
    text.push_str(&assignment("table", &source.table));
    text.push_str(&time_lines(table, source));
    if let Some(reason) = &recognised.unusable_deletion {
        text.push_str(&comment(&format!(
            "no deleted_column: {reason}. Soft-deleted rows count as existing."
        )));
    }
    if let Some(column) = &source.deleted_column {
        text.push_str(&assignment("deleted_column", column));
    }
    if let Some(column) = &source.actor_column {
        text.push_str(&assignment("actor_column", column));
    }
    text + &flag_lines(flags)
}

fn assignment(key: &str, value: &str) -> String {
    format!("{key} = {}\n", quoted(value))
}

fn time_lines(table: &Table, source: &Source) -> String {
    let mut text = assignment("time_column", &source.time_column);
    let time_column = table.column(&source.time_column);
    let is_ambiguous = time_column.is_none_or(|column| possible_formats(table, column).len() > 1);
    match source.time_format {
        // The format is not written: the table may be empty now, and a stricter format that is detected later can use
        // an index.
        TimeFormat::Iso => {
            text.push_str("# time_format is detected from the values; at present it is \"iso\"\n")
        }
        format if is_ambiguous => text.push_str(&assignment("time_format", format.name())),
        _ => {}
    }
    if source.time_format == TimeFormat::Timestamp {
        text.push_str("# the zone of times without an offset\n");
        text.push_str(&assignment("time_zone", &source.time_zone));
    }
    text
}

/// Writes the filter that would exclude flagged rows, as a comment.
fn flag_lines(flags: &[FlagColumn]) -> String {
    if flags.is_empty() {
        return String::new();
    }
    let mut text =
        String::from("# These columns look like flags. Remove one `#` if flagged rows should not count:\n");
    for flag in flags {
        if let FlagMeaning::State { values, .. } = &flag.meaning {
            let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
            text.push_str(&comment(&format!("{} is one of {}", flag.column.name, values.join(", "))));
        }
    }
    let (clear, open): (Vec<_>, Vec<_>) = flags.iter().partition(|flag| flag.is_clear());
    let filter = |flags: Vec<&FlagColumn>| {
        let conditions: Vec<_> = flags.into_iter().map(FlagColumn::condition).collect();
        format!("# filter = {{ {} }}\n", conditions.join(", "))
    };
    match clear.is_empty() {
        true => text + &filter(open),
        false => text + &filter(clear),
    }
}

/// Formats a number of rows as `about 1 200 000 rows`; numbers below 10,000 are exact.
pub fn about(rows: u64) -> String {
    let digits = rows.to_string();
    let spaced: Vec<_> =
        digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    format!(
        "{}{} {}",
        if rows < 10_000 { "" } else { "about " },
        spaced.join(" "),
        if rows == 1 { "row" } else { "rows" }
    )
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

/// Quotes a text as a TOML string.
/// Writes comment lines of at most about 118 characters. Control characters in the platform's names are escaped, so
/// that they cannot end the comment.
pub fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        let word: String = word
            .chars()
            .flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] })
            .collect();
        if line.len() + word.len() > 116 && line.len() > 4 {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from(if text.starts_with("- ") { "#  " } else { "#" });
        }
        line.push(' ');
        line.push_str(&word);
    }
    lines + &line + "\n"
}
