//! A configuration that is made from a real database leads to statements that the database accepts.

mod support;

use std::{path::Path, time::Duration};

use daymark::{
    config::{Config, GivenFlags, StarterOptions, columns_to_inspect, load, starter_file, tables_to_sample},
    database::{DatabaseUrl, Deadline, RetryPolicy},
    demo::{COMMUNITY as MUSICIANS, Simulation},
    metric::{Calendar, Measure, Reading, TimeFormat},
    platform::{self, Platform, PlatformOptions, Schema},
};
use jiff::civil::date;
use sqlx::{Connection, PgConnection};

type Failure = Box<dyn std::error::Error>;

/// Opens the platform at `url` and inspects its tables.
async fn inspect(url: &str) -> Result<(std::sync::Arc<dyn Platform>, Schema), Failure> {
    let options = PlatformOptions {
        calendar: Calendar::utc(),
        statement_timeout: Duration::from_secs(30),
        lock_timeout: Duration::from_secs(10),
        retry: RetryPolicy { retries: 0, initial_delay: Duration::ZERO },
        assume_fresh: Vec::new(),
    };
    let platform = platform::open(&url.parse::<DatabaseUrl>()?, options);
    let schema = platform.inspect().await?;
    Ok((platform, schema))
}

/// The text that `daymark init` would write.
async fn init(platform: &dyn Platform, schema: &Schema) -> Result<String, Failure> {
    let detected = platform.detect_time_formats(&columns_to_inspect(schema)).await?;
    let statistics = platform.statistics(&tables_to_sample(schema)).await?;
    Ok(starter_file(schema, &detected, &statistics, None, &StarterOptions::default()).text)
}

fn configured(directory: &Path, text: &str) -> Result<Config, Failure> {
    let path = directory.join("daymark.toml");
    std::fs::write(&path, text)?;
    Ok(load(Some(&path), &GivenFlags::new(), &daymark::config::Environment::new())?)
}

/// Resolves `config`, has the platform plan every statement, and returns the categories of the metrics.
async fn accepted(platform: &dyn Platform, schema: &Schema, config: &Config) -> Result<Vec<String>, Failure> {
    let detected = platform.detect_time_formats(&config.columns_to_detect(schema)).await?;
    let resolved = config.resolve(schema, &detected);
    assert!(!resolved.has_errors(), "{:#?}", resolved.findings);
    let mut cut = platform.open_cut(Deadline::none()).await?;
    let days = Calendar::utc().days(date(2025, 3, 1), date(2025, 3, 3));
    for definition in &resolved.definitions {
        let readings: Vec<Reading> = definition.measure.readings();
        for explained in cut.explain(schema, &definition.sources, &readings, &days).await? {
            explained.map_err(|fault| format!("{}: {fault}", definition.category))?;
        }
    }
    Ok(resolved.definitions.into_iter().map(|definition| definition.category).collect())
}

const COMMUNITY: [&str; 12] = [
    "active_users",
    "comments_created",
    "comments_total",
    "engagement_rate",
    "follows_total",
    "likes_total",
    "posts_created",
    "posts_total",
    "top_genres",
    "track_duration",
    "tracks_uploaded",
    "users_total",
];

/// What `init` proposes for that platform beside the preset's metrics.
const PROPOSED: [&str; 7] = [
    "daily_active_users",
    "monthly_active_users",
    "posts_by_topic",
    "stickiness",
    "users_created",
    "week_4_retention",
    "weekly_active_users",
];

#[tokio::test]
async fn the_preset_fits_all_tables_of_the_simulated_community() -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("app.db");
    let mut simulation = Simulation::create(&file, &MUSICIANS, 7, date(2025, 3, 1)).await?;
    let url = format!("sqlite:{}", file.display());
    let (platform, schema) = inspect(&url).await?;
    let while_empty = configured(directory.path(), "")?;
    assert_eq!(accepted(platform.as_ref(), &schema, &while_empty).await?, COMMUNITY);
    for day in 1..=10 {
        simulation.simulate_day(date(2025, 3, day), 1.0).await?;
    }
    let text = init(platform.as_ref(), &schema).await?;
    let config = configured(directory.path(), &text)?;
    let mut proposed: Vec<_> = COMMUNITY.iter().chain(&PROPOSED).copied().collect();
    proposed.sort_unstable();
    assert_eq!(accepted(platform.as_ref(), &schema, &config).await?, proposed);
    let resolved = config.resolve(&schema, &daymark::config::DetectedFormats::new());
    for definition in &resolved.definitions {
        assert!(definition.sources.values().all(|source| source.time_format == TimeFormat::IsoUtc), "{text}");
    }
    Ok(())
}

/// Tables with names that the preset does not know, and columns of many types.
const WORKSHOP: &str = r#"
    CREATE SCHEMA "Back Office";
    CREATE TYPE state AS ENUM ('open', 'done');
    CREATE DOMAIN moment AS timestamptz;
    CREATE TABLE "workOrders" (id uuid PRIMARY KEY, "customerId" bigint, "createdAt" moment NOT NULL, "removedAt" timestamptz,
                               state state, price numeric(12, 2), urgent boolean, "odd ""name""" varchar(20), due date);
    CREATE TABLE visits (visit_date date, technician text);
    CREATE TABLE sensors (ts bigint, value real);
    CREATE TABLE "Back Office".invoices (id int, invoice_date timestamp);
    CREATE VIEW open_orders AS SELECT * FROM "workOrders" WHERE state = 'open';
    CREATE TABLE tools (id int, name text);
"#;

const FILTERS: &str = r#"
    preset = "none"
    [sources.orders]
    table = "workOrders"
    time_column = "createdAt"
    deleted_column = "removedAt"
    actor_column = "customerId"
    [sources.orders.filter]
    state = ["open", "done"]
    price = { at_least = 0.01, less_than = 1e6 }
    urgent = false
    "odd \"name\"" = { not_equals = "it's" }
    due = { greater_than = "2025-01-31" }
    createdAt = { at_least = "2020-01-01T00:00:00Z" }
    id = { not_in = ["00000000-0000-0000-0000-000000000000"] }
    customerId = { is_null = false }
    [sources.sensors]
    table = "sensors"
    time_column = "ts"
    time_format = "unix_millis"
    [metrics.orders_created]
    measure = "created"
    source = "orders"
    [metrics.price]
    measure = "average"
    source = "orders"
    column = "price"
    [metrics.states]
    measure = "breakdown"
    source = "orders"
    column = "state"
    of = "existing"
    [metrics.customers]
    measure = "distinct_actors"
    source = "orders"
    window_days = 7
    [metrics.readings]
    measure = "existing"
    source = "sensors"
    filter = { value = { greater_than = -1.5 } }
"#;

#[tokio::test]
async fn an_unknown_postgres_platform_gets_metrics_from_init() -> Result<(), Failure> {
    let url = support::fresh_database().await;
    let mut owner = PgConnection::connect(&url).await?;
    sqlx::raw_sql(WORKSHOP).execute(&mut owner).await?;
    let (platform, schema) = inspect(&url).await?;
    let text = init(platform.as_ref(), &schema).await?;
    let directory = tempfile::tempdir()?;
    let accepted_of_init =
        accepted(platform.as_ref(), &schema, &configured(directory.path(), &text)?).await?;
    let sources = ["invoices", "open_orders", "visits", "work_orders"];
    let mut expected: Vec<_> =
        sources.iter().flat_map(|source| [format!("{source}_created"), format!("{source}_total")]).collect();
    for source in ["open_orders", "work_orders"] {
        expected.extend([format!("{source}_price_average"), format!("{source}_price_p95")]);
    }
    expected.sort_unstable();
    assert_eq!(accepted_of_init, expected, "{text}");
    assert!(
        text.contains("`sensors.ts` is of type bigint, which may contain times in several formats"),
        "{text}"
    );

    let config = configured(directory.path(), FILTERS)?;
    let accepted = accepted(platform.as_ref(), &schema, &config).await?;
    assert_eq!(accepted, ["customers", "orders_created", "price", "readings", "states"]);
    let resolved = config.resolve(&schema, &daymark::config::DetectedFormats::new());
    let Measure::Created(rows) = &resolved.definitions[1].measure else {
        panic!("{:?}", resolved.definitions[1])
    };
    assert_eq!(rows.source, "orders");
    Ok(())
}

#[tokio::test]
async fn a_table_without_permission_is_reported_with_the_missing_grant() -> Result<(), Failure> {
    let url = support::fresh_database().await;
    let mut owner = PgConnection::connect(&url).await?;
    let role = format!("reader_{}", uuid::Uuid::new_v4().simple());
    let set_up = format!(
        "CREATE TABLE users (id int, created_at timestamptz NOT NULL);
         CREATE TABLE posts (id int, user_id int, created_at timestamptz NOT NULL);
         CREATE ROLE {role} LOGIN; GRANT SELECT ON users TO {role};"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(set_up)).execute(&mut owner).await?;
    let mut as_reader = url::Url::parse(&url)?;
    as_reader.set_username(&role).map_err(|()| "no user in the URL")?;
    let (platform, schema) = inspect(as_reader.as_str()).await?;
    let detected = daymark::config::DetectedFormats::new();
    let options = daymark::config::StarterOptions::default();
    let statistics = daymark::platform::Statistics::default();
    let starter = daymark::config::starter_file(&schema, &detected, &statistics, None, &options);
    let named = starter.to_decide.iter().any(|sentence| sentence.contains("may not read 1 table."));
    assert!(named, "{:?}", starter.to_decide);
    let directory = tempfile::tempdir()?;
    let text = "[sources.posts]\ntable = \"posts\"\ntime_column = \"created_at\"\n";
    let config = configured(directory.path(), text)?;
    let resolved = config.resolve(&schema, &daymark::config::DetectedFormats::new());
    let finding = resolved.findings.first().ok_or("nothing was found")?.to_string();
    assert!(finding.contains("may not read `posts`"), "{finding}");
    let grant = finding.split_once("platform.url: ").ok_or("no grant")?.1.replace("<role>", &role);
    sqlx::raw_sql(sqlx::AssertSqlSafe(grant)).execute(&mut owner).await?;
    let schema = platform.inspect().await?;
    let accepted = accepted(platform.as_ref(), &schema, &config).await?;
    assert_eq!(accepted, ["posts_created", "posts_total", "users_total"]);
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP OWNED BY {role}; DROP ROLE {role}")))
        .execute(&mut owner)
        .await?;
    Ok(())
}

#[tokio::test]
async fn row_level_security_is_detected_for_the_reading_role() -> Result<(), Failure> {
    let url = support::fresh_database().await;
    let role = format!("reader_{}", url.rsplit('_').next().unwrap_or_default());
    let mut administrator = PgConnection::connect(&url).await?;
    let setting_up = format!(
        "CREATE ROLE {role}; CREATE TABLE posts (created_at timestamptz); CREATE TABLE users (created_at timestamptz);
         ALTER TABLE posts ENABLE ROW LEVEL SECURITY; GRANT SELECT ON posts, users TO {role}"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(setting_up)).execute(&mut administrator).await?;
    let hidden = |schema: Schema| {
        let tables = schema.tables.into_iter().filter(|table| table.row_security);
        tables.map(|table| table.name).collect::<Vec<_>>()
    };
    assert_eq!(hidden(inspect(&url).await?.1), [""; 0], "a superuser sees every row");
    let as_role = format!("{url}?options=-c%20role%3D{role}");
    assert_eq!(hidden(inspect(&as_role).await?.1), ["posts"]);
    Ok(())
}

/// The preset would take `posts` and `likes`, if they were tables.
const COPIES: &str = "
    CREATE TABLE profiles (id int, created_at timestamptz NOT NULL);
    CREATE TABLE entries (id int, author_id int, created_at timestamptz NOT NULL);
    CREATE MATERIALIZED VIEW posts AS SELECT * FROM entries;
    CREATE EXTENSION file_fdw; CREATE SERVER elsewhere FOREIGN DATA WRAPPER file_fdw;
    CREATE FOREIGN TABLE likes (id int, user_id int, created_at timestamptz NOT NULL)
        SERVER elsewhere OPTIONS (filename '/dev/null');
";

#[tokio::test]
async fn materialized_views_and_foreign_tables_are_not_recorded_unless_they_are_declared()
-> Result<(), Failure> {
    let url = support::fresh_database().await;
    sqlx::raw_sql(COPIES).execute(&mut PgConnection::connect(&url).await?).await?;
    let (platform, schema) = inspect(&url).await?;
    let text = init(platform.as_ref(), &schema).await?;
    let (_, copies) =
        text.split_once("# ---- Materialized views and foreign tables ----").ok_or(text.clone())?;
    for table in ["posts", "likes"] {
        assert!(copies.contains(&format!("\n# table = \"{table}\"\n")), "{text}");
    }
    assert!(copies.contains("`assume_fresh` under [platform]"), "{text}");
    let directory = tempfile::tempdir()?;
    let of_init = accepted(platform.as_ref(), &schema, &configured(directory.path(), &text)?).await?;
    let of_tables = [
        "daily_active_users",
        "entries_created",
        "entries_total",
        "monthly_active_users",
        "stickiness",
        "users_created",
        "users_total",
        "week_4_retention",
        "weekly_active_users",
    ];
    assert_eq!(of_init, of_tables, "{text}");

    let of_preset = configured(directory.path(), "")?;
    assert_eq!(accepted(platform.as_ref(), &schema, &of_preset).await?, ["users_total"]);
    let declared =
        configured(directory.path(), "[sources.posts]\ntable = \"posts\"\ntime_column = \"created_at\"")?;
    let of_declared = accepted(platform.as_ref(), &schema, &declared).await?;
    assert_eq!(of_declared, ["posts_created", "posts_total", "users_total"]);
    Ok(())
}
