//! The files of the dashboard, in the form that a client's `Accept-Encoding` asks for: they were compressed when they were
//! built.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use rust_embed::{Embed, EmbeddedFile};

use crate::http::{fallback::not_found, problem::Problem};

/// The files that `dashboard/scripts/finish-build.mjs` wrote. A debug build reads the directory with each request.
#[derive(Embed)]
#[folder = "dashboard/dist"]
struct Files;

/// The prefix of files whose names have a hash of their content.
const IMMUTABLE: &str = "_app/immutable/";

/// The page of the dashboard; `None` in a build without it.
pub fn page() -> Option<String> {
    let file = Files::get("index.html")?;
    String::from_utf8(file.data.into_owned()).ok()
}

pub async fn file(uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let name = uri.path().trim_start_matches('/');
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    match (content_type(name), variant(name, accepted.unwrap_or_default())) {
        (Some(content_type), Some((encoding, file))) => {
            Ok(respond(name, content_type, encoding, file, &headers))
        }
        _ => Err(not_found(uri).await),
    }
}

fn respond(
    name: &str,
    content_type: &'static str,
    encoding: Option<&'static str>,
    file: EmbeddedFile,
    request: &HeaderMap,
) -> Response {
    let hash = file.metadata.sha256_hash();
    let tag = hash[..16].iter().fold(String::from("\""), |tag, byte| tag + &format!("{byte:02x}")) + "\"";
    let mut headers = HeaderMap::new();
    let cache_control = match name.starts_with(IMMUTABLE) {
        true => "public, max-age=31536000, immutable",
        false => "public, no-cache",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let known = request.get_all(header::IF_NONE_MATCH).iter().any(|known| known.as_bytes() == tag.as_bytes());
    // Hexadecimal digits in quotes are always a header value.
    headers.insert(header::ETAG, HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\"")));
    if known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    (headers, Body::from(file.data.into_owned())).into_response()
}

/// The smallest form of the file that the client takes, with its encoding.
fn variant(name: &str, accepted: &str) -> Option<(Option<&'static str>, EmbeddedFile)> {
    for (encoding, extension) in [("br", "br"), ("gzip", "gz")] {
        if accepts(accepted, encoding)
            && let Some(file) = Files::get(&format!("{name}.{extension}"))
        {
            return Some((Some(encoding), file));
        }
    }
    Files::get(name).map(|file| (None, file))
}

/// Whether a value of `Accept-Encoding` names the encoding with a weight other than 0 (RFC 9110, 12.5.3).
fn accepts(accepted: &str, encoding: &str) -> bool {
    accepted.split(',').any(|choice| {
        let mut parts = choice.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        is_named && !parts.any(|part| matches!(part.strip_prefix("q=").map(str::parse), Some(Ok(0.0))))
    })
}

/// The media type of a file that may be asked for by its name. `None` of the compressed variants.
fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "json" => Some("application/json"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_accepted_unless_its_weight_is_zero() {
        for accepted in ["br", "gzip, br", "gzip;q=1.0, BR ; q=0.5", "br;q=0.001"] {
            assert!(accepts(accepted, "br"), "{accepted}");
        }
        for accepted in ["", "gzip", "br;q=0", "br; q=0.0, gzip", "brotli"] {
            assert!(!accepts(accepted, "br"), "{accepted}");
        }
    }

    #[test]
    fn a_compressed_variant_has_no_address_of_its_own() {
        assert_eq!(content_type("_app/immutable/bundle.js"), Some("text/javascript; charset=utf-8"));
        assert_eq!(content_type("_app/immutable/bundle.js.br"), None);
        assert_eq!(content_type("favicon"), None);
    }
}
