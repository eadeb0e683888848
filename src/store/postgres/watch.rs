//! Listening for the notification that every commit of records, definitions and log entries sends (`0005_notify.sql`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{
    Executor, PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::task::AbortHandle;

use super::{PostgresStore, connection};
use crate::store::{SharedWatch, Watch};

const CHANNEL: &str = "daymark";
/// Silence after which the connection is tried: a server that vanished sends no word of it.
const PROBE_AFTER: Duration = Duration::from_secs(5);
const RECONNECT_AFTER: Duration = Duration::from_millis(500);
/// The marker while nobody listens.
const UNKNOWN: u64 = 0;

/// Ends its task when it is dropped.
struct Listening {
    marker: Arc<AtomicU64>,
    task: AbortHandle,
}

impl Watch for Listening {
    fn marker(&self) -> Option<u64> {
        Some(self.marker.load(Ordering::Acquire)).filter(|marker| *marker != UNKNOWN)
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
        let marker = Arc::new(AtomicU64::new(UNKNOWN));
        // A listener keeps its connection: it must not take one of those that answer.
        let pool =
            PgPoolOptions::new().max_connections(1).connect_lazy_with(connection::named(&self.options));
        let task = tokio::spawn(listen(pool, Arc::clone(&marker))).abort_handle();
        Arc::new(Listening { marker, task })
    }
}

async fn listen(pool: PgPool, marker: Arc<AtomicU64>) {
    let mut count = UNKNOWN;
    loop {
        if let Err(error) = listen_once(&pool, &marker, &mut count).await {
            tracing::warn!(%error, "not listening for changes; answers are not kept meanwhile");
        }
        marker.store(UNKNOWN, Ordering::Release);
        tokio::time::sleep(RECONNECT_AFTER).await;
    }
}

/// Counts notifications until the connection is lost.
async fn listen_once(pool: &PgPool, marker: &AtomicU64, count: &mut u64) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        *count += 1;
        marker.store(*count, Ordering::Release);
        while !notified(&mut listener).await? {}
    }
}

/// Whether there was a notification; `false` after a while of silence in which the connection proved alive.
async fn notified(listener: &mut PgListener) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(PROBE_AFTER, listener.try_recv()).await {
        Ok(Ok(Some(_))) => Ok(true),
        Ok(Ok(None)) => Err(sqlx::Error::PoolClosed),
        Ok(Err(error)) => Err(error),
        Err(_) => match tokio::time::timeout(PROBE_AFTER, listener.execute("SELECT 1")).await {
            Ok(answer) => answer.map(|_| false),
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        },
    }
}
