//! `daymark status`.

use jiff::civil::Date;
use serde_json::{Value, json};

use super::{App, Exit, Page, health_lines::health_lines, schedule::schedule_lines};
use crate::{
    collect::{self, Context, StatusReport},
    metric::Provenance,
    pluralize::pluralize,
    query::{self, HealthResponse, OwnQueries},
    store::{Run, RunStatus},
};

pub async fn run(app: &App) -> anyhow::Result<(Page, Exit)> {
    let report = collect::status(&app.context).await?;
    let health = query::health(&app.context, OwnQueries::None).await?;
    let mut page = Page::new(json(app, &report, &health)?);
    let mut lines = lines(&app.context, &report);
    let schedule = schedule_lines(&app.context, &health.schedule).into_iter();
    lines.extend(schedule.filter(|(what, _)| *what != "Runs"));
    lines.extend(health_lines(&health, |at| app.context.tenant.calendar.display(at)));
    page.columns = vec!["what", "value"];
    page.rows = lines.iter().map(|(what, value)| vec![(*what).to_owned(), value.clone()]).collect();
    for (what, value) in lines {
        page.line(format!("{what:<15} {value}"));
    }
    Ok((page, Exit::Done))
}

fn lines(context: &Context, report: &StatusReport) -> Vec<(&'static str, String)> {
    let last_run = match &report.last_run {
        None => "never ran".to_owned(),
        Some(run) if report.last_run_is_orphaned => {
            format!("{}, but its process ended before the run did", described(context, run))
        }
        Some(run) => described(context, run),
    };
    let of = format!("{} of {} metrics recorded", report.last_finished_recorded, report.active_metrics);
    let mut lines = vec![
        ("Store", context.tenant.store.location()),
        ("Platform", context.tenant.platform.location()),
        ("Time zone", context.tenant.calendar.name().to_owned()),
        ("Active metrics", report.active_metrics.to_string()),
        ("Recorded", recorded(report)),
        ("Missing", missing(report)),
        ("Last day", format!("{}: {of}", report.last_finished)),
        ("Next day", next_day(context, report)),
        ("Last run", last_run),
    ];
    let completed = report.last_completed.as_ref();
    if let Some(run) = completed.filter(|run| Some(run.id) != report.last_run.as_ref().map(|run| run.id)) {
        lines.push(("Last completed", described(context, run)));
    }
    lines
}

fn recorded(report: &StatusReport) -> String {
    let Some((first, last)) = report.recorded else { return "nothing yet".to_owned() };
    let count = |(provenance, count): &(Provenance, usize)| format!("{count} {}", provenance.name());
    let counts: Vec<_> = report.by_provenance.iter().map(count).collect();
    format!("{first} to {last}: {} ({})", pluralize(report.records, "record"), counts.join(", "))
}

fn missing(report: &StatusReport) -> String {
    let missing = pluralize(report.missing, "record");
    match report.missing {
        0 => missing,
        _ => format!("{missing} since {}; see `daymark gaps`", report.missing_since),
    }
}

fn next_day(context: &Context, report: &StatusReport) -> String {
    let next = &report.next;
    match next.is_due {
        true => {
            let has_failed = report.last_run.as_ref().is_some_and(|run| {
                run.to == next.date && matches!(run.status, RunStatus::Failed | RunStatus::Partial)
            });
            format!("{} is due: run `daymark collect{}`", next.date, if has_failed { " --retry" } else { "" })
        }
        false => format!("{}, from {}", next.date, context.tenant.calendar.display(next.ready_at)),
    }
}

fn days(from: Date, to: Date) -> String {
    if from == to { from.to_string() } else { format!("{from} to {to}") }
}

fn described(context: &Context, run: &Run) -> String {
    let started = context.tenant.calendar.display(run.started_at);
    let what = format!(
        "{} of {}, {} (started {started} by {})",
        run.kind.name(),
        days(run.from, run.to),
        run.status.name(),
        run.actor
    );
    match (&run.error_message, run.status) {
        (Some(message), _) => format!("{what}: {}", message.replace('\n', "; ")),
        (None, RunStatus::Running) => format!("{what}, by process {} on {}", run.process_id, run.host),
        (None, _) => what,
    }
}

fn json(app: &App, report: &StatusReport, health: &HealthResponse) -> serde_json::Result<Value> {
    let by_provenance: serde_json::Map<_, _> = report
        .by_provenance
        .iter()
        .map(|(provenance, count)| (provenance.name().to_owned(), json!(count)))
        .collect();
    Ok(json!({
        "store": app.context.tenant.store.location(),
        "platform": app.context.tenant.platform.location(),
        "time_zone": app.context.tenant.calendar.name(),
        "active_metrics": report.active_metrics,
        "recorded": report.recorded.map(|(first, last)| json!({"first": first, "last": last})),
        "records": report.records,
        "by_provenance": by_provenance,
        "missing": report.missing,
        "missing_since": report.missing_since,
        "last_finished": report.last_finished,
        "last_finished_recorded": report.last_finished_recorded,
        "next": {"date": report.next.date, "ready_at": report.next.ready_at, "is_due": report.next.is_due},
        "last_run": report.last_run.as_ref().map(run_json),
        "last_run_is_orphaned": report.last_run_is_orphaned,
        "last_completed": report.last_completed.as_ref().map(run_json),
        "health": serde_json::to_value(health)?,
    }))
}

fn run_json(run: &Run) -> Value {
    json!({
        "id": run.id,
        "kind": run.kind.name(),
        "collection_date": run.from,
        "collection_end_date": run.to,
        "started_at": run.started_at,
        "completed_at": run.completed_at,
        "status": run.status.name(),
        "metrics_collected": run.metrics_collected,
        "error_message": run.error_message,
        "error_details": run.error_details,
        "trigger": run.trigger.name(),
        "actor": run.actor,
        "host": run.host,
        "process_id": run.process_id,
    })
}
