//! Users whom the platform itself calls admins, by a column of one of its tables.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    database::{Fault, FaultClass},
    platform::{Flag, Platform, Schema},
};

/// The platform's tables are looked at again after so long.
const SCHEMA_MAX_AGE: SignedDuration = SignedDuration::from_mins(10);
/// Somebody waits for the answer, and without it they are a reader.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Each question takes a connection of the platform's; the platform has other things to do.
const MAX_QUESTIONS_AT_ONCE: usize = 2;

pub struct Admins {
    platform: Arc<dyn Platform>,
    /// Table and column.
    column: (String, String),
    schema: Mutex<Option<(Arc<Schema>, Timestamp)>>,
    questions: tokio::sync::Semaphore,
}

impl Admins {
    pub fn new(platform: Arc<dyn Platform>, column: (String, String)) -> Self {
        let questions = tokio::sync::Semaphore::new(MAX_QUESTIONS_AT_ONCE);
        Self { platform, column, schema: Mutex::default(), questions }
    }

    /// Looks at the platform's tables, and says what is wrong with the column if something is.
    pub async fn prepare(&self, now: Timestamp) {
        // Nobody's id. The answer does not matter, only whether there is one.
        self.is_admin("0", now).await;
    }

    /// `None` when the platform does not answer, which is logged.
    pub async fn is_admin(&self, subject: &str, now: Timestamp) -> Option<bool> {
        let answer = tokio::time::timeout(TIMEOUT, self.ask(subject, now)).await.unwrap_or_else(|_| {
            let message = format!("no answer in {} s", TIMEOUT.as_secs());
            Err(Fault::new(FaultClass::TimedOut, message))
        });
        answer
            .inspect_err(|error| {
                let platform = self.platform.location();
                tracing::warn!(%error, platform, "the platform cannot say who is an admin; nobody is taken for one");
            })
            .ok()
    }

    async fn ask(&self, subject: &str, now: Timestamp) -> Result<bool, Fault> {
        let closed = |_| Fault::new(FaultClass::Other, "the server is stopping");
        let _question = self.questions.acquire().await.map_err(closed)?;
        let (table, column) = (self.column.0.as_str(), self.column.1.as_str());
        let schema = self.schema(now).await?;
        let answer = self.platform.flag(&schema, Flag { table, column }, subject).await;
        if answer.as_ref().is_err_and(|fault| fault.class == FaultClass::Sql) {
            // The tables may have changed since they were looked at.
            *self.lock() = None;
        }
        answer
    }

    async fn schema(&self, now: Timestamp) -> Result<Arc<Schema>, Fault> {
        if let Some((schema, at)) = &*self.lock()
            && now.duration_since(*at) < SCHEMA_MAX_AGE
        {
            return Ok(Arc::clone(schema));
        }
        let schema = Arc::new(self.platform.inspect().await?);
        *self.lock() = Some((Arc::clone(&schema), now));
        Ok(schema)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Arc<Schema>, Timestamp)>> {
        self.schema.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
