//! A request for something that is recorded: what its answer is kept under, and how it is sent.

use std::{convert::Infallible, marker::PhantomData, sync::Arc};

use async_trait::async_trait;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Uri, header, request::Parts, uri::PathAndQuery},
    response::Response,
};
use serde::de::DeserializeOwned;

use super::{
    answer::Answer,
    cache::Keep,
    parameters,
    problem::Problem,
    service::{Service, Shared},
};
use crate::{
    access::{Principal, Role},
    query::{Catalogue, QueryError},
};

/// A request for what `Q`, its parameters, ask. They are read only where no answer is kept: one that is was asked for in the
/// same words.
pub struct CachedQuery<Q> {
    uri: Uri,
    /// What the client has already, and what it can read.
    headers: HeaderMap,
    question: PhantomData<fn() -> Q>,
}

/// What can be asked of the record, and how it is answered.
#[async_trait]
pub trait Endpoint: DeserializeOwned + Send + Sync + 'static {
    async fn answer(&self, service: &Service, catalogue: &Catalogue) -> Result<Answer, Failed>;
}

/// Why there is no answer.
pub enum Failed {
    Query(QueryError),
    Problem(Problem),
}

impl From<QueryError> for Failed {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Failed> for Problem {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Query(error) => error.into(),
            Failed::Problem(problem) => problem,
        }
    }
}

impl<Q: Endpoint, S: Sync> FromRequestParts<S> for CachedQuery<Q> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let mut headers = HeaderMap::new();
        for name in [header::IF_NONE_MATCH, header::ACCEPT_ENCODING] {
            for value in parts.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        Ok(Self { uri: parts.uri.clone(), headers, question: PhantomData })
    }
}

impl<Q: Endpoint> CachedQuery<Q> {
    /// The answer that is kept, or a new one.
    pub async fn answer(
        &self,
        service: &Shared,
        principal: &Principal,
        keep: Keep,
    ) -> Result<Response, Problem> {
        let target = self.uri.path_and_query().map_or("", PathAndQuery::as_str);
        let last_finished = service.context.last_finished();
        let making = service.workers.run(make::<Q>(Arc::clone(service), self.uri.clone()));
        let answer = service.cache.answer(keep, target, last_finished, &service.telemetry, making).await?;
        let cache_control = cache_control(principal);
        if answer.is_ready_for(&self.headers) {
            return Ok(answer.respond(&self.headers, cache_control).await);
        }
        let headers = self.headers.clone();
        Ok(service.workers.run(async move { answer.respond(&headers, cache_control).await }).await)
    }
}

async fn make<Q: Endpoint>(service: Shared, uri: Uri) -> Result<Answer, Problem> {
    let question: Q = parameters::parse(uri.query().unwrap_or_default())?;
    service.telemetry.store_query();
    match question.answer(&service, &*service.catalogue().await?).await {
        // Definitions changed since the catalogue was read.
        Err(Failed::Query(QueryError::UnknownVersion { .. })) => {
            let catalogue = service.fresh_catalogue().await?;
            question.answer(&service, &catalogue).await.map_err(Problem::from)
        }
        made => made.map_err(Problem::from),
    }
}

/// An answer may be kept by whoever asked for it, and is asked about again each time: it may have changed a moment ago.
/// Only what everybody may read is for shared caches.
fn cache_control(principal: &Principal) -> &'static str {
    match principal.role {
        Role::Anonymous => "public, no-cache",
        _ => "private, no-cache",
    }
}
