//! The SQL of the planner as snapshots, as `daymark plan` prints it, and PostgreSQL's query plans for it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{collections::BTreeMap, time::Duration};

use daymark::{
    database::{Deadline, RetryPolicy},
    metric::{
        Calendar, Condition, Decimal, Filter, LabelAggregate, Literal, Phase, QueryShape, Reading, Rows,
        Source, Test, TimeFormat, Window,
    },
    platform::{self, Column, ColumnType, Platform, PlatformOptions, Schema, Sources, Table, TableKind},
};
use jiff::civil::date;
use sqlx::{AssertSqlSafe, Connection};

fn options() -> PlatformOptions {
    PlatformOptions {
        calendar: Calendar::new("Europe/Berlin").unwrap(),
        statement_timeout: Duration::from_secs(30),
        lock_timeout: Duration::from_secs(10),
        retry: RetryPolicy { retries: 0, initial_delay: Duration::ZERO },
        assume_fresh: Vec::new(),
    }
}

fn source(table: &str, time_format: TimeFormat, deleted: Option<&str>) -> Source {
    Source {
        schema: None,
        table: table.to_owned(),
        query: None,
        joined: Vec::new(),
        time_column: "created_at".to_owned(),
        time_format,
        time_zone: "UTC".to_owned(),
        deleted_column: deleted.map(str::to_owned),
        actor_column: Some("author_id".to_owned()),
        filter: Filter::default(),
    }
}

fn sources(time_format: TimeFormat) -> Sources {
    BTreeMap::from([
        ("comments".to_owned(), source("comments", time_format, None)),
        ("posts".to_owned(), source("posts", time_format, Some("deleted_at"))),
    ])
}

/// A schema in which `created_at` is indexed in `posts` and not in `comments`.
fn schema(column_type: ColumnType) -> Schema {
    let column = |name: &str, column_type, indexed| Column {
        name: name.to_owned(),
        column_type,
        type_name: String::new(),
        nullable: true,
        defaults_to_now: false,
        indexed,
        distinct_estimate: Some(8),
    };
    let table = |name: &str, indexed| Table {
        schema: "public".to_owned(),
        name: name.to_owned(),
        visible: true,
        readable: true,
        row_security: false,
        kind: TableKind::Current,
        of_extension: false,
        columns: vec![
            column("created_at", column_type, indexed),
            column("deleted_at", column_type, false),
            column("author_id", ColumnType::Uuid, false),
            column("genre", ColumnType::Text, false),
            column("length", ColumnType::Integer, false),
        ],
    };
    Schema { tables: vec![table("comments", false), table("posts", true)], ..Schema::default() }
}

fn rows(source: &str, filter: Filter) -> Rows {
    Rows { source: source.to_owned(), filter }
}

fn genre(genre: &str) -> Filter {
    Filter(vec![Condition {
        column: "genre".to_owned(),
        test: Test::Equals(Literal::Text(genre.to_owned())),
    }])
}

fn readings() -> Vec<Reading> {
    let long =
        Condition { column: "length".to_owned(), test: Test::AtLeast(Literal::Number(Decimal::from(100))) };
    vec![
        Reading::Count { rows: rows("posts", Filter::default()), phase: Phase::Created },
        Reading::Count { rows: rows("posts", Filter::default()), phase: Phase::Existing },
        Reading::Count { rows: rows("posts", genre("rock").and(&Filter(vec![long]))), phase: Phase::Created },
        Reading::Moments { rows: rows("posts", Filter::default()), column: "length".to_owned() },
        Reading::Count { rows: rows("comments", Filter::default()), phase: Phase::Created },
        Reading::Count { rows: rows("comments", Filter::default()), phase: Phase::Existing },
        Reading::Labels { rows: rows("posts", Filter::default()), column: "genre".to_owned(), phase: Phase::Created, top: 3, aggregate: LabelAggregate::Rows },
        Reading::Distinct {
            rows: vec![rows("posts", Filter::default()), rows("comments", Filter::default())],
            column: None,
            window: Window::Days(7),
        },
        Reading::Retention {
            rows: vec![rows("posts", Filter::default()), rows("comments", Filter::default())],
            cohort: None,
            after_days: 28,
            window_days: 7,
        },
        Reading::Arrivals {
            rows: vec![rows("posts", Filter::default()), rows("comments", Filter::default())],
            window_days: 7,
        },
        Reading::Retention {
            rows: vec![rows("posts", Filter::default())],
            cohort: Some(rows("comments", Filter::default())),
            after_days: 1,
            window_days: 1,
        },
        Reading::Growth { rows: vec![rows("posts", Filter::default())], window_days: 7 },
        Reading::Query {
            sql: "SELECT count(*) AS value FROM posts WHERE created_at >= {day_start} AND created_at < {day_end}".to_owned(),
            shape: QueryShape::Value,
        },
    ]
}

fn shown(
    platform: &dyn Platform,
    schema: &Schema,
    sources: &Sources,
    readings: &[Reading],
    days: (i8, i8),
) -> String {
    // The days are around the change of clocks in spring; 30 March 2025 has 23 hours.
    let days = options().calendar.days(date(2025, 3, days.0), date(2025, 3, days.1));
    let statements = platform.plan(schema, sources, readings, &days).unwrap();
    statements
        .iter()
        .map(|statement| format!("-- {}\n{};\n", statement.purpose, statement.sql))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn planned_sql_for_postgres() {
    let platform = platform::open(&"postgres://localhost/app".parse().unwrap(), options());
    let (schema, sources) = (schema(ColumnType::Timestamptz), sources(TimeFormat::Timestamptz));
    insta::assert_snapshot!("postgres_one_day", shown(&*platform, &schema, &sources, &readings(), (30, 30)));
    insta::assert_snapshot!(
        "postgres_three_days",
        shown(&*platform, &schema, &sources, &readings(), (29, 31))
    );
}

#[test]
fn planned_sql_for_sqlite() {
    let platform = platform::open(&"sqlite:app.db".parse().unwrap(), options());
    let (schema, sources) = (schema(ColumnType::Text), sources(TimeFormat::IsoUtc));
    insta::assert_snapshot!("sqlite_one_day", shown(&*platform, &schema, &sources, &readings(), (30, 30)));
    insta::assert_snapshot!("sqlite_three_days", shown(&*platform, &schema, &sources, &readings(), (29, 31)));
}

/// Many filters are evaluated on the few combinations of the columns that they read instead of on every row.
#[test]
fn many_filters_are_counted_by_facets() {
    let platform = platform::open(&"postgres://localhost/app".parse().unwrap(), options());
    let (mut schema, sources) = (schema(ColumnType::Timestamptz), sources(TimeFormat::Timestamptz));
    let genres = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let readings =
        genres.map(|name| Reading::Count { rows: rows("comments", genre(name)), phase: Phase::Existing });
    insta::assert_snapshot!("postgres_facets", shown(&*platform, &schema, &sources, &readings, (30, 30)));

    let genre = schema.tables[0].columns.iter_mut().find(|column| column.name == "genre").unwrap();
    genre.distinct_estimate = Some(1_000_000);
    let plan = shown(&*platform, &schema, &sources, &readings, (30, 30));
    assert!(!plan.contains("facets"), "a column of a million values would make a million facets:\n{plan}");
}

#[test]
fn many_filters_are_counted_by_facets_on_sqlite() {
    let platform = platform::open(&"sqlite:app.db".parse().unwrap(), options());
    let (schema, sources) = (schema(ColumnType::Text), sources(TimeFormat::IsoUtc));
    let filters = ["a", "b", "c", "d", "e", "f", "g"].map(genre);
    let long = Condition { column: "length".to_owned(), test: Test::AtLeast(Literal::Number(600.into())) };
    let filters = filters.into_iter().chain([Filter(vec![long])]);
    let readings: Vec<_> = filters
        .map(|filter| Reading::Count { rows: rows("posts", filter), phase: Phase::Existing })
        .collect();
    insta::assert_snapshot!("sqlite_facets", shown(&*platform, &schema, &sources, &readings, (30, 30)));
}

/// The pairs of day and actor are read once for any number of windows.
#[test]
fn windows_over_the_same_rows_are_one_statement() {
    for url in ["postgres://localhost/app", "sqlite:app.db"] {
        let platform = platform::open(&url.parse().unwrap(), options());
        let (schema, sources) = (schema(ColumnType::Timestamptz), sources(TimeFormat::UnixSeconds));
        let mut both = vec![rows("posts", Filter::default()), rows("comments", Filter::default())];
        let mut readings = Vec::new();
        for window_days in [7, 1, 30] {
            readings.push(Reading::Distinct {
                rows: both.clone(),
                column: None,
                window: Window::Days(window_days),
            });
            both.reverse();
        }
        for from in [1, 30] {
            let plan = shown(&*platform, &schema, &sources, &readings, (from, 30));
            assert_eq!(
                plan.matches("FROM \"posts\"").count() + plan.matches("FROM `posts`").count(),
                1,
                "{plan}"
            );
            assert!(plan.contains("distinct actors of comments, posts in 1 day, 7 days, 30 days"), "{plan}");
        }
    }
}

/// The retentions of the same rows and the new actors share a pass, and so do the windows of growth accounting.
#[test]
fn cohorts_of_the_same_rows_are_one_statement() {
    for url in ["postgres://localhost/app", "sqlite:app.db"] {
        let platform = platform::open(&url.parse().unwrap(), options());
        let (schema, sources) = (schema(ColumnType::Timestamptz), sources(TimeFormat::UnixSeconds));
        let posts = || vec![rows("posts", Filter::default())];
        let mut readings = vec![Reading::Arrivals { rows: posts(), window_days: 7 }];
        for days in [1, 7, 30] {
            readings.push(Reading::Growth { rows: posts(), window_days: days });
            readings.push(Reading::Retention {
                rows: posts(),
                cohort: None,
                after_days: days,
                window_days: 1,
            });
        }
        for from in [1, 30] {
            let plan = shown(&*platform, &schema, &sources, &readings, (from, 30));
            let read = plan.matches("FROM \"posts\"").count() + plan.matches("FROM `posts`").count();
            // The cohorts also look for rows before the days.
            assert_eq!((plan.matches("-- ").count(), read), (2, 3), "{plan}");
        }
    }
}

/// Each day is an index range, and no table is scanned.
#[tokio::test]
async fn postgres_uses_the_index_on_the_time_column() {
    let url = support::fresh_database().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    for (name, time) in [("posts", "timestamptz"), ("comments", "timestamp")] {
        let setup = format!(
            "CREATE TABLE {name} (created_at {time} NOT NULL, author_id uuid DEFAULT gen_random_uuid(), genre text, length int);
             INSERT INTO {name} (created_at, genre, length)
             SELECT '2023-01-01'::timestamp + n * interval '25 minutes', 'g' || n % 7, n % 90 FROM generate_series(1, 50000) n;
             CREATE INDEX ON {name} (created_at);
             VACUUM ANALYZE {name}"
        );
        for statement in setup.split(';') {
            sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
        }
    }
    let platform = platform::open(&url.parse().unwrap(), options());
    let schema = platform.inspect().await.unwrap();
    let mut sources = sources(TimeFormat::Timestamptz);
    sources.get_mut("posts").unwrap().deleted_column = None;
    sources.get_mut("comments").unwrap().time_format = TimeFormat::Timestamp;
    let of = |name: &str| {
        [
            Reading::Count { rows: rows(name, Filter::default()), phase: Phase::Created },
            Reading::Moments { rows: rows(name, genre("g1")), column: "length".to_owned() },
            Reading::Labels {
                rows: rows(name, Filter::default()),
                column: "genre".to_owned(),
                phase: Phase::Created,
                top: 3,
                aggregate: LabelAggregate::Rows,
            },
            Reading::Distinct {
                rows: vec![rows(name, Filter::default())],
                column: None,
                window: Window::Days(7),
            },
        ]
    };
    let readings = [of("posts"), of("comments")].concat();
    let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
    for to in [30, 10] {
        let days = options().calendar.days(date(2025, 3, to.min(30)), date(2025, 3, 30));
        for (reading, plan) in
            readings.iter().zip(cut.explain(&schema, &sources, &readings, &days).await.unwrap())
        {
            let plan = plan.unwrap();
            assert!(plan.contains("created_at_idx"), "{reading:?}\n{plan}");
            assert!(!plan.contains("Seq Scan"), "{reading:?}\n{plan}");
        }
    }
}

/// A minimum of a join reads the whole join; its first row in the order of an index does not.
#[tokio::test]
async fn postgres_finds_the_first_row_of_a_join_by_the_index_on_its_time() {
    let url = support::fresh_database().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let setup = "CREATE TABLE authors (id int PRIMARY KEY, name text);
         CREATE TABLE posts (created_at timestamptz NOT NULL, author_id int NOT NULL);
         INSERT INTO authors SELECT n, 'a' || n FROM generate_series(0, 999) n;
         INSERT INTO posts SELECT '2023-01-01'::timestamptz + n * interval '25 minutes', n % 1000 FROM generate_series(1, 50000) n;
         CREATE INDEX ON posts (created_at);
         ANALYZE authors; ANALYZE posts";
    sqlx::raw_sql(setup).execute(&mut connection).await.unwrap();
    let platform = platform::open(&url.parse().unwrap(), options());
    let join =
        "SELECT posts.created_at, authors.name FROM posts JOIN authors ON authors.id = posts.author_id";
    let joined = Source { query: Some(join.to_owned()), ..source("joined", TimeFormat::Timestamptz, None) };
    let first_row = platform.plan_first_row("joined", &joined).unwrap().sql;
    let explain = format!("EXPLAIN (COSTS OFF) {first_row}");
    let plan: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(explain)).fetch_all(&mut connection).await.unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("posts_created_at_idx") && !plan.contains("Seq Scan"), "{plan}");
}

/// PostgreSQL counts in parallel only if its planner knows that a day and the time before it are two groups.
#[tokio::test]
async fn postgres_scans_in_parallel_where_there_is_no_index() {
    let url = support::fresh_database().await;
    let database = url.rsplit('/').next().unwrap();
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let setup = format!(
        "CREATE TABLE comments (created_at timestamptz NOT NULL);
         INSERT INTO comments SELECT '2023-01-01'::timestamp + n * interval '25 minutes' FROM generate_series(1, 50000) n;
         ANALYZE comments;
         ALTER DATABASE {database} SET min_parallel_table_scan_size = 0;
         ALTER DATABASE {database} SET parallel_setup_cost = 10"
    );
    sqlx::raw_sql(AssertSqlSafe(setup)).execute(&mut connection).await.unwrap();
    let platform = platform::open(&url.parse().unwrap(), options());
    let schema = platform.inspect().await.unwrap();
    let reading = Reading::Count { rows: rows("comments", Filter::default()), phase: Phase::Existing };
    let days = options().calendar.days(date(2025, 3, 30), date(2025, 3, 30));
    let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
    let plans = cut.explain(&schema, &sources(TimeFormat::Timestamptz), &[reading], &days).await.unwrap();
    let plan = plans[0].as_ref().unwrap();
    assert!(plan.contains("Parallel Seq Scan"), "{plan}");
}
