//! Servers that speak TLS with certificates made as PostgreSQL's manual describes
//! (<https://www.postgresql.org/docs/current/ssl-tcp.html#SSL-CERTIFICATE-CREATION>), and the hints where they are refused.

use std::{env, ffi::OsStr, path::Path, process::Command};

use crate::{
    database::Database,
    installation::{Ended, Installation},
    pooler::run,
    server::PrivateServer,
};

/// Makes, in this order: a self-signed certificate (`self`); a root; and two certificates that the root signed, one without
/// (`plain`) and one with (`named`) a subject alternative name.
const MAKE: &str = r#"
openssl req -new -x509 -days 365 -nodes -text -out self.crt -keyout self.key -subj "/CN=localhost"
openssl req -new -nodes -text -out root.csr -keyout root.key -subj "/CN=root.example"
printf 'basicConstraints = critical, CA:true\nkeyUsage = keyCertSign\nsubjectKeyIdentifier = hash\n' >ca.ext
openssl x509 -req -in root.csr -text -days 3650 -extfile ca.ext -signkey root.key -out root.crt
openssl req -new -nodes -text -out plain.csr -keyout plain.key -subj "/CN=localhost"
openssl x509 -req -in plain.csr -text -days 365 -CA root.crt -CAkey root.key -CAcreateserial -out plain.crt
cp plain.key named.key
printf 'subjectAltName = IP:127.0.0.1\n' >named.ext
openssl x509 -req -in plain.csr -text -days 365 -CA root.crt -CAkey root.key -extfile named.ext -out named.crt
chmod 600 *.key
"#;

struct Certificates(tempfile::TempDir);

impl Certificates {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        run(Command::new("sh").args(["-ec", MAKE]).current_dir(directory.path()));
        if let Ok(user) = env::var("DAYMARK_TEST_POSTGRES_USER") {
            run(Command::new("chown").args(["-R", &user]).arg(directory.path()));
        }
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn server(&self, name: &str) -> PrivateServer {
        let at = |end: &str| self.path().join(format!("{name}.{end}")).display().to_string();
        let settings = format!("-c ssl=on -c ssl_cert_file={} -c ssl_key_file={}", at("crt"), at("key"));
        PrivateServer::made_by(
            "initdb",
            &["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"],
            &settings,
        )
    }
}

fn check(installation: &mut Installation, server: &PrivateServer, parameters: &str) -> Ended {
    installation.platform = Database::Postgres(format!("{}?{parameters}", server.url()));
    installation.run(&["check"])
}

#[tokio::test]
async fn certificates_of_the_postgresql_manual_are_accepted_or_refused_with_a_hint() {
    let certificates = Certificates::new();
    let root = format!("sslrootcert={}", certificates.path().join("root.crt").display());
    let own = format!("sslrootcert={}", certificates.path().join("self.crt").display());
    let without = PrivateServer::new();
    let mut installation = Installation::of_platform(Database::Postgres(without.url())).await;
    let mut refused = |server: &PrivateServer, parameters: &str, hint: &str| {
        let ended = check(&mut installation, server, parameters);
        let said = ended.stdout + &ended.stderr;
        assert!(said.contains(hint), "{parameters}: {said}");
        assert!(!said.contains("check that it is running"), "{parameters}: {said}");
    };
    refused(&without, "sslmode=require", "turn TLS on in its server");

    let server = certificates.server("self");
    refused(&server, "sslmode=verify-full", "is that of an authority");
    refused(&server, &format!("sslmode=verify-full&{own}"), "is that of an authority");
    let server = certificates.server("plain");
    // Without extensions OpenSSL makes certificates of version 1 before its release 3.2, and of version 3 since.
    refused(&server, &format!("sslmode=verify-full&{root}"), "subject");
    refused(
        &server,
        "sslmode=verify-full&sslrootcert=/nowhere/root.crt",
        "`sslrootcert` names the file /nowhere/root.crt",
    );

    let named = certificates.server("named");
    refused(&named, "sslmode=verify-full", "sslrootcert=/path/root.crt");
    refused(&named, &format!("sslmode=require&{own}"), "sslrootcert=/path/root.crt");
    for parameters in [
        "sslmode=require".to_owned(),
        format!("sslmode=require&{root}"),
        format!("sslmode=verify-full&{root}"),
    ] {
        let ended = check(&mut installation, &named, &parameters);
        let said = ended.stdout + &ended.stderr;
        // The database is empty, so the connection works and the tables are missing.
        assert!(!said.contains("TLS") && said.contains("posts"), "{parameters}: {said}");
    }
}

/// `sslmode=require` verifies the certificate of the server wherever root certificates come from, as `verify-ca` does: the
/// variable PGSSLROOTCERT, or the file in the home directory that PostgreSQL's programs read.
#[tokio::test]
async fn require_verifies_the_certificate_where_the_environment_names_root_certificates() {
    let certificates = Certificates::new();
    let server = certificates.server("named");
    let without = PrivateServer::new();
    let mut installation = Installation::of_platform(Database::Postgres(without.url())).await;
    installation.platform = Database::Postgres(format!("{}?sslmode=require", server.url()));
    let said = |name: &str, value: &OsStr| {
        let ended: Ended = installation.command(&["check"]).env(name, value).output().unwrap().into();
        ended.stdout + &ended.stderr
    };
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".postgresql")).unwrap();
    for (root, is_accepted) in [("root.crt", true), ("self.crt", false)] {
        let file = certificates.path().join(root);
        std::fs::copy(&file, home.path().join(".postgresql/root.crt")).unwrap();
        for (name, value) in [("PGSSLROOTCERT", file.as_os_str()), ("HOME", home.path().as_os_str())] {
            let said = said(name, value);
            assert_eq!(said.contains("posts"), is_accepted, "{name} {root}: {said}");
            assert_eq!(said.contains("TLS"), !is_accepted, "{name} {root}: {said}");
        }
    }
    let said = said("PGSSLCRL", OsStr::new("crl.pem"));
    assert!(said.contains("the environment variable PGSSLCRL cannot be used"), "{said}");
}
