//! The request's id, by which an answer is found in the log: that of the client or of a proxy, or a new one.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use uuid::Uuid;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id that is taken from a client or a proxy, in bytes.
const MAX_REQUEST_ID: usize = 64;

/// Gives answers that have no other middleware the id.
pub async fn set_request_id(request: Request, next: Next) -> Response {
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
    given.cloned().unwrap_or_else(new_id)
}

/// 32 hexadecimal digits.
fn new_id() -> HeaderValue {
    let mut text = Uuid::encode_buffer();
    let digits = Uuid::from_u128(fastrand::u128(..)).simple().encode_lower(&mut text);
    // Hexadecimal digits are always a valid header value.
    HeaderValue::from_str(digits).unwrap_or(HeaderValue::from_static("none"))
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
