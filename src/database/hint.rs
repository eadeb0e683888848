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
    ("53300", "wait, raise `max_connections` on its server, or connect fewer clients to it"),
    ("57P03", "wait until the server has started"),
    ("42P05", POOLER),
    ("26000", POOLER),
    ("sqlite:26", "name another file: this one is not an SQLite database"),
    ("sqlite:11", "restore the file from a backup"),
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
    ("Expired", "the server's certificate has expired: create a new one"),
    ("NotValidYet", "the server's certificate is not valid yet: compare the clocks of both machines"),
    ("No such file", "check the path"),
    ("failed to lookup address", "check the host in its URL: this machine cannot resolve its name"),
    ("Connection refused", "check that it is running, and the host and the port in its URL"),
    (
        "no connection within",
        "check the host and the port in its URL, and that no firewall blocks the connection",
    ),
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
