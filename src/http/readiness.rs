//! Whether the store can be used, for `/readyz`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use crate::store::Store;

/// How long the store may take to answer.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the store's last answer is reused for further requests.
const REMEMBERED_FOR: Duration = Duration::from_secs(1);

/// Whether the store can be used. However many requests ask, one at a time asks the store, once a second.
pub struct Readiness {
    store: Arc<dyn Store>,
    last: Mutex<Option<(Instant, Result<(), &'static str>)>>,
}

impl Readiness {
    /// `store` is for this alone: it has sessions that no other request takes.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, last: Mutex::default() }
    }

    /// # Errors
    /// When the store cannot be used; the error says why no request can be answered.
    pub async fn check(&self) -> Result<(), &'static str> {
        let mut last = self.last.lock().await;
        if let Some((checked_at, outcome)) = *last
            && checked_at.elapsed() < REMEMBERED_FOR
        {
            return outcome;
        }
        let outcome = match tokio::time::timeout(STORE_TIMEOUT, self.store.ping()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "not ready");
                Err("the store cannot be used; the server's log has the reason")
            }
            Err(_) => Err("the store does not answer"),
        };
        *last = Some((Instant::now(), outcome));
        outcome
    }
}
