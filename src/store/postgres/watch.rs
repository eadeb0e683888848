//! Listening for the notification that every commit of records, definitions and log entries sends (`0005_notify.sql`), on a channel
//! that only roles know which may read the settings.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use log::LevelFilter;
use sqlx::{
    AssertSqlSafe, Executor, PgPool, Row,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::task::AbortHandle;

use super::{PostgresStore, connection};
use crate::{
    store::{SharedWatch, Watch},
    telemetry::OutageLog,
};

/// The time without a notification after which the connection is probed, because a server that vanished does not close it.
const PROBE_AFTER: Duration = Duration::from_secs(5);
/// The pause between attempts to listen: it begins here and doubles with each failure up to the longest.
const RECONNECT_AFTER: Duration = Duration::from_millis(500);
const LONGEST_RECONNECT: Duration = Duration::from_secs(30);
/// The driver does not say why the server has closed the connection.
const ENDED: &str = "the server has ended the session that listens: it was stopped or restarted, an administrator ended the session \
    (`pg_terminate_backend`), or a pooler or firewall ends idle connections; the server's log says which";
/// The store version while there is no connection that listens.
const UNKNOWN: u64 = 0;

/// Ends its task when it is dropped.
struct Listening {
    store_version: Arc<AtomicU64>,
    task: AbortHandle,
}

impl Watch for Listening {
    fn store_version(&self) -> Option<u64> {
        Some(self.store_version.load(Ordering::Acquire)).filter(|store_version| *store_version != UNKNOWN)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl PostgresStore {
    /// Must be called within a Tokio runtime. Connects in the background.
    pub(super) fn start_watch(&self) -> SharedWatch {
        let store_version = Arc::new(AtomicU64::new(UNKNOWN));
        // The listener occupies its connection, so it has a pool of its own and takes none of the connections for queries.
        let options = connection::named(&self.options);
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_slow_level(LevelFilter::Off)
            .after_connect({
                let (options, settings) = (options.clone(), self.settings.clone());
                move |session, _| {
                    let (options, settings) = (options.clone(), settings.clone());
                    Box::pin(async move {
                        connection::refuse_shared_session(session, options).await?;
                        session.execute(AssertSqlSafe(settings)).await.map(drop)
                    })
                }
            })
            .connect_lazy_with(options);
        let select =
            format!("SELECT notification_channel FROM {}.store_settings", connection::quoted(&self.schema));
        let task = tokio::spawn(listen(pool, select, Arc::clone(&store_version))).abort_handle();
        Arc::new(Listening { store_version, task })
    }
}

async fn listen(pool: PgPool, select_channel: String, store_version: Arc<AtomicU64>) {
    let mut count = UNKNOWN;
    let mut delay = RECONNECT_AFTER;
    // A standby refuses to listen for as long as it is a standby, and a server may end the session again and again.
    let failures = OutageLog::new();
    loop {
        let before = count;
        let outcome = listen_once(&pool, &select_channel, &store_version, &mut count).await;
        store_version.store(UNKNOWN, Ordering::Release);
        if count != before {
            delay = RECONNECT_AFTER;
        }
        if let Err(error) = outcome
            && let Some(left_out) = failures.failed_now()
        {
            tracing::warn!(
                error = %error,
                left_out,
                "this process cannot listen for commits; until it can, it caches no answers"
            );
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(LONGEST_RECONNECT);
    }
}

/// Counts notifications until the connection is lost.
async fn listen_once(
    pool: &PgPool,
    select_channel: &str,
    store_version: &AtomicU64,
    count: &mut u64,
) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    let channel = listener.fetch_one(AssertSqlSafe(select_channel)).await?;
    listener.listen(channel.try_get("notification_channel")?).await?;
    loop {
        *count += 1;
        store_version.store(*count, Ordering::Release);
        while !notified(&mut listener).await? {}
    }
}

/// Whether there was a notification; `false` after a while of silence in which the connection proved alive.
async fn notified(listener: &mut PgListener) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(PROBE_AFTER, listener.try_recv()).await {
        Ok(Ok(Some(_))) => Ok(true),
        Ok(Ok(None)) => Err(sqlx::Error::Protocol(ENDED.to_owned())),
        Ok(Err(error)) => Err(error),
        Err(_) => match tokio::time::timeout(PROBE_AFTER, listener.execute("SELECT 1")).await {
            Ok(answer) => answer.map(|_| false),
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        },
    }
}
