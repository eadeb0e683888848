//! A SQLite platform. A cut is a read transaction on a read-only connection of its own.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, ConnectOptions, Row, SqliteConnection, raw_sql, sqlite::SqliteConnectOptions};

use super::{
    contract::{Cut, DetectedFormats, Flag, PlannedStatement, Platform, PlatformOptions, Sources},
    planner::{
        cut::SessionCut,
        dialect::Dialect,
        flag::{self, RowId},
        session::{Answer, MAX_ANSWERS, NO_SPAN, Session},
        task::plan_statements,
    },
    schema::Schema,
};
use crate::{
    database::{Deadline, Fault, FaultClass},
    metric::{DayBounds, Reading},
};

mod detect;
mod inspect;

/// How many of SQLite's virtual-machine steps pass between two looks at the clock: well under a millisecond.
const STEPS_BETWEEN_CHECKS: i32 = 10_000;

/// In KiB. SQLite sorts so much at a time, and with pages of 4 KiB never less: a processor's caches hold it. It keeps so
/// many pages, too, which makes no difference: hardly one is read twice.
const CACHE_KIB: i32 = 1000;

/// Rows that the connection's thread may be ahead of whoever reads them: more of them, fewer changes of thread.
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
        let mut connection = connect.connect().await?;
        let deadline = Arc::new(Mutex::new(None));
        let checked = Arc::clone(&deadline);
        connection.lock_handle().await?.set_progress_handler(STEPS_BETWEEN_CHECKS, move || {
            let deadline = *checked.lock().unwrap_or_else(PoisonError::into_inner);
            deadline.is_none_or(|deadline: Instant| Instant::now() < deadline)
        });
        Ok(SqliteSession { connection, deadline, statement_timeout: self.options.statement_timeout })
    }
}

#[async_trait]
impl Platform for SqlitePlatform {
    fn location(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    async fn inspect(&self) -> Result<Schema, Fault> {
        inspect::inspect(&mut self.session().await?.connection).await
    }

    async fn detect_time_formats(&self, columns: &[(String, String)]) -> Result<DetectedFormats, Fault> {
        let mut session = self.session().await?;
        let mut formats = DetectedFormats::new();
        for (table, column) in columns {
            let answers = session.answers(&detect::query(table, column)).await?;
            let told = answers.first().and_then(|(_, values)| detect::told(values));
            formats.extend(told.map(|format| ((table.clone(), column.clone()), format)));
        }
        Ok(formats)
    }

    async fn open_cut(&self, deadline: Deadline) -> Result<Box<dyn Cut>, Fault> {
        let mut session = self.session().await?;
        // The snapshot is taken by the first read, not by BEGIN.
        raw_sql("BEGIN; SELECT count(*) FROM sqlite_schema").execute(&mut session.connection).await?;
        Ok(Box::new(SessionCut { session, options: self.options.clone(), deadline }))
    }

    async fn flag(&self, schema: &Schema, flag: Flag<'_>, id: &str) -> Result<bool, Fault> {
        let Some((sql, id)) = flag::statement(Dialect::Sqlite, schema, flag, id)? else { return Ok(false) };
        let mut connection = self.session().await?.connection;
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        // Where the column's affinity is numeric, SQLite compares a text that looks like a number as one.
        let query = match id {
            RowId::Uuid(id) => query.bind(id.to_string()),
            RowId::Integer(id) => query.bind(id),
            RowId::Text(id) => query.bind(id),
        };
        Ok(query.fetch_optional(&mut connection).await?.is_some())
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

struct SqliteSession {
    connection: SqliteConnection,
    /// When the running statement has to stop.
    deadline: Arc<Mutex<Option<Instant>>>,
    statement_timeout: Duration,
}

impl SqliteSession {
    fn set_deadline(&self, deadline: Option<Instant>) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }

    async fn rows<T>(
        &mut self,
        sql: String,
        decode: fn(&sqlx::sqlite::SqliteRow) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        self.set_deadline(Instant::now().checked_add(self.statement_timeout));
        let outcome = async {
            let mut answers = Vec::new();
            let mut rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch(&mut self.connection);
            while let Some(row) = rows.try_next().await? {
                answers.push(decode(&row)?);
            }
            Ok(answers)
        }
        .await;
        self.set_deadline(None);
        outcome.map_err(|mut fault: Fault| {
            if fault.class == FaultClass::TimedOut {
                fault.message =
                    format!("stopped after the time limit of {} s", self.statement_timeout.as_secs_f64());
            }
            fault
        })
    }
}

#[async_trait]
impl Session for SqliteSession {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn answers(&mut self, sql: &str) -> Result<Vec<Answer>, Fault> {
        let decode = |row: &sqlx::sqlite::SqliteRow| {
            let lines: Option<&str> = row.try_get(0)?;
            lines.into_iter().flat_map(str::lines).map(answer).collect::<Result<Vec<_>, Fault>>()
        };
        Ok(self.rows(packed(sql), decode).await?.into_iter().flatten().collect())
    }

    async fn explain(&mut self, sql: &str) -> Result<String, Fault> {
        let decode = |row: &sqlx::sqlite::SqliteRow| Ok(row.try_get::<String, _>(3)?);
        let lines: Vec<String> = self.rows(format!("EXPLAIN QUERY PLAN {sql}"), decode).await?;
        Ok(lines.join("\n") + "\n")
    }
}

/// The answers of `sql` in one row, a line each: most of what a row costs is its way from the connection's thread. JSON
/// has no line breaks but escaped ones.
fn packed(sql: &str) -> String {
    format!(
        "WITH daymark_answers (daymark_id, daymark_values) AS (\n{sql}\n)\n\
         SELECT group_concat(coalesce(daymark_id, '') || ' ' || coalesce(daymark_values, 'null'), char(10))\n\
         FROM (SELECT * FROM daymark_answers LIMIT {})",
        MAX_ANSWERS + 1
    )
}

fn answer(line: &str) -> Result<Answer, Fault> {
    let unreadable = || Fault::new(FaultClass::Other, format!("unreadable answer {line}"));
    let (id, values) = line.split_once(' ').ok_or_else(unreadable)?;
    let id = match id {
        // NULL: the row's time could not be read, so it is in no day.
        "" => NO_SPAN,
        id => id.parse::<i64>().map_err(|_| unreadable())?.try_into().unwrap_or(NO_SPAN),
    };
    Ok((id, texts(values)?))
}

/// The elements of a JSON array, and of arrays in it, as texts; numbers with all of their digits.
fn texts(json: &str) -> Result<Vec<Option<String>>, Fault> {
    let unreadable = |error: serde_json::Error| {
        Fault::new(FaultClass::Other, format!("unreadable answer {json}: {error}"))
    };
    let mut texts = Vec::new();
    flatten(serde_json::from_str(json).map_err(unreadable)?, &mut texts);
    Ok(texts)
}

fn flatten(value: serde_json::Value, texts: &mut Vec<Option<String>>) {
    match value {
        serde_json::Value::Array(values) => values.into_iter().for_each(|value| flatten(value, texts)),
        serde_json::Value::Null => texts.push(None),
        serde_json::Value::String(text) => texts.push(Some(text)),
        // SQLite writes infinity as 9.0e+999.
        serde_json::Value::Number(number) if number.as_f64().is_none_or(f64::is_infinite) => {
            texts.push(Some("Infinity".to_owned()));
        }
        other => texts.push(Some(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_line_whatever_its_labels_contain() {
        assert_eq!(
            answer(r#"3 ["a\nb c", [1.50, null]]"#).unwrap(),
            (3, vec![Some("a\nb c".to_owned()), Some("1.50".to_owned()), None])
        );
        assert_eq!(answer(" [1]").unwrap().0, NO_SPAN, "its time could not be read");
        assert_eq!(answer("-1 [1]").unwrap().0, NO_SPAN);
        for wrong in ["", "3", "x [1]", "3 [1"] {
            assert!(answer(wrong).is_err(), "{wrong}");
        }
    }
}
