//! URLs of databases: a PostgreSQL URI or keyword/value string, or `sqlite:path`. Only the user, host, port and
//! database of a URL are ever shown or logged.

mod connection_string;
mod environment;
mod parameter_error;
mod parameters;
mod shown;

use std::{fmt, path::PathBuf, str::FromStr};

use sqlx::postgres::PgConnectOptions;

pub use connection_string::ConnectionStringError;
use environment::Surroundings;
pub use parameter_error::ParameterError;

#[derive(Clone)]
pub enum DatabaseUrl {
    Postgres {
        options: Box<PgConnectOptions>,
        /// The configured user, host, port and database, as a URL.
        shown: String,
        /// Whether the URL has parts that are not shown: a password or other parameters.
        is_partly_shown: bool,
    },
    Sqlite(PathBuf),
}

/// Why a text is not the URL of a database. The messages contain no part of the text that may be a secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DatabaseUrlError {
    #[error(
        "{}a database URL begins with `postgres://` or `sqlite:`, as in `postgres://user@host:5432/database` or \
         `sqlite:path/to/file.db`", .scheme.as_ref().map_or(String::new(), |scheme| format!("`{scheme}://` is not supported: "))
    )]
    Scheme { scheme: Option<String> },
    #[error("the PostgreSQL URL cannot be read: {0}")]
    ConnectionString(#[from] ConnectionStringError),
    #[error("the PostgreSQL URL cannot be used: {0}")]
    Parameter(#[from] ParameterError),
    #[error(
        "an in-memory SQLite database loses its content when the program ends: name a file, as in `sqlite:daymark.db`"
    )]
    InMemory,
    #[error("`sqlite:` is followed by no path: name a file, as in `sqlite:daymark.db`")]
    NoPath,
    #[error("a SQLite URL has no parameters: leave out what follows the `?`, or name a file without one")]
    SqliteParameters,
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        let parameters = if let Some(rest) = connection_string::without_scheme(text) {
            connection_string::from_uri(rest)?
        } else if connection_string::is_keywords(text) {
            connection_string::from_keywords(text)?
        } else if let Some(path) = text.strip_prefix("sqlite:") {
            return sqlite(path.strip_prefix("//").unwrap_or(path));
        } else {
            return Err(DatabaseUrlError::Scheme { scheme: scheme(text) });
        };
        let options = Box::new(parameters::options(&parameters, &Surroundings::of_process())?);
        let (shown, is_partly_shown) = shown::shown(&parameters);
        Ok(Self::Postgres { options, shown, is_partly_shown })
    }
}

fn sqlite(path: &str) -> Result<DatabaseUrl, DatabaseUrlError> {
    match path {
        "" => Err(DatabaseUrlError::NoPath),
        _ if path.contains(":memory:") || path.contains("mode=memory") => Err(DatabaseUrlError::InMemory),
        _ if path.contains('?') => Err(DatabaseUrlError::SqliteParameters),
        _ => Ok(DatabaseUrl::Sqlite(PathBuf::from(path))),
    }
}

/// Returns the scheme of an unsupported URL. A text without `://` is not quoted, because it may contain a password.
fn scheme(text: &str) -> Option<String> {
    let (scheme, _) = text.split_once("://")?;
    let is_scheme =
        scheme.len() <= 20 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
    (is_scheme && !scheme.is_empty()).then(|| scheme.to_owned())
}

impl DatabaseUrl {
    /// Whether both name one SQLite file, however its path is written.
    pub fn is_same_file(&self, other: &Self) -> bool {
        let (Self::Sqlite(one), Self::Sqlite(other)) = (self, other) else { return false };
        let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        real(one) == real(other)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres { shown, .. } => formatter.write_str(shown),
            Self::Sqlite(path) => write!(formatter, "sqlite:{}", path.display()),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests;
