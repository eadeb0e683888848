//! `daymark demo`: runs the demonstration and prints what happened.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;
use jiff::civil::Date;
use serde_json::json;
use strum::IntoEnumIterator;

use super::{
    ConfigArguments, Exit, Format, Page, demo_server,
    output::{duration, thousands},
};
use crate::{
    clock::SystemClock,
    collect::{ComparedDay, DriftReport},
    config::{self, ConfigProblems, Finding, Preset},
    demo::{Departure, Period, Scenario, Tour, TourProgress, tour},
    metric::{Decimal, MetricKey},
    pluralize::pluralize,
};

#[derive(Args)]
pub struct DemoArguments {
    /// Keep the files in this directory, new or empty [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
    /// The last day to simulate, in UTC [default: yesterday]
    #[arg(long, value_name = "DATE")]
    until: Option<Date>,
    /// How many days to simulate
    // The chart needs at least two whole weeks.
    #[arg(long, value_name = "N", default_value_t = 420, value_parser = clap::value_parser!(u16).range(14..=3650))]
    days: u16,
    /// End after the story. Otherwise the dashboard shows the record until Ctrl-C, if this is a terminal and the environment
    /// variable DEMO_EXIT is not set
    #[arg(long)]
    exit: bool,
}

impl DemoArguments {
    fn stays_up(&self, format: Format) -> bool {
        let is_asked_to_exit =
            self.exit || std::env::var_os("DEMO_EXIT").is_some_and(|value| !value.is_empty());
        format == Format::Text && !is_asked_to_exit && std::io::stdout().is_terminal()
    }
}

pub async fn run(
    arguments: &DemoArguments,
    configured: &ConfigArguments,
    format: Format,
) -> anyhow::Result<(Page, Exit)> {
    let started = Instant::now();
    let reason = "`daymark demo` creates a platform, a store and a configuration of its own";
    let mut flags = configured.flags.clone();
    let scenario = scenario(flags.remove("preset").as_deref())?;
    let problems = config::without_effect(&flags, configured.file.as_deref(), reason);
    if !problems.is_empty() {
        return Err(ConfigProblems(problems).into());
    }
    let period = Period::ending(arguments.until, arguments.days, &SystemClock)?;
    let temporary = match arguments.dir {
        Some(_) => None,
        None => Some(tempfile::tempdir()?),
    };
    let directory = match (&arguments.dir, &temporary) {
        (Some(directory), _) => directory.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => anyhow::bail!("there is no directory for the demonstration"),
    };
    let outcome = tour(&directory, scenario, period, &Counter).await?;
    let mut page = page(&outcome);
    describe(&mut page, &outcome);
    let stays_up = arguments.stays_up(format);
    match &arguments.dir {
        Some(directory) => list_files(&mut page, &outcome, directory),
        None if stays_up => page.line("The files will be removed; `daymark demo --dir D` keeps them."),
        None => page.line("The files were removed; `daymark demo --dir D` keeps them."),
    }
    page.line(format!("The demonstration took {}.", duration(started.elapsed())));
    match stays_up {
        true => demo_server::run(&page, &directory).await,
        false => Ok((page, Exit::Done)),
    }
}

/// What is simulated: the platform of the preset that `--preset` names, by default a community.
fn scenario(preset: Option<&str>) -> Result<&'static Scenario, ConfigProblems> {
    let preset = preset.unwrap_or(Preset::Community.name());
    let found = Preset::iter().filter_map(|preset| Some((preset.name(), Scenario::of(preset)?)));
    let known: Vec<_> = found.collect();
    let scenario = known.iter().find(|(name, _)| *name == preset).map(|(_, scenario)| *scenario);
    scenario.ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        let message = format!("there is no demonstration of {}", config::shown(preset));
        let problem = Finding::error("--preset", message);
        ConfigProblems(vec![problem.hint(format!("it is one of {}", names.join(", ")))])
    })
}

/// The recorded and recounted values, for programs.
fn page(outcome: &Tour) -> Page {
    let mut page = Page::new(json(outcome));
    page.columns = vec!["metric_date", "metric_category", "recorded", "recounted_now"];
    for (date, values) in by_day(&outcome.drift) {
        for (key, day) in values {
            page.rows.push(vec![
                date.to_string(),
                key.category.clone(),
                day.recorded.to_string(),
                day.recounted.to_string(),
            ]);
        }
    }
    page
}

/// Lists the files that were kept, and commands that show their content.
fn list_files(page: &mut Page, outcome: &Tour, directory: &Path) {
    let shown = directory.display();
    page.line(format!("The platform is {shown}/platform.db, its history {shown}/daymark.db. Look around:"));
    let program = std::env::args().next().unwrap_or_else(|| "daymark".to_owned());
    let (category, _) = outcome.scenario.story.chart;
    for command in ["status", &format!("query --interval month --metric {category}"), "serve"] {
        page.line(format!("  {program} --config {shown}/daymark.toml {command}"));
    }
}

/// Shows the number of simulated days, if standard error is a terminal.
struct Counter;

impl TourProgress for Counter {
    fn advanced(&self, day: usize, days: usize) {
        let mut stderr = std::io::stderr();
        if stderr.is_terminal() && (day.is_multiple_of(10) || day == days) {
            let end = if day == days { "\r\x1b[K" } else { "" };
            // A terminal that cannot be written to does not stop the demonstration.
            let _ = write!(stderr, "\rsimulating day {day} of {days} {end}");
        }
    }
}

fn describe(page: &mut Page, outcome: &Tour) {
    let (created, deleted) = (thousands(outcome.created), thousands(outcome.deleted));
    page.line(format!(
        "{} was simulated from {} to {}: {created} rows were created and {deleted} deleted again, {} of them on the day they were created.",
        outcome.scenario.story.subject, outcome.period.first, outcome.period.last, thousands(outcome.deleted_same_day)
    ));
    page.line(format!(
        "After each midnight, Daymark recorded the day: {} records of {} metrics.",
        thousands(outcome.records as u64),
        outcome.drift.metrics.len()
    ));
    if outcome.has_incidents {
        page.line(
            "One night's run failed, two nights were missed, and a definition changed. These days are gaps that say why; the schedule is \
             paused, so that they stay until it is resumed.",
        );
    }
    page.blank();
    let (category, title) = outcome.scenario.story.chart;
    chart(page, outcome, category, title);
    page.blank();
    describe_departure(page, outcome);
    last_day(page, outcome);
    page.blank();
    page.line(format!(
        "Recording {} again changed nothing: {} written, {} already there.",
        outcome.again.date,
        outcome.again.recorded.len(),
        outcome.again.already_there
    ));
}

fn describe_departure(page: &mut Page, outcome: &Tour) {
    let Departure { name, deleted } = &outcome.departure;
    let rows = outcome.scenario.tables.iter().skip(1);
    let mut rows: Vec<_> = rows.map(|(table, noun)| pluralize(deleted.of(table), noun)).collect();
    let last = rows.pop().unwrap_or_default();
    let departed = outcome.scenario.story.departed.replace("{name}", name);
    page.line(format!("{departed} with {} and {last}.", rows.join(", ")));
    page.line(
        "Past days as a recount of the platform's present rows gives them, beside the values that were recorded at the time:",
    );
    page.blank();
    for category in outcome.scenario.story.histories {
        history(page, outcome, category);
        page.blank();
    }
}

/// The compared values of each day, by date and category.
fn by_day(drift: &DriftReport) -> BTreeMap<Date, Vec<(&MetricKey, &ComparedDay)>> {
    let mut days: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for metric in &drift.metrics {
        for day in &metric.days {
            days.entry(day.date).or_default().push((&metric.key, day));
        }
    }
    days
}

fn days_of<'a>(outcome: &'a Tour, category: &str) -> Option<&'a [ComparedDay]> {
    outcome.drift.metrics.iter().find(|metric| metric.key.category == category).map(|metric| &metric.days[..])
}

fn chart(page: &mut Page, outcome: &Tour, category: &str, title: &str) {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let Some(days) = days_of(outcome, category) else { return };
    let week = |days: &[ComparedDay]| -> f64 { days.iter().map(|day| number(&day.recorded)).sum() };
    let weeks: Vec<f64> = days.chunks_exact(7).map(week).collect();
    let most = weeks.iter().copied().fold(1.0, f64::max);
    let level = |value: &f64| LEVELS[((value / most) * 7.0).round().clamp(0.0, 7.0) as usize];
    let bars: String = weeks.iter().map(level).collect();
    page.line(format!("  {title} (maximum: {most:.0})"));
    page.line(format!("  {bars}"));
}

/// A table with a row for the last day of every second month.
fn history(page: &mut Page, outcome: &Tour, category: &str) {
    let Some(days) = days_of(outcome, category) else { return };
    let month_ends =
        days.iter().filter(|day| day.date == day.date.last_of_month() && day.date.month() % 2 == 0);
    let days: Vec<_> = month_ends.chain(days.last()).collect();
    let most = days.iter().map(|day| number(&day.recorded)).fold(1.0, f64::max);
    let rows = days.iter().map(|day| {
        let (recorded, now) = (&day.recorded, &day.recounted);
        // The solid part of a bar is what the recount finds, the light part what it no longer finds.
        let width = |value: &Decimal| (number(value) / most * 24.0).round() as usize;
        let (kept, all) = (width(now), width(recorded));
        let bar = "█".repeat(kept.min(all)) + &"░".repeat(all.saturating_sub(kept));
        vec![day.date.to_string(), recorded.to_string(), now.to_string(), day.difference().to_string(), bar]
    });
    page.table_of(&[category, "recorded", "recount now", "difference", ""], rows.collect());
}

fn last_day(page: &mut Page, outcome: &Tour) {
    let days = by_day(&outcome.drift);
    let Some((date, values)) = days.last_key_value() else { return };
    let rows = values.iter().map(|(key, day)| {
        let difference = day.difference();
        let difference = if difference.is_zero() { String::new() } else { difference.to_string() };
        vec![key.category.clone(), day.recorded.to_string(), day.recounted.to_string(), difference]
    });
    let title = format!("{date}, all metrics");
    page.table_of(&[&title, "recorded", "recount now", "difference"], rows.collect());
}

/// Converts the value to a float, which is precise enough for the length of a bar.
fn number(value: &Decimal) -> f64 {
    value.to_string().parse().unwrap_or_default()
}

fn json(outcome: &Tour) -> serde_json::Value {
    let days: Vec<_> = by_day(&outcome.drift)
        .into_iter()
        .map(|(date, values)| {
            let metrics: Vec<_> = values
                .iter()
                .map(|(key, day)| {
                    json!({
                        "metric_type": key.metric_type, "metric_category": key.category, "recorded": day.recorded,
                        "recounted_now": day.recounted,
                    })
                })
                .collect();
            json!({"metric_date": date, "metrics": metrics})
        })
        .collect();
    let Departure { name, deleted } = &outcome.departure;
    let tables = outcome.scenario.tables.iter().map(|(table, _)| *table);
    let rows_deleted: serde_json::Map<_, _> =
        tables.map(|table| (table.to_owned(), json!(deleted.of(table)))).collect();
    let departure = json!({"name": name, "rows_deleted": rows_deleted});
    json!({
        "first": outcome.period.first, "last": outcome.period.last, "rows_created": outcome.created, "rows_deleted": outcome.deleted,
        "rows_deleted_same_day": outcome.deleted_same_day, "records": outcome.records, "departure": departure, "days": days,
        "recorded_again": {"written": outcome.again.recorded.len(), "already_there": outcome.again.already_there},
    })
}
