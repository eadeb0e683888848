//! A key set over HTTPS, read by the built program, because certificate authorities are settings of a whole process.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::JoinHandle,
};

use jsonwebtoken::{Algorithm, EncodingKey};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::json;

use crate::world::{RSA_1, claims, key_set, public, sign};

/// The authority that signed the certificate of `keys/localhost.pem`.
const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/access/keys/authority.pem");
/// A certificate for the name `localhost`, and its key.
const LOCALHOST: &str = include_str!("keys/localhost.pem");

/// Starts a server of a key set, and returns its port.
fn issuer() -> u16 {
    let certificate = CertificateDer::from_pem_slice(LOCALHOST.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(LOCALHOST.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    let body = key_set(&[public("1", RSA_1)]);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            // A client that does not trust the certificate ends the connection.
            if stream.read(&mut [0; 4096]).is_ok() {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    port
}

/// A process of `daymark serve`, which is killed when this value is dropped.
struct Program {
    child: Child,
    address: SocketAddr,
    /// Everything that it writes to stderr.
    log: Option<JoinHandle<String>>,
}

impl Program {
    fn serve(directory: &Path, key_set: &str, authority: Option<&str>) -> Self {
        let command = |argument: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_daymark"));
            command.arg(argument).current_dir(directory).env_clear().stdin(Stdio::null());
            command
                .env("DAYMARK_HTTP_LISTEN", "127.0.0.1:0")
                .env("DAYMARK_SCHEDULE_ENABLED", "false")
                .env("DAYMARK_ALERTING_ENABLED", "false")
                .env("DAYMARK_ACCESS_JWKS", key_set);
            command.envs(authority.map(|file| ("SSL_CERT_FILE", file)));
            command
        };
        assert!(command("migrate").output().unwrap().status.success());
        let mut child = command("serve").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        // The key set is read before it listens.
        let (mut line, mut before) = (String::new(), String::new());
        let address = loop {
            before += &std::mem::take(&mut line);
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the server has ended");
            if let Some((_, rest)) = line.split_once("listening on http://") {
                break rest.split(';').next().unwrap().parse().unwrap();
            }
        };
        let log = std::thread::spawn(move || {
            let _ = lines.read_to_string(&mut before);
            before
        });
        Self { child, address, log: Some(log) }
    }

    /// The status of a request with a token that the key set's key signed.
    fn status(&self) -> u16 {
        let key = EncodingKey::from_rsa_pem(RSA_1.as_bytes()).unwrap();
        // The token expires on 2100-01-01, because the program uses the machine's clock.
        let token = sign(Algorithm::RS256, Some("1"), &key, &claims(json!({"exp": 4_102_444_800_i64})));
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let request = agent.get(format!("http://{}/rest/v1/daily_metrics", self.address));
        request.header("authorization", format!("Bearer {token}")).call().unwrap().status().as_u16()
    }

    fn log(mut self) -> String {
        let _ = self.child.kill();
        self.log.take().unwrap().join().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_certificate_of_the_key_sets_server_is_verified() {
    let port = issuer();
    let (by_name, by_address) =
        (format!("https://localhost:{port}/keys.json"), format!("https://127.0.0.1:{port}/keys.json"));
    for (key_set, authority, refused_for) in [
        (&by_name, Some(AUTHORITY), None),
        (&by_name, None, Some("UnknownIssuer")),
        (&by_address, Some(AUTHORITY), Some("not valid for name")),
        (&by_name, Some("/nowhere.pem"), Some("no certificate authority can be read")),
        (&by_name, Some("/dev/null"), Some("has no certificate authority")),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let program = Program::serve(directory.path(), key_set, authority);
        let status = program.status();
        let log = program.log();
        match refused_for {
            None => assert_eq!(status, 200, "{log}"),
            Some(reason) => {
                assert_eq!(status, 503, "{log}");
                assert!(log.contains("the key set cannot be read") && log.contains(reason), "{log}");
            }
        }
    }
}
