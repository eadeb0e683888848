//! Finds the principal that makes the request, and puts it into the request's extensions.

use std::net::IpAddr;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    client_address::{client_address, is_local_request},
    rate_limit,
    session_cookie::{may_use_session, session_of},
};
use crate::{
    access::{Credentials, Denied, Mode, Principal},
    http::{problem::Problem, service::Shared},
};

/// Where browsers sign in and out.
const SESSION_PATH: &str = "/api/v1/session";
const API_KEY: HeaderName = HeaderName::from_static("apikey");

pub async fn authenticate(State(service): State<Shared>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    // An unknown path is answered with 404 without authentication: which paths exist is public. Signing in and out is what
    // the session is for.
    let is_known = parts.extensions.get::<MatchedPath>().is_some();
    let is_signing =
        parts.uri.path() == SESSION_PATH && [Method::POST, Method::DELETE].contains(&parts.method);
    if !is_known || is_signing {
        return next.run(Request::from_parts(parts, body)).await;
    }
    match principal(&service, &parts).await {
        Ok(principal) => {
            parts.extensions.insert(principal);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refused) => respond(&service, &parts, refused),
    }
}

/// The answer to a request without a principal.
pub fn respond(service: &Shared, parts: &Parts, refused: Refused) -> Response {
    match refused {
        Refused::NotLocal => {
            let detail = "a server without authentication answers only pages and programs of its own machine; `daymark keys create` turns authentication on";
            Problem::forbidden(detail).into_response()
        }
        Refused::OtherSite => {
            let detail =
                "with a session, only pages of this server may change something; send an API key instead";
            Problem::forbidden(detail).into_response()
        }
        Refused::Denied(denied @ (Denied::NoCredentials | Denied::Unauthenticated { .. })) => {
            refuse(service, client_address(parts, &service.http.trusted_proxies), denied)
        }
        Refused::Denied(denied) => refusal(denied).into_response(),
    }
}

/// Why a request has no principal.
pub enum Refused {
    /// The server runs open, and the request may not have been made by a page or a program of this machine.
    NotLocal,
    /// It has a session and would change something, and was not made by a page of this server.
    OtherSite,
    Denied(Denied),
}

/// The principal of a request: of its credentials, or without them of its session.
pub async fn principal(service: &Shared, parts: &Parts) -> Result<Principal, Refused> {
    let has_credentials =
        parts.headers.contains_key(header::AUTHORIZATION) || parts.headers.contains_key(API_KEY);
    let session = (!has_credentials).then(|| session_of(&parts.headers)).flatten();
    match session.and_then(|session| service.access.open_session(session)) {
        Some(_) if !may_use_session(&parts.method, &parts.headers) => Err(Refused::OtherSite),
        Some(session) => {
            let principal = principal_of(service, parts, &session.credential).await?;
            let checked = service.access.require_session(&principal, session.began_at).await;
            checked.map(|()| principal).map_err(Refused::Denied)
        }
        None => verified(service, parts, |address| credentials(&parts.headers, address)).await,
    }
}

/// The principal of a credential that came with a request, though not in its headers.
pub async fn principal_of(service: &Shared, parts: &Parts, credential: &str) -> Result<Principal, Refused> {
    let authorization = format!("Bearer {credential}");
    let credentials = |address| Credentials { authorization: Some(&authorization), api_key: None, address };
    verified(service, parts, credentials).await
}

async fn verified<'a>(
    service: &Shared,
    parts: &Parts,
    credentials: impl FnOnce(IpAddr) -> Credentials<'a>,
) -> Result<Principal, Refused> {
    match service.access.mode().await.map_err(Refused::Denied)? {
        Mode::Open if !is_local_request(&parts.headers) => return Err(Refused::NotLocal),
        Mode::Open | Mode::Required => {}
    }
    let address = client_address(parts, &service.http.trusted_proxies);
    service.access.authenticate(credentials(address)).await.map_err(Refused::Denied)
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
