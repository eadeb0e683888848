//! Starting PostgreSQL's own programs with the connection of a store.

use std::process::Command;

use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};

use crate::database::certificate_files;

/// `program` with the connection in its environment, where other users of the machine do not see it: not in its arguments.
pub(super) fn pg_program(program: &str, options: &PgConnectOptions) -> Command {
    let mut command = Command::new(program);
    let host = match options.get_socket() {
        Some(socket) => socket.to_string_lossy().into_owned(),
        None => options.get_host().to_owned(),
    };
    command
        .env("PGHOST", host)
        .env("PGPORT", options.get_port().to_string())
        .env("PGUSER", options.get_username())
        .env("PGSSLMODE", ssl_mode(options.get_ssl_mode()))
        .env("PGAPPNAME", "daymark")
        // Messages are compared and shown in English.
        .env("LC_ALL", "C");
    if let Some(database) = options.get_database() {
        command.env("PGDATABASE", database);
    }
    if let Some(password) = password(options) {
        command.env("PGPASSWORD", password);
    }
    for (parameter, path) in certificate_files(options) {
        command.env(format!("PG{}", parameter.to_uppercase()), path);
    }
    command
}

/// The password, which the driver shows in a URL only.
fn password(options: &PgConnectOptions) -> Option<String> {
    // The driver does not encode a user's name, with which the URL might be none.
    let url = options.clone().username("user").to_url_lossy();
    let encoded = url.password().map(|password| format!("p={}", password.replace('+', "%2B")));
    encoded.and_then(|text| {
        let (_, password) = url::form_urlencoded::parse(text.as_bytes()).next()?;
        Some(password.into_owned())
    })
}

fn ssl_mode(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::DatabaseUrl;

    #[test]
    fn a_password_is_in_the_environment_and_not_in_the_arguments() {
        let url =
            "postgres://anna:p%25+%40ss%20%26@db.example:5433/app?sslmode=require&sslrootcert=/etc/root.crt";
        let DatabaseUrl::Postgres { options, .. } = url.parse().unwrap() else { panic!("not PostgreSQL") };
        let command = pg_program("pg_dump", &options);
        assert_eq!(command.get_args().count(), 0);
        let variable = |name: &str| {
            let found = command.get_envs().find(|(variable, _)| *variable == name);
            found.and_then(|(_, value)| value).map(|value| value.to_string_lossy().into_owned())
        };
        let shown = ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT"]
            .map(variable);
        let expected = ["db.example", "5433", "anna", "app", "p%+@ss &", "verify-ca", "/etc/root.crt"];
        assert_eq!(shown, expected.map(|value| Some(value.to_owned())));
    }
}
