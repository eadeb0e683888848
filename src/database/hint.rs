//! What a person can do about a connection that is not made, not permitted or lost. One table for the platform and the
//! store; what is particular to either is said where their errors are.

use super::fault_class::FaultClass;

/// Begins the message of every failure of TLS.
pub(super) const TLS_PREFIX: &str = "TLS: ";

/// By SQLSTATE, or SQLite's result code.
const BY_CODE: &[(&str, &str)] = &[
    ("28P01", "check the user and the password in its URL"),
    ("28000", "check the user and the password in its URL, and pg_hba.conf on its server"),
    ("3D000", "create the database, or name another one in its URL"),
    ("53300", "wait, raise `max_connections` on its server, or put fewer clients on it"),
    ("57P03", "wait until the server has started"),
    ("42P05", POOLER),
    ("26000", POOLER),
    ("sqlite:26", "name another file: this one is not an SQLite database"),
    ("sqlite:11", "restore the file from a backup"),
];

const POOLER: &str = "a connection pooler gives the session to several clients: name the server itself, or a pooler in session mode";

/// By what the message contains: neither the driver nor the TLS library gives these a code.
const BY_MESSAGE: &[(&str, &str)] = &[
    (
        "unsupported startup parameter",
        "add the parameter to `ignore_startup_parameters` in pgbouncer.ini, or take it (`options`) out of the URL",
    ),
    ("no such database", "add the database to pgbouncer.ini, or name another one in the URL"),
    ("no such user", "add the user to PgBouncer's auth_file, or name another one in the URL"),
    ("does not support TLS", "turn TLS on in its server (`ssl = on`), or say `sslmode=disable` in its URL"),
    (
        "UnknownIssuer",
        "name the certificate of the authority that signed the server's in its URL (`sslrootcert=/path/root.crt`)",
    ),
    (
        "not valid for name",
        "connect by a name that is among the certificate's subject alternative names, or make a certificate that has \
         this one: a common name alone is not looked at",
    ),
    (
        "CaUsedAsEndEntity",
        "the server's certificate is one of an authority: sign a certificate of the server's own with it, and name the \
         authority's as `sslrootcert`",
    ),
    (
        "UnsupportedCertVersion",
        "the server's certificate is of an old version (X.509 v1): make it again with extensions (`subjectAltName`)",
    ),
    ("Expired", "the server's certificate has expired: make a new one"),
    ("NotValidYet", "the server's certificate is not valid yet: compare the clocks of both machines"),
    ("No such file", "check the path"),
    ("failed to lookup address", "check the host in its URL: no such name is known here"),
    ("Connection refused", "check that it is running, and the host and the port in its URL"),
    ("no connection within", "check the host and the port in its URL, and that no firewall is between"),
];

const TLS: &str = "check `sslmode`, `sslrootcert`, `sslcert` and `sslkey` in its URL";

pub(super) fn of_connection(
    class: FaultClass,
    sqlstate: Option<&str>,
    message: &str,
) -> Option<&'static str> {
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
