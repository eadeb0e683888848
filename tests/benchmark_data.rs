//! The statements that the benchmark compares Daymark with must all count the same, or it would compare nothing.

mod support;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row, sqlite::SqliteConnectOptions};

const YEAR_BEFORE: &str = "2024-12-30";
const DAY: &str = "2025-12-29";
const NEXT_DAY: &str = "2025-12-30";

/// A metric's category and its value.
type Counts = BTreeMap<String, i64>;

fn midnight(day: &str) -> jiff_sqlx::Timestamp {
    format!("{day}T00:00:00Z").parse::<Timestamp>().expect("a date").to_sqlx()
}

macro_rules! counts {
    ($rows:expr) => {
        $rows.iter().map(|row| (row.get("metric_category"), row.get("value"))).collect::<Counts>()
    };
}

#[tokio::test]
async fn on_postgresql_the_original_and_the_best_sql_agree() {
    let mut connection = PgConnection::connect(&support::fresh_database().await).await.unwrap();
    let mut loading = connection.begin().await.unwrap();
    sqlx::raw_sql("SET LOCAL bench.scale = '0.001'").execute(&mut *loading).await.unwrap();
    sqlx::raw_sql(include_str!("../bench/postgres/platform.sql")).execute(&mut *loading).await.unwrap();
    loading.commit().await.unwrap();

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
async fn on_sqlite_the_original_and_the_best_sql_agree() {
    let directory = tempfile::tempdir().unwrap();
    let file =
        SqliteConnectOptions::new().filename(directory.path().join("platform.db")).create_if_missing(true);
    let mut connection = file.connect().await.unwrap();
    // A hundredth of the benchmark's size is enough to agree on.
    let platform = include_str!("../bench/sqlite/platform.sql");
    let smaller = platform.replace(
        "10000 AS profiles, 200000 AS posts, 1000000 AS comments",
        "2000 AS profiles, 5000 AS posts, 20000 AS comments",
    );
    assert_ne!(smaller, platform);
    sqlx::raw_sql(AssertSqlSafe(smaller)).execute(&mut connection).await.unwrap();
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
