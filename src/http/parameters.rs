//! The query string as a struct of optional texts, strictly: a parameter that nobody knows is an error that names the
//! nearest one that there is, and one that is given twice is an error unless it is a list.

use axum::{extract::FromRequestParts, http::request::Parts};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::problem::{InvalidParameter, Problem};
use crate::config::{shown, suggestion};

/// Longest query string, in bytes.
const MAX_LENGTH: usize = 8 * 1024;
/// The parameters that may be given several times, or once with commas.
const LISTS: [&str; 3] = ["category", "type", "interval"];

/// The parameters of a request as `T`, whose fields are all `Option<String>`. What `T` documents is what is known.
pub struct Parameters<T>(pub T);

impl<T, S> FromRequestParts<S> for Parameters<T>
where
    T: DeserializeOwned + IntoParams,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn parse<T: DeserializeOwned + IntoParams>(query: &str) -> Result<T, Problem> {
    if query.len() > MAX_LENGTH {
        let detail = format!("the query string has {} bytes; {MAX_LENGTH} is the most", query.len());
        return Err(Problem::invalid_parameters(vec![InvalidParameter { parameter: String::new(), detail }]));
    }
    let known: Vec<String> = T::into_params(|| None).into_iter().map(|parameter| parameter.name).collect();
    let (mut values, mut errors) = (Map::new(), Vec::new());
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let mut wrong =
            |detail| errors.push(InvalidParameter { parameter: name.clone().into_owned(), detail });
        if !known.iter().any(|known| *known == name) {
            let hint = suggestion(&name, known.iter().map(String::as_str));
            wrong(format!("there is no parameter {}{}", shown(&name), and(hint)));
        } else if let Some(Value::String(before)) = values.get_mut(name.as_ref()) {
            match LISTS.contains(&name.as_ref()) {
                true => before.extend([",", &value]),
                false => wrong(format!("the parameter `{name}` is given twice")),
            }
        } else {
            values.insert(name.into_owned(), Value::String(value.into_owned()));
        }
    }
    if !errors.is_empty() {
        return Err(Problem::invalid_parameters(errors));
    }
    serde_json::from_value(Value::Object(values)).map_err(|error| {
        tracing::error!(%error, "parameters that are documented cannot be read");
        Problem::internal()
    })
}

fn and(hint: Option<String>) -> String {
    hint.map(|hint| format!(": {hint}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, IntoParams)]
    struct Known {
        from: Option<String>,
        category: Option<String>,
    }

    #[test]
    fn lists_are_joined_and_escapes_read() {
        let known: Known = parse("category=a%2Cb&category=c+d&from=2025-01-01").unwrap();
        assert_eq!((known.category.as_deref(), known.from.as_deref()), (Some("a,b,c d"), Some("2025-01-01")));
        assert_eq!(parse::<Known>("").unwrap().from, None);
    }

    #[test]
    fn what_is_not_known_is_named_with_what_is_near() {
        let problem = parse::<Known>("form=2025-01-01&catgory=a&from=x&from=y").unwrap_err();
        let details: Vec<_> = problem.errors.iter().map(|error| error.detail.as_str()).collect();
        assert_eq!(details.len(), 3, "{details:?}");
        assert!(details[0].contains("`form`") && details[0].contains("`from`"), "{details:?}");
        assert!(details[1].contains("`category`"), "{details:?}");
        assert!(details[2].contains("twice"), "{details:?}");
    }

    #[test]
    fn a_query_string_has_a_limit() {
        let problem = parse::<Known>(&format!("from={}", "x".repeat(MAX_LENGTH))).unwrap_err();
        assert_eq!(problem.status, 400);
    }
}
