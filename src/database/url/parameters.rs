//! The parameters of PostgreSQL's connection strings that are honoured, and those that are refused, with the reason.
//! The table contains every parameter in
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>, so that a setting that secures a
//! connection is never ignored silently.

use sqlx::{ConnectOptions, postgres::PgConnectOptions};

use super::{
    connection_string::ConnectionParameters,
    environment::{SESSION_VARIABLES, Surroundings},
};

/// Why a parameter is refused. The messages never quote a value, because it may be a secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParameterError {
    #[error("there is no parameter `{name}`{}", .suggestion.map_or(String::new(), |name| format!("; did you mean `{name}`?")))]
    Unknown { name: String, suggestion: Option<&'static str> },
    #[error(
        "there is an unknown parameter after the password: is an `&` in the password not written as `%26`?"
    )]
    UnknownAfterPassword,
    #[error("`{name}` is not supported: {reason}")]
    Refused { name: &'static str, reason: &'static str },
    #[error(
        "several hosts are not supported: name one, or a host name that always resolves to the right server"
    )]
    SeveralHosts,
    #[error("`{name}` can only be {}", .values.join(" or "))]
    Value { name: &'static str, values: &'static [&'static str] },
    #[error("`port` is not a number from 1 to 65535")]
    Port,
    #[error(
        "the environment variable {name} cannot be used, unset it or give the parameter in the URL: {problem}"
    )]
    Variable { name: &'static str, problem: Box<ParameterError> },
    #[error("the environment variable {name} is set but empty: unset it")]
    EmptyVariable { name: &'static str },
    #[error("the environment variable {name} can only be {}, as every session has it: unset it", .values.join(" or "))]
    SessionVariable { name: &'static str, values: &'static [&'static str] },
    #[error("the driver refuses the parameters: {0}")]
    Driver(String),
}

enum Treatment {
    Honoured,
    /// Only these values are accepted, because they request the behaviour that is implemented anyway.
    Only(&'static [&'static str]),
    Refused(&'static str),
}
use Treatment::{Honoured, Only, Refused};

const SSL_MODES: &[&str] = &["disable", "prefer", "require", "verify-ca", "verify-full"];
const KERBEROS: &str = "Kerberos (GSSAPI) is not implemented";
const KEEPALIVES: &str = "the operating system's keepalives are used";
const REVOCATION: &str = "certificate revocation lists are not checked";

const PARAMETERS: &[(&str, Treatment)] = &[
    ("host", Honoured),
    ("hostaddr", Honoured),
    ("port", Honoured),
    ("dbname", Honoured),
    ("user", Honoured),
    ("password", Honoured),
    ("sslmode", Honoured),
    ("sslrootcert", Honoured),
    ("sslcert", Honoured),
    ("sslkey", Honoured),
    ("application_name", Honoured),
    ("fallback_application_name", Honoured),
    ("options", Honoured),
    ("client_encoding", Only(&["UTF8", "utf8", "UTF-8", "utf-8", "auto"])),
    ("sslnegotiation", Only(&["postgres"])),
    ("sslcompression", Only(&["0"])),
    ("sslsni", Only(&["1"])),
    ("sslcertmode", Only(&["allow"])),
    ("ssl_min_protocol_version", Only(&["TLSv1", "TLSv1.1", "TLSv1.2"])),
    ("ssl_max_protocol_version", Only(&["TLSv1.3"])),
    ("min_protocol_version", Only(&["3.0"])),
    ("max_protocol_version", Only(&["3.0", "latest"])),
    ("channel_binding", Only(&["disable", "prefer"])),
    ("gssencmode", Only(&["disable", "prefer"])),
    ("gssdelegation", Only(&["0"])),
    ("target_session_attrs", Only(&["any"])),
    ("load_balance_hosts", Only(&["disable"])),
    ("replication", Only(&["false", "off", "no", "0"])),
    ("connect_timeout", Refused("connecting fails after 10 s, or after 3 s if a request waits for it")),
    ("passfile", Refused("set the environment variable PGPASSFILE, or use ~/.pgpass")),
    (
        "require_auth",
        Refused(
            "every method that the server requests is accepted except Kerberos; use `sslmode=verify-full` to verify the server",
        ),
    ),
    ("keepalives", Refused(KEEPALIVES)),
    ("keepalives_idle", Refused(KEEPALIVES)),
    ("keepalives_interval", Refused(KEEPALIVES)),
    ("keepalives_count", Refused(KEEPALIVES)),
    ("tcp_user_timeout", Refused(KEEPALIVES)),
    ("requiressl", Refused("write `sslmode=require`")),
    ("sslpassword", Refused("use a key without a passphrase as `sslkey`")),
    ("sslkeylogfile", Refused("session keys are not written to files")),
    ("sslcrl", Refused(REVOCATION)),
    ("sslcrldir", Refused(REVOCATION)),
    ("requirepeer", Refused("the user that the server runs as is not checked")),
    ("krbsrvname", Refused(KERBEROS)),
    ("gsslib", Refused(KERBEROS)),
    ("scram_client_key", Refused("give the password")),
    ("scram_server_key", Refused("give the password")),
    ("service", Refused("write the parameters of the service file into the URL")),
    ("servicefile", Refused("write the parameters of the service file into the URL")),
    ("oauth_issuer", Refused("OAuth is not implemented")),
    ("oauth_client_id", Refused("OAuth is not implemented")),
    ("oauth_client_secret", Refused("OAuth is not implemented")),
    ("oauth_scope", Refused("OAuth is not implemented")),
];

/// Returns the driver's options for these parameters. Missing parameters are taken from PostgreSQL's environment
/// variables (PGHOST, PGUSER, PGPASSWORD …) and password file.
pub(super) fn options(
    parameters: &ConnectionParameters,
    surroundings: &Surroundings,
) -> Result<PgConnectOptions, ParameterError> {
    let mut has_password = false;
    for (name, value) in parameters {
        check(name, value, has_password)?;
        has_password |= name == "password";
    }
    let inherited = surroundings.missing(parameters);
    check_environment(&inherited, surroundings)?;
    let given = |name: &str| {
        let found = parameters.iter().rev().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    };
    let of_environment = |name: &str| {
        let found = inherited.iter().find(|(_, parameter, _)| *parameter == name);
        found.map(|(_, _, value)| value.as_str())
    };
    let value = |name: &str| given(name).or_else(|| of_environment(name));
    if let Some(name) = surroundings.empty(|name| value(name).is_some()) {
        return Err(ParameterError::EmptyVariable { name });
    }
    let (host, address) = (value("host"), value("hostaddr"));
    if host.is_some() && address.is_some() {
        let problem = refused("hostaddr", "give either `host` or `hostaddr`");
        return Err(match (of_environment("hostaddr"), of_environment("host")) {
            (Some(_), _) => variable("PGHOSTADDR", problem),
            (None, Some(_)) => variable("PGHOST", problem),
            (None, None) => problem,
        });
    }
    if value("port").is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Err(if given("port").is_some() {
            ParameterError::Port
        } else {
            variable("PGPORT", ParameterError::Port)
        });
    }
    if given("sslrootcert") == Some("system") && surroundings.is_set("PGSSLROOTCERT") {
        let problem = refused(
            "sslrootcert",
            "the URL asks for the system's authorities, and the driver would add a file",
        );
        return Err(variable("PGSSLROOTCERT", problem));
    }
    let default_root = surroundings.default_root();
    let (mode, root) = tls(value("sslmode"), value("sslrootcert"), default_root.as_deref())?;
    // The options are made from a URL, because the driver looks up the password file only for the host, port and user
    // of a URL. All parameters are in its query, so that the driver's own syntax for hosts is not used.
    let mut url = url::Url::parse("postgres:").map_err(|error| ParameterError::Driver(error.to_string()))?;
    for (name, value) in [
        ("host", host.or(address)),
        ("port", value("port")),
        ("dbname", value("dbname")),
        ("user", value("user")),
        ("password", value("password")),
        ("sslmode", mode),
        ("sslrootcert", root),
        ("sslcert", value("sslcert")),
        ("sslkey", value("sslkey")),
        ("application_name", value("application_name").or(value("fallback_application_name"))),
        // The driver puts them behind those of PGOPTIONS, which it reads by itself.
        ("options", given("options")),
    ] {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    let options =
        PgConnectOptions::from_url(&url).map_err(|error| ParameterError::Driver(error.to_string()))?;
    // Connection poolers refuse unknown startup parameters such as `extra_float_digits`, and PostgreSQL 12 and later do
    // not need it.
    let options = options.extra_float_digits(None);
    Ok(match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("daymark"),
    })
}

/// Refuses variables of the environment that PostgreSQL's programs honour and Daymark does not.
fn check_environment(
    inherited: &[(&'static str, &'static str, String)],
    surroundings: &Surroundings,
) -> Result<(), ParameterError> {
    for (name, parameter, value) in inherited {
        let value_check = match *parameter {
            "sslmode" if !SSL_MODES.contains(&value.as_str()) => {
                Err(ParameterError::Value { name: "sslmode", values: SSL_MODES })
            }
            "sslrootcert" if value == "system" => Err(refused("sslrootcert=system", "write it into the URL")),
            _ if value.contains('\u{fffd}') => Err(refused(parameter, "it is not UTF-8")),
            _ => check(parameter, value, false),
        };
        value_check.map_err(|problem| variable(name, problem))?;
    }
    for (name, values) in SESSION_VARIABLES {
        if surroundings.value(name).is_some_and(|value| !values.contains(&value.as_str())) {
            return Err(ParameterError::SessionVariable { name, values });
        }
    }
    Ok(())
}

fn variable(name: &'static str, problem: ParameterError) -> ParameterError {
    ParameterError::Variable { name, problem: Box::new(problem) }
}

fn check(name: &str, value: &str, follows_password: bool) -> Result<(), ParameterError> {
    let Some((name, treatment)) = PARAMETERS.iter().find(|(known, _)| *known == name) else {
        return Err(unknown(name, follows_password));
    };
    match treatment {
        Honoured if matches!(*name, "host" | "hostaddr" | "port") && value.contains(',') => {
            Err(ParameterError::SeveralHosts)
        }
        // A connection string in place of the name is expanded by libpq, and may hold a password.
        Honoured if *name == "dbname" && value.contains(['=', ';']) | value.contains("://") => Err(refused(
            "dbname",
            "a database's name has no `=`, `;` or `://` here: write each parameter by itself",
        )),
        Honoured => Ok(()),
        Only(values) if values.contains(&value) => Ok(()),
        Only(values) => Err(ParameterError::Value { name, values }),
        Refused(reason) => Err(refused(name, reason)),
    }
}

fn refused(name: &'static str, reason: &'static str) -> ParameterError {
    ParameterError::Refused { name, reason }
}

fn unknown(name: &str, follows_password: bool) -> ParameterError {
    let is_word = name.len() <= 40
        && name.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-'));
    if follows_password || !is_word {
        return ParameterError::UnknownAfterPassword;
    }
    let distance = |known: &str| strsim::damerau_levenshtein(&name.replace('-', ""), known);
    let nearest = PARAMETERS.iter().map(|(known, _)| (distance(known), *known)).min();
    let suggestion =
        nearest.filter(|(distance, _)| *distance <= (name.len() / 3).max(1)).map(|(_, known)| known);
    ParameterError::Unknown { name: name.to_owned(), suggestion }
}

/// Returns `sslmode` and `sslrootcert` in the form that the driver understands. As in libpq, `default_root` is a file with
/// root certificates for connections that ask for TLS and name no other, and `require` with root certificates verifies the
/// server's certificate.
fn tls<'a>(
    mode: Option<&'a str>,
    root: Option<&'a str>,
    default_root: Option<&'a str>,
) -> Result<(Option<&'a str>, Option<&'a str>), ParameterError> {
    if mode.is_some_and(|mode| !SSL_MODES.contains(&mode)) {
        return Err(ParameterError::Value { name: "sslmode", values: SSL_MODES });
    }
    match (mode, root) {
        // Without a file, the driver trusts the system's authorities. Any of them can sign for any host, so the host
        // must be verified too.
        (None | Some("verify-full"), Some("system")) => return Ok((Some("verify-full"), None)),
        (Some(_), Some("system")) => {
            return Err(refused("sslrootcert=system", "it requires `sslmode=verify-full`"));
        }
        _ => {}
    }
    match (mode, root.or(default_root)) {
        (Some("verify-ca"), None) => {
            Err(refused("sslmode=verify-ca without sslrootcert", "use `sslmode=verify-full`"))
        }
        (Some("require"), Some(root)) => Ok((Some("verify-ca"), Some(root))),
        (Some("verify-ca" | "verify-full"), root) => Ok((mode, root)),
        _ => Ok((mode, root)),
    }
}

/// Returns the parts of the parameters that may be shown, as a URL, and whether other parts were left out.
pub(super) fn shown(parameters: &ConnectionParameters) -> (String, bool) {
    let value = |name: &str| {
        let found = parameters.iter().rev().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    };
    let mut shown = "postgres://".to_owned();
    if let Some(user) = value("user") {
        shown += &format!("{}@", encoded(user));
    }
    if let Some(host) = value("host").or(value("hostaddr")) {
        shown += &if host.contains(':') { format!("[{host}]") } else { encoded(host) };
    }
    if let Some(port) = value("port") {
        shown += &format!(":{port}");
    }
    if let Some(database) = value("dbname") {
        shown += &format!("/{}", encoded(database));
    }
    let is_shown = |name: &str| matches!(name, "user" | "host" | "hostaddr" | "port" | "dbname");
    (shown, parameters.iter().any(|(name, _)| !is_shown(name)))
}

/// Percent-encodes the characters of `text` that have a meaning in a URL, and replaces control characters with U+FFFD.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '/' | '?' | '#' | '@' | ':' | '%' | '[' | ']' | ' ' => {
                encoded += &format!("%{:02X}", character as u32)
            }
            _ if character.is_control() => encoded.push('\u{fffd}'),
            _ => encoded.push(character),
        }
    }
    encoded
}
