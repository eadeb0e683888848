//! PostgreSQL's environment variables. Each gives a parameter that the URL does not, and is honoured or refused as the
//! parameter is. The environment is shared with other programs, so a variable is ignored where ignoring it changes neither
//! which server is connected to, nor who connects, nor how the connection is secured:
//!
//! - how long connecting may take and which of several hosts is tried first: `PGCONNECT_TIMEOUT`, `PGLOADBALANCEHOSTS`;
//! - settings that every session of Daymark sets itself or does not depend on: `PGCLIENTENCODING`, `PGTZ`, `PGDATESTYLE`,
//!   `PGGEQO`;
//! - details of protocols that are not used: `PGSSLCOMPRESSION`, `PGSSLNEGOTIATION`, `PGMAXPROTOCOLVERSION`, `PGKRBSRVNAME`,
//!   `PGGSSLIB`, `PGGSSDELEGATION`;
//! - those that have no effect by themselves: `PGSERVICEFILE`, `PGSYSCONFDIR`, `PGLOCALEDIR`.
//!
//! The driver reads `PGPASSFILE`. The table contains every other variable in
//! <https://www.postgresql.org/docs/current/libpq-envars.html>.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::connection_string::ConnectionParameters;

/// Variables, and the parameters that they give.
pub(super) const VARIABLES: &[(&str, &str)] = &[
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGREQUIREAUTH", "require_auth"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGSERVICE", "service"),
    ("PGOPTIONS", "options"),
    ("PGAPPNAME", "application_name"),
    ("PGSSLMODE", "sslmode"),
    ("PGREQUIRESSL", "requiressl"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLCERTMODE", "sslcertmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCRL", "sslcrl"),
    ("PGSSLCRLDIR", "sslcrldir"),
    ("PGSSLSNI", "sslsni"),
    ("PGREQUIREPEER", "requirepeer"),
    ("PGSSLMINPROTOCOLVERSION", "ssl_min_protocol_version"),
    ("PGSSLMAXPROTOCOLVERSION", "ssl_max_protocol_version"),
    ("PGMINPROTOCOLVERSION", "min_protocol_version"),
    ("PGGSSENCMODE", "gssencmode"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
];

/// Variables that the driver also reads by itself, and takes an empty value of for a name. It reads an empty `PGSSLMODE` as if
/// it were not set.
const NEVER_EMPTY: &[&str] =
    &["PGHOST", "PGHOSTADDR", "PGDATABASE", "PGUSER", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"];

/// The variables of the process and the user's home directory.
pub(super) struct Surroundings<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    home: Option<PathBuf>,
}

impl Surroundings<'_> {
    pub(super) fn of_process() -> Self {
        Self { variable: &|name| env::var_os(name), home: env::home_dir() }
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        (self.variable)(name).is_some()
    }

    /// The value of a variable, unless it is empty. Bytes that are no UTF-8 become U+FFFD.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        (self.variable)(name)
            .map(|value| value.to_string_lossy().into_owned())
            .filter(|value| !value.is_empty())
    }

    /// The variables that give a parameter which the URL does not: each with the parameter and its value.
    pub(super) fn missing(&self, given: &ConnectionParameters) -> Vec<(&'static str, &'static str, String)> {
        let is_given = |name: &str| given.iter().any(|(known, value)| known == name && !value.is_empty());
        let missing = VARIABLES.iter().filter(|(_, parameter)| !is_given(parameter));
        missing
            .filter_map(|(variable, parameter)| Some((*variable, *parameter, self.value(variable)?)))
            .collect()
    }

    /// A variable that is set to an empty text, which the driver would use. It reads the files of certificates only where the
    /// mode of TLS makes it: `verifies` says whether the server's certificate is verified, `encrypts` whether TLS is possible.
    pub(super) fn empty(
        &self,
        is_given: impl Fn(&str) -> bool,
        verifies: bool,
        encrypts: bool,
    ) -> Option<&'static str> {
        let empty = |variable: &str| self.is_set(variable) && self.value(variable).is_none();
        let parameter =
            |variable: &str| VARIABLES.iter().find(|(known, _)| *known == variable).map(|(_, name)| *name);
        let is_used = |variable: &str| match parameter(variable) {
            Some("host" | "hostaddr") => !is_given("host") && !is_given("hostaddr"),
            Some("sslrootcert") => verifies && !is_given("sslrootcert"),
            Some(file @ ("sslcert" | "sslkey")) => encrypts && !is_given(file),
            Some(parameter) => !is_given(parameter),
            None => false,
        };
        NEVER_EMPTY.iter().copied().find(|variable| empty(variable) && is_used(variable))
    }

    /// The file with root certificates that PostgreSQL's programs use where none is named, if it exists.
    pub(super) fn default_root(&self) -> Option<String> {
        let file = self.home.as_deref().map(|home: &Path| home.join(".postgresql/root.crt"))?;
        file.exists().then(|| file.to_string_lossy().into_owned())
    }
}

#[cfg(test)]
impl<'a> Surroundings<'a> {
    pub(super) fn new(variable: &'a dyn Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Self {
        Self { variable, home }
    }
}
