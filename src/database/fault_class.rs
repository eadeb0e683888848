//! The class of a fault, which is determined from the SQLSTATE or result code and the message.

/// The class of a failure, which determines whether it is retried and which hint is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultClass {
    /// The connection could not be made or broke, or the server is starting, stopping or full of connections.
    Unreachable,
    /// A server that the database itself queries, for example for a foreign table, could not be reached.
    Elsewhere,
    /// Two transactions conflicted (serialization failure, deadlock, SQLite busy).
    Contention,
    /// The statement reached its time limit.
    TimedOut,
    /// The statement was cancelled on request: by an administrator (`pg_cancel_backend`) or by this process.
    Cancelled,
    /// Another session holds a lock that the statement needs.
    Locked,
    /// A permission is missing.
    Denied,
    /// Row level security would hide rows from the role, and the session refuses that (`row_security = off`).
    HiddenRows,
    /// A table, column, function or type is missing, or the statement does not parse.
    Sql,
    /// There is no space left.
    Full,
    /// A value or an answer is larger than the database or this program permits. Reading fewer days does not help.
    TooLarge,
    /// The statement failed because of the rows that it read: a division by zero, a value that cannot be converted or
    /// decoded. Rows of other days may be readable.
    Data,
    /// No database is configured.
    Unconfigured,
    Other,
}

impl FaultClass {
    /// Whether the same statement may succeed a moment later.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Unreachable | Self::Contention | Self::Locked)
    }
}

/// SQLite's result codes SQLITE_IOERR_WRITE and SQLITE_IOERR_SHMSIZE, which mean that the disk is full too: SQLite reports SQLITE_FULL
/// only for ENOSPC in the database and its log.
pub(super) const SQLITE_FAILED_WRITES: [&str; 2] = ["778", "4874"];

/// See <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
pub(super) fn class_of_sqlstate(code: &str, message: &str) -> FaultClass {
    match code {
        // `query_canceled` stands for both classes. If the server's messages are not in English, the session that set
        // the time limit distinguishes them by the elapsed time.
        "57014" if message.contains("user request") => FaultClass::Cancelled,
        "57014" => FaultClass::TimedOut,
        "55P03" => FaultClass::Locked,
        "40001" | "40P01" => FaultClass::Contention,
        "57P01" | "57P02" | "57P03" | "57P05" | "53300" | "25P03" | "25P04" => FaultClass::Unreachable,
        "42501" => FaultClass::Denied,
        "53100" => FaultClass::Full,
        "53200" => FaultClass::TooLarge,
        // PgBouncer refuses the connection with this code; a retry would be refused again.
        "08P01" if message.contains("unsupported startup parameter") => FaultClass::Other,
        // A subquery returned more than one row, a function raised an exception, or a page or an index is damaged.
        "21000" | "P0001" | "XX001" | "XX002" => FaultClass::Data,
        "3F000" | "0A000" => FaultClass::Sql,
        _ => match code.get(..2) {
            Some("08") => FaultClass::Unreachable,
            Some("22") => FaultClass::Data,
            Some("28") => FaultClass::Denied,
            Some("42") => FaultClass::Sql,
            Some("54") => FaultClass::TooLarge,
            _ => FaultClass::Other,
        },
    }
}

/// See <https://www.sqlite.org/rescode.html>. The primary code is the low byte of an extended one.
pub(super) fn class_of_sqlite(code: Option<&str>, message: &str) -> FaultClass {
    if code.is_some_and(|code| SQLITE_FAILED_WRITES.contains(&code)) {
        return FaultClass::Full;
    }
    let primary = code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
    match primary {
        Some(1) if is_of_sqlite_values(message) => FaultClass::Data,
        Some(1) => FaultClass::Sql,
        Some(3 | 8 | 23) => FaultClass::Denied,
        Some(5 | 6) => FaultClass::Contention,
        Some(7 | 18) => FaultClass::TooLarge,
        // SQLITE_INTERRUPT; the session that set the time limit distinguishes it from a cancellation.
        Some(9) => FaultClass::TimedOut,
        Some(13) => FaultClass::Full,
        Some(14) => FaultClass::Unreachable,
        _ => FaultClass::Other,
    }
}

/// Whether SQLITE_ERROR was caused by a value. SQLite returns it both for statements that do not compile and for
/// functions that fail on a value of a row.
fn is_of_sqlite_values(message: &str) -> bool {
    ["integer overflow", "malformed JSON", "JSON cannot hold BLOB", "bad JSON path", "pattern too complex"]
        .iter()
        .any(|known| message.contains(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sqlstate_has_two_meanings() {
        let class = |message| class_of_sqlstate("57014", message);
        assert_eq!(class("canceling statement due to user request"), FaultClass::Cancelled);
        assert_eq!(class("canceling statement due to statement timeout"), FaultClass::TimedOut);
    }

    #[test]
    fn only_failures_that_depend_on_rows_are_of_data() {
        for code in ["22012", "22P02", "22003", "21000", "P0001"] {
            assert_eq!(class_of_sqlstate(code, ""), FaultClass::Data, "{code}");
        }
        for (code, class) in
            [("42703", FaultClass::Sql), ("54000", FaultClass::TooLarge), ("XX000", FaultClass::Other)]
        {
            assert_eq!(class_of_sqlstate(code, ""), class, "{code}");
        }
        assert_eq!(class_of_sqlite(Some("1"), "no such column: x"), FaultClass::Sql);
        assert_eq!(class_of_sqlite(Some("1"), "JSON cannot hold BLOB values"), FaultClass::Data);
        assert_eq!(class_of_sqlite(Some("18"), "string or blob too big"), FaultClass::TooLarge);
    }
}
