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
    /// As pg_ctl takes them: `-c name=value …`.
    settings: String,
}

impl PrivateServer {
    /// Creates a cluster and starts it.
    pub fn new() -> Self {
        Self::made_by("initdb", &["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"], "")
    }

    /// Starts what `program` makes in the data directory that it is given, with settings as pg_ctl takes them:
    /// `-c name=value …`.
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

    /// Ports below the range that systems hand out to clients; a port that is taken makes the start fail.
    fn start_on_any_port(&mut self) {
        let started = (0..10).any(|_| {
            self.port = fastrand::u16(20_000..32_000);
            self.try_start()
        });
        assert!(started, "the server does not start:\n{}", self.log());
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
