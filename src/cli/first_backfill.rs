//! Before the first backfill of a metric: its last days and what may be wrong with it, and a question in a terminal, because a
//! record is never changed.

use std::io::{self, BufRead, IsTerminal};

use super::{App, day_chart, output::say};
use crate::{
    collect::BackfillRequest,
    definitions::{PREVIEW_DAYS, Preview, PreviewDays, preview_definitions, source_warnings},
    metric::Definition,
    pluralize::pluralize,
    store::{StoredDefinition, ValuesAsked},
};

/// How many metrics are shown.
const MAX_SHOWN: usize = 40;

/// Shows the metrics of a backfill that have no record yet, and asks whether they should be recorded. The values are shown in a
/// terminal or with `yes`; without either only the warnings are, as the platform is then read only once. Returns false if the
/// answer is no. A dry run is not asked about.
///
/// # Errors
/// When a database fails.
pub async fn confirmed(app: &App, request: &BackfillRequest, yes: bool) -> anyhow::Result<bool> {
    let metrics = never_recorded(app, request).await?;
    if metrics.is_empty() {
        return Ok(true);
    }
    let is_terminal = !request.dry_run && io::stdin().is_terminal() && io::stderr().is_terminal();
    if yes || is_terminal {
        show(app, request, metrics.clone()).await;
    }
    for warning in source_warnings(&app.context, &app.config, &metrics).await? {
        say(format_args!("note: {warning}"));
    }
    if yes || !is_terminal {
        return Ok(true);
    }
    say(format_args!(
        "Record {} for the first time? A record is never changed. [y/N]",
        pluralize(metrics.len(), "metric")
    ));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// The metrics that the backfill selects and that have no record at all. An unknown name is reported by the backfill.
async fn never_recorded(app: &App, request: &BackfillRequest) -> anyhow::Result<Vec<Definition>> {
    let store = app.context.tenant.store.as_ref();
    let is_selected = |metric: &StoredDefinition| {
        metric.is_active && (request.only.is_empty() || request.only.contains(&metric.definition.category))
    };
    let selected = store.definitions().await?.into_iter().filter(is_selected);
    let selected: Vec<_> = selected.map(|metric| metric.definition).collect();
    let keys: Vec<_> = selected.iter().map(Definition::key).collect();
    let recorded = store.latest(&keys, ValuesAsked { as_recorded: true, as_of: None }).await?;
    let is_recorded =
        |definition: &Definition| recorded.iter().any(|latest| latest.record.key == definition.key());
    Ok(selected.into_iter().filter(|definition| !is_recorded(definition)).collect())
}

/// Shows a line for each metric. A platform that cannot be read now is reported by the backfill.
async fn show(app: &App, request: &BackfillRequest, metrics: Vec<Definition>) {
    let last = app.context.last_finished();
    let days = PreviewDays { to: request.to.map_or(last, |to| to.min(last)), count: PREVIEW_DAYS };
    let count = metrics.len();
    let shown = metrics.into_iter().take(MAX_SHOWN).collect();
    match preview_definitions(&app.context, shown, days).await {
        Ok(previews) => {
            say(format_args!("Not recorded before; the {PREVIEW_DAYS} days {} to {}:", days.from(), days.to));
            let width = previews.iter().map(|preview| preview.definition.category.len()).max().unwrap_or(0);
            previews.iter().for_each(|preview| say(line(preview, width)));
            if count > MAX_SHOWN {
                say(format_args!("  and {} more", pluralize(count - MAX_SHOWN, "metric")));
            }
        }
        Err(error) => say(format_args!("note: the last days cannot be shown: {error}")),
    }
}

fn line(preview: &Preview, width: usize) -> String {
    let category = &preview.definition.category;
    if let Some(reason) = &preview.left_out {
        return format!("  {category:<width$}  {reason}");
    }
    let values: Vec<_> = preview.days.iter().map(|day| day.seen.as_ref().map(|seen| &seen.value)).collect();
    let shown = values.last().copied().flatten().map_or("no value".to_owned(), ToString::to_string);
    format!("  {category:<width$}  {}  {shown} on the last day", day_chart::sparkline(&values))
}
