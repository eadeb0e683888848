//! A source: one table or view of the platform, or a query, and the roles of its columns.

use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoStaticStr};

use super::Filter;

/// One table or view of the platform, or a query of the user's own. Column names are the platform's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Source {
    /// PostgreSQL schema; `None` leaves it to the platform's search path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// With a query: the source's own name.
    pub table: String,
    /// The SELECT that is read in the place of a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The columns of other tables that foreign keys of this one lead to, as far as the definition uses them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<JoinedColumn>,
    /// The time at which a row was created. Rows where it is NULL are in no day.
    pub time_column: String,
    pub time_format: TimeFormat,
    /// IANA zone of times without an offset ([`TimeFormat::Timestamp`], [`TimeFormat::IsoUtc`], [`TimeFormat::IsoUtcT`]).
    #[serde(default = "utc", skip_serializing_if = "is_utc")]
    pub time_zone: String,
    /// The time at which a row was soft-deleted, in the format of `time_column`; NULL until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_column: Option<String>,
    /// The id of the actor who created the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_column: Option<String>,
    /// The filter that every counted row passes.
    #[serde(default, skip_serializing_if = "Filter::is_empty")]
    pub filter: Filter,
}

/// A column of the table that a foreign key leads to. A row whose foreign key is NULL has NULL there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JoinedColumn {
    /// As measures name it: `category.name`.
    pub name: String,
    /// The column of the source with the foreign key: `category_id`.
    pub foreign_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    pub table: String,
    /// The column of that table that the foreign key refers to.
    pub key: String,
    pub column: String,
}

impl Source {
    /// The identity of its rows: the text of the query, or the name of the table.
    pub fn relation(&self) -> &str {
        self.query.as_deref().unwrap_or(&self.table)
    }
}

pub(super) fn utc() -> String {
    "UTC".to_owned()
}

fn is_utc(zone: &str) -> bool {
    zone == "UTC"
}

/// How a time column stores an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumIter, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum TimeFormat {
    /// PostgreSQL `timestamp with time zone`.
    Timestamptz,
    /// PostgreSQL `timestamp without time zone`, in the source's zone.
    Timestamp,
    /// A calendar date (PostgreSQL `date`, or `YYYY-MM-DD` text on SQLite): the reporting day itself, in no zone.
    Date,
    /// SQLite: ISO 8601 text as SQLite reads it, offsets and either separator allowed; without an offset, UTC.
    Iso,
    /// SQLite: ISO 8601 text that is always UTC (or always in the source's zone) and always written alike, so that text
    /// order is time order and an index can be used. `YYYY-MM-DD HH:MM:SS…`.
    IsoUtc,
    /// As [`TimeFormat::IsoUtc`], with a `T` between date and time.
    IsoUtcT,
    /// Seconds since 1970-01-01T00:00:00Z, with or without a fraction.
    UnixSeconds,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    UnixMillis,
}

impl TimeFormat {
    /// The name in `daymark.toml`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
