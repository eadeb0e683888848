//! Databases that other programs use as well.

use std::path::PathBuf;

use sqlx::{
    AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection, postgres::PgConnectOptions,
    sqlite::SqliteConnectOptions,
};

use crate::support::fresh_database;

#[derive(Clone)]
pub enum Database {
    Sqlite(PathBuf),
    /// A URL.
    Postgres(String),
}

/// One session of a database.
pub enum Session {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Database {
    pub async fn fresh_postgres() -> Self {
        Self::Postgres(fresh_database().await)
    }

    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(url) => url.clone(),
        }
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// A session that may write.
    pub async fn session(&self) -> Session {
        match self {
            Self::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
                Session::Sqlite(SqliteConnection::connect_with(&options).await.unwrap())
            }
            Self::Postgres(url) => {
                // PgBouncer refuses a startup parameter that the driver sends by itself.
                let options = url.parse::<PgConnectOptions>().unwrap().extra_float_digits(None);
                Session::Postgres(PgConnection::connect_with(&options).await.unwrap())
            }
        }
    }

    /// A session that keeps the files of a killed process: it neither removes nor checkpoints a write-ahead log.
    pub async fn reader(&self) -> Session {
        match self {
            Self::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path).read_only(true);
                Session::Sqlite(SqliteConnection::connect_with(&options).await.unwrap())
            }
            Self::Postgres(_) => self.session().await,
        }
    }

    pub async fn execute(&self, sql: &str) {
        self.session().await.execute(sql).await;
    }
}

impl Session {
    /// Runs any number of statements.
    pub async fn execute(&mut self, sql: &str) {
        let statements = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let outcome = match self {
            Self::Sqlite(connection) => statements.execute(connection).await.map(drop),
            Self::Postgres(connection) => statements.execute(connection).await.map(drop),
        };
        outcome.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The rows of a query, each of `N` columns that are text or NULL.
    pub async fn rows<const N: usize>(&mut self, sql: &str) -> Vec<[Option<String>; N]> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(connection) => {
                let rows = sqlx::query(sql).fetch_all(connection).await.unwrap();
                rows.iter().map(|row| std::array::from_fn(|column| row.get(column))).collect()
            }
            Self::Postgres(connection) => {
                // The statement is not prepared, because in transaction mode PgBouncer may execute it in another session.
                let rows = sqlx::raw_sql(sql).fetch_all(connection).await.unwrap();
                rows.iter().map(|row| std::array::from_fn(|column| row.get(column))).collect()
            }
        }
    }

    /// The result of a query for one number.
    pub async fn count(&mut self, sql: &str) -> usize {
        let [[count]] = self.rows(&format!("SELECT CAST(({sql}) AS text)")).await.try_into().unwrap();
        count.unwrap().parse().unwrap()
    }
}
