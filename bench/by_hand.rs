//! The hand-written SQL that Daymark is compared with, and the tables that it writes to.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use daymark::metric::Decimal;
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use jiff_sqlx::ToSqlx;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Row, SqliteConnection, raw_sql,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::engine::Engine;

/// Values by day and category, as decimals in their shortest form.
pub type Values = BTreeMap<(String, String), String>;

pub enum ByHand {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

const POSTGRES_TABLE: &str = "
    DROP SCHEMA IF EXISTS original CASCADE;
    DROP SCHEMA IF EXISTS by_hand CASCADE;
    CREATE SCHEMA by_hand;
    CREATE TABLE by_hand.daily_metrics (
        metric_date date NOT NULL, metric_type text NOT NULL, metric_category text NOT NULL, value numeric NOT NULL,
        UNIQUE (metric_date, metric_type, metric_category));
    SET jit = off; SET TimeZone = 'UTC'; SET client_min_messages = warning;";
const SQLITE_TABLE: &str = "
    CREATE TABLE daily_metrics (
        metric_date TEXT NOT NULL, metric_type TEXT NOT NULL, metric_category TEXT NOT NULL, value NOT NULL,
        UNIQUE (metric_date, metric_type, metric_category));";

fn midnight(day: Date) -> anyhow::Result<jiff_sqlx::Timestamp> {
    let instant: Timestamp = day.to_zoned(TimeZone::UTC).context("a day that has no midnight")?.timestamp();
    Ok(instant.to_sqlx())
}

/// A decimal without zeros at its end.
pub fn shortest(number: &str) -> anyhow::Result<String> {
    Ok(number.parse::<Decimal>()?.normalized().to_string())
}

impl ByHand {
    pub async fn new(engine: &Engine) -> anyhow::Result<Self> {
        if engine.is_postgres() {
            let mut connection = PgConnection::connect(&engine.platform_url).await?;
            raw_sql(POSTGRES_TABLE).execute(&mut connection).await?;
            raw_sql(include_str!("postgres/original.sql")).execute(&mut connection).await?;
            return Ok(Self::Postgres(connection));
        }
        // These settings make commits as durable as those of Daymark's own store.
        let file = SqliteConnectOptions::new()
            .filename(engine.directory.path().join("by_hand.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut connection = file.connect().await?;
        raw_sql(SQLITE_TABLE).execute(&mut connection).await?;
        let path = engine.platform_url.trim_start_matches("sqlite:").to_owned();
        sqlx::query("ATTACH ?1 AS platform").bind(path).execute(&mut connection).await?;
        Ok(Self::Sqlite(connection))
    }

    /// Makes a view in the platform's database.
    pub async fn make_view(&mut self, name: &str, query: &str) -> anyhow::Result<()> {
        match self {
            Self::Postgres(connection) => {
                let view = format!("CREATE OR REPLACE VIEW public.{name} AS {query}");
                raw_sql(AssertSqlSafe(view)).execute(connection).await?;
            }
            Self::Sqlite(connection) => {
                let view = format!("CREATE VIEW IF NOT EXISTS platform.{name} AS {query}");
                raw_sql(AssertSqlSafe(view)).execute(connection).await?;
            }
        }
        Ok(())
    }

    /// Runs five statements that cast every row's time to a date.
    pub async fn original_day(&mut self, day: Date) -> anyhow::Result<Duration> {
        let started = Instant::now();
        match self {
            Self::Postgres(connection) => {
                let collect = sqlx::query("SELECT original.collect($1)").bind(day.to_sqlx());
                collect.execute(connection).await?;
            }
            Self::Sqlite(connection) => {
                let statements = include_str!("sqlite/original-day.sql").split(';');
                for statement in statements.filter(|statement| !statement.trim().is_empty()) {
                    let rows = format!("SELECT ?1, 'count', * FROM ({statement})");
                    let insert = format!("INSERT OR REPLACE INTO daily_metrics {rows}");
                    let insert = sqlx::query(AssertSqlSafe(insert)).bind(day.to_string());
                    insert.execute(&mut *connection).await?;
                }
            }
        }
        Ok(started.elapsed())
    }

    /// Runs one statement that reads, which may run in parallel, and one that writes.
    pub async fn best_day(&mut self, day: Date) -> anyhow::Result<Duration> {
        self.clear().await?;
        let next = day.saturating_add(1.day());
        let started = Instant::now();
        match self {
            Self::Postgres(connection) => {
                let counted = sqlx::query(include_str!("postgres/best-day.sql"));
                let counted =
                    counted.bind(midnight(day)?).bind(midnight(next)?).fetch_all(&mut *connection).await?;
                let categories: Vec<String> = counted.iter().map(|row| row.get(0)).collect();
                let values: Vec<i64> = counted.iter().map(|row| row.get(1)).collect();
                let insert = "INSERT INTO by_hand.daily_metrics
                    SELECT $1, 'count', * FROM UNNEST($2::text[], $3::bigint[])";
                let insert = sqlx::query(insert).bind(day.to_sqlx()).bind(categories).bind(values);
                insert.execute(connection).await?;
            }
            Self::Sqlite(connection) => {
                let counts = include_str!("sqlite/best-day.sql").trim().trim_end_matches(';');
                let insert = format!("INSERT INTO daily_metrics SELECT ?1, 'count', * FROM ({counts})");
                let insert = sqlx::query(AssertSqlSafe(insert)).bind(day.to_string()).bind(next.to_string());
                insert.execute(connection).await?;
            }
        }
        Ok(started.elapsed())
    }

    /// Runs one statement that reads and writes the five counts of a range of days.
    pub async fn best_range(&mut self, first: Date, last: Date) -> anyhow::Result<Duration> {
        let statements = (include_str!("postgres/best-range.sql"), include_str!("sqlite/best-range.sql"));
        self.range(statements, first, last).await
    }

    /// Runs one statement that reads and writes the distinct actors in windows of 1, 7 and 30 days for a range of days.
    pub async fn active_range(&mut self, first: Date, last: Date) -> anyhow::Result<Duration> {
        let statements = (include_str!("postgres/active-range.sql"), include_str!("sqlite/active-range.sql"));
        self.range(statements, first, last).await
    }

    /// Runs one statement of the database that reads and writes the values of a range of days.
    pub async fn range(
        &mut self,
        (postgres, sqlite): (&str, &str),
        first: Date,
        last: Date,
    ) -> anyhow::Result<Duration> {
        self.clear().await?;
        let started = Instant::now();
        let columns = "metric_date, 'count', metric_category, value";
        match self {
            Self::Postgres(connection) => {
                let insert =
                    format!("INSERT INTO by_hand.daily_metrics SELECT {columns} FROM ({postgres}) AS days");
                let insert = sqlx::query(AssertSqlSafe(insert)).bind(midnight(first)?).bind(midnight(last)?);
                insert.execute(connection).await?;
            }
            Self::Sqlite(connection) => {
                let sqlite = sqlite.trim().trim_end_matches(';');
                let insert = format!("INSERT INTO daily_metrics SELECT {columns} FROM ({sqlite})");
                let insert =
                    sqlx::query(AssertSqlSafe(insert)).bind(first.to_string()).bind(last.to_string());
                insert.execute(connection).await?;
            }
        }
        Ok(started.elapsed())
    }

    /// The values that the last statement wrote.
    pub async fn values(&mut self) -> anyhow::Result<Values> {
        let mut values = Values::new();
        match self {
            Self::Postgres(connection) => {
                let sql = "SELECT metric_date::text, metric_category, value::text FROM by_hand.daily_metrics";
                for row in sqlx::query(sql).fetch_all(connection).await? {
                    values.insert((row.get(0), row.get(1)), shortest(row.get(2))?);
                }
            }
            Self::Sqlite(connection) => {
                let sql = "SELECT metric_date, metric_category, CAST(value AS TEXT) FROM daily_metrics";
                for row in sqlx::query(sql).fetch_all(connection).await? {
                    values.insert((row.get(0), row.get(1)), shortest(row.get(2))?);
                }
            }
        }
        Ok(values)
    }

    async fn clear(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Postgres(connection) => {
                connection.execute("TRUNCATE by_hand.daily_metrics").await.map(drop)?
            }
            Self::Sqlite(connection) => connection.execute("DELETE FROM daily_metrics").await.map(drop)?,
        }
        Ok(())
    }
}
