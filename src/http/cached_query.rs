//! A request for recorded values: its key in the cache, and how it is answered.

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
    cache::Lifetime,
    parameters,
    problem::Problem,
    service::{Service, Shared},
};
use crate::{
    access::{Principal, Role},
    query::{Catalogue, QueryError},
};

/// A request with the parameters `P`. They are parsed only where no answer is cached: a cached one is of a request with the
/// same text.
pub struct CachedQuery<P> {
    uri: Uri,
    /// Which answer the client has already.
    headers: HeaderMap,
    parameters: PhantomData<fn() -> P>,
}

/// The parameters of an endpoint, and how it answers them.
#[async_trait]
pub trait Endpoint: DeserializeOwned + Send + Sync + 'static {
    async fn answer(&self, service: &Service, catalogue: &Arc<Catalogue>) -> Result<Answer, Failed>;
}

/// The reason why a query has no answer.
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

impl<P: Endpoint, S: Sync> FromRequestParts<S> for CachedQuery<P> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let known = parts.headers.get_all(header::IF_NONE_MATCH).iter().cloned();
        let headers = known.map(|tag| (header::IF_NONE_MATCH, tag)).collect();
        Ok(Self { uri: parts.uri.clone(), headers, parameters: PhantomData })
    }
}

impl<P: Endpoint> CachedQuery<P> {
    /// The cached answer, or a new one.
    pub async fn answer(
        &self,
        service: &Shared,
        principal: &Principal,
        lifetime: Lifetime,
    ) -> Result<Response, Problem> {
        let request = self.uri.path_and_query().map_or("", PathAndQuery::as_str);
        let answer = answer_to::<P>(service, request, lifetime).await?;
        Ok(answer.respond(&self.headers, cache_control(principal)))
    }
}

/// The cached or a new answer to `request`, a path with its query string.
pub async fn answer_to<P: Endpoint>(
    service: &Service,
    request: &str,
    lifetime: Lifetime,
) -> Result<Arc<Answer>, Problem> {
    let query = request.split_once('?').map_or("", |(_, query)| query);
    let last_finished = service.context.last_finished();
    let make = make::<P>(service, query);
    service.cache.answer(lifetime, request, last_finished, &service.counters, make).await
}

async fn make<P: Endpoint>(service: &Service, query: &str) -> Result<Answer, Problem> {
    let parameters: P = parameters::parse(query, &[])?;
    service.counters.store_query();
    match parameters.answer(service, &service.catalogue().await?).await {
        // The definitions changed after the catalogue was read.
        Err(Failed::Query(QueryError::UnknownVersion { .. })) => {
            let catalogue = (*service.fresh_catalogue().await?).clone().with_all_versions();
            parameters.answer(service, &Arc::new(catalogue)).await.map_err(Problem::from)
        }
        made => made.map_err(Problem::from),
    }
}

/// A client may keep an answer, but must revalidate it each time. Shared caches may keep only answers that every client
/// may read.
fn cache_control(principal: &Principal) -> &'static str {
    match principal.role {
        Role::Anonymous => "public, no-cache",
        _ => "private, no-cache",
    }
}
