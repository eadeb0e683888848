//! Bodies of requests: JSON, small, and with an error that says what was wrong with them.

use std::{fmt, marker::PhantomData, time::Duration};

use axum::{
    Json,
    extract::{FromRequest, Request, rejection::JsonRejection},
    http::{StatusCode, header},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::http::{problem::Problem, service::Shared};

/// A JSON body. An empty one, without a content type, is that of `{}`.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Shared> for Body<T> {
    type Rejection = Problem;

    async fn from_request(mut request: Request, service: &Shared) -> Result<Self, Problem> {
        let headers = request.headers_mut();
        let is_empty = headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0")
            && !headers.contains_key(header::TRANSFER_ENCODING);
        if is_empty {
            return serde_json::from_str("{}").map(Self).map_err(|error| invalid(&error.to_string()));
        }
        // Before the time limit of the whole request, whose message is about the answer.
        let limit = service.http.request_timeout / 2;
        match tokio::time::timeout(limit, Json::<Object<T>>::from_request(request, &())).await {
            Ok(Ok(Json(Object(body)))) => Ok(Self(body)),
            Ok(Err(rejection)) => Err(refusal(&rejection)),
            Err(_) => Err(too_slow(limit)),
        }
    }
}

/// What is written as an object. Structs are also read from arrays, whose members have no names.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(PhantomData))
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = Object<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}

fn refusal(rejection: &JsonRejection) -> Problem {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            Problem::new(status, "unsupported-media-type", "The body is of another media type")
                .detail("send JSON, with `Content-Type: application/json`")
        }
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        other => {
            let text = other.body_text();
            // After the colon stands what was wrong, before it how it was read.
            invalid(text.split_once(": ").map_or(text.as_str(), |(_, detail)| detail))
        }
    }
}

fn too_slow(limit: Duration) -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", "The body did not come")
        .detail(format!("it was not there within {} s", limit.as_secs_f64()))
}

pub fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large")
        .detail(format!("{} bytes are the most", super::MAX_BODY))
}

fn invalid(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid-body", "The body cannot be read").detail(detail)
}
