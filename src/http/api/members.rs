//! The members of a request's body, each read as a type, with an error for each that is wrong.

use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    config::{shown, suggestion},
    http::problem::{InvalidParameter, Problem},
    metric::Decimal,
    query::day,
};

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

impl FromMembers for Map<String, Value> {
    fn read(members: &mut Members) -> Self {
        std::mem::take(&mut members.given)
    }
}

impl Members {
    fn new(given: Map<String, Value>) -> Self {
        Self { given, known: Vec::new(), errors: Vec::new() }
    }

    /// # Errors
    /// With everything that is wrong. Members that were not read are unknown, which is an error.
    pub(super) fn read_all<T: FromMembers>(given: Map<String, Value>) -> Result<T, Problem> {
        let mut members = Self::new(given);
        let read = T::read(&mut members);
        let errors = members.all_errors();
        if errors.is_empty() { Ok(read) } else { Err(Problem::invalid_body(errors)) }
    }

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
            let mut members = Self::new(given);
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
