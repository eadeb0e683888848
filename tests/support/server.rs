//! A PostgreSQL server of one test's own, for tests that stop it in the middle of something.

use std::{
    env,
    path::PathBuf,
    process::{Command, Output},
};

/// A running server on 127.0.0.1, with the superuser `postgres` and no password. It is gone when this is dropped.
pub struct PrivateServer {
    programs: PathBuf,
    /// The user that the server runs as, where that is another than this process's.
    user: Option<String>,
    data: PathBuf,
    port: u16,
}

impl PrivateServer {
    /// Creates a cluster and starts it.
    pub fn new() -> Self {
        let name = format!("{:x}", fastrand::u64(..));
        let mut server = Self {
            programs: setting("DAYMARK_TEST_POSTGRES_BIN").into(),
            user: env::var("DAYMARK_TEST_POSTGRES_USER").ok(),
            data: PathBuf::from(setting("DAYMARK_TEST_POSTGRES_HOME")).join(name),
            port: 0,
        };
        let made =
            server.run("initdb", &["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"]);
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        // Ports below the range that systems hand out to clients; a port that is taken makes the start fail.
        let started = (0..10).any(|_| {
            server.port = fastrand::u16(20_000..32_000);
            server.try_start()
        });
        assert!(started, "the server does not start:\n{}", server.log());
        server
    }

    /// URL of a superuser's connection to the database `postgres`; the same after a restart.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops the server as a crash would: nothing is flushed, clients are cut off.
    pub fn stop(&self) {
        let stopped = self.run("pg_ctl", &["stop", "-m", "immediate"]);
        assert!(stopped.status.success(), "the server does not stop:\n{}", self.log());
    }

    /// Starts the stopped server again and waits until it is ready.
    pub fn start(&self) {
        assert!(self.try_start(), "the server does not start again:\n{}", self.log());
    }

    fn try_start(&self) -> bool {
        let options = format!("-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''", self.port);
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
        // A server keeps what it inherits open: neither of the test's own streams may be among that.
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        self.run("pg_ctl", &["stop", "-m", "immediate"]);
        // What cannot be removed here, `scripts/with-postgres` removes.
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test`, which starts PostgreSQL"))
}
