//! Answers as bytes: made once, sent often. An answer's entity tag is a hash of what it says, so that it is the same
//! from every server and after every restart, and differs when anything of it was recorded in between.

use std::io::Write;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::OnceCell;
use twox_hash::XxHash3_128;

use super::problem::Problem;
use crate::{blocking::block_in_place_if_large, query::SeriesResponse};

/// Smaller answers are sent as they are: the headers of a compressed one cost more than it saves.
const MIN_COMPRESSED: usize = 1024;
/// Larger ones take milliseconds to compress, which would hold up other requests.
const MAX_INLINE: usize = 64 * 1024;
/// Of brotli's 0 to 11: about what gzip takes, and smaller.
const BROTLI_QUALITY: u32 = 5;
const BROTLI_WINDOW: u32 = 20;

/// At least as many as an answer has when it is sent: growing costs more than all of them.
const HEADERS: usize = 12;

/// A JSON answer, with its compressed forms as far as somebody asked for them.
pub struct Answer {
    body: Bytes,
    tag: HeaderValue,
    is_volatile: bool,
    gzip: OnceCell<Bytes>,
    brotli: OnceCell<Bytes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Brotli,
}

impl Answer {
    /// # Errors
    /// When `value` cannot be written as JSON, which is a defect.
    pub fn json(value: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(value).map_err(|error| {
            tracing::error!(%error, "an answer cannot be written as JSON");
            Problem::internal()
        })?;
        Ok(Self::new(body.into()))
    }

    /// # Errors
    /// As [`Answer::json`].
    pub fn series(series: &SeriesResponse) -> Result<Self, Problem> {
        Ok(block_in_place_if_large(series.size(), || Self::json(series))?.passing(series.is_volatile()))
    }

    fn new(body: Bytes) -> Self {
        let hash = XxHash3_128::oneshot(&body);
        // Weak: the compressed forms have the same one. Hexadecimal digits are always a header value.
        let tag =
            HeaderValue::try_from(format!("W/\"{hash:032x}\"")).unwrap_or(HeaderValue::from_static("W/\"\""));
        Self { body, tag, is_volatile: false, gzip: OnceCell::new(), brotli: OnceCell::new() }
    }

    /// The same, and whether it may become wrong without anything being committed.
    pub fn passing(self, is_volatile: bool) -> Self {
        Self { is_volatile, ..self }
    }

    /// Whether it may become wrong without anything being committed.
    pub fn is_volatile(&self) -> bool {
        self.is_volatile
    }

    /// About how much memory it takes.
    pub fn size(&self) -> usize {
        // The compressed forms are a fraction of it.
        self.body.len() + self.body.len() / 2
    }

    /// Whether nothing has to be compressed first for a request with these headers.
    pub fn is_ready_for(&self, request: &HeaderMap) -> bool {
        self.is_known_to(request)
            || match self.encoding(request) {
                Encoding::Identity => true,
                Encoding::Gzip => self.gzip.initialized(),
                Encoding::Brotli => self.brotli.initialized(),
            }
    }

    fn encoding(&self, request: &HeaderMap) -> Encoding {
        encoding(&self.body, request)
    }

    /// The answer to a request with these headers: 304 when the client has it already. `cache_control` says who may
    /// keep it.
    pub async fn respond(&self, request: &HeaderMap, cache_control: &'static str) -> Response {
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(header::ETAG, self.tag.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding, authorization, apikey"));
        if self.is_known_to(request) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let (body, name) = match self.encoding(request) {
            Encoding::Identity => (&self.body, None),
            Encoding::Gzip => (self.gzip.get_or_init(|| compressed(gzip, &self.body)).await, Some("gzip")),
            Encoding::Brotli => {
                (self.brotli.get_or_init(|| compressed(brotli, &self.body)).await, Some("br"))
            }
        };
        if let Some(name) = name {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        let mut response = Response::new(Body::from(body.clone()));
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

/// `body`, compressed as a request with these headers likes it, and what that is called in `Content-Encoding`.
pub async fn compressed_for(request: &HeaderMap, body: Bytes) -> (Bytes, Option<&'static str>) {
    match encoding(&body, request) {
        Encoding::Identity => (body, None),
        Encoding::Gzip => (compressed(gzip, &body).await, Some("gzip")),
        Encoding::Brotli => (compressed(brotli, &body).await, Some("br")),
    }
}

fn encoding(body: &Bytes, request: &HeaderMap) -> Encoding {
    match body.len() {
        0..MIN_COMPRESSED => Encoding::Identity,
        _ => preferred(request),
    }
}

async fn compressed(compress: fn(&[u8]) -> Bytes, body: &Bytes) -> Bytes {
    if body.len() <= MAX_INLINE {
        return compress(body);
    }
    let whole = body.clone();
    match tokio::task::spawn_blocking(move || compress(&whole)).await {
        Ok(compressed) => compressed,
        // Only where the process is ending, or `compress` panics.
        Err(_) => compress(body),
    }
}

fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    // Writing to memory does not fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}

fn brotli(body: &[u8]) -> Bytes {
    let mut compressed = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut compressed, 4096, BROTLI_QUALITY, BROTLI_WINDOW);
    let _ = encoder.write_all(body);
    drop(encoder);
    compressed.into()
}

/// The encoding of highest weight in `Accept-Encoding` (RFC 9110, 12.5.3); of equals brotli, then gzip.
fn preferred(request: &HeaderMap) -> Encoding {
    let Some(accepted) = request.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()) else {
        return Encoding::Identity;
    };
    let weight = |name: &str| {
        let of = |wanted: &str| {
            accepted.split(',').find_map(|part| {
                let mut parameters = part.split(';');
                let is_wanted = parameters.next()?.trim().eq_ignore_ascii_case(wanted);
                let weight = parameters.find_map(|parameter| parameter.trim().strip_prefix("q="));
                is_wanted.then(|| weight.map_or(1.0, |weight| weight.trim().parse::<f32>().unwrap_or(0.0)))
            })
        };
        of(name).or_else(|| of("*")).unwrap_or(0.0)
    };
    let (brotli, gzip) = (weight("br"), weight("gzip"));
    match (brotli > 0.0 && brotli >= gzip, gzip > 0.0) {
        (true, _) => Encoding::Brotli,
        (_, true) => Encoding::Gzip,
        _ => Encoding::Identity,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::body::to_bytes;
    use futures_util::FutureExt;

    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        [(name, value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn the_client_chooses_the_encoding() {
        let chosen = |accepted| preferred(&headers(header::ACCEPT_ENCODING, accepted));
        assert_eq!(preferred(&HeaderMap::new()), Encoding::Identity);
        assert_eq!(chosen("gzip, deflate, br"), Encoding::Brotli);
        assert_eq!(chosen("gzip;q=1.0, br;q=0.5"), Encoding::Gzip);
        assert_eq!(chosen("br;q=0, gzip"), Encoding::Gzip);
        assert_eq!(chosen("*"), Encoding::Brotli);
        assert_eq!(chosen("identity"), Encoding::Identity);
        assert_eq!(chosen("gzip;q=0, *;q=0"), Encoding::Identity);
        assert_eq!(chosen("gzip;q=nonsense"), Encoding::Identity);
    }

    #[test]
    fn every_form_says_the_same() {
        let body = Bytes::from("daymark ".repeat(1000));
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&gzip(&body)[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, body);
        let mut unpacked = Vec::new();
        brotli::Decompressor::new(&brotli(&body)[..], 4096).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, body);
    }

    #[test]
    fn a_large_answer_is_compressed_beside_other_requests_and_once() {
        let accepted = headers(header::ACCEPT_ENCODING, "br");
        let packed = |response: Response| async {
            assert_eq!(response.headers()[header::CONTENT_ENCODING], "br");
            to_bytes(response.into_body(), usize::MAX).await.unwrap()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            // The thread for such work has other work, so that nothing can be compressed there yet.
            let (release, held) = std::sync::mpsc::channel::<()>();
            tokio::task::spawn_blocking(move || held.recv());
            let small = Answer::json(&"daymark ".repeat(1000)).unwrap();
            let answered = small.respond(&accepted, "no-cache").now_or_never();
            assert!(answered.is_some(), "not worth the way there and back");
            let large = Answer::json(&"daymark ".repeat(20_000)).unwrap();
            let mut one = Box::pin(large.respond(&accepted, "no-cache"));
            assert!((&mut one).now_or_never().is_none(), "others have their turn meanwhile");
            release.send(()).unwrap();
            let (one, other) = tokio::join!(one, large.respond(&accepted, "no-cache"));
            let (one, other) = (packed(one).await, packed(other).await);
            assert_eq!(one.as_ptr(), other.as_ptr(), "the very same bytes");
        });
    }

    #[tokio::test]
    async fn what_was_compressed_once_is_ready() {
        let answer = Answer::json(&"daymark ".repeat(1000)).unwrap();
        let brotli = headers(header::ACCEPT_ENCODING, "br");
        assert!(answer.is_ready_for(&HeaderMap::new()));
        assert!(!answer.is_ready_for(&brotli));
        assert!(answer.is_ready_for(&[(header::IF_NONE_MATCH, answer.tag.clone())].into_iter().collect()));
        answer.respond(&brotli, "no-cache").await;
        assert!(answer.is_ready_for(&brotli));
        assert!(!answer.is_ready_for(&headers(header::ACCEPT_ENCODING, "gzip")));
        assert!(Answer::json(&"small").unwrap().is_ready_for(&brotli), "it is not compressed");
    }

    #[tokio::test]
    async fn a_client_that_has_it_is_told_so() {
        let answer = Answer::json(&[1, 2, 3]).unwrap();
        let tag = answer.tag.to_str().unwrap().to_owned();
        let status = async |given: &str| {
            answer.respond(&headers(header::IF_NONE_MATCH, given), "no-cache").await.status()
        };
        for known in [tag.as_str(), tag.trim_start_matches("W/"), "*", &format!("\"x\", {tag}")] {
            assert_eq!(status(known).await, StatusCode::NOT_MODIFIED, "{known}");
        }
        assert_eq!(status("\"x\"").await, StatusCode::OK);
        assert_ne!(Answer::json(&[1, 2, 4]).unwrap().tag, answer.tag, "another answer has another tag");
    }
}
