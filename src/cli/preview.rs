//! `daymark preview`: what a metric gives on the last days, without recording it.

use std::io::Read;

use anyhow::Context as _;
use clap::Args;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::{App, Exit, Page, date, day_chart};
use crate::{
    collect::{CollectError, reconstruction_caveats},
    config::Finding,
    definitions::{self, DefineError, PREVIEW_DAYS, Preview, PreviewDays},
    platform::PlannedStatement,
};

/// How many labels of the last day are shown.
const SHOWN_LABELS: usize = 10;

#[derive(Args)]
pub struct PreviewArguments {
    /// The metric, as daymark.toml, the preset or the API defines it
    #[arg(value_name = "CATEGORY", required_unless_present = "definition")]
    metric: Option<String>,
    /// A definition that is not made yet: the keys of a [metrics.…] section in JSON; `-` reads it from stdin
    #[arg(long, value_name = "JSON", conflicts_with = "metric")]
    definition: Option<String>,
    /// How many days are computed
    #[arg(long, value_name = "DAYS", default_value_t = PREVIEW_DAYS, value_parser = clap::value_parser!(u16).range(1..=366))]
    days: u16,
    /// The last of these days [default: the last finished one]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    to: Option<Date>,
}

pub async fn run(app: &App, arguments: &PreviewArguments) -> anyhow::Result<(Page, Exit)> {
    let context = &app.context;
    let days = PreviewDays { to: last_day(app, arguments)?, count: arguments.days };
    context.require_recorded_era(days.from())?;
    let preview = match (&arguments.definition, &arguments.metric) {
        (Some(definition), _) => definitions::preview(context, &app.config, &body(definition)?, days).await?,
        (None, metric) => {
            let metric = metric.as_deref().unwrap_or_default();
            definitions::preview_metric(context, &app.config, metric, days).await?
        }
    };
    let statements = definitions::preview_plan(context, &preview.definition, days).await?;
    let exit = if preview.left_out.is_some() { Exit::Failed } else { Exit::Done };
    Ok((page(&preview, days, &statements), exit))
}

fn last_day(app: &App, arguments: &PreviewArguments) -> Result<Date, CollectError> {
    let Some(to) = arguments.to else { return Ok(app.context.last_finished()) };
    app.context.require_recordable(to)?;
    Ok(to)
}

fn body(definition: &str) -> anyhow::Result<Map<String, Value>> {
    let mut text = definition.to_owned();
    if definition == "-" {
        text.clear();
        std::io::stdin().read_to_string(&mut text).context("the definition cannot be read from stdin")?;
    }
    serde_json::from_str(&text).map_err(|error| {
        let finding = Finding::error("--definition", format!("this is not a JSON object: {error}"));
        let hint = r#"it looks like '{"measure": "created", "source": "posts"}'"#;
        DefineError::Wrong(vec![finding.hint(hint)]).into()
    })
}

fn page(preview: &Preview, days: PreviewDays, statements: &[PlannedStatement]) -> Page {
    let mut page = Page::new(json(preview, days, statements));
    page.columns = vec!["metric_date", "value"];
    let Preview { definition, .. } = preview;
    page.line(format!(
        "{}  ({}, {})",
        definition.category,
        definition.metric_type,
        definition.measure.name()
    ));
    write_days(&mut page, preview);
    if let Some(reason) = &preview.left_out {
        page.lines(format!("no values: {reason}"));
    }
    for warning in &preview.warnings {
        page.lines(format!("warning: {warning}"));
    }
    for sentence in reconstruction_caveats(std::iter::once(definition)) {
        page.line(format!("note: {sentence}"));
    }
    page.line("Nothing was recorded.");
    for statement in statements {
        page.lines(format!("\n-- {}\n{};", statement.purpose, statement.sql));
    }
    page
}

fn write_days(page: &mut Page, preview: &Preview) {
    let metric_type = preview.definition.metric_type;
    let values: Vec<_> = preview.days.iter().map(|day| day.value(metric_type)).collect();
    let texts: Vec<_> = values.iter().map(|value| value.map(ToString::to_string)).collect();
    let width = texts.iter().flatten().map(String::len).max().unwrap_or(0);
    for ((day, text), bar) in preview.days.iter().zip(&texts).zip(day_chart::bars(&values)) {
        let without = if day.is_no_data(metric_type) { "no data" } else { "–" };
        let shown = text.as_deref().unwrap_or(without);
        page.line(format!("{}  {shown:>width$}  {bar}", day.date).trim_end());
        page.rows.push(vec![day.date.to_string(), text.clone().unwrap_or_default()]);
    }
    let last = preview.days.iter().rev().find_map(|day| Some((day.date, day.seen.as_ref()?)));
    if let Some((date, labels)) = last.and_then(|(date, seen)| Some((date, seen.metadata.get("breakdown")?)))
    {
        let labels = labels.as_object().into_iter().flatten().take(SHOWN_LABELS);
        let labels: Vec<_> = labels.map(|(label, value)| format!("{label} {value}")).collect();
        page.line(format!(
            "{date}: {}",
            if labels.is_empty() { "no labels".to_owned() } else { labels.join(", ") }
        ));
    }
}

fn json(preview: &Preview, days: PreviewDays, statements: &[PlannedStatement]) -> Value {
    let Preview { definition, .. } = preview;
    let of_day = |day: &definitions::PreviewedDay| {
        let (value, metadata) =
            (day.value(definition.metric_type), day.seen.as_ref().map(|seen| &seen.metadata));
        let no_data = day.is_no_data(definition.metric_type);
        json!({"metric_date": day.date, "value": value, "no_data": no_data, "metadata": metadata})
    };
    let warnings = preview
        .warnings
        .iter()
        .map(|warning| json!({"place": warning.place, "message": warning.message, "hint": warning.hint}));
    let statements = statements.iter().map(
        |statement| json!({"sources": statement.sources, "purpose": statement.purpose, "sql": statement.sql}),
    );
    json!({
        "metric_type": definition.metric_type, "metric_category": definition.category, "measure": definition.measure.name(),
        "unit": definition.unit, "from": days.from(), "to": days.to,
        "days": preview.days.iter().map(of_day).collect::<Vec<_>>(),
        "left_out": preview.left_out,
        "warnings": warnings.collect::<Vec<_>>(),
        "cannot_know": reconstruction_caveats(std::iter::once(definition)),
        "statements": statements.collect::<Vec<_>>(),
    })
}
