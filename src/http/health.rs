//! `/livez`, `/readyz` and `/metrics`: for whatever runs the server. They need no authentication, tell nothing about
//! the record, and are not held up by requests.

use std::time::{Duration, Instant};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::sync::Mutex;

use super::{problem::Problem, service::Shared};
use crate::store::Store;

/// How long the store may take to say that it is there.
const READY_WITHIN: Duration = Duration::from_secs(2);
/// How long that it is there, or is not, holds for whoever else asks.
const SHARED_FOR: Duration = Duration::from_secs(1);

/// What was found out last. However many ask, the store is asked by one at a time, and once a second.
#[derive(Default)]
pub struct Readiness(Mutex<Option<(Instant, Result<(), &'static str>)>>);

impl Readiness {
    /// # Errors
    /// Why no request can be answered.
    async fn of(&self, store: &dyn Store) -> Result<(), &'static str> {
        let mut last = self.0.lock().await;
        if let Some((found_at, found)) = *last
            && found_at.elapsed() < SHARED_FOR
        {
            return found;
        }
        let found = match tokio::time::timeout(READY_WITHIN, store.ping()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "not ready");
                Err("the store cannot be used; the log says why")
            }
            Err(_) => Err("the store does not answer"),
        };
        *last = Some((Instant::now(), found));
        found
    }
}

/// Whether the process works at all.
pub async fn livez() -> &'static str {
    "ok\n"
}

/// Whether requests can be answered: the store is reachable and has its tables.
pub async fn readyz(State(service): State<Shared>) -> Response {
    match service.readiness.of(service.context.tenant.store.as_ref()).await {
        Ok(()) => "ok\n".into_response(),
        Err(why) => Problem::unavailable(why).into_response(),
    }
}

pub async fn metrics(State(service): State<Shared>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (StatusCode::OK, content_type, service.telemetry.render()).into_response()
}
