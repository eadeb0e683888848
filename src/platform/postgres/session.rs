//! A session of a PostgreSQL platform that holds a snapshot open. The server cancels a statement when its connection is
//! closed, so dropping the session or ending the process cancels its statement.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection, raw_sql};

use crate::{
    database::{Deadline, Fault, FaultClass},
    platform::{
        contract::{PlatformOptions, Staleness},
        planner::session::MAX_ANSWERS,
    },
};

/// How often the server looks, while a statement runs, whether its client is still connected, in milliseconds. PostgreSQL 14
/// and later do, on Linux.
const CONNECTION_CHECK_MS: u32 = 500;

/// How long a statement may take to answer beyond its own limit, at which the server ends it. A server that has not answered by
/// then hangs, or can no longer be reached over this connection.
const ANSWER_MARGIN: Duration = Duration::from_secs(10);

/// The outcome of a statement that the server ends after `limit`.
///
/// # Errors
/// Also when there is no answer in time. The session cannot be used any more then.
pub(super) async fn answered<T, E: Into<Fault>>(
    limit: Duration,
    statement: impl Future<Output = Result<T, E>>,
) -> Result<T, Fault> {
    let limit = limit.saturating_add(ANSWER_MARGIN);
    match tokio::time::timeout(limit, statement).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(_) => {
            let message = format!("the server has not answered within {} s", limit.as_secs());
            Err(Fault::new(FaultClass::Unreachable, message))
        }
    }
}

/// Begins the read-only transaction that every statement runs in, and takes its snapshot: its last statement is a query.
/// Everything is set for this transaction alone, so that
/// nothing is left behind in a session that a connection pooler gives to another client afterwards. What is set is what SQL
/// from the planner relies on, whatever the role's defaults are; with `row_security` off, a statement from which row level
/// security would hide rows fails instead of counting too few; `jit` costs more than it gives on statements this short.
pub(super) async fn begin(connection: &mut PgConnection, options: &PlatformOptions) -> Result<(), Fault> {
    let settings = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
         SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {};
         SET LOCAL idle_in_transaction_session_timeout = 0;
         SET LOCAL standard_conforming_strings = on; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO';
         SET LOCAL IntervalStyle = postgres; SET LOCAL bytea_output = hex; SET LOCAL quote_all_identifiers = off;
         SET LOCAL transform_null_equals = off; SET LOCAL array_nulls = on; SET LOCAL row_security = off;
         SET LOCAL extra_float_digits = 1; SET LOCAL jit = off; SET LOCAL client_min_messages = warning;
         SELECT set_config('client_connection_check_interval', '{CONNECTION_CHECK_MS}', TRUE)
         WHERE current_setting('server_version_num')::int >= 140000 AND version() LIKE '%linux%'",
        options.statement_timeout.as_millis(),
        options.lock_timeout.as_millis(),
    );
    answered(Duration::ZERO, raw_sql(AssertSqlSafe(settings)).execute(connection)).await?;
    Ok(())
}

pub(super) struct PostgresSession {
    pub(super) connection: PgConnection,
    pub(super) statement_timeout: Duration,
    deadline: Deadline,
    pub(super) assume_fresh: Vec<String>,
    /// How old the state of the whole server was just before the snapshot was taken.
    pub(super) of_server: Option<Staleness>,
}

impl PostgresSession {
    /// Takes a snapshot. No statement in it runs for longer than until `deadline`.
    pub async fn open(
        mut connection: PgConnection,
        options: &PlatformOptions,
        of_server: Option<Staleness>,
        deadline: Deadline,
    ) -> Result<Self, Fault> {
        begin(&mut connection, options).await?;
        Ok(Self {
            connection,
            statement_timeout: options.statement_timeout,
            deadline,
            assume_fresh: options.assume_fresh.clone(),
            of_server,
        })
    }

    /// Runs a statement in a savepoint and goes back to it: neither a failure nor a setting that a query of the user's own
    /// has changed (`set_config`) is left to the statements that follow.
    pub async fn guarded<T>(
        &mut self,
        sql: String,
        decode: fn(&sqlx::postgres::PgRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, Fault> {
        let limit = self.deadline.at_most(self.statement_timeout);
        // 0 would be no limit.
        let limit_ms = limit.as_millis().max(1);
        let begin = format!("SAVEPOINT daymark; SET LOCAL statement_timeout = {limit_ms}");
        answered(Duration::ZERO, raw_sql(AssertSqlSafe(begin)).execute(&mut self.connection)).await?;
        let started = Instant::now();
        let mut answers = Vec::new();
        let reading = async {
            // Unnamed statements: nothing is cached that a connection pooler would trip over.
            let mut rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch(&mut self.connection);
            while let Some(row) = rows.try_next().await? {
                answers.push(decode(&row)?);
                if answers.len() > MAX_ANSWERS {
                    break;
                }
            }
            Ok::<_, sqlx::Error>(())
        };
        // The inner result is that of the statement, after which the session can be used.
        let outcome = answered(limit, async { Ok::<_, Fault>(reading.await) }).await?;
        let within_limit = started.elapsed() < limit;
        let end = "ROLLBACK TO SAVEPOINT daymark; RELEASE SAVEPOINT daymark";
        let ended = answered(Duration::ZERO, raw_sql(end).execute(&mut self.connection)).await;
        match (outcome, ended) {
            (Ok(()), Ok(_)) => Ok(answers),
            (Err(error), Ok(_)) => Err(classified(error.into(), within_limit)),
            (Ok(()), Err(fault)) => Err(Fault { class: FaultClass::Unreachable, ..fault }),
            // What ended the session says more than that it has ended.
            (Err(error), Err(fault)) => {
                let cause = Fault::from(error);
                let fault = if cause.class == FaultClass::Unreachable { cause } else { fault };
                Err(Fault { class: FaultClass::Unreachable, ..fault })
            }
        }
    }
}

/// The fault of a statement whose session survived it.
fn classified(fault: Fault, within_limit: bool) -> Fault {
    match (fault.sqlstate.as_deref(), fault.class) {
        // Another server could not be reached. A lost connection to it is not included, because its snapshot is lost
        // too.
        (Some("08001"), _) => Fault { class: FaultClass::Elsewhere, ..fault },
        // If the server's messages are not in English, a cancellation cannot be distinguished from a time-out by the
        // message.
        (Some("57014"), class) if class == FaultClass::Cancelled || within_limit => Fault {
            class: FaultClass::Cancelled,
            message: "cancelled by an administrator of the platform".to_owned(),
            ..fault
        },
        _ => fault,
    }
}
