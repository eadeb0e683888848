//! The id of a request, by which an answer is found in the log: that of the client or of a proxy, or a new one.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id that is taken from a client or a proxy.
const MAX_REQUEST_ID: usize = 64;

/// Around what is not guarded.
pub async fn identify(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let mut response = next.run(request).await;
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The client's own id if it is harmless, else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    let given = headers
        .get(REQUEST_ID)
        .filter(|id| (1..=MAX_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(harmless));
    // Hexadecimal digits are always a header value.
    let new = || HeaderValue::try_from(format!("{:032x}", fastrand::u128(..)));
    given.cloned().or_else(|| new().ok()).unwrap_or(HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_harmless_request_id_is_taken_over() {
        let id = |given: &'static str| {
            let headers: HeaderMap = [(REQUEST_ID, HeaderValue::from_static(given))].into_iter().collect();
            request_id(&headers)
        };
        assert_eq!(id("abc-1.2:3_4"), "abc-1.2:3_4");
        for harmful in ["", "a b", "a\"b", &"x".repeat(MAX_REQUEST_ID + 1)] {
            assert_ne!(id(Box::leak(harmful.to_owned().into_boxed_str())), harmful);
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
