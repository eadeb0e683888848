//! `daymark serve` as a process of its own.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Instant,
};

use crate::raw::DEADLINE;

pub struct Process {
    child: Child,
    pub address: SocketAddr,
    /// Of the operating system.
    pub id: u32,
    log: Arc<Mutex<String>>,
}

impl Process {
    /// Starts a server with these settings only, and returns when it listens.
    pub fn start(store_url: &str, platform_url: &str, settings: &[(&str, &str)]) -> Self {
        Self::of(Command::new(env!("CARGO_BIN_EXE_daymark")).arg("serve"), store_url, platform_url, settings)
    }

    fn of(command: &mut Command, store_url: &str, platform_url: &str, settings: &[(&str, &str)]) -> Self {
        let mut child = command
            .current_dir("/")
            .env_clear()
            .env("DAYMARK_STORE_URL", store_url)
            .env("DAYMARK_PLATFORM_URL", platform_url)
            .env("DAYMARK_HTTP_LISTEN", "127.0.0.1:0")
            .env("DAYMARK_SCHEDULE_ENABLED", "false")
            .env("DAYMARK_ALERTING_ENABLED", "false")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = |line: String| {
            let (_, rest) = line.split_once("listening on http://")?;
            rest.split(';').next()?.parse().ok()
        };
        let log = Arc::new(Mutex::new(String::new()));
        let read = Arc::clone(&log);
        let mut lines = lines.inspect(move |line| *read.lock().unwrap() += &format!("{line}\n"));
        let found = lines.by_ref().find_map(address);
        let read_log = Arc::clone(&log);
        // The pipe is read to its end, because a full pipe would block the server.
        std::thread::spawn(move || lines.for_each(drop));
        let id = child.id();
        let address =
            found.unwrap_or_else(|| panic!("the server does not start: {}", read_log.lock().unwrap()));
        Self { address, id, child, log }
    }

    /// How many lines of its log, as far as it was read, contain `text`.
    pub fn logged(&self, text: &str) -> usize {
        self.lines(text).len()
    }

    /// The lines of its log, as far as it was read, that contain `text`.
    pub fn lines(&self, text: &str) -> Vec<String> {
        let log = self.log.lock().unwrap();
        log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }

    /// Sends SIGTERM, as an administrator would.
    pub fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.id.to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Sends SIGKILL, as the system does to a process that takes too much memory, and returns when it has ended.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the process has ended, and returns its exit status.
    pub fn ended(mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < DEADLINE, "the server does not stop");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
