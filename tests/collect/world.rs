//! A platform with posts and comments, an empty store, and a clock that the test sets.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use daymark::{
    clock::SetClock,
    collect::{BackfillRequest, CollectError, Context, Initiator, Installation, Progress, Tenant},
    config::{self, Config, Environment, GivenFlags},
    database::{DatabaseUrl, RetryPolicy},
    definitions::apply,
    metric::{Calendar, Definition, Record},
    platform::{self, PlatformOptions},
    store::{self, JobKind, NewJob, Run, RunFilter, StoreOptions, Trigger},
};
use jiff::{SignedDuration, Timestamp, civil::Date};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::support::fresh_database;

pub struct World {
    pub context: Context,
    pub clock: Arc<SetClock>,
    /// The URL of the platform for its owner.
    pub platform_url: String,
    /// The URL of the platform for the role that the context reads it as.
    reader_url: String,
    pub store_url: String,
    directory: tempfile::TempDir,
}

/// A connection that writes to the platform, as its application would.
enum Application {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Noon of 11 January 2025, when the last finished day is the tenth.
pub const NOON: &str = "2025-01-11T12:00:00Z";
pub const LAST_FINISHED: Date = jiff::civil::date(2025, 1, 10);

pub fn january(day: i8) -> Date {
    jiff::civil::date(2025, 1, day)
}

impl World {
    pub async fn sqlite() -> Self {
        Self::new(false, false).await
    }

    pub async fn postgres() -> Self {
        Self::new(true, true).await
    }

    pub async fn sqlite_store_of_postgres() -> Self {
        Self::new(false, true).await
    }

    pub async fn postgres_store_of_sqlite() -> Self {
        Self::new(true, false).await
    }

    async fn new(postgres_store: bool, postgres_platform: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = |postgres: bool, name: &str| {
            let path = directory.path().join(name);
            async move { if postgres { fresh_database().await } else { format!("sqlite:{}", path.display()) } }
        };
        let store_url = url(postgres_store, "store.db").await;
        let platform_url = url(postgres_platform, "platform.db").await;
        Self::at(directory, store_url, platform_url).await
    }

    /// A world with its store on SQLite and its platform on that server, whose tables it creates.
    pub async fn on_server(platform_url: String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store_url = format!("sqlite:{}", directory.path().join("store.db").display());
        Self::at(directory, store_url, platform_url).await
    }

    /// Like [`World::on_server`], but the platform's tables exist already.
    pub async fn on_existing_server(platform_url: String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store_url = format!("sqlite:{}", directory.path().join("store.db").display());
        let clock = Arc::new(SetClock::at(NOON.parse().unwrap()));
        let context = context(&store_url, &platform_url, Calendar::utc(), Arc::clone(&clock));
        let reader_url = platform_url.clone();
        let world = Self { context, clock, platform_url, reader_url, store_url, directory };
        world.context.tenant.store.migrate().await.unwrap();
        world.context.tenant.store.simulate_clock().await.unwrap();
        world.apply(&definitions(world.time_format())).await;
        world
    }

    pub async fn at(directory: tempfile::TempDir, store_url: String, platform_url: String) -> Self {
        let clock = Arc::new(SetClock::at(NOON.parse().unwrap()));
        let reader_url = reader(&platform_url).await;
        let context = context(&store_url, &reader_url, Calendar::utc(), Arc::clone(&clock));
        let world = Self { context, clock, platform_url, reader_url, store_url, directory };
        world.create_platform().await;
        world.context.tenant.store.migrate().await.unwrap();
        world.context.tenant.store.simulate_clock().await.unwrap();
        world.apply(&definitions(world.time_format())).await;
        world
    }

    /// A context like that of another process, with its own connections and process id.
    pub fn another_process(&self) -> Context {
        let calendar = self.context.tenant.calendar.clone();
        let mut context = context(&self.store_url, &self.reader_url, calendar, Arc::clone(&self.clock));
        Arc::make_mut(&mut context.installation).process_id = 2;
        context
    }

    /// Like [`World::context`], with objects of the platform that are assumed to be up to date.
    pub fn assuming_fresh(&self, names: &[&str]) -> Context {
        let mut context = self.context.clone();
        let mut options = platform_options(&self.context.tenant.calendar);
        options.assume_fresh = names.iter().map(|name| (*name).to_owned()).collect();
        let url: DatabaseUrl = self.reader_url.parse().unwrap();
        Arc::make_mut(&mut context.tenant).platform = platform::open(&url, options);
        context
    }

    /// Like [`World::context`], with the platform read as another role.
    pub fn read_as(&self, role: &str) -> Context {
        let mut url = url::Url::parse(&self.platform_url).unwrap();
        url.set_username(role).unwrap();
        let calendar = self.context.tenant.calendar.clone();
        context(&self.store_url, url.as_str(), calendar, Arc::clone(&self.clock))
    }

    pub fn in_zone(&mut self, zone: &str) {
        let calendar = Calendar::new(zone).unwrap();
        self.context = context(&self.store_url, &self.reader_url, calendar, Arc::clone(&self.clock));
    }

    /// Like [`World::context`], but with a platform that cannot be reached.
    pub fn without_platform(&self) -> Context {
        let nowhere = match self.platform_url.starts_with("postgres") {
            true => "postgres://postgres@127.0.0.1:1/nowhere".to_owned(),
            false => format!("sqlite:{}", self.directory.path().join("nowhere.db").display()),
        };
        context(&self.store_url, &nowhere, self.context.tenant.calendar.clone(), Arc::clone(&self.clock))
    }

    /// Like [`World::context`], but with a store that was never migrated.
    pub async fn with_empty_store(&self) -> Context {
        let empty = match self.store_url.starts_with("postgres") {
            true => fresh_database().await,
            false => format!("sqlite:{}", self.directory.path().join("empty.db").display()),
        };
        context(&empty, &self.reader_url, self.context.tenant.calendar.clone(), Arc::clone(&self.clock))
    }

    pub fn set_clock(&self, now: &str) {
        self.clock.set(now.parse().unwrap());
    }

    pub fn is_postgres_platform(&self) -> bool {
        self.platform_url.starts_with("postgres")
    }

    pub fn time_format(&self) -> &'static str {
        if self.is_postgres_platform() { "timestamptz" } else { "iso_utc" }
    }

    pub async fn apply(&self, wanted: &[Definition]) {
        apply(&self.context, wanted, false).await.unwrap();
    }

    /// The configuration in a file with that text.
    pub fn config(&self, text: &str) -> Config {
        let file = self.directory.path().join("daymark.toml");
        std::fs::write(&file, text).unwrap();
        config::load(Some(&file), &GivenFlags::new(), &Environment::new()).unwrap()
    }

    /// Runs SQL on the platform.
    pub async fn execute(&self, sql: &str) {
        let mut application = Application::connect(&self.platform_url).await;
        application.execute(sql).await;
    }

    /// Runs SQL on the store, as its owner.
    pub async fn execute_on_store(&self, sql: &str) {
        let mut owner = Application::connect(&self.store_url).await;
        if self.store_url.starts_with("postgres") {
            owner.execute("SET search_path TO daymark").await;
        }
        owner.execute(sql).await;
    }

    /// Drops the table of judgements.
    pub async fn lose_judgements(&self) {
        self.execute_on_store("DROP TABLE daily_metric_judgements").await;
    }

    /// Makes the store refuse every record of a metric.
    pub async fn refuse_records_of(&self, category: &str) {
        let sql = match self.store_url.starts_with("postgres") {
            true => format!(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     RAISE 'much too large' USING ERRCODE = '54000'; END $$;
                 CREATE TRIGGER refuse BEFORE INSERT ON daymark.daily_metrics FOR EACH ROW
                     WHEN (NEW.metric_category = '{category}') EXECUTE FUNCTION refuse()"
            ),
            false => format!(
                "CREATE TRIGGER refuse BEFORE INSERT ON daily_metrics WHEN NEW.metric_category = '{category}'
                 BEGIN SELECT RAISE(ABORT, 'much too large'); END"
            ),
        };
        Application::connect(&self.store_url).await.execute(&sql).await;
    }

    /// Creates rows from 1 to 10 January 2025. Day n has n posts, in turn by authors 1 and 2, and one comment.
    async fn create_platform(&self) {
        let time = if self.is_postgres_platform() { "timestamptz" } else { "text" };
        let mut application = Application::connect(&self.platform_url).await;
        for table in ["posts", "comments"] {
            let columns = format!("author_id integer NOT NULL, created_at {time} NOT NULL, genre text");
            application.execute(&format!("CREATE TABLE {table} ({columns})")).await;
        }
        let mut posts = Vec::new();
        for day in 1..=10 {
            posts.extend(
                (0..day).map(|n| format!("({}, '2025-01-{day:02} {n:02}:30:00', 'jazz')", n % 2 + 1)),
            );
        }
        application.execute(&format!("INSERT INTO posts VALUES {}", posts.join(", "))).await;
        let comments: Vec<_> =
            (1..=10).map(|day| format!("(1, '2025-01-{day:02} 23:59:59', NULL)")).collect();
        application.execute(&format!("INSERT INTO comments VALUES {}", comments.join(", "))).await;
    }

    pub async fn runs(&self) -> Vec<Run> {
        self.context.tenant.store.runs(&RunFilter::default()).await.unwrap()
    }

    pub async fn records(&self) -> Vec<Record> {
        let (from, to) = (jiff::civil::date(1900, 1, 1), jiff::civil::date(2100, 1, 1));
        self.context.tenant.store.records(from, to, None).await.unwrap()
    }

    /// The recorded values of a metric, by day.
    pub async fn values(&self, category: &str) -> Vec<(Date, String)> {
        let of_category = |record: &Record| record.key.category == category;
        let records = self.records().await.into_iter().filter(of_category);
        records.map(|record| (record.metric_date, record.value.to_string())).collect()
    }
}

impl Application {
    async fn connect(url: &str) -> Self {
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new()
                    .filename(Path::new(path))
                    .create_if_missing(true);
                Self::Sqlite(SqliteConnection::connect_with(&options).await.unwrap())
            }
            None => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                connection.execute("SET TimeZone = 'UTC'").await.unwrap();
                Self::Postgres(connection)
            }
        }
    }

    async fn execute(&mut self, sql: &str) {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(connection) => drop(sql.execute(connection).await.unwrap()),
            Self::Postgres(connection) => drop(sql.execute(connection).await.unwrap()),
        }
    }
}

/// Creates a role that may only read the platform, and returns its URL.
async fn reader(platform_url: &str) -> String {
    if !platform_url.starts_with("postgres") {
        return platform_url.to_owned();
    }
    let name = format!("reader_{}", uuid::Uuid::new_v4().simple());
    let create = format!("CREATE ROLE {name} LOGIN IN ROLE pg_read_all_data, pg_read_all_stats");
    let mut owner = PgConnection::connect(platform_url).await.unwrap();
    owner.execute(AssertSqlSafe(create)).await.unwrap();
    let mut url = url::Url::parse(platform_url).unwrap();
    url.set_username(&name).unwrap();
    url.to_string()
}

const RETRY: RetryPolicy = RetryPolicy { retries: 1, initial_delay: Duration::from_millis(1) };

fn platform_options(calendar: &Calendar) -> PlatformOptions {
    let limit = Duration::from_secs(30);
    PlatformOptions {
        calendar: calendar.clone(),
        statement_timeout: limit,
        lock_timeout: limit,
        retry: RETRY,
        assume_fresh: Vec::new(),
    }
}

fn context(store_url: &str, platform_url: &str, calendar: Calendar, clock: Arc<SetClock>) -> Context {
    let retry = RETRY;
    let store_url: DatabaseUrl = store_url.parse().unwrap();
    let platform_url: DatabaseUrl = platform_url.parse().unwrap();
    let store_options = StoreOptions {
        tenant: "default".to_owned(),
        schema: store::DEFAULT_SCHEMA.to_owned(),
        retry,
        statement_timeout: None,
    };
    let platform_options = platform_options(&calendar);
    let installation = Installation {
        clock,
        retry,
        chunk_days: 4,
        run_limit: None,
        freshness_wait: Duration::ZERO,
        host: "here".to_owned(),
        process_id: 1,
    };
    let tenant = Tenant {
        name: "default".to_owned(),
        calendar,
        settle: SignedDuration::from_mins(15),
        cron: None,
        observed_within: SignedDuration::from_hours(24),
        store: store::open(&store_url, store_options),
        platform: platform::open(&platform_url, platform_options),
        first_row: std::sync::Arc::default(),
        derived: std::sync::Arc::default(),
    };
    Context::new(installation, tenant, Initiator::new(Trigger::Cli, "cli:test"))
}

/// The text of a file that declares the platform's tables as sources, and no metric.
pub const SOURCES: &str = r#"
preset = "none"
[sources.posts]
table = "posts"
time_column = "created_at"
actor_column = "author_id"
[sources.comments]
table = "comments"
time_column = "created_at"
actor_column = "author_id"
"#;

/// The definitions of `posts_total`, `posts_created`, `comments_created` and `authors`.
pub fn definitions(time_format: &str) -> Vec<Definition> {
    let rows = |source: &str| json!({ "source": source });
    vec![
        definition(time_format, "posts_total", json!({"measure": "existing", "source": "posts"})),
        definition(time_format, "posts_created", json!({"measure": "created", "source": "posts"})),
        definition(time_format, "comments_created", json!({"measure": "created", "source": "comments"})),
        definition(
            time_format,
            "authors",
            json!({"measure": "distinct_actors", "rows": [rows("posts")], "window_days": 1}),
        ),
    ]
}

/// The definition of a count. `measure` is given as it is serialized.
pub fn definition(time_format: &str, category: &str, measure: Value) -> Definition {
    let mut definition = measure;
    let source = |table: &str| json!({"table": table, "time_column": "created_at", "time_format": time_format, "actor_column": "author_id"});
    let table = if category.starts_with("comments") { "comments" } else { "posts" };
    let fields = definition.as_object_mut().unwrap();
    fields.insert("metric_type".to_owned(), "count".into());
    fields.insert("category".to_owned(), category.into());
    fields.insert("display_name".to_owned(), category.into());
    if fields["measure"] != "sql" {
        fields.insert("sources".to_owned(), json!({ table: source(table) }));
    }
    serde_json::from_value(definition).unwrap()
}

/// A metric that counts the rows in `posts` at the time of the query. It does not depend on the day, so it cannot be
/// reconstructed.
pub fn right_now(time_format: &str) -> Definition {
    let query = "SELECT count(*) AS value FROM posts";
    let measure = json!({"measure": "sql", "query": query, "shape": "value", "adds_up": "last"});
    definition(time_format, "right_now", measure)
}

/// Remembers the progress that it is notified of.
#[derive(Default)]
pub struct Heard(pub Mutex<Vec<String>>);

impl Progress for Heard {
    fn reading(&self, metrics: usize, days: usize) {
        self.0.lock().unwrap().push(format!("reading {metrics} metrics over {days} days"));
    }

    fn started(&self, total_days: usize) {
        self.0.lock().unwrap().push(format!("started {total_days}"));
    }

    fn advanced(&self, days: usize) {
        self.0.lock().unwrap().push(format!("advanced {days}"));
    }
}

pub fn range(from: i8, to: i8) -> BackfillRequest {
    BackfillRequest { from: Some(january(from)), to: Some(january(to)), ..BackfillRequest::default() }
}

/// The message that the program shows.
pub fn message(error: CollectError) -> String {
    error.to_string()
}

pub fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A job that a process of another host has started, whose lock is free.
pub async fn job_of_an_ended_process(world: &World, created_at: &str) -> Uuid {
    let id = Uuid::new_v4();
    let spec = json!({"date": LAST_FINISHED, "metrics": []});
    let job = NewJob {
        id,
        kind: JobKind::Collect,
        spec: spec.as_object().unwrap().clone(),
        trigger: Trigger::Schedule,
        actor: "system".to_owned(),
        created_at: instant(created_at),
        host: "elsewhere".to_owned(),
        process_id: 4711,
    };
    world.context.tenant.store.add_job(&job).await.unwrap();
    world.context.tenant.store.start_job(id, instant(created_at)).await.unwrap();
    id
}
