//! A SQLite platform. A cut is a read transaction on a read-only connection of its own.

mod answers;
mod describe;
mod detect;
mod inspect;
mod session;

use std::{collections::BTreeSet, path::PathBuf};

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, ConnectOptions, sqlite::SqliteConnectOptions};

use session::SqliteSession;

use super::{
    contract::{Cut, Flag, PlannedStatement, Platform, PlatformOptions, Sources},
    detected_format::DetectedFormats,
    planner::{
        cut::SessionCut,
        dialect::Dialect,
        flag::{self, RowId},
        gather::plan_statements,
        session::Session,
        single_select::require_single_select,
        statistics,
    },
    schema::{DescribedQuery, Schema},
    statistics::{SampledTable, Statistics},
};
use crate::{
    database::{Deadline, Fault, FaultClass},
    metric::{DayBounds, Reading},
};

/// In KiB. SQLite sorts this much at a time, which fits into the caches of a processor; with pages of 4 KiB it cannot
/// be less. It is also the size of the page cache, which hardly matters, because few pages are read twice.
const CACHE_KIB: i32 = 1000;

/// The number of rows that the connection's thread may be ahead of the reader; more of them mean fewer changes of thread.
const ROW_BUFFER: usize = 500;

pub struct SqlitePlatform {
    path: PathBuf,
    options: PlatformOptions,
}

impl SqlitePlatform {
    pub fn new(path: PathBuf, options: PlatformOptions) -> Self {
        Self { path, options }
    }

    async fn session(&self) -> Result<SqliteSession, Fault> {
        if !self.path.exists() {
            let message = format!("there is no file `{}`", self.path.display());
            return Err(Fault::new(FaultClass::Other, message));
        }
        if self.path.is_dir() {
            let message = format!("`{}` is a directory, not a file", self.path.display());
            return Err(Fault::new(FaultClass::Other, message));
        }
        let connect = SqliteConnectOptions::new()
            .filename(&self.path)
            .read_only(true)
            .create_if_missing(false)
            .busy_timeout(self.options.lock_timeout)
            .pragma("query_only", "on")
            .pragma("cache_size", format!("-{CACHE_KIB}"))
            .statement_cache_capacity(0)
            .row_buffer_size(ROW_BUFFER)
            // The driver would log a slow statement, all of it, as a warning.
            .disable_statement_logging();
        SqliteSession::new(connect.connect().await?, self.path.clone(), self.options.statement_timeout).await
    }
}

#[async_trait]
impl Platform for SqlitePlatform {
    fn location(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    async fn inspect(&self) -> Result<Schema, Fault> {
        inspect::inspect(self.session().await?.connection()).await
    }

    async fn describe(&self, queries: &BTreeSet<String>) -> Result<Vec<DescribedQuery>, Fault> {
        describe::describe(self.session().await?.connection(), queries).await
    }

    async fn detect_time_formats(&self, columns: &[(String, String)]) -> Result<DetectedFormats, Fault> {
        let mut session = self.session().await?;
        let mut formats = DetectedFormats::new();
        for (table, column) in columns {
            let mut first = async |sql: String| {
                let answers = session.answers(&sql).await?;
                Ok::<_, Fault>(answers.into_iter().next().map(|(_, values)| values).unwrap_or_default())
            };
            let access = first(detect::access_query(table, column)).await?;
            if !detect::is_table(&access) {
                require_single_select(Dialect::Sqlite, table.trim().trim_end_matches(';'))?;
            }
            let counts = first(detect::query(table, column, &access)).await?;
            let format = detect::format_of(&counts);
            formats.extend(format.map(|format| ((table.clone(), column.clone()), format)));
        }
        Ok(formats)
    }

    async fn statistics(&self, tables: &[SampledTable]) -> Result<Statistics, Fault> {
        statistics::read(&mut self.session().await?, tables).await
    }

    async fn privileges(&self) -> Result<Vec<String>, Fault> {
        // The connection is read-only, and SQLite has neither roles nor functions that reach other files.
        Ok(Vec::new())
    }

    async fn now(&self) -> Result<Option<Timestamp>, Fault> {
        Ok(None)
    }

    async fn open_cut(&self, deadline: Deadline) -> Result<Box<dyn Cut>, Fault> {
        let mut session = self.session().await?;
        session.take_snapshot().await?;
        session.deadline = deadline;
        Ok(Box::new(SessionCut { session, options: self.options.clone(), deadline }))
    }

    async fn flag(&self, schema: &Schema, flag: Flag<'_>, id: &str) -> Result<bool, Fault> {
        let Some((sql, id)) = flag::statement(Dialect::Sqlite, schema, flag, id)? else { return Ok(false) };
        let mut session = self.session().await?;
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        // Where the column's affinity is numeric, SQLite compares a text that looks like a number as one.
        let query = match id {
            RowId::Uuid(id) => query.bind(id.to_string()),
            RowId::Integer(id) => query.bind(id),
            RowId::Text(id) => query.bind(id),
        };
        Ok(query.fetch_optional(session.connection()).await?.is_some())
    }

    fn plan(
        &self,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> Result<Vec<PlannedStatement>, Fault> {
        plan_statements(Dialect::Sqlite, &self.options.calendar, schema, sources, readings, days)
    }
}
