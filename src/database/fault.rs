//! A database's error, read once: what class it is of, its SQLSTATE and its context. This is what reaches the
//! collection log and the person at the terminal.

use std::fmt;

use sqlx::postgres::PgDatabaseError;

/// What can be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultClass {
    /// The connection could not be made or broke, or the server is starting, stopping or full of connections.
    Unreachable,
    /// A server that the database asks in its turn, as for a foreign table, could not be reached.
    Elsewhere,
    /// Two transactions got in each other's way (serialization, deadlock, SQLite busy).
    Contention,
    /// The statement ran into its time limit.
    TimedOut,
    /// Somebody holds a lock on what the statement needs.
    Locked,
    /// A permission is missing.
    Denied,
    /// A table, column, function or type is missing, or the statement does not parse.
    Sql,
    /// There is no space left.
    Full,
    /// No database is configured, so none was asked.
    Unconfigured,
    Other,
}

impl FaultClass {
    /// Whether the same thing may well work a moment later.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Unreachable | Self::Contention | Self::Locked)
    }
}

/// A failure of a database.
#[derive(Debug, Clone)]
pub struct Fault {
    pub class: FaultClass,
    pub message: String,
    /// PostgreSQL's SQLSTATE, or SQLite's extended result code as `sqlite:N`.
    pub sqlstate: Option<String>,
    /// Detail, hint and context as PostgreSQL gives them, a line each.
    pub context: Option<String>,
}

/// SQLite says that the disk is full only when no space at all is left (ENOSPC, code 13).
const SQLITE_IOERR_WRITE: &str = "778";

impl Fault {
    pub fn new(class: FaultClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), sqlstate: None, context: None }
    }

    fn from_postgres(error: &PgDatabaseError) -> Self {
        let parts = [("detail", error.detail()), ("hint", error.hint()), ("context", error.r#where())];
        let context: Vec<_> =
            parts.into_iter().filter_map(|(name, text)| text.map(|text| format!("{name}: {text}"))).collect();
        Self {
            class: class_of_sqlstate(error.code()),
            message: error.message().to_owned(),
            sqlstate: Some(error.code().to_owned()),
            context: (!context.is_empty()).then(|| context.join("\n")),
        }
    }

    fn from_sqlite(error: &dyn sqlx::error::DatabaseError) -> Self {
        let code = error.code().map(|code| code.into_owned());
        let primary = code.as_deref().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
        if code.as_deref() == Some(SQLITE_IOERR_WRITE) {
            let message = format!(
                "{}: a write failed, as it does where a quota or a limit on the size of files is reached",
                error.message()
            );
            let sqlstate = code.map(|code| format!("sqlite:{code}"));
            return Self { sqlstate, ..Self::new(FaultClass::Full, message) };
        }
        let message = error.message().to_owned();
        let class = match primary {
            Some(5 | 6) => FaultClass::Contention,
            Some(9) => FaultClass::TimedOut,
            Some(3 | 8 | 23) => FaultClass::Denied,
            Some(13) => FaultClass::Full,
            Some(14) => FaultClass::Unreachable,
            Some(1) => FaultClass::Sql,
            _ => FaultClass::Other,
        };
        Self { class, message, sqlstate: code.map(|code| format!("sqlite:{code}")), context: None }
    }
}

/// See <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn class_of_sqlstate(code: &str) -> FaultClass {
    match code {
        "57014" => FaultClass::TimedOut,
        "55P03" => FaultClass::Locked,
        "40001" | "40P01" => FaultClass::Contention,
        "57P01" | "57P02" | "57P03" | "53300" => FaultClass::Unreachable,
        "42501" | "28000" | "28P01" => FaultClass::Denied,
        "53100" => FaultClass::Full,
        _ if code.starts_with("08") => FaultClass::Unreachable,
        _ if code.starts_with("42") || code == "3F000" => FaultClass::Sql,
        _ => FaultClass::Other,
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
                Some(error) => Self::from_postgres(error),
                None => Self::from_sqlite(error.as_ref()),
            },
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                Self::new(FaultClass::Full, error.to_string())
            }
            sqlx::Error::Io(error) => Self::new(FaultClass::Unreachable, error.to_string()),
            sqlx::Error::Tls(error) => Self::new(FaultClass::Other, format!("TLS: {error}")),
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::new(FaultClass::Unreachable, error.to_string())
            }
            sqlx::Error::Protocol(message) => Self::new(FaultClass::Unreachable, message),
            other => Self::new(FaultClass::Other, other.to_string()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        if let Some(sqlstate) = &self.sqlstate {
            write!(formatter, " ({sqlstate})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}
