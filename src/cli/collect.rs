//! `daymark collect`.

use clap::Args;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::{
    App, Exit, Page, date,
    output::{duration, say},
    signals,
};
use crate::{
    collect::{self, Context, DayReport, Failure, LeftOut},
    pluralize::pluralize,
    store::RunStatus,
};

#[derive(Args)]
pub struct CollectArguments {
    /// The day to record [default: the last finished one]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    date: Option<Date>,
    /// Only this metric (may be given several times)
    #[arg(long = "metric", value_name = "CATEGORY")]
    metrics: Vec<String>,
    /// Retry failed metrics now, even if they are not due for a retry yet
    #[arg(long)]
    retry: bool,
}

pub async fn run(app: &App, arguments: &CollectArguments) -> anyhow::Result<(Page, Exit)> {
    let cancel = signals::cancellation(|line| say(line));
    let CollectArguments { date, metrics, retry } = arguments;
    let report = match retry {
        true => collect::collect_day(&app.context, *date, metrics, &cancel).await?,
        false => collect::collect_if_due(&app.context, *date, metrics, &cancel).await?,
    };
    Ok((page(&app.context, &report), exit(Some(report.status))))
}

pub fn exit(status: Option<RunStatus>) -> Exit {
    match status {
        Some(RunStatus::Partial) => Exit::Partial,
        Some(RunStatus::Failed) => Exit::Failed,
        _ => Exit::Done,
    }
}

fn page(context: &Context, report: &DayReport) -> Page {
    let mut page = Page::new(json(report));
    page.columns = vec!["metric_date", "metric_type", "metric_category", "value", "provenance", "metadata"];
    for metric in &report.recorded {
        page.rows.push(vec![
            report.date.to_string(),
            metric.key.metric_type.to_string(),
            metric.key.category.clone(),
            metric.value.to_string(),
            report.provenance.name().to_owned(),
            Value::Object(metric.metadata.clone()).to_string(),
        ]);
    }
    let flag = |flagged: bool| if flagged { "outside the expected range" } else { "" };
    let shown = report.recorded.iter().map(|metric| {
        let flagged = flag(metric.metadata.contains_key("out_of_range")).to_owned();
        vec![metric.key.category.clone(), metric.value.to_string(), flagged]
    });
    let shown: Vec<_> = shown.collect();
    if !shown.is_empty() {
        page.table_of(&["metric", "value", ""], shown);
        page.blank();
    }
    write_failures(&mut page, &report.failed, &report.left_out);
    page.line(summary(context, report));
    page
}

fn summary(context: &Context, report: &DayReport) -> String {
    let recorded = report.recorded.len();
    let took = duration(report.duration);
    let already = match report.already_there {
        0 => String::new(),
        count if recorded == 0 && report.failed.is_empty() => {
            return format!("{}: already recorded, {}.", report.date, pluralize(count, "record"));
        }
        count => format!(", {count} already there"),
    };
    let failed = match report.failed.len() {
        0 => String::new(),
        count => format!(", {count} failed"),
    };
    if let Some(next_attempt) = report.next_attempt {
        return format!(
            "{}: not tried again yet{already}{failed}. The next attempt is from {}; `--retry` makes one now.",
            report.date,
            context.tenant.calendar.display(next_attempt),
        );
    }
    let provenance = report.provenance.name();
    format!("{}: {} {provenance}{already}{failed}, in {took}.", report.date, pluralize(recorded, "metric"))
}

pub fn write_failures(page: &mut Page, failed: &[Failure], left_out: &[LeftOut]) {
    for failure in failed {
        page.lines(format!("failed    {}", failure.summary()));
        if let Some(context) = &failure.context {
            page.lines(format!("          {}", context.replace('\n', "\n          ")));
        }
        if let Some(hint) = &failure.hint {
            page.line(format!("          {hint}"));
        }
    }
    for left in left_out {
        page.line(format!("left out  {}: {}", left.key.category, left.reason));
    }
}

pub fn left_out_json(left_out: &[LeftOut]) -> Vec<Value> {
    let of = |left: &LeftOut| {
        json!({
            "metric_type": left.key.metric_type, "metric_category": left.key.category, "reason": left.reason,
        })
    };
    left_out.iter().map(of).collect()
}

fn json(report: &DayReport) -> Value {
    let recorded: Vec<_> = report
        .recorded
        .iter()
        .map(|metric| {
            json!({
                "metric_type": metric.key.metric_type, "metric_category": metric.key.category,
                "value": metric.value, "metadata": metric.metadata,
            })
        })
        .collect();
    json!({
        "metric_date": report.date,
        "run": report.run,
        "status": report.status.name(),
        "provenance": report.provenance.name(),
        "metrics_collected": recorded.len(),
        "recorded": recorded,
        "already_there": report.already_there,
        "failed": report.failed,
        "next_attempt": report.next_attempt,
        "left_out": left_out_json(&report.left_out),
        "execution_time_ms": u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
    })
}
