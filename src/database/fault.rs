//! A database's error as the rest of the program sees it: its class, its SQLSTATE and its context. Faults are written
//! to the collection log and shown on the terminal, so their texts are bounded to 2 KiB each.

use std::fmt;

use jiff::Timestamp;
use sqlx::postgres::PgDatabaseError;

use super::{
    deadline::LimitSource,
    fault_class::{FaultClass, SQLITE_FAILED_WRITES, class_of_sqlite, class_of_sqlstate},
    hint::{self, TLS_PREFIX},
};

/// A failure of a database.
#[derive(Debug, Clone)]
pub struct Fault {
    pub class: FaultClass,
    /// The database's message, at most 2 KiB (`MAX_TEXT_BYTES`).
    pub message: String,
    /// PostgreSQL's SQLSTATE, or SQLite's extended result code as `sqlite:N`.
    pub sqlstate: Option<String>,
    /// PostgreSQL's detail, hint, context and constraint, one line each, without parts that quote values of rows. At most
    /// 2 KiB (`MAX_TEXT_BYTES`).
    pub context: Option<String>,
    /// The limit of time that was reached, where the class does not tell.
    pub limit: Option<&'static LimitSource>,
}

/// The longest message and context, in bytes; longer ones are cut. Databases quote the value on which a statement
/// failed, at any length.
pub const MAX_TEXT_BYTES: usize = 2048;

impl Fault {
    pub fn new(class: FaultClass, message: impl Into<String>) -> Self {
        Self { class, message: bounded(message.into()), sqlstate: None, context: None, limit: None }
    }

    /// Whether the same statement may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        self.class.is_transient()
    }

    /// Whether SQLite may not write to one of its files, or to their directory (SQLITE_READONLY).
    pub fn is_read_only_file(&self) -> bool {
        const PRIMARY: u32 = 0xff;
        let code =
            self.sqlstate.as_deref().and_then(|state| state.strip_prefix("sqlite:")?.parse::<u32>().ok());
        code.is_some_and(|code| code & PRIMARY == 8)
    }

    /// Whether the failure depends on the rows that were read, so that fewer days may be readable.
    pub fn is_of_data(&self) -> bool {
        self.class == FaultClass::Data
    }

    /// The hint for a failure to connect, to log in or to keep a session; `None` for every other failure.
    pub fn connection_hint(&self) -> Option<&'static str> {
        if self.sqlstate.as_deref() == Some("42501")
            && let Some(hint) = hint::of_refused_database(&self.message, self.context.as_deref())
        {
            return Some(hint);
        }
        hint::of_connection(self.class, self.sqlstate.as_deref(), &self.message)
    }

    fn from_postgres(error: &PgDatabaseError) -> Self {
        let class = match (error.code(), error.routine()) {
            // This SQLSTATE also stands for a missing privilege. The name of the server's function does not depend on the
            // language of its messages.
            ("42501", Some("check_enable_rls")) => FaultClass::HiddenRows,
            (code, _) => class_of_sqlstate(code, error.message()),
        };
        let repeats_values = class == FaultClass::Data || error.code().starts_with("23");
        let unless_values = |text| if repeats_values { None } else { text };
        let parts = [
            ("detail", unless_values(error.detail())),
            ("hint", error.hint()),
            ("context", unless_values(error.r#where())),
            ("constraint", error.constraint()),
        ];
        let context: Vec<_> =
            parts.into_iter().filter_map(|(name, text)| text.map(|text| format!("{name}: {text}"))).collect();
        Self {
            class,
            message: bounded(match (repeats_values, error.code()) {
                (true, "P0001") => {
                    "a function raised an exception; the message is in the server's log".to_owned()
                }
                (true, _) => without_values(error.message()),
                (false, _) => error.message().to_owned(),
            }),
            sqlstate: Some(error.code().to_owned()),
            context: (!context.is_empty()).then(|| bounded(context.join("\n"))),
            limit: None,
        }
    }

    fn from_sqlite(error: &dyn sqlx::error::DatabaseError) -> Self {
        let code = error.code().map(|code| code.into_owned());
        let message = match code.as_deref() {
            Some(code) if SQLITE_FAILED_WRITES.contains(&code) => format!(
                "{}: a write failed, for example because the disk is full, or a quota or the limit of the file size is reached",
                error.message()
            ),
            _ => error.message().to_owned(),
        };
        let class = class_of_sqlite(code.as_deref(), &message);
        let sqlstate = code.map(|code| format!("sqlite:{code}"));
        Self { sqlstate, ..Self::new(class, message) }
    }
}

/// Replaces quoted parts of `message` with `"…"`. PostgreSQL quotes values of rows (`invalid input syntax for type
/// integer: "…"`), and the collection log is visible to principals that may not read the platform's rows.
fn without_values(message: &str) -> String {
    let mut shown = String::new();
    let mut rest = message;
    while let Some(start) = rest.find(['"', '«', '„', '“']) {
        let quote = rest[start..].chars().next().unwrap_or('"');
        let (before, from) = rest.split_at(start);
        let quoted = &from[quote.len_utf8()..];
        shown.push_str(before);
        shown.push_str("\"…\"");
        // The last closing quote is used, because a value may itself contain quotes.
        let end = quoted.rfind(['"', '»', '“', '”']);
        rest = end.map_or("", |end| {
            quoted[end..].char_indices().nth(1).map_or("", |(next, _)| &quoted[end + next..])
        });
    }
    shown + rest
}

/// Replaces the seconds since 1970, in which the TLS library says when a certificate is valid, by dates.
fn with_dates(message: &str) -> String {
    let shown = |word: &str| {
        let seconds = Some(word).filter(|word| word.len() >= 9)?.parse().ok()?;
        Some(Timestamp::from_second(seconds).ok()?.strftime("%Y-%m-%d %H:%M UTC").to_string())
    };
    if !message.contains("certificate ") || !message.contains("(UNIX)") {
        return message.to_owned();
    }
    let message = message.replace(" (UNIX)", "");
    let dated = message.split(' ').map(|word| {
        let (number, rest) = word.split_at(word.trim_end_matches(',').len());
        shown(number).map_or_else(|| word.to_owned(), |date| date + rest)
    });
    let dated = dated.collect::<Vec<_>>().join(" ");
    // The distance from now, in seconds, says no more than the two dates.
    match dated.rsplit_once(" (") {
        Some((text, _)) => text.to_owned(),
        None => dated,
    }
}

/// Cuts `text` to 2 KiB (`MAX_TEXT_BYTES`), with an ellipsis at the end.
fn bounded(mut text: String) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES - ELLIPSIS.len()));
        text.push_str(ELLIPSIS);
    }
    text
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
            // The TLS library reports a failed handshake as invalid data.
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Self::new(FaultClass::Other, format!("{TLS_PREFIX}{}", with_dates(&error.to_string())))
            }
            sqlx::Error::Io(error) => Self::new(FaultClass::Unreachable, error.to_string()),
            sqlx::Error::Tls(error) => {
                Self::new(FaultClass::Other, format!("{TLS_PREFIX}{}", with_dates(&error.to_string())))
            }
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::new(FaultClass::Unreachable, error.to_string())
            }
            sqlx::Error::Protocol(message) => Self::new(FaultClass::Unreachable, message),
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => {
                Self::new(FaultClass::Data, error.to_string())
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_rows_are_not_repeated() {
        for (message, shown) in [
            (
                r#"invalid input syntax for type integer: "secret""#,
                r#"invalid input syntax for type integer: "…""#,
            ),
            (
                r#"value "99999" is out of range for type smallint"#,
                r#"value "…" is out of range for type smallint"#,
            ),
            (
                r#"invalid input value for enum mood: "a "quoted" one""#,
                r#"invalid input value for enum mood: "…""#,
            ),
            ("syntaxe en entrée invalide : « secret »", "syntaxe en entrée invalide : \"…\""),
            ("unfinished: \"secret", "unfinished: \"…\""),
            ("division by zero", "division by zero"),
        ] {
            assert_eq!(without_values(message), shown);
        }
    }

    #[test]
    fn the_dates_of_certificates_can_be_read() {
        let message = "invalid peer certificate: certificate expired: verification time 1767225600 (UNIX), but certificate is not \
                       valid after 1735689600 (31536000 seconds ago)";
        let fault =
            Fault::from(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::InvalidData, message)));
        let shown = "TLS: invalid peer certificate: certificate expired: verification time 2026-01-01 00:00 UTC, but certificate is \
                     not valid after 2025-01-01 00:00 UTC";
        assert_eq!(fault.message, shown);
        assert!(
            fault.connection_hint().unwrap().starts_with("renew the certificate of the database's server")
        );
        assert_eq!(with_dates("the certificate 1767225600 is odd"), "the certificate 1767225600 is odd");
    }

    #[test]
    fn a_refused_database_is_not_taken_for_a_refused_table() {
        let refused = |message: &str, context: Option<&str>| {
            let fault = Fault::new(FaultClass::Denied, message);
            Fault { sqlstate: Some("42501".to_owned()), context: context.map(str::to_owned), ..fault }
        };
        let database = "permission denied for database \"app\"";
        let connect = refused(database, Some("detail: User does not have CONNECT privilege."));
        assert!(connect.connection_hint().unwrap().contains("GRANT CONNECT ON DATABASE"));
        assert!(refused(database, None).connection_hint().unwrap().contains("GRANT CREATE ON DATABASE"));
        assert_eq!(refused("permission denied for table posts", None).connection_hint(), None);
    }

    #[test]
    fn texts_are_cut() {
        let fault = Fault::new(FaultClass::Data, "ü".repeat(5000));
        assert!(
            fault.message.len() <= MAX_TEXT_BYTES && fault.message.ends_with('…'),
            "{}",
            fault.message.len()
        );
    }
}
