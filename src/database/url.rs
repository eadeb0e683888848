//! Names of databases: `postgres://…` or `sqlite:path`. A password in one is never printed.

use std::{error::Error, fmt, path::PathBuf, str::FromStr};

use sqlx::postgres::PgConnectOptions;

#[derive(Clone)]
pub enum DatabaseUrl {
    Postgres {
        options: Box<PgConnectOptions>,
        /// The URL without its password.
        shown: String,
        /// Whether the URL had a password in it.
        has_password: bool,
    },
    Sqlite(PathBuf),
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DatabaseUrlError {
    #[error(
        "`{0}` is not a database URL: write `postgres://user@host:5432/database` or `sqlite:path/to/file.db`"
    )]
    Scheme(String),
    #[error("the PostgreSQL URL cannot be read: {0}; write `postgres://user@host:5432/database`")]
    Postgres(String),
    #[error("an in-memory SQLite database would forget everything: name a file, as in `sqlite:daymark.db`")]
    InMemory,
    #[error("`sqlite:` is followed by no path: name a file, as in `sqlite:daymark.db`")]
    NoPath,
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let failed = |error: &dyn Error| DatabaseUrlError::Postgres(error.to_string());
            let (shown, has_password) = redacted(text).map_err(|error| failed(&error))?;
            let options = text.parse::<PgConnectOptions>().map_err(|error| failed(innermost(&error)))?;
            return Ok(Self::Postgres { options: Box::new(options), shown, has_password });
        }
        let Some(path) = text.strip_prefix("sqlite:") else {
            return Err(DatabaseUrlError::Scheme(without_credentials(text)));
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        match path {
            "" => Err(DatabaseUrlError::NoPath),
            _ if path.contains(":memory:") || path.contains("mode=memory") => Err(DatabaseUrlError::InMemory),
            _ => Ok(Self::Sqlite(PathBuf::from(path))),
        }
    }
}

impl DatabaseUrl {
    /// Whether both name one SQLite file, however its path is written.
    pub fn is_same_file(&self, other: &Self) -> bool {
        let (Self::Sqlite(one), Self::Sqlite(other)) = (self, other) else { return false };
        let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        real(one) == real(other)
    }
}

/// What the driver found, without what it wraps around that.
fn innermost<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

/// The URL without its password, and whether it had one.
fn redacted(text: &str) -> Result<(String, bool), url::ParseError> {
    let mut url = url::Url::parse(text)?;
    let has_password = url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password");
    // Neither call fails on a URL that has a host; on one that has none there is no password to hide.
    let _ = url.set_password(None);
    let kept: Vec<_> = url
        .query_pairs()
        .filter(|(key, _)| key != "password")
        .map(|(k, v)| (k.into_owned(), v.into_owned()))
        .collect();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    Ok((url.to_string(), has_password))
}

/// The scheme of a text that was meant to be a URL, or as much of it as cannot hold a password.
fn without_credentials(text: &str) -> String {
    match text.split_once(':') {
        Some((scheme, _)) => format!("{scheme}:…"),
        None if text.contains(['@', '?', '=']) => "…".to_owned(),
        None => text.to_owned(),
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
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let url: DatabaseUrl =
            "postgres://me:s3cret@db.example:5433/app?sslmode=require&password=s3cret".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://me@db.example:5433/app?sslmode=require");
        for wrong in [
            "mysql://me:s3cret@db/app",
            "mysql://me:x@s3cret@db/app",
            "mysql://db/app?password=s3cret",
            "me@s3cret",
        ] {
            let error = wrong.parse::<DatabaseUrl>().unwrap_err().to_string();
            assert!(!error.contains("s3cret") && error.contains("postgres://"), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_parameter_is_said_once() {
        let error =
            "postgres://me:s3cret@db/app?sslmode=banana".parse::<DatabaseUrl>().unwrap_err().to_string();
        assert!(error.contains("read: unknown value") && error.contains("banana"), "{error}");
        assert!(!error.contains("s3cret"));
    }

    #[test]
    fn sqlite_names_a_file() {
        for (text, path) in
            [("sqlite:a.db", "a.db"), ("sqlite://a.db", "a.db"), ("sqlite:///tmp/a.db", "/tmp/a.db")]
        {
            assert_eq!(text.parse::<DatabaseUrl>().unwrap().to_string(), format!("sqlite:{path}"));
        }
        assert_eq!("sqlite::memory:".parse::<DatabaseUrl>().unwrap_err(), DatabaseUrlError::InMemory);
        assert_eq!("sqlite:".parse::<DatabaseUrl>().unwrap_err(), DatabaseUrlError::NoPath);
    }
}
