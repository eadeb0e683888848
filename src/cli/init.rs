//! `daymark init`: writes a commented daymark.toml for the platform's present tables.

use std::{io::Write, path::PathBuf};

use anyhow::Context;
use clap::Args;
use jiff::civil::Date;
use serde_json::json;

use super::{App, ConfigArguments, Exit, Page, init_questions};
use crate::{
    config::{self, DetectedFormats, Preset, ProposedMetric, StarterFile, StarterOptions},
    database::DatabaseUrl,
    platform::{Schema, Statistics},
    pluralize::pluralize,
};

#[derive(Args)]
pub struct InitArguments {
    /// Where to write the file; `-` prints it
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_FILE)]
    output: PathBuf,
    /// Overwrite the file if it exists
    #[arg(long)]
    force: bool,
    /// Record all metrics that are proposed, however many
    #[arg(long)]
    all: bool,
    /// Ask in the terminal for what cannot be read from the database
    #[arg(long)]
    interactive: bool,
}

pub async fn run(
    app: &App,
    arguments: &InitArguments,
    configured: &ConfigArguments,
) -> anyhow::Result<(Page, Exit)> {
    let platform = Inspected::of(app).await?;
    let mut options = StarterOptions {
        // If neither the flag nor the environment names a preset, the one that fits the platform is chosen, even if an earlier file has
        // another.
        preset: asks_for_preset(configured).then_some(app.config.settings.preset),
        time_zone: app.config.settings.calendar.name().to_owned(),
        ..StarterOptions::default()
    };
    if arguments.all {
        options.most = usize::MAX;
    }
    let mut from = None;
    if arguments.interactive {
        let answers = init_questions::ask(&platform.starter_file(&options).found, options)?;
        (options, from) = (answers.options, answers.from);
    }
    let file = platform.starter_file(&options);
    let mut page = json_page(arguments, &file, from);
    if arguments.output.as_os_str() == "-" {
        page.lines(file.text.trim_end());
        return Ok((page, Exit::Done));
    }
    write(arguments, &file.text)?;
    page.line(format!("Wrote {}.", arguments.output.display()));
    describe(&mut page, &file, from);
    Ok((page, Exit::Done))
}

/// Whether a preset is asked for by the flag or in the environment.
fn asks_for_preset(configured: &ConfigArguments) -> bool {
    let environment = config::process_environment();
    configured.flags.contains_key("preset")
        || environment.get("DAYMARK_PRESET").is_some_and(|value| !value.is_empty())
}

/// What the file is written from.
struct Inspected {
    schema: Schema,
    detected: DetectedFormats,
    statistics: Statistics,
    url: Option<DatabaseUrl>,
}

impl Inspected {
    async fn of(app: &App) -> anyhow::Result<Self> {
        let platform = app.context.tenant.platform.as_ref();
        let schema = app.context.on_platform(|| platform.inspect()).await?;
        let columns = config::columns_to_inspect(&schema);
        let detected = app.context.on_platform(|| platform.detect_time_formats(&columns)).await?;
        let tables = config::tables_to_sample(&schema);
        let statistics = app.context.on_platform(|| platform.statistics(&tables)).await?;
        let url = app.config.settings.platform.url.clone().map(|url| match url {
            // A relative path in the file would be relative to the file's directory.
            DatabaseUrl::Sqlite(path) => DatabaseUrl::Sqlite(std::path::absolute(&path).unwrap_or(path)),
            postgres => postgres,
        });
        Ok(Self { schema, detected, statistics, url })
    }

    fn starter_file(&self, options: &StarterOptions) -> StarterFile {
        let Self { schema, detected, statistics, url } = self;
        config::starter_file(schema, detected, statistics, url.as_ref(), options)
    }
}

/// The page for programs.
fn json_page(arguments: &InitArguments, file: &StarterFile, from: Option<Date>) -> Page {
    let StarterFile { text, to_decide, proposed, left, preset, .. } = file;
    let listed: Vec<_> = proposed
        .iter()
        .map(|metric| json!({"metric_category": metric.category, "reason": metric.reason}))
        .collect();
    let mut page = Page::new(json!({
        "file": arguments.output, "content": text, "preset": preset.name(), "to_decide": to_decide, "proposed": listed,
        "left_out": left, "backfill_from": from,
    }));
    page.columns = vec!["metric_category", "reason"];
    page.rows = proposed.iter().map(|metric| vec![metric.category.clone(), metric.reason.clone()]).collect();
    page
}

fn describe(page: &mut Page, file: &StarterFile, from: Option<Date>) {
    if file.preset != Preset::None {
        let metrics = pluralize(file.of_preset, "metric");
        let name = file.preset.name();
        page.line(match file.known_tables.as_slice() {
            [] => format!("The preset `{name}` records {metrics}."),
            tables => {
                format!("The preset `{name}` records {metrics}, because it knows {}.", tables.join(", "))
            }
        });
    }
    page.blank();
    write_proposed(page, file);
    page.line("Read it before the first backfill: records are never changed.");
    for sentence in &file.to_decide {
        page.line(format!("- {sentence}"));
    }
    page.blank();
    let from = from.map(|from| format!(" --from {from}")).unwrap_or_default();
    page.line(format!(
        "Then: `daymark migrate`, `daymark apply`, `daymark check`, `daymark backfill{from}`."
    ));
}

/// A line for each proposed metric.
fn write_proposed(page: &mut Page, file: &StarterFile) {
    let StarterFile { proposed, left, preset, .. } = file;
    if proposed.is_empty() {
        return;
    }
    page.line(match preset {
        Preset::None => "Proposed, with the reason:",
        _ => "Proposed beside the built-in metrics, with the reason:",
    });
    let width = proposed.iter().map(|metric| metric.category.len()).max().unwrap_or(0);
    for ProposedMetric { category, reason } in proposed {
        page.line(format!("  {category:<width$}  {reason}"));
    }
    if *left > 0 {
        page.line(format!(
            "Left as comments in the file: {}; `--all` records them.",
            pluralize(*left, "metric")
        ));
    }
    page.blank();
}

fn write(arguments: &InitArguments, text: &str) -> anyhow::Result<()> {
    let path = &arguments.output;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).truncate(true);
    let options = if arguments.force { options.create(true) } else { options.create_new(true) };
    let mut file = options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            anyhow::anyhow!("`{}` exists; --force overwrites it, `--output -` prints instead", path.display())
        }
        _ => anyhow::Error::new(error).context(format!("`{}` cannot be written", path.display())),
    })?;
    file.write_all(text.as_bytes()).with_context(|| format!("`{}` cannot be written", path.display()))
}
