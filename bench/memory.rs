//! Resident memory of the daymark program, as the kernel counts it.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use crate::{
    engine::{Daymark, Engine},
    report::Memory,
};

/// How often the peak is read. It only grows, so the last value counts.
const INTERVAL: Duration = Duration::from_millis(2);

/// Runs `daymark <arguments>` on the store and returns the most memory that it had at once.
pub fn peak(engine: &Engine, daymark: &Daymark, what: &str, arguments: &[&str]) -> anyhow::Result<Memory> {
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_daymark"))
        .args(arguments)
        .args(["--format", "json", "--platform-statement-timeout-seconds", "600"])
        .args(["--platform-url", &engine.platform_url, "--store-url", &daymark.store_url])
        .args(["--store-schema", &daymark.store_schema])
        // This directory has no daymark.toml.
        .current_dir(engine.directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("daymark cannot be started")?;
    let (status, peak_kib) = watch(&mut child)?;
    ensure!(status.success(), "daymark {arguments:?} fails: {status}");
    Ok(Memory {
        engine: engine.name,
        command: format!("{} ({what})", arguments[0]),
        peak_kib,
        took: started.elapsed(),
    })
}

fn watch(child: &mut Child) -> anyhow::Result<(std::process::ExitStatus, u64)> {
    let file = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    loop {
        let status = std::fs::read_to_string(&file).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(kib) = line.and_then(|line| line.trim().strip_suffix(" kB")) {
            peak_kib = kib.parse().context("VmHWM")?;
        }
        if let Some(status) = child.try_wait()? {
            ensure!(peak_kib > 0, "{file} does not say how much memory was used");
            return Ok((status, peak_kib));
        }
        std::thread::sleep(INTERVAL);
    }
}
