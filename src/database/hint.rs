//! Hints for connections that cannot be made, are not permitted or are lost. The tables are shared by the platform and
//! the store; hints that apply to one of them only are with their errors.

use super::fault_class::FaultClass;

/// The prefix of the message of every TLS failure.
pub(super) const TLS_PREFIX: &str = "TLS: ";

/// Hints by SQLSTATE or SQLite's result code.
const BY_CODE: &[(&str, &str)] = &[
    ("28P01", "check the user and the password in its URL"),
    ("28000", "check the user and the password in its URL, and pg_hba.conf on its server"),
    ("3D000", "create the database, or name another one in its URL"),
    (
        "53400",
        "raise the limit that the message names for its role, as a superuser (`ALTER ROLE … SET temp_file_limit = …`), or read \
         fewer days or metrics at once",
    ),
    ("57P05", "its server ends idle sessions: run `ALTER ROLE … SET idle_session_timeout = 0` for its role"),
    (
        "25P03",
        "its server ends idle transactions: run `ALTER ROLE … SET idle_in_transaction_session_timeout = 0` for its role",
    ),
    (
        "25P04",
        "its server ends long transactions: run `ALTER ROLE … SET transaction_timeout = 0` for its role",
    ),
    ("53300", "wait, raise `max_connections` on its server, or connect fewer clients to it"),
    ("57P03", "wait until the server has started"),
    ("42P05", POOLER),
    ("26000", POOLER),
    ("sqlite:26", "name another file: this one is not an SQLite database"),
    ("sqlite:11", "restore the file from a backup"),
];

/// Hints for the messages of SQLSTATE 53300 that name a limit other than the server's `max_connections`.
const TOO_MANY_CONNECTIONS: &[(&str, &str)] = &[
    (
        "connections for role",
        "wait, connect fewer clients with this role, or raise the role's limit (`ALTER ROLE … CONNECTION LIMIT`)",
    ),
    (
        "connections for database",
        "wait, connect fewer clients to this database, or raise its limit (`ALTER DATABASE … CONNECTION LIMIT`)",
    ),
];

const POOLER: &str = "a connection pooler shares the session among several clients: connect to the server itself, or to a pooler in session mode";

/// Hints by a part of the message, for errors to which neither the driver nor the TLS library assigns a code.
const BY_MESSAGE: &[(&str, &str)] = &[
    (
        "unsupported startup parameter",
        "add the parameter to `ignore_startup_parameters` in pgbouncer.ini, or remove it (`options`) from the URL",
    ),
    ("no such database", "add the database to pgbouncer.ini, or name another one in the URL"),
    ("no such user", "add the user to PgBouncer's auth_file, or name another one in the URL"),
    ("does not support TLS", "turn TLS on in its server (`ssl = on`), or set `sslmode=disable` in its URL"),
    (
        "UnknownIssuer",
        "give the certificate of the authority that signed the server's certificate in its URL (`sslrootcert=/path/root.crt`)",
    ),
    (
        "not valid for name",
        "connect by a name that is among the certificate's subject alternative names, or create a certificate with \
         this one: the common name is ignored",
    ),
    (
        "CaUsedAsEndEntity",
        "the server's certificate is that of an authority: sign a separate server certificate with it, and give the \
         authority's as `sslrootcert`",
    ),
    (
        "UnsupportedCertVersion",
        "the server's certificate has an old version (X.509 v1): create it again with extensions (`subjectAltName`)",
    ),
    (
        "certificate expired",
        "renew the certificate of the database's server, on that server, and let it reload its configuration",
    ),
    (
        "certificate not valid yet",
        "the certificate of the database's server is not valid yet: compare the clocks of both machines",
    ),
    ("which cannot be read", "correct its path, or let this user read the file"),
    ("failed to lookup address", "check the host in its URL: this machine cannot resolve its name"),
    ("Connection refused", "check that it is running, and the host and the port in its URL"),
    (
        "no connection within",
        "check the host and the port in its URL, and that no firewall blocks the connection",
    ),
];

const TLS: &str = "check `sslmode`, `sslrootcert`, `sslcert` and `sslkey` in its URL";

/// The server refuses the connection with the SQLSTATE of every missing privilege. The names of privileges are not translated.
pub(super) fn of_refused_database(message: &str, context: Option<&str>) -> Option<&'static str> {
    let is_connect = context.is_some_and(|context| context.contains("CONNECT"));
    is_connect.then_some(CONNECT).or_else(|| message.contains("for database").then_some(CREATE))
}

const CONNECT: &str =
    "let an administrator run `GRANT CONNECT ON DATABASE … TO …` for this database and the role of its URL";
const CREATE: &str =
    "let an administrator run `GRANT CREATE ON DATABASE … TO …` for this database and the role of its URL";

pub(super) fn of_connection(
    class: FaultClass,
    sqlstate: Option<&str>,
    message: &str,
) -> Option<&'static str> {
    let of_limit = TOO_MANY_CONNECTIONS.iter().find(|(part, _)| message.contains(part));
    if let Some((_, hint)) = of_limit.filter(|_| sqlstate == Some("53300")) {
        return Some(hint);
    }
    let by_code = BY_CODE.iter().find(|(code, _)| sqlstate == Some(code));
    if let Some((_, hint)) = by_code {
        return Some(hint);
    }
    let is_tls = message.starts_with(TLS_PREFIX);
    if !is_tls && !matches!(class, FaultClass::Unreachable | FaultClass::Other) {
        return None;
    }
    let by_message = BY_MESSAGE.iter().find(|(part, _)| message.contains(part)).map(|(_, hint)| *hint);
    by_message.or_else(|| is_tls.then_some(TLS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_connections_is_named_by_what_it_belongs_to() {
        let hint = |message| of_connection(FaultClass::Unreachable, Some("53300"), message).unwrap();
        for (message, limit) in [
            ("too many connections for role \"daymark_service\"", "ALTER ROLE … CONNECTION LIMIT"),
            ("too many connections for database \"app\"", "ALTER DATABASE … CONNECTION LIMIT"),
            ("sorry, too many clients already", "max_connections"),
        ] {
            assert!(hint(message).contains(limit), "{message}: {}", hint(message));
        }
    }
}
