//! Users whom the platform itself marks as admins, in a column of one of its tables.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::OwnedMutexGuard;

use crate::{
    clock::has_passed,
    database::{Fault, FaultClass},
    platform::{Flag, Platform, Schema},
    telemetry::LogThrottle,
};

/// The age at which the platform's schema is read again.
const SCHEMA_MAX_AGE: SignedDuration = SignedDuration::from_mins(10);
/// A request waits for the answer. Without it, the user is a reader.
const TIMEOUT: Duration = Duration::from_secs(2);
/// For reading the platform's schema. The server waits for the first reading before it starts.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(30);
/// Each query takes a connection of the platform, which has other work.
const MAX_CONCURRENT_QUERIES: usize = 2;

pub struct Admins {
    platform: Arc<dyn Platform>,
    /// Table and column.
    column: (String, String),
    tables: Arc<Tables>,
    queries: tokio::sync::Semaphore,
    cannot_tell: LogThrottle,
}

/// The platform's schema as it was read last. A reading is no part of a request: it goes on when the request that needed it
/// was cancelled.
struct Tables {
    platform: Arc<dyn Platform>,
    /// For a reading.
    timeout: Duration,
    seen: Mutex<Option<(Arc<Schema>, Timestamp)>>,
    /// Held while the schema is read.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Admins {
    pub fn new(platform: Arc<dyn Platform>, column: (String, String)) -> Self {
        Self {
            tables: Arc::new(Tables::new(Arc::clone(&platform), PREPARE_TIMEOUT)),
            platform,
            column,
            queries: tokio::sync::Semaphore::new(MAX_CONCURRENT_QUERIES),
            cannot_tell: LogThrottle::default(),
        }
    }

    /// Reads the platform's schema, and logs what is wrong with the column if something is.
    pub async fn prepare(&self, now: Timestamp) {
        let reading = tokio::time::timeout(PREPARE_TIMEOUT, Arc::clone(&self.tables).get(now)).await;
        if let Ok(Ok(_)) = reading {
            // No user has this id. The answer does not matter, only whether there is one.
            self.is_admin("0", now).await;
            return;
        }
        self.said(reading.map(|seen| seen.map(drop)).unwrap_or_else(|_| Err(late(PREPARE_TIMEOUT))), now);
    }

    /// `None` when the platform does not answer, which is logged.
    pub async fn is_admin(&self, subject: &str, now: Timestamp) -> Option<bool> {
        let answer = tokio::time::timeout(TIMEOUT, self.ask(subject, now)).await;
        self.said(answer.unwrap_or_else(|_| Err(late(TIMEOUT))), now)
    }

    /// Logs a failure.
    fn said<T>(&self, answer: Result<T, Fault>, now: Timestamp) -> Option<T> {
        if let Err(error) = &answer
            && let Some(left_out) = self.cannot_tell.allow(now)
        {
            let platform = self.platform.location();
            tracing::warn!(
                %error, platform, left_out, "the platform cannot tell which users are admins; all are taken for readers"
            );
        }
        answer.ok()
    }

    async fn ask(&self, subject: &str, now: Timestamp) -> Result<bool, Fault> {
        let closed = |_| Fault::new(FaultClass::Other, "the server is stopping");
        let _permit = self.queries.acquire().await.map_err(closed)?;
        let (table, column) = (self.column.0.as_str(), self.column.1.as_str());
        let schema = Arc::clone(&self.tables).get(now).await?;
        let answer = self.platform.flag(&schema, Flag { table, column }, subject).await;
        if answer.as_ref().is_err_and(|fault| fault.class == FaultClass::Sql) {
            // The tables may have changed since.
            self.tables.refresh_in_background(now);
        }
        answer
    }
}

impl Tables {
    fn new(platform: Arc<dyn Platform>, timeout: Duration) -> Self {
        Self { platform, timeout, seen: Mutex::default(), turn: Arc::default() }
    }

    /// The schema as it was read last. An old one is read anew in the background.
    async fn get(self: Arc<Self>, now: Timestamp) -> Result<Arc<Schema>, Fault> {
        if let Some((schema, at)) = self.seen() {
            if has_passed(at, SCHEMA_MAX_AGE, now) {
                self.refresh_in_background(now);
            }
            return Ok(schema);
        }
        let turn = Arc::clone(&self.turn).lock_owned().await;
        match self.seen() {
            // The task that held the turn before has read it.
            Some((schema, _)) => Ok(schema),
            None => tokio::spawn(self.read(turn, now))
                .await
                .unwrap_or_else(|error| Err(Fault::new(FaultClass::Other, error.to_string()))),
        }
    }

    /// Reads the schema in the background, unless a task is reading it.
    fn refresh_in_background(self: &Arc<Self>, now: Timestamp) {
        if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
            tokio::spawn(Arc::clone(self).read(turn, now));
        }
    }

    async fn read(self: Arc<Self>, turn: OwnedMutexGuard<()>, now: Timestamp) -> Result<Arc<Schema>, Fault> {
        // A connection whose other end vanished would hold the turn for ever.
        let reading = tokio::time::timeout(self.timeout, self.platform.inspect()).await;
        let schema = reading.unwrap_or_else(|_| Err(late(self.timeout))).map(Arc::new);
        if let Ok(schema) = &schema {
            *self.lock() = Some((Arc::clone(schema), now));
        }
        drop(turn);
        schema
    }

    fn seen(&self) -> Option<(Arc<Schema>, Timestamp)> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Arc<Schema>, Timestamp)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn late(limit: Duration) -> Fault {
    Fault::new(FaultClass::TimedOut, format!("no answer in {} s", limit.as_secs()))
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
        // Takes connections and says nothing.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://app@{}/app?sslmode=disable", silent.local_addr().unwrap());
        let limit = Duration::from_secs(30);
        let options = PlatformOptions {
            calendar: Calendar::utc(),
            statement_timeout: limit,
            lock_timeout: limit,
            retry: RetryPolicy { retries: 0, initial_delay: Duration::ZERO },
        };
        let platform = platform::open(&url.parse().unwrap(), options);
        let tables = Arc::new(Tables::new(platform, Duration::from_millis(50)));
        for _ in 0..2 {
            let fault = Arc::clone(&tables).get(Timestamp::UNIX_EPOCH).await.map(drop).unwrap_err();
            // The platform's own limit says that it is unreachable.
            assert_eq!(fault.class, FaultClass::TimedOut, "{fault}");
        }
    }
}
