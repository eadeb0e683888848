use super::*;

fn parsed(text: &str) -> (PgConnectOptions, String) {
    match text.parse().unwrap_or_else(|error| panic!("{text}: {error}")) {
        DatabaseUrl::Postgres { options, shown, .. } => (*options, shown),
        DatabaseUrl::Sqlite(path) => panic!("{text}: {path:?}"),
    }
}

fn refusal(text: &str) -> String {
    text.parse::<DatabaseUrl>().expect_err(text).to_string()
}

#[test]
fn every_form_of_a_uri_names_the_same_server() {
    for (text, host, port, user, database, shown) in [
        (
            "postgres://me@db.example:5433/app",
            "db.example",
            5433,
            "me",
            "app",
            "postgres://me@db.example:5433/app",
        ),
        ("postgresql://me@[::1]:5433/app", "::1", 5433, "me", "app", "postgres://me@[::1]:5433/app"),
        (
            "postgres://me@[2001:db8::1234]/app",
            "2001:db8::1234",
            5432,
            "me",
            "app",
            "postgres://me@[2001:db8::1234]/app",
        ),
        (
            "postgres:///app?host=db.example&user=me&port=5433",
            "db.example",
            5433,
            "me",
            "app",
            "postgres://me@db.example:5433/app",
        ),
        (
            "postgres://m%65@db.example/a%20b",
            "db.example",
            5432,
            "me",
            "a b",
            "postgres://me@db.example/a%20b",
        ),
        (
            "postgres://me:s3%2Fcr%40t@db.example/app?sslmode=disable",
            "db.example",
            5432,
            "me",
            "app",
            "postgres://me@db.example/app",
        ),
        (
            "host=db.example port=5433 user = me dbname='app' password='s3 cr\\'et'",
            "db.example",
            5433,
            "me",
            "app",
            "postgres://me@db.example:5433/app",
        ),
        ("postgres://me@/app?hostaddr=10.0.0.1", "10.0.0.1", 5432, "me", "app", "postgres://me@10.0.0.1/app"),
    ] {
        let (options, displayed) = parsed(text);
        let found = (options.get_host(), options.get_port(), options.get_username(), options.get_database());
        assert_eq!(found, (host, port, user, Some(database)), "{text}");
        assert_eq!(displayed, shown, "{text}");
    }
}

#[test]
fn sockets_are_directories_in_place_of_a_host() {
    for text in [
        "postgres://%2Frun%2Fpostgresql/app",
        "postgres:///app?host=/run/postgresql",
        "host=/run/postgresql dbname=app",
    ] {
        let (options, shown) = parsed(text);
        assert_eq!(options.get_socket().unwrap().to_str(), Some("/run/postgresql"), "{text}");
        assert_eq!(shown, "postgres://%2Frun%2Fpostgresql/app", "{text}");
    }
}

#[test]
fn secrets_are_never_shown() {
    for text in [
        "postgres://u:5432/Secret@host/db",
        "postgres://u:Secret/more@host/db",
        "postgres://u:Secret?more@host/db",
        "postgres://u:Secret#more@host/db",
        "postgres://u:p@Secret@host/db",
        "postgres://u:Secret%zz@host/db",
        "postgres://u:Secret@[::1/db",
        "postgres://u:a:b:Secret/db",
        "postgres://host/db?password=a&Secret=b",
        "postgres://host/db?sslpassword=Secret",
        "postgres://host/db?sslmode=Secret",
        "postgres://u:x@host:Secret/db",
        "host=db password='Secret",
        "host=db password=x Secret",
        "mysql://me:Secret@db/app",
        "me@Secret",
        "Secret",
        "Secret:x",
        "dbname=postgres://u:Secret@h/db",
        "postgres://h/ignored?dbname=postgres://u:Secret%40h/db",
        "postgres://h:1/db;password=Secret",
    ] {
        let message = refusal(text);
        assert!(!message.contains("Secret"), "{text}: {message}");
    }
    assert!(refusal("postgres://u:5432/Secret@host/db").contains("`/` must be written as `%2F`"));
    let DatabaseUrl::Postgres { is_partly_shown, .. } = "postgres://u:x@h/db".parse().unwrap() else {
        panic!()
    };
    assert!(is_partly_shown);
}

#[test]
fn a_parameter_is_honoured_or_refused_by_name() {
    for (text, expected) in [
        ("postgres://h/d?sslmod=verify-full", "no parameter `sslmod`; did you mean `sslmode`?"),
        ("postgres://h/d?ssl-mode=require", "did you mean `sslmode`?"),
        ("postgres://h/d?pgbouncer=true", "no parameter `pgbouncer`"),
        ("postgres://h/d?service=x", "`service` is not supported"),
        ("postgres://h/d?channel_binding=require", "`channel_binding` can only be disable or prefer"),
        ("postgres://h/d?target_session_attrs=read-write", "`target_session_attrs` can only be any"),
        ("postgres://h1,h2/d", "several hosts are not supported: name one"),
        ("postgres://h1:1,h2:2/d", "several hosts"),
        ("postgres://h/d?sslmode=allow", "`sslmode` can only be disable or prefer"),
        ("postgres://h/d?sslmode=verify-ca", "use `sslmode=verify-full`"),
        ("postgres://h/d?host=x&hostaddr=1.2.3.4", "`hostaddr` is not supported"),
        ("postgres://h:70000/d", "`port` is not a number"),
        ("postgres://::1/d", "written in brackets"),
        ("sqlite:a.db?mode=ro", "no parameters"),
    ] {
        let message = refusal(text);
        assert!(message.contains(expected), "{text}: {message}");
    }
    for (name, treatment) in
        [("application_name", "mine"), ("options", "-c geqo=off"), ("gssencmode", "disable"), ("sslsni", "1")]
    {
        parsed(&format!("postgres://h/d?{name}={treatment}"));
    }
}

#[test]
fn a_root_certificate_is_always_verified() {
    let (options, _) = parsed("postgres://h/d?sslmode=require&sslrootcert=/root.crt");
    assert!(matches!(options.get_ssl_mode(), sqlx::postgres::PgSslMode::VerifyCa));
    let (options, _) = parsed("postgres://h/d?sslrootcert=system");
    assert!(matches!(options.get_ssl_mode(), sqlx::postgres::PgSslMode::VerifyFull));
}

/// The options of a URL where these variables are set, and where this is the home directory.
fn in_environment(text: &str, variables: &[(&str, &str)], home: &str) -> Result<PgConnectOptions, String> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| std::ffi::OsString::from(value))
    };
    let parameters = connection_string::from_uri(connection_string::without_scheme(text).unwrap()).unwrap();
    let surroundings = Surroundings::new(&variable, Some(PathBuf::from(home)));
    parameters::options(&parameters, &surroundings).map_err(|error| error.to_string())
}

#[test]
fn a_variable_of_the_environment_is_honoured_or_refused_by_name() {
    let options = |variables: &[(&str, &str)]| in_environment("postgres:///", variables, "/none").unwrap();
    let found =
        options(&[("PGHOST", "db.example"), ("PGPORT", "5433"), ("PGUSER", "me"), ("PGDATABASE", "app")]);
    let found = (found.get_host(), found.get_port(), found.get_username(), found.get_database());
    assert_eq!(found, ("db.example", 5433, "me", Some("app")));
    assert_eq!(options(&[("PGHOSTADDR", "10.0.0.1")]).get_host(), "10.0.0.1");
    assert_eq!(options(&[("PGAPPNAME", "night")]).get_application_name(), Some("night"));
    options(&[("PGTARGETSESSIONATTRS", "any")]);
    let given = in_environment(
        "postgres://h:1/d?sslmode=disable",
        &[("PGHOST", "x"), ("PGSSLMODE", "allow")],
        "/none",
    );
    assert_eq!(given.unwrap().get_host(), "h");
    for (name, value, expected) in [
        ("PGSERVICE", "Secret", "`service` is not supported"),
        ("PGTARGETSESSIONATTRS", "read-write", "`target_session_attrs` can only be any"),
        ("PGSSLMODE", "allow", "`sslmode` can only be disable or prefer"),
        ("PGSSLCERT", "", "is set but empty"),
        ("PGUSER", "", "is set but empty"),
        ("PGSSLROOTCERT", "system", "write it into the URL"),
        ("PGSSLCRL", "/crl.pem", "certificate revocation lists are not checked"),
        ("PGREQUIREAUTH", "scram-sha-256", "`require_auth` is not supported"),
        ("PGCHANNELBINDING", "require", "`channel_binding` can only be disable or prefer"),
        ("PGHOST", "a,b", "several hosts are not supported"),
        ("PGPORT", "Secret", "`port` is not a number"),
    ] {
        let message = in_environment("postgres:///d", &[(name, value)], "/none").unwrap_err();
        assert!(message.contains(name) && message.contains(expected), "{name}: {message}");
        assert!(!message.contains("Secret"), "{message}");
    }
    let both = in_environment("postgres://h/d", &[("PGHOSTADDR", "10.0.0.1")], "/none").unwrap_err();
    assert!(both.contains("PGHOSTADDR") && both.contains("either `host` or `hostaddr`"), "{both}");
}

#[test]
fn a_variable_that_is_harmless_is_ignored() {
    for (name, value) in [
        ("PGCONNECT_TIMEOUT", "5"),
        ("PGTZ", "Europe/Berlin"),
        ("PGDATESTYLE", "SQL"),
        ("PGGEQO", "off"),
        ("PGCLIENTENCODING", "LATIN1"),
        ("PGLOADBALANCEHOSTS", "random"),
        ("PGSSLNEGOTIATION", "direct"),
        ("PGKRBSRVNAME", "postgres"),
        ("PGSSLMODE", ""),
        ("PGSSLROOTCERT", ""),
        ("PGSSLCRL", ""),
        ("PGCONNECT_TIMEOUT", ""),
    ] {
        let options = in_environment("postgres://h/d", &[(name, value)], "/none").unwrap();
        assert_eq!(options.get_host(), "h", "{name}");
    }
    // The driver would read the file with an empty name.
    let empty = |url: &str, name: &str| in_environment(url, &[(name, "")], "/none").unwrap_err();
    let root = empty("postgres://h/d?sslmode=verify-full", "PGSSLROOTCERT");
    assert!(root.contains("PGSSLROOTCERT is set but empty"), "{root}");
    assert!(empty("postgres://h/d", "PGSSLKEY").contains("PGSSLKEY is set but empty"));
    in_environment("postgres://h/d?sslmode=disable", &[("PGSSLKEY", "")], "/none").unwrap();
    in_environment(
        "postgres://h/d?sslmode=verify-full&sslrootcert=/root.crt",
        &[("PGSSLROOTCERT", "")],
        "/none",
    )
    .unwrap();
}

#[test]
fn no_message_recommends_a_parameter_that_is_refused() {
    let service = in_environment("postgres:///d", &[("PGSERVICE", "x")], "/none").unwrap_err();
    assert!(service.contains("unset it: ") && !service.contains("give the parameter"), "{service}");
    let mode = in_environment("postgres:///d", &[("PGSSLMODE", "allow")], "/none").unwrap_err();
    assert!(mode.contains("unset it or give the parameter in the URL"), "{mode}");
    assert!(!refusal("postgres://h/d?connect_timeot=5").contains("did you mean"));
    assert!(refusal("postgres://h/d?sslmod=require").contains("did you mean `sslmode`?"));
    let example = refusal("postgres://h/d?sslmode");
    let example = example.split_once("written as in `").unwrap().1.split('`').next().unwrap();
    in_environment(&format!("postgres://h/d{example}"), &[], "/none").unwrap();
}

#[test]
fn a_root_certificate_of_the_environment_is_verified_too() {
    use sqlx::postgres::PgSslMode::{Disable, VerifyCa, VerifyFull};
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".postgresql")).unwrap();
    std::fs::write(home.path().join(".postgresql/root.crt"), "").unwrap();
    let home = home.path().display().to_string();
    let mode = |parameters: &str, variables: &[(&str, &str)], home: &str| {
        in_environment(&format!("postgres://h/d{parameters}"), variables, home).unwrap().get_ssl_mode()
    };
    let root = ("PGSSLROOTCERT", "/root.crt");
    assert!(matches!(mode("?sslmode=require", &[root], "/none"), VerifyCa));
    assert!(matches!(mode("", &[root, ("PGSSLMODE", "require")], "/none"), VerifyCa));
    assert!(matches!(mode("?sslmode=verify-ca", &[root], "/none"), VerifyCa));
    assert!(matches!(mode("?sslmode=verify-full", &[root], "/none"), VerifyFull));
    assert!(matches!(mode("?sslmode=disable", &[root], "/none"), Disable));
    assert!(matches!(mode("?sslmode=require", &[], &home), VerifyCa));
    assert!(matches!(mode("?sslmode=verify-ca", &[], &home), VerifyCa));
    let both = in_environment("postgres://h/d?sslrootcert=system", &[root], "/none").unwrap_err();
    assert!(both.contains("PGSSLROOTCERT"), "{both}");
}

#[test]
fn sessions_have_an_application_name() {
    assert_eq!(parsed("postgres://h/d").0.get_application_name(), Some("daymark"));
    assert_eq!(parsed("postgres://h/d?application_name=night").0.get_application_name(), Some("night"));
}

#[test]
fn sqlite_names_a_file() {
    for (text, path) in
        [("sqlite:a.db", "a.db"), ("sqlite://a.db", "a.db"), ("sqlite:///tmp/a.db", "/tmp/a.db")]
    {
        assert_eq!(text.parse::<DatabaseUrl>().unwrap().to_string(), format!("sqlite:{path}"));
    }
    assert_eq!("sqlite::memory:".parse::<DatabaseUrl>().unwrap_err(), DatabaseUrlError::InMemory);
    assert_eq!("sqlite:".parse::<DatabaseUrl>().unwrap_err(), DatabaseUrlError::NoPath);
}
