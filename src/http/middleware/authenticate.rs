//! Who makes the request, and whether they make too many.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ipnet::IpNet;

use crate::{
    access::{Credentials, Decision, Denied, Mode, Principal, Role, Scope},
    http::{problem::Problem, server::Peer, service::Shared},
};

const API_KEY: HeaderName = HeaderName::from_static("apikey");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

pub async fn authenticate(State(service): State<Shared>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    // That there is nothing at a path is no secret.
    if parts.extensions.get::<MatchedPath>().is_none() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let address = client(&parts, &service.http.trusted_proxies);
    if service.access.mode() == Mode::Open && !is_from_here(&parts.headers) {
        let detail = "an open server answers only to pages and programs of this machine; `daymark keys create` closes it";
        return Problem::forbidden(detail).into_response();
    }
    let principal = match principal_of(&service, &parts.headers, address).await {
        Ok(principal) => principal,
        Err(denied @ (Denied::NoCredentials | Denied::Unauthenticated { .. })) => {
            return refused(&service, address, denied);
        }
        Err(denied) => return refusal(denied).into_response(),
    };
    let decision = service.rate_limit.check(&principal);
    let mut response = match decision.allowed {
        true => {
            parts.extensions.insert(principal);
            next.run(Request::from_parts(parts, body)).await
        }
        false => too_many(&decision).into_response(),
    };
    describe(&service, &decision, response.headers_mut());
    response
}

async fn principal_of(service: &Shared, headers: &HeaderMap, address: IpAddr) -> Result<Principal, Denied> {
    if let Some(principal) = service.access.recognise(shown(headers, address)).await {
        return Ok(principal);
    }
    let (at, headers) = (Arc::clone(service), headers.clone());
    service.workers.run(async move { at.access.authenticate(shown(&headers, address)).await }).await
}

fn shown(headers: &HeaderMap, address: IpAddr) -> Credentials<'_> {
    // What cannot be read is not nothing: it is wrong.
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    Credentials { authorization: text(header::AUTHORIZATION), api_key: text(API_KEY), address }
}

/// A refused request counts as one of the address's own, which has as many as a user.
fn refused(service: &Shared, address: IpAddr, denied: Denied) -> Response {
    let decision = service.rate_limit.check_address(address);
    let mut response = match decision.allowed {
        true => refusal(denied).into_response(),
        false => {
            service.access.hold_up(address, decision.reset_after);
            too_many(&decision).into_response()
        }
    };
    describe(service, &decision, response.headers_mut());
    response
}

fn refusal(denied: Denied) -> Problem {
    match denied {
        Denied::NoCredentials => {
            Problem { shows_nothing: true, ..Problem::unauthenticated(denied.to_string()) }
        }
        Denied::Unauthenticated { reason } => Problem::unauthenticated(reason),
        Denied::BackOff { retry_after } => {
            let seconds = whole_seconds(retry_after);
            let status = axum::http::StatusCode::TOO_MANY_REQUESTS;
            Problem::new(status, "too-many-failures", "Authentication failed too often")
                .detail(denied.to_string())
                .retry_after(seconds.max(1))
        }
        Denied::Unavailable { .. } => Problem::unavailable(denied.to_string()),
    }
}

fn too_many(decision: &Decision) -> Problem {
    let seconds = whole_seconds(decision.reset_after).max(1);
    let detail = format!("{} requests a minute are allowed; wait {seconds} s", decision.limit);
    Problem::new(axum::http::StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests")
        .detail(detail)
        .retry_after(seconds)
}

/// draft-ietf-httpapi-ratelimit-headers-10.
fn describe(service: &Shared, decision: &Decision, headers: &mut HeaderMap) {
    let Decision { remaining, reset_after, .. } = decision;
    headers.insert(RATE_LIMIT_POLICY, service.rate_limit_policy.clone());
    let state = format!("\"requests\";r={remaining};t={}", whole_seconds(*reset_after));
    headers.insert(RATE_LIMIT, digits_and_punctuation(state));
}

/// What `RateLimit-Policy` says where so many requests a minute are allowed.
pub fn rate_limit_policy(limit: u32) -> HeaderValue {
    digits_and_punctuation(format!("\"requests\";q={limit};w=60"))
}

/// Which is always a header value.
fn digits_and_punctuation(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// Rounded up.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// Whether an open server may answer: a page of another site can make a browser send requests to this machine, also
/// under a name of its own that leads here (DNS rebinding), but it cannot forge these headers.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    let is_here = |host: &str| {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    };
    // Somebody forwarded it who need not have asked where it came from.
    let is_forwarded =
        ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name));
    let host_is_here = !is_forwarded && text(header::HOST).is_none_or(is_here);
    let origin_is_here = text(header::ORIGIN)
        .is_none_or(|origin| origin.split_once("://").is_some_and(|(_, host)| is_here(host)));
    host_is_here && origin_is_here
}

/// The client's address: that of the connection, or, if that is a trusted proxy's, the last one in `X-Forwarded-For`
/// that is not.
fn client(request: &Parts, trusted: &[IpNet]) -> IpAddr {
    let peer = request.extensions.get::<Peer>().map(|Peer(address)| address.ip());
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
    forwarded(peer, &request.headers, trusted)
}

fn forwarded(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let values = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<_> = values.flat_map(|value| value.split(',')).collect();
    let mut client = peer;
    for hop in hops.iter().rev() {
        // Whatever stands before something that is no address was written by nobody who is trusted.
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !is_trusted(&client) {
            break;
        }
    }
    client
}

/// What a handler asks for when it may be used by those only who may read the record.
pub struct MayRead(pub Principal);

/// For those who may see the collection log.
pub struct MaySeeLog(pub Principal);

/// For those who may start runs.
pub struct MayCollect(pub Principal);

/// For those who may change definitions.
pub struct MayDefine(pub Principal);

impl<S: Sync> FromRequestParts<S> for MayRead {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        require(parts, Scope::Read).map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for MaySeeLog {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        require(parts, Scope::Log).map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for MayCollect {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        require(parts, Scope::Collect).map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for MayDefine {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        require(parts, Scope::Define).map(Self)
    }
}

fn require(parts: &Parts, scope: Scope) -> Result<Principal, Problem> {
    let principal = parts.extensions.get::<Principal>();
    match principal {
        Some(principal) if principal.may(scope) => Ok(principal.clone()),
        Some(principal) if principal.role != Role::Anonymous => {
            let who = principal.role.name();
            Err(Problem::forbidden(format!("the role {who} lacks the scope `{}`", scope.name())))
        }
        _ => Err(Problem::unauthenticated(format!("this needs the scope `{}`", scope.name()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(peer: &str, forwarded_for: &str) -> String {
        let headers: HeaderMap = [(FORWARDED_FOR, forwarded_for.parse().unwrap())].into_iter().collect();
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        forwarded(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn an_open_server_is_for_this_machine_only() {
        let allowed = |name: HeaderName, value: &'static str| {
            is_from_here(&[(name, HeaderValue::from_static(value))].into_iter().collect())
        };
        for here in ["localhost", "LOCALHOST:8640", "127.0.0.1:8640", "[::1]:8640", "[::1]", "127.0.0.2"] {
            assert!(allowed(header::HOST, here), "{here}");
        }
        for elsewhere in ["evil.example", "localhost.evil.example", "192.0.2.1:8640", ""] {
            assert!(!allowed(header::HOST, elsewhere), "{elsewhere}");
        }
        assert!(allowed(header::ORIGIN, "http://localhost:5173"));
        for origin in ["https://evil.example", "null", "http://127.0.0.1.evil.example"] {
            assert!(!allowed(header::ORIGIN, origin), "{origin}");
        }
        assert!(
            !allowed(HeaderName::from_static("x-forwarded-for"), "192.0.2.1"),
            "a proxy stands before it"
        );
        assert!(is_from_here(&HeaderMap::new()), "programs need not say");
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client_of("192.0.2.1", "198.51.100.7"), "192.0.2.1", "anybody can write that header");
        assert_eq!(client_of("10.0.0.1", "198.51.100.7"), "198.51.100.7");
        assert_eq!(client_of("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2"), "198.51.100.7");
        assert_eq!(client_of("10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3");
        assert_eq!(client_of("10.0.0.1", "203.0.113.9, nonsense"), "10.0.0.1");
        assert_eq!(client_of("10.0.0.1", "2001:db8::1"), "2001:db8::1");
    }
}
