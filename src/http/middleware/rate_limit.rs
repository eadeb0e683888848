//! How many requests a minute a principal may make, with the headers of draft-ietf-httpapi-ratelimit-headers-10.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    access::{Decision, Principal},
    http::{problem::Problem, service::Shared},
};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

pub async fn rate_limit(State(service): State<Shared>, request: Request, next: Next) -> Response {
    // A request without a principal has an unknown path, which is answered without authentication.
    let Some(principal) = request.extensions().get::<Principal>() else { return next.run(request).await };
    let decision = service.rate_limit.check(principal);
    let mut response = match decision.allowed {
        true => next.run(request).await,
        false => refusal(&decision).into_response(),
    };
    describe(&decision, response.headers_mut());
    response
}

pub fn refusal(decision: &Decision) -> Problem {
    let seconds = whole_seconds(decision.reset_after).max(1);
    let detail =
        format!("the limit of {} requests a minute is reached; try again in {seconds} s", decision.limit);
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests")
        .detail(detail)
        .retry_after(seconds)
}

/// Adds the state of the limit to an answer's headers.
pub fn describe(decision: &Decision, headers: &mut HeaderMap) {
    let Decision { limit, remaining, reset_after, .. } = decision;
    headers.insert(RATE_LIMIT_POLICY, header_value(format!("\"requests\";q={limit};w=60")));
    let state = format!("\"requests\";r={remaining};t={}", whole_seconds(*reset_after));
    headers.insert(RATE_LIMIT, header_value(state));
}

/// Of digits and punctuation, which are always a header value.
fn header_value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// The duration in seconds, rounded up.
pub fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
