//! Which sessions of browsers their users have ended everywhere.

use std::{collections::HashMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::Mutex, time::Instant};

use super::SESSION_LIFETIME;
use crate::store::{Store, StoreError};

/// How long the ends that were read are used, as long as a key is that was revoked.
const KNOWN_FOR: SignedDuration = SignedDuration::from_secs(10);
/// How long requests are refused after the ends could not be read. Those that waited for the reading meanwhile do not each try again.
const FAILURE_KNOWN_FOR: Duration = Duration::from_millis(500);
/// The longest subject that the store accepts, in characters.
const MAX_SUBJECT_CHARS: usize = 200;

/// The ends of sessions, read from the store every ten seconds while sessions are used.
#[derive(Default)]
pub struct KnownSessionEnds(Mutex<ReadEnds>);

#[derive(Default)]
struct ReadEnds {
    read_at: Option<Timestamp>,
    ends: HashMap<String, Timestamp>,
    failure: Option<(Instant, StoreError)>,
}

impl KnownSessionEnds {
    /// Whether a session of `subject` that began at `began_at` was ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn has_ended(
        &self,
        store: &dyn Store,
        subject: &str,
        began_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut known = self.0.lock().await;
        let is_current = known.read_at.is_some_and(|at| at <= now && now.duration_since(at) < KNOWN_FOR);
        if !is_current {
            if let Some((at, error)) = &known.failure
                && at.elapsed() < FAILURE_KNOWN_FOR
            {
                return Err(error.clone());
            }
            match store.session_ends(oldest(now)).await {
                Ok(ends) => {
                    *known = ReadEnds { read_at: Some(now), ends: ends.into_iter().collect(), failure: None }
                }
                Err(error) => {
                    known.failure = Some((Instant::now(), error.clone()));
                    return Err(error);
                }
            }
        }
        Ok(known.ends.get(&shortened(subject)).is_some_and(|ended_at| began_at <= *ended_at))
    }

    /// Ends all sessions of `subject` that have begun.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end(&self, store: &dyn Store, subject: &str, now: Timestamp) -> Result<(), StoreError> {
        let subject = shortened(subject);
        store.end_sessions(&subject, now, oldest(now)).await?;
        self.0.lock().await.ends.insert(subject, now);
        Ok(())
    }
}

/// Sessions that began earlier are over.
fn oldest(now: Timestamp) -> Timestamp {
    now.checked_sub(SESSION_LIFETIME).unwrap_or(Timestamp::MIN)
}

fn shortened(subject: &str) -> String {
    subject.chars().take(MAX_SUBJECT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::join_all;
    use tokio::net::TcpListener;

    use super::*;
    use crate::{
        database::RetryPolicy,
        store::{DEFAULT_SCHEMA, StoreOptions, open},
    };

    /// The store accepts connections and never answers.
    #[tokio::test]
    async fn requests_that_wait_for_a_reading_that_fails_do_not_try_again_one_after_the_other() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://postgres@{}/nowhere", listener.local_addr().unwrap());
        let accepted = Arc::new(Mutex::new(Vec::new()));
        let accepting = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                accepting.lock().await.push(connection);
            }
        });
        let options = StoreOptions {
            tenant: "default".to_owned(),
            schema: DEFAULT_SCHEMA.to_owned(),
            retry: RetryPolicy { retries: 0, initial_delay: Duration::ZERO },
            statement_timeout: Some(Duration::from_millis(100)),
        };
        let store = open(&url.parse().unwrap(), options);
        let known = KnownSessionEnds::default();
        let now = Timestamp::UNIX_EPOCH;
        let asked = (0..5).map(|_| known.has_ended(store.as_ref(), "user:anna", now, now));
        assert!(join_all(asked).await.iter().all(Result::is_err));
        assert_eq!(accepted.lock().await.len(), 1, "one request has tried to connect");
    }
}
