//! A statement of SQL that both databases understand, with its arguments. Each store binds them in the form in which its
//! database keeps them: SQLite has texts for identifiers, instants, dates and JSON.

use std::borrow::Cow;

use jiff::{Timestamp, civil::Date};
use serde_json::{Map, Value};
use uuid::Uuid;

#[derive(Debug, Clone)]
pub(super) enum Argument<'a> {
    Text(Option<Cow<'a, str>>),
    Integer(i64),
    Boolean(bool),
    Uuid(Option<Uuid>),
    Instant(Option<Timestamp>),
    Date(Date),
    Json(Option<Value>),
    Bytes(&'a [u8]),
    /// An array on PostgreSQL, an array of JSON on SQLite.
    Texts(Vec<String>),
    /// An array on PostgreSQL, a text with spaces between the names on SQLite.
    Names(Vec<&'static str>),
}

pub(super) struct Statement<'a> {
    pub sql: Cow<'static, str>,
    /// The values of `$1`, `$2` and so on.
    pub arguments: Vec<Argument<'a>>,
}

impl<'a> Statement<'a> {
    /// `$1` of `sql` is the tenant.
    pub fn new(sql: impl Into<Cow<'static, str>>, tenant: &'a str) -> Self {
        Self { sql: sql.into(), arguments: vec![tenant.into()] }
    }

    pub fn without_tenant(sql: &'static str) -> Self {
        Self { sql: sql.into(), arguments: Vec::new() }
    }

    /// Adds the value of the next placeholder of the text.
    pub fn bind(mut self, argument: impl Into<Argument<'a>>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.to_mut().push_str(sql);
        self
    }

    /// Adds a placeholder to the text, and its value.
    pub fn push_bind(&mut self, argument: impl Into<Argument<'a>>) -> &mut Self {
        let placeholder = format!("${}", self.add(argument));
        self.push(&placeholder)
    }

    /// Adds a value, and returns the number of the placeholder that a later text has for it.
    pub fn add(&mut self, argument: impl Into<Argument<'a>>) -> usize {
        self.arguments.push(argument.into());
        self.arguments.len()
    }
}

impl<'a> From<&'a str> for Argument<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(Cow::Borrowed(text)))
    }
}

impl<'a> From<&'a String> for Argument<'a> {
    fn from(text: &'a String) -> Self {
        text.as_str().into()
    }
}

impl<'a> From<Option<&'a str>> for Argument<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text.map(Cow::Borrowed))
    }
}

impl<'a> From<Option<Cow<'a, str>>> for Argument<'a> {
    fn from(text: Option<Cow<'a, str>>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Argument<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Argument<'_> {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<bool> for Argument<'_> {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<Uuid> for Argument<'_> {
    fn from(id: Uuid) -> Self {
        Self::Uuid(Some(id))
    }
}

impl From<Option<Uuid>> for Argument<'_> {
    fn from(id: Option<Uuid>) -> Self {
        Self::Uuid(id)
    }
}

impl From<Timestamp> for Argument<'_> {
    fn from(instant: Timestamp) -> Self {
        Self::Instant(Some(instant))
    }
}

impl From<Option<Timestamp>> for Argument<'_> {
    fn from(instant: Option<Timestamp>) -> Self {
        Self::Instant(instant)
    }
}

impl From<Date> for Argument<'_> {
    fn from(date: Date) -> Self {
        Self::Date(date)
    }
}

impl From<&Map<String, Value>> for Argument<'_> {
    fn from(object: &Map<String, Value>) -> Self {
        Some(object).into()
    }
}

impl From<Option<&Map<String, Value>>> for Argument<'_> {
    fn from(object: Option<&Map<String, Value>>) -> Self {
        Self::Json(object.cloned().map(Value::Object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_has_the_number_of_its_argument() {
        let mut statement =
            Statement::new("SELECT a FROM t WHERE tenant_id = $1 AND b = $2", "default").bind(7_i64);
        statement.push(" AND c = ").push_bind(true).push(" LIMIT ").push_bind(5_i64);
        assert_eq!(statement.sql, "SELECT a FROM t WHERE tenant_id = $1 AND b = $2 AND c = $3 LIMIT $4");
        assert_eq!(statement.arguments.len(), 4);
    }
}
