//! The arguments of the program as a whole, and the command that they select.

use std::{ffi::OsString, io::Write, process::ExitCode, sync::Arc};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tracing::level_filters::LevelFilter;

use super::{
    ConfigArguments, Exit, Format, Page, alerts, annotations, app::App, apply, backfill, backup, check,
    collect, correct, corrections, demo, drift, export, gaps, init, judge, keys, migrate, output, plan,
    preview, query, redact, restate, schedule, serve, sql, status,
};
use crate::{clock::SystemClock, config, telemetry::log};

/// Records what a platform looked like at the end of each day, and keeps it that way.
#[derive(Parser)]
#[command(name = "daymark", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done; 1 failed; 2 wrong arguments or configuration; 3 some metrics failed, the others were \
    recorded; 4 another process is doing the same; 5 the day is not finished yet, or the platform does not show all of it; 130 \
    interrupted, what was committed is kept."
)]
struct Arguments {
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Simulate a platform up to yesterday, and record its history: a community, or what --preset names
    Demo(demo::DemoArguments),
    /// Look at the platform's tables and write a commented daymark.toml
    Init(init::InitArguments),
    /// Find everything that could go wrong at midnight, all at once
    Check,
    /// Create or update the store's tables
    Migrate(migrate::MigrateArguments),
    /// Show how the configured metrics differ from those in the store, and bring the store in line
    Apply(apply::ApplyArguments),
    /// Print the SQL that a collection would run on the platform
    Plan(plan::PlanArguments),
    /// Compute a metric for the last days, draw it and print its SQL, without recording anything
    Preview(preview::PreviewArguments),
    /// Record a day: the last finished one, or --date
    Collect(collect::CollectArguments),
    /// Reconstruct missing days from the platform's present rows
    Backfill(backfill::BackfillArguments),
    /// List missing records by metric and day, with their causes
    Gaps(gaps::GapsArguments),
    /// Compare records with a recount of the platform's present rows
    Drift(drift::DriftArguments),
    /// Judge the recorded values that have no judgement yet, by the history of their metric
    Judge(judge::JudgeArguments),
    /// Put recorded values right, with a reason; the records stay
    Correct(correct::CorrectArguments),
    /// Read recorded days again under the newest definition of their metric, and correct those that differ; the records stay
    Restate(restate::RestateArguments),
    /// Replace a label, such as a person's name, by a placeholder wherever the store has it, in the records too
    Redact(redact::RedactArguments),
    /// List the corrections of recorded values, with their reasons and authors
    Corrections(corrections::CorrectionsArguments),
    /// Show recorded values by day, week, month, quarter or year, or the latest
    Query(query::QueryArguments),
    /// Write recorded values to a file: CSV, JSON, NDJSON or Parquet
    Export(export::ExportArguments),
    /// Show the last runs, the recorded range and the next due day
    Status,
    /// Show the schedule of `daymark serve`, or pause or resume it
    Schedule(schedule::ScheduleArguments),
    /// Show the alerts, silence them, test a channel, and list the notifications with their delivery attempts
    Alerts(alerts::AlertsArguments),
    /// List, add and remove annotations of days, which charts show
    Annotations(annotations::AnnotationsArguments),
    /// Serve the HTTP API and the dashboard, collect on schedule, and evaluate alerts
    Serve,
    /// Copy the store, and read the copy back
    Backup(backup::BackupArguments),
    /// Restore a backup into a place that has no store yet
    Restore(backup::RestoreArguments),
    /// Create, list and revoke the keys of the HTTP API
    Keys(keys::KeysArguments),
    /// Install SQL functions that record days without a process: for pg_cron, supabase.rpc and psql
    Sql(sql::SqlArguments),
}

/// Runs the program and returns its exit code.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = config::add_setting_flags(Arguments::command());
    let matches = match command.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // If even the message cannot be printed, the exit code is all that can be reported.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let parsed = match Arguments::from_arg_matches(&matches) {
        Ok(parsed) => parsed,
        Err(error) => error.exit(),
    };
    let config_arguments =
        ConfigArguments { flags: config::given_flags(&matches), file: config::given_config_file(&matches) };
    match dispatch(parsed.command, parsed.format, &config_arguments).await {
        Ok((page, exit)) => print(&page, parsed.format, exit),
        Err(error) => {
            output::say(format_args!("error: {error:#}"));
            if Exit::is_of_no_definitions(&error) {
                note_other_tenants(&config_arguments).await;
            }
            Exit::of(&error).into()
        }
    }
}

async fn dispatch(
    command: Command,
    format: Format,
    configured: &ConfigArguments,
) -> anyhow::Result<(Page, Exit)> {
    let is_server = matches!(command, Command::Serve);
    let start = || Started::new(configured, is_server);
    match command {
        Command::Demo(arguments) => demo::run(&arguments, configured, format).await,
        Command::Check => {
            let environment = config::process_environment();
            let file = configured.file.as_deref();
            check::run(config::load_with_problems(file, &configured.flags, &environment)).await
        }
        Command::Init(arguments) => init::run(&start()?.app, &arguments, configured).await,
        Command::Migrate(arguments) => migrate::run(&start()?.app, &arguments).await,
        Command::Apply(arguments) => apply::run(&start()?.app, &arguments).await,
        Command::Plan(arguments) => plan::run(&start()?.app, &arguments).await,
        Command::Preview(arguments) => preview::run(&start()?.app, &arguments).await,
        Command::Collect(arguments) => collect::run(&start()?.app, &arguments).await,
        Command::Backfill(arguments) => backfill::run(&start()?.app, &arguments, format).await,
        Command::Gaps(arguments) => gaps::run(&start()?.app, &arguments).await,
        Command::Drift(arguments) => drift::run(&start()?.app, &arguments).await,
        Command::Judge(arguments) => judge::run(&start()?.app, &arguments).await,
        Command::Correct(arguments) => correct::run(&start()?.app, arguments).await,
        Command::Restate(arguments) => restate::run(&start()?.app, &arguments, format).await,
        Command::Redact(arguments) => redact::run(&start()?.app, &arguments).await,
        Command::Corrections(arguments) => corrections::run(&start()?.app, arguments).await,
        Command::Query(arguments) => query::run(&start()?.app, &arguments, format).await,
        Command::Export(arguments) => export::run(&start()?.app, &arguments).await,
        Command::Status => status::run(&start()?.app).await,
        Command::Schedule(arguments) => schedule::run(&start()?.app, &arguments).await,
        Command::Alerts(arguments) => alerts::run(&start()?.app, arguments).await,
        Command::Annotations(arguments) => annotations::run(&start()?.app, arguments).await,
        Command::Serve => serve::run(&start()?.app, serve::log_address).await,
        Command::Backup(arguments) => backup::back_up(&start()?.app, &arguments).await,
        Command::Restore(arguments) => backup::restore(&start()?.app, &arguments).await,
        Command::Keys(arguments) => keys::run(&start()?.app, arguments).await,
        Command::Sql(arguments) => sql::run(&start()?.app, &arguments).await,
    }
}

/// Says which tenants have metrics, after a command whose tenant has none.
async fn note_other_tenants(configured: &ConfigArguments) {
    let Ok(started) = Started::new(configured, false) else { return };
    if let Some(others) = crate::definitions::other_tenants(&started.app.context).await {
        output::say(format_args!("note: {others}"));
    }
}

/// The application of a command that needs the whole configuration. It is dropped before the result or an error is printed, so
/// that the log's lines are written first.
struct Started {
    app: App,
    _log: log::LogGuard,
}

impl Started {
    fn new(configured: &ConfigArguments, is_server: bool) -> anyhow::Result<Self> {
        let environment = config::process_environment();
        let config = config::load(configured.file.as_deref(), &configured.flags, &environment)?;
        let _log = start_log(&config, is_server);
        Ok(Self { app: App::new(config, Arc::new(SystemClock)), _log })
    }
}

fn start_log(config: &config::Config, is_server: bool) -> log::LogGuard {
    let settings = &config.settings;
    let json = match settings.log.format {
        config::LogFormat::Auto => None,
        config::LogFormat::Text => Some(false),
        config::LogFormat::Json => Some(true),
    };
    // A server logs every request.
    let default = if is_server { LevelFilter::INFO } else { LevelFilter::WARN };
    log::start(log::LogOptions {
        json,
        level: settings.log.level.unwrap_or(default),
        in_background: is_server,
    })
}

fn print(page: &Page, format: Format, exit: Exit) -> ExitCode {
    let written = page.render(format).and_then(|text| Ok(std::io::stdout().write_all(text.as_bytes())?));
    match written {
        Ok(()) => exit.into(),
        // The reader of the output has closed the pipe (`daymark gaps | head`).
        Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(output::is_closed_pipe) => {
            exit.into()
        }
        Err(error) => {
            output::say(format_args!("error: the result cannot be printed: {error:#}"));
            Exit::Failed.into()
        }
    }
}
