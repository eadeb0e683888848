//! Distinguishes a server from a connection pooler that gives a session to another client after each transaction
//! (PgBouncer's `pool_mode = transaction`), before any setting is made: a session's settings and locks would be another client's.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, postgres::PgConnectOptions, raw_sql};

/// A session of this client alone answers at once, independent of transactions in other sessions.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// A pooler that gives its server processes out in turn, or at random, gives another one within this number of statements.
const STATEMENTS: usize = 3;

/// Whether `session` stays in one server process, also while a second client holds a transaction open. A pooler in transaction
/// mode that gives out the process that was used last lends that of `session` to the second client, and then needs another
/// one, if it has any. Only simple queries are sent: nothing is prepared, set or locked.
pub(super) async fn is_own_session(
    session: &mut PgConnection,
    options: &PgConnectOptions,
) -> Result<bool, sqlx::Error> {
    let mut other = PgConnection::connect_with(options).await?;
    let before = process(session, "SELECT pg_backend_pid()").await?;
    for _ in 1..STATEMENTS {
        if process(session, "SELECT pg_backend_pid()").await? != before {
            return Ok(false);
        }
    }
    let held = process(&mut other, "BEGIN; SELECT pg_backend_pid()").await?;
    let after = tokio::time::timeout(ANSWER_TIMEOUT, process(session, "SELECT pg_backend_pid()")).await;
    raw_sql("ROLLBACK").execute(&mut other).await?;
    let _ = other.close().await;
    match after {
        Ok(after) => Ok(before == after? && before != held),
        Err(_) => Ok(false),
    }
}

async fn process(session: &mut PgConnection, sql: &'static str) -> Result<i32, sqlx::Error> {
    raw_sql(AssertSqlSafe(sql)).fetch_one(session).await?.try_get(0)
}
