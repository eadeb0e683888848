//! Bodies of requests: small JSON objects, with an error that names everything that is wrong.

use std::{fmt, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header},
};
use jiff::{Timestamp, civil::Date};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    config::{shown, suggestion},
    http::{
        problem::{InvalidParameter, Problem},
        service::Shared,
    },
    metric::Decimal,
    query::day,
};

/// Largest body of a request, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// A JSON body. An empty one, of any content type, means `{}`.
pub struct JsonBody<T>(pub T);

/// A type that is read from the members of an object.
pub trait FromMembers: Sized {
    fn read(members: &mut Members) -> Self;
}

/// The body of a request that has no members. It may be empty or `{}`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmptyRequest {}

impl FromMembers for EmptyRequest {
    fn read(_: &mut Members) -> Self {
        Self {}
    }
}

/// Reads members, and collects their errors.
pub struct Members {
    given: Map<String, Value>,
    known: Vec<&'static str>,
    errors: Vec<InvalidParameter>,
}

impl<T: FromMembers> FromRequest<Shared> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, service: &Shared) -> Result<Self, Problem> {
        require_plain(request.headers())?;
        // Shorter than the time limit of the whole request, whose message is about the answer.
        let limit = service.http.request_timeout / 2;
        let given = tokio::time::timeout(limit, object(request)).await.map_err(|_| too_slow(limit))??;
        let mut members = Members { given, known: Vec::new(), errors: Vec::new() };
        let read = T::read(&mut members);
        members.finish().map(|()| Self(read))
    }
}

impl FromMembers for Map<String, Value> {
    fn read(members: &mut Members) -> Self {
        std::mem::take(&mut members.given)
    }
}

impl Members {
    /// A day, or `None` where the member is null or missing.
    pub fn date(&mut self, name: &'static str) -> Option<Date> {
        let read = match self.take(name)? {
            Value::Null => return None,
            Value::String(text) => day::parse(&text),
            _ => Err(format!("`{name}` must be a string in the form YYYY-MM-DD")),
        };
        self.or_error(name, read)
    }

    /// A day, which must be given.
    pub fn required_date(&mut self, name: &'static str) -> Option<Date> {
        if self.given.get(name).is_none_or(Value::is_null) {
            self.take(name);
            return self.or_error(name, Err(format!("`{name}` is missing")));
        }
        self.date(name)
    }

    /// A text, which must be given.
    pub fn text(&mut self, name: &'static str) -> String {
        let read = match self.take(name) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(format!("`{name}` must be a string")),
            None => Err(format!("`{name}` is missing")),
        };
        self.or_error(name, read).unwrap_or_default()
    }

    /// A text, or `None` where the member is null or missing.
    pub fn optional_text(&mut self, name: &'static str) -> Option<String> {
        match self.take(name)? {
            Value::Null => None,
            Value::String(text) => Some(text),
            _ => self.or_error(name, Err(format!("`{name}` must be a string"))),
        }
    }

    /// An instant, which must be given.
    pub fn required_instant(&mut self, name: &'static str) -> Option<Timestamp> {
        if self.given.get(name).is_none_or(Value::is_null) {
            self.take(name);
            return self.or_error(name, Err(format!("`{name}` is missing")));
        }
        self.instant(name)
    }

    /// An instant; null is none.
    pub fn instant(&mut self, name: &'static str) -> Option<Timestamp> {
        let form = || format!("`{name}` must be an instant, as in 2025-01-31T12:00:00Z");
        let read = match self.take(name)? {
            Value::Null => return None,
            Value::String(text) => text.parse().map_err(|_| form()),
            _ => Err(form()),
        };
        self.or_error(name, read)
    }

    /// A flag; false where the member is null or missing.
    pub fn flag(&mut self, name: &'static str) -> bool {
        let read = match self.take(name) {
            None | Some(Value::Null) => return false,
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(format!("`{name}` must be true or false")),
        };
        self.or_error(name, read).unwrap_or_default()
    }

    /// A decimal, or `None` where the member is null or missing: a number, or a string with all of its digits.
    pub fn decimal(&mut self, name: &'static str) -> Option<Decimal> {
        let text = match self.take(name)? {
            Value::Null => return None,
            Value::Number(number) => number.as_str().to_owned(),
            Value::String(text) => text,
            _ => String::new(),
        };
        let read = text.parse().map_err(|_| format!("`{name}` must be a number, or a string with one"));
        self.or_error(name, read)
    }

    /// A whole number of 32 bits, or `None` where the member is null or missing.
    pub fn integer(&mut self, name: &'static str) -> Option<i32> {
        let read = match self.take(name)? {
            Value::Null => return None,
            Value::Number(number) => number.as_str().parse().map_err(|_| ()),
            _ => Err(()),
        };
        self.or_error(name, read.map_err(|()| format!("`{name}` must be a whole number")))
    }

    /// An object, or `None` where the member is null or missing.
    pub fn object(&mut self, name: &'static str) -> Option<Map<String, Value>> {
        let read = match self.take(name)? {
            Value::Null => return None,
            Value::Object(object) => Ok(object),
            _ => Err(format!("`{name}` must be an object")),
        };
        self.or_error(name, read)
    }

    /// Objects, at least one, each read by `read`. Their errors are named by their places.
    pub fn objects<T>(&mut self, name: &'static str, read: impl Fn(&mut Self) -> T) -> Vec<T> {
        let given = match self.take(name) {
            Some(Value::Array(given)) if !given.is_empty() => given,
            _ => {
                self.or_error(
                    name,
                    Err::<(), _>(format!("`{name}` must be an array of at least one object")),
                );
                return Vec::new();
            }
        };
        let mut objects = Vec::with_capacity(given.len());
        for (place, value) in given.into_iter().enumerate() {
            let path = format!("{name}.{place}");
            let Value::Object(given) = value else {
                self.errors
                    .push(InvalidParameter { parameter: path, detail: "it must be an object".to_owned() });
                continue;
            };
            let mut members = Self { given, known: Vec::new(), errors: Vec::new() };
            objects.push(read(&mut members));
            self.errors.extend(
                members.all_errors().into_iter().map(|error| InvalidParameter {
                    parameter: format!("{path}.{}", error.parameter),
                    ..error
                }),
            );
        }
        objects
    }

    /// At least one name, or none where the member is not given.
    pub fn names(&mut self, name: &'static str) -> Vec<String> {
        let Some(value) = self.take(name) else { return Vec::new() };
        let read = match serde_json::from_value::<Vec<String>>(value) {
            Ok(names) if names.is_empty() => {
                Err(format!("`{name}` is empty; leave it out to select all active metrics"))
            }
            names => names.map_err(|_| format!("`{name}` must be an array of strings")),
        };
        self.or_error(name, read).unwrap_or_default()
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.given.remove(name)
    }

    fn or_error<T>(&mut self, name: &str, read: Result<T, String>) -> Option<T> {
        let wrong = |detail| self.errors.push(InvalidParameter { parameter: name.to_owned(), detail });
        read.map_err(wrong).ok()
    }

    /// Members that were not read are unknown, which is an error.
    fn finish(self) -> Result<(), Problem> {
        let errors = self.all_errors();
        if errors.is_empty() { Ok(()) } else { Err(Problem::invalid_body(errors)) }
    }

    fn all_errors(self) -> Vec<InvalidParameter> {
        let Self { given, known, mut errors } = self;
        errors.extend(given.into_iter().map(|(name, _)| {
            let hint = suggestion(&name, known.iter().copied());
            let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
            let detail = format!("there is no member {}{hint}", shown(&name));
            InvalidParameter { parameter: name, detail }
        }));
        errors
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
