//! promtool, and a Prometheus that one test starts.

use std::{
    fs,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    packages::{directory, run},
    site::request,
};

/// How long Prometheus may take to start and to notice.
const DEADLINE: Duration = Duration::from_secs(60);

fn program(name: &str) -> PathBuf {
    let found = run(&mut Command::new(directory("scripts/prometheus-programs")));
    Path::new(found.trim()).join(name)
}

/// Runs promtool in ops/prometheus with `input`. Panics with what it says if it finds anything wrong.
pub fn promtool(arguments: &[&str], input: &str) {
    let mut command = Command::new(program("promtool"));
    command.args(arguments).current_dir(directory("ops/prometheus"));
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    // `check metrics` finds fault with names on its standard error.
    assert!(arguments != ["check", "metrics"] || said.is_empty(), "{said}\n{input}");
}

/// A running Prometheus, which is stopped when this value is dropped.
pub struct Prometheus {
    process: Child,
    address: SocketAddr,
    directory: tempfile::TempDir,
}

impl Prometheus {
    /// Starts a Prometheus that scrapes `target` as the job `daymark` and evaluates the rules in ops/prometheus every second.
    pub fn scraping(target: SocketAddr) -> Self {
        let home = tempfile::tempdir().unwrap();
        let rules = directory("ops/prometheus/alerts.yml");
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n  \
             - {{job_name: daymark, static_configs: [{{targets: ['{target}']}}]}}\n",
            rules.display()
        );
        fs::write(home.path().join("prometheus.yml"), config).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], fastrand::u16(20_000..32_000)));
        let process = Command::new(program("prometheus"))
            .arg(format!("--config.file={}", home.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", home.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(home.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            let log = fs::read_to_string(home.path().join("log")).unwrap_or_default();
            assert!(started.elapsed() < DEADLINE, "Prometheus does not start: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, address, directory: home }
    }

    /// Asks until `path` has an answer for which `find` returns something.
    pub async fn until<T>(&self, path: &str, find: impl Fn(&Value) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            let reply = request(self.address, "GET", path, &[], None).await;
            // While it starts, it answers with a text.
            if let Ok(answer) = serde_json::from_slice(&reply.body)
                && let Some(found) = find(&answer)
            {
                return found;
            }
            let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(started.elapsed() < DEADLINE, "{}\n{log}", reply.text());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
