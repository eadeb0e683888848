//! `/api/v1/session`: who a request acts for, and signing in and out with a browser.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    body::JsonBody,
    error_responses::{BodyErrorResponses, ErrorResponses},
    keys::manages_keys,
    members::{FromMembers, Members},
    no_query::NoQuery,
};
use crate::{
    access::{Mode, Principal, Role},
    http::{
        middleware::{
            authenticate::{Refused, principal_of, respond},
            scopes::MayRead,
            session_cookie::{forget, is_same_origin, keep, session_of},
        },
        parameters::Parameters,
        problem::{InvalidParameter, Problem},
        service::Shared,
        uncached::Uncached,
    },
};

/// The principal of a request, and what it may do.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionResponse {
    /// `anonymous`, `reader`, `admin` or `service`.
    role: &'static str,
    /// The scopes of the principal: `read`, `log`, `collect`, `define`, `correct`.
    scopes: Vec<&'static str>,
    /// Whether the server runs open, so that every request has all scopes.
    open: bool,
    /// Whether the principal comes from a browser session, which the user can end.
    signed_in: bool,
    /// Whether it may list, create and revoke API keys.
    manages_keys: bool,
    /// Who may read the record: `this_machine` (the server runs open), `everyone` (`access.public_read`), holders of API `keys`, and
    /// users of the platform with their `tokens`.
    readers: Vec<&'static str>,
    /// How many points a series of an answer has at most (`query.max_points`).
    max_points: usize,
    /// The server's version.
    version: &'static str,
}

/// What a browser signs in with.
// Without Debug: it holds a credential.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInRequest {
    /// An API key or a JSON Web Token.
    #[schema(min_length = 1)]
    credential: String,
}

impl FromMembers for SignInRequest {
    fn read(members: &mut Members) -> Self {
        Self { credential: members.text("credential") }
    }
}

/// Who a request acts for
///
/// The role and the scopes of the credentials or the session that it shows.
#[utoipa::path(
    get, path = "/api/v1/session", tag = "record",
    responses((status = 200, description = "The principal", body = SessionResponse), ErrorResponses),
)]
pub async fn session(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    headers: HeaderMap,
    _: Parameters<NoQuery>,
) -> Result<Response, Problem> {
    Ok(answer(session_of_request(&service, &principal, &headers).await?))
}

/// Who a request with these headers acts for.
pub async fn session_of_request(
    service: &Shared,
    principal: &Principal,
    headers: &HeaderMap,
) -> Result<SessionResponse, Problem> {
    let signed_in = session_of(headers).is_some() && principal.role != Role::Anonymous;
    of_principal(service, principal, signed_in).await
}

/// Sign in with a browser
///
/// Keeps an API key or a token in a cookie that scripts cannot read, sealed, for seven days at most. Only pages of this server may ask for it.
#[utoipa::path(
    post, path = "/api/v1/session", tag = "record", request_body = SignInRequest, security(()),
    responses(
        (status = 200, description = "Signed in: the cookie is set", body = SessionResponse),
        BodyErrorResponses,
        ErrorResponses,
    ),
)]
pub async fn sign_in(
    State(service): State<Shared>,
    parts: Parts,
    JsonBody(request): JsonBody<SignInRequest>,
) -> Result<Response, Problem> {
    if !is_same_origin(&parts.headers) {
        return Ok(respond(&service, &parts, Refused::OtherSite));
    }
    let credential = request.credential.trim();
    let principal = match principal_of(&service, &parts, credential).await {
        Ok(principal) => principal,
        Err(refused) => return Ok(respond(&service, &parts, refused)),
    };
    let open = is_open(&service).await?;
    let mut response = answer(of_principal(&service, &principal, !open).await?);
    if !open {
        let session = service.access.seal_session(credential).ok_or_else(too_long)?;
        let cookie = keep(&session, &parts.headers).ok_or_else(Problem::internal)?;
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Sign out
///
/// Makes the browser forget its session. DELETE on `/api/v1/sessions` ends the sessions on every device.
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "record", security(()),
    responses((status = 204, description = "Signed out"), ErrorResponses),
)]
pub async fn sign_out(State(service): State<Shared>, parts: Parts) -> Result<Response, Problem> {
    if !is_same_origin(&parts.headers) {
        return Ok(respond(&service, &parts, Refused::OtherSite));
    }
    let cookie = forget(&parts.headers).ok_or_else(Problem::internal)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

async fn of_principal(
    service: &Shared,
    principal: &Principal,
    signed_in: bool,
) -> Result<SessionResponse, Problem> {
    let open = is_open(service).await?;
    Ok(SessionResponse {
        role: principal.role.name(),
        scopes: principal.scopes.names(),
        open,
        signed_in,
        manages_keys: manages_keys(service, principal).await?,
        readers: readers(service, open),
        max_points: service.query.max_points,
        version: env!("CARGO_PKG_VERSION"),
    })
}

fn answer(session: SessionResponse) -> Response {
    Uncached(session).into_response()
}

fn readers(service: &Shared, open: bool) -> Vec<&'static str> {
    if open {
        return vec!["this_machine"];
    }
    let readers = [
        ("everyone", service.access.is_public()),
        ("keys", true),
        ("tokens", service.access.accepts_tokens()),
    ];
    readers.into_iter().filter(|(_, may)| *may).map(|(name, _)| name).collect()
}

async fn is_open(service: &Shared) -> Result<bool, Problem> {
    let mode = service.access.mode().await.map_err(|denied| Problem::unavailable(denied.to_string()))?;
    Ok(mode == Mode::Open)
}

/// Sign out everywhere
///
/// Ends every session that the user or the key of this request has begun, on every device. Other servers with the same store
/// accept them for up to 10 seconds more. The key or token itself stays valid.
#[utoipa::path(
    delete, path = "/api/v1/sessions", tag = "record",
    responses((status = 204, description = "Signed out everywhere"), ErrorResponses),
)]
pub async fn sign_out_everywhere(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    headers: HeaderMap,
    _: Parameters<NoQuery>,
) -> Result<Response, Problem> {
    if principal.role == Role::Anonymous {
        return Err(Problem::unauthenticated("only users who are signed in have sessions"));
    }
    service.access.end_sessions(&principal).await?;
    tracing::info!(subject = &*principal.subject, "a request ended all sessions of its user");
    let cookie = forget(&headers).ok_or_else(Problem::internal)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

fn too_long() -> Problem {
    let detail =
        "it is too long for a cookie; use an API key, or a token of at most 2900 characters".to_owned();
    Problem::invalid_body(vec![InvalidParameter { parameter: "credential".to_owned(), detail }])
}
