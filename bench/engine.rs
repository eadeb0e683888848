//! The two databases that are measured, each with a platform that has data and any number of empty stores.

use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::ensure;
use daymark::{
    clock::SetClock,
    collect::{self, BackfillRequest, CancellationToken, Context, Initiator, Installation, Progress, Tenant},
    corrections::{RestateReading, RestateRequest},
    database::{DatabaseUrl, RetryPolicy},
    metric::{Calendar, Definition, Provenance, Record},
    platform::{self, Platform, PlatformOptions},
    store::{self, StoreOptions, Trigger},
};
use jiff::{SignedDuration, civil::Date};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, raw_sql, sqlite::SqliteConnectOptions};

/// The time of the clock of every run. The last day with data has just ended.
const NOW: &str = "2025-12-31T00:30:00Z";
const RETRY: RetryPolicy = RetryPolicy { retries: 0, initial_delay: Duration::ZERO };

pub struct Engine {
    pub name: &'static str,
    /// The numbers of rows of the platform.
    pub description: String,
    pub platform_url: String,
    pub directory: tempfile::TempDir,
    stores: Cell<usize>,
}

/// A context with a store of its own.
pub struct Daymark {
    pub context: Context,
    clock: Arc<SetClock>,
    pub store_url: String,
    pub store_schema: String,
}

impl Engine {
    /// PostgreSQL with the given `platform`, or with a new one on `server`.
    pub async fn postgres(server: &str, scale: f64, platform: Option<&str>) -> anyhow::Result<Self> {
        let platform_url = match platform {
            Some(url) => url.to_owned(),
            None => generate_postgres(server, scale).await?,
        };
        let mut connection = PgConnection::connect(&platform_url).await?;
        let (profiles, posts, comments): (i64, i64, i64) =
            sqlx::query_as(ROWS).fetch_one(&mut connection).await?;
        Ok(Self {
            name: "PostgreSQL",
            description: described(profiles, posts, comments),
            platform_url,
            directory: tempfile::tempdir()?,
            stores: Cell::new(0),
        })
    }

    /// SQLite with a platform that has a fifth of PostgreSQL's rows.
    pub async fn sqlite(scale: f64) -> anyhow::Result<Self> {
        let started = Instant::now();
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("platform.db");
        let mut connection =
            SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await?;
        let platform = include_str!("sqlite/platform.sql");
        let size = |rows: f64| (rows * scale).max(1.0).round();
        let scaled = platform.replace(
            "20000 AS profiles, 400000 AS posts, 2000000 AS comments",
            &format!("{} AS profiles, {} AS posts, {} AS comments", size(2e4), size(4e5), size(2e6)),
        );
        ensure!(
            scale == 1.0 || scaled != platform,
            "sqlite/platform.sql no longer says its size as expected"
        );
        raw_sql(AssertSqlSafe(scaled)).execute(&mut connection).await?;
        let (profiles, posts, comments): (i64, i64, i64) =
            sqlx::query_as(ROWS).fetch_one(&mut connection).await?;
        eprintln!("SQLite platform generated in {} s", started.elapsed().as_secs());
        Ok(Self {
            name: "SQLite",
            description: described(profiles, posts, comments),
            platform_url: format!("sqlite:{}", path.display()),
            directory,
            stores: Cell::new(0),
        })
    }

    pub fn is_postgres(&self) -> bool {
        !self.platform_url.starts_with("sqlite:")
    }

    pub fn platform(&self) -> anyhow::Result<Arc<dyn Platform>> {
        let url: DatabaseUrl = self.platform_url.parse()?;
        let options = PlatformOptions {
            calendar: Calendar::utc(),
            statement_timeout: Duration::from_secs(600),
            lock_timeout: Duration::from_secs(30),
            retry: RETRY,
            assume_fresh: Vec::new(),
        };
        Ok(platform::open(&url, options))
    }

    /// A new store, beside the platform's tables on PostgreSQL and in a file of its own on SQLite.
    pub async fn daymark(&self, definitions: &[Definition]) -> anyhow::Result<Daymark> {
        let number = self.stores.get();
        self.stores.set(number + 1);
        let store_schema = format!("daymark_{}_{number}", std::process::id());
        let store_url = match self.is_postgres() {
            true => self.platform_url.clone(),
            false => format!("sqlite:{}", self.directory.path().join(format!("{store_schema}.db")).display()),
        };
        let options = StoreOptions {
            tenant: "default".to_owned(),
            schema: store_schema.clone(),
            retry: RETRY,
            statement_timeout: None,
        };
        let store = store::open(&store_url.parse()?, options);
        let clock = Arc::new(SetClock::at(NOW.parse()?));
        store.migrate().await?;
        store.simulate_clock().await?;
        let installation = Installation {
            clock: Arc::<SetClock>::clone(&clock),
            retry: RETRY,
            chunk_days: DEFAULT_CHUNK_DAYS,
            run_limit: None,
            freshness_wait: std::time::Duration::ZERO,
            host: "benchmark".to_owned(),
            process_id: std::process::id(),
        };
        let tenant = Tenant {
            name: "default".to_owned(),
            calendar: Calendar::utc(),
            settle: SignedDuration::from_mins(15),
            cron: None,
            observed_within: SignedDuration::from_hours(24),
            store,
            platform: self.platform()?,
            first_row: std::sync::Arc::default(),
            derived: std::sync::Arc::default(),
        };
        let context = Context::new(installation, tenant, Initiator::new(Trigger::Cli, "benchmark"));
        daymark::definitions::apply(&context, definitions, false).await?;
        Ok(Daymark { context, clock, store_url, store_schema })
    }
}

const ROWS: &str =
    "SELECT (SELECT count(*) FROM profiles), (SELECT count(*) FROM posts), (SELECT count(*) FROM comments)";

/// The default of `backfill.chunk_days`.
const DEFAULT_CHUNK_DAYS: usize = 366;

fn described(profiles: i64, posts: i64, comments: i64) -> String {
    format!("{profiles} profiles, {posts} posts, {comments} comments")
}

async fn generate_postgres(server: &str, scale: f64) -> anyhow::Result<String> {
    let started = Instant::now();
    let name = format!("bench_{}", std::process::id());
    let mut session = PgConnection::connect(server).await?;
    raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut session).await?;
    let mut url = url::Url::parse(server)?;
    url.set_path(&name);
    let mut connection = PgConnection::connect(url.as_str()).await?;
    let mut loading = connection.begin().await?;
    raw_sql(AssertSqlSafe(format!("SET LOCAL bench.scale = '{scale}'"))).execute(&mut *loading).await?;
    raw_sql(include_str!("postgres/platform.sql")).execute(&mut *loading).await?;
    loading.commit().await?;
    raw_sql("VACUUM (ANALYZE)").execute(&mut connection).await?;
    raw_sql("CHECKPOINT").execute(&mut connection).await?;
    eprintln!("PostgreSQL platform generated in {} s", started.elapsed().as_secs());
    Ok(url.to_string())
}

struct Silence;

impl Progress for Silence {
    fn reading(&self, _metrics: usize, _days: usize) {}
    fn started(&self, _total_days: usize) {}
    fn advanced(&self, _days: usize) {}
}

impl Daymark {
    /// Records a day and returns how long it took.
    pub async fn collect(&self, day: Date) -> anyhow::Result<Duration> {
        let started = Instant::now();
        let report = collect::collect_day(&self.context, Some(day), &[], &CancellationToken::new()).await?;
        let took = started.elapsed();
        ensure!(report.failed.is_empty() && report.already_there == 0, "{report:?}");
        Ok(took)
    }

    /// Records a day shortly after its end, and returns how long it took.
    pub async fn observe(&self, day: Date, judges: bool) -> anyhow::Result<Duration> {
        self.clock.set(format!("{}T00:30:00Z", day.tomorrow()?).parse()?);
        let (context, never) = (&self.context, CancellationToken::new());
        let started = Instant::now();
        let report = match judges {
            true => collect::collect_day(context, Some(day), &[], &never).await?,
            false => collect::collect_day_unjudged(context, Some(day), &[], &never).await?,
        };
        let took = started.elapsed();
        let is_observed = report.provenance == Provenance::Observed;
        ensure!(is_observed && report.failed.is_empty() && report.already_there == 0, "{report:?}");
        Ok(took)
    }

    /// Records a range of days that begins before the platform's first row.
    pub async fn backfill_with_zeros(&self, first: Date, last: Date) -> anyhow::Result<()> {
        let request = BackfillRequest {
            from: Some(first),
            to: Some(last),
            before_first_row: true,
            ..BackfillRequest::default()
        };
        let report = collect::backfill(&self.context, &request, &Silence, &CancellationToken::new()).await?;
        ensure!(report.failed.is_empty(), "{report:?}");
        Ok(())
    }

    /// Records a range of days and returns how long it took.
    pub async fn backfill(&self, first: Date, last: Date) -> anyhow::Result<Duration> {
        let started = Instant::now();
        let request = BackfillRequest { from: Some(first), to: Some(last), ..BackfillRequest::default() };
        let report = collect::backfill(&self.context, &request, &Silence, &CancellationToken::new()).await?;
        let took = started.elapsed();
        let is_whole = report.metrics.iter().all(|metric| metric.written == report.days);
        ensure!(is_whole && report.failed.is_empty() && report.discrepancies.is_empty(), "{report:?}");
        Ok(took)
    }

    /// Replaces the definitions.
    pub async fn apply(&self, definitions: &[Definition]) -> anyhow::Result<()> {
        daymark::definitions::apply(&self.context, definitions, false).await?;
        Ok(())
    }

    /// Restates all recorded days of a metric, which must all differ, and returns how long it took.
    pub async fn restate(&self, category: &str, days: usize) -> anyhow::Result<Duration> {
        let (context, never) = (&self.context, CancellationToken::new());
        let request =
            RestateRequest { category: category.to_owned(), from: None, to: None, accept_loss: false };
        let started = Instant::now();
        let reading = RestateReading::read(context, &request, &Silence, &never).await?;
        let restatement = reading.write(context, "the benchmark", &Silence, &never).await?;
        let took = started.elapsed();
        ensure!(
            restatement.changes.len() == days,
            "{} of {days} days were restated",
            restatement.changes.len()
        );
        Ok(took)
    }

    /// Removes the store's schema from a PostgreSQL platform: Daymark inspects all schemas, so that each further one would make the
    /// following measurements slower.
    pub async fn remove(self) -> anyhow::Result<()> {
        if self.store_url.starts_with("sqlite:") {
            return Ok(());
        }
        let mut connection = PgConnection::connect(&self.store_url).await?;
        let drop = format!("SET client_min_messages TO warning; DROP SCHEMA {} CASCADE", self.store_schema);
        raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await?;
        Ok(())
    }

    pub fn store(&self) -> &dyn store::Store {
        self.context.tenant.store.as_ref()
    }

    pub async fn records(&self, first: Date, last: Date) -> anyhow::Result<Vec<Record>> {
        Ok(self.context.tenant.store.records(first, last, None).await?)
    }
}
