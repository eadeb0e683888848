//! `daymark drift`: what has changed on the platform since days were recorded.

use clap::Args;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::{App, Exit, Page, date, output::say, signals};
use crate::{
    collect::{self, DriftReport, DriftRequest, MetricDrift},
    metric::Decimal,
    pluralize::pluralize,
    query::{self, DriftEntry},
};

#[derive(Args)]
pub struct DriftArguments {
    /// The first day to compare [default: 29 days before the last one]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    from: Option<Date>,
    /// The last day to compare [default: the last finished one]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    to: Option<Date>,
    /// Only this metric (may be given several times)
    #[arg(long = "metric", value_name = "CATEGORY")]
    metrics: Vec<String>,
    /// Show what `daymark serve` found in the last 30 days, without counting anything again
    #[arg(long, conflicts_with_all = ["from", "to", "metrics"])]
    recorded: bool,
}

pub async fn run(app: &App, arguments: &DriftArguments) -> anyhow::Result<(Page, Exit)> {
    let DriftArguments { from, to, metrics, recorded } = arguments;
    if *recorded {
        return Ok((recorded_page(app).await?, Exit::Done));
    }
    let cancel = signals::cancellation(|line| say(line));
    let request = DriftRequest { from: *from, to: *to, only: metrics.clone(), ..DriftRequest::default() };
    let report = collect::drift(&app.context, &request, &cancel).await?;
    let exit = match report.failed.is_empty() {
        true => Exit::Done,
        false if report.metrics.is_empty() => Exit::Failed,
        false => Exit::Partial,
    };
    Ok((page(&report), exit))
}

/// The recounts that are kept, those with another value now.
async fn recorded_page(app: &App) -> anyhow::Result<Page> {
    let recounts = query::recounts(&app.context).await?;
    let mut page = Page::new(serde_json::to_value(&recounts)?);
    page.columns = vec![
        "metric_date",
        "metric_type",
        "metric_category",
        "in_force",
        "recounted",
        "difference",
        "recounted_at",
    ];
    page.rows = recounts.changed.iter().map(recount_row).collect();
    let shown = |entry: &DriftEntry| {
        let DriftEntry { metric_category, metric_date, in_force, difference, .. } = entry;
        vec![metric_category.clone(), metric_date.to_string(), in_force.to_string(), difference.to_string()]
    };
    page.table_of(&["metric", "day", "in force", "difference"], recounts.changed.iter().map(shown).collect());
    page.blank();
    page.line(match recounts.last_recounted_at {
        None => "No recorded day was counted again in the last 30 days; `daymark serve` does it each night \
                 (`drift.sample_days`)."
            .to_owned(),
        Some(newest) => format!(
            "{} of {} that were counted again in the last 30 days have changed on the platform since; the last recount was at \
             {}.",
            recounts.changed.len(),
            pluralize(recounts.recounted, "value"),
            app.context.tenant.calendar.display(newest)
        ),
    });
    Ok(page)
}

fn recount_row(entry: &DriftEntry) -> Vec<String> {
    vec![
        entry.metric_date.to_string(),
        entry.metric_type.to_string(),
        entry.metric_category.clone(),
        entry.in_force.to_string(),
        entry.recounted.to_string(),
        entry.difference.to_string(),
        entry.recounted_at.to_string(),
    ]
}

fn page(report: &DriftReport) -> Page {
    let mut page = Page::new(json(report));
    page.columns = vec![
        "metric_date",
        "metric_type",
        "metric_category",
        "recorded",
        "in_force",
        "recounted",
        "difference",
    ];
    for metric in &report.metrics {
        for day in metric.changed() {
            page.rows.push(vec![
                day.date.to_string(),
                metric.key.metric_type.to_string(),
                metric.key.category.clone(),
                day.recorded.to_string(),
                day.in_force.to_string(),
                day.recounted.to_string(),
                day.difference().to_string(),
            ]);
        }
    }
    page.table_of(
        &["metric", "days", "smaller now", "larger now", "largest difference"],
        report.metrics.iter().map(summary).collect(),
    );
    page.blank();
    conclude(&mut page, report);
    page
}

fn summary(metric: &MetricDrift) -> Vec<String> {
    let (smaller, larger) = counts(metric);
    let largest = metric.largest().map(|day| format!("{} on {}", day.difference(), day.date));
    vec![
        metric.key.category.clone(),
        metric.days.len().to_string(),
        smaller.to_string(),
        larger.to_string(),
        largest.unwrap_or_default(),
    ]
}

/// The numbers of days whose recount is smaller and larger than the value in force.
fn counts(metric: &MetricDrift) -> (usize, usize) {
    let changed = metric.changed().count();
    let smaller = metric.changed().filter(|day| day.difference() < Decimal::zero()).count();
    (smaller, changed - smaller)
}

fn conclude(page: &mut Page, report: &DriftReport) {
    let changed: usize = report.metrics.iter().map(|metric| metric.changed().count()).sum();
    let compared: usize = report.metrics.iter().map(|metric| metric.days.len()).sum();
    let range = format!("{} to {}", report.from, report.to);
    match (compared, changed) {
        (0, _) => page.line(format!("{range}: no recorded value could be compared.")),
        (_, 0) => page
            .line(format!("{range}: a recount of {} gives the same.", pluralize(compared, "recorded value"))),
        _ => {
            page.line(format!(
                "{range}: {changed} of {} have changed on the platform since.",
                pluralize(compared, "recorded value")
            ));
            page.line(
                "A smaller value now means rows that were deleted or changed since; a larger one means rows that arrived \
                 late with times in the past. The records stay as they are; `--format csv` lists each day.",
            );
        }
    }
    let not_compared: usize = report.metrics.iter().map(|metric| metric.not_compared).sum();
    if not_compared > 0 {
        page.line(format!(
            "{} not compared: an earlier version of the definition made the record, or the present rows have no valid value.",
            match not_compared { 1 => "1 recorded value was".to_owned(), number => format!("{number} recorded values were") }
        ));
    }
    for left_out in &report.left_out {
        page.line(format!("{} was left out: {}.", left_out.key.category, left_out.reason));
    }
    for failure in &report.failed {
        page.lines(format!("{} could not be read.", failure.summary()));
    }
}

fn json(report: &DriftReport) -> Value {
    let metric = |metric: &MetricDrift| {
        let days: Vec<_> = metric.changed().map(|day| {
            json!({
                "metric_date": day.date, "recorded": day.recorded, "in_force": day.in_force, "recounted": day.recounted,
                "difference": day.difference(),
            })
        }).collect();
        json!({
            "metric_type": metric.key.metric_type, "metric_category": metric.key.category, "days_compared": metric.days.len(),
            "days_not_compared": metric.not_compared, "changed": days,
        })
    };
    let left_out: Vec<_> = report
        .left_out
        .iter()
        .map(|left_out| json!({"metric_category": left_out.key.category, "reason": left_out.reason}))
        .collect();
    json!({
        "from": report.from, "to": report.to, "metrics": report.metrics.iter().map(metric).collect::<Vec<_>>(),
        "failed": report.failed, "left_out": left_out,
    })
}
