//! A PostgreSQL server that belongs to one test, for tests that stop it or need their own roles and settings.

use std::{
    env,
    path::PathBuf,
    process::{Command, Output},
};

/// A running server on 127.0.0.1, with the superuser `postgres` and no password. It is removed when this value is dropped.
pub struct PrivateServer {
    programs: PathBuf,
    /// The user that the server runs as, if that is not the user of this process.
    user: Option<String>,
    data: PathBuf,
    port: u16,
    /// Settings in the form of pg_ctl: `-c name=value …`.
    settings: String,
}

impl PrivateServer {
    /// Creates a cluster and starts it.
    pub fn new() -> Self {
        Self::made_by("initdb", &["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"], "")
    }

    /// Starts a server in the data directory that `program` (initdb or pg_basebackup) makes, with settings in the form of
    /// pg_ctl: `-c name=value …`.
    pub fn made_by(program: &str, arguments: &[&str], settings: &str) -> Self {
        let name = format!("{:x}", fastrand::u64(..));
        let mut server = Self {
            programs: setting("DAYMARK_TEST_POSTGRES_BIN").into(),
            user: env::var("DAYMARK_TEST_POSTGRES_USER").ok(),
            data: PathBuf::from(setting("DAYMARK_TEST_POSTGRES_HOME")).join(name),
            port: 0,
            settings: settings.to_owned(),
        };
        let made = server.run(program, arguments);
        assert!(made.status.success(), "{program}: {}", String::from_utf8_lossy(&made.stderr));
        server.start_on_any_port();
        server
    }

    /// Tries random ports below the range that systems assign to clients. The start fails on a port that is taken.
    fn start_on_any_port(&mut self) {
        let started = (0..10).any(|_| {
            self.port = fastrand::u16(20_000..32_000);
            self.try_start()
        });
        assert!(started, "the server does not start:\n{}", self.log());
    }

    /// The URL of a superuser's connection to the database `postgres`. It stays the same after a restart.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops the server like a crash: nothing is flushed, and clients are disconnected.
    pub fn stop(&self) {
        let stopped = self.run("pg_ctl", &["stop", "-m", "immediate"]);
        assert!(stopped.status.success(), "the server does not stop:\n{}", self.log());
    }

    /// Starts the stopped server again and waits until it is ready.
    pub fn start(&self) {
        assert!(self.try_start(), "the server does not start again:\n{}", self.log());
    }

    fn try_start(&self) -> bool {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' {}",
            self.port, self.settings
        );
        let log = self.data.join("server.log");
        self.run("pg_ctl", &["start", "-w", "-l", &log.to_string_lossy(), "-o", &options]).status.success()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("server.log")).unwrap_or_default()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let program = self.programs.join(program);
        let mut command = match &self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user, "--"]).arg(program);
                command
            }
        };
        command.arg("-D").arg(&self.data).args(arguments).current_dir("/");
        // A server keeps inherited streams open, so it must not inherit stdout and stderr of the test.
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        self.run("pg_ctl", &["stop", "-m", "immediate"]);
        // `scripts/with-postgres` removes the files that cannot be removed here.
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test`, which starts PostgreSQL"))
}
