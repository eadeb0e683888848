//! Users whom the platform itself calls admins, by a column of one of its tables.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::OwnedMutexGuard;

use crate::{
    database::{Fault, FaultClass},
    platform::{Flag, Platform, Schema},
    telemetry::LogThrottle,
};

/// The platform's tables are looked at again after so long.
const SCHEMA_MAX_AGE: SignedDuration = SignedDuration::from_mins(10);
/// Somebody waits for the answer, and without it they are a reader.
const TIMEOUT: Duration = Duration::from_secs(2);
/// For a look at the platform's tables. The server waits for the first one before it starts.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(30);
/// Each question takes a connection of the platform's; the platform has other things to do.
const MAX_QUESTIONS_AT_ONCE: usize = 2;

pub struct Admins {
    platform: Arc<dyn Platform>,
    /// Table and column.
    column: (String, String),
    tables: Arc<Tables>,
    questions: tokio::sync::Semaphore,
    cannot_say: LogThrottle,
}

/// The platform's tables as they were when somebody looked. A look takes as long as it takes: it is no part of a request,
/// and comes to its end when the request that needed it was given up.
struct Tables {
    platform: Arc<dyn Platform>,
    /// For a look.
    timeout: Duration,
    seen: Mutex<Option<(Arc<Schema>, Timestamp)>>,
    /// Held by whoever looks.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Admins {
    pub fn new(platform: Arc<dyn Platform>, column: (String, String)) -> Self {
        Self {
            tables: Arc::new(Tables::new(Arc::clone(&platform), PREPARE_TIMEOUT)),
            platform,
            column,
            questions: tokio::sync::Semaphore::new(MAX_QUESTIONS_AT_ONCE),
            cannot_say: LogThrottle::default(),
        }
    }

    /// Looks at the platform's tables, and says what is wrong with the column if something is.
    pub async fn prepare(&self, now: Timestamp) {
        let looking = tokio::time::timeout(PREPARE_TIMEOUT, Arc::clone(&self.tables).seen_or_look(now)).await;
        if let Ok(Ok(_)) = looking {
            // Nobody's id. The answer does not matter, only whether there is one.
            self.is_admin("0", now).await;
            return;
        }
        self.said(looking.map(|seen| seen.map(drop)).unwrap_or_else(|_| Err(late(PREPARE_TIMEOUT))), now);
    }

    /// `None` when the platform does not answer, which is logged.
    pub async fn is_admin(&self, subject: &str, now: Timestamp) -> Option<bool> {
        let answer = tokio::time::timeout(TIMEOUT, self.ask(subject, now)).await;
        self.said(answer.unwrap_or_else(|_| Err(late(TIMEOUT))), now)
    }

    /// Logs a failure.
    fn said<T>(&self, answer: Result<T, Fault>, now: Timestamp) -> Option<T> {
        if let Err(error) = &answer
            && let Some(left_out) = self.cannot_say.allow(now)
        {
            let platform = self.platform.location();
            tracing::warn!(
                %error, platform, left_out, "the platform cannot say who is an admin; nobody is taken for one"
            );
        }
        answer.ok()
    }

    async fn ask(&self, subject: &str, now: Timestamp) -> Result<bool, Fault> {
        let closed = |_| Fault::new(FaultClass::Other, "the server is stopping");
        let _question = self.questions.acquire().await.map_err(closed)?;
        let (table, column) = (self.column.0.as_str(), self.column.1.as_str());
        let schema = Arc::clone(&self.tables).seen_or_look(now).await?;
        let answer = self.platform.flag(&schema, Flag { table, column }, subject).await;
        if answer.as_ref().is_err_and(|fault| fault.class == FaultClass::Sql) {
            // The tables may have changed since.
            self.tables.look_again(now);
        }
        answer
    }
}

impl Tables {
    fn new(platform: Arc<dyn Platform>, timeout: Duration) -> Self {
        Self { platform, timeout, seen: Mutex::default(), turn: Arc::default() }
    }

    /// The tables as they were seen last; when that is long ago, the next one sees them anew.
    async fn seen_or_look(self: Arc<Self>, now: Timestamp) -> Result<Arc<Schema>, Fault> {
        if let Some((schema, at)) = self.seen() {
            if now.duration_since(at) >= SCHEMA_MAX_AGE {
                self.look_again(now);
            }
            return Ok(schema);
        }
        let turn = Arc::clone(&self.turn).lock_owned().await;
        match self.seen() {
            // Whoever had the turn before has looked.
            Some((schema, _)) => Ok(schema),
            None => tokio::spawn(self.look(turn, now))
                .await
                .unwrap_or_else(|error| Err(Fault::new(FaultClass::Other, error.to_string()))),
        }
    }

    /// Looks beside whatever goes on, unless somebody is at it.
    fn look_again(self: &Arc<Self>, now: Timestamp) {
        if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
            tokio::spawn(Arc::clone(self).look(turn, now));
        }
    }

    async fn look(self: Arc<Self>, turn: OwnedMutexGuard<()>, now: Timestamp) -> Result<Arc<Schema>, Fault> {
        // A connection whose other end vanished would hold the turn for ever.
        let looking = tokio::time::timeout(self.timeout, self.platform.inspect()).await;
        let schema = looking.unwrap_or_else(|_| Err(late(self.timeout))).map(Arc::new);
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
    async fn a_look_that_nobody_answers_ends_and_the_next_one_has_its_turn() {
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
            let fault = Arc::clone(&tables).seen_or_look(Timestamp::UNIX_EPOCH).await.map(drop).unwrap_err();
            // The platform's own limit says that it is unreachable.
            assert_eq!(fault.class, FaultClass::TimedOut, "{fault}");
        }
    }
}
