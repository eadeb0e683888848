//! The statements that the benchmark compares Daymark with return the same numbers as each other and as a naive count.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

mod support;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row, SqliteConnection,
    sqlite::SqliteConnectOptions,
};

const YEAR_BEFORE: &str = "2024-12-30";
const DAY: &str = "2025-12-29";
const NEXT_DAY: &str = "2025-12-30";

/// A metric's category and its value.
type Counts = BTreeMap<String, i64>;

fn midnight(day: &str) -> jiff_sqlx::Timestamp {
    format!("{day}T00:00:00Z").parse::<Timestamp>().unwrap().to_sqlx()
}

macro_rules! counts {
    ($rows:expr) => {
        $rows.iter().map(|row| (row.get("metric_category"), row.get("value"))).collect::<Counts>()
    };
}

/// A thousandth of the benchmark's rows on PostgreSQL.
async fn postgres_platform() -> PgConnection {
    let mut connection = PgConnection::connect(&support::fresh_database().await).await.unwrap();
    let mut loading = connection.begin().await.unwrap();
    sqlx::raw_sql("SET LOCAL bench.scale = '0.001'").execute(&mut *loading).await.unwrap();
    sqlx::raw_sql(include_str!("../bench/postgres/platform.sql")).execute(&mut *loading).await.unwrap();
    loading.commit().await.unwrap();
    connection
}

/// A hundredth of the benchmark's rows on SQLite.
async fn sqlite_platform() -> (tempfile::TempDir, SqliteConnection) {
    let directory = tempfile::tempdir().unwrap();
    let file =
        SqliteConnectOptions::new().filename(directory.path().join("platform.db")).create_if_missing(true);
    let mut connection = file.connect().await.unwrap();
    let platform = include_str!("../bench/sqlite/platform.sql");
    let smaller = platform.replace(
        "20000 AS profiles, 400000 AS posts, 2000000 AS comments",
        "2000 AS profiles, 5000 AS posts, 20000 AS comments",
    );
    assert_ne!(smaller, platform);
    sqlx::raw_sql(AssertSqlSafe(smaller)).execute(&mut connection).await.unwrap();
    (directory, connection)
}

#[tokio::test]
async fn the_counts_of_all_postgresql_statements_agree() {
    let mut connection = postgres_platform().await;

    sqlx::raw_sql(include_str!("../bench/postgres/original.sql")).execute(&mut connection).await.unwrap();
    let original = format!(
        "SELECT original.collect('{DAY}'); SELECT metric_category, value::bigint FROM original.daily_metrics"
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(original)).fetch_all(&mut connection).await.unwrap();
    let original = counts!(rows[1..]);
    assert_eq!(original.len(), 5);
    assert!(original["comments_total"] > original["comments_created"] && original["comments_created"] > 0);

    let rows = sqlx::query(include_str!("../bench/postgres/best-day.sql"))
        .bind(midnight(DAY))
        .bind(midnight(NEXT_DAY))
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(counts!(rows), original);

    let range = include_str!("../bench/postgres/best-range.sql");
    let range = format!("SELECT metric_date::text, metric_category, value::bigint FROM ({range}) AS days");
    let rows = sqlx::query(AssertSqlSafe(range))
        .bind(midnight(YEAR_BEFORE))
        .bind(midnight(DAY))
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(rows.len(), 365 * 5);
    let last_day: Vec<_> = rows.iter().filter(|row| row.get::<String, _>("metric_date") == DAY).collect();
    assert_eq!(counts!(last_day), original);
}

#[tokio::test]
async fn the_counts_of_all_sqlite_statements_agree() {
    let (_directory, mut connection) = sqlite_platform().await;
    let broken = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut connection).await.unwrap();
    assert!(broken.is_empty());

    let mut original = Counts::new();
    for statement in include_str!("../bench/sqlite/original-day.sql").split_inclusive(';') {
        let rows = sqlx::query(statement).bind(DAY).fetch_all(&mut connection).await.unwrap();
        original.extend(rows.iter().map(|row| (row.get::<String, _>(0), row.get::<i64, _>(1))));
    }
    assert_eq!(original.len(), 5);
    assert!(original["comments_total"] > original["comments_created"] && original["comments_created"] > 0);

    let rows = sqlx::query(include_str!("../bench/sqlite/best-day.sql"))
        .bind(DAY)
        .bind(NEXT_DAY)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(counts!(rows), original);

    let rows = sqlx::query(include_str!("../bench/sqlite/best-range.sql"))
        .bind(YEAR_BEFORE)
        .bind(DAY)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(rows.len(), 365 * 5);
    let last_day: Vec<_> = rows.iter().filter(|row| row.get::<String, _>("metric_date") == DAY).collect();
    assert_eq!(counts!(last_day), original);
}

/// The first of three days that end with [`DAY`]. A naive count reads all rows for each day, so there are few days.
const ACTIVE_FIRST: &str = "2025-12-27";

/// The numbers of actors by day and window.
macro_rules! active {
    ($rows:expr) => {
        $rows
            .iter()
            .map(|row| (format!("{} {}", row.get::<String, _>(0), row.get::<String, _>(1)), row.get(2)))
            .collect::<Counts>()
    };
}

#[tokio::test]
async fn distinct_actors_on_postgresql_match_a_naive_count() {
    let mut connection = postgres_platform().await;

    let statement = include_str!("../bench/postgres/active-range.sql");
    let statement =
        format!("SELECT metric_date::text, metric_category, value::bigint FROM ({statement}) AS days");
    let rows = sqlx::query(AssertSqlSafe(statement))
        .bind(midnight(ACTIVE_FIRST))
        .bind(midnight(DAY))
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let naive = "SELECT day::date::text, 'active_' || size,
            (SELECT count(DISTINCT actor) FROM (
                SELECT author_id AS actor, created_at FROM posts UNION ALL
                SELECT author_id, created_at FROM comments UNION ALL
                SELECT id, created_at FROM profiles) AS activity
             WHERE created_at >= day - make_interval(days => size - 1) AND created_at < day + interval '1 day')
        FROM generate_series($1, $2, interval '1 day') AS day, (VALUES (1), (7), (30)) AS windows (size)";
    let naive = sqlx::query(naive)
        .bind(midnight(ACTIVE_FIRST))
        .bind(midnight(DAY))
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let naive = active!(naive);
    assert!(naive.len() == 9 && naive.values().all(|actors| *actors > 0), "{naive:?}");
    assert_eq!(active!(rows), naive);
}

#[tokio::test]
async fn distinct_actors_on_sqlite_match_a_naive_count() {
    let (_directory, mut connection) = sqlite_platform().await;
    let rows = sqlx::query(include_str!("../bench/sqlite/active-range.sql"))
        .bind(ACTIVE_FIRST)
        .bind(DAY)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let naive = "WITH RECURSIVE days (day) AS (VALUES (?1) UNION ALL SELECT date(day, '1 day') FROM days WHERE day < ?2),
            windows (size) AS (VALUES (1), (7), (30))
        SELECT day, 'active_' || size,
            (SELECT count(DISTINCT actor) FROM (
                SELECT author_id AS actor, created_at FROM posts UNION ALL
                SELECT author_id, created_at FROM comments UNION ALL
                SELECT id, created_at FROM profiles)
             WHERE created_at >= date(day, (1 - size) || ' days') AND created_at < date(day, '1 day'))
        FROM days, windows";
    let naive = sqlx::query(naive).bind(ACTIVE_FIRST).bind(DAY).fetch_all(&mut connection).await.unwrap();
    let naive = active!(naive);
    assert!(naive.len() == 9 && naive.values().all(|actors| *actors > 0), "{naive:?}");
    assert_eq!(active!(rows), naive);
}
