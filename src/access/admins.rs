//! Looks up which users are admins, in a boolean column of one of the platform's tables (`access.admin_column`).

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::{
    clock::has_passed,
    database::{Fault, FaultClass},
    platform::{Flag, Platform, Schema},
    telemetry::LogThrottle,
};

/// The age at which the platform's schema is read again.
const SCHEMA_MAX_AGE: SignedDuration = SignedDuration::from_mins(10);
/// The longest that a request waits for the answer. Without an answer in time, the user is treated as a reader.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The time limit for reading the platform's schema. The server waits for the first reading before it starts.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(30);
/// The limit of concurrent queries. Each takes a connection of the platform, which collections need too.
const MAX_CONCURRENT_QUERIES: usize = 2;

pub struct Admins {
    platform: Arc<dyn Platform>,
    /// The table and the column that marks admins.
    column: (String, String),
    tables: Arc<SchemaCache>,
    queries: tokio::sync::Semaphore,
    failure_log: LogThrottle,
}

/// A cache of the platform's schema. The schema is read in a task of its own, which continues if the request that
/// needed it is cancelled.
struct SchemaCache {
    platform: Arc<dyn Platform>,
    /// The time limit for reading the schema once.
    timeout: Duration,
    cache: Mutex<Option<(Arc<Schema>, Timestamp)>>,
    /// This lock is held while the schema is read, so that one task reads it at a time.
    reading: Arc<tokio::sync::Mutex<()>>,
}

impl Admins {
    pub fn new(platform: Arc<dyn Platform>, column: (String, String)) -> Self {
        Self {
            tables: Arc::new(SchemaCache::new(Arc::clone(&platform), PREPARE_TIMEOUT)),
            platform,
            column,
            queries: tokio::sync::Semaphore::new(MAX_CONCURRENT_QUERIES),
            failure_log: LogThrottle::default(),
        }
    }

    /// Reads the platform's schema, and logs a warning if the column cannot be queried.
    pub async fn prepare(&self, now: Timestamp) {
        let reading = tokio::time::timeout(PREPARE_TIMEOUT, Arc::clone(&self.tables).get(now)).await;
        if let Ok(Ok(_)) = reading {
            // No user has this id. The value of the answer does not matter, only whether the query succeeds.
            self.is_admin("0", now).await;
            return;
        }
        self.log_failure(
            reading.map(|schema| schema.map(drop)).unwrap_or_else(|_| Err(timed_out(PREPARE_TIMEOUT))),
            now,
        );
    }

    /// Whether the user is an admin. `None` when the platform does not answer in time, which is logged.
    pub async fn is_admin(&self, subject: &str, now: Timestamp) -> Option<bool> {
        let answer = tokio::time::timeout(TIMEOUT, self.query(subject, now)).await;
        self.log_failure(answer.unwrap_or_else(|_| Err(timed_out(TIMEOUT))), now)
    }

    /// Logs a failure, at most as often as the throttle allows.
    fn log_failure<T>(&self, answer: Result<T, Fault>, now: Timestamp) -> Option<T> {
        if let Err(error) = &answer
            && let Some(left_out) = self.failure_log.allow(now)
        {
            let platform = self.platform.location();
            tracing::warn!(
                %error, platform, left_out, "the column of access.admin_column cannot be read; until it can, users are not treated as admins by that column"
            );
        }
        answer.ok()
    }

    async fn query(&self, subject: &str, now: Timestamp) -> Result<bool, Fault> {
        let closed = |_| Fault::new(FaultClass::Other, "the server is stopping");
        let _permit = self.queries.acquire().await.map_err(closed)?;
        let (table, column) = (self.column.0.as_str(), self.column.1.as_str());
        let schema = Arc::clone(&self.tables).get(now).await?;
        let answer = self.platform.flag(&schema, Flag { table, column }, subject).await;
        if answer.as_ref().is_err_and(|fault| fault.class == FaultClass::Sql) {
            // The tables may have changed since the schema was read.
            self.tables.refresh_in_background(now);
        }
        answer
    }
}

impl SchemaCache {
    fn new(platform: Arc<dyn Platform>, timeout: Duration) -> Self {
        Self { platform, timeout, cache: Mutex::default(), reading: Arc::default() }
    }

    /// Returns the cached schema. When it is older than [`SCHEMA_MAX_AGE`], it is also read again in the background.
    async fn get(self: Arc<Self>, now: Timestamp) -> Result<Arc<Schema>, Fault> {
        if let Some((schema, at)) = self.cached() {
            if has_passed(at, SCHEMA_MAX_AGE, now) {
                self.refresh_in_background(now);
            }
            return Ok(schema);
        }
        let guard = Arc::clone(&self.reading).lock_owned().await;
        match self.cached() {
            // The task that held the lock before this one has read it.
            Some((schema, _)) => Ok(schema),
            None => tokio::spawn(self.read(guard, now))
                .await
                .unwrap_or_else(|error| Err(Fault::new(FaultClass::Other, error.to_string()))),
        }
    }

    /// Reads the schema in the background, unless another task is already reading it.
    fn refresh_in_background(self: &Arc<Self>, now: Timestamp) {
        if let Ok(guard) = Arc::clone(&self.reading).try_lock_owned() {
            tokio::spawn(Arc::clone(self).read(guard, now));
        }
    }

    async fn read(self: Arc<Self>, guard: OwnedMutexGuard<()>, now: Timestamp) -> Result<Arc<Schema>, Fault> {
        // Without the time limit, a connection whose peer has disappeared would hold the lock forever.
        let reading = tokio::time::timeout(self.timeout, self.platform.inspect()).await;
        let schema = reading.unwrap_or_else(|_| Err(timed_out(self.timeout))).map(Arc::new);
        if let Ok(schema) = &schema {
            *self.cache.lock() = Some((Arc::clone(schema), now));
        }
        drop(guard);
        schema
    }

    fn cached(&self) -> Option<(Arc<Schema>, Timestamp)> {
        self.cache.lock().clone()
    }
}

fn timed_out(limit: Duration) -> Fault {
    Fault::new(FaultClass::TimedOut, format!("no answer within {} s", limit.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        database::RetryPolicy,
        metric::Calendar,
        platform::{self, PlatformOptions},
    };

    #[tokio::test]
    async fn a_reading_without_an_answer_times_out_and_the_next_one_is_tried() {
        // This listener accepts connections and sends nothing.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://app@{}/app?sslmode=disable", silent.local_addr().unwrap());
        let limit = Duration::from_secs(30);
        let options = PlatformOptions {
            calendar: Calendar::utc(),
            statement_timeout: limit,
            lock_timeout: limit,
            retry: RetryPolicy { retries: 0, initial_delay: Duration::ZERO },
            assume_fresh: Vec::new(),
        };
        let platform = platform::open(&url.parse().unwrap(), options);
        let tables = Arc::new(SchemaCache::new(platform, Duration::from_millis(50)));
        for _ in 0..2 {
            let fault = Arc::clone(&tables).get(Timestamp::UNIX_EPOCH).await.map(drop).unwrap_err();
            // The platform's own time limit would report `FaultClass::Unreachable`.
            assert_eq!(fault.class, FaultClass::TimedOut, "{fault}");
        }
    }
}
