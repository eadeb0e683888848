//! Writes the `daymark.toml` that `daymark init` starts a platform with: what was recognised, said explicitly, and
//! what was not, said too.

use std::{collections::BTreeSet, fmt::Write, path::Path};

use crate::{
    config::{
        file::read_text,
        presets::known_sources::{known_sources, recognise_known},
        recognise::{
            Recognised, recognise, system_tables::is_application_table, time_format::possible_formats,
            undecided_columns, words,
        },
        resolve::{ResolveRequest, Resolved, resolve, title},
        settings::Preset,
    },
    database::DatabaseUrl,
    metric::TimeFormat,
    platform::{DetectedFormats, Schema, Table},
};

/// The number of tables unknown to the preset that are recorded from the start; the others are written as comments.
const MAX_OTHER_TABLES: usize = 20;
/// Room in a name of 63 characters for `_created`, and for a number that makes it the only one.
const MAX_NAME_CHARS: usize = 48;

/// The text of the file. `platform_url` is the platform as its user named it, if the file is to say so.
pub fn template(schema: &Schema, detected: &DetectedFormats, platform_url: Option<&DatabaseUrl>) -> String {
    let survey = Survey::of(schema, detected);
    let preset = if survey.known.is_empty() { "none" } else { "community" };
    let mut text = head(platform_url, preset);
    let mut body = String::new();
    survey.write_known(&mut body);
    survey.write_others(&mut body);
    survey.write_unusable(&mut body);
    let resolved = resolved(&format!("{text}{body}"), preset, schema, detected);
    text.push_str(&summary(&resolved));
    text.push_str(&body);
    text
}

/// The columns whose format of time [`template`] wants the platform's values to tell, by table and column.
pub fn columns_to_survey(schema: &Schema) -> Vec<(String, String)> {
    schema.tables.iter().filter(|table| is_application_table(table)).flat_map(undecided_columns).collect()
}

/// A source that is written into the file.
struct Found<'a> {
    name: String,
    recognised: Recognised<'a>,
}

/// What a platform's tables are good for.
struct Survey<'a> {
    known: Vec<Found<'a>>,
    others: Vec<Found<'a>>,
    /// Application tables that cannot be a source, and why.
    unusable: Vec<(&'a Table, String)>,
}

impl<'a> Survey<'a> {
    fn of(schema: &'a Schema, detected: &DetectedFormats) -> Self {
        let known: Vec<_> = known_sources()
            .filter_map(|name| {
                let recognised = recognise_known(name, schema, detected).ok()?;
                Some(Found { name: name.to_owned(), recognised })
            })
            .collect();
        let mut names: BTreeSet<_> = known_sources().map(str::to_owned).collect();
        let (mut others, mut unusable) = (Vec::new(), Vec::new());
        for table in schema.tables.iter().filter(|table| is_application_table(table)) {
            if known.iter().any(|found| found.recognised.table == table) {
                continue;
            }
            match recognise(table, detected, true) {
                Ok(recognised) => {
                    others.push(Found { name: source_name(&table.name, &mut names), recognised })
                }
                Err(reason) => unusable.push((table, reason)),
            }
        }
        Self { known, others, unusable }
    }

    fn write_known(&self, text: &mut String) {
        if self.known.is_empty() {
            return;
        }
        text.push_str("\n# ---- Sources that the built-in metrics read ----\n");
        for found in &self.known {
            text.push_str(&source_section(found));
        }
    }

    fn write_others(&self, text: &mut String) {
        let (active, further) = self.others.split_at(self.others.len().min(MAX_OTHER_TABLES));
        if !active.is_empty() {
            text.push_str(
                "\n# ---- Other tables that say when a row was created ----\n# How many rows there are, and how many \
                 came on the day. Delete what is of no interest.\n",
            );
        }
        for found in active {
            text.push_str(&source_section(found));
            text.push_str(&metric_sections(&found.name));
        }
        if !further.is_empty() {
            text.push_str("\n# Further tables of that kind; take away the `#` of those that matter.\n");
        }
        for found in further {
            let section = source_section(found) + &metric_sections(&found.name);
            text.extend(section.lines().map(|line| format!("{}\n", format!("# {line}").trim_end())));
        }
    }

    fn write_unusable(&self, text: &mut String) {
        if self.unusable.is_empty() {
            if self.known.is_empty() && self.others.is_empty() {
                text.push_str(
                    "\n# The platform has no tables yet: run `daymark init --force` again when it has.\n",
                );
            }
            return;
        }
        text.push_str(
            "\n# ---- Not recorded ----\n# To record one of these, declare it as above: a section [sources.NAME] with `table`, \
             `time_column` and, where\n# the type of the column leaves it open, `time_format`; and metrics that read it.\n",
        );
        for (_, reason) in &self.unusable {
            text.push_str(&comment(&format!("- {reason}")));
        }
    }
}

fn head(platform_url: Option<&DatabaseUrl>, preset: &str) -> String {
    let platform = match platform_url {
        Some(DatabaseUrl::Postgres { is_partly_shown: true, .. }) => "# The platform's URL holds a password or parameters, which are not copied here. Set it in the \
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
         the first collection: records are never rewritten.\ntime_zone = \"UTC\"\n\n{platform}\n# Where the records \
         are kept: a SQLite file, or `postgres://…`.\n# [store]\n# url = \"sqlite:daymark.db\"\n"
    )
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

fn summary(resolved: &Resolved) -> String {
    let mut text = String::new();
    if !resolved.definitions.is_empty() {
        let names: Vec<_> = resolved.definitions.iter().map(|metric| metric.category.as_str()).collect();
        text.push_str("\n# Recorded every day:\n");
        text.push_str(&comment(&format!("{}.", names.join(", "))));
    }
    if !resolved.left_out.is_empty() {
        text.push_str("\n# Built in, but left out on this platform:\n");
        for left_out in &resolved.left_out {
            text.push_str(&comment(&format!("- {}: {}", left_out.category, left_out.reason)));
        }
    }
    text
}

fn source_section(
    Found { name, recognised: Recognised { table, source, unusable_deletion } }: &Found,
) -> String {
    let mut text = format!("\n[sources.{name}]\n");
    let line = |text: &mut String, key: &str, value: &str| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{key} = {}", quoted(value));
    };
    if let Some(schema) = &source.schema {
        line(&mut text, "schema", schema);
    }
    line(&mut text, "table", &source.table);
    line(&mut text, "time_column", &source.time_column);
    let time_column = table.column(&source.time_column);
    let open = time_column.is_none_or(|column| possible_formats(table, column).len() > 1);
    match source.time_format {
        // Not fixed: the table may just be empty, and a stricter format lets an index be used.
        TimeFormat::Iso => text.push_str("# time_format is told from the values; \"iso\" as they are now\n"),
        format if open => line(&mut text, "time_format", format.name()),
        _ => {}
    }
    if source.time_format == TimeFormat::Timestamp {
        text.push_str("# the zone of times without an offset\n");
        line(&mut text, "time_zone", &source.time_zone);
    }
    if let Some(reason) = unusable_deletion {
        text.push_str(&comment(&format!(
            "no deleted_column: {reason}. Soft-deleted rows count as existing."
        )));
    }
    if let Some(column) = &source.deleted_column {
        line(&mut text, "deleted_column", column);
    }
    if let Some(column) = &source.actor_column {
        line(&mut text, "actor_column", column);
    }
    text
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

/// A name for a source that reads `table`, like no other in `taken`.
fn source_name(table: &str, taken: &mut BTreeSet<String>) -> String {
    let mut name: String = words(table).join("_").chars().take(MAX_NAME_CHARS).collect();
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        name = format!("table_{name}").trim_end_matches('_').to_owned();
    }
    let mut unique = name.clone();
    let mut number = 2;
    while !taken.insert(unique.clone()) {
        unique = format!("{name}_{number}");
        number += 1;
    }
    unique
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

/// Comment lines of at most about 118 characters. What the platform's names may hold cannot end the comment.
fn comment(text: &str) -> String {
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
