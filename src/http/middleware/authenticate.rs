//! Finds the principal that makes the request, and puts it into the request's extensions.

use std::net::IpAddr;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    client_address::{client_address, is_local_request},
    rate_limit,
};
use crate::{
    access::{Credentials, Denied, Mode, Principal},
    http::{problem::Problem, service::Shared},
};

const API_KEY: HeaderName = HeaderName::from_static("apikey");

pub async fn authenticate(State(service): State<Shared>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    // An unknown path is answered with 404 without authentication: which paths exist is public.
    if parts.extensions.get::<MatchedPath>().is_none() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    match principal(&service, &parts).await {
        Ok(principal) => {
            parts.extensions.insert(principal);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(Refused::NotLocal) => {
            let detail = "a server without authentication answers only pages and programs of its own machine; `daymark keys create` turns authentication on";
            Problem::forbidden(detail).into_response()
        }
        Err(Refused::Denied(denied @ (Denied::NoCredentials | Denied::Unauthenticated { .. }))) => {
            refuse(&service, client_address(&parts, &service.http.trusted_proxies), denied)
        }
        Err(Refused::Denied(denied)) => refusal(denied).into_response(),
    }
}

/// Why a request has no principal.
pub enum Refused {
    /// The server runs open, and the request may not have been made by a page or a program of this machine.
    NotLocal,
    Denied(Denied),
}

/// The principal of a request.
pub async fn principal(service: &Shared, parts: &Parts) -> Result<Principal, Refused> {
    match service.access.mode().await.map_err(Refused::Denied)? {
        Mode::Open if !is_local_request(&parts.headers) => return Err(Refused::NotLocal),
        Mode::Open | Mode::Required => {}
    }
    let address = client_address(parts, &service.http.trusted_proxies);
    let credentials = credentials(&parts.headers, address);
    service.access.authenticate(credentials).await.map_err(Refused::Denied)
}

fn credentials(headers: &HeaderMap, address: IpAddr) -> Credentials<'_> {
    // A header that cannot be read counts as wrong credentials, not as absent ones.
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    Credentials { authorization: text(header::AUTHORIZATION), api_key: text(API_KEY), address }
}

/// A refused request counts against its address, which may make as many as a user.
fn refuse(service: &Shared, address: IpAddr, denied: Denied) -> Response {
    let decision = service.rate_limit.check_address(address);
    let mut response = match decision.allowed {
        true => refusal(denied).into_response(),
        false => {
            service.access.hold_up(address, decision.reset_after);
            rate_limit::refusal(&decision).into_response()
        }
    };
    rate_limit::describe(&decision, response.headers_mut());
    response
}

fn refusal(denied: Denied) -> Problem {
    match denied {
        Denied::NoCredentials => {
            Problem { shows_nothing: true, ..Problem::unauthenticated(denied.to_string()) }
        }
        Denied::Unauthenticated { reason } => Problem::unauthenticated(reason),
        Denied::BackOff { retry_after } => {
            let title = "Authentication failed too often";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-failures", title)
                .detail(denied.to_string())
                .retry_after(rate_limit::whole_seconds(retry_after).max(1))
        }
        Denied::Unavailable { .. } => Problem::unavailable(denied.to_string()),
    }
}
