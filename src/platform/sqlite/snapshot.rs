//! One snapshot of a SQLite platform, held by several sessions. SQLite has no way to hand a snapshot from one connection
//! to another, but a connection can tell whether others have committed since it last looked. All sessions look, then all
//! begin and look again: if none sees a change, nobody has committed in between, and all hold the same state.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::future::join_all;
use sqlx::{Row, raw_sql};

use super::SqliteSession;
use crate::{
    database::Fault,
    platform::{
        dialect::Dialect,
        session::{Answer, Session},
    },
};

/// How often it is tried to begin together. Where somebody commits all the time, one session has to do.
const MAX_ATTEMPTS: usize = 3;

pub(super) struct Snapshot {
    first: SqliteSession,
    others: Vec<SqliteSession>,
}

impl Snapshot {
    /// Begins in `first`, and in `others` if they come to hold the same state; if they do not, they are closed.
    pub async fn open(mut first: SqliteSession, mut others: Vec<SqliteSession>) -> Result<Self, Fault> {
        for _ in 0..MAX_ATTEMPTS {
            let seen = first.look().await?;
            let seen_by_others = look(&mut others).await;
            let unchanged = first.begin(seen).await?;
            if unchanged && begin(&mut others, seen_by_others).await {
                return Ok(Self { first, others });
            }
            first.end().await;
            join_all(others.iter_mut().map(SqliteSession::end)).await;
        }
        let seen = first.look().await?;
        first.begin(seen).await?;
        Ok(Self { first, others: Vec::new() })
    }
}

/// What `begin` has to know; `None` when a session is held up by a writer.
async fn look(sessions: &mut [SqliteSession]) -> Option<Vec<i64>> {
    let versions = join_all(sessions.iter_mut().map(SqliteSession::look)).await;
    versions.into_iter().collect::<Result<_, _>>().ok()
}

/// Whether all have begun, and nobody has committed since they looked.
async fn begin(sessions: &mut [SqliteSession], seen: Option<Vec<i64>>) -> bool {
    let Some(seen) = seen else { return false };
    let begun = join_all(sessions.iter_mut().zip(seen).map(|(session, seen)| session.begin(seen))).await;
    begun.into_iter().all(|unchanged| unchanged.unwrap_or(false))
}

impl SqliteSession {
    /// A number that differs after others have committed; of two connections they do not compare.
    async fn look(&mut self) -> Result<i64, Fault> {
        let version =
            sqlx::query("PRAGMA data_version").persistent(false).fetch_one(&mut self.connection).await?;
        Ok(version.try_get(0)?)
    }

    /// Takes a snapshot. Whether it is of the state in which the session has `seen` the database.
    async fn begin(&mut self, seen: i64) -> Result<bool, Fault> {
        // The snapshot is taken by the first read, not by BEGIN.
        raw_sql("BEGIN; SELECT count(*) FROM sqlite_schema").execute(&mut self.connection).await?;
        Ok(self.look().await? == seen)
    }

    async fn end(&mut self) {
        // One that has not begun has nothing to end, and says so.
        let _ = raw_sql("ROLLBACK").execute(&mut self.connection).await;
    }
}

#[async_trait]
impl Session for Snapshot {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn at_once(&self) -> usize {
        1 + self.others.len()
    }

    async fn answers(&mut self, sql: &str) -> Result<Vec<Answer>, Fault> {
        self.first.answers(sql).await
    }

    async fn answers_of_all(&mut self, statements: &[String]) -> Vec<Result<Vec<Answer>, Fault>> {
        let waiting = Mutex::new(statements.iter().enumerate());
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
        let sessions = std::iter::once(&mut self.first).chain(&mut self.others);
        let running = sessions.map(|session| async {
            let mut outcomes = Vec::new();
            while let Some((index, sql)) = next() {
                outcomes.push((index, session.answers(sql).await));
            }
            outcomes
        });
        let mut outcomes: Vec<_> = join_all(running).await.into_iter().flatten().collect();
        outcomes.sort_by_key(|(index, _)| *index);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    async fn explain(&mut self, sql: &str) -> Result<String, Fault> {
        self.first.explain(sql).await
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

    use super::*;
    use crate::{
        database::RetryPolicy,
        metric::Calendar,
        platform::{Parallel, PlatformOptions, sqlite::SqlitePlatform},
    };

    /// Whoever waits for a lock waits longer than any test may take.
    const FOREVER: Duration = Duration::from_secs(3600);

    async fn scene(directory: &Path, journal: &str) -> (SqlitePlatform, SqliteConnection) {
        let path = directory.join(format!("{journal}.db"));
        let url = format!("sqlite:{}?mode=rwc", path.display());
        let mut writer = SqliteConnection::connect(&url).await.unwrap();
        let setup = format!(
            "PRAGMA busy_timeout = 0; PRAGMA journal_mode = {journal}; CREATE TABLE t (n); INSERT INTO t VALUES (1)"
        );
        raw_sql(AssertSqlSafe(setup)).execute(&mut writer).await.unwrap();
        let options = PlatformOptions {
            calendar: Calendar::utc(),
            statement_timeout: FOREVER,
            lock_timeout: FOREVER,
            retry: RetryPolicy { retries: 0, initial_delay: Duration::ZERO },
            parallel: Parallel { sessions: 3, min_rows: 0 },
        };
        (SqlitePlatform::new(path, options), writer)
    }

    async fn commit(writer: &mut SqliteConnection) -> bool {
        raw_sql("INSERT INTO t VALUES (2)").execute(writer).await.is_ok()
    }

    #[tokio::test]
    async fn a_commit_before_the_last_session_has_begun_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        for journal in ["WAL", "DELETE"] {
            let (platform, mut writer) = scene(directory.path(), journal).await;
            let mut first = platform.session().await.unwrap();
            let mut others = platform.further_sessions().await;
            assert_eq!(others.len(), 2, "{journal}");
            let (seen, seen_by_others) = (first.look().await.unwrap(), look(&mut others).await);
            if journal == "WAL" {
                assert!(first.begin(seen).await.unwrap());
                assert!(commit(&mut writer).await);
            } else {
                // A commit has to come before the first session's, which would keep it off.
                assert!(commit(&mut writer).await);
                assert!(!first.begin(seen).await.unwrap());
                assert!(!commit(&mut writer).await);
            }
            assert!(!begin(&mut others, seen_by_others).await, "{journal}");
        }
    }

    #[tokio::test]
    async fn without_a_commit_all_sessions_read_one_state() {
        let directory = tempfile::tempdir().unwrap();
        for journal in ["WAL", "DELETE"] {
            let (platform, mut writer) = scene(directory.path(), journal).await;
            let first = platform.session().await.unwrap();
            let mut snapshot = Snapshot::open(first, platform.further_sessions().await).await.unwrap();
            assert_eq!(snapshot.at_once(), 3);
            assert_eq!(commit(&mut writer).await, journal == "WAL");
            let counts = vec!["SELECT 0, json_array(count(*)) FROM t".to_owned(); 7];
            for outcome in snapshot.answers_of_all(&counts).await {
                assert_eq!(outcome.unwrap(), [(0, vec![Some("1".to_owned())])], "{journal}");
            }
        }
    }

    /// A writer that waits for a reader to end lets no other reader in; the first session must not wait for the rest.
    #[tokio::test]
    async fn where_a_writer_waits_one_session_reads() {
        let directory = tempfile::tempdir().unwrap();
        let (platform, mut writer) = scene(directory.path(), "DELETE").await;
        let mut first = platform.session().await.unwrap();
        let mut others = platform.further_sessions().await;
        let (seen, seen_by_others) = (first.look().await.unwrap(), look(&mut others).await);
        assert!(first.begin(seen).await.unwrap());
        raw_sql("BEGIN IMMEDIATE; INSERT INTO t VALUES (2)").execute(&mut writer).await.unwrap();
        assert!(raw_sql("COMMIT").execute(&mut writer).await.is_err(), "the reader is in its way");
        assert!(!begin(&mut others, seen_by_others).await);
        assert_eq!(
            first.answers("SELECT 0, json_array(count(*)) FROM t").await.unwrap()[0].1[0].as_deref(),
            Some("1")
        );
    }
}
