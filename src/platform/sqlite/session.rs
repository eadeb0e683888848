//! A session of a SQLite platform: a connection whose thread runs one statement at a time. A statement ends between two
//! steps of SQLite's virtual machine once its time is up or its session is dropped. A single step (a function over a
//! huge value) cannot be interrupted: then the session is abandoned, and its thread ends after the step.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use parking_lot::Mutex;
use sqlx::{AssertSqlSafe, Row, SqliteConnection, raw_sql, sqlite::SqliteRow};

use super::answers::{answer, packed};
use crate::{
    database::{Deadline, Fault, FaultClass},
    platform::{
        contract::{OldStates, Staleness, WhenStale},
        planner::{
            dialect::Dialect,
            session::{Session, SpanRow},
            text_numbers::explained,
        },
    },
};

/// How many steps of SQLite's virtual machine pass between two looks at the clock: well under a millisecond.
const STEPS_BETWEEN_CHECKS: i32 = 10_000;

/// How much longer than its time limit a statement is waited for before its session is given up.
const GRACE: Duration = Duration::from_secs(1);

pub(super) struct SqliteSession {
    connection: SqliteConnection,
    path: PathBuf,
    /// When the running statement has to stop; shared with the progress handler.
    stop_at: Arc<Mutex<Option<Instant>>>,
    statement_timeout: Duration,
    /// When every statement must have ended.
    pub(super) deadline: Deadline,
    is_given_up: bool,
}

impl SqliteSession {
    pub async fn new(
        mut connection: SqliteConnection,
        path: PathBuf,
        statement_timeout: Duration,
    ) -> Result<Self, Fault> {
        let stop_at = Arc::new(Mutex::new(None));
        let checked = Arc::clone(&stop_at);
        connection.lock_handle().await?.set_progress_handler(STEPS_BETWEEN_CHECKS, move || {
            let stop_at = *checked.lock();
            stop_at.is_none_or(|stop_at: Instant| Instant::now() < stop_at)
        });
        let deadline = Deadline::none();
        Ok(Self { connection, path, stop_at, statement_timeout, deadline, is_given_up: false })
    }

    pub fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// The snapshot is taken by the first read, not by BEGIN.
    pub async fn take_snapshot(&mut self) -> Result<(), Fault> {
        raw_sql("BEGIN; SELECT count(*) FROM sqlite_schema").execute(&mut self.connection).await?;
        Ok(())
    }

    fn set_stop_at(&self, stop_at: Option<Instant>) {
        *self.stop_at.lock() = stop_at;
    }

    async fn rows<T>(
        &mut self,
        sql: String,
        decode: fn(&SqliteRow) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        if self.is_given_up {
            let message = "not read: an earlier statement of this run did not end within its time limit";
            return Err(Fault::new(FaultClass::TimedOut, message));
        }
        let limit = self.deadline.at_most(self.statement_timeout);
        self.set_stop_at(Instant::now().checked_add(limit));
        let reading = async {
            let mut answers = Vec::new();
            let mut rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch(&mut self.connection);
            while let Some(row) = rows.try_next().await? {
                answers.push(decode(&row)?);
            }
            Ok(answers)
        };
        let Ok(outcome) = tokio::time::timeout(limit.saturating_add(GRACE), reading).await else {
            self.is_given_up = true;
            let message = format!(
                "abandoned {} s after its time limit of {} s, because SQLite cannot interrupt a single step of a statement",
                GRACE.as_secs(),
                limit.as_secs_f64()
            );
            return Err(Fault::new(FaultClass::TimedOut, message));
        };
        self.set_stop_at(None);
        outcome.map_err(|mut fault: Fault| {
            if fault.class == FaultClass::TimedOut {
                fault.message = format!("stopped after the time limit of {} s", limit.as_secs_f64());
            }
            explained(fault)
        })
    }
}

impl Drop for SqliteSession {
    /// Ends the statement that a dropped future left running.
    fn drop(&mut self) {
        self.set_stop_at(Some(Instant::now()));
    }
}

#[async_trait]
impl Session for SqliteSession {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn answers(&mut self, sql: &str) -> Result<Vec<SpanRow>, Fault> {
        let decode = |row: &SqliteRow| {
            let lines: Option<&str> = row.try_get(0)?;
            lines.into_iter().flat_map(str::lines).map(answer).collect::<Result<Vec<_>, Fault>>()
        };
        Ok(self.rows(packed(sql), decode).await?.into_iter().flatten().collect())
    }

    async fn explain(&mut self, sql: &str) -> Result<String, Fault> {
        let decode = |row: &SqliteRow| Ok(row.try_get::<String, _>(3)?);
        let lines: Vec<String> = self.rows(format!("EXPLAIN QUERY PLAN {sql}"), decode).await?;
        Ok(lines.join("\n") + "\n")
    }

    /// A file may be a copy of the application's, made some time ago. A quiet platform's looks the same.
    async fn staleness(&mut self, _relations: Vec<String>) -> Result<OldStates, Fault> {
        let platform = Staleness {
            of: "the platform's file".to_owned(),
            complete_until: last_written(&self.path),
            is_lagging: false,
            when_stale: WhenStale::Warn,
            reason: "it was not written since; if it is a copy, make a new one after the end of the day"
                .to_owned(),
        };
        Ok(OldStates { platform: Some(platform), objects: Vec::new() })
    }
}

/// When the file or its write-ahead log was last written, by the machine's clock.
fn last_written(path: &std::path::Path) -> Option<Timestamp> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let times = [path.as_os_str(), &log].map(|path| std::fs::metadata(path).and_then(|file| file.modified()));
    times.into_iter().filter_map(|time| Timestamp::try_from(time.ok()?).ok()).max()
}
