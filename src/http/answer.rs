//! Answers as bytes, which are serialised once and sent to several requests. An answer's entity tag is a hash of its
//! content, so that it is the same from every server and after every restart, and differs when the content has changed.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use twox_hash::XxHash3_128;

use super::{answer_memory::Reservation, problem::Problem};
use crate::{blocking::block_in_place_if_large, query::SeriesResponse};

/// An answer that may be sent to several requests.
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    tag: HeaderValue,
    is_volatile: bool,
}

impl Answer {
    /// An answer of JSON.
    ///
    /// # Errors
    /// When `value` cannot be written as JSON, which is a defect.
    pub fn json(value: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(value).map_err(|error| {
            tracing::error!(%error, "an answer cannot be written as JSON");
            Problem::internal()
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers
            .insert(header::VARY, HeaderValue::from_static("accept-encoding, authorization, apikey, cookie"));
        Ok(Self::new(StatusCode::OK, headers, body.into()))
    }

    /// Series, whose bytes count against `reservation`.
    ///
    /// # Errors
    /// As [`Answer::json`].
    pub fn series(series: &SeriesResponse, reservation: Reservation) -> Result<Self, Problem> {
        let answer = block_in_place_if_large(series.size(), || Self::json(series))?;
        Ok(answer.volatile(series.is_volatile()).holding(reservation))
    }

    /// The same; its bytes count against `reservation` for as long as they are in memory.
    pub fn holding(self, reservation: Reservation) -> Self {
        Self { body: reservation.hold(self.body), ..self }
    }

    /// The entity tag is of the body and `Content-Range`, which says which rows the body has.
    pub fn new(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        let range = headers.get(header::CONTENT_RANGE).map_or(&[][..], HeaderValue::as_bytes);
        let hash = match range {
            [] => XxHash3_128::oneshot(&body),
            range => XxHash3_128::oneshot(&[range, &body].concat()),
        };
        // Weak: the compressed forms have the same tag. Hexadecimal digits are always a header value.
        let tag =
            HeaderValue::try_from(format!("W/\"{hash:032x}\"")).unwrap_or(HeaderValue::from_static("W/\"\""));
        Self { status, headers, body, tag, is_volatile: false }
    }

    /// Sets whether the answer may become wrong without a commit.
    pub fn volatile(self, is_volatile: bool) -> Self {
        Self { is_volatile, ..self }
    }

    /// Whether it may become wrong without a commit.
    pub fn is_volatile(&self) -> bool {
        self.is_volatile
    }

    /// The bytes of the answer, not compressed.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The approximate memory of the answer, in bytes.
    pub fn size(&self) -> usize {
        self.body.len() + 512
    }

    /// The answer to a request with these headers: 304 when the client has it already. `cache_control` says which
    /// caches may keep it.
    pub fn respond(&self, request: &HeaderMap, cache_control: &'static str) -> Response {
        let mut headers = self.headers.clone();
        headers.insert(header::ETAG, self.tag.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
        if self.is_known_to(request) {
            headers.remove(header::CONTENT_TYPE);
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }

    /// `If-None-Match` compares weakly (RFC 9110, 13.1.2).
    fn is_known_to(&self, request: &HeaderMap) -> bool {
        fn opaque(tag: &str) -> &str {
            tag.trim().trim_start_matches("W/")
        }
        let own = self.tag.to_str().map(opaque).ok();
        let values = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|tag| tag.trim() == "*" || Some(opaque(tag)) == own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_tag_is_compared_weakly() {
        let answer = Answer::json(&"daymark").unwrap();
        let tag = answer.tag.to_str().unwrap().to_owned();
        let status = |known: &str| {
            let headers = [(header::IF_NONE_MATCH, known.parse().unwrap())].into_iter().collect();
            answer.respond(&headers, "no-cache").status().as_u16()
        };
        for known in [&tag, tag.trim_start_matches("W/"), &format!("\"other\", {tag}"), "*"] {
            assert_eq!(status(known), 304, "{known}");
        }
        assert_eq!(status("\"other\""), 200);
    }

    #[test]
    fn the_tag_of_a_page_depends_on_its_range() {
        let tag = |range: &'static str| {
            let headers = [(header::CONTENT_RANGE, HeaderValue::from_static(range))].into_iter().collect();
            Answer::new(StatusCode::OK, headers, Bytes::from("[]")).tag
        };
        assert_ne!(tag("*/*"), tag("*/0"));
        assert_eq!(tag("*/0"), tag("*/0"));
    }
}
