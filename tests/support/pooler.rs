//! A PgBouncer that one test starts in front of a server.

use std::{
    fs,
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long PgBouncer may take to start.
const DEADLINE: Duration = Duration::from_secs(30);

/// A running PgBouncer, which is stopped when this value is dropped.
pub struct Pooler {
    process: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Pooler {
    /// Starts PgBouncer. `mode` is `session` or `transaction`; `settings` are further lines of pgbouncer.ini.
    pub fn new(server: &str, mode: &str, settings: &str) -> Self {
        let program =
            run(&mut Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/pgbouncer-program")));
        let server = url::Url::parse(server).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let port = fastrand::u16(20_000..32_000);
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = {mode}\nlogfile = {}\n{settings}\n",
            server.port().unwrap(),
            at("users").display(),
            at("log").display(),
        );
        fs::write(at("users"), "\"postgres\" \"\"\n").unwrap();
        fs::write(at("pgbouncer.ini"), text).unwrap();
        let mut command = match std::env::var("DAYMARK_TEST_POSTGRES_USER") {
            // PgBouncer refuses to run as root.
            Ok(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", &user, "--"]).arg(program.trim());
                run(Command::new("chown").arg("-R").arg(&user).arg(directory.path()));
                command
            }
            Err(_) => Command::new(program.trim()),
        };
        let process =
            command.arg(at("pgbouncer.ini")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < DEADLINE, "{}", fs::read_to_string(at("log")).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { process, port, _directory: directory }
    }

    /// The URL of `server` with the port of the pooler.
    pub fn url(&self, server: &str) -> String {
        let mut url = url::Url::parse(server).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.to_string()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // runuser forwards the signal to PgBouncer.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// Runs a program and returns its standard output. Panics with all of its output if the program fails.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, said.join("\n"));
    let [stdout, _] = said;
    stdout
}
