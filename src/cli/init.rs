//! `daymark init`: writes a commented daymark.toml for the platform's present tables.

use std::{io::Write, path::PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{App, Exit, Page, init_questions};
use crate::{
    config::{self, ProposedMetric, StarterFile, StarterOptions},
    database::DatabaseUrl,
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
    /// Ask in the terminal what a database does not tell
    #[arg(long)]
    interactive: bool,
}

pub async fn run(app: &App, arguments: &InitArguments) -> anyhow::Result<(Page, Exit)> {
    let platform = app.context.tenant.platform.as_ref();
    let schema = app.context.on_platform(|| platform.inspect()).await?;
    let columns = config::columns_to_survey(&schema);
    let detected = app.context.on_platform(|| platform.detect_time_formats(&columns)).await?;
    let url = app.config.settings.platform.url.clone().map(|url| match url {
        // A relative path in the file would be relative to the file's directory.
        DatabaseUrl::Sqlite(path) => DatabaseUrl::Sqlite(std::path::absolute(&path).unwrap_or(path)),
        postgres => postgres,
    });
    let tables = config::tables_to_sample(&schema);
    let statistics = app.context.on_platform(|| platform.statistics(&tables)).await?;
    let mut options = StarterOptions::default();
    if arguments.all {
        options.most = usize::MAX;
    }
    let starter_file = |options: &StarterOptions| {
        config::starter_file(&schema, &detected, &statistics, url.as_ref(), options)
    };
    let mut from = None;
    if arguments.interactive {
        let answers = init_questions::ask(&starter_file(&options).found, options)?;
        (options, from) = (answers.options, answers.from);
    }
    let StarterFile { text, to_decide, proposed, left, .. } = starter_file(&options);
    let listed: Vec<_> = proposed
        .iter()
        .map(|metric| json!({"metric_category": metric.category, "reason": metric.reason}))
        .collect();
    let mut page = Page::new(json!({
        "file": arguments.output, "content": text, "to_decide": to_decide, "proposed": listed, "left_out": left,
        "backfill_from": from,
    }));
    page.columns = vec!["metric_category", "reason"];
    page.rows = proposed.iter().map(|metric| vec![metric.category.clone(), metric.reason.clone()]).collect();
    if arguments.output.as_os_str() == "-" {
        page.line(text.trim_end());
        return Ok((page, Exit::Done));
    }
    write(arguments, &text)?;
    page.line(format!("Wrote {}.", arguments.output.display()));
    page.blank();
    write_proposed(&mut page, &proposed, left);
    page.line("Read it before the first backfill: records are never changed.");
    for sentence in &to_decide {
        page.line(format!("- {sentence}"));
    }
    page.blank();
    let from = from.map(|from| format!(" --from {from}")).unwrap_or_default();
    page.line(format!(
        "Then: `daymark migrate`, `daymark apply`, `daymark check`, `daymark backfill{from}`."
    ));
    Ok((page, Exit::Done))
}

/// A line for each proposed metric.
fn write_proposed(page: &mut Page, proposed: &[ProposedMetric], left: usize) {
    if proposed.is_empty() {
        return;
    }
    page.line("Proposed beside the built-in metrics, with the reason:");
    let width = proposed.iter().map(|metric| metric.category.len()).max().unwrap_or(0);
    for ProposedMetric { category, reason } in proposed {
        page.line(format!("  {category:<width$}  {reason}"));
    }
    if left > 0 {
        page.line(format!(
            "Left as comments in the file: {}; `--all` records them.",
            pluralize(left, "metric")
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
