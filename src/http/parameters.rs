//! The query string as a struct of optional texts, parsed strictly: an unknown parameter is an error that names the nearest
//! known one, and a parameter that is given twice is an error unless it is a list.

use std::fmt;

use axum::{extract::FromRequestParts, http::request::Parts};
use serde::{
    Deserializer,
    de::{self, DeserializeOwned, IntoDeserializer, Visitor, value::MapDeserializer},
};

use super::problem::{InvalidParameter, Problem};
use crate::config::{shown, suggestion};

/// Longest query string, in bytes.
const MAX_LENGTH: usize = 8 * 1024;
/// The parameters that may be given several times, or once with commas.
const LISTS: [&str; 3] = ["category", "type", "interval"];

/// The parameters of a request as `T`, whose fields are all `Option<String>`. The fields of `T` are the known parameters.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or_default(), &[]).map(Self)
    }
}

/// The parameters that are fields of `T`. Those in `others` are known, too, and left to the caller.
///
/// # Errors
/// Every parameter that is wrong.
pub fn parse<T: DeserializeOwned>(query: &str, others: &[&'static str]) -> Result<T, Problem> {
    if query.len() > MAX_LENGTH {
        let detail = format!("the query string has {} bytes, but the limit is {MAX_LENGTH}", query.len());
        return Err(Problem::invalid_parameters(vec![InvalidParameter { parameter: String::new(), detail }]));
    }
    T::deserialize(Query { text: query, others }).map_err(|error| match error {
        Error::Invalid(errors) => Problem::invalid_parameters(errors),
        Error::Defect(error) => {
            tracing::error!(error, "the query string does not fit its struct");
            Problem::internal()
        }
    })
}

/// The values of the parameters that are given.
fn values(query: &str, known: &[&'static str]) -> Result<Vec<(&'static str, Given)>, Error> {
    let (mut values, mut errors) = (Vec::<(&'static str, Given)>::new(), Vec::new());
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let mut wrong =
            |detail| errors.push(InvalidParameter { parameter: name.clone().into_owned(), detail });
        let Some(known_name) = known.iter().find(|known| **known == name) else {
            let hint = suggestion(&name, known.iter().copied());
            wrong(format!("there is no parameter {}{}", shown(&name), and(hint)));
            continue;
        };
        match values.iter_mut().find(|(before, _)| before == known_name) {
            None => values.push((known_name, Given(value.into_owned()))),
            Some((_, Given(before))) if LISTS.contains(known_name) => before.extend([",", &value]),
            Some(_) => wrong(format!("the parameter `{name}` is given twice")),
        }
    }
    if errors.is_empty() { Ok(values) } else { Err(Error::Invalid(errors)) }
}

/// A query string as the source of a struct, whose fields are the known names.
struct Query<'a> {
    text: &'a str,
    others: &'a [&'static str],
}

impl<'de> Deserializer<'de> for Query<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let given = values(self.text, &[self.others, fields].concat())?;
        let own = given.into_iter().filter(|(name, _)| fields.contains(name));
        visitor.visit_map(MapDeserializer::new(own))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(de::Error::custom("only a struct says which parameters there are"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The value of a parameter that is given.
struct Given(String);

impl<'de> Deserializer<'de> for Given {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self.0.into_deserializer())
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl IntoDeserializer<'_, Error> for Given {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Why a query string cannot be parsed.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{} parameters are wrong", .0.len())]
    Invalid(Vec<InvalidParameter>),
    #[error("{0}")]
    Defect(String),
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Defect(message.to_string())
    }
}

fn and(hint: Option<String>) -> String {
    hint.map(|hint| format!(": {hint}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Known {
        from: Option<String>,
        category: Option<String>,
    }

    #[test]
    fn lists_are_joined_and_escapes_read() {
        let known: Known = parse("category=a%2Cb&category=c+d&from=2025-01-01", &[]).unwrap();
        assert_eq!((known.category.as_deref(), known.from.as_deref()), (Some("a,b,c d"), Some("2025-01-01")));
        assert_eq!(parse::<Known>("", &[]).unwrap().from, None);
    }

    #[test]
    fn an_unknown_parameter_is_named_with_the_nearest_known_one() {
        let problem = parse::<Known>("form=2025-01-01&catgory=a&from=x&from=y", &[]).unwrap_err();
        let details: Vec<_> = problem.errors.iter().map(|error| error.detail.as_str()).collect();
        assert_eq!(details.len(), 3, "{details:?}");
        assert!(details[0].contains("`form`") && details[0].contains("`from`"), "{details:?}");
        assert!(details[1].contains("`category`"), "{details:?}");
        assert!(details[2].contains("twice"), "{details:?}");
    }

    #[test]
    fn parameters_that_the_caller_reads_are_known_and_given_once() {
        assert_eq!(parse::<Known>("format=csv&from=x", &["format"]).unwrap().from.as_deref(), Some("x"));
        let problem = parse::<Known>("format=csv&format=json&fromat=csv", &["format"]).unwrap_err();
        let details: Vec<_> = problem.errors.iter().map(|error| error.detail.as_str()).collect();
        assert!(details[0].contains("twice") && details[1].contains("`format`"), "{details:?}");
    }

    #[test]
    fn a_query_string_has_a_limit() {
        let problem = parse::<Known>(&format!("from={}", "x".repeat(MAX_LENGTH)), &[]).unwrap_err();
        assert_eq!(problem.status, 400);
    }
}
