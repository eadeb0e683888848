//! The demonstration: a platform is simulated for some hundred days, and each day is recorded after its end. Then the
//! account with the most rows is deleted with all its content, and the records are compared with a recount.

use std::{fs, io::Write, path::Path, sync::Arc};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp, civil::Date};

use super::{
    Departure, Scenario, Simulation,
    incidents::{Incidents, fail_to_collect},
    period::{Period, SETTLE},
};
use crate::{
    clock::SetClock,
    collect::{
        self, CancellationToken, Context, DayReport, DriftReport, DriftRequest, Initiator, Installation,
        Tenant,
    },
    config::{self, Config},
    database::{DatabaseUrl, RetryPolicy},
    metric::Calendar,
    platform::{self, Platform, PlatformOptions, Statistics},
    store::{self, RecordCount, RunStatus, StoreOptions, Trigger},
};

const NO_RETRY: RetryPolicy = RetryPolicy { retries: 0, initial_delay: std::time::Duration::ZERO };
const SEED: u64 = 20_240_101;

/// The outcome of the demonstration.
pub struct Tour {
    pub scenario: &'static Scenario,
    pub period: Period,
    /// Whether the period was long enough for a night that failed, two that were missed and a definition that changed.
    pub has_incidents: bool,
    /// The number of rows that members created. The following fields count the rows that they deleted, without the
    /// deletion of the account.
    pub created: u64,
    pub deleted: u64,
    pub deleted_same_day: u64,
    pub departure: Departure,
    pub records: usize,
    /// Every recorded value beside its recount after the deletion of the account.
    pub drift: DriftReport,
    /// The report of recording the last day a second time.
    pub again: DayReport,
}

/// Receives the progress: the number of days that are simulated and recorded.
pub trait TourProgress {
    fn advanced(&self, day: usize, days: usize);
}

/// Simulates and records `period` in the new databases `platform.db` and `daymark.db` in `directory`, and writes a
/// `daymark.toml` for them. The directory is created if it does not exist.
///
/// # Errors
/// When the directory cannot be written or is not empty, because simulated days must not be mixed with a real history.
pub async fn tour(
    directory: &Path,
    scenario: &'static Scenario,
    period: Period,
    progress: &dyn TourProgress,
) -> anyhow::Result<Tour> {
    create_empty(directory)?;
    let mut simulation =
        Simulation::create(&directory.join("platform.db"), scenario, SEED, period.first).await?;
    let clock = Arc::new(SetClock::at(Timestamp::UNIX_EPOCH));
    let context = context(directory, clock.clone());
    context.tenant.store.migrate().await?;
    context.tenant.store.simulate_clock().await?;

    let incidents = Incidents::of(period);
    let totals =
        record_days((directory, scenario), &mut simulation, (&context, &clock), period, progress).await?;
    if let Some(incidents) = incidents {
        incidents.tell(scenario, &context).await?;
    }
    let departure = simulation.delete_prolific_account().await?.context("no account has rows")?;
    let last = period.last;
    let again = collect::collect_day(&context, Some(last), &[], &CancellationToken::new()).await?;
    let request = DriftRequest { from: Some(period.first), to: Some(last), ..DriftRequest::default() };
    let drift = collect::drift(&context, &request, &CancellationToken::new()).await?;
    anyhow::ensure!(drift.failed.is_empty(), "some metrics were not recounted: {:?}", drift.failed);
    let records =
        context.tenant.store.summary(last, &[]).await?.counts.iter().map(RecordCount::records).sum();
    let Totals { created, deleted, deleted_same_day } = totals;
    let has_incidents = incidents.is_some();
    Ok(Tour {
        scenario,
        period,
        has_incidents,
        created,
        deleted,
        deleted_same_day,
        departure,
        records,
        drift,
        again,
    })
}

/// Simulates the days of the period one after the other, and records each when it has ended.
async fn record_days(
    (directory, scenario): (&Path, &'static Scenario),
    simulation: &mut Simulation,
    (context, clock): (&Context, &SetClock),
    period: Period,
    progress: &dyn TourProgress,
) -> anyhow::Result<Totals> {
    let mut totals = Totals::default();
    let incidents = Incidents::of(period);
    let mut config = None;
    let days = context.tenant.calendar.days(period.first, period.last);
    for (index, day) in days.iter().enumerate() {
        let activity = incidents.map_or(1.0, |incidents| incidents.activity(day.date));
        totals.add(&simulation.simulate_day(day.date, activity).await?);
        clock.set(context.ready_at(day.date));
        let config = match &mut config {
            Some(config) => config,
            None => config.insert(apply(directory, scenario, context).await?),
        };
        if let Some(incidents) = incidents {
            incidents.change_definitions(scenario, (context, config), day.date).await?;
        }
        match incidents {
            Some(incidents) if incidents.is_missed(day.date) => {}
            Some(incidents) if incidents.fails(day.date) => {
                fail_to_collect(context, platform_at(directory, "moved.db")).await?;
            }
            _ => record_day(context, day.date).await?,
        }
        progress.advanced(index + 1, days.len());
    }
    Ok(totals)
}

/// Records a day, all of it.
async fn record_day(context: &Context, day: Date) -> anyhow::Result<()> {
    let report = collect::collect_day(context, None, &[], &CancellationToken::new()).await?;
    let is_complete = report.status == RunStatus::Completed;
    anyhow::ensure!(is_complete, "{day} was not recorded: {:?}", report.failed);
    Ok(())
}

fn create_empty(directory: &Path) -> anyhow::Result<()> {
    let shown = directory.display();
    fs::create_dir_all(directory).with_context(|| format!("the directory `{shown}` cannot be created"))?;
    let entries = fs::read_dir(directory).and_then(|mut entries| entries.next().transpose());
    let entry = entries.with_context(|| format!("the directory `{shown}` cannot be read"))?;
    anyhow::ensure!(
        entry.is_none(),
        "`{shown}` is not empty, and the demonstration overwrites no files; give a new or an empty directory"
    );
    Ok(())
}

#[derive(Default)]
struct Totals {
    created: u64,
    deleted: u64,
    deleted_same_day: u64,
}

impl Totals {
    fn add(&mut self, day: &super::DayLedger) {
        self.created += day.created.total();
        self.deleted += day.deleted.total();
        self.deleted_same_day += day.deleted_same_day.total();
    }
}

fn context(directory: &Path, clock: Arc<SetClock>) -> Context {
    let retry = NO_RETRY;
    let calendar = Calendar::utc();
    let store_options = StoreOptions {
        tenant: crate::metric::DEFAULT_TENANT.to_owned(),
        schema: store::DEFAULT_SCHEMA.to_owned(),
        retry,
        statement_timeout: None,
    };
    let platform = platform_at(directory, "platform.db");
    let store = store::open_without_waiting(&directory.join("daymark.db"), store_options);
    let installation = Installation {
        clock,
        retry,
        chunk_days: 30,
        run_limit: None,
        freshness_wait: std::time::Duration::ZERO,
        host: "demo".to_owned(),
        process_id: std::process::id(),
    };
    let tenant = Tenant {
        name: crate::metric::DEFAULT_TENANT.to_owned(),
        calendar,
        settle: SETTLE,
        cron: None,
        observed_within: SignedDuration::from_hours(24),
        store,
        platform,
        first_row: Arc::default(),
        derived: Arc::default(),
    };
    Context::new(installation, tenant, Initiator::new(Trigger::Schedule, "demo"))
}

fn platform_at(directory: &Path, file: &str) -> Arc<dyn Platform> {
    let limit = std::time::Duration::from_secs(30);
    let options = PlatformOptions {
        calendar: Calendar::utc(),
        statement_timeout: limit,
        lock_timeout: limit,
        retry: NO_RETRY,
        assume_fresh: Vec::new(),
    };
    platform::open(&DatabaseUrl::Sqlite(directory.join(file)), options)
}

/// Writes the configuration like `daymark init`, and applies it.
async fn apply(directory: &Path, scenario: &Scenario, context: &Context) -> anyhow::Result<Config> {
    let file = directory.join(config::DEFAULT_FILE);
    let platform = context.tenant.platform.as_ref();
    let schema = platform.inspect().await?;
    let detected = platform.detect_time_formats(&config::columns_to_inspect(&schema)).await?;
    // The statistics of the platform are not used, because most tables have no rows before the second day.
    let statistics = Statistics::default();
    let url = DatabaseUrl::Sqlite("platform.db".into());
    // The demonstration has the metrics of the preset only.
    let options = config::StarterOptions {
        preset: Some(scenario.preset),
        most: 0,
        ..config::StarterOptions::default()
    };
    let text = config::starter_file(&schema, &detected, &statistics, Some(&url), &options).text;
    fs::File::create_new(&file)
        .and_then(|mut created| created.write_all(text.as_bytes()))
        .with_context(|| format!("`{}` cannot be written", file.display()))?;
    let config = config::load(Some(&file), &config::GivenFlags::new(), &config::Environment::new())?;
    let detected = platform.detect_time_formats(&config.columns_to_detect(&schema)).await?;
    let resolved = config.resolve(&schema, &detected);
    crate::definitions::apply(context, &resolved.definitions, false).await?;
    Ok(config)
}
