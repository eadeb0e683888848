//! The parameters of PostgreSQL's connection strings that are honoured, and those that are refused, with the reason.
//! The table contains every parameter in
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>, so that a setting that secures a
//! connection is never ignored silently.

use sqlx::{ConnectOptions, postgres::PgConnectOptions};

use super::{
    connection_string::ConnectionParameters, environment::Surroundings, parameter_error::ParameterError,
};

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

/// The parameters of a connection: those of the URL, and those that only the environment gives.
struct GivenParameters<'a> {
    parameters: &'a ConnectionParameters,
    /// Each with the name of its variable.
    inherited: Vec<(&'static str, &'static str, String)>,
}

impl GivenParameters<'_> {
    fn in_url(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().rev().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    fn in_environment(&self, name: &str) -> Option<&str> {
        let found = self.inherited.iter().find(|(_, parameter, _)| *parameter == name);
        found.map(|(_, _, value)| value.as_str())
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.in_url(name).or_else(|| self.in_environment(name))
    }

    /// A host or its address.
    fn host(&self) -> Result<Option<&str>, ParameterError> {
        match (self.value("host"), self.value("hostaddr")) {
            (Some(_), Some(_)) => {
                let problem = refused("hostaddr", "give either `host` or `hostaddr`");
                Err(match (self.in_environment("hostaddr"), self.in_environment("host")) {
                    (Some(_), _) => variable("PGHOSTADDR", problem),
                    (None, Some(_)) => variable("PGHOST", problem),
                    (None, None) => problem,
                })
            }
            (host, address) => Ok(host.or(address)),
        }
    }

    fn port(&self) -> Result<Option<&str>, ParameterError> {
        match self.value("port") {
            Some(port) if !port.parse::<u16>().is_ok_and(|port| port > 0) => Err(match self.in_url("port") {
                Some(_) => ParameterError::Port,
                None => variable("PGPORT", ParameterError::Port),
            }),
            port => Ok(port),
        }
    }
}

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
    let given = GivenParameters { parameters, inherited: surroundings.missing(parameters) };
    check_environment(&given.inherited)?;
    let url = driver_url(&given, surroundings)?;
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

/// Returns the URL from which the driver makes its options, because it looks up the password file only for the host, port
/// and user of a URL. All parameters are in its query, so that the driver's own syntax for hosts is not used.
fn driver_url(given: &GivenParameters, surroundings: &Surroundings) -> Result<url::Url, ParameterError> {
    let (host, port) = (given.host()?, given.port()?);
    if given.in_url("sslrootcert") == Some("system") && surroundings.is_set("PGSSLROOTCERT") {
        let problem = refused(
            "sslrootcert",
            "the URL asks for the system's authorities, and the driver would add a file",
        );
        return Err(variable("PGSSLROOTCERT", problem));
    }
    let default_root = surroundings.default_root();
    let (mode, root) = tls(given.value("sslmode"), given.value("sslrootcert"), default_root.as_deref())?;
    let verifies = mode.is_some_and(|mode| mode.starts_with("verify-")) && root.is_none();
    if let Some(name) =
        surroundings.empty(|name| given.value(name).is_some(), verifies, mode != Some("disable"))
    {
        return Err(ParameterError::EmptyVariable { name });
    }
    let mut url = url::Url::parse("postgres:").map_err(|error| ParameterError::Driver(error.to_string()))?;
    for (name, value) in [
        ("host", host),
        ("port", port),
        ("dbname", given.value("dbname")),
        ("user", given.value("user")),
        ("password", given.value("password")),
        ("sslmode", mode),
        ("sslrootcert", root),
        ("sslcert", given.value("sslcert")),
        ("sslkey", given.value("sslkey")),
        ("application_name", given.value("application_name").or(given.value("fallback_application_name"))),
        // The driver puts them behind those of PGOPTIONS, which it reads by itself.
        ("options", given.in_url("options")),
    ] {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    Ok(url)
}

/// Refuses variables of the environment that PostgreSQL's programs honour and Daymark does not.
fn check_environment(inherited: &[(&'static str, &'static str, String)]) -> Result<(), ParameterError> {
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
    let accepted = PARAMETERS.iter().filter(|(_, treatment)| !matches!(treatment, Refused(_)));
    let nearest = accepted.map(|(known, _)| (distance(known), *known)).min();
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
