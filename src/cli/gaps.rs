//! `daymark gaps`.

use clap::Args;
use jiff::civil::Date;
use serde_json::json;

use super::{App, Exit, Page, date, gaps_as_of, series_arguments::by_flags};
use crate::{
    collect::{self, GapReport},
    pluralize::pluralize,
};

#[derive(Args)]
pub struct GapsArguments {
    /// The first day [default: that of the platform's first row, or the first recorded one]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    from: Option<Date>,
    /// The last day [default: the last finished one]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    to: Option<Date>,
    /// Show the gaps that were known at this instant (2025-01-31T12:00:00Z) or at the end of this day (2025-01-31)
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
}

pub async fn run(app: &App, arguments: &GapsArguments) -> anyhow::Result<(Page, Exit)> {
    if let Some(as_of) = &arguments.as_of {
        let page = gaps_as_of::page(app, arguments.from, arguments.to, as_of).await.map_err(by_flags)?;
        return Ok((page, Exit::Done));
    }
    let report = collect::gaps(&app.context, arguments.from, arguments.to).await?;
    let mut page = page(&report);
    describe(&mut page, &report);
    Ok((page, Exit::Done))
}

fn page(report: &GapReport) -> Page {
    let gaps: Vec<_> = report
        .gaps
        .iter()
        .map(|gap| {
            json!({
                "metric_type": gap.key.metric_type, "metric_category": gap.key.category,
                "first": gap.first, "last": gap.last, "days": gap.days,
                "cause": gap.cause.name(), "explanation": gap.cause.to_string(),
            })
        })
        .collect();
    let mut page = Page::new(json!({
        "from": report.from, "to": report.to, "days": report.days, "missing": report.missing, "gaps": gaps,
        "fill_with": report.fill_with, "retry_with": report.retry_with,
        "records_read_from": report.records_read_from,
        "first_row": report.first_row.as_ref().map(|first| json!({"date": first.date, "source": first.source_name})),
    }));
    page.columns = vec!["metric_category", "first", "last", "days", "cause"];
    for gap in &report.gaps {
        let dates = [gap.first, gap.last].map(|date| date.to_string()).to_vec();
        let rest = vec![gap.days.to_string(), gap.cause.to_string()];
        page.rows.push([vec![gap.key.category.clone()], dates, rest].concat());
    }
    page
}

/// The table of gaps, their number, and the commands that fill them.
fn describe(page: &mut Page, report: &GapReport) {
    if !report.gaps.is_empty() {
        page.table();
        page.blank();
    }
    let range = format!("{} to {} ({})", report.from, report.to, pluralize(report.days, "day"));
    match report.missing {
        0 => page.line(format!("{range}: nothing is missing.")),
        missing => page.line(format!("{range}: {} missing.", pluralize(missing, "record"))),
    }
    if let Some(first) = report.records_read_from {
        page.line(format!(
            "Records before {first} are too many to look for unreadable ones: `--from` and `--to` select fewer days."
        ));
    }
    for command in &report.fill_with {
        page.line(format!("To fill: {command}"));
    }
    for command in &report.retry_with {
        page.line(format!("To retry the failed days, once the cause is fixed: {command}"));
    }
    if let Some(first) = report.first_row.as_ref().filter(|first| first.date < report.from) {
        page.line(format!(
            "The platform's first row (source `{}`) is of {}: is that time right? `--from` lists the gaps from that day on.",
            first.source_name, first.date
        ));
    }
}
