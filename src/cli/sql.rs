//! `daymark sql`: functions in the database that record days without Daymark's process.

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{App, Exit, Page};
use crate::{
    config::UnfinishedDay,
    definitions::{CRON_JOB, cron_schedule, function_spec, missing_for_cron, other_cron_jobs},
    store::{FunctionMetric, FunctionSpec},
};

#[derive(Args)]
pub struct SqlArguments {
    #[command(subcommand)]
    command: SqlCommand,
}

#[derive(Subcommand)]
enum SqlCommand {
    /// Put collect_daily_metrics and backfill_daily_metrics into the database that is both platform and store
    Install(ApiSchema),
    /// Print the script that `install` runs
    Show(ApiSchema),
    /// Make the job of pg_cron that records each day when it has settled
    Schedule {
        /// Remove the job instead
        #[arg(long)]
        remove: bool,
    },
    /// Remove the functions and views; records and log stay
    Uninstall,
}

#[derive(Args)]
struct ApiSchema {
    /// Also make the functions, and views of the tables, in this schema, where the database's own API looks for them: `public` on
    /// Supabase. Without it, that of the earlier installation; `daymark sql uninstall` removes both
    #[arg(long, value_name = "SCHEMA")]
    api_schema: Option<String>,
}

pub async fn run(app: &App, arguments: &SqlArguments) -> anyhow::Result<(Page, Exit)> {
    let page = match &arguments.command {
        SqlCommand::Install(ApiSchema { api_schema }) => install(app, api_schema.as_deref()).await?,
        SqlCommand::Show(ApiSchema { api_schema }) => show(app, api_schema.as_deref()).await?,
        SqlCommand::Schedule { remove: true } => unschedule(app).await?,
        SqlCommand::Schedule { remove: false } => schedule(app).await?,
        SqlCommand::Uninstall => uninstall(app).await?,
    };
    Ok((page, Exit::Done))
}

async fn schedule(app: &App) -> anyhow::Result<Page> {
    let store = &app.context.tenant.store;
    let state = store.cron_state().await?.context("pg_cron needs a store on PostgreSQL")?;
    ensure!(
        store.installed_functions(None).await?.is_some(),
        "the job would have nothing to call: run `daymark sql install` first"
    );
    let schedule = cron_schedule(&app.context, &state);
    refuse_missing(&missing_for_cron(&state, &schedule))?;
    let mut state = state;
    if state.extension.is_none() {
        let database = state.current_database.clone();
        store.create_cron().await.with_context(|| {
            format!("have an administrator run `CREATE EXTENSION pg_cron` in the database {database}")
        })?;
        state = store.cron_state().await?.unwrap_or_default();
        refuse_missing(&missing_for_cron(&state, &schedule))?;
    }
    store.schedule_cron(CRON_JOB, &schedule).await?;
    let warnings = other_cron_jobs(&state, &schedule);
    let zone = &state.time_zone;
    let mut page = Page::new(
        json!({"job": CRON_JOB, "schedule": schedule, "time_zone": zone, "command": state.command, "warnings": warnings}),
    );
    page.columns = vec!["job", "schedule", "time_zone", "command"];
    page.rows = vec![vec![CRON_JOB.to_owned(), schedule.clone(), zone.clone(), state.command.clone()]];
    page.line(format!("The job {CRON_JOB} runs `{}` at `{schedule}` ({zone}).", state.command));
    for warning in warnings {
        page.lines(format!("warning: {warning}"));
    }
    Ok(page)
}

fn refuse_missing(missing: &[String]) -> anyhow::Result<()> {
    ensure!(missing.is_empty(), "{}", missing.join("\n"));
    Ok(())
}

async fn unschedule(app: &App) -> anyhow::Result<Page> {
    let store = &app.context.tenant.store;
    let state = store.cron_state().await?.unwrap_or_default();
    let is_removed = state.extension.is_some() && store.unschedule_cron(CRON_JOB).await?;
    let mut page = Page::new(json!({"removed": is_removed}));
    page.columns = vec!["removed"];
    page.rows = vec![vec![is_removed.to_string()]];
    page.line(match is_removed {
        true => format!("The job {CRON_JOB} is removed."),
        false => format!("There was no job {CRON_JOB}."),
    });
    Ok(page)
}

async fn spec(app: &App) -> anyhow::Result<FunctionSpec> {
    let takes_last_finished = app.config.settings.unfinished_day == UnfinishedDay::LastFinished;
    Ok(function_spec(&app.context, takes_last_finished).await?)
}

/// `given`, or else the schema for clients of an API that the functions of this tenant were installed with.
async fn api_schema_of(app: &App, given: Option<&str>) -> anyhow::Result<Option<String>> {
    if let Some(given) = given {
        return Ok(Some(given.to_owned()));
    }
    let tenant = &app.context.tenant;
    let installed = tenant.store.installed_functions(None).await?;
    Ok(installed
        .filter(|installed| installed.tenant == tenant.name)
        .and_then(|installed| installed.api_schema))
}

async fn install(app: &App, api_schema: Option<&str>) -> anyhow::Result<Page> {
    let store = &app.context.tenant.store;
    let spec = spec(app).await?;
    let api_schema = api_schema_of(app, api_schema).await?;
    let api_schema = api_schema.as_deref();
    let schema = store.function_place().await?.schema;
    let notes = store.install_functions(&spec, api_schema).await?;
    let schemas: Vec<_> = std::iter::once(schema).chain(api_schema.map(str::to_owned)).collect();
    let metrics: Vec<_> = spec.metrics.iter().map(metric_json).collect();
    let mut page = Page::new(json!({"schemas": schemas, "metrics": metrics, "notes": notes}));
    page.columns = vec!["metric_category", "version", "reason"];
    let recorded = spec.metrics.iter().filter(|metric| metric.reason.is_none()).count();
    page.line(format!(
        "collect_daily_metrics and backfill_daily_metrics are in the schema {}, for {recorded} of {} metrics.",
        schemas.join(" and "),
        spec.metrics.len()
    ));
    for metric in &spec.metrics {
        let reason = metric.reason.clone().unwrap_or_default();
        if !reason.is_empty() {
            page.line(format!("They do not record {}: {reason}.", metric.key.category));
        }
        page.rows.push(vec![metric.key.category.clone(), metric.version.to_string(), reason]);
    }
    for note in notes {
        page.line(note);
    }
    Ok(page)
}

fn metric_json(metric: &FunctionMetric) -> serde_json::Value {
    json!({"metric_category": metric.key.category, "version": metric.version, "reason": metric.reason})
}

async fn show(app: &App, api_schema: Option<&str>) -> anyhow::Result<Page> {
    let spec = spec(app).await?;
    let api_schema = api_schema_of(app, api_schema).await?;
    let script = app.context.tenant.store.function_script(&spec, api_schema.as_deref())?;
    let mut page = Page::new(json!({"sql": script}));
    page.columns = vec!["sql"];
    page.lines(script.trim_end());
    page.rows = vec![vec![script]];
    Ok(page)
}

async fn uninstall(app: &App) -> anyhow::Result<Page> {
    let is_removed = app.context.tenant.store.uninstall_functions().await?;
    let mut page = Page::new(json!({"removed": is_removed}));
    page.columns = vec!["removed"];
    page.rows = vec![vec![is_removed.to_string()]];
    page.line(match is_removed {
        true => "The functions and their views are removed; records and log stay.",
        false => "No functions were installed.",
    });
    Ok(page)
}
