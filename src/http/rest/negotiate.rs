//! Parses the headers of a request that decide the form of the answer, whether rows are counted, and the schema.

use axum::http::{HeaderMap, HeaderName, StatusCode, header};

use super::error::{RestError, cut};

const OBJECT: &str = "application/vnd.pgrst.object+json";
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The names under which Daymark's tables go: Supabase's default, and that of their schema on PostgreSQL.
const SCHEMAS: [&str; 2] = ["public", "daymark"];

const COUNTING: [&str; 3] = ["count=exact", "count=planned", "count=estimated"];
/// PostgREST's other preferences that Daymark's answers satisfy or that do not affect them. `tx=rollback` is not among
/// them, because records stay.
const HARMLESS: [&str; 10] = [
    "handling=strict",
    "handling=lenient",
    "return=representation",
    "return=minimal",
    "return=headers-only",
    "resolution=merge-duplicates",
    "resolution=ignore-duplicates",
    "missing=default",
    "missing=null",
    "tx=commit",
];

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// An array of rows.
    Array,
    /// The one row that there is, as `single()` asks for it.
    Object,
}

impl Form {
    /// The first media type in `Accept` that can be made.
    pub(super) fn accepted(headers: &HeaderMap) -> Result<Self, RestError> {
        let accepted = listed(headers, &header::ACCEPT);
        if accepted.is_empty() {
            return Ok(Self::Array);
        }
        let known = accepted.iter().find_map(|media_type| match media_type.split(';').next()?.trim() {
            // With `;nulls=stripped` the client requests another answer than the one that would be sent.
            _ if media_type.contains("nulls=") => None,
            OBJECT | "application/vnd.pgrst.object" => Some(Self::Object),
            "application/json" | "application/vnd.pgrst.array+json" | "application/*" | "*/*" => {
                Some(Self::Array)
            }
            _ => None,
        });
        known.ok_or_else(|| {
            let message = format!("None of these media types are available: {}", cut(&accepted.join(", ")));
            RestError::new(StatusCode::NOT_ACCEPTABLE, "PGRST107", message)
        })
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Array => "application/json; charset=utf-8",
            Self::Object => "application/vnd.pgrst.object+json; charset=utf-8",
        }
    }
}

/// The preferences in the header `Prefer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Preferences {
    /// Whether all rows are to be counted. Estimates are exact here.
    pub(super) count: bool,
    handling: Option<Handling>,
}

/// How unknown preferences are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handling {
    Strict,
    Lenient,
}

impl Preferences {
    /// # Errors
    /// When a preference is unknown and `handling=strict` is preferred.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, RestError> {
        let given = listed(headers, &PREFER);
        let handling = given.iter().find_map(|preference| match preference.as_str() {
            "handling=strict" => Some(Handling::Strict),
            "handling=lenient" => Some(Handling::Lenient),
            _ => None,
        });
        let known = |preference: &str| COUNTING.contains(&preference) || HARMLESS.contains(&preference);
        let unknown: Vec<_> = given.iter().map(String::as_str).filter(|given| !known(given)).collect();
        if handling == Some(Handling::Strict) && !unknown.is_empty() {
            let message = "Invalid preferences given with handling=strict";
            let details = format!("Invalid preferences: {}", cut(&unknown.join(", ")));
            return Err(RestError::bad_request("PGRST122", message).details(details));
        }
        let count = given.iter().any(|preference| COUNTING.contains(&preference.as_str()));
        Ok(Self { count, handling })
    }

    /// The value of `Preference-Applied` for an answer with rows.
    pub(super) fn applied(self) -> Option<&'static str> {
        match (self.count, self.handling) {
            (false, None) => None,
            (true, None) => Some("count=exact"),
            (false, Some(Handling::Strict)) => Some("handling=strict"),
            (true, Some(Handling::Strict)) => Some("count=exact, handling=strict"),
            (false, Some(Handling::Lenient)) => Some("handling=lenient"),
            (true, Some(Handling::Lenient)) => Some("count=exact, handling=lenient"),
        }
    }
}

/// Fails when the header `name` (`Accept-Profile` or `Content-Profile`) names another schema than Daymark's.
pub(super) fn require_schema(headers: &HeaderMap, name: &'static str) -> Result<(), RestError> {
    match listed(headers, &HeaderName::from_static(name))
        .into_iter()
        .find(|name| !SCHEMAS.contains(&name.as_str()))
    {
        None => Ok(()),
        Some(other) => {
            let message = format!("Invalid schema: {}", cut(&other));
            Err(RestError::new(StatusCode::NOT_ACCEPTABLE, "PGRST106", message)
                .hint(format!("Only the following schemas are exposed: {}", SCHEMAS.join(", "))))
        }
    }
}

/// The members of a list, which may be in several headers, without those that are not text.
fn listed(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let members =
        values.flat_map(|value| value.split(',')).map(str::trim).filter(|member| !member.is_empty());
    members.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let name = HeaderName::from_static(name);
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_form_is_one_that_the_client_accepts() {
        let form = |accept| Form::accepted(&headers("accept", &[accept])).map_err(|error| error.code);
        assert_eq!(Form::accepted(&HeaderMap::new()).unwrap(), Form::Array);
        assert_eq!(form("application/json"), Ok(Form::Array));
        assert_eq!(form("text/html,application/xml;q=0.9,*/*;q=0.8"), Ok(Form::Array));
        assert_eq!(form(OBJECT), Ok(Form::Object));
        assert_eq!(form("text/csv"), Err("PGRST107"));
        assert_eq!(form("application/vnd.pgrst.array+json;nulls=stripped"), Err("PGRST107"));
    }

    #[test]
    fn counting_may_be_one_preference_of_several() {
        let counts =
            |values| Preferences::read(&headers("prefer", values)).map(|preferences| preferences.count);
        assert_eq!(counts(&["return=representation", "x, count=exact"]), Ok(true));
        assert_eq!(counts(&["count=none"]), Ok(false));
    }

    #[test]
    fn other_schemas_are_refused() {
        assert!(require_schema(&headers("accept-profile", &["public"]), "accept-profile").is_ok());
        let error = require_schema(&headers("accept-profile", &["auth"]), "accept-profile").unwrap_err();
        assert_eq!(error.code, "PGRST106");
    }
}
