//! How sessions are opened, and the settings of each session.

use std::time::Duration;

use log::LevelFilter;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::session_probe::is_own_session;

/// A store is used by one process a day; a few sessions are plenty, and each one costs memory on both sides.
const MAX_CONNECTIONS: u32 = 5;
/// How long a connection may take to be made, or to become free. The pool tries again for as long when a server refuses connections, as
/// one does that is just starting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The same limit for a store whose caller is a waiting request.
const IMPATIENT_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an operation of a store without a limit of its statements may take: longer than the largest commit, and than counting
/// the records of a large store.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);
/// How long an operation may take beyond the limit of its statements, at which the server ends them.
const ANSWER_MARGIN: Duration = Duration::from_secs(5);
/// A session that was used within this time is used again without being tried first, which takes a round trip.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(1);
/// How long a statement waits for a table that another session has locked, in milliseconds.
const LOCK_TIMEOUT_MS: u32 = 30_000;

/// The interval, in milliseconds, at which the server checks during a statement whether its client is still connected. Only a
/// server on Linux can check that.
const CONNECTION_CHECK_MS: u32 = 500;
/// How long a session that is returned to the pool may take to answer. A session that takes longer is still executing an abandoned
/// statement.
const IDLE_ANSWER: Duration = Duration::from_millis(250);

pub(super) const SHARED_SESSION: &str = "it is behind a connection pooler that gives a session to another client after each \
    transaction (PgBouncer's `pool_mode = transaction`), which settings and locks do not survive; nothing was \
    changed: connect to the server itself, or to a pooler in session mode";

/// The driver would log slow statements, with all of their text.
pub(super) fn named(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().disable_statement_logging()
}

/// Fails if [`is_own_session`] is false, because LISTEN belongs to a session too.
pub(super) async fn refuse_shared_session(
    session: &mut PgConnection,
    options: PgConnectOptions,
) -> Result<(), sqlx::Error> {
    match is_own_session(session, &options).await? {
        true => Ok(()),
        false => Err(sqlx::Error::Protocol(SHARED_SESSION.to_owned())),
    }
}

/// How long a store with such a limit of its statements tries to connect.
pub(super) fn connect_timeout(statement_timeout: Option<Duration>) -> Duration {
    statement_timeout.map_or(CONNECT_TIMEOUT, |_| IMPATIENT_CONNECT_TIMEOUT)
}

/// How long an operation of a store with such a limit of its statements may take.
pub(super) fn answer_timeout(statement_timeout: Option<Duration>) -> Duration {
    statement_timeout.map_or(ANSWER_TIMEOUT, |limit| limit.saturating_add(ANSWER_MARGIN))
}

/// The driver would log each wait of two seconds for a free session, about which an operator can do nothing. A wait that becomes too
/// long is the error of the operation that waits.
pub(super) fn pool(options: PgConnectOptions, settings: String, connect_timeout: Duration) -> PgPool {
    PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(connect_timeout)
        .acquire_slow_level(LevelFilter::Off)
        .test_before_acquire(false)
        .before_acquire(|session, use_so_far| {
            Box::pin(async move { Ok(use_so_far.idle_for < TEST_AFTER_IDLE || session.ping().await.is_ok()) })
        })
        .after_release(|session, _| {
            // Closing the session ends its statement on the server.
            Box::pin(async move {
                Ok(tokio::time::timeout(IDLE_ANSWER, session.ping()).await.is_ok_and(|ping| ping.is_ok()))
            })
        })
        .after_connect(move |session, _| {
            let settings = settings.clone();
            Box::pin(async move { session.execute(AssertSqlSafe(settings)).await.map(drop) })
        })
        .connect_lazy_with(options)
}

/// How the server reads Daymark's statements and writes the definitions of objects and the values that Daymark compares, whatever the
/// database or the role has set for its other clients. `quote_all_identifiers` comes first, because the server writes the `search_path`
/// that follows as it says, also into the functions of a migration. Sessions that wait in the pool, or listen, are not ended
/// by `idle_session_timeout`. Daymark's statements and triggers are written for `read committed`, in which a statement sees what was
/// committed while it waited for a lock. The policies of row level security are part of the schema, so that they are applied
/// (`row_security`) and do not make statements fail.
///
/// `default_transaction_read_only` is not set: an administrator who freezes a database means Daymark, too.
const MEANING: &str = "SET quote_all_identifiers TO off; SET standard_conforming_strings TO on; SET transform_null_equals TO off;
    SET array_nulls TO on; SET TimeZone TO 'UTC'; SET DateStyle TO 'ISO'; SET IntervalStyle TO postgres; SET bytea_output TO hex;
    SET extra_float_digits TO 1; SET xmlbinary TO base64; SET client_min_messages TO warning; SET row_security TO on;
    SET default_transaction_isolation TO 'read committed'; SET idle_session_timeout TO 0";

/// These settings are set by statements, because connection poolers refuse startup parameters, and only after the
/// session is known to belong to this client alone. Commits must survive a crash of the server, so `synchronous_commit
/// = off` is replaced; stronger settings are kept. Instants that the server writes as text are in UTC. Statements are
/// planned once (`force_generic_plan`), because each uses a key or an index for all parameters, partitions are pruned
/// at execution, and planning takes longer than execution.
pub(super) fn settings(schema: &str, statement_timeout: Option<Duration>) -> String {
    // First, so that the other statements are not ended by that of the role. Without a limit, this process ends a statement after
    // `ANSWER_TIMEOUT` by closing the session; a migration may take as long as it needs.
    let statement_timeout = statement_timeout.map_or(0, |limit| limit.as_millis().max(1));
    format!(
        "SET statement_timeout TO {statement_timeout}; {MEANING}; SET search_path TO {}, pg_temp; SET lock_timeout TO {LOCK_TIMEOUT_MS};
         SET plan_cache_mode TO force_generic_plan;
         SELECT set_config('client_connection_check_interval', '{CONNECTION_CHECK_MS}', FALSE) WHERE version() LIKE '%linux%';
         SELECT set_config('synchronous_commit', 'on', FALSE) WHERE current_setting('synchronous_commit') = 'off'",
        quoted(schema)
    )
}

/// `name` as an identifier in SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
