//! The demonstration: a platform lives for over a year while every midnight is recorded; then somebody leaves with all
//! they ever wrote, and the record is compared with what a recount now says.

use std::{fs, io::Write, path::Path, sync::Arc};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};

use super::{Departure, Simulation};
use crate::{
    clock::SetClock,
    collect::{self, Cancellation, Context, DayReport, Installation, Tenant},
    config,
    database::{DatabaseUrl, RetryPolicy},
    metric::{Calendar, Decimal, MetricKey},
    platform::{self, PlatformOptions},
    store::{self, RecordCount, RunStatus, StoreOptions},
};

const SEED: u64 = 20_240_101;
pub const FIRST_DAY: Date = jiff::civil::date(2024, 1, 1);
/// A schedule that collects a quarter of an hour after midnight.
const SETTLE: SignedDuration = SignedDuration::from_mins(15);

/// What happened.
pub struct Tour {
    pub first: Date,
    pub last: Date,
    /// Rows that the platform's people made, and those that they deleted again (the final departure not counted).
    pub made: u64,
    pub deleted: u64,
    pub deleted_same_day: u64,
    pub departure: Departure,
    pub records: usize,
    /// What was recorded, and what a recount says now, by day and metric; metrics by category.
    pub metrics: Vec<MetricKey>,
    pub days: Vec<ComparedDay>,
    /// Recording the last day again.
    pub again: DayReport,
}

pub struct ComparedDay {
    pub date: Date,
    /// Recorded value and recount, in the order of [`Tour::metrics`].
    pub values: Vec<(Decimal, Decimal)>,
}

/// Hears how far the demonstration is.
pub trait Audience {
    fn lived(&self, day: usize, days: usize);
}

/// Lives through `days` days in new databases in `directory`: `platform.db` and `daymark.db`, and a `daymark.toml` to
/// look at them with. The directory is made if it is not there.
///
/// # Errors
/// When the directory cannot be written, or holds anything already: simulated days must not mix with a real history.
pub async fn tour(directory: &Path, days: usize, audience: &dyn Audience) -> anyhow::Result<Tour> {
    make_empty(directory)?;
    let mut simulation = Simulation::create(&directory.join("platform.db"), SEED, FIRST_DAY).await?;
    let clock = Arc::new(SetClock::at(Timestamp::UNIX_EPOCH));
    let context = context(directory, clock.clone());
    context.tenant.store.migrate().await?;

    let mut lived = Lived::default();
    for number in 0..days {
        let day = FIRST_DAY.saturating_add(i64::try_from(number)?.days());
        lived.add(&simulation.live_through(day).await?);
        clock.set(context.ready_at(day).saturating_add(1.minute())?);
        if number == 0 {
            apply(directory, &context).await?;
        }
        let report = collect::collect_day(&context, None, &[], &Cancellation::never()).await?;
        anyhow::ensure!(report.status == RunStatus::Completed, "{day} was not recorded: {:?}", report.failed);
        audience.lived(number + 1, days);
    }
    let departure = simulation.delete_prolific_account().await?.context("nobody has posted")?;
    let last = context.last_finished();
    let again = collect::collect_day(&context, Some(last), &[], &Cancellation::never()).await?;
    let (metrics, compared) = compare(&context, last).await?;
    let records =
        context.tenant.store.summary(last, &[]).await?.counts.iter().map(RecordCount::records).sum();
    let Lived { made, deleted, deleted_same_day } = lived;
    Ok(Tour {
        first: FIRST_DAY,
        last,
        made,
        deleted,
        deleted_same_day,
        departure,
        records,
        metrics,
        days: compared,
        again,
    })
}

fn make_empty(directory: &Path) -> anyhow::Result<()> {
    let shown = directory.display();
    fs::create_dir_all(directory).with_context(|| format!("the directory `{shown}` cannot be made"))?;
    let entries = fs::read_dir(directory).and_then(|mut entries| entries.next().transpose());
    let entry = entries.with_context(|| format!("the directory `{shown}` cannot be read"))?;
    anyhow::ensure!(
        entry.is_none(),
        "`{shown}` is not empty, and the demonstration overwrites nothing; name a new or an empty directory"
    );
    Ok(())
}

#[derive(Default)]
struct Lived {
    made: u64,
    deleted: u64,
    deleted_same_day: u64,
}

impl Lived {
    fn add(&mut self, day: &super::DayLedger) {
        self.made += day.created.total();
        self.deleted += day.deleted.total();
        self.deleted_same_day += day.deleted_same_day.total();
    }
}

fn context(directory: &Path, clock: Arc<SetClock>) -> Context {
    let retry = RetryPolicy { retries: 0, initial_delay: std::time::Duration::ZERO };
    let calendar = Calendar::utc();
    let limit = std::time::Duration::from_secs(30);
    let options =
        PlatformOptions { calendar: calendar.clone(), statement_timeout: limit, lock_timeout: limit, retry };
    let store_options = StoreOptions {
        tenant: crate::metric::DEFAULT_TENANT.to_owned(),
        schema: store::DEFAULT_SCHEMA.to_owned(),
        retry,
        statement_timeout: None,
    };
    let platform = platform::open(&DatabaseUrl::Sqlite(directory.join("platform.db")), options);
    let store = store::open_without_waiting(&directory.join("daymark.db"), store_options);
    let installation = Installation {
        clock,
        retry,
        chunk_days: 30,
        run_limit: None,
        host: "demo".to_owned(),
        process_id: std::process::id(),
    };
    let tenant = Tenant {
        name: crate::metric::DEFAULT_TENANT.to_owned(),
        calendar,
        settle: SETTLE,
        observed_within: SignedDuration::from_hours(24),
        store,
        platform,
    };
    Context { installation: Arc::new(installation), tenant: Arc::new(tenant) }
}

/// Writes the configuration as `daymark init` would, and applies it.
async fn apply(directory: &Path, context: &Context) -> anyhow::Result<()> {
    let file = directory.join(config::DEFAULT_FILE);
    let platform = context.tenant.platform.as_ref();
    let schema = platform.inspect().await?;
    let detected = platform.detect_time_formats(&config::columns_to_survey(&schema)).await?;
    let url = DatabaseUrl::Sqlite("platform.db".into());
    let text = config::template(&schema, &detected, Some(&url));
    fs::File::create_new(&file)
        .and_then(|mut created| created.write_all(text.as_bytes()))
        .with_context(|| format!("`{}` cannot be written", file.display()))?;
    let config = config::load(Some(&file), &config::GivenFlags::new(), &config::Environment::new())?;
    let detected = platform.detect_time_formats(&config.columns_to_detect(&schema)).await?;
    let wanted = config.resolve(&schema, &detected);
    crate::definitions::apply(context, &wanted.definitions, false).await?;
    Ok(())
}

/// Evaluates every metric anew for every recorded day, from what the platform holds now.
async fn compare(context: &Context, last: Date) -> anyhow::Result<(Vec<MetricKey>, Vec<ComparedDay>)> {
    let recount = collect::recount(context, FIRST_DAY, last).await?;
    let recorded = context.tenant.store.records(FIRST_DAY, last, None).await?;
    let mut values: std::collections::HashMap<_, _> =
        recorded.into_iter().map(|record| ((record.metric_date, record.key), record.value)).collect();
    let metrics: Vec<_> = recount.iter().map(|(key, _)| key.clone()).collect();
    let days = context.tenant.calendar.days(FIRST_DAY, last);
    let compared = days.iter().enumerate().map(|(index, day)| {
        let pairs = recount.iter().filter_map(|(key, now)| {
            Some((values.remove(&(day.date, key.clone()))?, now.get(index)?.clone()))
        });
        ComparedDay { date: day.date, values: pairs.collect() }
    });
    Ok((metrics, compared.collect()))
}
