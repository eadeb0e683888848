//! Bodies of requests: small JSON objects.

use std::{fmt, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::members::{FromMembers, Members};
use crate::{
    config::shown,
    http::{problem::Problem, service::Shared},
};

/// Largest body of a request, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// A JSON body. An empty one, of any content type, means `{}`.
pub struct JsonBody<T>(pub T);

impl<T: FromMembers> FromRequest<Shared> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, service: &Shared) -> Result<Self, Problem> {
        require_plain(request.headers())?;
        // Shorter than the time limit of the whole request, whose message is about the answer.
        let limit = service.http.request_timeout / 2;
        let given = tokio::time::timeout(limit, object(request)).await.map_err(|_| too_slow(limit))??;
        Members::read_all(given).map(Self)
    }
}

/// # Errors
/// When the body has a `Content-Encoding`, because it would be read as if it had none.
fn require_plain(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    match codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        true => Ok(()),
        false => Err(unsupported("send the body as it is, without `Content-Encoding`")),
    }
}

async fn object(request: Request) -> Result<Map<String, Value>, Problem> {
    let (parts, body) = request.into_parts();
    let whole = Request::from_parts(parts.clone(), body);
    let bytes = Bytes::from_request(whole, &()).await.map_err(|error| refusal(&error.into()))?;
    // This applies to a body with a `Content-Length` and to a chunked one.
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    let read = Json::<Object>::from_request(Request::from_parts(parts, bytes.into()), &()).await;
    read.map(|Json(Object(members))| members).map_err(|error| refusal(&error))
}

/// A JSON object.
struct Object(Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueMembers)
    }
}

/// Reads the members and refuses a name that is given twice, because it is not known which value was meant.
struct UniqueMembers;

impl<'de> Visitor<'de> for UniqueMembers {
    type Value = Object;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Object, A::Error> {
        let mut read = Map::new();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            if read.contains_key(&name) {
                return Err(A::Error::custom(format!("{} is given twice", shown(&name))));
            }
            read.insert(name, value);
        }
        Ok(Object(read))
    }
}

fn refusal(rejection: &JsonRejection) -> Problem {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            unsupported("send JSON, with `Content-Type: application/json`")
        }
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        other => {
            let text = other.body_text();
            // The error itself follows the colon.
            invalid(text.split_once(": ").map_or(text.as_str(), |(_, detail)| detail))
        }
    }
}

fn unsupported(detail: &str) -> Problem {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Problem::new(status, "unsupported-media-type", "The media type of the body is not supported")
        .detail(detail)
}

fn too_slow(limit: Duration) -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", "The body did not arrive in time")
        .detail(format!("the body did not arrive within {} s", limit.as_secs_f64()))
}

pub fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large")
        .detail(format!("the limit is {} bytes", MAX_BODY))
}

fn invalid(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid-body", "The body cannot be read").detail(detail)
}
