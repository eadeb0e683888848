//! `daymark backfill`.

use clap::Args;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::{
    App, Exit, Page,
    apply::earlier_meanings_json,
    collect::{exit, left_out_json, write_failures},
    date, first_backfill,
    output::{Format, duration, say},
    progress, signals,
};
use crate::collect::{self, BackfillReport, BackfillRequest};
use crate::pluralize::pluralize;

#[derive(Args)]
pub struct BackfillArguments {
    /// The first day [default: that of the earliest row of any source]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    from: Option<Date>,
    /// The last day [default: the last finished one]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    to: Option<Date>,
    /// Only this metric (may be given several times)
    #[arg(long = "metric", value_name = "CATEGORY")]
    metrics: Vec<String>,
    /// Also record the days before the platform's first row, as zeros
    #[arg(long)]
    before_first_row: bool,
    /// Only report the missing records
    #[arg(long)]
    dry_run: bool,
    /// Show the last days of metrics without a record, and record them without asking
    #[arg(long)]
    yes: bool,
}

pub async fn run(app: &App, arguments: &BackfillArguments, format: Format) -> anyhow::Result<(Page, Exit)> {
    let request = BackfillRequest {
        from: arguments.from,
        to: arguments.to,
        only: arguments.metrics.clone(),
        before_first_row: arguments.before_first_row,
        dry_run: arguments.dry_run,
    };
    if !first_backfill::confirmed(app, &request, arguments.yes).await? {
        let mut page = Page::new(json!({"confirmed": false}));
        page.line("Nothing was recorded.");
        return Ok((page, Exit::Done));
    }
    let progress = progress::shown(format);
    let cancel = signals::cancellation(|line| say(line));
    let report = collect::backfill(&app.context, &request, progress.as_ref(), &cancel).await?;
    drop(progress);
    let checked = match report.discrepancies.iter().any(collect::Discrepancy::is_fault) {
        true => Exit::Failed,
        false => exit(report.status),
    };
    Ok((page(&report, arguments.dry_run), checked))
}

fn page(report: &BackfillReport, dry_run: bool) -> Page {
    let mut page = Page::new(json(report, dry_run));
    page.columns = vec!["metric_category", "missing", "written", "already_there"];
    page.rows = report
        .metrics
        .iter()
        .map(|metric| {
            let counts =
                [metric.missing, metric.written, metric.already_there].map(|count| count.to_string());
            [vec![metric.key.category.clone()], counts.to_vec()].concat()
        })
        .collect();
    page.table();
    page.blank();
    write_failures(&mut page, &report.failed, &report.left_out);
    for discrepancy in &report.discrepancies {
        page.line(format!("{}  {discrepancy}", if discrepancy.is_fault() { "wrong   " } else { "note    " }));
    }
    for earlier in &report.earlier_meanings {
        page.line(format!("note      {earlier}"));
    }
    if let Some(first) = &report.clipped_to {
        page.line(format!(
            "note      the backfill begins with the platform's first row, of {} (source `{}`); `--before-first-row` records zeros \
             for the days before it",
            first.date, first.source_name
        ));
    }
    page.line(summary(report, dry_run));
    if !report.cannot_know.is_empty() {
        page.blank();
        page.line("What a reconstruction cannot know:");
        for sentence in &report.cannot_know {
            page.line(format!("  {sentence}"));
        }
    }
    page
}

fn summary(report: &BackfillReport, dry_run: bool) -> String {
    let range = format!("{} to {} ({})", report.from, report.to, pluralize(report.days, "day"));
    let sum = |count: fn(&collect::MetricCount) -> usize| report.metrics.iter().map(count).sum::<usize>();
    let (missing, written, there) = (sum(|m| m.missing), sum(|m| m.written), sum(|m| m.already_there));
    let days = pluralize(report.missing_days, "day");
    let (missing_records, there_records) = (pluralize(missing, "record"), pluralize(there, "record"));
    if dry_run {
        return format!(
            "{range}: {missing_records} missing on {days}, {there} already there. Nothing was written."
        );
    }
    let took = duration(report.duration);
    match missing {
        0 => format!("{range}: nothing is missing, {there_records} already there."),
        _ => format!(
            "{range}: {missing_records} missing on {days}, {written} written, {there} already there, in {took}."
        ),
    }
}

fn json(report: &BackfillReport, dry_run: bool) -> Value {
    let metrics: Vec<_> = report
        .metrics
        .iter()
        .map(|metric| {
            json!({
                "metric_type": metric.key.metric_type, "metric_category": metric.key.category,
                "missing": metric.missing, "written": metric.written, "already_there": metric.already_there,
            })
        })
        .collect();
    let discrepancies: Vec<_> = report
        .discrepancies
        .iter()
        .map(|discrepancy| json!({"is_fault": discrepancy.is_fault(), "message": discrepancy.to_string()}))
        .collect();
    json!({
        "dry_run": dry_run,
        "run": report.run,
        "status": report.status.map(|status| status.name()),
        "from": report.from,
        "to": report.to,
        "first_row": report.clipped_to.as_ref().map(|first| json!({"date": first.date, "source": first.source_name})),
        "days": report.days,
        "missing_days": report.missing_days,
        "metrics": metrics,
        "failed": report.failed,
        "left_out": left_out_json(&report.left_out),
        "cannot_know": report.cannot_know,
        "earlier_meanings": earlier_meanings_json(&report.earlier_meanings),
        "discrepancies": discrepancies,
        "execution_time_ms": u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
    })
}
